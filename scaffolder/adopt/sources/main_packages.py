"""Packages that can be run: those with a `__main__.py`."""

from __future__ import annotations

from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, module
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import parent


def find(view: View) -> Iterator[Configuration]:
    """`python -m package` for each."""
    for path in view.python_files():
        if not path.endswith("/__main__.py"):
            continue
        package = view.module_name(path).removesuffix(".__main__")
        if package and package != "__main__":
            folder = view.part_folder(path)
            yield module(package, package, folder=folder, source=f"{parent(path)}/__main__.py", group="entry-point")
