"""Put a project into place in one step, or not at all.

The files are written to a staging folder, `.newmodel-…`, on the same disk as the target. A new target appears by one
rename. An existing empty folder cannot be replaced (a terminal or an editor may be in it), so it is filled entry by
entry, with a list in the staging folder from which an interrupted filling is taken back.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _

PREFIX = ".newmodel-"
_OWNER = "owner.json"
_FILLING = "filling.json"

#: What an "empty" folder may hold: a repository without files, and what file managers leave.
_IGNORED = frozenset({".git", ".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Staging:
    """A staging folder and where its content will go.

    Attributes:
        project: The folder to write the project into.
    """

    folder: Path
    target: Path

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def commit(self) -> None:
        """Move the project into place.

        Raises:
            NewmodelError: If that cannot be done; the target is then as it was.
        """
        try:
            if self.target.exists():
                self._fill()
            else:
                # rename, not replace: where somebody else made the target meanwhile, it must stay
                self.project.rename(self.target)
        except OSError as error:
            raise os_error(error, self.target) from error

    def _fill(self) -> None:
        check_target(self.target)
        entries = sorted(entry.name for entry in self.project.iterdir())
        _write_durably(self.folder / _FILLING, {"target": str(self.target), "entries": entries})
        try:
            for name in entries:
                (self.project / name).rename(self.target / name)
        except BaseException:
            _take_back(self.folder)
            raise
        (self.folder / _FILLING).unlink()


@contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """A staging folder for `target`, gone afterwards whatever happens.

    Raises:
        NewmodelError: If the target cannot be used or the folder cannot be made.
    """
    parent = staging_parent(target)
    clear_stale(parent)
    check_target(target)
    made_parents = _make_parents(parent)
    folder = parent / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    kept = False
    try:
        try:
            folder.mkdir()
            (folder / "project").mkdir()
            _write_durably(folder / _OWNER, _this_process())
        except OSError as error:
            raise os_error(error, folder) from error
        yield Staging(folder, target)
        kept = True
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not kept:
            for made in reversed(made_parents):
                with contextlib.suppress(OSError):
                    made.rmdir()


def staging_parent(target: Path) -> Path:
    """Where the staging folder goes: beside a new target, inside an existing one (it may be a disk of its own)."""
    return target if target.is_dir() else target.parent


def check_target(target: Path) -> None:
    """Refuse a target that a project cannot be put into.

    Raises:
        NewmodelError: If it is a file, holds something, or is not writable.
    """
    try:
        if target.is_symlink() and not target.exists():
            raise NewmodelError(_("{path} is a link that leads nowhere; choose another folder.").format(path=target))
        if target.is_dir():
            entries = sorted(entry.name for entry in target.iterdir())
            found = [name for name in entries if name not in _IGNORED and not name.startswith(PREFIX)]
            if found:
                raise NewmodelError(
                    _("{path} is not empty (it holds {names}); choose another folder.").format(
                        path=target, names=", ".join(found[:3]) + (" …" if len(found) > 3 else "")
                    )
                )
        elif os.path.lexists(target):
            raise NewmodelError(_("{path} is a file; choose another name.").format(path=target))
        place = _existing(target)
        if not place.is_dir():
            raise NewmodelError(_("{path} is a file, so no folder can be made in it.").format(path=place))
        if not os.access(place, os.W_OK | os.X_OK):
            raise NewmodelError(
                _("You may not write to {path}; choose another folder or change its permissions.").format(path=place)
            )
        # beyond the longest name of the project itself, a run's checkpoint needs about this much
        if os.name != "nt" and len(os.fsencode(str(target))) > 3800:
            raise NewmodelError(
                _("The path {path} is too long for this file system; choose a shorter one.").format(
                    path=f"{str(target)[:60]}…"
                )
            )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise os_error(error, target) from error
        raise NewmodelError(_("The path contains a character that no path can have.")) from error


def clear_stale(parent: Path) -> None:
    """Remove staging folders that a killed newmodel left in `parent`, and take back what it had half filled."""
    with contextlib.suppress(OSError):
        for folder in parent.glob(f"{PREFIX}*-*"):
            if folder.is_dir() and not folder.is_symlink() and _is_stale(folder):
                _take_back(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _take_back(folder: Path) -> None:
    """Return to the staging folder what had been moved out of it; what the target held before is not touched."""
    try:
        record = json.loads((folder / _FILLING).read_text(encoding="utf-8"))
        target, entries = Path(record["target"]), list(record["entries"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    for name in entries:
        with contextlib.suppress(OSError):
            if not os.path.lexists(folder / "project" / name):
                (target / name).rename(folder / "project" / name)


def _is_stale(folder: Path) -> bool:
    """Whether the process that made it is gone. Unknown owners, and those on other machines, are left alone."""
    import psutil

    try:
        owner = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        if owner["host"] != socket.gethostname():
            return False
        process = psutil.Process(int(owner["pid"]))
        # the number may belong to a newer process by now
        return abs(process.create_time() - float(owner["started"])) > 2
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        # killed before it could say who it was: there is nothing in it yet
        pid = folder.name.removeprefix(PREFIX).split("-")[0]
        return pid.isdecimal() and not psutil.pid_exists(int(pid)) and not (folder / _OWNER).exists()


def _this_process() -> dict[str, object]:
    import psutil

    return {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "host": socket.gethostname(),
    }


def _make_parents(parent: Path) -> list[Path]:
    """Make missing folders above the target and say which, so that they can be removed again."""
    missing = []
    place = parent
    while not place.exists():
        missing.append(place)
        place = place.parent
    made: list[Path] = []
    for folder in reversed(missing):
        try:
            folder.mkdir()
        except OSError as error:
            for one in reversed(made):
                one.rmdir()
            raise os_error(error, folder) from error
        made.append(folder)
    return made


def _existing(path: Path) -> Path:
    """The nearest part of the path that exists."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place))


def _write_durably(path: Path, content: dict[str, object]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
