"""What `newmodel update` shows, asks and answers; the work is done in `update`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.project import Project
from scaffolder.template_source import Release, releases
from scaffolder.updating.update import Update, apply, available, opened, prepare

if TYPE_CHECKING:
    from scaffolder.updating.conflicts import Conflict
    from scaffolder.updating.report import FileChange

INLINE, REJ = "inline", "rej"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `newmodel update` was called with.

    Attributes:
        project: The project's folder.
        check: Only say whether there is an update.
        diff: Only show what would change.
        to: A released version; the newest if None.
        settings: `key=value` texts: answers to change, and answers to new questions.
        conflict: Where the template's side of a conflict goes: `inline` (markers) or `rej` (a file beside it).
        resolve: Settle the conflicts that are left: `ask`, `mine`, `theirs`; not at all if empty.
        undo: Take the last update back.
        yes: Do not ask for consent, and give new questions their defaults.
        as_json: Print one JSON object on standard output, and ask nothing.
    """

    project: Path = Path()
    check: bool = False
    diff: bool = False
    to: str | None = None
    settings: Sequence[str] = ()
    conflict: str = INLINE
    resolve: str = ""
    undo: bool = False
    yes: bool = False
    as_json: bool = False


def run_update(options: Options) -> ExitCode:
    """Update a project, or do with its last update what the options say.

    Raises:
        NewmodelError: If it cannot be done; the project is then unchanged.
    """
    _refuse_contradictions(options)
    project = opened(options.project, console.warn)
    if options.undo:
        return _undo(project, options)
    if options.resolve:
        from scaffolder.updating.resolve_command import run_resolve

        return run_resolve(project, options.resolve, as_json=options.as_json)
    versions = available(project, releases(), options.to, settings=options.settings)
    if options.check:
        return _check(project, versions, options)
    if versions is None:
        return _up_to_date(project, options)
    return _update(project, versions, options)


def _refuse_contradictions(options: Options) -> None:
    """
    Raises:
        NewmodelError: If options exclude each other, or one has a value that it does not take.
    """
    if options.conflict not in (INLINE, REJ):
        raise NewmodelError(
            _("--conflict cannot be “{value}”: it is inline (markers in the file) or rej (a file beside it).").format(
                value=options.conflict
            )
        )
    if options.resolve not in ("", "ask", "mine", "theirs"):
        raise NewmodelError(
            _("--resolve cannot be “{value}”: it is ask (one by one), mine or theirs.").format(value=options.resolve)
        )
    flags = {
        "--check": options.check,
        "--diff": options.diff,
        "--undo": options.undo,
        "--resolve": bool(options.resolve),
        "--to": options.to is not None,
        "--set": bool(options.settings),
        "--conflict": options.conflict != INLINE,
    }
    given = [name for name, is_given in flags.items() if is_given]
    allowed = {
        "--check": {"--to"},
        "--undo": set(),
        "--resolve": set(),
        "--diff": {"--to", "--set", "--conflict"},
    }  # fmt: skip
    for name, others in allowed.items():
        wrong = [other for other in given if other != name and other not in others]
        if name in given and wrong:
            raise NewmodelError(
                _("{first} and {second} do not go together: give one of them.").format(first=name, second=wrong[0])
            )
    if options.resolve == "ask" and options.as_json:
        raise NewmodelError(_("--resolve ask needs a terminal, and --json asks nothing: give mine or theirs."))


# --- what there is ----------------------------------------------------------------------------------------------------


def _check(project: Project, versions: tuple[Release, Release] | None, options: Options) -> ExitCode:
    overlays = _overlay_changes(project)
    new = None if versions is None or versions[0] == versions[1] else versions[1].tag
    if options.as_json:
        console.print_json({"current": project.version, "available": new, "overlays": overlays})
    elif versions is None:
        _say_up_to_date(project)
    else:
        if new is not None:
            console.say(
                _("{new} is available, this project has {old}; “newmodel update” brings it in.").format(
                    new=new, old=project.version
                )
            )
        for overlay in overlays:
            console.say(
                _("The overlay {source} has a new version, {new}; this project has {old}.").format(**overlay)
            )  # fmt: skip
    return ExitCode.OK if versions is None else ExitCode.FINDING


