"""What training logs, handed to a tracker: beside the files in runs/, never in their place.

Each training of a run (a phase of fine-tuning, one of several seeds) is a run of its own in the tracker. The
run folder keeps its id in tracker.json, so that a training that goes on is shown as one. Whatever is wrong
with the tracker (no server, no login, a full disk) is said in one line, and training goes on without it.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import yaml

from .console import say
from .runs import Run, read_json, write_json
from .tracker import NAME, Tracker

PROJECT = Path(__file__).parent.name
"""What the runs stand under in the tracker, unless its own environment variable says otherwise."""


class Tracking:
    """One training in the tracker; `done` of its steps were taken before it was stopped."""

    def __init__(self, run: Run, phase: str = "", *, done: int = 0) -> None:
        self.run = run
        self.tracker: Tracker | None = None
        file = run.path("tracker.json")
        ids = read_json(file)
        whole = whole_run(run.folder)
        with self.forgiven():
            self.tracker = Tracker(
                PROJECT,
                (Path(whole.name) / run.folder.relative_to(whole) / phase).as_posix(),
                group=whole.name,
                config=settings_of(whole),
                known=ids.get(phase, "") if done else "",
            )
            write_json(file, {**ids, phase: self.tracker.id})
        atexit.register(self.finish, whole=False)  # for a training that ends in the middle

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Hand over the metrics after so many steps."""
        with self.forgiven():
            if self.tracker:
                self.tracker.log({name: float(value) for name, value in metrics.items()}, step)

    def finish(self, whole: bool = True) -> None:
        """Hand over what is left, once; `whole` tells whether training came to its end."""
        atexit.unregister(self.finish)
        with self.forgiven():
            if self.tracker:
                self.tracker.finish(whole)
        self.tracker = None

    @contextmanager
    def forgiven(self) -> Iterator[None]:
        """Within this block a mistake of the tracker ends tracking, and nothing else."""
        try:
            yield
        except Exception as error:
            self.tracker = None
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reason = shorten(lines[0], width=160, placeholder=" …")
            say(f"Goes on without {NAME} ({reason}); all figures are in {self.run.folder / 'history.csv'}.")


def whole_run(folder: Path) -> Path:
    """The folder with config.yaml: a training with one of several seeds has a folder within it."""
    places = (folder, *folder.parents)
    return next((place for place in places if (place / "config.yaml").exists()), folder)


def settings_of(folder: Path) -> dict[str, Any]:
    """The settings that a run was started with, by their dotted names."""
    file = folder / "config.yaml"
    return flat(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.exists() else {}


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Sections and what is below them as one dictionary, as `--training.epochs` is written."""
    values: dict[str, Any] = {}
    for name, value in settings.items():
        values |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values
