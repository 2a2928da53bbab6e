"""Notebooks: Jupyter in the folder that holds them."""

from __future__ import annotations

from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, module, word
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import parent


def find(view: View) -> Iterator[Configuration]:
    """One JupyterLab for all notebooks: in their folder where they have one, otherwise in the project."""
    notebooks = list(view.tree.inside("", ".ipynb"))
    if not notebooks:
        return
    tops = {parent(path).split("/")[0] for path in notebooks}
    folder = tops.pop() if len(tops) == 1 else ""
    parameters = f"lab {word(folder)}" if folder else "lab"
    yield module("Jupyter Lab", "jupyter", parameters=parameters, source=min(notebooks), group="notebooks")
