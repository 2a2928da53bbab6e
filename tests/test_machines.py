"""Recorded machines: outputs of real tools, and what newmodel has to make of them (tests/machines/README.md)."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from scaffolder.environment.builds import fitting_build
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.compatibility import table
from scaffolder.environment.facts import Report
from scaffolder.environment.recorded_system import RecordedSystem
from scaffolder.environment.report import inspect

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
    assert len(FOLDERS) >= 60
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
