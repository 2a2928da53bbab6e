"""tox's environments."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from scaffolder.adopt import ini
from scaffolder.adopt.configuration import Configuration, module
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import Tree, joined
from scaffolder.install.toml import toml


def find(view: View) -> Iterator[Configuration]:
    """`python -m tox -e NAME` for each; those that differ in Python's version alone run with the project's Python."""
    for part in view.parts:
        file, names = _environments(view.tree, part.folder, part.table("tool", "tox"))
        for name in dict.fromkeys(re.sub(r"^(?:(?:py|pypy|cpython)-?)?\d[\d.]*(?=-|$)", "py", one) for one in names):
            if re.fullmatch(r"[\w.-]+", name):
                yield module(
                    f"tox: {name}", "tox", parameters=f"-e {name}", folder=part.folder, source=file, group="tox"
                )


def _environments(tree: Tree, folder: str, table: Mapping[str, Any]) -> tuple[str, list[str]]:
    file = joined(folder, "tox.ini")
    if file in tree.files:
        return file, _from_ini(tree.text(file))
    file = joined(folder, "tox.toml")
    if file in tree.files:
        try:
            return file, _from_table(toml(tree.text(file)))
        except ValueError:
            return file, []
    file = joined(folder, "pyproject.toml")
    legacy = table.get("legacy_tox_ini")
    if isinstance(legacy, str):
        return file, _from_ini(legacy)
    if table:
        return file, _from_table(table)
    file = joined(folder, "setup.cfg")
    return file, _from_ini(tree.text(file), "tox:tox") if "[tox:tox]" in tree.text(file) else []


def _from_ini(text: str, head: str = "tox") -> list[str]:
    sections = ini.read(text)
    main = sections.get(head, {})
    names = _expanded(main.get("env_list") or main.get("envlist") or "")
    for section in sections:
        if section.startswith("testenv:"):
            names += _expanded(section.removeprefix("testenv:"))
    return names or (["py"] if "testenv" in sections else [])


def _from_table(table: Mapping[str, Any]) -> list[str]:
    listed = table.get("env_list", [])
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    environments = table.get("env", {})
    return names + (list(environments) if isinstance(environments, Mapping) else [])


def _expanded(text: str) -> list[str]:
    """`py{310,311}-{a,b}` written out; a line's comment is left out."""
    text = re.sub(r"(^|\s)#.*", "", text)
    found: list[str] = []
    for one in re.findall(r"(?:[^\s,{}]|\{[^{}]*\})+", text):
        pieces = [
            [piece.strip() for piece in part[1:-1].split(",")] if part.startswith("{") else [part]
            for part in re.findall(r"\{[^{}]*\}|[^{}]+", one)
        ]
        found += ["".join(words) for words in itertools.islice(itertools.product(*pieces), 50)]
    return found
