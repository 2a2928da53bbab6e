"""Matrix products of large models on a processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

LARGE = 256  # rows and columns of a weight from which on oneDNN is quicker


@contextmanager
def fast_products(model: nn.Module) -> Iterator[None]:
    """Within this block, oneDNN multiplies the float32 matrices of a large model, if it does not round them.

    PyTorch asks MKL otherwise, which leaves AVX-512 unused on AMD's processors: half as fast for large
    matrices, but quicker for small ones. oneDNN is only asked where float32 may be rounded to bfloat16
    ("medium"), which it does on processors with AMX and on some of ARM's: there all stays as it is.
    """
    before = torch.get_float32_matmul_precision()
    if any(weight.ndim == 2 and min(weight.shape) >= LARGE for weight in model.parameters()):
        torch.set_float32_matmul_precision("medium")
        if _rounds():
            torch.set_float32_matmul_precision(before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _rounds() -> bool:
    """Whether a product loses what bfloat16 cannot hold."""
    fine = torch.full((LARGE, LARGE), 1 + 2**-12)
    return not torch.equal(fine @ torch.eye(LARGE), fine)
