"""git and uv."""

from __future__ import annotations

import re
from typing import Any

from scaffolder.environment.facts import Command, Finding, Tools, command
from scaffolder.environment.pythons.python_places import opens_a_dialog
from scaffolder.environment.pythons.system_packages import install_command
from scaffolder.environment.system import CommandResult, System
from scaffolder.messages import _


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Their versions; a missing git is a finding, a missing uv is not: pip does."""
    git, git_path = _version(system, "git")
    uv, uv_path = _version(system, "uv")
    answer = system.run([git_path, "config", "user.name"]) if git_path else CommandResult(returncode=None)
    lines = answer.stdout.strip().splitlines()
    user = lines[0] if answer.ok and lines else None
    findings = []
    if git is None:
        findings.append(
            Finding(
                code="NM601",
                severity="note",
                what=_("git is not installed."),
                meaning=_("The project has no history, and `newmodel update` needs git later."),
                commands=_install_git(system),
            )
        )
    elif user is None and answer.returncode in (0, 1):  # git ends with 1 where a setting is missing
        findings.append(
            Finding(
                code="NM602",
                severity="note",
                what=_("git has not been told your name."),
                meaning=_("It refuses to make a commit, so the project's history cannot begin."),
                advice=_("Any name and address do; they stand in each commit."),
                commands=(
                    command(system, "git", "config", "--global", "user.name", _("Your Name")),
                    command(system, "git", "config", "--global", "user.email", "you@example.com"),
                ),
            )
        )
    return {"tools": Tools(git=git, git_user=user, uv=uv, uv_path=uv_path)}, findings


def _install_git(system: System) -> tuple[Command, ...]:
    if system.platform == "win32":
        return (command(system, "winget", "install", "--id", "Git.Git", "-e"),)
    if system.platform == "darwin":
        return (command(system, "xcode-select", "--install"),)
    return install_command(system, "git")


def _version(system: System, name: str) -> tuple[str | None, str | None]:
    path = system.which(name)
    if path is None or (system.platform == "darwin" and path == "/usr/bin/git" and opens_a_dialog(system)):
        return None, None
    answer = system.run([path, "--version"])
    match = re.search(r"\d+(\.\d+)+", answer.stdout, re.ASCII)
    if not answer.ok or match is None:
        return None, None
    return match.group(0), path
