"""Can this machine train? Versions, device, memory, and a tiny model trained for a few steps."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from .config_file import PROJECT
from .console import console, print_error, print_table, say
from .environment import installed_version, requirements


def check_environment() -> int:
    """Print what was found; return 0 when training works here and 1 when something must be mended."""
    say(f"Python {platform.python_version()} on {platform.platform()}")
    say(f"  {sys.executable}")
    say(f"Memory: {memory_text()}; free disk space: {shutil.disk_usage(PROJECT).free / 2**30:.0f} GiB")
    problems = check_packages()
    if not problems:
        problems = check_training()
    for problem in problems:
        print_error(problem)
    if not problems:
        console.print(
            "[green]Everything is there: training works on this machine.[/green] Next: run train.py."
        )
    return 1 if problems else 0


def check_packages() -> list[str]:
    """Compare what is installed with `pyproject.toml`; return a sentence for each misfit."""
    rows, problems = [], []
    for group in ("", "dev"):
        for wanted in requirements(group):
            version = installed_version(wanted.name)
            fits = version is not None and wanted.specifier.contains(version, prereleases=True)
            verdict = "fits" if fits else "missing" if version is None else "does not fit"
            rows.append(
                {"package": wanted.name, "installed": version, "wanted": str(wanted.specifier), "": verdict}
            )
            if not fits and not group:
                problems.append(
                    f"{wanted.name}{wanted.specifier} is wanted and {version or 'nothing'} is installed in "
                    f"{sys.prefix}: install it there with {how_to_install()}."
                )
    print_table("Packages", rows)
    if any(row[""] != "fits" for row in rows) and not problems:
        say(f"The tools for tests and checks are incomplete; install them with {how_to_install()}.")
    return problems


def how_to_install() -> str:
    """Return the command that installs the project and its tools here."""
    settings = Path(sys.prefix) / "pyvenv.cfg"
    if settings.exists() and "uv = " in settings.read_text(encoding="utf-8") and shutil.which("uv"):
        return "`uv sync`"
    return "`python -m pip install --upgrade pip` and then `python -m pip install -e . --group dev`"


def memory_text() -> str:
    """Return the size of main memory, where the system says it."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return "unknown"


def check_training() -> list[str]:
    """Train a tiny model on the device that training would take; return a sentence if it does not learn."""
    try:
        from .device import check_device

        result = check_device()
    except Exception as error:
        return [f"The framework cannot train here: {type(error).__name__}: {error}"]
    before, after, seconds = result["loss_before"], result["loss_after"], result["seconds"]
    device = str(result["device"]).rpartition("device:")[2]
    say(f"A tiny model trained on {device} in {seconds:.1f} s: loss {before:.3f} → {after:.3f}")
    if not after < before:
        return [f"The loss did not fall on {device}: the driver or the framework's build may be broken."]
    return []
