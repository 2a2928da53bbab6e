"""The checks by name: what each looks at, and when it is run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scaffolder.environment import tools
from scaffolder.environment.builds import build_findings
from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.frameworks import framework_match, framework_probe, frameworks
from scaffolder.environment.gpu import accelerators
from scaffolder.environment.hardware import disk, machine
from scaffolder.environment.ide import idea_health, pycharm
from scaffolder.environment.network import indexes, network
from scaffolder.environment.projects import project
from scaffolder.environment.pythons import python
from scaffolder.environment.system import System
from scaffolder.messages import N_

Outcome = tuple[dict[str, Any], list[Finding]]

#: What a check needs before it makes sense: nothing, a project's folder, time (it imports a framework), or the network.
Need = Literal["", "project", "time", "network"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check.

    Attributes:
        name: As `--only` takes it.
        title: What it looks at, in a few words; to be translated.
        probe: Asks the machine: facts, by the report's field, and findings.
        judge: What follows from the facts of this check and those in `after`.
        after: Checks whose facts the judgement needs.
        seconds: After so long the check is given up.
    """

    name: str
    title: str
    probe: Callable[[System, Path], Outcome] | None = None
    judge: Callable[[Report], list[Finding]] | None = None
    after: tuple[str, ...] = ()
    need: Need = ""
    seconds: float = 15.0


# Functions are looked up when they are called, so that a test can put another in their place.
CHECKS: tuple[Check, ...] = (
    Check(name="python", title=N_("Python"), probe=lambda system, _folder: python.probe(system)),
    Check(name="accelerators", title=N_("GPU and driver"), probe=lambda system, _folder: accelerators.probe(system)),
    Check(
        name="machine",
        title=N_("memory and processor"),
        probe=lambda system, folder: machine.probe(system, folder),
        judge=lambda report: machine.judge(report),
    ),
    Check(
        name="disk",
        title=N_("disk"),
        probe=lambda system, folder: disk.probe(system, folder),
        judge=lambda report: disk.judge(report),
    ),
    Check(name="tools", title=N_("git and uv"), probe=lambda system, _folder: tools.probe(system)),
    Check(
        name="pycharm",
        title="PyCharm",
        probe=lambda system, _folder: pycharm.probe(system),
        judge=lambda report: pycharm.judge(report),
    ),
    Check(
        name="idea",
        title=N_("project in PyCharm"),
        probe=lambda system, folder: idea_health.probe(system, folder),
        need="project",
    ),
    Check(
        name="frameworks",
        title=N_("installed frameworks"),
        probe=lambda system, folder: frameworks.probe(system, folder),
        judge=lambda report: framework_match.judge(report),
        after=("accelerators", "tools"),
    ),
    Check(
        name="builds",
        title=N_("what fits what"),
        probe=lambda system, _folder: build_findings.probe(system),
        judge=lambda report: build_findings.judge(report),
        after=("python", "accelerators", "machine", "tools", "frameworks"),
    ),
    Check(
        name="project",
        title=N_("project"),
        probe=lambda system, folder: project.probe(system, folder),
        judge=lambda report: project.judge(report),
        after=("python", "accelerators", "machine", "tools"),
        need="project",
    ),
    Check(
        name="computing",
        title=N_("frameworks at work"),
        probe=lambda system, folder: framework_probe.probe(system, folder),
        after=("frameworks",),
        need="time",
        seconds=framework_probe.PATIENCE + 10.0,
    ),
    Check(
        name="indexes",
        title=N_("PyTorch's index"),
        probe=lambda system, _folder: indexes.probe(system),
        judge=lambda report: indexes.judge(report),
        need="network",
    ),
    Check(
        name="network",
        title=N_("network"),
        probe=lambda system, _folder: network.probe(system),
        judge=lambda report: network.judge(report),
        need="network",
    ),
)

#: What `newmodel init` asks before its questions.
INIT = ("python", "accelerators", "machine", "disk", "tools", "pycharm", "frameworks", "builds", "indexes")


def named(names: Collection[str]) -> Sequence[Check]:
    """The checks of these names, and those whose facts they need, in the registry's order."""
    wanted = set(names)
    for check in reversed(CHECKS):
        if check.name in wanted:
            wanted |= set(check.after)
    return [check for check in CHECKS if check.name in wanted]
