"""Embeddings of tokens that pretraining never saw, made fit for fine-tuning.

All a model learns about a token that it never sees is that it does not come next: each step pushes the
vectors of such tokens in one and the same direction, until they can hardly be told apart. The marks of a chat
are among them, and adapters, which leave embeddings as they are, would never learn where an answer ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .decoder import Decoder
from .examples import Example
from .shares import share_of, whole


def renew_unseen(decoder: Decoder, tokens: Sequence[int], examples: Sequence[Example], seed: int) -> None:
    """Give those of `tokens` that are in none of the examples new random vectors, as long as others are."""
    seen = np.unique(np.concatenate([example.tokens for example in examples]))
    unseen = sorted(set(tokens) - set(seen.tolist()))
    weights = [decoder.model.embed_tokens.weight]
    if not decoder.config.tie_word_embeddings:
        weights.append(decoder.output_weight)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in weights:
            numbers = whole(weight)
            length = numbers[torch.from_numpy(seen).to(weight.device)].norm(dim=1).median()
            for token in unseen:
                numbers[token] = length * direction(weight.shape[1], generator).to(numbers)
            if numbers is not weight:
                weight.copy_(share_of(numbers, weight))


def direction(width: int, generator: torch.Generator) -> Tensor:
    """A random vector (width,) of length 1."""
    vector = torch.randn(width, generator=generator)
    return vector / vector.norm()
