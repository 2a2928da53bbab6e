"""The dependencies of each framework's project can be resolved on every Python that it claims."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from answer_matrix import cells, render_project

from scaffolder.catalog import catalog
from scaffolder.install.toml import read_toml

pytestmark = pytest.mark.full

CELLS = [(cell["framework"], cell["task"]) for cell in cells() if cell["task"] in ("tabular", "llm")]
NETWORK = re.compile(r"connect|dns|timed out|network|Failed to fetch", re.IGNORECASE)


def resolve(project: Path, python: str) -> subprocess.CompletedProcess[str]:
    file = project / "pyproject.toml"
    words = ["uv", "pip", "compile", "--quiet", "--python-version", python, "--python-platform", "linux"]
    # --no-sources: the frameworks' own indexes hold other builds of the same versions
    groups = read_toml(file)["dependency-groups"]
    words += ["--no-sources", *(word for name in groups for word in ("--group", f"{file}:{name}")), str(file)]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, encoding="utf-8", check=False, cwd=project
    )
    if done.returncode != 0 and NETWORK.search(done.stderr):
        pytest.skip("the package index cannot be reached")
    return done


def claimed(framework: str, task: str) -> list[str]:
    (major, oldest), (_, too_new) = catalog().python_range(framework, task)
    return [f"{major}.{minor}" for minor in range(oldest, too_new)]


@pytest.mark.parametrize(("framework", "task"), CELLS)
def test_every_claimed_python_resolves(framework: str, task: str, tmp_path: Path) -> None:
    # with everything that a project can ask for: another source of models, weights of 4 bits
    more = {"base_model": "qwen3-0.6b", "hub": "modelscope", "accelerator": "cuda"} if task == "llm" else {}
    project = render_project(tmp_path / "demo", framework=framework, task=task, **more)
    for python in claimed(framework, task):
        done = resolve(project, python)
        assert done.returncode == 0, f"{framework}, {task} on Python {python}:\n{done.stderr}"
        assert re.search(r"^numpy==", done.stdout, re.MULTILINE)
