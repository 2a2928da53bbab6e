"""Python files that are meant to be run: `train.py` and its like, and those with `if __name__ == "__main__"`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, module
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import joined, parent

#: What a model's life consists of: these are run even where they have no guard.
_STEPS = re.compile(r"(pretrain|train|finetune|fine_tune|evaluate|eval|predict|inference|infer)([_-].*)?\.py", re.I)
_ORDER = ("pret", "trai", "fine", "eval", "pred", "infe")  # as a model lives
_FOLDERS = ("", "src", "scripts", "script", "bin", "tools", "examples", "experiments")
#: Run by tools, or by other configurations of ours.
_NO_PROGRAMS = frozenset(
    {"setup.py", "conftest.py", "noxfile.py", "manage.py", "__main__.py", "__init__.py", "versioneer.py", "conf.py"}
)


def steps(view: View) -> Iterator[Configuration]:
    """Training, fine-tuning, evaluating, predicting."""
    found = []
    flat = _flat_folders(view)
    for path in _candidates(view):
        step = _STEPS.fullmatch(path.rpartition("/")[2])
        if step and (parent(path) in flat or _is_guarded(view, path)):
            found.append((_ORDER.index(step[1][:4].lower()), path))
    for _number, path in sorted(found):
        yield _configuration(view, path)


def others(view: View) -> Iterator[Configuration]:
    """Every other program of the project's own."""
    for path in _candidates(view):
        if _is_guarded(view, path):
            yield _configuration(view, path)


def _candidates(view: View) -> Iterator[str]:
    flat = _flat_folders(view)
    for path in view.python_files():
        name = path.rpartition("/")[2]
        if name in _NO_PROGRAMS or name.startswith("test_") or name.endswith("_test.py"):
            continue
        if parent(path) in flat or f"{parent(path)}/__init__.py" in view.tree.files:
            yield path


def _flat_folders(view: View) -> set[str]:
    """Where programs lie that are no part of a package, in each part of the project."""
    return {joined(part.folder, name) for part in view.parts for name in _FOLDERS} | set(view.roots)


def _is_guarded(view: View, path: str) -> bool:
    # most files are not: reading them as Python would take long
    return "__main__" in view.tree.text(path) and view.tree.code(path).guarded


def _configuration(view: View, path: str) -> Configuration:
    part = view.part_folder(path)
    name = path[len(part) + 1 :] if part else path
    in_package = f"{parent(path)}/__init__.py" in view.tree.files and parent(path) != part
    dotted = view.module_name(path)
    # a package that is called `src` is a folder of programs; only relative imports make it more
    is_program = parent(path) in {joined(part, folder) for folder in _FOLDERS} and not view.tree.code(path).relative
    if in_package and dotted and not is_program:
        return module(dotted, dotted, folder=part, source=path, group="script")
    return Configuration(
        name=name.removesuffix(".py").removeprefix("src/"),
        kind="script",
        target=path,
        folder=part,
        source=path,
        group="script",
    )
