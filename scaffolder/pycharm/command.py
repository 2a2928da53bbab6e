"""What `newmodel pycharm …` shows, asks and answers; the work is done in the modules beside."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder import console
from scaffolder.environment import facts
from scaffolder.environment.real_system import RealSystem
from scaffolder.errors import ExitCode, Interrupted, NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.pycharm.running import refuse_while_running

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System
    from scaffolder.pycharm import install as installing
    from scaffolder.pycharm import journal, tune
    from scaffolder.pycharm.status import Status


def run_status(project: Path | None = None, *, as_json: bool = False, system: System | None = None) -> ExitCode:
    """Show what is here; `ExitCode.FINDING` if PyCharm is missing, or cannot run the project."""
    from scaffolder.pycharm.status import status

    system = system or RealSystem()
    found = status(system, None if project is None else _project(project))
    if as_json:
        console.print_json(found.as_json())
    else:
        _show_status(found)
    problem = found.project is not None and found.project.problem is not None
    return ExitCode.FINDING if problem or not found.installations else ExitCode.OK


def run_install(
    *,
    version: str | None = None,
    folder: Path | None = None,
    dry_run: bool = False,
    yes: bool = False,
    system: System | None = None,
    service_url: str | None = None,
) -> ExitCode:
    """Install PyCharm.

    Args:
        version: The newest if None.
        folder: The installation's own folder; the usual place if None.
        dry_run: Only say what would be done.
        yes: Do not ask for consent.
        service_url: Another address of JetBrains' release service.

    Raises:
        NewmodelError: If it cannot be done; then nothing is installed.
    """
    from scaffolder.pycharm import install as installing

    system = system or RealSystem()
    planned = installing.plan(system, version=version, folder=folder, service_url=service_url)
    if planned.existing is not None:
        console.say(installing.nothing_to_do(planned))
        console.say(_("Open a project with it: {command}").format(command="newmodel pycharm open PROJECT"))
        return ExitCode.OK
    _show_plan(planned)
    if dry_run:
        return ExitCode.OK
    _need_word(yes)
    if not yes and not _consent(_("Install it?")):
        console.say(_("Nothing was installed."))
        return ExitCode.OK
    try:
        with _progress() as progress:
            done = installing.install(planned, system, service_url=service_url, progress=progress)
    except KeyboardInterrupt:
        raise Interrupted(
            _("Interrupted; nothing was installed. What has arrived is kept, and the same command goes on from there.")
        ) from None
    console.say(
        _("PyCharm {version} is installed: {path}").format(version=planned.release.version, path=done.folder),
        style="green",
    )
    for line in (_("Start it: {path}").format(path=done.launcher), *done.messages):
        console.say(line)
    console.say(_("Open a project with it: {command}").format(command="newmodel pycharm open PROJECT"))
    return ExitCode.OK


def run_tune(
    project: Path | None = None,
    *,
    megabytes: int | None = None,
    without_plugins: bool = False,
    dry_run: bool = False,
    undo: bool = False,
    yes: bool = False,
    system: System | None = None,
) -> ExitCode:
    """Give PyCharm memory, exclude folders, and, with the person's own word, switch plugins off.

    Args:
        project: A project whose folders are to be excluded.
        megabytes: The heap; the one that suits the machine if None.
        without_plugins: That word, given on the command line.
        dry_run: Show what would change, and write nothing.
        undo: Put everything back, or with `project` what was changed for that project.
        yes: Do not ask for consent.

    Raises:
        NewmodelError: If PyCharm runs, or there is nobody to ask.
    """
    from scaffolder.pycharm import journal, tune

    system = system or RealSystem()
    project = None if project is None else _project(project)
    if not dry_run:
        refuse_while_running(system)
    if undo:
        changes = journal.changes() if project is None else journal.changes(tune.OF_PROJECTS, str(project))
        return _undo(changes, dry_run=dry_run, yes=yes)
    planned = tune.plan(system, project, megabytes=megabytes)
    steps = list(planned.steps)
    for note in planned.notes:
        console.say(note)
    optional = tune.optional_steps(planned)
    if without_plugins:
        steps += optional
    if steps:
        console.say(_("This can be made better:"), style="bold")
        _show_steps(steps, diff=dry_run)
    elif not optional:
        console.say(_("There is nothing to tune."))
    if dry_run:
        if optional and not without_plugins:
            _show_plugins(planned)
        return ExitCode.OK
    if steps:
        _need_word(yes)
    accepted = list(steps) if steps and (yes or _consent(_("Change these files? A copy of each is kept."))) else []
    problems = tune.apply(accepted)
    if optional and not without_plugins:
        if console.interactive() and not yes:
            _show_plugins(planned)
            if _consent(
                _("Switch these plugins off? You can switch each on again in PyCharm's settings."), default=False
            ):
                problems += tune.apply(optional)
                accepted += optional
        else:
            _show_plugins(planned)
            console.say(_("--without-plugins switches them off."))
    for problem in problems:
        console.warn(problem)
    if len(accepted) > len(problems):
        console.say(_("Done. “newmodel pycharm tune --undo” puts everything back as it was."), style="green")
    elif steps and not accepted:
        console.say(_("Nothing was changed."))
    return ExitCode.FINDING if problems else ExitCode.OK


def run_open(
    project: Path,
    *,
    version: str | None = None,
    file: Path | None = None,
    line: int | None = None,
    system: System | None = None,
) -> ExitCode:
    """Open a project in PyCharm with its own interpreter; `ExitCode.FINDING` if PyCharm did not start.

    Args:
        version: The newest installation if None.
        file: A file to show, and `line` the line of it.
    """
    from scaffolder.environment.ide import pycharm as probe
    from scaffolder.pycharm.open import open_project
    from scaffolder.pycharm.status import chosen

    system = system or RealSystem()
    project = _project(project)
    if line is not None and file is None:
        raise NewmodelError(_("--line says where in a file: name the file with --file."))
    if file is not None:
        # as the shell completes it, or as one names it inside the project
        file = next((path.absolute() for path in (project / file, file) if path.is_file()), None) or _no_file(file)
    installation = chosen(probe.probe(system)[0]["pycharm"], version)
    opening = open_project(
        project, launcher=installation.launcher if installation else None, file=file, line=line, system=system
    )
    for message in opening.messages:
        console.say(message)
    if installation is None:
        console.say(_("Install it: {command}").format(command="newmodel pycharm install"))
    return ExitCode.OK if opening.started else ExitCode.FINDING


def run_interpreter(
    project: Path, *, undo: bool = False, dry_run: bool = False, yes: bool = False, system: System | None = None
) -> ExitCode:
    """Make PyCharm use a project's own interpreter, or take that back.

    It asks only where it undoes: registering adds an entry and changes no other.

    Raises:
        NewmodelError: If PyCharm runs.
    """
    from scaffolder.pycharm import interpreter, journal
    from scaffolder.pycharm.status import project_status

    system = system or RealSystem()
    project = _project(project)
    if not dry_run:
        refuse_while_running(system)
    if undo:
        return _undo(journal.changes(interpreter.KINDS, str(project)), dry_run=dry_run, yes=yes)
    if dry_run:
        console.say(project_status(project, system).sentence)
        return ExitCode.OK
    mending = interpreter.mend_interpreter(project, system)
    for message in mending.messages:
        (console.say if mending.done else console.warn)(message)
    return ExitCode.OK if mending.done else ExitCode.FINDING


def _project(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise NewmodelError(_("There is no folder {path}; give a project's folder.").format(path=folder))
    return folder


def _no_file(file: Path) -> Path:
    raise NewmodelError(_("There is no file {path}.").format(path=file))


def _need_word(yes: bool) -> None:
    if not yes and not console.interactive():
        raise NewmodelError(_("There is no terminal to ask in: add --yes if this is what you want."))


def _consent(message: str, *, default: bool = True) -> bool:
    from scaffolder.questions import consent

    return consent(message, default=default)


def _show_status(found: Status) -> None:
    out = console.out()
    if not found.installations:
        console.say(_("No PyCharm was found here; “newmodel pycharm install” installs it."))
    for one in found.installations:
        name = " ".join(part for part in (one.edition, one.version, f"({one.source})" if one.source else "") if part)
        out.print(name, style="bold")
        # a line each: a path that a table has cut in two cannot be copied
        for label, text in (
            (_("memory"), _heap_text(one)),
            (_("settings"), one.configuration or _("none: it has not been started yet")),
            (_("place"), one.folder),
        ):
            out.print(f"  {label:<10}{text}", soft_wrap=True)
    if any(_small(one) for one in found.installations):
        out.print(_("“newmodel pycharm tune” gives PyCharm the memory that suits this machine."), soft_wrap=True)
    known = {one.configuration for one in found.installations}
    if others := [folder for folder in found.configurations if folder not in known]:
        out.print(_("Settings of other versions: {folders}").format(folders=", ".join(others)), soft_wrap=True)
    out.print(_("PyCharm is running.") if found.running else _("PyCharm is not running."))
    if found.project is not None:
        out.print(f"{found.project.path}: {found.project.sentence}", soft_wrap=True)
        if found.project.problem is not None and found.project.environment:
            mend = facts.command(RealSystem(), "newmodel", "pycharm", "interpreter", found.project.path)
            out.print(_("Mend it: {command}").format(command=mend.line), soft_wrap=True)


def _small(one: PyCharm) -> bool:
    return one.heap is not None and one.heap_wanted is not None and one.heap < one.heap_wanted


def _heap_text(one: PyCharm) -> str:
    if one.heap is None:
        return _("unknown")
    text = _("{heap} MB").format(heap=one.heap)
    if _small(one):
        text = _("{heap} MB; {wanted} MB suit this machine").format(heap=one.heap, wanted=one.heap_wanted)
    return text


def _show_plan(planned: installing.Plan) -> None:
    from scaffolder.pycharm.install import UNPACKED_RATIO, size_text

    console.say(
        _("PyCharm {version} ({date})").format(version=planned.release.version, date=planned.release.date or "?"),
        style="bold",
    )
    console.say("  " + _("from   {link}").format(link=planned.file.link))
    size = size_text(planned.size)
    if planned.here:
        console.say("  " + _("load   {size}, of which {here} are here").format(size=size, here=size_text(planned.here)))
    else:
        console.say("  " + _("load   {size}").format(size=size))
    console.say(
        "  "
        + _("into   {path} (about {size})").format(path=planned.target, size=size_text(planned.size * UNPACKED_RATIO))
    )
    for one in planned.others:
        console.say("  " + _("PyCharm {version} stays in {path}").format(version=one.version, path=one.folder))
    for hint in planned.hints:
        console.say("  " + hint, style="cyan")


@contextmanager
def _progress() -> Iterator[installing.Progress]:
    """A bar in a terminal; elsewhere a line for each tenth."""
    from scaffolder.pycharm.install import Progress, size_text

    if console.err().is_terminal:
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=console.err(), transient=True) as bars:
            task = bars.add_task(_("Loading …"), total=None)

            def step(text: str) -> None:
                bars.stop()  # how far an unpacking is says nothing: it takes seconds
                console.say(text)

            yield Progress(loaded=lambda here, total: bars.update(task, completed=here, total=total), step=step)
        return
    tenths = [-1]

    def loaded(here: int, total: int | None) -> None:
        tenth = here * 10 // total if total else here // 100_000_000
        if tenth > tenths[0]:
            tenths[0] = tenth
            console.say(_("{here} of {total}").format(here=size_text(here), total=size_text(total) if total else "?"))

    yield Progress(loaded=loaded, step=console.say)


def _show_steps(steps: Sequence[tune.Step], *, diff: bool) -> None:
    for step in steps:
        console.say(f"  {step.what}")
        console.say(f"    {step.path}", style="dim")
        if diff:
            console.say(step.diff())


def _show_plugins(planned: tune.Plan) -> None:
    from scaffolder.pycharm.plugins import NOT_NEEDED

    console.say(_("Plugins that come with PyCharm and that training does not need; without them it starts faster:"))
    for name in planned.optional:
        console.say(f"  {_(NOT_NEEDED[name])}  ({name})")


def _undo(changes: Collection[journal.Change], *, dry_run: bool, yes: bool) -> ExitCode:
    from scaffolder.pycharm import tune

    if not changes:
        console.say(_("There is nothing to put back: newmodel has changed nothing here, or it is put back already."))
        return ExitCode.OK
    console.say(_("This is put back:"), style="bold")
    for path in dict.fromkeys(change.path for change in changes):
        console.say(f"  {path}")
    if dry_run:
        return ExitCode.OK
    _need_word(yes)
    if not yes and not _consent(_("Put it back?")):
        console.say(_("Nothing was changed."))
        return ExitCode.OK
    done = tune.undo(changes)
    whole = sum(one.outcome == "whole" for one in done)
    if whole:
        console.say(
            ngettext("One file is as it was before.", "{count} files are as they were before.", whole).format(
                count=whole
            )
        )
    for one in done:
        if one.outcome == "part":
            console.say(
                _("{path} has been changed by others since: only newmodel's change was taken out.").format(
                    path=one.change.path
                )
            )
        elif one.outcome == "gone":
            console.say(_("{path} is no longer there.").format(path=one.change.path))
        elif one.outcome == "failed":
            console.warn(one.reason)
    return ExitCode.FINDING if any(one.outcome == "failed" for one in done) else ExitCode.OK
