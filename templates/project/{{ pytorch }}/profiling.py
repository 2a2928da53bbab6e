"""Where the time of training goes: some steps are traced, the ones after them are timed.

A trace says what is computing, but slows the steps it watches. So durations come from steps without a trace,
and the trace only says how the time between data and logging divides into device and host:

    CPU    device = time within PyTorch's operations (aten::…), host = the rest
    GPU    device = time in which a kernel runs; data and logging count where the GPU is idle meanwhile
    other  (no trace of its kernels) device = rows × what a further row costs in a larger batch
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from .console import say
from .intervals import length, union, without

WARMUP_STEPS = 3
TRACED_STEPS = 10
SETTLING_STEPS = 2  # between trace and clock
TIMED_STEPS = 200
PARTS = ("data", "forward", "backward", "optimizer", "logging", "saving")
DATA, FORWARD, BACKWARD, OPTIMIZER, LOGGING, SAVING = PARTS


class NoProfile(AbstractContextManager["NoProfile"]):
    """What the loop calls when nothing is to be profiled: nothing happens."""

    part: Callable[[str], AbstractContextManager[object]] = nullcontext

    def __exit__(self, *error: object) -> None:
        """End."""

    def start(self) -> None:
        """Before the first step of an epoch."""

    def step(self) -> None:
        """After each step."""


@dataclass(frozen=True)
class Trace:
    """What the traced steps did, in milliseconds per step."""

    step: float
    data: float
    logging: float
    device: float
    operations: str


class Profile(NoProfile):
    """Traces and times the steps of a training. Use as a context around the loop."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        """The trace itself, for ui.perfetto.dev, is written to `folder`/trace.json."""
        self.folder = folder
        self.device = device
        self.part = self.timed_part
        self.trace: Trace | None = None
        self.steps = 0
        self.timed: list[float] = []  # seconds of each timed step
        self.parts = dict.fromkeys(PARTS, 0.0)  # seconds of the timed steps
        self.last = 0.0
        plan = schedule(wait=1, warmup=WARMUP_STEPS - 1, active=TRACED_STEPS, repeat=1)
        gpu = [ProfilerActivity.CUDA] if device.type == "cuda" else []
        self.profiler = profile(
            activities=[ProfilerActivity.CPU, *gpu], schedule=plan, on_trace_ready=self.read
        )

    def __enter__(self) -> Profile:
        self.profiler.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.profiler.__exit__(*error)

    @contextmanager
    def timed_part(self, name: str) -> Iterator[None]:
        """`with part("forward"): …` names and times a part of a step."""
        with record_function(name):
            began = time.perf_counter()
            yield
            if self.timing:
                self.parts[name] += time.perf_counter() - began

    @property
    def timing(self) -> bool:
        """Whether the clock counts: the trace is over, and there are not yet enough steps."""
        first = WARMUP_STEPS + TRACED_STEPS + SETTLING_STEPS
        return first <= self.steps < first + TIMED_STEPS

    def start(self) -> None:
        """Before the first step of an epoch: what came before does not count as a part of it."""
        self.wait()
        self.last = time.perf_counter()

    def step(self) -> None:
        """After each step."""
        self.profiler.step()
        timed = self.timing
        self.steps += 1
        if timed and not self.timing:
            self.wait()
        now = time.perf_counter()
        if timed:
            self.timed.append(now - self.last)
        elif self.timing:
            self.wait()
            now = time.perf_counter()
        self.last = now

    def wait(self) -> None:
        """Let the device finish: a GPU works behind the loop's back."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize()

    def read(self, profiler: profile) -> None:
        """Keep what the trace says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(self.folder / "trace.json"))
        gpu = self.device.type == "cuda"
        order = "self_device_time_total" if gpu else "self_cpu_time_total"
        table = profiler.key_averages().table(sort_by=order, row_limit=15)
        self.trace = read_trace(list(profiler.events() or []), on_gpu=gpu, operations=table)

    def milliseconds(self, name: str) -> float:
        """Of a part, per timed step."""
        return 1000 * self.parts[name] / len(self.timed)


def read_trace(events: list[FunctionEvent], *, on_gpu: bool, operations: str = "") -> Trace:
    """Divide the traced steps into waiting for data, logging and computing."""
    spans: dict[str, list[tuple[float, float]]] = {name: [] for name in ("step", DATA, LOGGING, "device")}
    for event in events:
        span = (event.time_range.start, event.time_range.end)
        on_device = event.device_type != DeviceType.CPU
        if event.name.startswith("ProfilerStep"):
            spans["step"] += [] if on_device else [span]
        elif event.name in PARTS:
            name = LOGGING if event.name == SAVING else event.name
            if name in spans and not on_device:
                spans[name].append(span)
        elif is_kernel(event) if on_gpu else is_operation(event.name):
            spans["device"].append(span)
    steps = max(len(spans["step"]), 1)
    if on_gpu:
        busy = union(spans["device"])
        waiting, logging = without(spans[DATA], busy), without(spans[LOGGING], busy)
    else:
        waiting, logging = spans[DATA], spans[LOGGING]
        busy = without(spans["device"], waiting + logging)
    scale = 1 / 1000 / steps  # µs of all steps → ms of one
    return Trace(
        step=scale * length(spans["step"]),
        data=scale * length(waiting),
        logging=scale * length(logging),
        device=scale * length(busy),
        operations=operations,
    )


def is_kernel(event: FunctionEvent) -> bool:
    """Whether an event is work on the GPU; there stands also a copy of each part of a step."""
    return event.device_type != DeviceType.CPU and not event.is_user_annotation


def is_operation(name: str) -> bool:
    """Whether an event on the CPU is a computation: `aten::mul` is, `autograd::engine::…` is not."""
    return "::" in name and "autograd" not in name and not name.startswith("profiler")


def device_time(profile: Profile, trace: Trace, *, step: float, data: float, logging: float) -> float:
    """Milliseconds of a timed step in which the device computes."""
    if profile.device.type == "cuda":
        return min(trace.device, step)  # a trace does not slow kernels
    share = trace.device / max(trace.step - trace.data - trace.logging, 1e-9)
    return min(share, 1.0) * max(step - data - logging, 0.0)


def too_short() -> None:
    """Say why there is no profile."""
    needed = WARMUP_STEPS + TRACED_STEPS + SETTLING_STEPS + 1
    say(f"There is no profile: it takes {needed} steps or more, and training ended before.")
