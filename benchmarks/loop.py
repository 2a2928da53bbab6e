"""What the generated training loop costs beside a bare one: `python benchmarks/loop.py`.

Renders a PyTorch project, then trains one model on the same rows with its `fit` and with ten lines of plain PyTorch,
in turns within one process, and prints the time of a step of each and the overhead. The aim is 2 % or less where a
step takes 10 ms; the overhead is a fixed time per step, so of a shorter step it is a larger share.

Time on the clock is what counts, and what other programs disturb; processor time, on the one thread that is used
here, is disturbed less. The interpreter needs torch and accelerate: one of a generated project will do, together with
`--copier`, a copier program to render with.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BATCH_SIZE = 128
UNTIMED_STEPS = 10


class Clock:
    """Reads the time when a step begins; the data set calls it, as both loops ask for rows in the same way."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.rows = 0
        self.readings: list[tuple[float, float]] = []  # (time on the clock, processor time) in seconds

    def row_fetched(self) -> None:
        if self.rows in (UNTIMED_STEPS * BATCH_SIZE, (self.steps - 1) * BATCH_SIZE):
            self.readings.append((time.perf_counter(), time.process_time()))
        self.rows += 1

    def milliseconds_per_step(self) -> tuple[float, float]:
        """Time on the clock and processor time of a step."""
        (wall, processor), (later_wall, later_processor) = self.readings
        timed = self.steps - 1 - UNTIMED_STEPS
        return 1000 * (later_wall - wall) / timed, 1000 * (later_processor - processor) / timed


def bare_loop(model: Any, rows: Any, config: Any, folder: Path) -> None:
    """What a tutorial writes, with what the shared loop does for the result: AdamW, clipping, the schedule."""
    del folder
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


def shared_loop(model: Any, rows: Any, config: Any, folder: Path) -> None:
    """The generated project's own."""
    from bench.runs import Run
    from bench.training import fit
    from torch import nn

    with contextlib.redirect_stdout(io.StringIO()):
        fit(model, rows, None, config, Run(folder, "train"), loss=nn.CrossEntropyLoss())


def measure(loop: Callable[..., None], folder: Path, *, width: int, steps: int) -> tuple[float, float]:
    """Train for `steps` steps; return the milliseconds of a step, on the clock and of the processor."""
    import torch
    from bench.training_config import TrainingConfig
    from torch import Tensor, nn
    from torch.utils.data import Dataset

    class Rows(Dataset[tuple[Tensor, Tensor]]):
        """Random rows of 64 numbers, each of one of 10 classes."""

        def __init__(self) -> None:
            self.inputs = torch.randn(steps * BATCH_SIZE, 64)
            self.target = torch.randint(0, 10, (steps * BATCH_SIZE,))

        def __len__(self) -> int:
            return len(self.inputs)

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            clock.row_fetched()
            return self.inputs[row], self.target[row]

    clock = Clock(steps)
    torch.manual_seed(0)
    layers = [nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
    config = TrainingConfig(epochs=1, batch_size=BATCH_SIZE, device="cpu")
    loop(nn.Sequential(*layers), Rows(), config, folder)
    return clock.milliseconds_per_step()


def render(project: Path, copier: str) -> None:
    command = [copier] if copier else [sys.executable, "-m", "copier"]
    answers = ["-d", "framework=pytorch", "-d", "project_name=bench"]
    subprocess.run([*command, "copy", "--quiet", "--defaults", *answers, TEMPLATES, project], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copier", default="", help="a copier program, where it cannot be imported here")
    parser.add_argument("--width", type=int, default=600, help="of the layers: decides how long a step takes")
    parser.add_argument("--steps", type=int, default=200, help="optimizer steps in a measurement")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each loop, in turns")
    arguments = parser.parse_args()

    loops = {"bare": bare_loop, "shared": shared_loop}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "bench")
        render(project, arguments.copier)
        sys.path.insert(0, str(project))
        import torch

        torch.set_num_threads(1)
        for number in range(arguments.rounds + 1):
            for name, loop in loops.items():
                folder = Path(scratch, f"{name}-{number}")
                folder.mkdir()
                taken = measure(loop, folder, width=arguments.width, steps=arguments.steps)
                if number:  # the first round warms up
                    times[name].append(taken)
    for index, kind in enumerate(("on the clock", "of the processor")):
        bare, shared = ([taken[index] for taken in times[name]] for name in loops)
        overheads = [100 * (after / before - 1) for before, after in zip(bare, shared, strict=True)]
        print(
            f"ms a step {kind}: bare {statistics.median(bare):.2f}, shared {statistics.median(shared):.2f}; "
            f"overhead {statistics.median(overheads):.2f} % (median of {arguments.rounds} pairs; "
            f"fastest over fastest {100 * (min(shared) / min(bare) - 1):.2f} %)"
        )


if __name__ == "__main__":
    main()
