"""Why is training slow? What one step costs, and what holds it up most, told by what a change could save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Cause = Literal["data_loading", "single_worker", "small_batch", "logging", "precision", "host", "device"]

WORTH_WHILE = 0.15
"""Share of a step that a change must be able to save before it is advised first."""

LARGER = 4
"""How many times larger the batch is with which is tried whether larger batches are faster."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What an optimizer step costs on average, in milliseconds of time that passes; no two parts overlap."""

    step: float

    data: float
    """Nothing could go on, because the next batch was not there yet."""

    device: float
    """Computing: operations on a CPU, kernels on a GPU. The rest of the step is the host: Python, the
    optimizer's loop over the weights, starting operations, waiting for a result."""

    logging: float = 0.0
    """Of the host's time: showing, writing down and saving."""

    rows: int
    """Rows per step."""

    fetch: float = 0.0
    """One process, by itself, needs so long to fetch the batches of a step."""

    fetch_computing: float = 0.0
    """Of `fetch`: time in which the processor worked. In the rest it waited, for a disk or a network."""

    workers: int = 0
    """Processes or threads that fetch besides the training process."""

    passes: float = 0.0
    """Of a step: its forward and backward passes."""

    growth: float | None = None
    """How many times longer these take with batches that are LARGER times as large; None: not tried."""

    precision: str = "float32"
    bfloat16_chip: str = ""
    """Name of the device if it computes faster in bfloat16; empty for others."""

    @property
    def host(self) -> float:
        return max(self.step - self.data - self.device, 0.0)

    @property
    def shares(self) -> dict[str, float]:
        """Data, host and device in percent of a step."""
        parts = {"data": self.data, "host": self.host, "device": self.device}
        return {name: 100 * part / (sum(parts.values()) or 1.0) for name, part in parts.items()}

    @property
    def samples_per_second(self) -> float:
        return 1000 * self.rows / self.step

    @property
    def waits_for_a_disk(self) -> bool:
        """Whether fetching is mostly waiting; otherwise it is mostly work for the processor."""
        return self.fetch_computing < self.fetch / 3


def savings(cost: StepCost) -> dict[Cause, float]:
    """For each cause the share of a step, 0 to 1, that mending it could save at most, the largest first."""
    slow_data: Cause = "data_loading" if cost.waits_for_a_disk or cost.workers > 1 else "single_worker"
    found: dict[Cause, float] = {slow_data: cost.data, "logging": cost.logging}
    if cost.growth is not None:
        # What is left of a step, such as the optimizer, costs the same however many rows it has.
        rest = max(cost.step - cost.data - cost.logging - cost.passes, 0.0)
        found["small_batch"] = rest + cost.passes - (rest + cost.passes * cost.growth) / LARGER
    if cost.precision == "float32" and cost.bfloat16_chip:
        found["precision"] = cost.device / 2  # half the bytes to move, twice the operations per second
    found["host"] = (cost.host - cost.logging) / 2
    shares = {cause: min(max(saved / cost.step, 0.0), 1.0) for cause, saved in found.items()}
    return dict(sorted(shares.items(), key=lambda item: item[1], reverse=True))


def causes(cost: StepCost) -> list[Cause]:
    """What to change, the most worth-while first; `device` where the computation itself takes the time."""
    worth: list[Cause] = [cause for cause, share in savings(cost).items() if share >= WORTH_WHILE]
    if "small_batch" in worth and "host" in worth:  # the same time, and a larger batch is the way to save it
        worth.remove("host")
    return worth or ["device"]


def workers_needed(cost: StepCost) -> int:
    """How many processes fetch as fast as the model computes; no more than cores, where each needs one."""
    needed = -(-cost.fetch // max(cost.step - cost.data, 0.01))
    return int(min(max(needed, 2), 16 if cost.waits_for_a_disk else max(usable_cores(), 1)))


def usable_cores() -> int:
    """Processor cores that this process may use, also within a container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="utf-8").split()
        return min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return cores
