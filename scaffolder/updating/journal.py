"""Change many files of a project in one step, or not at all, also where the process is killed in the middle.

Everything is first written, durably, to a folder of its own inside the repository's git folder: what the files will
hold, what they hold now, the entries of git's index, and `journal.json`, which lists the steps. Then `state.json` names
that journal as the unfinished one, the files are put in place one by one by a rename, the index follows, and
`state.json` names the journal as finished. `state.json` itself is replaced by a rename: a journal is either unfinished
or finished.

An unfinished journal is always rolled back, even where its last step had been done: there is one way to mend, and it is
the way that `roll back` of a failed transaction takes as well. A file that is neither as it was nor as it was to become
has been edited by the person since; it stays.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _, ngettext
from scaffolder.project import Project
from scaffolder.updating.durable import move, remove_empty, sync, write
from scaffolder.updating.git_index import head, index_entries, wait_for_git, write_index
from scaffolder.updating.journal_record import (
    KEPT,
    File,
    Journal,
    Step,
    clean,
    folder_of,
    locked,
    look,
    read,
    set_state,
    sha256,
    state,
    write_journal,
)

UPDATE = "update"
UNDO = "undo"


@dataclass(frozen=True, kw_only=True)
class Content:
    """What is to be at a path.

    Attributes:
        content: All of it.
        mode: Permission bits; None for those of the file that is there, or of any new file.
        executable: Whether to add the permission to run it.
    """

    content: bytes
    mode: int | None = None
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """What is to be done.

    Attributes:
        kind: `UPDATE`, which can be undone, or `UNDO`.
        old: Template version before.
        new: Template version after.
        files: By path below the project; None removes the file.
        expected: SHA-256 of what is there now, by path; a path that is missing here must not exist.
        index: New entries of git's index, each `mode digest stage`, by path; no entries remove the path.
        conflicts: Paths that will hold markers, for the person to settle.
    """

    kind: str
    old: str
    new: str
    files: Mapping[str, Content | None]
    expected: Mapping[str, str]
    index: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What `recover` did.

    Attributes:
        kind: What had been interrupted, `UPDATE` or `UNDO`.
        old: The template version that the project has.
        new: The one that it was to have.
        edited: Paths that the person changed between the interruption and now; they were left as they are.
    """

    kind: str
    old: str
    new: str
    edited: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """It, for the person."""
        values = {"old": self.old, "new": self.new}
        if self.kind == UPDATE and self.old != self.new:
            text = _("An update from {old} to {new} was interrupted; the project was put back as it was before it")
        elif self.kind == UPDATE:
            text = _("A change of answers was interrupted; the project was put back as it was before it")
        else:
            text = _("An undo of the update to {old} was interrupted; the project was put back as it was before it")
        text = text.format(**values)
        if not self.edited:
            return _("{sentence}.").format(sentence=text)
        return ngettext(
            "{sentence}, except {files}, which you have edited since.",
            "{sentence}, except these files, which you have edited since: {files}.",
            len(self.edited),
        ).format(sentence=text, files=", ".join(self.edited))


# --- reading ------------------------------------------------------------------------------------------------


def recover(project: Project) -> Recovered | None:
    """Roll an unfinished transaction back; None where there is none.

    Raises:
        NewmodelError: If another newmodel is at work on the project, or a file cannot be written.
    """
    folder = folder_of(project)
    if folder is None or state(folder)[0] is None:
        return None
    with locked(folder, project):
        pending, last = state(folder)
        if pending is None:  # another newmodel was quicker
            return None
        journal = read(folder / pending)
        wait_for_git(project)
        try:
            edited = _roll_back(project, journal)
            set_state(folder, None, last)
        except OSError as error:
            raise os_error(error, project.folder) from error
        clean(folder)
    return Recovered(kind=journal.kind, old=journal.old, new=journal.new, edited=tuple(edited))


def last(project: Project) -> Journal | None:
    """The last finished update; None where there is none that could be undone."""
    folder = folder_of(project)
    name = None if folder is None else state(folder)[1]
    return read(folder / name) if folder is not None and name is not None else None


