"""`newmodel init --template SOURCE`: fetch, judge, ask, render apart, make ready for PyCharm, show, put into place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.answers import shown
from scaffolder.errors import ExitCode, NewmodelError, os_error
from scaffolder.foreign import favourites, kind, trust
from scaffolder.foreign.address import Address, Way, read
from scaffolder.foreign.fetch import Fetched, fetch_from
from scaffolder.foreign.given import check_complete, given_answers
from scaffolder.foreign.render import Rendered, Request, inspect, render
from scaffolder.foreign.safety import check_tree
from scaffolder.messages import _, ngettext
from scaffolder.staging import staging
from scaffolder.target import absolute, check_folder, check_here, unfit

if TYPE_CHECKING:
    from rich.panel import Panel

    from scaffolder.adopt.plan import Adoption


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        template: A favourite's name, or an address as `scaffolder.foreign.address` reads it.
        path: The project's folder; None where the template or a question decides.
        to: A tag, branch or commit.
        directory: The template's folder in its repository, or its name there.
        settings: `key=value` texts.
        answers_file: A YAML or JSON file with answers.
        trust: The template may run its code.
        defaults: Take every default that is not given, and ask nothing.
        yes: Do not ask for consent.
        dry_run: Show what would be made and write nothing; hooks and tasks are not run.
        as_json: Print one JSON object on standard output, and ask nothing.
    """

    template: str
    path: str | None = None
    to: str | None = None
    directory: str | None = None
    settings: Sequence[str] = ()
    answers_file: Path | None = None
    trust: bool = False
    defaults: bool = False
    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    @property
    def ask(self) -> bool:
        """Whether there is somebody to ask."""
        return not self.defaults and not self.as_json and console.interactive()


@dataclass
class _Made:
    """What is known about the project, for the preview, the result and the closing words."""

    fetched: Fetched
    found: kind.Found
    code: Sequence[trust.Code] = ()
    trusted: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[PurePosixPath] = ()
    adoption: Adoption | None = None
    messages: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)


def run_foreign(options: Options) -> ExitCode:
    """Make a project from somebody else's template.

    Raises:
        NewmodelError: If it cannot be made; nothing is left behind.
        Interrupted: If the person pressed Ctrl-C.
    """
    favourite = favourites.find(options.template)
    address = read(options.template if favourite is None else favourite.source)
    version = options.to or (favourite.to if favourite else None)
    directory = options.directory or (favourite.directory if favourite else None)
    target = _target(options.path)
    with tempfile.TemporaryDirectory(prefix="newmodel-template-", ignore_cleanup_errors=True) as folder:
        return _make(options, address, version, directory, target, Path(folder).resolve())


def _make(
    options: Options, address: Address, version: str | None, directory: str | None, target: Path | None, work: Path
) -> ExitCode:
    made = _fetch(options, address, version, directory, work)
    request = Request(
        task=made.found.kind,
        template=made.found.folder,
        address=made.fetched.address,
        version=made.fetched.version,
        commit=made.fetched.commit,
    )
    questions = _look(made, request, work)
    data = given_answers(questions, options.settings, options.answers_file)
    if not options.ask and not options.defaults:
        check_complete(questions, data)
    allowed = trust.decide(made.code, trust=options.trust, dry_run=options.dry_run, ask=options.ask)
    if allowed is None:
        console.say(_("Nothing was written."))
        return ExitCode.OK
    made.trusted = allowed
    if target is None and made.found.kind == kind.COPIER:
        target = _ask_target(options)
    rendered = render(
        Request(
            **{
                **vars(request),
                "name": target.name if target is not None else "",
                "data": data,
                "ask": options.ask,
                "trust": allowed,
                "run": allowed and not options.dry_run,
            }
        ),
        work,
    )
    target = target if target is not None else _checked(Path.cwd() / rendered.folder.name)
    _prepare(made, rendered, target, options)
    if not options.as_json:
        _show(made, target, complete=options.dry_run)
    if options.dry_run:
        _result(options, made, target, written=False)
        return ExitCode.OK
    if options.ask and not options.yes:
        from scaffolder.questions import consent

        if not consent(_("Make this project?")):
            console.say(_("Nothing was written."))
            return ExitCode.OK
    _commit(rendered.folder, target)
    if options.as_json:
        _result(options, made, target, written=True)
    else:
        console.say(_("✓ Written: {folder}").format(folder=target), style="green")
        console.say(_closing(made, target))
    return ExitCode.OK


