"""Unpack an archive of PyCharm for Linux into one folder, and nowhere else."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

#: PyCharm has about 10,000 files, and unpacked is about three times as large as its archive.
_MOST_FILES = 300_000
_LARGEST_RATIO = 20


def unpack(archive: Path, folder: Path, *, report: Callable[[int], None] = lambda _count: None) -> None:
    """Unpack a tar.gz without its top-level folder.

    Every member must lie in the one top-level folder, and may be a file, a folder, or a link that stays inside. Owners
    and special permission bits are dropped.

    Args:
        folder: Where to; it must not exist.
        report: Told how many bytes have been written.

    Raises:
        NewmodelError: If the archive is damaged, or would write outside.
        OSError: If the disk is full.
    """
    folder.mkdir(parents=True)
    unpacking = _Unpacking(folder, max(archive.stat().st_size, 1024 * 1024) * _LARGEST_RATIO, report)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                unpacking.add(tar, member)
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise _damaged(archive.name) from error
    except OSError as error:
        # gzip's own complaints have no number of the operating system
        raise (error if error.errno else _damaged(archive.name)) from error
    unpacking.finish()


class _Unpacking:
    """The state of one archive's unpacking."""

    def __init__(self, folder: Path, limit: int, report: Callable[[int], None]) -> None:
        self._folder = folder
        self._limit = limit
        self._report = report
        self._top = ""
        self._written = 0
        self._count = 0
        self._files: set[tuple[str, ...]] = set()
        self._links: dict[tuple[str, ...], str] = {}

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = self._parts(member.name)
        self._count += 1
        self._written += member.size if member.isreg() else 0
        if self._count > _MOST_FILES or self._written > self._limit:
            raise NewmodelError(_("The archive unpacks to far more than a PyCharm, and was not unpacked."))
        if not self._top:
            self._top = parts[0]
        if parts[0] != self._top:
            raise _hostile(member.name)
        inner = parts[1:]
        if not inner:
            if not member.isdir():
                raise _hostile(member.name)
            return
        # a file below a link would be written wherever the link leads
        if any(inner[:length] in self._links for length in range(1, len(inner) + 1)):
            raise _hostile(member.name)
        place = self._folder.joinpath(*inner)
        if member.isdir():
            place.mkdir(parents=True, exist_ok=True)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        if member.isreg():
            self._file(tar, member, place, inner)
        elif member.issym():
            self._link(member, place, inner)
        elif member.islnk():
            self._hard_link(member, place, inner)
        else:
            raise _hostile(member.name)

    def finish(self) -> None:
        """Links are made at the end, when nothing can be written through them any more."""
        if not self._files:
            raise NewmodelError(_("The archive is empty."))
        for inner, target in self._links.items():
            self._folder.joinpath(*inner).symlink_to(target)
        root = os.path.realpath(self._folder)
        for inner in self._links:
            link = self._folder.joinpath(*inner)
            real = os.path.realpath(link)
            if _leads_in_a_circle(link) or (real != root and not real.startswith(root + os.sep)):
                raise _hostile("/".join(inner))

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, place: Path, inner: tuple[str, ...]) -> None:
        source = tar.extractfile(member)
        if source is None:
            raise _hostile(member.name)
        try:
            with source, place.open("xb") as file:
                shutil.copyfileobj(source, file, 1024 * 1024)
        except (FileExistsError, IsADirectoryError):
            raise _hostile(member.name) from None
        place.chmod(0o755 if member.mode & 0o100 else 0o644)
        self._files.add(inner)
        self._report(self._written)

    def _link(self, member: tarfile.TarInfo, place: Path, inner: tuple[str, ...]) -> None:
        target = member.linkname
        if not target or "\\" in target or "\0" in target or target.startswith("/"):
            raise _hostile(member.name)
        depth = len(inner) - 1
        for part in PurePosixPath(target).parts:
            depth += -1 if part == ".." else 1
            if depth < 0:
                raise _hostile(member.name)
        if place.exists() or inner in self._links:
            raise _hostile(member.name)
        self._links[inner] = target

    def _hard_link(self, member: tarfile.TarInfo, place: Path, inner: tuple[str, ...]) -> None:
        source = self._parts(member.linkname)
        if source[0] != self._top or source[1:] not in self._files:
            raise _hostile(member.name)
        original = self._folder.joinpath(*source[1:])
        if place.exists():
            raise _hostile(member.name)
        self._written += original.stat().st_size
        shutil.copy2(original, place)
        self._files.add(inner)

    def _parts(self, name: str) -> tuple[str, ...]:
        while name.startswith("./"):
            name = name[2:]
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
            raise _hostile(name)
        return parts


def _hostile(name: str) -> NewmodelError:
    from scaffolder.answers import shown

    return NewmodelError(
        _("The archive holds “{name}”, which could write outside of PyCharm's own folder; it was not unpacked.").format(
            name=shown(name)
        )
    )


def _damaged(name: str) -> NewmodelError:
    return NewmodelError(_("{name} is damaged and cannot be unpacked.").format(name=name))


def _leads_in_a_circle(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False
