"""What training shows and writes down: progress bar, a line per validation, history.csv, curves."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import Progress as Bar

from .console import progress, say
from .runs import Run
from .tracking import Tracking

SECONDS_BETWEEN_UPDATES = 0.25


class TrainingLog:
    """Writes for one process; in the others (`quiet`) every method does nothing."""

    def __init__(self, run: Run, bar: Bar, tracking: Tracking | None, *, steps: int, done: int) -> None:
        self.run = run
        self.bar = bar
        self.tracking = tracking
        self.task = bar.add_task("training", total=steps, completed=done)
        self.next_update = 0.0

    def wants_update(self) -> bool:
        """Whether to show the loss again. Not after every step: to read it, the CPU waits for the GPU."""
        return self.tracking is not None and time.monotonic() >= self.next_update

    def update(self, epoch: int, step: int, *, loss: float, norm: float, rate: float) -> None:
        """Show where training is: loss, norm of the gradient before clipping, learning rate of this step."""
        self.next_update = time.monotonic() + SECONDS_BETWEEN_UPDATES
        self.bar.update(
            self.task, completed=step, description=f"epoch {epoch}  loss {loss:.4g}  norm {norm:.2g}"
        )
        self.bar.refresh()
        if self.tracking:
            drawn = {"loss/step": loss, "gradient_norm/step": norm, "learning_rate/step": rate}
            if not math.isfinite(norm):  # a step in float16 that was not taken
                del drawn["gradient_norm/step"]
            self.tracking.log(drawn, step)

    def row(self, row: Mapping[str, Any], best: bool) -> None:
        """Write down a row of the history."""
        if self.tracking is None:
            return
        loss = f"loss {row['train_loss']:.4g}"
        epoch, step = row["epoch"], row["step"]
        number = epoch if isinstance(epoch, int) else f"{epoch:.3g}"
        self.bar.update(self.task, completed=step, description=f"epoch {number}  {loss}")
        self.run.log(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})
        drawn = ("train_loss", "validation_loss", "gradient_norm", "learning_rate", "tokens_per_second")
        self.tracking.log({name: row[name] for name in drawn if name in row}, row["step"])
        validation = f"  validation {row['validation_loss']:.4g}" if "validation_loss" in row else ""
        speed = f"  {row['tokens_per_second']:,.0f} tokens/s" if "tokens_per_second" in row else ""
        norm = f"  norm {row['gradient_norm']:.2g}"
        place = f"epoch {epoch:3}" if isinstance(epoch, int) else f"step {step} (epoch {number})"
        say(f"{place}  {loss}{validation}{norm}{speed}{'  best' if best else ''}")


@contextmanager
def training_log(run: Run, *, phase: str, quiet: bool, steps: int, done: int) -> Iterator[TrainingLog]:
    """Open bar and files for a training of `steps` optimizer steps, of which `done` are done."""
    bar = progress()
    bar.disable = quiet
    bar.live.auto_refresh = False  # a second thread that draws would slow short steps down; `update` draws
    tracking = None if quiet else Tracking(run, phase, done=done)
    with bar:
        yield TrainingLog(run, bar, tracking, steps=steps, done=done)
    if tracking:
        tracking.finish()
