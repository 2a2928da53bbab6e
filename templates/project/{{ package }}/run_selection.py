"""Which run a stage works on: a new one, one to go on with, or one that holds a trained model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from .config_file import to_yaml
from .console import say
from .errors import UserError
from .processes import FIRST_PROCESS, scratch_folder
from .runs import RUNS, Run, age, latest_run, new_run, open_run, write_atomically
from .settings import settings_of

MODEL = "model"  # folder in a run: what is needed to predict
RECORDS = ("config.yaml", "environment.json", "history.csv")
FIXED = ("training.batch_size", "training.accumulation_steps", "training.seed")  # which rows a step sees


def start(stage: str, config: object, resume: str) -> Run:
    """A new run, or the one to go on with, which then records the settings that have changed."""
    if not resume:
        return new_run(stage, config)
    run = run_to_resume(stage, resume)
    run = run if FIRST_PROCESS else copy_aside(run)
    note_changes(run, config)
    return run


def run_to_resume(stage: str, name: str) -> Run:
    """The run of this name, or the newest one of `stage` for `latest`. Raises UserError."""
    run = latest_run(stage, holding="checkpoints") if name == "latest" else open_run(name)
    if run.stage != stage:
        folder = run.folder.as_posix()
        raise UserError(f"{folder} is a {run.stage} run: {stage}.py resumes {stage} runs only.")
    return run


def note_changes(run: Run, config: Any) -> None:
    """Say and record with which settings a run goes on. Raises UserError for one that may not change."""
    names = [name for name in settings_of(type(config)) if name != "training.resume"]
    own = run.read_config(type(config))
    pairs = {name: (attrgetter(name)(own), attrgetter(name)(config)) for name in names}
    changed = {name: (before, now) for name, (before, now) in pairs.items() if before != now}
    for name in FIXED:
        if name in changed:
            before, now = changed[name]
            raise UserError(cannot_change(run.folder, name, before, now))
    but = ", ".join(f"{name} {now} instead of {before}" for name, (before, now) in changed.items())
    say(f"Resuming {run.folder.as_posix()} with its own settings{', but ' if but else ''}{but}.")
    if changed:
        write_atomically(run.folder / "config.yaml", to_yaml(config))


def check_same_rows(file: Path, before: Mapping[str, int], now: Mapping[str, int]) -> None:
    """Raise UserError where the steps after a checkpoint, `file`, would see other rows than they should.

    Both hold the number of `rows`, perhaps their `weight` in all, and the settings that decide their order.
    """
    for name, value in now.items():
        if value == before[name]:
            continue
        if name not in ("rows", "weight"):
            raise UserError(cannot_change(file, f"training.{name}", before[name], value))
        what = "examples" if name == "rows" else "tokens"
        raise UserError(
            f"The data to learn from have changed since {file.as_posix()} was saved: they were "
            f"{before[name]:,} {what} and are now {value:,}. Take the same data, or begin a new run without "
            "--training.resume."
        )


def cannot_change(place: Path, name: str, before: object, now: object) -> str:
    """Why a training does not go on with another value of this setting, and what to do."""
    return (
        f"{place.as_posix()} was begun with {name} {before}, which cannot become {now}: "
        f"leave {name} out, or begin a new run without --training.resume."
    )


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
