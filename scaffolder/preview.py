"""What will be made, before it is made: decisions and tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scaffolder.catalog import Catalog
from scaffolder.messages import N_, _, ngettext
from scaffolder.own_data import OwnTable

if TYPE_CHECKING:
    from rich.table import Table
    from rich.tree import Tree

    from scaffolder.environment.facts import Interpreter
    from scaffolder.questions import Answers

#: Named in the decisions by other lines.
_SHOWN_ELSEWHERE = (
    "project_name",
    "data_file",
    "base_model_name",
    "llm_batch_size",
    "llm_accumulation",
    "llm_checkpointing",
    "llm_max_length",
)

#: What a project has only where it was asked for by name.
_EXTRAS = ("notebook", "docker", "ci", "launcher")


def decisions(
    answers: Answers,
    catalog: Catalog,
    *,
    target: Path,
    python: Interpreter | None,
    version: str,
    overlays: Iterable[Mapping[str, str]] = (),
) -> Table:
    """Every answer, and what follows from it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(_("project"), Text(str(answers.values["project_name"])))
    table.add_row(_("folder"), Text(str(target)))
    for name, value in answers.values.items():
        if name in _SHOWN_ELSEWHERE or (name in _EXTRAS and value in (False, "none")):
            continue
        text = Text(catalog.questions[name].label(value))
        if name == "package" and answers.package.reason:
            text.append(f"  ({answers.package.reason})", style="yellow")
        table.add_row(_(_TITLES.get(name, name)), text)
        if name == "data" and answers.own is not None:
            table.add_row("", Text(answers.own.summary))
            if answers.own.stays:
                table.add_row("", Text(_("it is large and stays at {path}").format(path=answers.own.path)))
        if name == "target_column" and isinstance(answers.own, OwnTable) and answers.own.problem:
            table.add_row("", Text(_PROBLEMS()[answers.own.problem]))
        if name == "base_model" and value == "other":
            table.add_row("", Text(str(answers.values["base_model_name"])))
        if name == "method" and answers.training:
            table.add_row("", Text(answers.training))
    if python is not None:
        table.add_row("Python", Text(f"{python.text}  {python.path}"))
    table.add_row(_("template"), Text(version))
    for overlay in overlays:
        table.add_row(_("overlay"), Text(f"{overlay['source']}  {overlay['version'][:19]}"))
    for note in answers.notes:
        table.add_row("", Text(note, style="yellow"))
    return table


def tree(files: Iterable[PurePosixPath], title: str, *, complete: bool) -> Tree:
    """The files of a project.

    Args:
        complete: Whether every file is shown, or the root's files and the number in each folder.
    """
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(f"{title}/", style="bold"))
    paths = sorted(files, key=lambda path: (len(path.parts) == 1, path.parts))
    if not complete:
        folders: dict[str, int] = {}
        for path in paths:
            if len(path.parts) > 1:
                folders[path.parts[0]] = folders.get(path.parts[0], 0) + 1
        for name, count in folders.items():
            line = Text(f"{name}/", style="cyan")
            line.append("  " + ngettext("{count} file", "{count} files", count).format(count=count), style="dim")
            root.add(line)
        for path in paths:
            if len(path.parts) == 1:
                root.add(Text(path.name))
        return root
    branches: dict[PurePosixPath, Tree] = {PurePosixPath(): root}
    for path in paths:
        for folder in reversed(path.parents):
            if folder not in branches:
                branches[folder] = branches[folder.parent].add(Text(f"{folder.name}/", style="cyan"))
        branches[path.parent].add(Text(path.name))
    return root


_TITLES = {
    "language": N_("language"),
    "package": N_("package"),
    "framework": N_("framework"),
    "task": N_("task"),
    "data": N_("data"),
    "target_column": N_("column to predict"),
    "base_model": N_("base model"),
    "hub": N_("models from"),
    "method": N_("fine-tuning"),
    "accelerator": N_("accelerator"),
    "precision": N_("precision"),
    "package_manager": N_("package manager"),
    "framework_index": N_("packages from"),
    "framework_build": N_("build"),
    "license": N_("licence"),
    "copyright_holder": N_("copyright"),
    "tracker": N_("tracker"),
    "notebook": N_("notebook"),
    "docker": N_("Docker"),
    "ci": N_("CI"),
    "launcher": N_("launcher"),
    "use_git": N_("git"),
    "install_now": N_("install now"),
    "open_now": N_("open in PyCharm"),
}


def _PROBLEMS() -> dict[str, str]:  # noqa: N802
    return {
        "classification": _("classification: it has a few different values"),
        "regression": _("regression: it is a number"),
    }
