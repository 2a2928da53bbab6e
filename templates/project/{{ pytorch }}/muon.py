"""Muon (Jordan et al. 2024): each matrix moves by its momentum with all singular values made nearly 1.

A step so moves a matrix in all directions alike, not only in the few that dominate the gradient; language
models then need far fewer steps. Only matrices within the network take part: embeddings, the output layer and
1-d weights are left to AdamW. Steps are as long as AdamW's, so that learning rate and weight decay mean the
same for both (Liu et al., Muon is Scalable for LLM Training, 2025).

Unlike torch.optim.Muon this takes matrices of equal shape together and, on a CPU, computes in float32, which
most do many times faster than bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .shares import is_shared, share_of, whole

MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (
    3.4445,
    -4.7750,
    2.0315,
)  # of x, x³ and x⁵: take any singular value in (0, 1] to about 1, quickly
ADAMW_LENGTH = 0.2  # root mean square of what AdamW moves a weight by, over the learning rate


class Muon(torch.optim.AdamW):
    """Muon for `matrices`, AdamW, with `options`, for the weights in `groups`."""

    def __init__(self, groups: list[dict[str, Any]], matrices: list[nn.Parameter], **options: Any) -> None:
        others = [{**group, "muon": False} for group in groups]
        super().__init__([*others, {"params": matrices, "muon": True}], **options)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; the gradients of the matrices are used up."""
        for group in self.param_groups:
            if group["muon"]:
                self.move(group)
                for matrix in group["params"]:
                    matrix.grad = None  # so AdamW passes it over
        return super().step(closure)

    @torch.no_grad()
    def move(self, group: dict[str, Any]) -> None:
        """Take a step with the matrices of one group."""
        learning = [matrix for matrix in group["params"] if matrix.grad is not None]
        # Whole matrices of which processes have shares are there one at a time.
        apart = any(map(is_shared, learning))
        for matrices in [[matrix] for matrix in learning] if apart else of_equal_shape(learning):
            gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
            momenta = [self.momentum(matrix) for matrix in matrices]
            for momentum, gradient in zip(momenta, gradients, strict=True):
                momentum.lerp_(gradient, 1 - MOMENTUM)
            now, before = (torch.stack(list(map(whole, part))) for part in (gradients, momenta))  # (n, A, B)
            directions = orthogonal(now.lerp_(before, MOMENTUM))  # Nesterov's look ahead
            length = group["lr"] * ADAMW_LENGTH * max(matrices[0].shape) ** 0.5
            for matrix, direction in zip(matrices, directions, strict=True):
                step = share_of(direction, matrix)
                matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-length)

    def momentum(self, matrix: nn.Parameter) -> Tensor:
        """The running mean of a matrix's gradients."""
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
            state["step"] = torch.zeros(())  # AdamW looks for it when a state is loaded
        momentum: Tensor = state["momentum"]
        return momentum


def orthogonal(matrices: Tensor) -> Tensor:
    """Roughly U Vᵀ of matrices U S Vᵀ (n, A, B), by Newton and Schulz's iteration: products alone."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    X = matrices.mT if tall else matrices
    X = X.float() if X.device.type == "cpu" else X.bfloat16()
    X = X / (X.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(square, square, square, beta=b, alpha=c), X, beta=a)
    return (X.mT if tall else X).to(matrices.dtype)


def of_equal_shape(matrices: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The matrices, in groups."""
    groups: dict[torch.Size, list[nn.Parameter]] = {}
    for matrix in matrices:
        groups.setdefault(matrix.shape, []).append(matrix)
    return list(groups.values())


def inner_matrices(model: nn.Module, output: nn.Module | None) -> list[nn.Parameter]:
    """The weights of linear layers that learn, but for those of `output` and of embeddings."""
    outer = [module for module in model.modules() if isinstance(module, nn.Embedding) or module is output]
    excluded = {id(weight) for module in outer for weight in module.parameters()}
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    inner = {id(layer.weight) for layer in layers} - excluded
    return [weight for weight in model.parameters() if weight.requires_grad and id(weight) in inner]


def last_linear(model: nn.Module) -> nn.Module | None:
    """The layer that gives the outputs, in a model whose layers stand in the order of their use."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None
