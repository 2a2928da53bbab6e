"""What the generated training loop costs beside a bare one: `python benchmarks/loop.py`.

Renders a PyTorch project, then trains one model on the same rows with its `fit` and with ten lines of plain PyTorch,
and prints the time of a step of each and the overhead. They take turns step by step (whenever `fit` begins to fetch a
batch, the bare loop takes a step first), so whatever else the machine does slows both down alike. The aim is 2 % or
less where a step takes 10 ms; the overhead is a fixed time per step, so of a shorter step it is a larger share.

The interpreter needs torch and accelerate: one of a generated project will do, together with `--copier`, a copier
program to render with.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BATCH_SIZE = 128
WARMUP_STEPS = 20


class Clock:
    """Times steps, on the clock and of the processor, in seconds."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self.began: tuple[float, float] | None = None

    def start(self) -> None:
        self.began = (time.perf_counter(), time.process_time())

    def stop(self) -> None:
        if self.began:
            self.steps.append((time.perf_counter() - self.began[0], time.process_time() - self.began[1]))


def bare_loop(model: Any, rows: Any, config: Any) -> Iterator[None]:
    """What a tutorial writes, with what the shared loop does for the result: AdamW, clipping, the schedule."""
    from bench.schedule import make_optimizer, make_schedule
    from torch import nn
    from torch.utils.data import DataLoader

    loader = DataLoader(rows, batch_size=config.batch_size, shuffle=True)
    optimizer, schedule = make_optimizer(model, config), make_schedule(config, len(loader))
    loss = nn.CrossEntropyLoss()
    model.train()
    for step, (inputs, target) in enumerate(loader):
        loss(model(inputs), target).backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step)
        optimizer.step()
        optimizer.zero_grad()
        yield


def take_turns(folder: Path, *, width: int, steps: int) -> tuple[Clock, Clock]:
    """Train with both loops, and return the times of their steps."""
    import torch
    from bench.runs import Run
    from bench.training import fit
    from bench.training_config import TrainingConfig
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    class Rows(Dataset[tuple[Tensor, Tensor]]):
        """Random rows of 64 numbers, each of one of 10 classes; `between` is called before a batch is fetched."""

        def __init__(self, between: Callable[[], None]) -> None:
            self.inputs = torch.randn(steps * BATCH_SIZE, 64)
            self.target = torch.randint(0, 10, (steps * BATCH_SIZE,))
            self.between = between
            self.fetched = 0

        def __len__(self) -> int:
            return len(self.inputs)

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            if self.fetched % BATCH_SIZE == 0:
                self.between()
            self.fetched += 1
            return self.inputs[row], self.target[row]

    def model() -> nn.Module:
        layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
        return nn.Sequential(*layers)

    def bare_step() -> None:
        shared.stop()
        bare.start()
        next(bare_steps)
        bare.stop()
        shared.start()

    bare, shared = Clock(), Clock()
    config = TrainingConfig(epochs=1, batch_size=BATCH_SIZE, device="cpu")
    bare_steps = bare_loop(model(), Rows(lambda: None), config)
    with contextlib.redirect_stdout(io.StringIO()):
        fit(model(), Rows(bare_step), None, config, Run(folder, "train"), loss=nn.CrossEntropyLoss())
    return bare, shared


def report(bare: Clock, shared: Clock) -> None:
    for index, kind in enumerate(("on the clock", "of the processor")):
        before = [
            1000 * step[index] for step in bare.steps[WARMUP_STEPS:-1]
        ]  # that of the last step of `fit` is unknown
        after = [1000 * step[index] for step in shared.steps[WARMUP_STEPS:]]
        more = statistics.median(two - one for one, two in zip(before, after, strict=True))
        step = statistics.median(before)
        print(
            f"a step {kind:17} bare {step:6.2f} ms, shared {statistics.median(after):6.2f} ms, "
            f"overhead {more:6.3f} ms = {100 * more / step:5.2f} % (median of {len(before)} pairs of steps)"
        )


def render(project: Path, copier: str) -> None:
    command = [copier] if copier else [sys.executable, "-m", "copier"]
    answers = ["-d", "framework=pytorch", "-d", "project_name=bench"]
    subprocess.run([*command, "copy", "--quiet", "--defaults", *answers, TEMPLATES, project], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copier", default="", help="a copier program, where it cannot be imported here")
    parser.add_argument("--width", type=int, default=600, help="of the layers: decides how long a step takes")
    parser.add_argument("--steps", type=int, default=500, help="optimizer steps of each loop")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "bench")
        render(project, arguments.copier)
        sys.path.insert(0, str(project))
        import torch

        torch.set_num_threads(1)  # more threads would make the step shorter and the times less steady
        report(*take_turns(Path(scratch), width=arguments.width, steps=arguments.steps))


if __name__ == "__main__":
    main()
