"""Web applications: FastAPI and Flask."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, module
from scaffolder.adopt.project_view import View

_FACTORIES = ("create_app", "make_app")


def find(view: View) -> Iterator[Configuration]:
    """A server for each application that stands at a file's top level, or that Flask's factory makes."""
    for path in view.python_files():
        if not re.search("fastapi|flask", view.tree.text(path)):
            continue
        code = view.tree.code(path)
        dotted = view.module_name(path).removesuffix(".__init__")
        if not dotted or path.endswith("__main__.py"):
            continue
        folder = view.part_folder(path)
        for name, made_by in code.assigned.items():
            if made_by == "FastAPI" and code.uses("fastapi"):
                app = f"{dotted}:{name}"
                yield module(f"FastAPI: {app}", "uvicorn", parameters=app, folder=folder, source=path, group="web")
        if code.uses("flask"):
            apps = [name for name, made_by in code.assigned.items() if made_by in ("Flask", *_FACTORIES)]
            apps += [name for name in _FACTORIES if name in code.functions]
            for name in apps[:1]:
                app = dotted if name in ("app", "application", "create_app", "make_app") else f"{dotted}:{name}"
                yield module(
                    f"Flask: {dotted}",
                    "flask",
                    parameters=f"--app {app} run",
                    folder=folder,
                    source=path,
                    group="web",
                )
