"""How many threads compute: in small work, waiting for each other costs more than sharing it saves."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from threadpoolctl import threadpool_limits

from .config import ModelConfig

SMALL_WORK = 10_000_000  # multiplications in one step: a few milliseconds


def threads_for(work: int) -> contextlib.AbstractContextManager[object]:
    """Within `with`: one thread if `work`, the multiplications of one step, is small; else all there are.

    On two cores that other programs use as well, training on a few hundred rows is several times faster so.
    This limits OpenMP and BLAS, which PyTorch and scikit-learn use; TensorFlow has threads of its own.
    """
    return threadpool_limits(1) if work <= SMALL_WORK else contextlib.nullcontext()


def work_of_step(model: ModelConfig, batch_size: int) -> int:
    """About how many multiplications the layers take for one batch; a first layer as wide as the second."""
    sizes = [model.hidden_sizes[0], *model.hidden_sizes]
    return batch_size * sum(before * after for before, after in pairwise(sizes))
