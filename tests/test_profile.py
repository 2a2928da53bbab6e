"""`train.py --profile` names the right cause of slow training, in trainings that were made slow for one reason each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from answer_matrix import choices, rendered_as
from environments import framework_environment

PLANTED = {
    "slow disk": "data_loading",
    "heavy work, no worker": "single_worker",
    "heavy work, one worker": "single_worker",  # PyTorch's loader only: Keras has no worker processes
    "tiny batch": "small_batch",
    "large batch": "device",  # nothing is wrong
    "logging": "logging",
}

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


def run(framework: str, project: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONUTF8": "1"}
    command = [framework_environment(framework), *arguments]
    finished = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]


@pytest.mark.parametrize("framework", choices()["framework"])
def test_planted_causes_are_named(framework: str, tmp_path: Path) -> None:
    project = shutil.copytree(rendered_as("demo", framework=framework, task="tabular"), tmp_path / "demo")
    script = Path(__file__).with_name(f"planted_{framework}.py")
    found: dict[str, Any] = {}
    for attempt in range(3):  # times are measured: other work on the machine may spoil them, but not each time
        (tmp_path / f"found{attempt}").mkdir()
        run(framework, project, str(script), str(tmp_path / f"found{attempt}"))
        found = json.loads((tmp_path / f"found{attempt}" / "found.json").read_text(encoding="utf-8"))
        if all(profile["cause"] == PLANTED[case] for case, profile in found.items()):
            break
    assert {case: profile["cause"] for case, profile in found.items()} == {case: PLANTED[case] for case in found}
    for case, profile in found.items():
        assert sum(profile["shares"].values()) == pytest.approx(100), case
        assert profile["samples_per_second"] == pytest.approx(1000 * profile["rows_per_step"] / profile["step_ms"])
    assert found["slow disk"]["shares"]["data"] > 50
    assert found["large batch"]["shares"]["device"] > 60
    assert found["logging"]["shares"]["host"] > 50
    hints = {"pytorch": "training.num_workers", "tensorflow": ".cache()"}
    assert hints[framework] in found["slow disk"]["advice"][0]
    assert "training.batch_size" in found["tiny batch"]["advice"][0]


@pytest.mark.parametrize("framework", choices()["framework"])
def test_profile_of_a_whole_project(framework: str, tmp_path: Path) -> None:
    project = shutil.copytree(rendered_as("demo", framework=framework, task="foundations"), tmp_path / "demo")
    run(framework, project, "train.py", "--profile")
    (folder,) = (project / "runs").glob("train-*")
    summary = json.loads((folder / "profile" / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["shares"]) == {"data", "host", "device"}
    assert summary["advice"]
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "Where the time goes" in report
    assert f"Change first: {summary['advice'][0]}"[:60] in report
    assert json.loads((folder / "environment.json").read_text(encoding="utf-8"))["trial"]
