"""Where the time of training goes: every batch is timed, and some are traced by Keras' TensorBoard callback.

A trace says what is computing, but slows the batches it watches. So durations come from the others, and the
trace only says how long a batch waits for data, and how its computation divides into device and host:

    CPU    device = time within TensorFlow's operations, host = the rest
    GPU    device = time in which a kernel runs
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XPlane, XSpace

from .intervals import Spans, length

PROFILED_BATCHES = (10, 20)
"""First and last batch of the trace: the batches before them compile the model."""

FIRST_TIMED = 3
TIMED_BATCHES = 200
NOT_TIMED = range(PROFILED_BATCHES[0] - 1, PROFILED_BATCHES[1] + 3)

STEP = "Profiled batch"
WAITING = "IteratorGetNextOp::DoCompute"
COMPILED = "StatefulPartitionedCall/"  # what Keras compiled: the training step, not the preparation of rows


class Clock(keras.callbacks.Callback):
    """Times batches; the first of the callbacks, so that what comes after its `on_train_batch_end` is theirs.

    Attributes:
        batches: Seconds of each timed batch, to the beginning of the next one.
        callbacks: Of these, seconds in which callbacks and progress bar worked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[float] = []
        self.callbacks: list[float] = []
        self.batch = 0  # over all epochs
        self.began = self.computed = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.began = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.perf_counter()
        timed = self.batch > FIRST_TIMED and self.batch - 1 not in NOT_TIMED
        if self.began and timed and len(self.batches) < TIMED_BATCHES:
            self.batches.append(now - self.began)
            self.callbacks.append(now - self.computed)
        self.began = now

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if logs:
            float(logs["loss"])  # waits for the device, as the next callback would
        self.computed = time.perf_counter()
        self.batch += 1


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What the traced batches did, in milliseconds per batch."""

    step: float
    data: float
    device: float
    on_gpu: bool
    operations: str


def newest_trace(folder: Path) -> Trace | None:
    """Read the newest trace in a TensorBoard folder; None where training ended before there was one."""
    files = sorted(folder.rglob("*.xplane.pb"), key=lambda file: file.stat().st_mtime)
    if not files:
        return None
    space = XSpace()
    space.ParseFromString(files[-1].read_bytes())
    return read_trace(space, files[-1])


def read_trace(space: XSpace, file: Path) -> Trace:
    """Divide the traced batches into waiting for data, computing and the rest."""
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    computing: Spans = []
    kernels: Spans = []
    operations: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            on_stream = "GPU" in plane.name and "Stream" in line.name
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                milliseconds = event.duration_ps / 1e9
                total[name] += milliseconds
                count[name] += 1
                begin = line.timestamp_ns / 1e6 + event.offset_ps / 1e9
                if on_stream:
                    kernels.append((begin, begin + milliseconds))
                elif is_operation(name, plane):
                    operations[name.removeprefix(COMPILED)] += milliseconds
                    computing.append((begin, begin + milliseconds))
    batches = max(count[STEP], 1)
    lines = ["The costliest operations, ms per batch:"]
    lines += [f"  {spent / batches:8.3f}  {name}" for name, spent in operations.most_common(15)]
    return Trace(
        step=total[STEP] / batches,
        data=total[WAITING] / batches,
        device=length(kernels or computing) / batches,
        on_gpu=bool(kernels),
        operations="\n".join([*lines, f"The whole trace: TensorBoard's Profile tab, or {file}"]),
    )


def is_operation(name: str, plane: XPlane) -> bool:
    """Whether an event is an operation of the training step on the CPU, `<layer>/<operation>:<kind>`."""
    return plane.name.startswith("/host:CPU") and name.startswith(COMPILED) and ":" in name
