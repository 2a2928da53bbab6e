"""What a project's own files say about it: pyproject.toml, setup.cfg, setup.py, without running any of them."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scaffolder.adopt.code import call_name
from scaffolder.adopt.scan import Tree, joined, parent
from scaffolder.install.toml import toml
from scaffolder.messages import _

_FILES = ("pyproject.toml", "setup.cfg", "setup.py")
_DEEPEST_PART = 3


@dataclass(frozen=True, kw_only=True)
class Part:
    """A project, or one of several in a folder.

    Attributes:
        folder: Where it is; empty for the whole.
        toml: `pyproject.toml`; empty where there is none that can be read.
        cfg: `setup.cfg`, section by section.
        setup: The arguments of `setup()` in `setup.py` that are plain values.
        problems: A sentence for each of its files that could not be read.
    """

    folder: str
    toml: Mapping[str, Any] = field(default_factory=dict)
    cfg: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    setup: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def table(self, *keys: str) -> Mapping[str, Any]:
        """A table of `pyproject.toml`; empty where it is missing or no table."""
        found: Any = self.toml
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    @property
    def name(self) -> str:
        """The project's name as its package has it, or empty."""
        for found in (
            self.table("project").get("name"),
            self.table("tool", "poetry").get("name"),
            self.cfg.get("metadata", {}).get("name"),
            self.setup.get("name"),
        ):
            if isinstance(found, str) and found.strip():
                return found.strip()
        return ""

    @property
    def requires_python(self) -> str:
        for found in (
            self.table("project").get("requires-python"),
            self.cfg.get("options", {}).get("python_requires"),
            self.setup.get("python_requires"),
        ):
            if isinstance(found, str):
                return found
        poetry = self.table("tool", "poetry", "dependencies").get("python")
        return _without_caret(poetry) if isinstance(poetry, str) else ""


def read_parts(tree: Tree) -> list[Part]:
    """The project and, in a folder with several, each of them; the whole comes first."""
    tests = {"tests", "test", "testing", "fixtures", "examples"}
    folders = {
        parent(path)
        for path in tree.files
        if path.rpartition("/")[2] in _FILES
        and path.count("/") <= _DEEPEST_PART
        and not tests & set(path.split("/")[:-1])
    }
    return [_read(tree, folder) for folder in sorted({"", *folders})]


def _read(tree: Tree, folder: str) -> Part:
    problems: list[str] = []
    content: dict[str, Any] = {}
    file = joined(folder, "pyproject.toml")
    if file in tree.files:
        try:
            content = toml(tree.text(file))
        except ValueError as error:
            problems.append(
                _("{file} cannot be read ({reason}), so what it says was left out.").format(file=file, reason=error)
            )
    cfg = configparser.ConfigParser(interpolation=None, strict=False)
    file = joined(folder, "setup.cfg")
    try:
        cfg.read_string(tree.text(file))
    except configparser.Error as error:
        reason = str(error).split("\n")[0]
        problems.append(
            _("{file} cannot be read ({reason}), so what it says was left out.").format(file=file, reason=reason)
        )
    return Part(
        folder=folder,
        toml=content,
        cfg={section: dict(cfg[section]) for section in cfg.sections()},
        setup=_setup_arguments(tree, joined(folder, "setup.py")),
        problems=tuple(problems),
    )


def _setup_arguments(tree: Tree, file: str) -> dict[str, Any]:
    if file not in tree.files or (module := tree.code(file).tree) is None:
        return {}
    found: dict[str, Any] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and call_name(node) == "setup":
            for keyword in node.keywords:
                if keyword.arg is not None:
                    found |= dict(_plain(keyword.arg, keyword.value))
    return found


def _plain(name: str, value: ast.expr) -> Iterator[tuple[str, Any]]:
    if isinstance(value, ast.Call) and call_name(value) in ("find_packages", "find_namespace_packages"):
        where = [keyword.value for keyword in value.keywords if keyword.arg == "where"] or value.args[:1]
        if where and isinstance(where[0], ast.Constant):
            yield "find_packages", where[0].value
        return
    try:
        yield name, ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return


def _without_caret(version: str) -> str:
    """Poetry's `^3.10` and `~3.10` as other tools write them."""
    found = re.fullmatch(r"\s*[\^~](\d+)(?:\.(\d+))?.*", version)
    return f">={found[1]}.{found[2] or 0}" if found else version
