"""Shared by all tests: a quiet, English surrounding, a machine that is always the same, and the command in process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from scaffolder import messages
from scaffolder.environment.facts import Indexes, Interpreter, Machine, Report, Tools

GIB = 1024**3

#: Templates of others, whose own tests are none of ours.
collect_ignore = ["foreign_templates"]

# Tests run side by side: with as many threads as cores in each, PyTorch's threads mostly wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Result:
    """What one call of the command did."""

    code: int
    out: str
    err: str


#: Take a quarter of an hour each; everything else goes on beside them.
LONGEST = ("test_every_run_configuration[tensorflow-llm]", "test_every_run_configuration[pytorch-llm]")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the two test processes begin with the longest tests, so that neither has one of them left at the end.

    pytest-xdist's worksteal gives the first half of the list to one process and the second half to the other.
    """
    longest = sorted((item for item in items if item.name in LONGEST), key=lambda item: LONGEST.index(item.name))
    if len(longest) < 2 or len(items) < 10:
        return
    others = [item for item in items if item not in longest]
    middle = len(items) // 2 - 1
    items[:] = [longest[0], *others[:middle], longest[1], *others[middle:]]


@pytest.fixture(autouse=True)
def surrounding(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """English, no colour, and nothing written into the person's own folders."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))
    messages.set_language("en")


@pytest.fixture
def machine() -> Report:
    """A Linux laptop without a GPU, with this Python, git, and no network."""
    return Report(
        platform="linux",
        machine="x86_64",
        release="Debian GNU/Linux 12",
        executable=sys.executable,
        interpreters=(Interpreter(path=sys.executable, version=(3, 12, 4), machine="x86_64"),),
        hardware=Machine(memory_total=16 * GIB, memory_available=12 * GIB, cores=8, disk_free=200 * GIB),
        tools=Tools(git="2.43.0"),
        indexes=Indexes(pytorch=False),
    )


@pytest.fixture
def newmodel(
    monkeypatch: pytest.MonkeyPatch, machine: Report, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Result]:
    """The command, run in this process in an empty folder, on the machine of the fixture `machine`."""
    from scaffolder.cli import main
    from scaffolder.environment import report

    monkeypatch.setattr(report, "inspect", lambda *args, **kwargs: machine)
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Result:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return run
