"""Each run configuration of each cell, run as PyCharm would, in the order in which a person presses them.

It must end well and leave what it promises; TensorBoard must answer, stop when asked and leave no process behind.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from answer_matrix import cells, label, rendered_as
from environments import framework_environment
from language_model_checks import check_language_model
from pycharm_executor import Finished, PyCharm, Running

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(sys.platform == "win32", reason="the executor needs a terminal as Unix has it"),
]

#: A configuration that takes longer hangs. A stage takes less than a minute on two idle cores, of a language model
#: three; tests rarely have them.
SECONDS = 1200
#: TensorBoard answers within this time of being started, and is gone within the other of being stopped.
ANSWERS_WITHIN, STOPS_WITHIN = 60, 15


class Project:
    """A rendered cell that is being worked with."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self.pycharm = PyCharm(folder, python)
        self.seconds: dict[str, float] = {}

    def press(self, name: str) -> list[Path]:
        """Run a configuration; returns the run folders that it made, oldest first."""
        before, started = self.run_folders(), time.monotonic()
        check(name, self.pycharm.run(name, SECONDS))
        self.seconds[name] = round(time.monotonic() - started, 1)
        return [folder for folder in self.run_folders() if folder not in before]

    def shorten(self) -> None:
        """Ask for less of the same, as a person would who has seen that it works."""
        for stage in ("train", "finetune"):
            path = self.folder / "configs" / f"{stage}.yaml"
            settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            settings["training"]["epochs"] = 2
            settings |= {name: few for name, few in {"seeds": 2, "compare_full": False}.items() if name in settings}
            path.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")

    def run_folders(self) -> list[Path]:
        return sorted(self.folder.glob("runs/*"), key=lambda folder: (folder.stat().st_mtime_ns, folder.name))


def check(name: str, finished: Finished) -> None:
    assert finished.exit_code == 0, f"{name} ended with exit code {finished.exit_code}:\n{finished.output}"
    assert "Traceback" not in finished.output, finished.output


def metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content


def assert_trained(folder: Path) -> None:
    """What a run that trains leaves."""
    names = ["config.yaml", "environment.json", "metrics.json", "history.csv", "report.html"]
    assert [name for name in [*names, "tensorboard", "plots"] if not (folder / name).exists()] == []
    # fine-tuning has a pair for each of its phases
    assert list(folder.glob("checkpoints/**/best")), sorted(folder.rglob("*"))
    assert list(folder.glob("checkpoints/**/last"))
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file))
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "<img" in report or "<svg" in report
    assert 'src="http' not in report, "a report needs nothing but itself"


def project_of(cell: dict[str, Any], target: Path) -> Project:
    """The cell under an awkward name: a space and an ampersand in the path, Chinese too."""
    shutil.copytree(rendered_as("我的 R&D model", **cell), target)
    return Project(target, framework_environment(cell["framework"]))


@pytest.mark.timeout(4500)
@pytest.mark.parametrize("cell", cells(), ids=label)
def test_every_run_configuration(cell: dict[str, Any], tmp_path: Path) -> None:
    project = project_of(cell, tmp_path / "我的 R&D model")

    assert project.press("Check environment") == []

    (trained,) = project.press("Train")
    assert_trained(trained)
    assert metrics(trained)["stage"] == "train"

    (evaluated,) = project.press("Evaluate")
    assert metrics(evaluated)["stage"] == "evaluate"
    assert (evaluated / "report.html").stat().st_size > 1000

    (finetuned,) = project.press("Fine-tune")
    assert_trained(finetuned)
    assert_better(metrics(finetuned))

    (evaluated_again,) = project.press("Evaluate")
    assert metrics(evaluated_again)["run"] == finetuned.relative_to(project.folder).as_posix()

    (predicted,) = project.press("Predict")
    (predictions,) = predicted.glob("predictions.*")
    with predictions.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert any(name.startswith("prediction") for name in rows[0])

    (overfitted,) = project.press("Overfit one batch")
    losses = history(overfitted, "train_loss")
    assert losses[-1] < losses[0] / 2, f"one batch is not learned by heart: {losses[0]} → {losses[-1]}"

    (profiled,) = project.press("Profile")
    assert (profiled / "profile" / "summary.json").exists()

    if cell["task"] == "llm":
        check_language_model(project, cell["framework"])

    project.shorten()
    flow = project.press("Whole flow")
    assert Counter(metrics(folder)["stage"] for folder in flow) == {"train": 1, "finetune": 1, "evaluate": 2}

    assert project.press("Tests") == [], "the project's tests leave runs in the project"

    check_tensorboard(project)
    check("green arrow", Running(project.pycharm.green_arrow("eval.py")).finish(SECONDS))
    print(f"\n{label(cell)}: seconds {project.seconds}")


def assert_better(values: dict[str, Any]) -> None:
    """The fine-tuned model beats the one before and any from scratch, by the metric that decides."""
    name, sign = values["better"]["metric"], 1 if values["better"]["higher_is_better"] else -1
    after = sign * values["after"][name]
    assert after > sign * values["before"][name]
    if "from_scratch" in values:
        assert after > sign * values["from_scratch"]["mean"][name]


def history(folder: Path, column: str) -> list[float]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def check_tensorboard(project: Project) -> None:
    started = time.monotonic()
    with project.pycharm.started("TensorBoard") as running:
        address = running.wait_for(r"http://[^\s/]+:\d+/", ANSWERS_WITHIN).group()
        # the address is printed just before the server is ready to answer
        runs = answer(address + "data/runs", started + ANSWERS_WITHIN)
        # the event files are read in the background
        while not runs and time.monotonic() < started + ANSWERS_WITHIN:
            time.sleep(0.5)
            runs = answer(address + "data/runs", started + ANSWERS_WITHIN)
        assert any(run.startswith("train-") for run in runs), runs
        family = running.family()
        running.stop()
        finished = running.finish(STOPS_WITHIN)
        assert finished.exit_code in (0, -2, 130), finished.output
        assert "Traceback" not in finished.output
    _gone, alive = psutil.wait_procs(family, timeout=STOPS_WITHIN)
    assert alive == []


def answer(address: str, until: float) -> Any:
    """What the server answers, as JSON; asked again while it does not listen yet."""
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                return json.load(response)
        except OSError:  # noqa: PERF203 - asking again is the point
            assert time.monotonic() < until, f"{address} does not answer"
            time.sleep(0.2)


@pytest.mark.parametrize("script", ["check_environment.py", "predict.py"])
def test_green_arrow_says_what_to_do_first(script: str, tmp_path: Path) -> None:
    """Before anything was trained: a check works, a later stage says in one line what comes first."""
    (cell, *_) = cells()
    project = project_of(cell, tmp_path / "fresh")
    finished = Running(project.pycharm.green_arrow(script)).finish(SECONDS)
    if script == "check_environment.py":
        check(script, finished)
    else:
        assert finished.exit_code == 2
        assert re.search(r"run \w+\.py first", finished.output)
        assert "Traceback" not in finished.output
