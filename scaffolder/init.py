"""`newmodel init`: look at the machine, ask, show, write, hand over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from scaffolder import base_models, console, own_data, preview
from scaffolder.answers import Answer, from_file, from_settings, typed_path
from scaffolder.catalog import Catalog, catalog
from scaffolder.environment.facts import Interpreter, Report
from scaffolder.errors import ExitCode, Interrupted, NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.staging import staging
from scaffolder.target import absolute, check_folder, check_here

if TYPE_CHECKING:
    from rich.panel import Panel

    from scaffolder.generate import Rendering, Source
    from scaffolder.questions import Answers, Interview


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        path: The project's folder; None where the answers or a question decide.
        settings: `key=value` texts.
        answers_file: A YAML or JSON file with answers.
        data: The person's own table or conversations.
        target_column: Which of its columns to predict.
        overlays: Where the overlays are that are laid over the templates, in this order.
        defaults: Take every default that is not given, and ask nothing.
        yes: Do not ask for consent.
        dry_run: Show what would be made and write nothing.
        as_json: Print one JSON object on standard output, and ask nothing.
        language_given: Whether the terminal's language was chosen by a flag.
    """

    path: str | None = None
    settings: Sequence[str] = ()
    answers_file: Path | None = None
    data: str | None = None
    target_column: str | None = None
    overlays: Sequence[str] = ()
    defaults: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False
    language_given: bool = False

    @property
    def ask(self) -> bool:
        """Whether there is somebody to ask."""
        return not self.defaults and not self.as_json and console.interactive()


@dataclass
class HandOver:
    """What happened after the project was in place.

    Attributes:
        python: The project's interpreter, once its packages are installed.
        problems: What went wrong and how to go on; the project is whole all the same.
        notes: What else to say.
    """

    python: Path | None = None
    git: bool = False
    opened: bool = False
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def run_init(options: Options) -> ExitCode:
    """Make a project.

    Raises:
        NewmodelError: If it cannot be made; nothing is left behind.
        Interrupted: If the person pressed Ctrl-C.
    """
    check_here()
    source = _source(options)
    known = catalog() if source is None else Catalog(source.folder)
    given = _given(options, known)
    folder = _folder_from(options, given)
    if folder is not None:
        check_folder(folder)
    if not options.ask and not options.defaults:
        from scaffolder.questions import check_complete

        check_complete(known, given)
    _look_at_data(given)
    report = _report(folder or Path.cwd(), quiet=options.as_json)
    if folder is None:
        folder = _ask_folder(options)
    answers = _answers(options, known, report, given, folder, source)
    python = _python(report, known, str(answers.values["framework"]), str(answers.values["task"]))
    rendering = _render(answers, folder, source)
    if not options.as_json:
        _show(answers, known, rendering, folder, python, complete=options.dry_run)
    if options.dry_run:
        _result(options, report, answers, rendering, folder, python, made=False)
        return ExitCode.OK
    if options.ask and not options.yes:
        from scaffolder.questions import consent

        if not consent(_("Make this project?")):
            console.say(_("Nothing was written."))
            return ExitCode.OK
    _write(rendering, answers, folder)
    if not options.as_json:
        console.say(_("✓ Written: {folder}").format(folder=folder), style="green")
    done = _hand_over(answers, folder, report, python)
    if options.as_json:
        _result(options, report, answers, rendering, folder, python, made=True, done=done)
    else:
        for problem in done.problems:
            console.fail(problem)
        for note in done.notes:
            console.say(note)
        console.say(_closing(answers, folder, python, done))
    return ExitCode.FINDING if done.problems else ExitCode.OK


# --- before anything is written -------------------------------------------------------------------------------------


def _given(options: Options, known: Catalog) -> dict[str, Answer]:
    """The answers that need no question: the file's, then the flags'."""
    given = _settled(options, known)
    if options.data is not None:
        given["data_file"] = options.data
        given.setdefault("data", "own")
        given.setdefault("task", own_data.task_of(options.data))
    if "data_file" in given:
        given["data_file"] = typed_path(str(given["data_file"]))
    if options.target_column is not None:
        given["target_column"] = options.target_column
    if given.get("data_file") and "data" not in given:
        given["data"] = "own"
    if given.get("data_file") and "task" not in given and own_data.task_of(str(given["data_file"])) == "llm":
        given["task"] = "llm"
    if given.get("data") == "sample" and (given.get("data_file") or given.get("target_column")):
        raise NewmodelError(_("data=sample and data of your own exclude each other; leave one out."))
    if options.data is not None and given["task"] not in ("tabular", "llm"):
        raise NewmodelError(
            _("There is no data of one's own in task={task}; leave --data out, or choose task=tabular or llm.").format(
                task=given["task"]
            )
        )
    if given.get("target_column") and "data_file" not in given and not options.ask:
        raise NewmodelError(_("--target-column needs the table that has it: --data PATH."))
    return given