# --- before anything is rendered ------------------------------------------------------------------------------------


def _target(path: str | None) -> Path | None:
    check_here()
    if path is None:
        return None
    # here also what cannot be seen, such as characters that turn the reading direction
    if path.strip() and not path.isprintable():
        raise unfit(path)
    return _checked(absolute(path))


def _checked(folder: Path) -> Path:
    check_folder(folder)
    return folder


def _ask_target(options: Options) -> Path:
    if not options.ask:
        raise NewmodelError(
            _("The template does not say what the project's folder is called; name it: newmodel init PATH --template …")
        )
    from scaffolder.questions import ask_folder

    def check(text: str) -> None:
        _target(text)

    folder = _target(ask_folder("my-project", check))
    assert folder is not None
    return folder


def _fetch(options: Options, address: Address, version: str | None, directory: str | None, work: Path) -> _Made:
    if not options.as_json and address.way in (Way.GIT, Way.DOWNLOAD):
        console.say(_("Fetching {address} …").format(address=address.public), style="dim")
    fetched = fetch_from(address, version=version, directory=None, into=work)
    found = _find(options, fetched, directory)
    if found.kind == kind.COPIER and version is None and address.way is Way.GIT:
        # copier's rule: without a wish, the newest release and not the main branch
        from scaffolder.foreign.git import newest_release

        release = newest_release(address)
        if release and release != fetched.version:
            fetched = fetch_from(address, version=release, directory=None, into=work)
            found = _find(options, fetched, found.directory or None)
    return _Made(fetched=fetched, found=found, notes=[*fetched.notes, *found.notes])


def _find(options: Options, fetched: Fetched, directory: str | None) -> kind.Found:
    try:
        return kind.find(fetched.folder, directory)
    except kind.SeveralError as several:
        if not options.ask:
            raise
        import questionary

        choices = [questionary.Choice(title, value=name) for name, title in several.names.items()]
        chosen = questionary.select(_("There are several templates here. Which one?"), choices=choices).unsafe_ask()
        return _find(options, fetched, str(chosen))


def _look(made: _Made, request: Request, work: Path) -> Mapping[str, Mapping[str, Any]]:
    """The template's questions; what code it would run is noted in `made`."""
    if made.found.kind == kind.COOKIECUTTER:
        made.code = trust.cookiecutter_code(made.found.folder)
        return {
            name: {"asked": True, "default": default}
            for name, default in kind.read_json(made.found.folder).items()
            if not name.startswith("_")
        }
    inspected = inspect(Request(**{**vars(request), "task": "inspect"}), work)
    made.code = trust.copier_code(made.found.folder, inspected)
    questions: Mapping[str, Mapping[str, Any]] = inspected["questions"]
    return questions


# --- the rendered project -------------------------------------------------------------------------------------------


