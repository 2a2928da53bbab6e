"""What an update is about to do to each file, in the person's words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.merging.checks import THEIRS_LABEL
from scaffolder.merging.three_way import Outcome
from scaffolder.messages import _, ngettext
from scaffolder.project import ANSWERS_FILE

if TYPE_CHECKING:
    from rich.table import Table

    from scaffolder.updating.update import Update


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file of an update.

    Attributes:
        path: POSIX path relative to the project.
        outcome: What the update does.
        edited: Whether the person had changed or renamed it since the template wrote it.
        moved_from: Where it was before, if the template moved it.
    """

    path: str
    outcome: Outcome
    edited: bool
    moved_from: str | None = None


def file_changes(update: Update) -> list[FileChange]:
    """Every file that the person should hear of; a file that the template moved is one, not two."""
    outcomes = {change.path: change.outcome for change in update.changes}
    moves = {
        new: old
        for new, old in _moved(update).items()
        if outcomes.get(old) is Outcome.DELETED and outcomes.get(new) in (Outcome.ADDED, Outcome.CONFLICT)
    }
    base, ours, _theirs = update.merged.repository.sides

    def edited(path: str) -> bool:
        return path in ours.files and ours.files[path] != base.files.get(path)

    return [
        FileChange(
            path=change.path,
            outcome=change.outcome,
            edited=edited(change.path) or edited(moves.get(change.path, "")),
            moved_from=moves.get(change.path),
        )
        for change in update.changes
        if change.path != ANSWERS_FILE and change.path not in moves.values()
    ]


def _moved(update: Update) -> dict[str, str]:
    """Old path by the new one, of what the template or a migration moved."""
    if not {Outcome.ADDED, Outcome.DELETED} <= {change.outcome for change in update.changes}:
        return {}
    moved = {new: old for old, new in update.merged.repository.renamed(THEIRS_LABEL).items()}
    return moved | {change.moved_to: change.path for change in update.changes if change.moved_to}


def table(changes: list[FileChange]) -> Table:
    """The files and what happens to them."""
    from rich.table import Table
    from rich.text import Text

    result = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column(overflow="fold")
    result.add_column(overflow="fold")
    for change in changes:
        text, style = describe(change)
        result.add_row(Text(change.path), Text(text), style=style)
    return result


def describe(change: FileChange) -> tuple[str, str]:
    """What happens to one file, and rich's style for it."""
    if change.moved_from is not None and change.outcome is Outcome.ADDED:
        text = (
            _("moved here from {old}; what you edited in it is kept") if change.edited else _("moved here from {old}")
        )
        return text.format(old=change.moved_from), ""
    if change.outcome is Outcome.CHANGED and change.edited:
        return _("changed; what you edited in it is kept"), ""
    return {
        Outcome.ADDED: (_("new"), "green"),
        Outcome.CHANGED: (_("changed"), ""),
        Outcome.DELETED: (_("removed; you had not changed it"), "dim"),
        Outcome.CONFLICT: (_("CONFLICT: you and the template changed the same lines"), "bold red"),
        Outcome.STAYS_DELETED: (_("stays deleted, as you left it; the template has a new version of it"), "yellow"),
        Outcome.STAYS: (_("stays, because you changed it; the template no longer has it"), "yellow"),
    }[change.outcome]


def as_json(changes: list[FileChange]) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "path": change.path,
            "outcome": change.outcome.value,
            "edited": change.edited,
            "moved_from": change.moved_from,
        }
        for change in changes
    ]


def summary(changes: list[FileChange]) -> str:
    """The files counted, in one line."""
    moved = sum(change.moved_from is not None and change.outcome is Outcome.ADDED for change in changes)
    counts = Counter(change.outcome for change in changes)
    counts[Outcome.ADDED] -= moved
    edited = sum(change.edited and change.outcome is Outcome.CHANGED for change in changes)
    parts = []
    if count := counts[Outcome.ADDED]:
        parts.append(ngettext("{count} new", "{count} new", count).format(count=count))
    if count := counts[Outcome.CHANGED]:
        parts.append(ngettext("{count} changed", "{count} changed", count).format(count=count))
        if edited:
            parts[-1] += _(" ({count} of them edited by you)").format(count=edited)
    if moved:
        parts.append(ngettext("{count} moved", "{count} moved", moved).format(count=moved))
    if count := counts[Outcome.DELETED]:
        parts.append(ngettext("{count} removed", "{count} removed", count).format(count=count))
    if count := counts[Outcome.STAYS] + counts[Outcome.STAYS_DELETED]:
        parts.append(
            ngettext("{count} left as you have it", "{count} left as you have them", count).format(count=count)
        )
    if count := counts[Outcome.CONFLICT]:
        parts.append(ngettext("{count} in conflict", "{count} in conflict", count).format(count=count))
    return _("Files: {counts}.").format(counts=", ".join(parts))


def changed_answers(update: Update) -> dict[str, dict[str, Any]]:
    """What the project will record otherwise than now: the old and the new answer, None where there is none."""
    import yaml

    file = update.merged.folder / ANSWERS_FILE
    new = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else update.project.recorded
    old = update.project.answers
    return {
        name: {"old": old.get(name), "new": new.get(name)}
        for name in {**old, **new}
        if not name.startswith("_") and old.get(name) != new.get(name)
    }


def say_answers(update: Update) -> None:
    """Answers that change, that were reset, and those to questions that are new."""
    changed = changed_answers(update)
    if changed:
        console.say()
    added = {name: pair["new"] for name, pair in changed.items() if pair["old"] is None}
    for name, pair in changed.items():
        if name in added or pair["new"] is None:
            continue
        if name in update.reset:
            console.warn(
                _("{name}: {old} → {new}, because {old} does not go with the other answers").format(
                    name=name, old=_shown_answer(pair["old"]), new=_shown_answer(pair["new"])
                )
            )
        else:
            console.say(f"{name}: {_shown_answer(pair['old'])} → {_shown_answer(pair['new'])}")
    if added:
        answers = ", ".join(f"{name}={_shown_answer(value)}" for name, value in added.items())
        console.say(_("New questions, and their answers here (--set changes them): {answers}").format(answers=answers))


def _shown_answer(value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def say_news(update: Update) -> None:
    """What the changelog says about the versions between."""
    from rich.table import Table
    from rich.text import Text

    from scaffolder.updating.changelog import entries

    for entry in entries(update.old.version, update.new.version):
        console.say()
        console.say(_("New in {version}").format(version=entry.version), style="bold")
        points = Table.grid(padding=(0, 1))
        for line in entry.lines:
            # Markdown's marks are for a page
            points.add_row(Text(" •"), Text(line.replace("**", "").replace("`", "")))
        console.say(points)