# --- writing ------------------------------------------------------------------------------------------------


def transact(project: Project, transaction: Transaction) -> None:
    """Do it, all or nothing.

    Raises:
        NewmodelError: If a file is not as expected, cannot be written, or git refuses; the project is then unchanged.
    """
    folder = folder_of(project)
    if folder is None:
        raise NewmodelError(_("Updating a project needs git: install it and try again."))
    try:
        with locked(folder, project):
            pending, last = state(folder)
            if pending is not None:
                raise NewmodelError(
                    _("An earlier update of {project} was interrupted meanwhile; run the command again.").format(
                        project=project.folder
                    )
                )
            clean(folder)
            journal = _stage(project, folder, transaction)
            set_state(folder, journal.folder.name, last)
            try:
                _perform(project, journal)
                set_state(folder, None, journal.folder.name if transaction.kind == UPDATE else None)
            except BaseException:
                _roll_back(project, journal)
                set_state(folder, None, last)
                raise
            finally:
                clean(folder)
    except OSError as error:
        raise os_error(error, project.folder) from error


def keep(project: Project, paths: list[str]) -> Path:
    """Copy files of the project to a folder that newmodel never removes, and say which."""
    folder = folder_of(project)
    assert folder is not None  # there is a journal in it
    target = folder / KEPT / time.strftime("%Y-%m-%d-%H%M%S")
    try:
        while target.exists():
            target = target.with_name(target.name + "-2")
        for path in paths:
            copy = target / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project.folder / path, copy)
            sync(copy)
    except OSError as error:
        raise os_error(error, target) from error
    return target


def accept(project: Project, paths: list[str]) -> None:
    """Take what files hold now as the last update's result, so that `undo` need not ask. It keeps a copy of them.

    Args:
        paths: Such as conflicts that `--resolve` settled.
    """
    journal = last(project)
    if journal is None:
        return
    steps = tuple(
        Step(path=step.path, before=step.before, after=look(project.folder / step.path)) if step.path in paths else step
        for step in journal.steps
    )
    changed = {new.path for old, new in zip(journal.steps, steps, strict=True) if old != new}
    settled = tuple(sorted(changed.union(journal.settled)))
    write_journal(replace(journal, steps=steps, settled=settled))


def _stage(project: Project, folder: Path, transaction: Transaction) -> Journal:
    """Write down, durably, all that is needed to do it and to take it back."""
    target = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    for name in ("before", "after"):
        (target / name).mkdir(parents=True)
    entries = index_entries(project)
    contents: list[tuple[Path, bytes]] = []
    steps: list[Step] = []
    for number, path in enumerate(sorted(transaction.files)):
        new = transaction.files[path]
        before = look(project.folder / path)
        if before is not None and not before.digest and _goes(project.folder / path, project, transaction):
            before = None
        _check(project, path, before, transaction.expected.get(path))
        if before is not None:
            contents.append((target / "before" / str(number), (project.folder / path).read_bytes()))
        after = None
        if new is not None:
            copy = target / "after" / str(number)
            contents.append((copy, new.content))
            after = File(digest=sha256(new.content), mode=_mode(new, before))
        steps.append(Step(path=path, before=before, after=after))
    with ThreadPoolExecutor(8) as pool:  # file systems put many waiting syncs into one
        list(pool.map(lambda pair: write(*pair), contents))
    for number, step in enumerate(steps):
        if step.after is not None:
            (target / "after" / str(number)).chmod(step.after.mode)
    before_index = {step.path: entries.get(step.path, ()) for step in steps}
    before_index |= {path: entries.get(path, ()) for path in transaction.index}
    journal = Journal(
        folder=target,
        kind=transaction.kind,
        old=transaction.old,
        new=transaction.new,
        head=head(project),
        steps=tuple(steps),
        made=tuple(_missing_folders(project, steps)),
        before=before_index,
        after={**before_index, **transaction.index},
        conflicts=transaction.conflicts,
    )
    write_journal(journal)
    for place in (target / "before", target / "after", target, folder):
        sync(place)
    return journal


