"""Where a run takes place: versions, platform, device, seed, command, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime
from importlib import metadata
from typing import Any

from packaging.requirements import Requirement

from .config_file import PROJECT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def describe_environment(config: Any) -> dict[str, Any]:
    """Return the facts that decide a result, for the `environment.json` of a run with this configuration."""
    facts: dict[str, Any] = {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {one.name: installed_version(one.name) for one in requirements()},
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(git("status", "--porcelain")),
    }
    if job := os.environ.get("TRAINING_JOB"):  # a cluster's: started again, it looks for its run by this name
        facts["job"] = job
    training = getattr(config, "training", None)
    if training is not None:
        from .device import describe_device  # imports the framework, which takes seconds

        trial = bool(training.overfit_batches or training.max_steps)
        facts |= {"seed": training.seed, "device": describe_device(training), "trial": trial}
    return facts


def requirements(group: str = "") -> list[Requirement]:
    """Return what `pyproject.toml`, or one of its dependency groups, asks for on this machine."""
    content = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = content["dependency-groups"].get(group, []) if group else content["project"]["dependencies"]
    found = [
        Requirement(line) for line in lines if isinstance(line, str)
    ]  # a group may include another: skip that
    return [one for one in found if one.marker is None or one.marker.evaluate()]


def installed_version(name: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def git(*arguments: str) -> str | None:
    """Ask git about the project; None without git, outside a repository, or before the first commit."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
