"""Prove an installation: train a tiny model on the device, in the project's own interpreter, with no network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.system import CommandResult, System
from scaffolder.messages import _

#: Seconds for importing the framework, compiling the first kernels and a few hundred steps.
PATIENCE = 180.0

_SCRIPT = Path(__file__).with_name("tiny_training.py")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What training a tiny model came to.

    Attributes:
        framework: `torch` or `tensorflow`.
        device: In the framework's words.
        seconds: Of the training alone, without the import.
        before, after: Mean squared error of the first and the last step.
    """

    framework: str
    device: str
    seconds: float
    before: float
    after: float


def prove(system: System, report: Report) -> tuple[list[Proof], list[Finding]]:
    """Train with every framework that is installed in the report's interpreter."""
    found = [name for name in ("torch", "tensorflow") if name in report.frameworks.versions]
    if not found:
        return [], [
            Finding(
                code="NM416",
                severity="note",
                what=_("No framework is installed in {python}.").format(
                    python=report.frameworks.python or report.executable
                ),
                meaning=_("There is nothing to train with yet."),
                advice=_("Make a project with newmodel init, or name its folder: newmodel doctor PROJECT --train."),
                check="train",
            )
        ]
    proofs, findings = [], []
    for name in found:
        answer = system.run([report.frameworks.python, str(_SCRIPT), name], timeout=PATIENCE)
        proof = _read(name, answer)
        if proof is not None and proof.after < 0.5 * proof.before:
            proofs.append(proof)
        else:
            findings.append(_failed(name, answer, proof))
    return proofs, findings


def _read(name: str, answer: CommandResult) -> Proof | None:
    try:
        content = json.loads(answer.stdout.strip().splitlines()[-1])
        return Proof(
            framework=name,
            device=str(content["device"]),
            seconds=float(content["seconds"]),
            before=float(content["before"]),
            after=float(content["after"]),
        )
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _failed(name: str, answer: CommandResult, proof: Proof | None) -> Finding:
    if proof is not None:
        reason = _("the loss went from {before:.3f} to {after:.3f} on {device}").format(
            before=proof.before, after=proof.after, device=proof.device
        )
    elif answer.problem == "timeout":
        reason = _("no answer in {seconds} s").format(seconds=int(PATIENCE))
    else:
        lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
        reason = lines[-1][:300] if lines else _("it ended with exit code {code}").format(code=answer.returncode)
    return Finding(
        code="NM405",
        severity="blocks",
        what=_("A tiny model does not train with {framework}: {reason}.").format(
            framework=name, reason=reason.rstrip(".")
        ),
        meaning=_("Larger ones will not either: the driver or the framework's build is broken."),
        check="train",
    )
