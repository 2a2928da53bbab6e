"""Targets of a Makefile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, shell
from scaffolder.adopt.destructive import publishes
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import joined

_NAMES = ("GNUmakefile", "makefile", "Makefile")  # in make's order


def find(view: View) -> Iterator[Configuration]:
    """`make TARGET` for each target that is a task and no file."""
    for part in view.parts:
        file = view.first_of(part, _NAMES)
        for target in targets(view.tree.text(file)) if file else ():
            is_file = joined(part.folder, target) in view.tree.files
            if not is_file and not publishes(target):
                yield shell(f"make {target}", folder=part.folder, source=file, group="make")


def targets(text: str) -> list[str]:
    """The tasks of a Makefile: its phony targets where it says which they are, otherwise all that are no files."""
    text = text.replace("\\\n", " ")
    variables = dict(re.findall(r"(?m)^([\w.-]+)[ ]*[:?]{0,2}=[ \t]*([^#\n]*)", text))
    phony: list[str] = []
    rules: list[str] = []
    for heads, rest in re.findall(r"(?m)^([^\s#:=][^#:=\n]*):(?!=)([^\n]*)", text):
        if re.match(r"\s*[\w.-]*\s*[:?+]?=", rest):
            continue  # a variable of one target
        names = _words(heads, variables)
        if names == [".PHONY"]:
            phony += _words(rest.split("#")[0], variables)
        else:
            rules += names
    usual = [name for name in dict.fromkeys(rules) if re.fullmatch(r"[A-Za-z0-9_][\w-]*", name)]
    marked = [name for name in usual if name in phony]
    return marked or usual


def _words(text: str, variables: dict[str, str]) -> list[str]:
    for _depth in range(3):
        text = re.sub(r"\$[({]([\w.-]+)[)}]", lambda found: variables.get(found[1], "$"), text)
    return text.split()
