"""Recorded machines: outputs of real tools, and what newmodel has to make of them (tests/machines/README.md)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from scaffolder import messages
from scaffolder.environment.builds.builds import fitting_build
from scaffolder.environment.builds.compatibility import table
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.facts import Report
from scaffolder.environment.recorded_system import RecordedSystem
from scaffolder.environment.report import inspect
from scaffolder.environment.system import CommandResult

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MACHINES = Path(__file__).parent / "machines"
FOLDERS = sorted(path.parent for path in MACHINES.glob("*/machine.toml"))
NETWORK = {check.name for check in CHECKS if check.need == "network"}

each_machine = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def expected(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "machine.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=4)
def report_of(folder: Path) -> Report:
    """Every check, those that ask servers only where the recording has their answers."""
    wanted = expected(folder)
    checks = [check.name for check in CHECKS if wanted.get("network") or check.name not in NETWORK]
    return inspect(RecordedSystem(folder), folder=Path(wanted["folder"]), checks=checks)


@each_machine
def test_findings(folder: Path) -> None:
    """Everything that blocks or slows training is found, and nothing else; the notes that matter are there."""
    wanted, found = expected(folder), report_of(folder).findings
    serious = {finding.code for finding in found if finding.severity != "note"}
    notes = {finding.code for finding in found if finding.severity == "note"}
    said = "\n".join(f"{finding.code} {finding.severity}: {finding.what}" for finding in found)
    assert serious == set(wanted["findings"]), said
    assert set(wanted["notes"]) <= notes, said
    assert "NM001" not in notes, said


@each_machine
def test_each_finding_is_said_once(folder: Path) -> None:
    said = [(finding.code, finding.what) for finding in report_of(folder).findings]
    assert len(said) == len(set(said))


@each_machine
def test_the_cause_and_the_cure_are_named(folder: Path) -> None:
    said = "\n".join(
        "\n".join((one.what, one.meaning, one.advice, *(command.line for command in one.commands)))
        for one in report_of(folder).findings
    )
    assert [words for words in expected(folder).get("says", []) if words not in said] == [], said


@each_machine
def test_python(folder: Path) -> None:
    """The Python that init would choose for each framework; "" where none here will do."""
    wanted, report = expected(folder)["python"], report_of(folder)
    for framework in ("pytorch", "tensorflow"):
        found = report.python_for(*table().python_range(framework))
        assert (found.text if found else "") == wanted.get(framework, wanted["version"]), framework


@each_machine
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_install_command(folder: Path, framework: str) -> None:
    """What has to be typed into the project's environment; "" where the framework has nothing for this machine."""
    pins = table().pins
    line = expected(folder)["install"][framework]
    versions = {name: pins[name] for name in ("torch", "tensorflow", "keras")}
    build = fitting_build(report_of(folder), framework)
    found = [command.line for command in build.pip] if build else []
    assert found == ([line.format(**versions)] if line else []), build


def test_there_are_enough_of_them_and_most_are_published() -> None:
    """A recording names where it comes from, what of it was composed, and how that case ended."""
    published = 0
    for folder in FOLDERS:
        wanted = expected(folder)
        assert wanted["title"], folder.name
        assert wanted["resolution"], folder.name
        assert wanted["source"] or wanted["composed"].startswith("All of it"), folder.name
        published += wanted["source"].startswith("https://github.com/")
    assert len(FOLDERS) >= 80
    assert published >= 35


@each_machine
def test_recordings_are_small_and_complete(folder: Path) -> None:
    """Every file that system.json names is there, none is left over, and no output is larger than a probe needs."""
    content = json.loads((folder / "system.json").read_text(encoding="utf-8"))
    named = {"system.json", "machine.toml"}
    for entry in content.get("files", {}).values():
        named.add(entry.get("content") if isinstance(entry, dict) else entry)
    for command in content.get("commands", []):
        named |= {command.get("stdout"), command.get("stderr")}
    there = {path.name for path in folder.iterdir()}
    assert there == named - {None}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 64 * 1024


