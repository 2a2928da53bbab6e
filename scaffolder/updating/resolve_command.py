"""`newmodel update --resolve`: settle the conflicts that an update left, one by one or all at once."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from scaffolder import console
from scaffolder.errors import ExitCode, Interrupted, NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.project import Project
from scaffolder.updating import conflict_view, conflicts, journal, rejected
from scaffolder.updating.conflicts import MINE, THEIRS, Conflict, Hunk

ASK = "ask"
WAYS = (ASK, MINE, THEIRS)

_EDIT, _SKIP = "edit", "skip"

#: Editors that are told the line with `+LINE`.
_LINE_EDITORS = ("vi", "vim", "nvim", "nano", "emacs", "emacsclient", "micro", "hx")


def run_resolve(project: Project, how: str, *, as_json: bool = False) -> ExitCode:
    """Settle what is left.

    Args:
        how: One of `WAYS`.

    Raises:
        NewmodelError: If there is no terminal to ask in, or git is in a merge of the person's own.
    """
    _top = project.repository  # says so where there is no git
    if conflicts.is_own_merge(project):
        raise NewmodelError(
            _(
                "{project} is in the middle of a merge or rebase of your own, whose conflicts are none of an update: "
                "finish that first (git status says how)."
            ).format(project=project.folder)
        )
    before = conflicts.left_in(project)
    if before and how == ASK and not console.interactive():
        raise NewmodelError(
            _(
                "There is no terminal to ask in: settle the conflicts with --resolve mine (keep your lines) or "
                "--resolve theirs (take the template's)."
            )
        )
    try:
        problems = _ask_all(project, before) if how == ASK else _settle_all(project, before, how)
    finally:
        # `update --undo` need not ask about what was settled here
        journal.accept(project, [path for one in before for path in (one.path, one.path + rejected.SUFFIX)])
    left = conflicts.left_in(project)
    if as_json:
        paths = [conflict.path for conflict in left]
        console.print_json(
            {
                "settled": [conflict.path for conflict in before if conflict.path not in paths],
                "conflicts": [conflict_view.as_json(conflict) for conflict in left],
                "problems": problems,
            }
        )
    else:
        for problem in problems:
            console.warn(problem)
        if left:
            say_what_is_left(left)
        elif before:
            console.say(_("Every conflict is settled. Look at it with git diff HEAD, run the tests, then commit it."))
        else:
            console.say(_("There is no conflict to settle."))
    return ExitCode.FINDING if left else ExitCode.OK


def _settle_all(project: Project, found: list[Conflict], choice: str) -> list[str]:
    """Settle what can be settled, and say of the others why not."""
    problems = [_problem(project, conflict, choice) for conflict in found]
    return [problem for problem in problems if problem]


def _problem(project: Project, conflict: Conflict, choice: str) -> str:
    try:
        conflicts.settle(project, conflict, choice)
    except NewmodelError as error:
        return str(error)
    return ""


def say_what_is_left(left: list[Conflict]) -> None:
    """Name the files that are in conflict, and how to go on."""
    files = ", ".join(conflict.path for conflict in left)
    text = ngettext("One file is still in conflict: {files}", "{count} files are still in conflict: {files}", len(left))
    console.warn(text.format(count=len(left), files=files))
    console.say(_("Go on with newmodel update --resolve ask, or in PyCharm with Git → Resolve Conflicts."))


# --- one by one -------------------------------------------------------------------------------------------------------


def _ask_all(project: Project, found: list[Conflict]) -> list[str]:
    try:
        for number, conflict in enumerate(found, start=1):
            console.say()
            console.say(
                _("File {number} of {count}: {file}").format(number=number, count=len(found), file=conflict.path),
                style="bold",
            )
            if conflict.settled_by_hand:
                conflicts.tell_git(project, conflict.path)
                console.say(_("There are no markers left in it; git now knows that it is settled."), style="green")
            elif conflict.whole or not conflict.hunks:
                _ask_whole(project, conflict)
            else:
                _ask_hunks(project, conflict)
    except KeyboardInterrupt:
        raise Interrupted(_("Interrupted; what you have settled stays settled.")) from None
    return []


def _ask_whole(project: Project, conflict: Conflict) -> None:
    conflict_view.say_one(conflict, None, most_lines=1)
    choice = _ask(_("Which file do you want?"), editing=False)
    if choice in (MINE, THEIRS):
        conflicts.settle(project, conflict, choice)


def _ask_hunks(project: Project, conflict: Conflict) -> None:
    """Each place is written as soon as it is settled, so that an interruption loses nothing."""
    total, skipped, line = len(conflict.hunks), 0, 1
    current: Conflict | None = conflict
    while current is not None and skipped < len(current.hunks):
        hunk = current.hunks[skipped]
        edited = False
        title = _("{place}  ({number} of {count})").format(
            place=conflict_view.place(current, hunk),
            number=min(total, total - len(current.hunks) + skipped + 1),
            count=total,
        )
        conflict_view.say_one(current, hunk, most_lines=30, title=title)
        choice = _ask(_("Which lines do you want?"), editing=True)
        line = hunk.line
        if choice == _SKIP:
            skipped += 1
            continue
        if choice == _EDIT:
            _edit(project, current, hunk, line)
            edited = True
        else:
            try:
                _settle_hunk(project, current, hunk, choice)
            except NewmodelError as error:
                console.warn(str(error))
                # a patch that fits no more will not fit the next time either
                skipped += current.rejected
        current = next((one for one in conflicts.left_in(project) if _same(one, current)), None)
        if current is not None and current.settled_by_hand:
            conflicts.tell_git(project, current.path)
            current = None
        if edited and current is not None and not current.rejected and len(current.hunks) > skipped:
            console.say(_("{file} still has markers.").format(file=current.path))
    if current is None:
        console.say(_("{file} is settled.").format(file=conflict.path), style="green")


def _same(one: Conflict, other: Conflict) -> bool:
    return (one.path, one.rejected) == (other.path, other.rejected)


def _settle_hunk(project: Project, conflict: Conflict, hunk: Hunk, choice: str) -> None:
    if conflict.rejected:
        rejected.settle_hunk(project, conflict, hunk, choice)
        return
    file = project.folder / conflict.path
    content = file.read_bytes()
    if conflicts.hunks_of(content, conflict.yours, conflict.template) != conflict.hunks:
        raise NewmodelError(_("{file} was changed meanwhile; here is what it holds now.").format(file=conflict.path))
    conflicts.replace_file(file, conflicts.with_choice(content, (hunk,), choice))


def _ask(message: str, *, editing: bool) -> str:
    import questionary
    from questionary import Choice

    choices = [
        Choice(_("mine"), MINE, shortcut_key="m"),
        Choice(_("the template's"), THEIRS, shortcut_key="t"),
        *([Choice(_("edit the file"), _EDIT, shortcut_key="e")] if editing else []),
        Choice(_("skip it for now"), _SKIP, shortcut_key="s"),
    ]
    try:
        return str(
            questionary.select(
                message, choices=choices, use_shortcuts=True, qmark="?", instruction=_("(press the letter, then Enter)")
            ).unsafe_ask()
        )
    except EOFError:
        raise NewmodelError(_("The terminal was closed; what you have settled stays settled.")) from None


def _edit(project: Project, conflict: Conflict, hunk: Hunk, line: int) -> None:
    from scaffolder.questions import consent

    file = project.folder / conflict.path
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    if not command.strip():
        console.say(
            _(
                "No editor is set (the variables VISUAL or EDITOR name one): open {file} at line {line}, leave what is "
                "right, without the markers, and save it."
            ).format(file=file, line=line)
        )
        if not consent(_("Have you saved it?")):
            return
    elif not _open_editor(command, file, line):
        return
    # a patch beside the file says nothing about what was edited in the file
    if conflict.rejected and consent(_("Is this place settled?")):
        rejected.settle_hunk(project, conflict, hunk, MINE)


def _open_editor(command: str, file: Path, line: int) -> bool:
    # a path of Windows has backslashes, which POSIX's rules would take away
    words = shlex.split(command, posix=os.name != "nt")
    where = [f"+{line}"] if Path(words[0]).stem in _LINE_EDITORS else []
    try:
        subprocess.run([*words, *where, str(file)], check=False)
    except OSError as error:
        console.warn(
            _("The editor {command} could not be started: {reason}.").format(command=command, reason=error.strerror)
        )
        return False
    return True