def _folder_from(options: Options, given: Mapping[str, Answer]) -> Path | None:
    """The project's folder, where it is known without a question."""
    if options.path is not None:
        return absolute(options.path)
    if options.ask:
        return None
    name = str(given.get("project_name", "my-model"))
    if not name.strip() or "/" in name or "\\" in name or name in (".", ".."):
        return None  # copier.yml says what is wrong with it
    return Path.cwd() / name


def _look_at_data(given: Mapping[str, Answer]) -> None:
    """A wrong file is said at once, before the machine is looked at."""
    if given.get("data") == "own" and given.get("data_file"):
        task = str(given.get("task", "tabular"))
        own_data.look_at(str(given["data_file"]), task, str(given.get("target_column", "")))


def _report(place: Path, *, quiet: bool) -> Report:
    from scaffolder.environment.report import inspect

    if quiet:
        return inspect(folder=place)
    with console.err().status(_("Looking at this machine …")):
        report = inspect(folder=place)
    from scaffolder.environment.panel import panel

    console.say(panel(report))
    return report


def _ask_folder(options: Options) -> Path:
    if not options.ask:
        return Path.cwd() / "my-model"
    from scaffolder.questions import ask_folder

    return absolute(ask_folder("my-model", lambda text: check_folder(absolute(text))))


def _source(options: Options) -> Source | None:
    """The templates with the overlays that were asked for; None for the templates alone."""
    if not options.overlays:
        return None
    from scaffolder import overlay
    from scaffolder.generate import own_source

    return overlay.compose(own_source(), overlay.chosen(options.overlays))


def _answers(
    options: Options,
    known: Catalog,
    report: Report,
    given: Mapping[str, Answer],
    folder: Path,
    source: Source | None,
) -> Answers:
    from scaffolder.questions import Interview

    interview = Interview(
        known,
        report,
        given,
        ask=options.ask,
        folder_name=folder.name or "my-model",
        follow_language=not options.language_given,
        source=source,
    )
    answers = _run(interview, source)
    if given.get("task") == "llm" and given.get("data_file") and "task" not in _settled(options, known):
        answers.notes.insert(
            0,
            _("{file} holds conversations, so task is llm; for a table say --set task=tabular.").format(
                file=Path(str(given["data_file"])).name
            ),
        )
    return answers


def _run(interview: Interview, source: Source | None) -> Answers:
    """The conversation; what an overlay's question cannot be asked for is that overlay's mistake."""
    from jinja2.exceptions import TemplateError

    try:
        return interview.run()
    except (TemplateError, ArithmeticError, TypeError) as error:
        if source is None:
            raise
        from scaffolder.overlay_file import wrong

        sources = ", ".join(overlay["source"] for overlay in source.overlays)
        reason = _("a question of it fails: {reason}.").format(reason=" ".join(str(error).split()))
        raise wrong(sources, reason) from error


def _settled(options: Options, known: Catalog) -> dict[str, Answer]:
    """What the person said, without what follows from it."""
    given = {} if options.answers_file is None else from_file(options.answers_file, known)
    return {**given, **from_settings(options.settings, known)}


def _python(report: Report, known: Catalog, framework: str, task: str) -> Interpreter | None:
    return report.python_for(*known.python_range(framework, task))


def _render(answers: Answers, folder: Path, source: Source | None) -> Rendering:
    from scaffolder.generate import render

    values = dict(answers.values)
    if answers.own is not None:
        values["data_file"] = answers.own.answer
    base = base_models.folder_of(str(values.get("base_model_name", "")))
    if base is not None:  # named from here, used from the project's folder
        values["base_model_name"] = base.as_posix()
    return render(values, folder, source)


def _show(
    answers: Answers,
    known: Catalog,
    rendering: Rendering,
    folder: Path,
    python: Interpreter | None,
    *,
    complete: bool,
) -> None:
    from scaffolder.template_source import current_version

    where = console.out() if complete else console.err()
    where.print(preview.tree(_files(rendering, answers), folder.name, complete=complete))
    where.print(
        preview.decisions(
            answers, known, target=folder, python=python, version=current_version(), overlays=rendering.overlays
        )
    )


def _files(rendering: Rendering, answers: Answers) -> list[PurePosixPath]:
    files = list(rendering.files)
    if answers.own is not None and not answers.own.stays:
        files.append(PurePosixPath(answers.own.answer))
    return files


# --- writing ----------------------------------------------------------------------------------------------------------


def _write(rendering: Rendering, answers: Answers, folder: Path) -> None:
    from scaffolder.generate import write

    try:
        with staging(folder) as stage:
            write(rendering, stage.project)
            if answers.own is not None:
                own_data.put_into(stage.project, answers.own)
            stage.commit()
    except KeyboardInterrupt:
        raise Interrupted from None


# --- afterwards -------------------------------------------------------------------------------------------------------


