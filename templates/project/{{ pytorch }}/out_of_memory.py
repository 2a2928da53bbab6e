"""Too little memory, said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from .errors import UserError
from .training_config import TrainingConfig


@contextmanager
def explain_out_of_memory(savings: Sequence[str]) -> Iterator[None]:
    """Within this block too little memory is a UserError that names what takes less.

    Args:
        savings: Things to try, the best first, such as `a smaller training.batch_size (now 32)`.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        where = "the GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "main memory"
        ways = "; or ".join(savings) or "a smaller model"
        raise UserError(f"Training needs more than {where}. What takes less: {ways}.") from error


def smaller_batches(config: TrainingConfig) -> list[str]:
    """What takes less memory and changes nothing else, where batches can be smaller."""
    if config.batch_size == 1:
        return []
    return [
        f"a smaller training.batch_size (now {config.batch_size}) with as many more "
        f"training.accumulation_steps (now {config.accumulation_steps})"
    ]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory is too small: PyTorch has a class of its own for GPUs only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return "can't allocate memory" in text or "out of memory" in text
