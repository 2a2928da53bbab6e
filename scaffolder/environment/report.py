"""Ask every probe, side by side, and gather what they say."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scaffolder.environment.checks import INIT, Check, named
from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import System
from scaffolder.messages import _

_SEVERITIES = ("blocks", "slows", "note")


@dataclass
class _Outcome:
    facts: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def inspect(
    system: System | None = None,
    *,
    folder: Path | None = None,
    checks: Collection[str] = INIT,
    patience: float | None = None,
) -> Report:
    """Look at the machine.

    Args:
        system: The machine; the real one by default.
        folder: Where a project is or will be: its disk and its interpreter are looked at.
        checks: Names of the checks to make; those that they need come along.
        patience: Seconds after which a check is given up, instead of its own limit.
    """
    system = system or RealSystem()
    place = folder or Path.cwd()
    wanted = named(checks)
    outcomes = _probe(wanted, system, place, patience)
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    for outcome in outcomes:
        facts.update(outcome.facts)
        findings += outcome.findings
    report = Report(
        platform=system.platform,
        machine=system.machine,
        release=system.release,
        folder=str(place),
        checks=tuple(check.name for check in wanted),
        **{"executable": system.executable, **facts},
    )
    for check in wanted:
        findings += _judge(check, report)
    findings.sort(key=lambda finding: (_SEVERITIES.index(finding.severity), finding.code))
    return replace(report, findings=tuple(findings))


def _probe(checks: Sequence[Check], system: System, folder: Path, patience: float | None) -> list[_Outcome]:
    """Every probe in a thread of its own; one that fails or hangs becomes a finding."""
    outcomes = {check.name: _Outcome() for check in checks}
    done = {check.name: threading.Event() for check in checks}

    def work(check: Check) -> None:
        try:
            facts, findings = check.probe(system, folder) if check.probe is not None else ({}, [])
        except Exception as error:
            facts, findings = {}, [_failed(check.name, f"{type(error).__name__}: {error}")]
        outcomes[check.name] = _Outcome(facts, [replace(finding, check=check.name) for finding in findings])
        done[check.name].set()

    began = time.monotonic()
    # daemon threads: one that hangs must not keep the program from ending
    for check in checks:
        threading.Thread(target=work, args=(check,), daemon=True, name=f"probe-{check.name}").start()
    result = []
    for check in checks:
        seconds = check.seconds if patience is None else patience
        if done[check.name].wait(max(0.0, began + seconds - time.monotonic())):
            result.append(outcomes[check.name])
        else:
            reason = _("no answer in {seconds} s").format(seconds=int(seconds))
            result.append(_Outcome({}, [replace(_failed(check.name, reason), check=check.name)]))
    return result


def _judge(check: Check, report: Report) -> list[Finding]:
    if check.judge is None:
        return []
    try:
        findings = check.judge(report)
    except Exception as error:
        findings = [_failed(check.name, f"{type(error).__name__}: {error}")]
    return [replace(finding, check=check.name) for finding in findings]


def _failed(name: str, reason: str) -> Finding:
    return Finding(
        code="NM001",
        severity="note",
        what=_("The check “{name}” did not work: {reason}.").format(name=name, reason=reason),
        meaning=_("Nothing is known about it; the defaults are the careful ones."),
    )