def _hand_over(answers: Answers, folder: Path, report: Report, python: Interpreter | None) -> HandOver:
    """Install, commit, open: as the answers say. What fails here leaves the project whole."""
    done = HandOver()
    try:
        if answers.values["install_now"]:
            _install(answers, folder, python, done)
        if answers.values["use_git"]:
            _commit(folder, done)
        if answers.values["open_now"]:
            _open(folder, report, done)
    except KeyboardInterrupt:
        raise Interrupted(
            _("Interrupted. The project is complete in {folder}; what was left to do:\n{commands}").format(
                folder=folder, commands="\n".join(_commands(answers, folder, python))
            )
        ) from None
    return done


def _install(answers: Answers, folder: Path, python: Interpreter | None, done: HandOver) -> None:
    from scaffolder.install import create_environment

    try:
        done.python = create_environment(
            folder,
            package_manager=str(answers.values["package_manager"]),
            python=None if python is None else python.path,
        )
    except Interrupted:
        raise
    except NewmodelError as error:
        done.problems.append(str(error))


def _commit(folder: Path, done: HandOver) -> None:
    from scaffolder.repository import initialise

    try:
        repository = initialise(folder)
    except NewmodelError as error:
        done.problems.append(str(error))
        return
    done.git = repository.made
    if repository.note:
        done.notes.append(repository.note)


def _open(folder: Path, report: Report, done: HandOver) -> None:
    from scaffolder.pycharm.open import open_project

    launcher = report.pycharm[0].launcher if report.pycharm else None
    opening = open_project(folder, launcher=launcher, python=done.python)
    done.opened = opening.started
    done.notes += opening.messages


def _commands(answers: Answers, folder: Path, python: Interpreter | None) -> list[str]:
    """What a person types to install the packages by hand."""
    from scaffolder.install import go_on_commands

    return go_on_commands(
        folder,
        package_manager=str(answers.values["package_manager"]),
        python=None if python is None else python.path,
    )


def _closing(answers: Answers, folder: Path, python: Interpreter | None, done: HandOver) -> Panel:
    """What to press in PyCharm, and what to type without it."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    lines: list[Text] = []

    def heading(text: str) -> None:
        lines.append(Text(text, style="bold"))

    if done.python is None:
        if answers.values["install_now"]:  # it was tried: the reason and the commands stand above
            heading(_("First finish the installation, as said above."))
        else:
            heading(_("First install the packages:"))
            lines += [Text(f"  {command}") for command in _commands(answers, folder, python)]
        lines.append(Text(""))
    heading(_("In PyCharm"))
    if not done.opened:
        lines.append(Text("  " + _("File | Open: {folder}").format(folder=folder)))
    text = _("Choose “Whole flow” at the top right and press ▶: it trains, fine-tunes and writes a report.")
    if _tunes_a_model_from_the_hub(answers):
        text = _("Press ▶ at the top right for one after the other: “Check data”, “Fine-tune”, “Evaluate”, “Serve”.")
    lines.append(Text(f"  {text}"))
    lines.append(Text("  " + _("“Check environment” proves the installation in a few seconds.")))
    lines.append(Text(""))
    heading(_("Without it"))
    scripts = ("check_data", "finetune", "eval", "serve") if _tunes_a_model_from_the_hub(answers) else ("flow",)
    lines += [Text(f"  {command}") for command in _run_commands(folder, scripts)]
    lines.append(Text(""))
    lines.append(Text(_("The README says what each step does and what to expect.")))
    return Panel(
        Group(*lines),
        title=_("Ready") if not done.problems else _("Written, with something left to do"),
        title_align="left",
        border_style="green" if not done.problems else "yellow",
        padding=(0, 1),
    )


def _tunes_a_model_from_the_hub(answers: Answers) -> bool:
    """Whether there is nothing to pretrain first."""
    return answers.values["task"] == "llm" and answers.values["base_model"] != "own"


def _run_commands(folder: Path, scripts: Sequence[str]) -> list[str]:
    from scaffolder.install import environment_python

    python = environment_python(folder).relative_to(folder)
    quoted = f'"{folder}"' if any(character in str(folder) for character in " '()&;") else str(folder)
    return [f"cd {quoted}", *(f"{python} {script}.py" for script in scripts)]


def _result(
    options: Options,
    report: Report,
    answers: Answers,
    rendering: Rendering,
    folder: Path,
    python: Interpreter | None,
    *,
    made: bool,
    done: HandOver | None = None,
) -> None:
    """The JSON object for programs, on standard output."""
    if not options.as_json:
        if not made:
            count = len(_files(rendering, answers))
            text = ngettext("{count} file; nothing was written.", "{count} files; nothing was written.", count)
            console.say(text.format(count=count))
        return
    done = done or HandOver()
    result: dict[str, Any] = {
        "folder": str(folder),
        "written": made,
        "answers": answers.values,
        "overlays": [dict(overlay) for overlay in rendering.overlays],
        "package_reason": answers.package.reason,
        "notes": [*answers.notes, *done.notes],
        "files": [str(path) for path in sorted(_files(rendering, answers))],
        "base_python": None if python is None else python.path,
        "python": None if done.python is None else str(done.python),
        "git": done.git,
        "opened": done.opened,
        "problems": done.problems,
        "environment": report.as_json(),
    }
    console.print_json(result)
