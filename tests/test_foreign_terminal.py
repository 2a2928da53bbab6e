"""The questions of a foreign template, in a real terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from foreign_templates_made import COOKIECUTTER, COPIER, write

pexpect = pytest.importorskip("pexpect")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "home").mkdir()
    return tmp_path / "here"


@pytest.fixture
def start(here: Path) -> Iterator[Any]:
    children = []

    def run(*arguments: str) -> Any:
        environment = {**os.environ, "HOME": str(here.parent / "home"), "TERM": "dumb", "PROMPT_TOOLKIT_NO_CPR": "1"}
        child = pexpect.spawn(
            sys.executable,
            ["-m", "scaffolder", "init", *arguments],
            cwd=str(here),
            env=environment,
            encoding="utf-8",
            dimensions=(40, 200),
            timeout=60,
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.close(force=True)


def test_cookiecutter_asks(start: Any, here: Path) -> None:
    child = start("--template", str(write(here.parent / "template", COOKIECUTTER)))
    child.expect("project_name")
    child.sendline("From terminal")
    child.expect("slug")
    child.sendline("")
    child.expect("license")
    child.sendline("2")
    child.expect("Make this project")
    child.send("y")
    child.expect(pexpect.EOF)
    assert (here / "from-terminal" / "README.md").read_text() == "# From terminal (BSD)\n"


def test_copier_asks(start: Any, here: Path) -> None:
    child = start("project", "--template", str(write(here.parent / "template", COPIER)))
    child.expect("project_name")
    child.sendline("")
    child.expect("Make this project")
    child.send("n")
    child.expect("Nothing was written")
    child.expect(pexpect.EOF)
    assert not list(here.iterdir())


def test_interrupted(start: Any, here: Path) -> None:
    child = start("--template", str(write(here.parent / "template", COOKIECUTTER)))
    child.expect("project_name")
    child.sendcontrol("c")
    child.expect("Interrupted; nothing was written")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert not list(here.iterdir())
