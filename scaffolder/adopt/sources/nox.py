"""nox's sessions, read from `noxfile.py` without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scaffolder.adopt.code import call_name
from scaffolder.adopt.configuration import Configuration, module, word
from scaffolder.adopt.destructive import publishes
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import joined


def find(view: View) -> Iterator[Configuration]:
    """`python -m nox -s NAME` for each session."""
    for part in view.parts:
        file = joined(part.folder, "noxfile.py")
        if file not in view.tree.files:
            continue
        for function, decorators in view.tree.code(file).functions.items():
            for decorator in decorators:
                if call_name(decorator) == "session":
                    name = _given_name(decorator) or function
                    if not publishes(name):
                        yield module(
                            f"nox: {name}",
                            "nox",
                            parameters=f"-s {word(name)}",
                            folder=part.folder,
                            source=file,
                            group="nox",
                        )


def _given_name(decorator: ast.expr) -> str:
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
            return keyword.value.value
    return ""
