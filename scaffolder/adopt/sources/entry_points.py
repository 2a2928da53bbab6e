"""Console and GUI scripts: `[project.scripts]`, Poetry's, setup.cfg's and setup.py's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scaffolder.adopt.configuration import STARTER, Configuration, module
from scaffolder.adopt.package_settings import Part
from scaffolder.adopt.project_view import View
from scaffolder.adopt.roots import module_file
from scaffolder.adopt.scan import joined, parent


def find(view: View) -> Iterator[Configuration]:
    """Each script, as `python -m` where that starts the same function, otherwise through the starter."""
    for part in view.parts:
        for name, target, source in _declared(part):
            found = re.fullmatch(r"\s*([\w.]+)\s*(?::\s*([\w.]+)\s*)?(\[.*\])?\s*", target)
            if found is None:
                continue
            file = module_file(found[1], view.tree, view.roots)
            if file:
                yield _configuration(view, part, name, found[1], found[2] or "", file, joined(part.folder, source))


def _configuration(
    view: View, part: Part, name: str, dotted: str, function: str, file: str, source: str
) -> Configuration:
    def as_module(target: str) -> Configuration:
        return module(name, target, folder=part.folder, source=source, group="entry-point")

    package = parent(file)
    if dotted.endswith(".__main__"):
        return as_module(dotted.removesuffix(".__main__"))
    if not function or (function in view.tree.code(file).called and view.tree.code(file).guarded):
        return as_module(dotted)
    # `python -m package` does the same where its __main__ calls this very function
    while package and f"{package}/__init__.py" in view.tree.files:
        main = f"{package}/__main__.py"
        if main in view.tree.files and function in view.tree.code(main).called:
            return as_module(view.module_name(main).removesuffix(".__main__"))
        package = parent(package)
    return Configuration(
        name=name,
        kind="script",
        target=STARTER,
        parameters=f"{dotted}:{function}",
        folder=part.folder,
        source=source,
        group="entry-point",
    )


def _declared(part: Part) -> Iterator[tuple[str, str, str]]:
    for table in ("scripts", "gui-scripts"):
        for name, target in part.table("project", table).items():
            if isinstance(target, str):
                yield name, target, f"pyproject.toml [project.{table}]"
    for name, target in part.table("tool", "poetry", "scripts").items():
        where: Any = target
        if isinstance(target, dict):
            where = target.get("callable") or (target.get("reference") if target.get("type") != "file" else None)
        if isinstance(where, str):
            yield name, where, "pyproject.toml [tool.poetry.scripts]"
    setup = part.setup.get("entry_points")
    for kind in ("console_scripts", "gui_scripts"):
        for line in part.cfg.get("options.entry_points", {}).get(kind, "").splitlines():
            yield from _line(line, f"setup.cfg {kind}")
        lines = setup.get(kind) if isinstance(setup, dict) else None
        for line in lines if isinstance(lines, (list, tuple)) else ():
            yield from _line(str(line), f"setup.py {kind}")


def _line(line: str, source: str) -> Iterator[tuple[str, str, str]]:
    name, equals, target = line.partition("=")
    if equals and name.strip():
        yield name.strip(), target.strip(), source
