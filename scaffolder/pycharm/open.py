"""Open a project in PyCharm with its own interpreter, as surely as this machine allows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.environment.real_system import RealSystem
from scaffolder.install import environment_python
from scaffolder.messages import _
from scaffolder.pycharm.interpreter import Registration, python_version, register
from scaffolder.pycharm.running import pycharm_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffolder.environment.system import System

_START_S = 1.5  # a launcher that fails does so at once


@dataclass(frozen=True)
class Opening:
    """What was done to open a project.

    Attributes:
        started: Whether PyCharm was started (or, running, was handed the project).
        interpreter: `registered` (PyCharm knows it by name), `environment` (PyCharm was told by its
            environment variables), or `click` (the person chooses it).
        messages: What the person should know, a line each.
    """

    started: bool
    interpreter: str
    messages: tuple[str, ...]


def open_project(
    project: Path,
    *,
    launcher: Path | str | Sequence[str] | None,
    python: Path | None = None,
    file: Path | None = None,
    line: int | None = None,
    system: System | None = None,
) -> Opening:
    """Open `project` in PyCharm.

    Args:
        launcher: PyCharm's program (on macOS the `.app` or a path inside it), or the words of a command;
            None if no PyCharm was found.
        python: The project's interpreter; None means the one of its `.venv`.
        file: A file to show, and `line` the line of it to go to, counted from 1.
    """
    system = system or RealSystem()
    project = project.absolute()
    python = python or environment_python(project)
    there = system.exists(python)
    if launcher is None:
        return Opening(False, "click", (_("No PyCharm was found here."), click_line(project, python, there)))

    runs = pycharm_runs(system)
    registration = Registration()
    if there and not runs:
        registration = register(project, python, python_version(python, system), system)
    name = registration.name
    shown = [] if file is None else [*(["--line", str(line)] if line else []), str(file)]
    command = _command(launcher, project, python if there else None, system, shown)
    if problem := _start(command, project, {"PYCHARM_PYTHON_PATH": str(python)} if there else {}, system):
        messages = [_("PyCharm could not be started: {problem}.").format(problem=problem)]
        messages += registration.problems
        return Opening(False, "registered" if name else "click", (*messages, click_line(project, python, there)))

    opening = _("PyCharm is opening {path}.").format(path=project)
    if name:
        said = _("Its interpreter is registered as “{name}” and chosen for this project.").format(name=name)
        return Opening(True, "registered", (opening, said, *registration.problems))
    if there and not runs:
        said = _("PyCharm was started with {python} as the interpreter.").format(python=python)
        return Opening(True, "environment", (opening, said, *registration.problems, interpreter_line(python)))
    return Opening(True, "click", (opening, interpreter_line(python) if there else _no_environment(project)))


def click_line(project: Path, python: Path, there: bool) -> str:
    """What to click where newmodel could not open the project itself."""
    opening = _("In PyCharm: File | Open | {path}.").format(path=project)
    return f"{opening} {interpreter_line(python)}" if there else opening


def interpreter_line(python: Path) -> str:
    """What to click where PyCharm does not show the project's interpreter."""
    return _(
        "If PyCharm shows another interpreter, or none: Settings | Python | Interpreter | "
        "Add Interpreter | Local | Select existing | {python}"
    ).format(python=python)


def _no_environment(project: Path) -> str:
    return _("The project has no .venv yet: make one and PyCharm will offer it ({path}).").format(
        path=project / ".venv"
    )


def _command(
    launcher: Path | str | Sequence[str],
    project: Path,
    python: Path | None,
    system: System,
    shown: Sequence[str] = (),
) -> list[str]:
    words = [str(launcher)] if isinstance(launcher, (Path, str)) else list(launcher)
    if system.platform == "darwin":
        program = Path(words[0])
        app = next((folder for folder in (program, *program.parents) if folder.suffix == ".app"), None)
        if app is not None:
            # `open` hands on no environment by itself
            told = ["--env", f"PYCHARM_PYTHON_PATH={python}"] if python else []
            return ["open", "-na", str(app), *told, "--args", str(project), *shown]
    if found := re.search(r"/flatpak/app/(com\.jetbrains\.[\w.-]+)/", words[0]):
        told = [f"--env=PYCHARM_PYTHON_PATH={python}"] if python else []
        words = ["flatpak", "run", *told, found[1]]
    return [*words, str(project), *shown]


def _start(command: list[str], folder: Path, variables: dict[str, str], system: System) -> str:
    """Start a program that outlives us; why it did not start, or ""."""
    environ = {**system.environ, **variables}
    if system.platform == "linux" and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return _("there is no graphical display here")
    detached = 0
    if sys.platform == "win32":
        detached = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):  # ours, not the project's
        environ.pop(name, None)
    try:
        process = subprocess.Popen(
            command,
            env=environ,
            cwd=os.fspath(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            creationflags=detached,
        )
    except OSError as error:
        return error.strerror or type(error).__name__
    try:
        returncode = process.wait(_START_S)
    except subprocess.TimeoutExpired:
        process.returncode = 0  # it runs, and is no longer ours to wait for
        return ""
    return _("it ended with code {code}").format(code=returncode) if returncode else ""