def _overlay_changes(project: Project) -> list[dict[str, str]]:
    """The project's overlays that have a newer version."""
    if not project.overlays:
        return []
    from scaffolder.overlay import newer

    return newer(project.overlays)


def _up_to_date(project: Project, options: Options) -> ExitCode:
    """Nothing to do, unless the last update still has conflicts."""
    from scaffolder.updating import conflict_view, conflicts
    from scaffolder.updating.resolve_command import say_what_is_left

    try:
        _top = project.repository
        left = [] if conflicts.is_own_merge(project) else conflicts.left_in(project)
    except NewmodelError:  # not under version control, so there was no update that could have left any
        left = []
    if options.as_json:
        console.print_json(
            {
                "from": project.version,
                "to": project.version,
                "changes": [],
                "conflicts": [conflict_view.as_json(conflict) for conflict in left],
            }
        )
    else:
        _say_up_to_date(project)
        if left:
            say_what_is_left(left)
    return ExitCode.FINDING if left else ExitCode.OK


def _say_up_to_date(project: Project) -> None:
    console.say(_("{project} is up to date ({version}).").format(project=project.folder, version=project.version))


# --- the update -------------------------------------------------------------------------------------------------------


def _update(project: Project, versions: tuple[Release, Release], options: Options) -> ExitCode:
    from scaffolder.updating import conflicts, rejected
    from scaffolder.updating import report as update_report

    _refuse_rejected(project)
    overlays = _overlay_changes(project)
    interactive = console.interactive() and not options.yes and not options.as_json
    asking = interactive and not options.diff
    with prepare(project, releases(), versions, settings=options.settings, ask=asking) as update:
        found = conflicts.of_update(update)
        changes = update_report.file_changes(update)
        if options.conflict == REJ and found:
            update = rejected.instead_of_markers(update, found)
        content = {**_as_json(update, changes, found, options), "overlays": overlays}
        if options.diff:
            return _diff(update, content, options)
        if not options.as_json:
            _announce(update, changes, overlays)
        if not update.changes:
            return _say_nothing_changes(content, options)
        if interactive and not _consents():
            console.say(_("Nothing was changed."))
            return ExitCode.OK
        apply(update)
        if options.as_json:
            console.print_json(content)
        else:
            _say_what_next(found, options)
    if found and interactive and options.conflict == INLINE and _wants_to_settle():
        from scaffolder.updating.resolve_command import run_resolve

        return run_resolve(project, "ask")
    return ExitCode.FINDING if found else ExitCode.OK


def _refuse_rejected(project: Project) -> None:
    """
    Raises:
        NewmodelError: If an earlier update's `.rej` files are still there; they would be about lines that move now.
    """
    from scaffolder.updating import rejected

    _top = project.repository  # says so where there is no git
    left = [conflict.path + rejected.SUFFIX for conflict in rejected.left_in(project)]
    if left:
        raise NewmodelError(
            _(
                "An earlier update left {files}: settle that first, with newmodel update --resolve ask, or by deleting "
                "what you do not want."
            ).format(files=", ".join(left))
        )


def _diff(update: Update, content: dict[str, Any], options: Options) -> ExitCode:
    if options.as_json:
        console.print_json({**content, "diff": update.merged.diff()})
    else:
        console.out().file.write(update.merged.diff(colour=console.out().is_terminal))
    return ExitCode.OK


def _announce(update: Update, changes: list[FileChange], overlays: list[dict[str, str]]) -> None:
    """What is new, and what will happen."""
    from scaffolder.updating import report as update_report

    old, new = update.old.tag, update.new.tag
    if old != new:
        console.say(_("Template {old} → {new}").format(old=old, new=new), style="bold")
        update_report.say_news(update)
    for overlay in overlays:
        console.say(_("Overlay {source}: {old} → {new}").format(**overlay), style="bold")
    update_report.say_answers(update)
    for note in update.notes:
        console.warn(note)
    if changes:
        console.say()
        console.say(_("What happens to the files"), style="bold")
        console.say(update_report.table(changes))
        console.say(update_report.summary(changes))


