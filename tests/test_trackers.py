"""Every tracker: what a project has for it, and what a training logs, read back with the tracker's own means.

Nothing here needs a server, an account or a network.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from answer_matrix import choices, render_project, rendered_as
from extra_environments import extras_environment
from pycharm_executor import PyCharm

FRAMEWORKS = list(choices()["framework"])
#: What a person sees of each: run configuration, package, and what it leaves in the project's folder.
SEEN = {
    "tensorboard": ("TensorBoard", "tensorboard", set()),
    "mlflow": ("MLflow UI", "mlflow", {"mlflow.db", "mlruns"}),
    "wandb": ("W&B runs", "wandb", {"wandb"}),
    "swanlab": ("SwanLab", "swanlab", {"swanlog"}),
}
TRACKERS = [name for name in SEEN if name != "tensorboard"]
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)

#: Prints, as JSON, the points of train_loss of every run by its name: `[[step, value], …]`.
READ = {
    "mlflow": """
import json
from mlflow import MlflowClient
client, found = MlflowClient(), {}
for run in client.search_runs([one.experiment_id for one in client.search_experiments()]):
    points = client.get_metric_history(run.info.run_id, "train_loss")
    found[run.info.run_name] = [[point.step, point.value] for point in points]
    assert run.info.status == "FINISHED"
    assert run.data.params["training.seed"] == "0"
print(json.dumps(found))
""",
    "wandb": """
import json, subprocess, sys
from pathlib import Path
found = {}
for folder in Path("wandb").glob("offline-run-*"):
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    found[run["display_name"]] = [[row["step"], row["train_loss"]] for row in rows if "train_loss" in row]
    assert run["config"]["update"]["training.seed"] == 0
print(json.dumps(found))
""",
    "swanlab": """
import json
from pathlib import Path
from swanboard.db import connect
from swanboard.db.models import Experiment, Tag
connect(autocreate=False, path=str(Path("swanlog").resolve()))
found = {}
for tag in Tag.select().where(Tag.name == "train_loss"):
    run = tag.experiment_id
    lines = (Path("swanlog") / run.run_id / "logs" / tag.folder / "1000.log").read_text().splitlines()
    found[run.name] = [[point["index"], point["data"]] for point in map(json.loads, lines)]
    assert "training.seed" in (Path("swanlog") / run.run_id / "files" / "config.yaml").read_text()
print(json.dumps(found))
""",
}


#: The shortest trainings that log something in each phase.
SHORT = {
    "foundations": {
        "train.py": ["--training.epochs", "2", "--numpy.epochs", "2", "--xor.seeds", "1"],
        "finetune.py": ["--comparison.seeds", "1", "--frozen_epochs", "2", "--training.epochs", "2"],
    },
    "tabular": {
        "train.py": ["--training.epochs", "2"],
        "finetune.py": ["--seeds", "2", "--training.epochs", "2"],
    },
}


def tracked(tracker: str, framework: str = "pytorch", task: str = "foundations") -> Path:
    return rendered_as(f"{tracker}-{framework}-{task}", tracker=tracker, framework=framework, task=task)


def texts(project: Path) -> dict[str, str]:
    return {
        path.relative_to(project).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in project.rglob("*")
        if path.is_file()
    }


def test_every_tracker_that_can_be_chosen_is_here() -> None:
    assert set(SEEN) == set(choices()["tracker"])


@every_framework
@pytest.mark.parametrize("tracker", SEEN)
def test_a_project_shows_its_tracker_and_no_other(tracker: str, framework: str) -> None:
    project = tracked(tracker, framework)
    configuration, package, left = SEEN[tracker]
    names = {file.stem for file in (project / ".idea" / "runConfigurations").glob("*.xml")}
    mine = configuration.replace(" ", "_").replace("&", "_")
    assert {name.replace(" ", "_").replace("&", "_") for name, *_ in SEEN.values()} & names == {mine}
    needed = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{package}' in needed
    assert ('"tensorboard' in needed) == (tracker == "tensorboard" or framework == "tensorflow")
    assert [one for one in TRACKERS if f'"{one}=' in needed] == [tracker] * (tracker in TRACKERS)
    ignored = (project / ".gitignore").read_text(encoding="utf-8")
    (module,) = (project / ".idea").glob("*.iml")
    for name in left:
        assert f"/{name}" in ignored
        assert name.endswith(".db") or f"$MODULE_DIR$/{name}" in module.read_text(encoding="utf-8")
    for other in set(TRACKERS) - {tracker}:
        assert not [
            path for path, text in texts(project).items() if f"import {other}" in text or f"from {other}" in text
        ]


@every_framework
@pytest.mark.parametrize("tracker", TRACKERS)
def test_another_tracker_changes_few_files(tracker: str, framework: str, tmp_path: Path) -> None:
    """So that choosing another one later leaves nearly all of a person's files alone."""
    answers = {"framework": framework, "task": "tabular", "project_name": "demo"}
    old = texts(render_project(tmp_path / "before", **answers))
    new = texts(render_project(tmp_path / "after", **answers, tracker=tracker))
    changed = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    assert {path for path in changed if path.startswith("demo/")} == {
        "demo/tracker.py",
        "demo/tracking.py",
        *(["demo/tracking_callbacks.py"] if framework == "tensorflow" else []),
    }
    tests = {"conftest.py", "test_tracker.py", "test_tracking.py", "test_training.py"}
    assert {path for path in changed if path.startswith("tests/")} <= {f"tests/{name}" for name in tests}
    others = {path for path in changed if not path.startswith(("demo/", "tests/", ".idea/"))}
    assert others == {".copier-answers.yml", ".gitignore", "AGENTS.md", "README.md", "pyproject.toml"}


