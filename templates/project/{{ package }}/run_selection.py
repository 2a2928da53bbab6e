"""Which run a stage works on: a new one, one to go on with, or one that holds a trained model."""

from __future__ import annotations

import shutil

from .errors import UserError
from .processes import FIRST_PROCESS, scratch_folder
from .runs import RUNS, Run, age, latest_run, new_run, open_run

MODEL = "model"  # folder in a run: what is needed to predict
RECORDS = ("config.yaml", "environment.json", "history.csv")


def start(stage: str, config: object, resume: str) -> Run:
    """A new run, or the one to go on with."""
    if not resume:
        return new_run(stage, config)
    run = latest_run(stage, holding="checkpoints") if resume == "latest" else open_run(resume)
    return run if FIRST_PROCESS else copy_aside(run)


def copy_aside(run: Run) -> Run:
    """The run for a further process, which reads the same and writes elsewhere."""
    folder = scratch_folder() / run.folder.name
    for name in RECORDS:
        for file in run.folder.rglob(name):
            copy = folder / file.relative_to(run.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    return Run(folder, run.stage)


def find_run(name: str, *stages: str) -> Run:
    """Open the run of this name, or the newest one of these stages for `latest`. Raises UserError."""
    if name != "latest":
        return open_run(name)
    found = []
    for stage in stages:
        try:
            found.append(latest_run(stage, holding=MODEL))
        except UserError as error:
            missing = error
    if not found and len(stages) > 1:
        first, second = (f"{stage}.py" for stage in stages[:2])
        raise UserError(f"{RUNS.resolve()} has no run with a {MODEL} yet: run {first} first, or {second}.")
    if not found:
        raise missing
    return max(found, key=lambda run: (not run.environment().get("trial"), age(run.folder)))
