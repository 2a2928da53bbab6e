"""What newmodel changed in files of PyCharm, so that `--undo` can put it back.

Before the first change a copy is laid beside the file, or, of a project's file, in newmodel's own folder. The journal,
there as well, remembers where the copy is and what newmodel wrote: a file that nobody else has written since is put
back byte for byte, in any other only newmodel's own change is taken out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from scaffolder.errors import os_error
from scaffolder.pycharm import text_file

_SUFFIX = ".before-newmodel"


class JournalError(OSError):
    """The journal cannot be written, so nothing else is."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changed file.

    Attributes:
        path: The file.
        kind: What was changed: `heap`, `plugins`, `exclusions`, `interpreter`, `project` or `module`.
        backup: Copy of the file as it was; empty if there was none.
        written: SHA-256 of what newmodel wrote; empty where another program's changes are in it as well.
        detail: What an undo must know, such as the names that were added.
        project: The project's folder where the change was for one.
    """

    path: str
    kind: str
    backup: str
    written: str
    detail: tuple[str, ...] = ()
    project: str = ""


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What became of one change: `whole` (as before, byte for byte), `part` (newmodel's change is out, later ones
    stay), `gone` (the file is no more), or `failed`."""

    change: Change
    outcome: str
    reason: str = ""


def explained(error: OSError, path: Path) -> str:
    """One sentence about a change of `path` that failed."""
    return str(os_error(error, record_file() if isinstance(error, JournalError) else path))


def record_file() -> Path:
    """Where the journal is."""
    from platformdirs import user_state_path

    return user_state_path("newmodel", appauthor=False) / "pycharm-changes.json"


def changes(kinds: tuple[str, ...] = (), project: str = "") -> list[Change]:
    """What has been changed and not been put back, oldest first."""
    try:
        entries = json.loads(record_file().read_text(encoding="utf-8"))
        found = [Change(**{**entry, "detail": tuple(entry["detail"])}) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [one for one in found if (not kinds or one.kind in kinds) and (not project or one.project == project)]


def write(path: Path, content: bytes, *, kind: str, detail: tuple[str, ...] = (), project: str = "") -> Path | None:
    """Change a file, after a copy of it.

    Returns:
        The copy; None if there was no file.

    Raises:
        OSError: If it cannot be written; the file is then as it was.
    """
    known = changes()
    earlier = next((one for one in known if one.path == str(path)), None)
    # what another has written since our last change must outlive an undo
    ours = earlier is None or (path.exists() and earlier.written == _digest(path.read_bytes()))
    fresh = False
    if earlier is not None and (not earlier.backup or Path(earlier.backup).exists()):
        backup = Path(earlier.backup) if earlier.backup else None
    elif path.exists():
        backup, fresh = _copy_name(path, project), True
        text_file.write(backup, path.read_bytes())
    else:
        backup = None
    digest = _digest(content) if ours else ""
    key = (str(path), kind, project)
    before = next((one for one in known if _key(one) == key), None)
    if before is not None:
        detail = tuple(dict.fromkeys((*before.detail, *detail)))
    change = Change(
        path=str(path),
        kind=kind,
        backup=str(backup) if backup else "",
        written=digest,
        detail=detail,
        project=project,
    )
    # the newest bytes are ours, whichever of our changes they came from
    kept = [_rewritten(one, digest) if one.path == str(path) else one for one in known if _key(one) != key]
    try:
        _save([*kept, change])  # first: a change that nobody remembers could not be undone
        text_file.write(path, content)
    except OSError:
        if fresh and backup is not None:
            with contextlib.suppress(OSError):
                backup.unlink()
        with contextlib.suppress(OSError):
            _save(known)
        raise
    return backup


def undo(change: Change, take_out: Callable[[bytes | None, bytes], bytes | None]) -> Undone:
    """Put one change back.

    Args:
        take_out: Takes the file as it was (None: there was none) and as it is, and returns it without newmodel's
            change; None if there is nothing to take out.
    """
    path, backup = Path(change.path), Path(change.backup) if change.backup else None
    others = [one for one in changes() if one.path == change.path and one != change]
    if not path.exists():
        _forget(change)
        return Undone(change=change, outcome="gone")
    try:
        now = path.read_bytes()
        before = backup.read_bytes() if backup is not None and backup.exists() else None
        untouched = _digest(now) == change.written
        if untouched and not others and (before is not None or backup is None):
            if before is None:
                path.unlink()
            else:
                text_file.write(path, before)
            outcome = "whole"
        else:
            content = take_out(before, now)
            if content is not None and content != now:
                text_file.write(path, content)
                _rewrite(change.path, _digest(content) if untouched else "")
            outcome = "part"
        _forget(change)
        if backup is not None and not others:
            with contextlib.suppress(OSError):
                backup.unlink(missing_ok=True)
    except OSError as error:
        return Undone(change=change, outcome="failed", reason=explained(error, path))
    return Undone(change=change, outcome=outcome)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _copy_name(path: Path, project: str) -> Path:
    """A name that nothing has, for an older copy is never written over.

    Beside the file, where a person looks for it; for a file of a project in newmodel's own folder, or git would see it.
    """
    folder, name = path.parent, path.name
    if project and Path(project) in path.parents:
        folder = record_file().parent / "pycharm-copies"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(*error.args) from error
        name = f"{Path(project).name}-{name}"
    wanted = folder / (name + _SUFFIX)
    number = 1
    while wanted.exists():
        number += 1
        wanted = folder / f"{name}{_SUFFIX}-{number}"
    return wanted


def _rewritten(change: Change, digest: str) -> Change:
    return Change(**{**asdict(change), "written": digest})


def _rewrite(path: str, digest: str) -> None:
    """The file has other bytes now, all of them ours or put back: its other changes must still find them."""
    if digest:
        _save([_rewritten(one, digest) if one.path == path else one for one in changes()])


def _forget(change: Change) -> None:
    _save([one for one in changes() if _key(one) != _key(change)])


def _key(change: Change) -> tuple[str, str, str]:
    return change.path, change.kind, change.project


def _save(entries: list[Change]) -> None:
    path = record_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text_file.write(path, (json.dumps([asdict(one) for one in entries], indent=1) + "\n").encode())
    except OSError as error:
        raise JournalError(*error.args) from error
