"""Which batch broke the loss, found out without waiting for the device at every step."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from .batches import Plan

SHOWN_ROWS = 8  # of a batch that went wrong


class RecentLosses:
    """The losses since training was last known to be sound."""

    def __init__(self) -> None:
        self.losses: deque[tuple[int, Tensor]] = deque(maxlen=1000)

    def add(self, step: int, loss: Tensor) -> None:
        """Keep the loss of a batch of optimizer step `step`; it is not looked at."""
        self.losses.append((step, loss.detach()))

    def clear(self) -> None:
        """Forget all: they were sound."""
        self.losses.clear()

    def first_broken(self, plan: Plan, dataset: Dataset[Any]) -> str:
        """The end of a sentence that names the first step whose loss was no number, and its rows; or nothing.

        A data set may have a method `describe(rows)` that says more than row numbers.
        """
        step = next((step for step, loss in self.losses if not math.isfinite(float(loss))), None)
        if step is None:
            return ""
        rows = plan.rows_of_step(step).tolist()
        describe = getattr(dataset, "describe", describe_rows)
        return f"; first in step {step + 1}, which saw {describe(rows)} of the training data"


def describe_rows(rows: list[int]) -> str:
    """Name some of the rows."""
    more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    return f"rows {', '.join(map(str, rows[:SHOWN_ROWS]))}{more}"
