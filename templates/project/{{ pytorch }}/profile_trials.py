"""What a profile finds out after the last step: how long rows take to fetch, and whether larger batches pay.

Nothing here changes the result: the optimizer takes no step, and the best weights are loaded afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import concatenate, send_to_device
from torch.utils.data import Dataset

from .batches import Batch, FetchedBatches, Plan
from .batches import fetch as fetch_rows
from .profile_advice import advise
from .profile_report import write_profile
from .profiling import (
    BACKWARD,
    DATA,
    FORWARD,
    LOGGING,
    PARTS,
    SAVING,
    Profile,
    device_time,
    too_short,
)
from .slow_causes import LARGER, StepCost
from .training_config import TrainingConfig
from .trials import compare

FETCHED_STEPS = 3


def finish_profile(
    profile: Profile,
    config: TrainingConfig,
    train: Dataset[Any],
    plan: Plan,
    passes: Callable[[Any, Any], object],
    *,
    step: int,
) -> None:
    """Write the profile of a training that has come to `step`.

    `passes` takes inputs and targets of a batch forward and backward. Where several processes train, larger
    batches are not tried out: all would have to take part.
    """
    trace, steps = profile.trace, len(profile.timed)
    if trace is None or not steps:
        too_short()
        return
    fetch, fetch_computing, rows, batch = fetching(train, plan, step)
    one = growth = None
    if plan.processes == 1 and LARGER * plan.batch_size <= plan.rows:
        # Rows of unequal weight are no tensors that could be put one under another: they are fetched again.
        larger = concatenate([batch] * LARGER) if plan.weights is None else fetch_rows(train, rows * LARGER)
        one, growth = try_larger(profile, passes, batch, larger)

    duration = 1000 * sum(profile.timed) / steps
    logging = profile.milliseconds(LOGGING) + profile.milliseconds(SAVING)
    data = profile.milliseconds(DATA)
    if profile.device.type == "cuda":  # the GPU may have had work to do meanwhile
        data, logging = min(data, trace.data), min(logging, trace.logging)
    device = device_time(profile, trace, step=duration, data=data, logging=logging)
    passing = profile.milliseconds(FORWARD) + profile.milliseconds(BACKWARD)
    if one and profile.device.type != "cpu":  # forward and backward only hand their work to the device
        passing = min(config.accumulation_steps * one, duration - data - logging)
    if growth and profile.device.type not in ("cpu", "cuda"):
        device = passing * min(max(growth - 1, 0.0) / (LARGER - 1), 1.0)
    cost = StepCost(
        step=duration,
        data=data,
        device=device,
        logging=logging,
        rows=plan.batch_size * config.accumulation_steps,
        fetch=fetch,
        fetch_computing=fetch_computing,
        workers=config.num_workers,
        passes=passing,
        growth=growth,
        precision=config.precision,
        bfloat16_chip=bfloat16_chip(profile.device),
    )
    parts = {name: profile.milliseconds(name) for name in PARTS}
    write_profile(profile.folder, cost, advise, steps=steps, parts=parts, operations=trace.operations)


def try_larger(
    profile: Profile, passes: Callable[[Any, Any], object], batch: Any, larger: Any
) -> tuple[float | None, float | None]:
    """Milliseconds of the passes, and their growth with a larger batch; None where memory is too small."""

    def work(inputs: Any, target: Any) -> None:
        passes(inputs, target)
        profile.wait()

    try:
        one_batch, one_larger = send_to_device((batch, larger), profile.device)
        one, growth = compare(lambda: work(*one_batch), lambda: work(*one_larger))
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        return None, None
    return one, max(growth, 1.0)


def fetching(train: Dataset[Any], plan: Plan, step: int) -> tuple[float, float, list[int], Any]:
    """Milliseconds to fetch a step's batches here, how many are work for the processor; rows and a batch.

    The rows are those of the steps to come: the system may still have in memory what was read before.
    """
    dataset, rows, batch = FetchedBatches(train), Batch([0], seed=0), None
    began, worked = time.perf_counter(), time.process_time()
    for rows in plan.batches(step, step + FETCHED_STEPS):
        batch = dataset[rows]
    passed, work = time.perf_counter() - began, time.process_time() - worked
    return 1000 * passed / FETCHED_STEPS, 1000 * min(work, passed) / FETCHED_STEPS, rows.rows, batch


def bfloat16_chip(device: torch.device) -> str:
    """Name of a GPU that computes faster in bfloat16 than in float32; empty for any other device."""
    if device.type == "cuda" and has_fast_bfloat16(
        torch.cuda.get_device_capability(device), amd=torch.version.hip is not None
    ):
        return torch.cuda.get_device_name(device)
    return "This GPU" if device.type == "xpu" else ""


def has_fast_bfloat16(capability: tuple[int, int], *, amd: bool = False) -> bool:
    """NVIDIA: from compute capability 8.0 (Ampere) on; AMD: from gfx90… (CDNA), for ROCm 9.0, on."""
    return capability >= ((9, 0) if amd else (8, 0))
