"""The dependencies of each framework's project can be resolved on every Python that it claims."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from answer_matrix import cells, render_project

from scaffolder.catalog import catalog

pytestmark = pytest.mark.full

FRAMEWORKS = sorted({cell["framework"] for cell in cells()})
NETWORK = re.compile(r"connect|dns|timed out|network|Failed to fetch", re.IGNORECASE)


def resolve(project: Path, python: str) -> subprocess.CompletedProcess[str]:
    file = project / "pyproject.toml"
    words = ["uv", "pip", "compile", "--quiet", "--python-version", python, "--python-platform", "linux"]
    # --no-sources: the frameworks' own indexes hold other builds of the same versions
    words += ["--no-sources", "--group", f"{file}:dev", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, encoding="utf-8", check=False, cwd=project
    )
    if done.returncode != 0 and NETWORK.search(done.stderr):
        pytest.skip("the package index cannot be reached")
    return done


def claimed(framework: str) -> list[str]:
    (major, oldest), (_, too_new) = catalog().python_range(framework)
    return [f"{major}.{minor}" for minor in range(oldest, too_new)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_claimed_python_resolves(framework: str, tmp_path: Path) -> None:
    project = render_project(tmp_path / "demo", framework=framework, task="tabular")
    for python in claimed(framework):
        done = resolve(project, python)
        assert done.returncode == 0, f"{framework} on Python {python}:\n{done.stderr}"
        assert re.search(r"^numpy==", done.stdout, re.MULTILINE)
