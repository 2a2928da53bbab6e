"""Mend what is safe to mend: show the commands, ask, run them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scaffolder import console
from scaffolder.environment.facts import Command, Finding
from scaffolder.messages import _


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One finding that can be mended here, and how."""

    finding: Finding
    commands: tuple[Command, ...]


def repairs(findings: Sequence[Finding]) -> list[Repair]:
    """The findings all of whose commands may be run for the person; a set of commands stands once."""
    found: dict[tuple[Command, ...], Repair] = {}
    for finding in findings:
        if finding.commands and all(command.arguments for command in finding.commands):
            found.setdefault(finding.commands, Repair(finding=finding, commands=finding.commands))
    return list(found.values())


def show(planned: Sequence[Repair]) -> None:
    """What would be run, and for what."""
    console.say(_("This can be mended here, without administrator rights:"), style="bold")
    for repair in planned:
        console.say(f"  {repair.finding.code}  {repair.finding.what}")
        for command in repair.commands:
            console.say(f"      {command.line}", style="cyan")


def run(
    planned: Sequence[Repair], folder: Path, execute: Callable[[Sequence[str], Path], int] | None = None
) -> list[Repair]:
    """Run every repair in `folder`, and return those that failed."""
    execute = execute or _execute
    failed = []
    for repair in planned:
        for command in repair.commands:
            console.say(f"$ {command.line}", style="bold")
            status = execute(command.arguments, folder)
            if status != 0:
                console.warn(_("It ended with exit code {code}: {line}").format(code=status, line=command.line))
                failed.append(repair)
                break
    return failed


def _execute(arguments: Sequence[str], folder: Path) -> int:
    import sys

    words = list(arguments)
    if words[0] == "newmodel":  # this very program, also where it is not on PATH
        words = [sys.executable, "-m", "scaffolder", *words[1:]]
    try:
        # its output goes where our messages go: standard output belongs to the report
        return subprocess.run(words, cwd=folder, stdout=sys.stderr, check=False).returncode
    except OSError as error:
        console.warn(f"{words[0]}: {error.strerror or error}")
        return 127