@pytest.mark.full
@pytest.mark.timeout(1800)
@every_framework
@pytest.mark.parametrize("tracker", TRACKERS)
def test_what_a_training_logs_can_be_read_back(tracker: str, framework: str, tmp_path: Path) -> None:
    task = "tabular" if tracker == "mlflow" else "foundations"
    project = tmp_path / "demo"
    shutil.copytree(tracked(tracker, framework, task), project)
    for script, options in SHORT[task].items():
        run(project, framework, script, *options)
    logged: dict[str, list[tuple[float, float]]] = json.loads(run(project, framework, "-c", READ[tracker]))
    for folder in (project / "runs").iterdir():
        mine = [point for name, points in logged.items() if name.split("/")[0] == folder.name for point in points]
        written = [(row["step"], row["train_loss"]) for file in folder.rglob("history.csv") for row in rows(file)]
        assert len(written) >= 2
        assert [number for point in sorted(mine) for number in point] == pytest.approx(
            [number for point in sorted(written) for number in point]
        )
        # and beside it, what every run leaves
        files = {one.name for one in folder.iterdir()}
        assert {"config.yaml", "environment.json", "metrics.json", "history.csv", "report.html"} <= files
    assert SEEN[tracker][2] & {one.name for one in project.iterdir()}
    # the project's own tests log nothing there
    before = sorted(project.rglob("*"))
    run(
        project,
        framework,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_tracker.py",
        "tests/test_tracking.py",
    )
    assert [path for path in sorted(project.rglob("*")) if path not in before and "__pycache__" not in path.parts] == []


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="the executor needs a terminal as Unix has it")
@pytest.mark.parametrize("tracker", ["mlflow", "swanlab"])
def test_its_run_configuration_shows_the_runs(tracker: str, tmp_path: Path) -> None:
    project = tmp_path / "demo"
    shutil.copytree(tracked(tracker), project)
    run(project, "pytorch", "train.py", *SHORT["foundations"]["train.py"])
    with PyCharm(project, extras_environment("pytorch")).started(SEEN[tracker][0]) as running:
        address = running.wait_for(r"http://[^\s/\x1b]+:\d+", seconds=90).group()
        until = time.monotonic() + 60
        while not (page := page_at(address)):
            assert time.monotonic() < until, f"{address} does not answer"
            time.sleep(0.5)
        assert "<html" in page.lower()
        family = running.family()
        running.stop()
    _gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def page_at(address: str) -> str:
    """What the server answers; nothing while it does not listen yet."""
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return str(response.read().decode("utf-8"))
    except OSError:
        return ""


def rows(file: Path) -> list[dict[str, float]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(lines)]


def run(project: Path, framework: str, *arguments: str, **variables: str) -> str:
    """What a script of the project prints; without the settings and logins of the person who runs the tests."""
    own = ("MLFLOW_", "WANDB_", "SWANLAB_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment |= {"HOME": str(project.parent), "USERPROFILE": str(project.parent), **variables}
    command = [extras_environment(framework), *arguments]
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
