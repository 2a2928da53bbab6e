"""Which rows each optimizer step sees, and the loader that fetches them.

The order is a function of the seed and the epoch, so training can go on from any step: no row has to be read
again to get there. Rows of one step, with `batch_size` 4, `accumulation_steps` 2 and 2 processes:

    step 0:  batch 0 (a b c d)  batch 1 (e f g h)     process 0 takes (a c) (e g), process 1 takes (b d) (f h)

Each row counts the same in a step, or by its weight, such as the number of its tokens, where the data set has
`weights`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, default_collate

from .interruption import leave_interrupts_to_parent
from .randomness import mixed_seed, seed_host


@dataclass(frozen=True)
class Batch:
    """Row numbers that one process fetches together, and the seed for what is random about fetching them."""

    rows: list[int]
    seed: int
    counts: bool = True
    """False for what a process without a row of its own evaluates, to take as many steps as the others."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The order of the rows in training: each epoch sees every row once, shuffled anew.

    Attributes:
        rows: Number of rows in the training set.
        batch_size: Rows per batch, over all processes together; the last batch of an epoch may be smaller.
        accumulation_steps: Batches per optimizer step; the last step of an epoch may have fewer.
        seed: Of the shuffling.
        process: Number of this process, from 0.
        processes: Number of processes that share each batch.
        weights: How much each row counts, (rows,) whole numbers; None: all the same.
    """

    rows: int
    batch_size: int
    accumulation_steps: int = 1
    seed: int = 0
    process: int = 0
    processes: int = 1
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueError("the training set has no rows")
        if self.weights is not None and self.weights.min() < 1:
            raise ValueError("each row needs a weight of 1 or more")

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.rows // (self.batch_size * self.accumulation_steps))

    def batch_sizes(self, step: int) -> list[int]:
        """Rows in each batch of optimizer step `step` (counted over all epochs), of all processes."""
        first = (step % self.steps_per_epoch) * self.batch_size * self.accumulation_steps
        last = min(first + self.batch_size * self.accumulation_steps, self.rows)
        return [min(self.batch_size, last - start) for start in range(first, last, self.batch_size)]

    def share(self, batch_size: int) -> int:
        """How many rows of a batch of `batch_size` belong to this process; 0 where there are too few."""
        return len(range(self.process, batch_size, self.processes))

    def shares(self, step: int) -> list[int]:
        """How much of each batch of `step` is this process' own: its rows, or their weights."""
        if self.weights is None:
            return [self.share(size) for size in self.batch_sizes(step)]
        rows = self.rows_of_step(step)
        starts = range(0, len(rows), self.batch_size)
        batches = (rows[start : start + self.batch_size] for start in starts)
        return [int(self.weights[batch[self.process :: self.processes]].sum()) for batch in batches]

    def total(self, step: int, values: np.ndarray | None = None) -> int:
        """Rows in optimizer step `step`, of all processes, or the sum of their `values` (rows,)."""
        return sum(self.batch_sizes(step)) if values is None else int(values[self.rows_of_step(step)].sum())

    def rows_of_step(self, step: int) -> np.ndarray:
        """The rows that optimizer step `step` sees, of all processes, in their order."""
        epoch, step_of_epoch = divmod(step, self.steps_per_epoch)
        size = self.batch_size * self.accumulation_steps
        order = shuffled(self.rows, mixed_seed(self.seed, epoch))
        return order[step_of_epoch * size : (step_of_epoch + 1) * size].numpy()

    def batches(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """This process' part of every batch from `first_step` up to, not including, `last_step`."""
        for epoch in range(first_step // self.steps_per_epoch, -(-last_step // self.steps_per_epoch)):
            order = shuffled(self.rows, mixed_seed(self.seed, epoch))
            start_of_epoch = epoch * self.steps_per_epoch
            for step in range(
                max(first_step, start_of_epoch), min(last_step, start_of_epoch + self.steps_per_epoch)
            ):
                start = (step - start_of_epoch) * self.batch_size * self.accumulation_steps
                for number, size in enumerate(self.batch_sizes(step)):
                    rows = order[start : start + size]
                    # A process without a row of its own takes one that will count for nothing: it has to do
                    # as many backward passes as the others, or they would wait for it for ever.
                    own = rows[self.process :: self.processes] if self.share(size) else rows[:1]
                    yield Batch(own.tolist(), mixed_seed(self.seed, step, number, self.process))
                    start += size


@lru_cache(maxsize=2)  # the epoch that is trained, and the next one, whose rows are fetched in advance
def shuffled(rows: int, seed: int) -> Tensor:
    """The numbers of all rows in random order."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(seed))


def row_values(dataset: Dataset[Any], name: str) -> np.ndarray | None:
    """A number for each row of `dataset`, from its attribute `name`; None where it has none.

    `weights`: how much each row counts. `tokens`: how many tokens it has, for the tokens per second.
    """
    if isinstance(dataset, Subset):
        values = row_values(dataset.dataset, name)
        return None if values is None else values[dataset.indices]
    values = getattr(dataset, name, None)
    return None if values is None else np.asarray(values)


def some_rows(dataset: Dataset[Any], count: int, seed: int) -> Dataset[Any]:
    """`count` rows of `dataset`, chosen at random: the first ones may all be of one class."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(dataset), generator=generator)  # type: ignore[arg-type]
    return Subset(dataset, order[:count].tolist())


class FetchedBatches(Dataset[Any]):
    """`dataset`, asked for a whole `Batch` at once."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitem__(self, batch: Batch) -> Any:
        seed_host(batch.seed)  # so random augmentation does not depend on which worker fetches the batch
        return fetch(self.dataset, batch.rows)


def fetch(dataset: Dataset[Any], rows: Sequence[int]) -> Any:
    """Fetch `rows` as one batch.

    A data set in memory gives them at once, which is much faster: a TensorDataset, or one that has a method
    `take(rows)`. Any other one is asked row by row, and the rows are stacked.
    """
    if isinstance(dataset, TensorDataset):
        return dataset[torch.as_tensor(rows)]
    if isinstance(dataset, Subset):
        return fetch(dataset.dataset, [dataset.indices[row] for row in rows])
    take = getattr(dataset, "take", None)
    return take(rows) if take else default_collate([dataset[row] for row in rows])


def training_loader(
    dataset: Dataset[Any], batches: Iterator[Batch], *, workers: int, pin: bool
) -> DataLoader[Any]:
    """Load `batches` in their order. They are those of all epochs, so workers start once and never idle."""
    return DataLoader(
        FetchedBatches(dataset),
        sampler=batches,
        batch_size=None,
        num_workers=workers,
        worker_init_fn=leave_interrupts_to_parent,
        pin_memory=pin,
        generator=torch.Generator(),  # otherwise starting the loader would draw from the global generator
    )


def rows_in_order(rows: int, batch_size: int, process: int = 0, processes: int = 1) -> list[Batch]:
    """This process' part of all rows, each once and in order, for evaluation."""
    starts = range(0, rows, batch_size)
    parts = (range(start + process, min(start + batch_size, rows), processes) for start in starts)
    # Where each process has a share of the model (FSDP), they have to take every step together.
    return [
        Batch(list(part) or [start], seed=0, counts=bool(part))
        for start, part in zip(starts, parts, strict=True)
    ]
