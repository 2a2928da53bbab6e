"""What `newmodel adopt` shows, asks and answers; the work is done in `plan` and `write`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.adopt.plan import Adoption, plan_adoption
from scaffolder.adopt.write import check_idea, recover, undo, write
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.project import ANSWERS_FILE
from scaffolder.template_source import TEMPLATE_URL

if TYPE_CHECKING:
    from rich.table import Table

_undo = undo


def run_adopt(project: Path, *, dry_run: bool, undo: bool, yes: bool, as_json: bool) -> ExitCode:
    """Make an existing project ready for PyCharm, or take that back. Only `.idea/` is ever written.

    Raises:
        NewmodelError: If it cannot be done; the project is then unchanged.
    """
    folder = _checked(project, writing=not dry_run)
    if not dry_run and recover(folder):
        console.warn(_("An earlier adoption was interrupted; what it had written was taken back first."))
    if undo:
        return _take_back(folder, dry_run=dry_run, as_json=as_json)
    if _is_ours(folder):
        if as_json:
            console.print_json({"project": str(folder), "made_by_newmodel": True, "written": False, "files": {}})
        else:
            console.say(
                _("{project} was made by newmodel and is ready for PyCharm: nothing to do.").format(project=folder)
            )
        return ExitCode.OK
    adoption = plan_adoption(folder)
    writes = bool(adoption.files) and not dry_run
    if not as_json:
        _show(folder, adoption)
        if writes and console.interactive() and not yes:
            from scaffolder.questions import consent

            if not consent(_("Write this to .idea?")):
                console.say(_("Nothing was changed."))
                return ExitCode.OK
    if writes:
        write(folder, adoption.files)
    if as_json:
        console.print_json(_as_json(folder, adoption, written=writes))
    elif writes:
        console.say(_("Done. “newmodel adopt --undo” takes it back."))
        for line in _next(folder, adoption):
            console.say(line)
    elif not adoption.files:
        console.say(_("{project} has all of it already: nothing to do.").format(project=folder))
    return ExitCode.OK


def _checked(project: Path, *, writing: bool) -> Path:
    """The project's folder.

    Raises:
        NewmodelError: If there is none, or it cannot be read or written.
    """
    try:
        folder = project.resolve()
        if not folder.exists():
            raise NewmodelError(_("There is no folder {project}.").format(project=project))
        if not folder.is_dir():
            raise NewmodelError(_("{path} is a file; name the project's folder.").format(path=project))
    except (OSError, ValueError, RuntimeError) as error:
        raise NewmodelError(_("{path} cannot be read.").format(path=project)) from error
    if not os.access(folder, os.R_OK | os.X_OK):
        raise NewmodelError(_("You may not read {path}; change its permissions.").format(path=folder))
    check_idea(folder)
    idea = folder / ".idea"
    if writing and not os.access(idea if idea.exists() else folder, os.W_OK | os.X_OK):
        raise NewmodelError(
            _("You may not write to {path}; choose another folder or change its permissions.").format(
                path=idea if idea.exists() else folder
            )
        )
    return folder


def _is_ours(folder: Path) -> bool:
    """Whether newmodel made the project: it then has all of this, and `newmodel update` keeps it."""
    import yaml

    try:
        recorded = yaml.safe_load((folder / ANSWERS_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(recorded, dict) and recorded.get("_src_path") == TEMPLATE_URL


def _take_back(folder: Path, *, dry_run: bool, as_json: bool) -> ExitCode:
    if dry_run:
        raise NewmodelError(_("--undo and --dry-run do not go together: leave one of them out."))
    files = _undo(folder)
    if as_json:
        console.print_json({"project": str(folder), "taken_back": files})
    else:
        console.say(
            ngettext(
                "Taken back: one file is as it was.", "Taken back: {count} files are as they were.", len(files)
            ).format(count=len(files))
        )
    return ExitCode.OK


def _show(folder: Path, adoption: Adoption) -> None:
    console.say(_("PyCharm project for {project}").format(project=folder), style="bold")
    console.say(_facts(adoption))
    if adoption.configurations:
        console.say()
        console.say(_run_configurations(adoption))
    if adoption.files:
        console.say()
        console.say(_files(adoption))
    for note in adoption.notes:
        console.warn(note)


def _facts(adoption: Adoption) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(_("Source folders"), _folders(adoption.roots))
    table.add_row(_("Test folders"), _folders(adoption.tests))
    table.add_row(_("Not indexed"), _folders(adoption.excluded))
    table.add_row(_("Interpreter"), str(adoption.python) if adoption.python else _("none yet"))
    return table


def _run_configurations(adoption: Adoption) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column(_("Run configuration"))
    table.add_column(_("runs"))
    table.add_column(_("found in"), style="dim")
    for one in adoption.configurations:
        table.add_row(one.name, one.command, one.source)
    return table


def _files(adoption: Adoption) -> Table:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    shown = [path for path in adoption.files if path.parent.name != "runConfigurations"]
    for path in shown:
        extended = path in adoption.extended
        table.add_row(str(path), _("gets what it lacks; what is in it stays") if extended else _("new"))
    number = len(adoption.files) - len(shown)
    if number:
        table.add_row(
            ".idea/runConfigurations/", ngettext("one new file", "{count} new files", number).format(count=number)
        )
    return table


def _folders(folders: Sequence[str]) -> str:
    return ", ".join(folder or _("the project's folder") for folder in folders) or _("none")


def _next(folder: Path, adoption: Adoption) -> list[str]:
    lines = []
    if adoption.python is not None and not (folder / ".idea" / "misc.xml").exists():
        if adoption.python.parent.parent == folder / ".venv":
            lines.append(_("Open it with its interpreter: newmodel pycharm open {project}").format(project=folder))
        else:
            from scaffolder.pycharm.open import interpreter_line

            lines.append(interpreter_line(adoption.python))
    try:
        ignored = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace")
    except OSError:
        ignored = ""
    if re.search(r"(?m)^/?\.idea(/|/\*+)?[ \t]*$", ignored):
        lines.append(_("Your .gitignore leaves .idea out, so this stays on this machine."))
    return lines


def _as_json(folder: Path, adoption: Adoption, *, written: bool) -> dict[str, Any]:
    return {
        "project": str(folder),
        "roots": [root or "." for root in adoption.roots],
        "tests": list(adoption.tests),
        "excluded": list(adoption.excluded),
        "interpreter": str(adoption.python) if adoption.python else None,
        "configurations": [
            {"name": one.name, "kind": one.kind, "runs": one.command, "folder": one.folder or ".", "from": one.source}
            for one in adoption.configurations
        ],
        "files": {str(path): "extended" if path in adoption.extended else "new" for path in adoption.files},
        "notes": list(adoption.notes),
        "written": written,
    }
