"""What `journal` writes down: the journals of a project, and which of them is unfinished.

They lie in `newmodel/` below `git rev-parse --git-path`, so that every work tree has its own, in a folder for each
project of the repository.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.project import Project
from scaffolder.updating.durable import sync, write

#: In this folder is what newmodel never removes.
KEPT = "kept"

_STATE = "state.json"
_JOURNAL = "journal.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class File:
    """What is at a path.

    Attributes:
        digest: SHA-256 of the content; empty for a folder, a link or anything else that is no plain file.
        mode: Permission bits.
    """

    digest: str
    mode: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """One file of a journal: None stands for no file."""

    path: str
    before: File | None
    after: File | None


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A transaction as it was written down.

    Attributes:
        folder: Where it lies; `before/N` and `after/N` there hold the contents of step N.
        head: The commit that HEAD was; empty where there was none.
        steps: The files.
        made: Folders that were not there before, outermost first.
        before: Entries of git's index before, by path: those of every file of the steps.
        after: Those after.
        conflicts: Paths with markers, or what was there instead of them.
        settled: Those of the steps whose `after` is what `accept` found, not what the transaction wrote.
    """

    folder: Path
    kind: str
    old: str
    new: str
    head: str
    steps: tuple[Step, ...]
    made: tuple[str, ...]
    before: Mapping[str, tuple[str, ...]]
    after: Mapping[str, tuple[str, ...]]
    conflicts: tuple[str, ...]
    settled: tuple[str, ...] = ()

    def content_before(self, step: int) -> bytes:
        return (self.folder / "before" / str(step)).read_bytes()


def look(path: Path) -> File | None:
    """What is at a path now."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    digest = sha256(path.read_bytes()) if stat.S_ISREG(found.st_mode) else ""
    return File(digest=digest, mode=stat.S_IMODE(found.st_mode))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def folder_of(project: Project) -> Path | None:
    """Where the journals of a project lie; None where it is in no git repository."""
    if shutil.which("git") is None:
        return None
    try:
        found = project.git("rev-parse", "--git-path", "newmodel", "--show-prefix")
    except NewmodelError:
        return None
    place, prefix = found.split("\n", 1)
    name = hashlib.sha256(prefix.rstrip("\n").encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return (project.folder / place).resolve() / name


def state(folder: Path) -> tuple[str | None, str | None]:
    """Names of the unfinished journal and of the last finished update."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        return state["pending"], state["last"]
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged(folder / _STATE) from None


def set_state(folder: Path, pending: str | None, last: str | None) -> None:
    temporary = folder / f"{_STATE}.new"
    write(temporary, json.dumps({"format": _FORMAT, "pending": pending, "last": last}).encode())
    temporary.replace(folder / _STATE)
    sync(folder)


def clean(folder: Path) -> None:
    """Remove what no journal needs any more."""
    kept = {KEPT, *state(folder)}
    for place in folder.iterdir():
        if place.is_dir() and place.name not in kept:
            shutil.rmtree(place, ignore_errors=True)


def write_journal(journal: Journal) -> None:
    content = {**asdict(journal), "format": _FORMAT}
    del content["folder"]
    temporary = journal.folder / f"{_JOURNAL}.new"
    write(temporary, json.dumps(content, indent=1).encode())
    temporary.replace(journal.folder / _JOURNAL)
    sync(journal.folder)


def read(folder: Path) -> Journal:
    try:
        content = json.loads((folder / _JOURNAL).read_text(encoding="utf-8"))
        return Journal(
            folder=folder,
            kind=content["kind"],
            old=content["old"],
            new=content["new"],
            head=content["head"],
            steps=tuple(
                Step(path=step["path"], before=_file(step["before"]), after=_file(step["after"]))
                for step in content["steps"]
            ),
            made=tuple(content["made"]),
            before={path: tuple(entries) for path, entries in content["before"].items()},
            after={path: tuple(entries) for path, entries in content["after"].items()},
            conflicts=tuple(content["conflicts"]),
            settled=tuple(content["settled"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged(folder / _JOURNAL) from None


def _file(content: Mapping[str, object] | None) -> File | None:
    return None if content is None else File(digest=str(content["digest"]), mode=int(str(content["mode"])))


def _damaged(file: Path) -> NewmodelError:
    return NewmodelError(
        _(
            "{file}, newmodel's record of an update, is damaged. Look at the project with git status and git diff, "
            "put back what is wrong with git checkout, and remove the folder {folder}."
        ).format(file=file, folder=file.parent)
    )


@contextmanager
def locked(folder: Path, project: Project) -> Iterator[None]:
    """Keep every other newmodel out; the system lets go of the lock when the process ends, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("ab")
    except OSError as error:
        raise os_error(error, folder) from error
    with file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NewmodelError(
                _("Another newmodel is at work on {project}; wait until it has finished.").format(
                    project=project.folder
                )
            ) from None
        yield
