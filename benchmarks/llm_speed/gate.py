"""Times a training from within, in segments that take turns with those of other processes.

After each optimizer step, of whatever library, the gate counts. At the end of a segment it reports how long that took
and waits for a line on its standard input, so that several trainings, each in its process, can alternate.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from tensor_memory import TensorMemory
from torch.optim.optimizer import register_optimizer_step_post_hook


class Gate:
    """Reports after the steps in `ends`, as lines of JSON on what was the standard output when it was made."""

    def __init__(self, ends: Iterable[int]) -> None:
        self.ends = set(ends)
        self.steps = 0
        self.out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever the libraries print goes with the errors
        self.memory: TensorMemory | None = None
        self.began = (time.perf_counter(), time.process_time())
        register_optimizer_step_post_hook(self._step)

    def report(self, **values: Any) -> None:
        print(json.dumps(values), file=self.out)

    def _step(self, *_: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.steps += 1
        if self.steps == 1:  # from here on the optimizer's state is there: what follows is how every step is
            if self.memory:
                self.memory.restart()
            elif torch.cuda.is_available():
                torch.cuda.reset_peak_memory_stats()
        if self.steps in self.ends:
            clock, processor = time.perf_counter() - self.began[0], time.process_time() - self.began[1]
            self.report(seconds=clock, processor=processor, steps=self.steps)
            if not sys.stdin.readline():
                raise SystemExit("the benchmark is gone")
            self.began = (time.perf_counter(), time.process_time())

    @contextmanager
    def measuring(self, tensors: Iterable[torch.Tensor], wanted: bool) -> Iterator[None]:
        """Within this block, count the bytes of all tensors (on a GPU the allocator does) and report the peak."""
        if wanted and not torch.cuda.is_available():
            self.memory = TensorMemory(tensors)
            with self.memory:
                yield
            self.report(peak=self.memory.peak)
            return
        yield
        if wanted:
            self.report(peak=torch.cuda.max_memory_allocated())
