"""Where the time of training goes, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from .console import say

WARMUP_STEPS = 2
PROFILED_STEPS = 10
PARTS = {"waiting for data": "data", "forward": "forward", "backward": "backward", "optimizer": "optimizer"}


def part_names(enabled: bool) -> Callable[[str], AbstractContextManager[object]]:
    """`with part("forward"): …` names a part of a step; without `enabled` it does nothing."""
    return record_function if enabled else nullcontext


@contextmanager
def profiled(folder: Path, enabled: bool) -> Iterator[Callable[[], None]]:
    """Profile a few steps and write `summary.txt` and `trace.json` (for ui.perfetto.dev) to `folder`.

    Gives a function to call after each step. Without `enabled` it does nothing.
    """
    if not enabled:
        yield lambda: None
        return

    def write(profiler: profile) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        profiler.export_chrome_trace(str(folder / "trace.json"))
        text = summary(profiler)
        (folder / "summary.txt").write_text(text, encoding="utf-8")
        say(text.split("\n\n")[0])
        say(f"More in {folder / 'summary.txt'}")

    gpu = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    plan = schedule(wait=1, warmup=WARMUP_STEPS, active=PROFILED_STEPS, repeat=1)
    with profile(activities=[ProfilerActivity.CPU, *gpu], schedule=plan, on_trace_ready=write) as profiler:
        yield profiler.step


def summary(profiler: profile) -> str:
    """Shares of the parts of a step, then the fifteen costliest operations."""
    events = profiler.key_averages()
    milliseconds = {event.key: event.cpu_time_total / 1000 for event in events}
    steps = max((event.count for event in events if event.key == PARTS["optimizer"]), default=1)
    whole = sum(milliseconds.get(key, 0.0) for key in PARTS.values()) or 1.0
    lines = [f"{steps} optimizer steps, {whole / steps:.2f} ms each on the CPU's side:"]
    for title, key in PARTS.items():
        spent = milliseconds.get(key, 0.0)
        lines.append(f"  {title:17} {spent / steps:8.2f} ms  {100 * spent / whole:3.0f} %")
    order = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    return "\n".join(lines) + "\n\n" + events.table(sort_by=order, row_limit=15) + "\n"
