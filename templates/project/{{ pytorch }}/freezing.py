"""Freezing parts of a model, so that fine-tuning leaves them exactly as they were trained."""

from __future__ import annotations

from torch import nn


def freeze(module: nn.Module) -> None:
    """Let training leave every weight of `module` alone."""
    module.requires_grad_(False)


def unfreeze(module: nn.Module) -> None:
    """Let training change every weight of `module` again."""
    module.requires_grad_(True)


def set_training_mode(model: nn.Module) -> None:
    """`model.train()`, except for frozen parts.

    A frozen part works as it does in evaluation: no dropout, and batch normalisation keeps its running
    statistics, which `requires_grad_(False)` alone would let drift.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
