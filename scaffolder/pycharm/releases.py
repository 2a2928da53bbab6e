"""Which PyCharm there is to install: JetBrains' release service.

The service answers `products/releases?code=PCP&type=release` with every release, newest first, and with `latest=true`
with the newest alone: `{"PCP": [{"version", "majorVersion", "build", "date", "downloads": {"linux": {"link", "size",
"checksumLink"}, "linuxARM64", "mac", "macM1", "windows", "windowsARM64"}}]}`. Since 2025.1 the code PCP is the one
PyCharm; before, it was the Professional edition.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from scaffolder.environment.facts import newest_first
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.environment.system import System
    from scaffolder.pycharm.http import Client

SERVICE = "https://data.services.jetbrains.com"
#: Another address of the service: a company's own copy, or a test's server.
SERVICE_VARIABLE = "NEWMODEL_JETBRAINS_SERVICE"

_NAMES = {
    "linux": "Linux",
    "linuxARM64": "Linux (ARM)",
    "mac": "macOS (Intel)",
    "macM1": "macOS (Apple)",
    "windows": "Windows",
    "windowsARM64": "Windows (ARM)",
}


@dataclass(frozen=True, kw_only=True)
class Download:
    """One file of a release.

    Attributes:
        name: The file's name.
        size: Bytes, None where the service does not say.
        checksum_link: Address of a text with its SHA-256.
    """

    link: str
    name: str
    size: int | None
    checksum_link: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version; `downloads` by the service's name of the platform."""

    version: str
    build: str = ""
    date: str = ""
    downloads: dict[str, Download]

    def download(self, platform: str) -> Download:
        """The file for a platform.

        Raises:
            NewmodelError: If this version is not made for it.
        """
        found = self.downloads.get(platform)
        if found is None:
            raise NewmodelError(
                _("JetBrains has no PyCharm {version} for {platform}.").format(
                    version=self.version, platform=_NAMES.get(platform, platform)
                )
            )
        return found


def platform_key(system: System) -> str:
    """The service's name of this machine: the chip counts, not what the Python was built for.

    Raises:
        NewmodelError: If there is no PyCharm for such a machine.
    """
    machine = system.machine.lower()
    arm = machine in ("arm64", "aarch64")
    if system.platform == "darwin":
        # under Rosetta a Python says x86_64, and is told 1 here (Apple: "About the Rosetta translation environment")
        translated = system.run(["sysctl", "-n", "sysctl.proc_translated"]).stdout.strip() == "1"
        return "macM1" if arm or translated else "mac"
    if system.platform == "win32":
        arm = arm or system.environ.get("PROCESSOR_IDENTIFIER", "").upper().startswith("ARM")
        if arm:
            return "windowsARM64"
        if machine in ("amd64", "x86_64") or system.environ.get("PROCESSOR_ARCHITEW6432", "").upper() == "AMD64":
            return "windows"
    elif system.platform == "linux":
        if arm:
            return "linuxARM64"
        if machine in ("x86_64", "amd64"):
            return "linux"
    raise NewmodelError(
        _("JetBrains makes no PyCharm for this machine ({system}, {machine}).").format(
            system=system.platform, machine=system.machine
        )
    )


def find(client: Client, service: str, version: str | None) -> Release:
    """The newest release, or the one of a version.

    Args:
        version: `2026.1.2`; `2026.1` also stands for its newest correction where there is no release of just that name.

    Raises:
        NewmodelError: If the service does not answer as it should, or has no such version.
    """
    if version is None:
        found = _releases(client, service, "&latest=true")
        if not found:
            raise _not_understood(service)
        return found[0]
    found = _releases(client, service, "")
    exact = [release for release in found if release.version == version]
    corrections = [release for release in found if release.version.startswith(version.rstrip(".") + ".")]
    fitting = exact or corrections
    if fitting:
        return fitting[0]
    raise NewmodelError(_unknown(version, [release.version for release in found]))


def checksum(text: str, name: str) -> str:
    """The SHA-256 of the file `name`, from a text such as `0123…cdef *pycharm-2026.1.tar.gz`.

    Raises:
        NewmodelError: If it is not there.
    """
    for line in text.splitlines():
        found = re.match(r"\s*\\?([0-9a-fA-F]{64})(?:\s+\*?(\S.*?))?\s*$", line)
        if found and (found[2] is None or found[2].rpartition("/")[2] == name):
            return found[1].lower()
    raise NewmodelError(
        _("JetBrains' checksum of {name} could not be read, and nothing is installed without it.").format(name=name)
    )


def _releases(client: Client, service: str, more: str) -> list[Release]:
    text = client.text(f"{service.rstrip('/')}/products/releases?code=PCP&type=release{more}")
    try:
        content = json.loads(text)
        found = [_release(one) for one in content["PCP"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _not_understood(service) from None
    return sorted(found, key=lambda one: newest_first(one.version), reverse=True)


def _release(content: dict[str, Any]) -> Release:
    downloads = {}
    for platform, one in (content.get("downloads") or {}).items():
        link, check = one.get("link"), one.get("checksumLink")
        if not isinstance(link, str) or not isinstance(check, str):
            continue
        name = unquote(urlsplit(link).path).rpartition("/")[2]
        size = one.get("size")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}", name):
            continue
        downloads[str(platform)] = Download(
            link=link, name=name, size=size if isinstance(size, int) and size > 0 else None, checksum_link=check
        )
    version = content["version"]
    if not isinstance(version, str) or not re.fullmatch(r"\d[0-9A-Za-z.-]{0,40}", version):
        raise ValueError(version)
    return Release(
        version=version, build=str(content.get("build") or ""), date=str(content.get("date") or ""), downloads=downloads
    )


def _not_understood(service: str) -> NewmodelError:
    from scaffolder.pycharm.http import shown

    return NewmodelError(
        _("The release service {url} gave an answer that newmodel does not understand.").format(url=shown(service))
    )


def _unknown(version: str, known: list[str]) -> str:
    import difflib

    from scaffolder.answers import shown

    near = difflib.get_close_matches(version, known, n=3, cutoff=0.6)
    return _("There is no PyCharm {version}; nearest: {near}; newest: {newest}.").format(
        version=shown(version), near=", ".join(near) or "–", newest=", ".join(known[:3]) or "–"
    )
