"""Causal attention over short sequences on a processor, as a few large matrix products.

PyTorch's own kernel never holds the scores (T, T): right for long sequences. For short ones its products are
so small that calling oneDNN for each (see processor.py) takes longer than computing them. Here a block of
queries meets all keys up to its end in one product, and the weights are kept for the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .processor import has_fast_products

LONGEST = 512  # tokens: from there on the kernel is as quick, and the scores would take much memory
ROWS = 128  # queries of a block


def suits_blocks(query: Tensor) -> bool:
    """Whether `block_attention` is quicker for queries (B, H, T, D) than PyTorch's kernel."""
    return (
        query.device.type == "cpu"
        and query.dtype == torch.float32
        and query.shape[2] <= LONGEST
        and has_fast_products()
    )


def block_attention(query: Tensor, key: Tensor, value: Tensor, *, scale: float) -> Tensor:
    """Attend to what comes before; return (B, Hq, T, D).

    Args:
        query: (B, Hq, T, D).
        key: (B, Hkv, T, D); each head serves Hq / Hkv heads of queries in turn.
        value: (B, Hkv, T, D).
        scale: The scores are multiplied by it.
    """
    B, Hq, T, D = query.shape
    Hkv = key.shape[1]
    query = (query * scale).view(B, Hkv, -1, T, D)  # heads that share keys lie side by side
    positions = torch.arange(T, device=query.device)
    attended = []
    for start in range(0, T, ROWS):
        end = min(start + ROWS, T)
        scores = query[:, :, :, start:end].reshape(B, Hkv, -1, D) @ key[:, :, :end].transpose(2, 3)
        later = positions[:end] > positions[start:end, None]
        scores = scores.view(B, Hkv, -1, *later.shape).masked_fill(later, float("-inf"))
        weights = scores.softmax(-1).view(B, Hkv, -1, end)
        attended.append((weights @ value[:, :, :end]).view(B, Hq, -1, D))
    return torch.cat(attended, dim=2)
