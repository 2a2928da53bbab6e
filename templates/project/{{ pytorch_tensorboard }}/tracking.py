"""What the loop logs, as TensorBoard's files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping

from torch.utils.tensorboard import SummaryWriter

from .runs import Run


class Tracking:
    """The curves of one training; `done` of its steps were taken before it was stopped."""

    def __init__(self, run: Run, phase: str = "", *, done: int = 0) -> None:
        folder = run.path("tensorboard") / phase
        self.writer = SummaryWriter(folder, purge_step=done + 1 if done else None)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Draw a point for each metric, after so many steps."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def finish(self) -> None:
        """Close the file."""
        self.writer.close()
