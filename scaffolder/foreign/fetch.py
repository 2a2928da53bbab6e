"""Bring a template into a folder of ours, from wherever it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from scaffolder.answers import shown
from scaffolder.errors import NewmodelError, os_error
from scaffolder.foreign.address import Address, Way, read
from scaffolder.foreign.limits import check_size
from scaffolder.foreign.safety import check_tree
from scaffolder.messages import _


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A template that was fetched.

    Attributes:
        folder: The template's root, a plain folder without `.git`.
        address: As it is recorded: an absolute path or a whole URL, without a password.
        version: The tag if one points there, else the whole commit; `sha256:…` of what has no git.
        commit: The whole commit, empty where there is no git.
        notes: What the person should know, one sentence each.
    """

    folder: Path
    address: str
    version: str
    commit: str = ""
    notes: tuple[str, ...] = ()


def fetch(address: str, *, version: str | None = None, directory: str | None = None, into: Path) -> Fetched:
    """Bring the template at `address` below `into`, a folder that is there, and look at what it holds.

    Args:
        address: As a person types it; `scaffolder.foreign.address` says what it may be.
        version: A tag, branch or commit of a repository; its main branch if None.
        directory: The template's folder in it; its root if None.

    Raises:
        NewmodelError: If it cannot be fetched, or holds what no template may hold.
    """
    return fetch_from(read(address), version=version, directory=directory, into=into)


def fetch_from(address: Address, *, version: str | None, directory: str | None, into: Path) -> Fetched:
    """As `fetch`, for an address that is understood already."""
    target = _new_folder(into)
    if version is not None and (not version or version.startswith("-") or not version.isprintable() or " " in version):
        raise NewmodelError(_("“{version}” is no version: a tag, branch or commit.").format(version=shown(version)))
    if address.way in (Way.ARCHIVE, Way.DOWNLOAD):
        found = _archive(address, version, target)
    elif address.way is Way.GIT or version is not None:
        found = _repository(address, version, target)
    else:
        found = _folder(address, target)
    check_tree(found.folder, source=True)
    if directory is None:
        return found
    return Fetched(
        folder=below(found.folder, directory),
        address=found.address,
        version=found.version,
        commit=found.commit,
        notes=found.notes,
    )


def below(folder: Path, directory: str) -> Path:
    """The folder `directory` of a template's repository.

    Raises:
        NewmodelError: If it leads out of it or is not there.
    """
    plain = Path(directory)
    if plain.is_absolute() or ".." in plain.parts or not directory.isprintable() or "\\" in directory:
        raise NewmodelError(
            _("“{directory}” leads out of the template's repository.").format(directory=shown(directory))
        )
    found = (folder / plain).resolve()
    if not found.is_relative_to(folder.resolve()) or not found.is_dir():
        from scaffolder.answers import nearest

        near = nearest(directory, sorted(entry.name for entry in folder.iterdir() if entry.is_dir())[:12])
        raise NewmodelError(
            _("The template's repository has no folder “{directory}”{near}").format(
                directory=shown(directory), near=near
            )
        )
    return found


def _repository(address: Address, version: str | None, target: Path) -> Fetched:
    from scaffolder.foreign.git import fetch as git_fetch

    if address.way is Way.FOLDER and not _is_repository(Path(address.text)):
        raise NewmodelError(
            _("{path} is no git repository, so it has no versions; leave out --to.").format(path=address.text)
        )
    done = git_fetch(address, target, version=version)
    notes = []
    if done.submodules:
        notes.append(_("The template's repository has submodules; they were not fetched."))
    return Fetched(
        folder=target,
        address=address.public,
        version=done.tag or done.commit,
        commit=done.commit,
        notes=tuple(notes),
    )


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _folder(address: Address, target: Path) -> Fetched:
    """A person's folder as it is now; where it is a checkout without changes, with its version."""
    folder = Path(address.text)
    if _is_repository(folder) and not (folder / ".git").exists():
        return _repository(address, None, target)
    if not (folder / ".git").exists():
        _copy(folder, _all_files(folder), target)
        return Fetched(folder=target, address=address.text, version=f"sha256:{digest(target)}")
    from scaffolder.foreign.git import working_files

    _copy(folder, working_files(folder), target)
    committed_folder = target.with_name(target.name + "-committed")
    try:
        committed = _repository(address, None, committed_folder)
    except NewmodelError:  # no commit yet
        return Fetched(folder=target, address=address.text, version=f"sha256:{digest(target)}")
    same = digest(committed_folder) == digest(target)
    shutil.rmtree(committed_folder, ignore_errors=True)
    if same:
        return Fetched(
            folder=target,
            address=address.text,
            version=committed.version,
            commit=committed.commit,
            notes=committed.notes,
        )
    return Fetched(
        folder=target,
        address=address.text,
        version=f"sha256:{digest(target)}",
        notes=(*committed.notes, _("The template's folder has changes that are not committed; they are used too.")),
    )