def _prepare(made: _Made, rendered: Rendered, target: Path, options: Options) -> None:
    """Judge what was rendered, and add what PyCharm needs."""
    from scaffolder.adopt.plan import plan_adoption

    check_tree(rendered.folder, trusted=made.trusted)
    made.answers = rendered.answers
    made.messages = rendered.messages
    names = ", ".join(one.name for one in made.code)
    if names and options.dry_run:
        made.notes.append(_("Its own code was not run, and may change what you see: {names}.").format(names=names))
    elif names:
        made.notes.append(_("Its own code was run: {names}.").format(names=names))
    made.adoption = plan_adoption(rendered.folder, project_folder=target)
    made.notes += made.adoption.notes
    for path, content in made.adoption.files.items():
        file = rendered.folder / path
        # a file of the template's own stays, unless it is one that only gets what it lacks
        if file.exists() and path not in made.adoption.extended:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    made.files = sorted(
        PurePosixPath(file.relative_to(rendered.folder).as_posix())
        for file in rendered.folder.rglob("*")
        if (not file.is_dir() or file.is_symlink()) and ".git" not in file.relative_to(rendered.folder).parts
    )
    if not made.files:
        raise NewmodelError(_("The template makes no file at all; nothing was written."))


def _commit(folder: Path, target: Path) -> None:
    with staging(target) as staged:
        try:
            shutil.copytree(folder, staged.project, symlinks=True, dirs_exist_ok=True)
        except OSError as error:
            raise os_error(error, target) from error
        except shutil.Error as error:
            raise NewmodelError(
                _("{path} could not be written: {reason}.").format(path=target, reason=shown(str(error), 120))
            ) from None
        staged.commit()


def _show(made: _Made, target: Path, *, complete: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from scaffolder import preview

    where = console.out() if complete else console.err()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(_("template"), Text(made.fetched.address))
    if made.found.directory:
        table.add_row("", Text(made.found.directory))
    table.add_row(_("version"), Text(made.fetched.version))
    table.add_row(_("kind"), Text(made.found.kind))
    table.add_row(_("folder"), Text(str(target)))
    for name, value in made.answers.items():
        table.add_row(Text(shown(str(name))), Text(shown(str(value), 100)))
    for configuration in _configurations(made):
        table.add_row(_("run"), Text(configuration))
    for note in made.notes:
        table.add_row("", Text(note, style="yellow"))
    where.print(table)
    where.print(preview.tree(made.files, target.name, complete=complete))


def _configurations(made: _Made) -> list[str]:
    configurations = made.adoption.configurations if made.adoption is not None else ()
    return [str(getattr(one, "name", one)) for one in configurations]


def _closing(made: _Made, target: Path) -> Panel:
    """What to do next."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    lines = [
        Text(_("In PyCharm"), style="bold"),
        Text("  " + _("File | Open: {folder}").format(folder=target)),
    ]
    configurations = _configurations(made)
    if configurations:
        lines.append(
            Text("  " + _("Choose at the top right and press ▶: {names}").format(names=", ".join(configurations)))
        )
    if made.found.kind == kind.COPIER and (target / ".copier-answers.yml").is_file() and made.fetched.commit:
        lines += [
            Text(""),
            Text(_("Later"), style="bold"),
            Text(
                "  " + _("“copier update” brings it to the template's newest release, once it is committed with git.")
            ),
        ]
    for message in made.messages:
        lines += [Text(""), Text(_("The template says"), style="bold"), Text(message.strip())]
    return Panel(Group(*lines), title=_("Ready"), title_align="left", border_style="green", padding=(0, 1))


def _result(options: Options, made: _Made, target: Path, *, written: bool) -> None:
    """The JSON object for programs; for a person, how many files it would be."""
    if not options.as_json:
        count = len(made.files)
        text = ngettext("{count} file; nothing was written.", "{count} files; nothing was written.", count)
        console.say(text.format(count=count))
        return
    console.print_json(
        {
            "template": {
                "address": made.fetched.address,
                "version": made.fetched.version,
                "kind": made.found.kind,
                "directory": made.found.directory,
            },
            "folder": str(target),
            "written": written,
            "trusted": made.trusted,
            "code": [one.name for one in made.code],
            "answers": made.answers,
            "configurations": _configurations(made),
            "files": [str(path) for path in made.files],
            "messages": list(made.messages),
            "notes": made.notes,
        }
    )
