"""Environments for what a project may have beside its framework: every tracker, and what runs a notebook.

Each lies on top of the framework's environment (environments.py), which it sees but does not change, and is made
once, in `.cache/environments/`. `NEWMODEL_TEST_EXTRAS_PYTORCH` or `NEWMODEL_TEST_EXTRAS_TENSORFLOW` name another one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from answer_matrix import choices, rendered_as
from environments import CACHE, environment_python_of, framework_environment, locked

from scaffolder.install.project_file import dependencies
from scaffolder.install.toml import read_toml

#: Runs a notebook without a window; a project itself needs it as little as it needs its tests' pytest.
RUNNER = "nbclient"


@cache
def extras_environment(framework: str) -> Path:
    """The Python of the environment for `pytorch` or `tensorflow` with all extras; the first call takes a minute.

    Safe to call from several test processes at once: one makes it, the others wait.
    """
    if own := os.environ.get(f"NEWMODEL_TEST_EXTRAS_{framework.upper()}"):
        return environment_python_of(Path(own))
    below = framework_environment(framework)
    wanted = extras(framework)
    digest = hashlib.sha256("\n".join([str(below), *wanted]).encode()).hexdigest()[:12]
    folder = CACHE / f"extras-{framework}-{digest}"
    made = folder / "complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"extras-{framework}.lock"):
        if not made.exists():
            for outdated in CACHE.glob(f"extras-{framework}-*"):
                shutil.rmtree(outdated)
            install(folder, below, wanted)
            made.touch()
    return environment_python_of(folder)


def install(folder: Path, below: Path, wanted: list[str]) -> None:
    """Make an environment that sees the packages of the one of `below`, and install what is missing there."""
    builder = f"import sys, venv; venv.EnvBuilder(with_pip=False).create({str(folder)!r})"
    subprocess.run([below, "-c", builder], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    python = environment_python_of(folder)
    own, shared = (
        Path(subprocess.run([one, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
        for one in (python, below)
    )
    (own / "framework.pth").write_text(f"{shared}\n", encoding="utf-8")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    subprocess.run(command, check=True)


def extras(framework: str) -> list[str]:
    """What the projects with a tracker or a notebook need beside what those without need."""
    plain = set(requirements(framework))
    found = {RUNNER}
    for tracker in choices()["tracker"]:
        found.update(requirements(framework, tracker=tracker, notebook=True))
    return sorted(found - plain)


def requirements(framework: str, **answers: object) -> list[str]:
    """The dependencies of a small project with these answers, and those of its group for notebooks."""
    name = "-".join(str(value) for value in ("extras", framework, *answers.values()))
    project = rendered_as(name, framework=framework, task="foundations", accelerator="cpu", **answers)
    groups = read_toml(project / "pyproject.toml")["dependency-groups"]
    return [*dependencies(project), *groups.get("notebook", [])]
