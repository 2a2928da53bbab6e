"""What a generated project's Check environment knows about builds is what compatibility.toml says."""

from __future__ import annotations

import ast
from typing import Any

from answer_matrix import REPOSITORY, TEMPLATES

from scaffolder.install.toml import read_toml

(TABLE,) = (REPOSITORY / "scaffolder").rglob("compatibility.toml")


def constant(framework: str, name: str) -> Any:
    """The value of a constant in the framework's build_check.py, read without importing it."""
    source = (TEMPLATES / "project" / f"{{{{ {framework} }}}}" / "build_check.py").read_text(encoding="utf-8")
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return ast.literal_eval(statement.value)
    raise AssertionError(f"build_check.py of {framework} has no {name}")


def rows(framework: str) -> dict[str, dict[str, Any]]:
    """The offered CUDA builds for x86, by name."""
    return {
        row["name"]: row
        for row in read_toml(TABLE)["build"]
        if row["framework"] == framework
        and row["accelerator"] == "cuda"
        and row.get("offered", True)
        and "x86_64" in row["machines"]
    }


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_pytorch() -> None:
    known, table = constant("pytorch", "BUILDS"), rows("pytorch")
    assert list(known) == list(table)
    for name, (driver, lowest, highest) in known.items():
        chips = [numbers(chip) for chip in table[name]["chips"]]
        assert driver == numbers(table[name]["driver"]["linux"])
        assert lowest == min(chips)
        if "ptx" in table[name]:  # a driver compiles it for what is newer
            assert highest > max(chips)
        else:
            assert highest[0] == max(chips)[0]


def test_tensorflow() -> None:
    (row,) = rows("tensorflow").values()
    assert constant("tensorflow", "LOWEST_DRIVER") == numbers(row["driver"]["linux"])
