"""Two pieces of work timed in turn, so that other programs on the machine hold up both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean

WARMUP_TURNS = 2
TURNS = 12
SECONDS = 2.0


def compare(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Mean milliseconds of `one`, and how many times as long `other` takes.

    The latter by the shortest time of each, the one that was least disturbed. Both must end only when
    the device has done their work.
    """
    durations: list[list[float]] = [[], []]
    began = time.perf_counter()
    for turn in range(WARMUP_TURNS + TURNS):
        if turn > WARMUP_TURNS + 2 and time.perf_counter() - began > SECONDS:
            break
        for work, taken in zip((one, other), durations, strict=True):
            start = time.perf_counter()
            work()
            if turn >= WARMUP_TURNS:
                taken.append(time.perf_counter() - start)
    return 1000 * mean(durations[0]), min(durations[1]) / min(durations[0])
