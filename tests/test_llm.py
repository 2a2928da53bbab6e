"""The language model project of PyTorch against the libraries that it must agree with: the scripts in llm_checks/.

Each runs within a rendered project, in the framework's environment, and ends with 0 when all is well. They take longer
than a project's own tests should, or need what a project need not have installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from answer_matrix import rendered_as
from environments import framework_environment

CHECKS = sorted(Path(__file__).with_name("llm_checks").glob("check_*.py"))
SECONDS = 900

pytestmark = [pytest.mark.full, pytest.mark.timeout(SECONDS + 300)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.stem)
def test_agreement(check: Path, tmp_path: Path) -> None:
    project = shutil.copytree(rendered_as("demo", framework="pytorch", task="llm"), tmp_path / "demo")
    folders = [str(project), str(project / "tests")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    finished = subprocess.run(
        [framework_environment("pytorch"), str(check)],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-6000:] + finished.stderr[-2000:]
