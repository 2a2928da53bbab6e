"""The code that a template would run on this computer: found, shown, and allowed or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffolder import console
from scaffolder.answers import shown
from scaffolder.errors import NewmodelError
from scaffolder.foreign.kind import read_json
from scaffolder.messages import _

_HOOKS = ("pre_prompt", "pre_gen_project", "post_gen_project")
_LINES = 8


@dataclass(frozen=True, kw_only=True)
class Code:
    """One thing that would be run.

    Attributes:
        name: A file's path in the template, a command, or a module's name.
        text: The first lines of a file; empty if there is none to show.
        renders: Whether the template cannot even be rendered without it.
    """

    name: str
    text: str = ""
    renders: bool = False


def cookiecutter_code(folder: Path) -> list[Code]:
    """The hooks and Jinja extensions of a cookiecutter template."""
    found: list[Code] = []
    hooks = folder / "hooks"
    if hooks.is_dir():
        # as cookiecutter finds them: the ending is of no matter
        found = [
            Code(name=f"hooks/{hook.name}", text=_beginning(hook))
            for hook in sorted(hooks.iterdir())
            if hook.stem in _HOOKS and not hook.name.endswith("~") and hook.is_file()
        ]
    return found + _extensions(folder, read_json(folder).get("_extensions", []))


def copier_code(folder: Path, inspected: Mapping[str, Any]) -> list[Code]:
    """The tasks and Jinja extensions of a copier template, from what the worker read in its configuration."""
    tasks = [Code(name=shown(str(command), 200)) for command in inspected["tasks"]]
    return tasks + _extensions(folder, inspected["extensions"])


def decide(code: Sequence[Code], *, trust: bool, dry_run: bool, ask: bool) -> bool | None:
    """Whether the template's code may run. None: the person said no, and nothing is to be made.

    Raises:
        NewmodelError: If it would run code, and nobody allowed it or can be asked.
    """
    needed = [one for one in code if one.renders] if dry_run else list(code)
    if trust or not needed:
        return trust
    if not ask:
        raise NewmodelError(
            _(
                "The template would run code of its own: {names}; look at it, and allow it with --trust "
                "if you trust its author."
            ).format(names=", ".join(one.name for one in needed))
        )
    show(needed)
    from scaffolder.questions import consent

    return consent(_("Let it run? It can do everything that you can."), default=False) or None


def show(code: Sequence[Code]) -> None:
    """Show what would be run, each with its first lines."""
    console.say(_("The template would run code of its own on this computer:"), style="bold yellow")
    for one in code:
        console.say(f"  {one.name}", style="bold")
        for line in one.text.splitlines():
            console.say(f"    {line}", style="dim")


def _extensions(folder: Path, names: object) -> list[Code]:
    found = []
    for name in names if isinstance(names, list) else []:
        module = folder / (str(name).split(".")[0] or "-")
        file = module / "__init__.py" if module.is_dir() else module.with_name(module.name + ".py")
        own = file.is_file() and file.is_relative_to(folder)
        found.append(
            Code(
                name=file.relative_to(folder).as_posix()
                if own
                else _("the Jinja extension {name}").format(name=shown(str(name))),
                text=_beginning(file) if own else "",
                renders=True,
            )
        )
    return list({one.name: one for one in found}.values())


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        lines = opened.read(4000).decode("utf-8", "replace").splitlines()
    text = [shown(line, 110) for line in lines if line.strip()]
    return "\n".join(text[:_LINES] + (["…"] if len(text) > _LINES else []))