def _goes(place: Path, project: Project, transaction: Transaction) -> bool:
    """Whether a folder is there whose files all go."""
    if place.is_symlink() or not place.is_dir():
        return False
    inside = (path for path in place.rglob("*") if path.is_symlink() or not path.is_dir())
    paths = (path.relative_to(project.folder).as_posix() for path in inside)
    return all(path in transaction.files and transaction.files[path] is None for path in paths)


def _check(project: Project, path: str, found: File | None, expected: str | None) -> None:
    if found is not None and not found.digest:
        raise NewmodelError(
            _(
                "{file} in {project} is a folder or a link where the template has a file; rename it and try again."
            ).format(file=path, project=project.folder)
        )
    if (None if found is None else found.digest) != expected:
        raise NewmodelError(
            _("{file} in {project} was changed meanwhile; nothing was written. Run the command again.").format(
                file=path, project=project.folder
            )
        )


def _mode(new: Content, before: File | None) -> int:
    if new.mode is not None:
        return new.mode
    mode = before.mode if before is not None else 0o666 & ~_umask()
    return mode | ((mode & 0o444) >> 2) if new.executable else mode


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _missing_folders(project: Project, steps: list[Step]) -> list[str]:
    missing: set[str] = set()
    for step in steps:
        if step.after is not None:
            parent = (project.folder / step.path).parent
            while not parent.is_dir():
                missing.add(parent.relative_to(project.folder).as_posix())
                parent = parent.parent
    return sorted(missing, key=lambda path: path.count("/"))


def _perform(project: Project, journal: Journal) -> None:
    for step in journal.steps:  # first what goes: a folder may have to become a file, or a file a folder
        if step.after is None:
            target = project.folder / step.path
            target.unlink(missing_ok=True)
            remove_empty(target.parent, project.folder)
    for path in journal.made:
        (project.folder / path).mkdir(parents=True, exist_ok=True)  # its parent may just have become empty and gone
    for number, step in enumerate(journal.steps):
        if step.after is not None:
            target = project.folder / step.path
            target.parent.mkdir(parents=True, exist_ok=True)
            move(journal.folder / "after" / str(number), target, _temporary(journal, number, target))
    _sync_parents(project, journal)
    write_index(project, {path: new for path, new in journal.after.items() if new != journal.before[path]})


def _roll_back(project: Project, journal: Journal) -> list[str]:
    """Put everything back; the paths that the person has edited since, and that were left, are returned."""
    edited = []
    for number, step in enumerate(journal.steps):
        target = project.folder / step.path
        _temporary(journal, number, target).unlink(missing_ok=True)
        now = look(target)
        if now != step.before and not _is_ours(now, step):
            edited.append(step.path)
        elif now is not None and step.before is None:
            target.unlink()
    for path in reversed(journal.made):
        with contextlib.suppress(OSError):  # the person has put something there, or it was not made yet
            (project.folder / path).rmdir()
    for number, step in enumerate(journal.steps):
        target = project.folder / step.path
        if step.before is not None and step.path not in edited and look(target) != step.before:
            copy = journal.folder / f"back-{number}"
            write(copy, journal.content_before(number))
            copy.chmod(step.before.mode)
            target.parent.mkdir(parents=True, exist_ok=True)
            move(copy, target, _temporary(journal, number, target))
    _sync_parents(project, journal)
    now_in_index = index_entries(project)
    back = {
        path: before
        for path, before in journal.before.items()
        if before != journal.after[path] and now_in_index.get(path, ()) == journal.after[path]
    }
    write_index(project, back)
    return edited


def _is_ours(now: File | None, step: Step) -> bool:
    """Whether a file is as the transaction was to leave it."""
    if now is None or step.after is None:
        return now is None and step.after is None
    return now.digest == step.after.digest


def _temporary(journal: Journal, number: int, target: Path) -> Path:
    return target.with_name(f".newmodel-{journal.folder.name}-{number}")


def _sync_parents(project: Project, journal: Journal) -> None:
    for parent in {(project.folder / step.path).parent for step in journal.steps}:
        sync(parent)
