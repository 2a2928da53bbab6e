"""The model, the examples, and which of them each step sees: written once, read by every process."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from settings import Settings


class Workload:
    """A folder with the model (`model/`), the examples and the plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        self.settings = Settings(**plan["settings"])
        self.plan: list[list[int]] = plan["steps"]
        arrays = np.load(folder / "examples.npz")
        pairs = list(pairwise(arrays["starts"].tolist()))
        self.tokens = [arrays["tokens"][start:end] for start, end in pairs]
        self.targets = [arrays["targets"][start:end] for start, end in pairs]
        self.held_out: list[int] = plan["held_out"]

    def labels(self, index: int) -> np.ndarray:
        """The tokens of an example, and -100 where nothing is predicted."""
        return np.where(self.targets[index], self.tokens[index], -100)

    def grouped(self) -> list[list[int]]:
        """The same steps with the examples of each segment sorted by length: as little padding as can be."""
        ends = [0, *self.settings.ends]
        steps: list[list[int]] = []
        for first, last in pairwise(ends):
            chosen = sorted((i for step in self.plan[first:last] for i in step), key=lambda i: len(self.tokens[i]))
            total, seen, parts = sum(len(self.tokens[i]) for i in chosen), 0, [[] for _ in range(last - first)]
            for index in chosen:
                parts[min(seen * len(parts) // total, len(parts) - 1)].append(index)
                seen += len(self.tokens[index])
            steps += parts
        return steps


def write(folder: Path, settings: Settings, examples: list[Any], steps: list[list[int]], held_out: list[int]) -> None:
    """Write examples (with `tokens` and `targets`) and plan."""
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [len(example.tokens) for example in examples]
    np.savez(
        folder / "examples.npz",
        tokens=np.concatenate([example.tokens for example in examples]),
        targets=np.concatenate([example.targets for example in examples]),
        starts=np.cumsum([0, *lengths]),
    )
    plan = {
        "settings": asdict(settings),
        "steps": steps,
        "tokens": [sum(lengths[index] for index in step) for step in steps],
        "targets": [sum(int(examples[index].targets.sum()) for index in step) for step in steps],
        "held_out": held_out,
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def held_out_loss(workload: Workload, logits: Any) -> float:
    """Mean loss in nats of the target tokens that no system has seen; `logits` maps (1, T) tokens to (1, T, V)."""
    import torch
    from torch.nn.functional import cross_entropy

    total = count = 0.0
    with torch.no_grad():
        for index in workload.held_out:
            tokens = torch.from_numpy(workload.tokens[index].astype(np.int64))[None]
            labels = torch.from_numpy(workload.labels(index).astype(np.int64))
            total += float(cross_entropy(logits(tokens)[0, :-1].float(), labels[1:], reduction="sum"))
            count += int((labels[1:] != -100).sum())
    return total / count
