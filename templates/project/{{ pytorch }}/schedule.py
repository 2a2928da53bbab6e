"""Optimizer and learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from .muon import Muon, inner_matrices
from .training_config import TrainingConfig


def make_optimizer(
    model: nn.Module, config: TrainingConfig, *, output: nn.Module | None = None, **options: Any
) -> torch.optim.Optimizer:
    """What `config.optimizer` names, over the weights that are not frozen.

    Biases and normalisation (1-d tensors) do not decay.

    Args:
        model: Whose weights learn.
        config: Which optimizer, its rate and its decay.
        output: Output layer, which Muon leaves to AdamW.
        options: Handed to AdamW, such as `betas`, or `fused` where it is PyTorch's own.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices: list[nn.Parameter] = []
    if config.optimizer == "muon":
        matrices = inner_matrices(model, output)
        taken = {id(matrix) for matrix in matrices}
        trainable = [parameter for parameter in trainable if id(parameter) not in taken]
    groups: list[dict[str, Any]] = [
        {
            "params": [parameter for parameter in trainable if parameter.ndim >= 2],
            "weight_decay": config.weight_decay,
        },
        {"params": [parameter for parameter in trainable if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    if config.optimizer == "muon":
        return Muon(groups, matrices, lr=config.learning_rate, weight_decay=config.weight_decay, **options)
    if config.optimizer == "adamw_8bit":
        options.pop("fused", None)  # it always is
        return adamw_8bit(model, groups, lr=config.learning_rate, **options)
    return torch.optim.AdamW(groups, lr=config.learning_rate, **options)


def adamw_8bit(model: nn.Module, groups: list[dict[str, Any]], **options: Any) -> torch.optim.Optimizer:
    """AdamW of bitsandbytes, whose moments have 8 bits.

    Small tensors and embeddings keep 32: gradients of frequent and of rare tokens are too unlike.
    """
    from bitsandbytes.optim import AdamW8bit, GlobalOptimManager

    for module in model.modules():
        if isinstance(module, nn.Embedding):
            GlobalOptimManager.get_instance().override_config(module.weight, "optim_bits", 32)
    optimizer: torch.optim.Optimizer = AdamW8bit(groups, **options)
    return optimizer


def warmup_cosine(step: int, *, steps: int, warmup: int) -> float:
    """Share of the peak rate in optimizer step `step` (from 0) of `steps`.

    Linear from 1/(`warmup`+1) up to 1 in the first `warmup` steps, then half a cosine wave down towards 0
    (Loshchilov and Hutter, SGDR, 2017, without restarts).
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def make_schedule(config: TrainingConfig, steps: int) -> Callable[[int], float]:
    """`warmup_cosine` for a training of `steps` optimizer steps. It keeps no state: resuming needs none."""
    return partial(warmup_cosine, steps=steps, warmup=round(config.warmup_fraction * steps))
