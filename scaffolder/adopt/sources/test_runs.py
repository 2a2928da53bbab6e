"""The project's tests: with pytest where it is used, otherwise with Python's own unittest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration, module, word
from scaffolder.adopt.project_view import View
from scaffolder.adopt.roots import django_programs
from scaffolder.adopt.scan import joined

_SETTINGS = ("pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini", "Pipfile", "noxfile.py", "environment.yml")


def find(view: View) -> Iterator[Configuration]:
    """One configuration for each folder of tests."""
    pytest = uses_pytest(view)
    for folder in view.tests:
        files = [path for path in view.tree.inside(folder, ".py") if _is_test(path)]
        if not files:
            continue
        name = "Tests" if len(view.tests) == 1 else f"Tests ({folder})"
        part = view.part_folder(folder)
        if pytest:
            yield Configuration(name=name, kind="tests", target=folder, folder=part, source=folder, group="tests")
        elif not django_programs(view.tree):
            inside = folder[len(part) + 1 :] if part else folder
            yield module(
                name, "unittest", parameters=f"discover -s {word(inside)}", folder=part, source=folder, group="tests"
            )


def uses_pytest(view: View) -> bool:
    """Whether anything in the project speaks of pytest."""
    tree = view.tree
    told = [joined(part.folder, name) for part in view.parts for name in _SETTINGS]
    told += [path for path in tree.files if re.fullmatch(r"[^/]*requirements[^/]*\.(txt|in)|requirements/[^/]*", path)]
    if any("pytest" in tree.text(path) for path in told):
        return True
    files = [path for folder in view.tests for path in tree.inside(folder, ".py")]
    for path in files:
        code = tree.code(path)
        if path.endswith("conftest.py") or code.uses("pytest"):
            return True
        if _is_test(path) and any(name.startswith("test_") for name in code.functions):
            return True
    return False


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name == "tests.py" or (name.startswith("test") or name.endswith("_test.py"))
