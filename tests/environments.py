"""One environment per framework that the generated projects of all tasks can run in, made once and kept.

It lies in `.cache/environments/` of the checkout and is made by newmodel's own installer from the dependencies of the
rendered projects, so it is made anew when those change. Set `NEWMODEL_TEST_ENV_PYTORCH` or
`NEWMODEL_TEST_ENV_TENSORFLOW` to an environment's folder (or its Python) to use another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import copier
import yaml

from scaffolder.install import create_environment, environment_python, is_unfinished
from scaffolder.install.project_file import dependencies
from scaffolder.install.toml import read_toml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
CACHE = ROOT / ".cache" / "environments"


@cache
def framework_environment(framework: str) -> Path:
    """The Python of the environment for `pytorch` or `tensorflow`; the first call may take minutes."""
    if own := os.environ.get(f"NEWMODEL_TEST_ENV_{framework.upper()}"):
        return environment_python_of(Path(own))
    return kept_environment(framework, project_description(framework))


def kept_environment(name: str, description: str) -> Path:
    """The Python of an environment with the dependencies of a pyproject.toml, made anew when that changes.

    Safe to call from several test processes at once: one makes it, the others wait.
    """
    folder = CACHE / f"{name}-{hashlib.sha256((description + sys.version).encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"{name}.lock"):
        if environment_python(folder).exists() and not is_unfinished(folder):
            return environment_python(folder)
        for outdated in CACHE.glob(f"{name}-*"):
            if outdated != folder:
                shutil.rmtree(outdated)
        folder.mkdir(exist_ok=True)
        (folder / "pyproject.toml").write_text(description, encoding="utf-8")
        return create_environment(folder, package_manager="pip", dependencies_only=True, progress=lambda _news: None)


def project_description(framework: str) -> str:
    """A pyproject.toml with the dependencies of every task together, and where the framework comes from."""
    needed: set[str] = set()
    pythons: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for task in tasks():
            project = Path(folder) / task
            answers = {"framework": framework, "task": task, "accelerator": "cpu"}
            copier.run_copy(str(TEMPLATES), project, data=answers, defaults=True, quiet=True, vcs_ref="HEAD")
            needed.update(dependencies(project))
            pythons.update(read_toml(project / "pyproject.toml")["project"]["requires-python"].split(","))
        text = (project / "pyproject.toml").read_text(encoding="utf-8")
    source = re.search(r"\n# The build of PyTorch.*?\nexplicit = true\n", text, re.DOTALL)
    lines = [
        "[project]",
        'name = "environment"',
        'version = "0"',
        f"requires-python = {json.dumps(','.join(sorted(pythons)))}",
        f"dependencies = {json.dumps(sorted(needed), indent=2)}",
    ]
    return "\n".join(lines) + "\n" + (source.group() if source else "")


def tasks() -> list[str]:
    """The tasks that copier.yml offers."""
    questions = yaml.safe_load((TEMPLATES / "copier.yml").read_text(encoding="utf-8"))
    choices = questions["task"]["choices"].values()
    return [choice["value"] if isinstance(choice, dict) else choice for choice in choices]


def environment_python_of(path: Path) -> Path:
    """A Python, given by itself or by its environment's folder."""
    if path.is_dir():
        return path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    return path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file so that one process at a time gets past here; released when the process ends, however it ends."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:  # it gives up after ten seconds
                    continue
            yield
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield
