"""Slow trainings, each for a reason planted in it. Run by test_profile.py in a rendered project called `demo`.

python planted_pytorch.py FOLDER        writes what the profile of each case says to FOLDER/found.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from demo import training_log
from demo.runs import Run
from demo.training import fit
from demo.training_config import TrainingConfig
from demo.training_log import TrainingLog
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

torch.set_num_threads(1)  # the machine may have other work: threads would wait for each other


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """Rows that cost something to fetch."""

    def __init__(self, *, waiting: float = 0.0, working: float = 0.0) -> None:
        self.waiting = waiting
        self.working = working

    def __len__(self) -> int:
        return 2000

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        time.sleep(self.waiting)
        end = time.thread_time() + self.working
        while time.thread_time() < end:
            sum(range(1000))
        return torch.full((64,), row / 2000), torch.ones(1)


def in_memory(rows: int, width: int) -> TensorDataset:
    return TensorDataset(torch.randn(rows, width), torch.randn(rows, 1))


def network(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
    )


def profile(folder: Path, data: Dataset[Any], model: nn.Module, **settings: Any) -> dict[str, Any]:
    config = TrainingConfig(epochs=50, max_steps=60, device="cpu", profile=True, **settings)
    folder.mkdir()
    fit(model, data, None, config, Run(folder, "train"), loss=nn.MSELoss())
    content: dict[str, Any] = json.loads((folder / "profile/summary.json").read_text(encoding="utf-8"))
    return content


def main(folder: Path) -> None:
    """Train each case and write down what its profile says."""
    small, large = network(64, 16), network(512, 1024)
    found = {
        "slow disk": profile(folder / "disk", Rows(waiting=0.001), small, batch_size=16),
        "heavy work, no worker": profile(folder / "alone", Rows(working=0.001), small, batch_size=16),
        "heavy work, one worker": profile(folder / "one", Rows(working=0.001), small, batch_size=16, num_workers=1),
        "tiny batch": profile(folder / "tiny", in_memory(2000, 64), small, batch_size=2),
        "large batch": profile(folder / "large", in_memory(8192, 512), large, batch_size=1024),
    }
    training_log.SECONDS_BETWEEN_UPDATES = 0.0
    update = TrainingLog.update

    def with_histogram(self: TrainingLog, epoch: int, step: int, **figures: float) -> None:
        update(self, epoch, step, **figures)
        if self.tracking:
            self.tracking.writer.add_histogram("weights", torch.randn(100_000), step)

    TrainingLog.update = with_histogram  # type: ignore[method-assign]
    found["logging"] = profile(folder / "logging", in_memory(2000, 64), small, batch_size=16)
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