def _say_nothing_changes(content: dict[str, Any], options: Options) -> ExitCode:
    if options.as_json:
        console.print_json(content)
    else:
        console.say(_("Nothing changes: the project is like that already."))
    return ExitCode.OK


def _consents() -> bool:
    from scaffolder.questions import consent

    return consent(_("Write these changes to the project?"))


def _wants_to_settle() -> bool:
    from scaffolder.questions import consent

    return consent(_("Settle the conflicts here and now, one by one?"), default=False)


def _as_json(
    update: Update, changes: list[FileChange], found: list[Conflict], options: Options
) -> dict[str, Any]:  # fmt: skip
    from dataclasses import replace

    from scaffolder.updating import conflict_view
    from scaffolder.updating import report as update_report

    rej = options.conflict == REJ
    return {
        "from": update.old.tag,
        "to": update.new.tag,
        "answers": update_report.changed_answers(update),
        "reset": list(update.reset),
        "notes": list(update.notes),
        "changes": update_report.as_json(changes),
        "conflicts": [conflict_view.as_json(replace(conflict, rejected=rej)) for conflict in found],
    }


def _say_what_next(found: list[Conflict], options: Options) -> None:
    from scaffolder.updating import conflict_view

    console.say()
    if not found:
        console.say(_("Done. Look at it with git diff, run the tests, then commit it."), style="green")
        console.say(_("To take it back: newmodel update --undo"))
        return
    conflict_view.say_all(found)
    console.say()
    if options.conflict == REJ:
        console.say(_("Your lines stay in these files; the template's stand beside them, in FILE.rej."))
        console.say(_("To settle them: newmodel update --resolve ask (or mine, or theirs)."))
        console.say(_("By hand: take what you want from a FILE.rej into the file, then delete FILE.rej."))
    else:
        console.say(_("In PyCharm: Git → Resolve Conflicts."))
        console.say(_("In the terminal: newmodel update --resolve ask (or mine, or theirs)."))
        console.say(_("By hand: keep what is right between <<<<<<< and >>>>>>>, then run git add on the file."))
    console.say(_("To take the whole update back: newmodel update --undo"))


# --- back -------------------------------------------------------------------------------------------------------------


def _undo(project: Project, options: Options) -> ExitCode:
    from scaffolder.updating.undo import undo

    if console.interactive() and not options.yes and not options.as_json and not _wants_it_back(project):
        console.say(_("Nothing was changed."))
        return ExitCode.OK
    undone = undo(project, yes=options.yes)
    if options.as_json:
        console.print_json(
            {
                "from": undone.new,
                "to": undone.old,
                "changed": list(undone.changed),
                "edited": list(undone.edited),
                "kept": None if undone.kept is None else str(undone.kept),
                "committed": undone.committed,
            }
        )
        return ExitCode.OK
    count = len(undone.changed)
    console.say(
        ngettext(
            "One file is as it was before the update; the project has the template version {version} again.",
            "{count} files are as they were before the update; the project has the template version {version} again.",
            count,
        ).format(count=count, version=undone.old),
        style="green",
    )
    if undone.kept is not None:
        files = ", ".join(undone.edited)
        console.warn(
            _("What you had in {files} until now is kept in {folder}.").format(files=files, folder=undone.kept)
        )
    if undone.committed:
        console.say(_("You had committed since, and that commit stays: commit this way back, too."))
    return ExitCode.OK


def _wants_it_back(project: Project) -> bool:
    from scaffolder.questions import consent
    from scaffolder.updating import journal

    last = journal.last(project)
    if last is None:
        return True  # `undo` says that there is nothing
    if last.old == last.new:
        return consent(_("Take the last change of answers back?"))
    return consent(_("Take the update from {old} to {new} back?").format(old=last.old, new=last.new))
