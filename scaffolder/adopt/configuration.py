"""One run configuration as it is derived, and which of them a project gets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scaffolder.pycharm import run_configuration_file

#: A module's name in a run configuration must look so, or PyCharm warns.
_MODULE = re.compile(r"[a-zA-Z0-9._]*[a-zA-Z0-9_]")

#: More than this nobody finds anything in.
MOST = 24
_MOST_OF_A_KIND = 8

#: The script that starts a function, for entry points that have no file of their own.
STARTER = ".idea/run_entry_point.py"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What is to be run.

    Attributes:
        name: As PyCharm shows it.
        kind: `script` (a path), `module` (`python -m`), `tests` (pytest over a folder) or `shell` (a command line).
        target: The script's or the folder's path, the module's dotted name, or the command line.
        parameters: Behind it, as they are typed.
        folder: Where it runs, from the project's folder on.
        source: Where it was found, such as `pyproject.toml [project.scripts]`.
        group: Of the same group there are only so many.
    """

    name: str
    kind: Literal["script", "module", "tests", "shell"]
    target: str
    parameters: str = ""
    folder: str = ""
    source: str
    group: str

    @property
    def command(self) -> str:
        """The command line that does the same in a terminal."""
        words = {
            "script": f"python {self.target}",
            "module": f"python -m {self.target}",
            "tests": f"python -m pytest {self.target}",
            "shell": self.target,
        }[self.kind]
        return f"{words} {self.parameters}".rstrip()

    def xml(self, module: str) -> str:
        """Its file, with `module` as the PyCharm module that it belongs to."""
        folder = _in_project(self.folder)
        if self.kind == "shell":
            return run_configuration_file.shell(self.name, self.target, folder=folder)
        if self.kind == "tests":
            return run_configuration_file.tests(self.name, _in_project(self.target), module=module, folder=folder)
        if self.kind == "module":
            return run_configuration_file.python_module(
                self.name, self.target, module=module, parameters=self.parameters, folder=folder
            )
        return run_configuration_file.script(
            self.name, _in_project(self.target), module=module, parameters=self.parameters, folder=folder
        )


def module(name: str, target: str, *, parameters: str = "", folder: str = "", source: str, group: str) -> Configuration:
    """`python -m target`, through the starter where PyCharm would not take the name."""
    if _MODULE.fullmatch(target):
        return Configuration(
            name=name, kind="module", target=target, parameters=parameters, folder=folder, source=source, group=group
        )
    return Configuration(
        name=name,
        kind="script",
        target=STARTER,
        parameters=f"{target} {parameters}".rstrip(),
        folder=folder,
        source=source,
        group=group,
    )


def shell(command: str, *, folder: str, source: str, group: str) -> Configuration:
    """A command line, which is its own name."""
    return Configuration(name=command, kind="shell", target=command, folder=folder, source=source, group=group)


def chosen(found: Iterable[Configuration]) -> tuple[list[Configuration], list[Configuration]]:
    """The configurations, duplicates merged and names made unique, and those that were left out for their number."""
    taken: dict[tuple[str, str, str, str], Configuration] = {}
    for one in found:
        taken.setdefault((one.kind, one.target, one.parameters, one.folder), one)
    kept: list[Configuration] = []
    left_out: list[Configuration] = []
    for one in taken.values():
        of_a_kind = sum(other.group == one.group for other in kept)
        full = len(kept) >= MOST or of_a_kind >= _MOST_OF_A_KIND
        (left_out if full else kept).append(one)
    return _named(kept), left_out


def _named(configurations: Sequence[Configuration]) -> list[Configuration]:
    names: set[str] = set()
    result = []
    for one in configurations:
        name = wanted = one.name if one.name.casefold() not in names else f"{one.name} ({one.folder or one.target})"
        number = 1
        while name.casefold() in names:
            number += 1
            name = f"{wanted} {number}"
        names.add(name.casefold())
        result.append(replace(one, name=name))
    return result


def word(text: str) -> str:
    """A parameter as PyCharm splits parameters: in double quotes where it holds a space."""
    if not re.search(r'[\s"]', text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _in_project(path: str) -> str:
    return f"$PROJECT_DIR$/{path}" if path else "$PROJECT_DIR$"
