"""Unpack zip, wheel and tar archives of strangers: member by member, counted while they are read."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scaffolder.answers import shown
from scaffolder.errors import NewmodelError, os_error
from scaffolder.foreign.limits import MEGABYTE, check_size
from scaffolder.foreign.safety import check_names
from scaffolder.messages import _

#: Text becomes about ten times smaller, and a page of spaces a thousand times; a template is no page of spaces.
_MAX_RATIO = 150
_RATIO_FROM = 8 * MEGABYTE

_CHUNK = 256 * 1024

#: What packers add to the content.
_PACKERS = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "pax_global_header"})


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One thing in an archive.

    Attributes:
        link: Where it leads, if it is a symbolic link.
        executable: Whether it is a program.
    """

    name: str
    folder: bool
    link: str
    executable: bool
    content: IO[bytes] | None


def unpack(archive: Path, folder: Path) -> None:
    """Unpack `archive` into the new folder `folder`.

    Raises:
        NewmodelError: If it is no archive, is damaged, or holds what must not be; the folder is then of no use.
    """
    packed = archive.stat().st_size
    try:
        folder.mkdir()
        if archive.name.lower().endswith((".zip", ".whl")):
            with zipfile.ZipFile(archive) as opened:
                _write(_zip_members(opened), folder, packed)
        else:
            # as a stream: what a damaged or malicious archive says about a later place is not believed
            with tarfile.open(archive, "r|*") as opened_tar:
                _write(_tar_members(opened_tar), folder, packed)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise NewmodelError(
            _("{path} is no archive, or damaged: {reason}.").format(path=archive, reason=shown(str(error), 120))
        ) from None
    except RuntimeError:  # zipfile's word for a missing password
        raise NewmodelError(_("{path} is protected by a password; unpack it by hand.").format(path=archive)) from None
    except UnicodeError:
        raise NewmodelError(_("{path} holds a file name that cannot be read.").format(path=archive)) from None
    except OSError as error:
        if error.errno is None:  # bz2's and gzip's word for damage
            raise NewmodelError(
                _("{path} is no archive, or damaged: {reason}.").format(path=archive, reason=shown(str(error), 120))
            ) from None
        raise os_error(error, folder) from None


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    infos = archive.infolist()
    check_size(Path(), 0, total=0, number=len(infos))
    for info in infos:
        # before zipfile cleaned it up: a name that needs that is not innocent
        name = info.orig_filename
        mode = info.external_attr >> 16 if info.create_system == 3 else 0
        kind = stat.S_IFMT(mode)
        link = ""
        if kind == stat.S_IFLNK:
            if info.file_size > 4096:
                raise _refused(name, _("it is a link that leads out of the folder"))
            link = archive.read(info).decode("utf-8")
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(name, _("it is neither a file nor a folder"))
        folder = info.is_dir() or kind == stat.S_IFDIR
        content = None if folder or link else archive.open(info)
        yield _Member(name=name, folder=folder, link=link, executable=bool(mode & 0o100), content=content)


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if info.islnk():
            raise _refused(info.name, _("it is a second name of another file"))
        if not (info.isfile() or info.isdir() or info.issym()):
            raise _refused(info.name, _("it is neither a file nor a folder"))
        yield _Member(
            name=info.name,
            folder=info.isdir(),
            link=info.linkname if info.issym() else "",
            executable=bool(info.mode & 0o100),
            content=archive.extractfile(info) if info.isfile() else None,
        )


def _write(members: Iterator[_Member], folder: Path, packed: int) -> None:
    """Write the members into `folder`; links last, so that nothing is written through one."""
    total = number = 0
    links: list[tuple[Path, str]] = []
    for member in members:
        parts = _parts(member.name)
        if not parts or parts[0] in _PACKERS or parts[-1] in _PACKERS:
            continue
        check_names(tuple(parts[: index + 1]) for index in range(len(parts)))
        number += 1
        path = Path(*parts)
        check_size(path, 0, total=total, number=number)
        target = folder / path
        if member.folder:
            target.mkdir(parents=True, exist_ok=True)
            continue
        if os.path.lexists(target) or any(path == link for link, _target in links):
            raise _refused(member.name, _("it is there twice"))
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.content is None:
            links.append((path, member.link))
            continue
        with member.content as content, target.open("xb") as file:
            size = 0
            while chunk := content.read(_CHUNK):
                size += len(chunk)
                total += len(chunk)
                check_size(path, size, total=total, number=number)
                if total > _RATIO_FROM and total > packed * _MAX_RATIO:
                    raise NewmodelError(
                        _("The archive unpacks to more than {ratio} times its size, as a zip bomb does.").format(
                            ratio=_MAX_RATIO
                        )
                    )
                file.write(chunk)
        target.chmod(0o755 if member.executable else 0o644)
    for path, link in links:
        _make_link(folder, path, link)


def _make_link(folder: Path, path: Path, link: str) -> None:
    by_words = os.path.normpath(os.path.join(path.parent, link))  # noqa: PTH118 - `link` must not be cleaned up before
    outside = Path(by_words).is_absolute() or Path(by_words).parts[:1] == ("..",)
    if not link or outside or "\\" in link or ":" in link:
        raise _refused(str(path), _("it is a link that leads out of the folder"))
    (folder / path).symlink_to(link)


def _parts(name: str) -> list[str]:
    """The parts of a member's name, which is below the archive's root."""
    if "\x00" in name or name.startswith("/") or "\\" in name or (len(name) > 1 and name[1] == ":"):
        raise _refused(name, _("its path does not begin in the archive"))
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(name, _("it leads out of its folder"))
    return parts


def _refused(name: str, reason: str) -> NewmodelError:
    return NewmodelError(
        _("{path} is refused: {reason}; nothing was written.").format(path=shown(name, 200), reason=reason)
    )
