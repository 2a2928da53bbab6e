"""What a person may type for a template's place: told apart before any program sees it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from scaffolder.answers import shown
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

ARCHIVE_ENDINGS = (".zip", ".whl", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")

_HOSTS = {"gh": "https://github.com/{}.git", "gl": "https://gitlab.com/{}.git"}
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_SCP = re.compile(rf"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@)?(?P<host>{_HOST}):(?P<path>[^-:\s][^\s]*)")


class Way(Enum):
    """How a template is fetched."""

    GIT = "git"
    FOLDER = "folder"
    ARCHIVE = "archive"
    DOWNLOAD = "download"


@dataclass(frozen=True, kw_only=True)
class Address:
    """One place of a template.

    Attributes:
        text: What is used to fetch it: a whole URL, or an absolute path. A URL may hold the person's password.
        protocols: Those that git may use for it.
    """

    way: Way
    text: str
    protocols: tuple[str, ...] = ()

    @property
    def public(self) -> str:
        """As it is recorded and shown: without a password."""
        return without_password(self.text)


def read(text: str) -> Address:
    """Understand what a person typed.

    Raises:
        NewmodelError: If it is no address, or one that could run a program or leads to another place than it says.
    """
    text = text.strip()
    if not text:
        raise NewmodelError(_("The address of the template is empty."))
    if any(not character.isprintable() for character in text):
        raise NewmodelError(_("“{address}” holds a character that no address can have.").format(address=shown(text)))
    if text.startswith("-"):
        raise NewmodelError(
            _("“{address}” looks like an option, not like an address; write ./{address} if it is a folder.").format(
                address=shown(text)
            )
        )
    text = re.sub(r"^git\+(?=\w+://)", "", text)
    short = re.fullmatch(r"(gh|gl):(.*)", text)
    if short:
        return _git(_HOSTS[short[1]].format(_repository(short[2], short[1])))
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*::", text):
        raise NewmodelError(
            _("“{address}” would let git start another program; give an https or ssh address.").format(
                address=shown(text)
            )
        )
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return _url(text)
    there = Path(text).expanduser()
    if not os.path.lexists(there) and not re.match(r"[A-Za-z]:[\\/]", text):
        scp = _SCP.fullmatch(text)
        if scp and "/" not in text.split(":")[0]:
            return Address(way=Way.GIT, text=text, protocols=("ssh",))
    return _local(there, text)


def without_password(text: str) -> str:
    """A URL without the name and password in it; an ssh address keeps its user, which is part of the place."""
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def is_this_machine(host: str | None) -> bool:
    """Whether a server's name is this computer's own, to which nobody listens in between."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _url(text: str) -> Address:
    parts = _split(text)
    if parts is None:
        raise NewmodelError(_("“{address}” is no address that can be read.").format(address=shown(text)))
    scheme = parts.scheme.lower()
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise NewmodelError(
                _("“{address}” names another computer's folder; give an https or ssh address.").format(
                    address=shown(text)
                )
            )
        return _local(Path(url2pathname(parts.path)), text)
    if scheme not in ("https", "ssh", "http"):
        raise NewmodelError(
            _(
                "Templates are not fetched over “{scheme}”; give an https or ssh address, a folder or an archive."
            ).format(scheme=shown(scheme))
        )
    if not re.fullmatch(rf"{_HOST}|[0-9A-Fa-f:.]+", parts.hostname or "") or (parts.username or "").startswith("-"):
        raise NewmodelError(_("“{address}” names no server that can be.").format(address=shown(without_password(text))))
    if scheme == "http" and not is_this_machine(parts.hostname):
        raise NewmodelError(
            _("“{address}” is not encrypted, so anyone on the way could change it; use https.").format(
                address=shown(without_password(text))
            )
        )
    if unquote(parts.path).startswith("/-"):
        raise NewmodelError(
            _("“{address}” has a path that looks like an option; it is not fetched.").format(
                address=shown(without_password(text))
            )
        )
    if scheme != "ssh" and parts.path.lower().endswith(ARCHIVE_ENDINGS):
        return Address(way=Way.DOWNLOAD, text=text)
    return _git(text)


def _git(text: str) -> Address:
    scheme = urlsplit(text).scheme.lower()
    # a person's own git settings may turn an https address into the ssh one of the same place, and back
    protocols = ("http",) if scheme == "http" else ("https", "ssh")
    return Address(way=Way.GIT, text=text, protocols=protocols)


def _repository(name: str, host: str) -> str:
    pattern = r"[\w.-]+/[\w.-]+" if host == "gh" else r"[\w.-]+(/[\w.-]+)+"
    name = name.strip("/")
    if "@" in name and re.fullmatch(pattern, name.partition("@")[0]):
        raise NewmodelError(
            _("Write the version apart from the address: {address} --to {version}").format(
                address=f"{host}:{name.partition('@')[0]}", version=shown(name.partition("@")[2])
            )
        )
    if not re.fullmatch(pattern, name, re.ASCII) or any(part.startswith(("-", ".")) for part in name.split("/")):
        raise NewmodelError(
            _("“{address}” is no repository; write {host}:owner/name.").format(
                address=shown(f"{host}:{name}"), host=host
            )
        )
    return name.removesuffix(".git")


def _local(path: Path, typed: str) -> Address:
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    if path.is_dir():
        return Address(way=Way.FOLDER, text=str(path), protocols=("file",))
    if path.is_file():
        if path.name.lower().endswith(ARCHIVE_ENDINGS):
            return Address(way=Way.ARCHIVE, text=str(path))
        raise NewmodelError(
            _("{path} is no template: a folder, or one of {endings}.").format(
                path=path, endings=", ".join(ARCHIVE_ENDINGS)
            )
        )
    from scaffolder.foreign.favourites import names_near

    raise NewmodelError(
        _("There is no template “{address}”: no folder, no archive, no git address{near}.").format(
            address=shown(typed), near=names_near(typed)
        )
    )


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _port = parts.port  # raises where it is no number
        return parts if parts.scheme else None
    except ValueError:
        return None
