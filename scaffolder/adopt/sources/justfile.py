"""Recipes of a justfile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, shell
from scaffolder.adopt.destructive import publishes
from scaffolder.adopt.project_view import View

_NAMES = ("justfile", "Justfile", ".justfile")
_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)((?:[ \t]+[^:\n]*)?):(?!=)", re.MULTILINE)


def find(view: View) -> Iterator[Configuration]:
    """`just RECIPE` for each that is not private and needs no argument."""
    for part in view.parts:
        file = view.first_of(part, _NAMES)
        for recipe in recipes(view.tree.text(file)) if file else ():
            if not publishes(recipe):
                yield shell(f"just {recipe}", folder=part.folder, source=file, group="just")


def recipes(text: str) -> list[str]:
    """The recipes that `just --list` shows and that run without arguments."""
    found = []
    for match in _RECIPE.finditer(text):
        name, parameters = match[1], match[2].split()
        before = text[: match.start()].rstrip("\n").rpartition("\n")[2]
        private = name.startswith("_") or (before.startswith("[") and "private" in before)
        # `name="default"`, `*any number` and `$exported="x"` need nothing
        needed = [one for one in parameters if "=" not in one and not one.startswith("*")]
        if not private and not needed and name not in ("set", "alias", "export", "import", "mod"):
            found.append(name)
    return found