def _archive(address: Address, version: str | None, target: Path) -> Fetched:
    from scaffolder.foreign.archive import unpack

    if version is not None:
        raise NewmodelError(
            _("{address} is an archive, so it has no versions; leave out --to.").format(address=address.public)
        )
    archive = Path(address.text)
    if address.way is Way.DOWNLOAD:
        from scaffolder.foreign.download import download

        holder = target.with_name(target.name + "-download")
        holder.mkdir()
        archive = download(address, holder)
    unpack(archive, target)
    return Fetched(folder=_inner(target), address=address.public, version=f"sha256:{_file_digest(archive)}")


def _inner(folder: Path) -> Path:
    """The one folder that an archive holds, as those of GitHub do; the archive's root if it holds more."""
    entries = [entry for entry in folder.iterdir() if not entry.name.endswith((".dist-info", ".data"))]
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink() and "{" not in entries[0].name:
        return entries[0]
    return folder


def _all_files(folder: Path) -> list[Path]:
    """Every file of a folder that a person named, counted on the way: it may be their whole disk."""
    found: list[Path] = []
    total = number = 0
    waiting = [Path()]
    while waiting:
        current = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / current), key=lambda entry: entry.name)
            for entry in entries:
                path = current / entry.name
                status = entry.stat(follow_symlinks=False)
                number += 1
                is_folder = stat.S_ISDIR(status.st_mode)
                total += 0 if is_folder else status.st_size
                check_size(path, 0 if is_folder else status.st_size, total=total, number=number)
                if is_folder:
                    waiting.append(path)
                else:
                    found.append(path)
        except OSError as error:
            raise NewmodelError(
                _("{path} cannot be read: {reason}.").format(path=folder / current, reason=error.strerror)
            ) from None
    return found


def _copy(folder: Path, files: list[Path], target: Path) -> None:
    """Copy files and links as they are; what is neither is left for `check_tree` to refuse by its name."""
    total = 0
    try:
        target.mkdir()
        for number, path in enumerate(files):
            source, copy = folder / path, target / path
            status = source.lstat()
            total += status.st_size
            check_size(path, status.st_size, total=total, number=number)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(status.st_mode):
                copy.symlink_to(source.readlink())
            elif stat.S_ISREG(status.st_mode):
                shutil.copyfile(source, copy)
                copy.chmod(0o755 if status.st_mode & 0o100 else 0o644)
            elif not stat.S_ISDIR(status.st_mode):
                raise NewmodelError(
                    _("{path} is refused: {reason}; nothing was written.").format(
                        path=shown(str(path), 200), reason=_("it is neither a file nor a folder")
                    )
                )
    except OSError as error:
        raise os_error(error, target) from error


def digest(folder: Path) -> str:
    """A number for everything in a folder: names, contents, links, and whether it can be run."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
        if stat.S_ISLNK(status.st_mode):
            content = b"link " + os.fsencode(path.readlink())
        elif stat.S_ISREG(status.st_mode):
            content = (b"x " if status.st_mode & 0o100 else b"- ") + _file_digest(path).encode()
        else:
            continue
        whole.update(b"%d %s %d %s" % (len(name), name, len(content), content))
    return whole.hexdigest()


def _file_digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            whole.update(chunk)
    return whole.hexdigest()


def _new_folder(into: Path) -> Path:
    number = 1
    while os.path.lexists(into / f"template-{number}"):
        number += 1
    return into / f"template-{number}"
