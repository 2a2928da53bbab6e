"""Take the last update of a project back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scaffolder.errors import NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.project import Project
from scaffolder.updating import journal
from scaffolder.updating.git_index import head, index_entries
from scaffolder.updating.journal import Content, Transaction
from scaffolder.updating.journal_record import File, Journal, Step, look


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What `undo` did.

    Attributes:
        old: The template version that the project has again.
        new: The one that it had.
        changed: Paths that were put back, removed or brought back.
        edited: Those of them that were edited since the update, conflicts that were settled among them.
        kept: The folder with these versions; None if there are none.
        committed: Whether the person had committed since: then the way back is an uncommitted change in the work tree.
    """

    old: str
    new: str
    changed: tuple[str, ...]
    edited: tuple[str, ...]
    kept: Path | None
    committed: bool


def undo(project: Project, *, yes: bool = False) -> Undone:
    """Put every file, mode and conflict mark back as it was before the last finished update. HEAD is not moved.

    Args:
        yes: Also put back files that were edited since the update; the edited versions are kept in a folder.

    Raises:
        NewmodelError: If there is nothing to undo, or files were edited since and `yes` is not given (it names them).
    """
    _repository = project.repository
    last = journal.last(project)
    if last is None:
        raise NewmodelError(_("There is no update of {project} that could be undone.").format(project=project.folder))
    now = {step.path: _now(project.folder / step.path) for step in last.steps}
    to_change = [step for step in last.steps if now[step.path] != step.before]
    edited = [step.path for step in to_change if _edited(step, now[step.path])]
    if edited and not yes:
        raise NewmodelError(
            ngettext(
                "{files} was edited since the update; newmodel update --undo --yes puts it back all the same, and "
                "keeps a copy of what you have now.",
                "These files were edited since the update: {files}; newmodel update --undo --yes puts them back all "
                "the same, and keeps copies of what you have now.",
                len(edited),
            ).format(files=", ".join(edited))
        )
    # a settled conflict may hold work of the person's, too
    edited += [
        step.path for step in to_change if step.path in last.settled and now[step.path] and step.path not in edited
    ]
    kept = journal.keep(project, edited) if edited else None
    committed = head(project) != last.head
    numbers = {step.path: number for number, step in enumerate(last.steps)}
    found = {path: file for path, file in now.items() if file is not None}
    journal.transact(
        project,
        Transaction(
            kind=journal.UNDO,
            old=last.new,
            new=last.old,
            files={step.path: _before(last, step, numbers[step.path]) for step in to_change},
            expected={step.path: found[step.path].digest for step in to_change if step.path in found},
            index=_index_of_head(project, last) if committed else _index_before(project, last),
        ),
    )
    return Undone(
        old=last.old,
        new=last.new,
        changed=tuple(step.path for step in to_change),
        edited=tuple(edited),
        kept=kept,
        committed=committed,
    )


def _now(path: Path) -> File | None:
    """What is at a path; a folder is no file, and whether it can go is found out when it has to."""
    return None if path.is_dir() and not path.is_symlink() else look(path)


def _edited(step: Step, now: File | None) -> bool:
    """Whether the person's work since the update would be overwritten; a file that they removed is no such work."""
    return now is not None and (step.after is None or now.digest != step.after.digest)


def _before(last: Journal, step: Step, number: int) -> Content | None:
    if step.before is None:
        return None
    return Content(content=last.content_before(number), mode=step.before.mode)


def _index_before(project: Project, last: Journal) -> dict[str, tuple[str, ...]]:
    """Nothing was committed since: the index becomes what it was, also where the person has staged the update."""
    entries = index_entries(project)
    return {path: before for path, before in last.before.items() if entries.get(path, ()) != before}


def _index_of_head(project: Project, last: Journal) -> dict[str, tuple[str, ...]]:
    """Something was committed since: what is staged is the person's, only conflict marks go."""
    entries = index_entries(project)
    unmerged = [path for path in last.after if any(not entry.endswith(" 0") for entry in entries.get(path, ()))]
    result: dict[str, tuple[str, ...]] = {}
    for path in unmerged:
        found = project.git("--literal-pathspecs", "ls-tree", "-z", "HEAD", "--", path).rstrip("\0")
        mode, _kind, digest = found.split("\t")[0].split(" ") if found else ("", "", "")
        result[path] = (f"{mode} {digest} 0",) if found else ()
    return result
