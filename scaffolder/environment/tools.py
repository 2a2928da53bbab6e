"""git and uv."""

from __future__ import annotations

import re
from typing import Any

from scaffolder.environment.facts import Finding, Tools, command
from scaffolder.environment.system import System
from scaffolder.messages import _


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Their versions; a missing git is a finding, a missing uv is not: pip does."""
    git, git_path = _version(system, "git")
    uv, uv_path = _version(system, "uv")
    findings = []
    if git is None:
        findings.append(
            Finding(
                code="NM601",
                severity="note",
                what=_("git is not installed."),
                meaning=_("The project has no history, and `newmodel update` needs git later."),
                commands=(
                    command(
                        system,
                        *{"win32": ("winget", "install", "Git.Git"), "darwin": ("xcode-select", "--install")}.get(
                            system.platform, ("sudo", "apt", "install", "git")
                        ),
                    ),
                ),
            )
        )
    return {"tools": Tools(git=git, git_user=_user(system, git_path), uv=uv, uv_path=uv_path)}, findings


def _user(system: System, git: str | None) -> str | None:
    if git is None:
        return None
    lines = system.run([git, "config", "user.name"]).stdout.strip().splitlines()
    return lines[0] if lines else None


def _version(system: System, name: str) -> tuple[str | None, str | None]:
    path = system.which(name)
    if path is None:
        return None, None
    answer = system.run([path, "--version"])
    match = re.search(r"\d+(\.\d+)+", answer.stdout)
    # a macOS without the developer tools has a git that only asks to install them
    if not answer.ok or match is None:
        return None, None
    return match.group(0), path
