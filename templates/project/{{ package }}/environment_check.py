"""Can this machine train? Interpreter, memory, disk, data, packages, device, and a tiny model trained."""

from __future__ import annotations

import glob
import platform
import shutil
import sys
from pathlib import Path

from .command_line import parse
from .config import TrainConfig
from .config_file import PROJECT
from .console import console, print_error, print_table, say
from .environment import installed_version, requirements
from .errors import UserError
from .hardware_check import Area, check_disk, check_interpreter, check_memory
from .stage_configs import files_to_read


def check_environment() -> int:
    """Print what was found; return 0 when training works here and 1 when something must be mended."""
    say(f"Python {platform.python_version()} on {platform.platform()}")
    areas = [show(check()) for check in (check_interpreter, check_memory, check_disk, check_data)]
    problems = check_packages()
    if not problems:
        areas.append(show(check_framework()))
        problems = check_training()
    problems += [problem for area in areas for problem in area.problems]
    for problem in problems:
        print_error(problem)
    if not problems:
        console.print(
            "[green]Everything is there: training works on this machine.[/green] Next: run train.py."
        )
    return 1 if problems else 0


def show(area: Area) -> Area:
    """Print the line of an area, and below it what could be better."""
    say(area.says)
    for hint in area.hints:
        console.print(f"  {hint}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    return area


def check_data() -> Area:
    """Whether the files that training reads are there."""
    try:
        config = parse(TrainConfig, description="", config_files=["configs/train.yaml"], argv=[])
    except UserError as error:
        return Area(says="Data: unknown", problems=(str(error),))
    wanted = files_to_read(config)
    if not wanted:
        return Area(says="Data: made by the project itself")
    names = ", ".join(wanted)
    # A name may be absolute, which Path.glob does not take.
    found = {name: glob.glob(str(PROJECT / name), recursive=True) for name in wanted}  # noqa: PTH207
    missing = [name for name in wanted if not found[name]]
    if missing:
        problem = f"{PROJECT / missing[0]} does not exist: put the data there, or correct configs/train.yaml."
        return Area(says=f"Data: {names} is missing", problems=(problem,))
    size = sum(Path(file).stat().st_size for files in found.values() for file in files)
    return Area(says=f"Data: {names}, {size / 2**20:.1f} MiB")


def check_framework() -> Area:
    """Whether the framework's build, the driver and the chip fit together."""
    try:
        from .build_check import check_build

        return check_build()
    except Exception as error:
        name = type(error).__name__
        return Area(says="Framework: broken", problems=(f"It cannot be imported: {name}: {error}",))


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
