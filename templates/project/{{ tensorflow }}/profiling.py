"""Where the time of training goes: the trace that Keras' TensorBoard callback writes, summed up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

from .console import say
from .runs import Run

PROFILED_BATCHES = (10, 20)
"""First and last batch of the trace: the batches before them compile the model."""

STEP = "Profiled batch"
WAITING = "IteratorGetNextOp::DoCompute"


def write_summary(run: Run, phase: str) -> None:
    """Sum up the newest trace in the run's TensorBoard folder: on the screen and in `profile/summary.txt`."""
    traces = sorted((run.path("tensorboard") / phase).rglob("*.xplane.pb"))
    if not traces:
        say(f"There is no profile: training ended before batch {PROFILED_BATCHES[0]}.")
        return
    text = summary(traces[-1])
    run.path("profile/summary.txt").write_text(text, encoding="utf-8")
    say(text)


def summary(trace: Path) -> str:
    """Time per batch, of it the wait for data, and the fifteen costliest operations, in milliseconds."""
    space = XSpace()
    space.ParseFromString(trace.read_bytes())
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                total[name] += event.duration_ps / 1e9
                count[name] += 1
                if ":" in name and "/" in name:  # "<layer>/<operation>:<kind>"
                    operations[name.removeprefix("StatefulPartitionedCall/")] += event.duration_ps / 1e9
    steps = max(count[STEP], 1)
    milliseconds, waiting = total[STEP] / steps, total[WAITING] / steps
    lines = [
        f"{steps} batches of {milliseconds:.2f} ms, {waiting:.2f} ms of which are waiting for data.",
        "The costliest operations, ms per batch:",
    ]
    lines += [f"  {spent / steps:8.3f}  {name}" for name, spent in operations.most_common(15)]
    return "\n".join([*lines, f"The whole trace: TensorBoard's Profile tab, or {trace}"]) + "\n"
