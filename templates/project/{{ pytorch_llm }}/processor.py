"""Matrix products of large models on a processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

LARGE = 2**24  # multiplications of a product, such as 1,024 tokens by a weight of 128 × 128
ASKS_ONEDNN = "medium"  # the precision with which PyTorch lets oneDNN multiply


@contextmanager
def fast_products(model: nn.Module, tokens: int) -> Iterator[None]:
    """Within this block, oneDNN multiplies the float32 matrices of a large model, if it does not round them.

    PyTorch asks MKL otherwise, which leaves AVX-512 unused on AMD's processors: half as fast for large
    products, but quicker for small ones. oneDNN is only asked where float32 may be rounded to bfloat16
    ("medium"), which it does on processors with AMX and on some of ARM's: there all stays as it is.

    Args:
        model: On the processor.
        tokens: That go through it at once.
    """
    before = torch.get_float32_matmul_precision()
    widths = [min(weight.shape) for weight in model.parameters() if weight.ndim == 2]
    if tokens * max(widths, default=0) ** 2 >= LARGE:
        torch.set_float32_matmul_precision(ASKS_ONEDNN)
        if rounds_products():
            torch.set_float32_matmul_precision(before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def has_fast_products() -> bool:
    """Whether oneDNN multiplies float32 matrices now."""
    return torch.get_float32_matmul_precision() == ASKS_ONEDNN


def rounds_products() -> bool:
    """Whether a product loses what bfloat16 cannot hold."""
    one = torch.eye(256)  # large enough for oneDNN
    fine = torch.full_like(one, 1 + 2**-12)
    return not torch.equal(fine @ one, fine)
