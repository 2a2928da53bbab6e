"""Ask every probe, side by side, and gather what they say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffolder.environment import accelerators, frameworks, indexes, machine, pycharm, python, tools
from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Seconds after which a probe is given up: every command inside has a shorter limit of its own.
PATIENCE = 15.0

_SEVERITIES = ("blocks", "slows", "note")

Probe = Callable[[], tuple[dict[str, Any], list[Finding]]]


@dataclass
class _Outcome:
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def inspect(
    system: System | None = None, *, folder: Path | None = None, network: bool = True, patience: float = PATIENCE
) -> Report:
    """Look at the machine.

    Args:
        system: The machine; the real one by default.
        folder: Where a project is or will be: its disk and its interpreter are looked at.
        network: Whether package indexes are asked for; nothing else leaves the machine.
        patience: Seconds after which a probe is given up.
    """
    system = system or RealSystem()
    place = folder or Path.cwd()
    probes: dict[str, Probe] = {
        "python": lambda: python.probe(system),
        "accelerators": lambda: accelerators.probe(system),
        "machine": lambda: machine.probe(system, place),
        "frameworks": lambda: frameworks.probe(system, place),
        "pycharm": lambda: pycharm.probe(system),
        "tools": lambda: tools.probe(system),
    }
    if network:
        probes["indexes"] = lambda: indexes.probe(system)
    outcomes = _run(probes, patience)
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    for outcome in outcomes:
        facts.update(outcome.facts)
        findings += outcome.findings
    findings.sort(key=lambda finding: (_SEVERITIES.index(finding.severity), finding.code))
    return Report(
        platform=system.platform,
        machine=system.machine,
        release=system.release,
        findings=tuple(findings),
        **{"executable": system.executable, **facts},
    )


def _run(probes: dict[str, Probe], patience: float) -> list[_Outcome]:
    """Every probe in a thread of its own; one that fails or hangs becomes a finding."""
    outcomes = {name: _Outcome() for name in probes}
    done = {name: threading.Event() for name in probes}

    def work(name: str) -> None:
        try:
            facts, findings = probes[name]()
        except Exception as error:
            facts, findings = {}, [_failed(name, f"{type(error).__name__}: {error}")]
        outcomes[name] = _Outcome(facts, findings)
        done[name].set()

    # daemon threads: one that hangs must not keep the program from ending
    for name in probes:
        threading.Thread(target=work, args=(name,), daemon=True, name=f"probe-{name}").start()
    result = []
    for name, event in done.items():
        if event.wait(patience):
            result.append(outcomes[name])
        else:
            result.append(_Outcome({}, [_failed(name, _("no answer in {seconds} s").format(seconds=int(patience)))]))
    return result


def _failed(name: str, reason: str) -> Finding:
    return Finding(
        code="NM001",
        severity="note",
        what=_("The check “{name}” did not work: {reason}.").format(name=name, reason=reason),
        meaning=_("Nothing is known about it; the defaults are the careful ones."),
    )