DEBIAN = ("ubuntu", "debian", "mint", "kali")


@each_machine
def test_commands_are_for_this_system(folder: Path) -> None:
    """What is advised can be typed here: this system's package manager, this shell, and no driver inside WSL."""
    report = report_of(folder)
    release = report.release.lower()
    foreign: list[str] = []
    if report.platform == "win32":
        foreign = ["sudo ", "export ", "unset ", "apt", "dnf ", "brew "]
    elif report.platform == "darwin":
        foreign = ["apt", "dnf ", "pacman", "winget", "setx ", "ubuntu-drivers"]
    else:
        foreign = ["winget", "brew ", "$env:", "Remove-Item"]
        foreign += [] if any(name in release for name in DEBIAN) else ["apt", "ubuntu-drivers"]
    if report.accelerators.wsl:
        foreign += ["ubuntu-drivers", "nvidia-driver", "akmod-nvidia"]
    for finding in report.findings:
        for command in finding.commands:
            wrong = [word for word in foreign if command.line.startswith(word) or f" {word}" in command.line]
            assert not wrong, f"{finding.code}: {command.line}"
            assert "sudo" not in command.arguments, f"{finding.code}: {command.line}"


@pytest.mark.full
@each_machine
def test_all_is_said_in_chinese_too(folder: Path) -> None:
    """No sentence that was not given to the catalog; commands and names stay as they are."""
    wanted = expected(folder)
    checks = [check.name for check in CHECKS if wanted.get("network") or check.name not in NETWORK]
    messages.set_language("zh_CN")
    try:
        found = inspect(RecordedSystem(folder), folder=Path(wanted["folder"]), checks=checks).findings
    finally:
        messages.set_language("en")
    said = [text for one in found for text in (one.what, one.meaning, one.advice) if text]
    assert [text for text in said if not re.search("[\u4e00-\u9fff]", text)] == []


#: What a tool may do instead of its work.
BROKEN = {
    "missing": CommandResult(returncode=None, problem="missing"),
    "hangs": CommandResult(returncode=None, problem="timeout"),
    "empty": CommandResult(returncode=0),
    "binary": CommandResult(returncode=0, stdout="\x00\ufffd\x1b[31m{[,|" * 50, stderr="\ufffd\n" * 50),
    "numbers": CommandResult(returncode=0, stdout="9" * 5000 + "\n-1, , [N/A]\n" * 50),
    "json": CommandResult(returncode=0, stdout='{"version": {}, "packages": [null, 7], "devices": 3, "bits": "x"}\n'),
    "crashes": CommandResult(returncode=-11, stderr="Segmentation fault (core dumped)\n"),
}


@dataclass(frozen=True)
class BrokenTools(RecordedSystem):
    """A recorded machine on which every tool breaks in one way, and every file holds that too."""

    how: str = "missing"

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        return BROKEN[self.how]

    def read_text(self, path: str | Path) -> str | None:
        return None if super().read_text(path) is None else BROKEN[self.how].stdout


def each_broken_machine() -> list[object]:
    """Every machine in one of the ways, so that all of them come by; in all of them in the full run."""
    return [
        pytest.param(
            folder, how, id=f"{folder.name}-{how}", marks=[] if (row + column) % len(BROKEN) == 0 else pytest.mark.full
        )
        for row, folder in enumerate(FOLDERS)
        for column, how in enumerate(BROKEN)
    ]


@pytest.mark.parametrize(("folder", "how"), each_broken_machine())
def test_broken_tools_are_no_crash(folder: Path, how: str) -> None:
    """Whatever tools answer, every check ends by itself and says nothing of a failure of its own."""
    checks = [check.name for check in CHECKS]
    report = inspect(BrokenTools(folder, how=how), folder=Path(expected(folder)["folder"]), checks=checks)
    assert [finding.what for finding in report.findings if finding.code == "NM001"] == []
