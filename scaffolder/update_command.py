"""What `newmodel update` shows, asks and answers; the work is done in `update`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.errors import ExitCode
from scaffolder.messages import _, ngettext
from scaffolder.project import ANSWERS_FILE, open_project
from scaffolder.questions import consent
from scaffolder.template_source import releases
from scaffolder.three_way import Change, Outcome
from scaffolder.update import Update, apply, available, prepare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table


def run_update(
    folder: Path,
    *,
    check: bool = False,
    diff: bool = False,
    to: str | None = None,
    settings: Mapping[str, Any] | None = None,
    yes: bool = False,
    as_json: bool = False,
) -> ExitCode:
    """Update the project in `folder`.

    Args:
        folder: The project.
        check: Only say whether there is an update; `ExitCode.FINDING` if so.
        diff: Only show what would change.
        to: A released version; the newest if None.
        settings: Answers to change, and answers to new questions.
        yes: Do not ask for consent, and give new questions their defaults.
        as_json: Print one JSON object on standard output.

    Raises:
        NewmodelError: If it cannot be done; the project is then unchanged.
    """
    project = open_project(folder)
    versions = available(project, releases(), to)
    if versions is None:
        if as_json:
            console.print_json({"current": project.version, "available": None})
        else:
            console.say(_("{project} is up to date ({version}).").format(project=folder, version=project.version))
        return ExitCode.OK
    old, new = versions
    if check:
        if as_json:
            console.print_json({"current": old.tag, "available": new.tag})
        else:
            console.say(
                _("{new} is available, this project has {old}; “newmodel update” brings it in.").format(
                    new=new.tag, old=old.tag
                )
            )
        return ExitCode.FINDING
    interactive = console.interactive() and not yes and not as_json
    with prepare(project, releases(), versions, settings=settings, ask=interactive and not diff) as update:
        if diff:
            console.out().file.write(update.merged.diff(colour=console.out().is_terminal))
            return ExitCode.OK
        if not as_json:
            console.say(_("Template {old} → {new}").format(old=old.tag, new=new.tag), style="bold")
            console.say(changes_table(update))
        if interactive and not consent(_("Write these changes to the project?")):
            console.say(_("Nothing was changed."))
            return ExitCode.OK
        apply(update)
        if as_json:
            console.print_json(
                {
                    "from": old.tag,
                    "to": new.tag,
                    "conflicts": [change.path for change in update.conflicts],
                    "changes": {change.path: change.outcome.value for change in _shown(update)},
                }
            )
        else:
            _say_what_next(update)
        return ExitCode.FINDING if update.conflicts else ExitCode.OK


def changes_table(update: Update) -> Table:
    """Every file and what happens to it, in the person's language."""
    from rich.table import Table

    texts = {
        Outcome.ADDED: (_("new"), "green"),
        Outcome.CHANGED: (_("changed; what you edited in it is kept"), ""),
        Outcome.DELETED: (_("removed; you had not changed it"), "dim"),
        Outcome.CONFLICT: (_("CONFLICT: you and the template changed the same lines"), "bold red"),
        Outcome.STAYS_DELETED: (_("stays deleted, as you left it; the template has a new version of it"), "yellow"),
        Outcome.STAYS: (_("stays, because you changed it; the template no longer has it"), "yellow"),
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for change in _shown(update):
        text, style = texts[change.outcome]
        table.add_row(change.path, text, style=style)
    return table


def _shown(update: Update) -> list[Change]:
    return [change for change in update.changes if change.path != ANSWERS_FILE]


def _say_what_next(update: Update) -> None:
    if update.conflicts:
        files = ", ".join(change.path for change in update.conflicts)
        count = len(update.conflicts)
        console.warn(
            ngettext("One file has a conflict: {files}", "{count} files have conflicts: {files}", count).format(
                count=count, files=files
            )
        )
        console.say(
            _(
                "In PyCharm: Git → Resolve Conflicts. Without it: open the file, keep what is right between "
                "<<<<<<< and >>>>>>>, then run git add on it. To give the update up: git checkout -f HEAD -- ."
            )
        )
        return
    console.say(_("Done. Look at it with git diff, run the tests, then commit it."))
