"""A run folder: everything that one command read and made, so that its result can be explained a year later.

runs/train-20260131-142501/
    config.yaml        the whole configuration
    environment.json   versions, platform, device, seed, command, commit, fingerprint of the data
    metrics.json       the result
    history.csv        one row per epoch, or validation
    tensorboard/  checkpoints/best  checkpoints/last  plots/*.png  report.html
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .config_file import closest, load_config, to_yaml
from .console import say
from .environment import describe_environment
from .errors import UserError
from .processes import FIRST_PROCESS, scratch_folder

Config = TypeVar("Config")
RUNS = Path("runs")
NAME = re.compile(r"(?P<stage>.+)-(?P<time>\d{8}-\d{6})(?:-(?P<number>\d+))?")


@dataclass(frozen=True)
class Run:
    """One run folder and the stage (train, finetune, eval, predict) that made it."""

    folder: Path
    stage: str

    def path(self, name: str) -> Path:
        """Return the path of a file in the run, whose folder is made if it is missing."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def read_config(self, config_class: type[Config]) -> Config:
        """Return the configuration that the run was started with. Raises UserError."""
        return load_config(config_class, self.folder / "config.yaml")

    def record_environment(self, **facts: object) -> None:
        """Add facts to `environment.json`, such as `device="cuda:0"`."""
        write_json(self.folder / "environment.json", {**self.environment(), **facts})

    def record_data(self, fingerprint: str | Mapping[str, object]) -> None:
        """Note which data the run saw: a hash, or several facts with it."""
        self.record_environment(data=fingerprint)

    def environment(self) -> dict[str, Any]:
        """Return what `environment.json` holds."""
        return read_json(self.folder / "environment.json")

    def save_metrics(self, metrics: Mapping[str, object]) -> None:
        """Write `metrics.json`; NaN and infinity, which JSON lacks, become null."""
        write_json(self.folder / "metrics.json", metrics)

    def metrics(self) -> dict[str, Any]:
        """Return what `metrics.json` holds; empty where the run did not end."""
        return read_json(self.folder / "metrics.json")

    def resume_command(self, start: Sequence[str] = ("python",)) -> str:
        """Return the command that goes on with this run, whose settings are in its folder."""
        # A run has config.yaml; a training with one of several seeds has a folder of its own within the run.
        places = (self.folder, *self.folder.parents)
        folder = next((place for place in places if (place / "config.yaml").exists()), self.folder)
        return shlex.join([*start, f"{self.stage}.py", "--training.resume", folder.as_posix()])

    def log(self, epoch: float, values: Mapping[str, float]) -> None:
        """Write the row of an epoch, or of a part of one such as 0.25, to `history.csv`.

        A resumed run replaces the rows it makes again.
        """
        rows = [row for row in self.history() if row["epoch"] < epoch]
        row = {"epoch": epoch, **{name: float(value) for name, value in values.items()}}
        self._write_history([*rows, row])

    def forget(self, epoch: float) -> None:
        """Drop the rows after `epoch` from `history.csv`: a training that goes on will make them again."""
        rows = self.history()
        if any(row["epoch"] > epoch for row in rows):
            self._write_history([row for row in rows if row["epoch"] <= epoch])

    def _write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.folder / "history.csv", text.getvalue())

    def history(self) -> list[dict[str, float]]:
        """Return the rows of `history.csv`, oldest first; empty where there is none yet."""
        file = self.folder / "history.csv"
        if not file.exists():
            return []
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [
                {name: float(text) for name, text in row.items() if text} for row in csv.DictReader(lines)
            ]
        return [{**row, "epoch": whole_number(row["epoch"])} for row in rows]


def whole_number(value: float) -> float:
    """The same number, as an int where it is one."""
    return int(value) if value.is_integer() else value


def new_run(stage: str, config: Any) -> Run:
    """Make `runs/<stage>-<time>/` and record configuration and environment there.

    Two runs that start in the same second get different folders: making one that exists fails, and the next
    number is tried.
    """
    name = f"{stage}-{time.strftime('%Y%m%d-%H%M%S')}"
    parent = RUNS if FIRST_PROCESS else scratch_folder()
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        write_atomically(folder / "config.yaml", to_yaml(config))
        write_json(folder / "environment.json", {"stage": stage, **describe_environment(config)})
        return Run(folder, stage)
    raise UserError(f"{RUNS.resolve()} already holds 999 runs named {name}; wait a second.")


def open_run(folder: str | Path) -> Run:
    """Open a run folder, given by path or by its name in `runs/`. Raises UserError."""
    path = Path(folder)
    if not path.exists() and (RUNS / path).exists():
        path = RUNS / path
    if not (path / "config.yaml").is_file():
        near = closest(path.name, [run.name for run in RUNS.glob("*")])
        hint = f"; nearest: {RUNS / near}" if near else ""
        raise UserError(f"{folder} is not a run folder (it has no config.yaml){hint}.")
    match = NAME.fullmatch(path.name)
    return Run(
        path, read_json(path / "environment.json").get("stage") or (match["stage"] if match else path.name)
    )


def latest_run(stage: str, holding: str = "") -> Run:
    """Return the newest run of a stage that has the file or folder `holding`, such as `checkpoints/best`.

    A run that was only a trial (overfit, dry run) is taken only where there is no real one. Raises UserError.
    """
    runs = [
        Run(folder, stage)
        for folder in sorted(RUNS.glob(f"{stage}-*"), key=age)
        if (match := NAME.fullmatch(folder.name)) and match["stage"] == stage and (folder / holding).exists()
    ]
    real = [run for run in runs if not run.environment().get("trial")]
    if not runs:
        script = {"evaluate": "eval"}.get(stage, stage)
        what = f" with {holding}" if holding else ""
        raise UserError(f"There is no {stage} run{what} in {RUNS.resolve()}: run {script}.py first.")
    chosen = (real or runs)[-1]
    if chosen is not runs[-1]:
        say(
            f"{chosen.folder.as_posix()} is taken: {runs[-1].folder.as_posix()} is newer, but only a trial "
            "(max_steps, overfit_batches); name it to take it."
        )
    return chosen


def age(folder: Path) -> tuple[str, int]:
    """Order run folders by the time in their name, then by their number."""
    match = NAME.fullmatch(folder.name)
    return (match["time"], int(match["number"] or 1)) if match else ("", 0)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file; empty where it does not exist."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON that people can read."""
    write_atomically(
        path, json.dumps(jsonable(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )


def jsonable(value: Any) -> Any:
    """Turn NumPy's and other numbers, paths and mappings into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if value is None or isinstance(value, str | int) else str(value)


def write_atomically(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file so that a reader, or a power cut, sees the old text or the new, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding=encoding, newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner can read
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
