"""Cross-entropy of an output layer, without ever holding all logits.

The logits of N tokens over a vocabulary of V take N · V numbers: with V = 150,000 they are far more than the
rest of a model's activations. Here they are made for some tokens at a time, turned at once into losses and
gradients, and forgotten. The backward pass then has nothing left to do but to scale.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TOKENS_AT_ONCE = 256  # their logits stay in a processor's cache; a GPU needs more to be busy
TOKENS_AT_ONCE_ON_GPU = 1024


def chunked_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    softcap: float | None = None,
    chunk: int | None = None,
) -> Tensor:
    """Return the loss of each token in nats, (N,): in float32, or in float64 for inputs in float64.

    Gradients are exact for any use of the losses. Fastest is their sum (times a number): as long as all have
    the same gradient, nothing is computed twice. Weights that do not learn cost no gradient. One backward
    pass can be made, not two (`retain_graph`).

    Args:
        hidden: Last hidden states of the positions that predict, (N, H).
        weight: Of the output layer, (V, H).
        targets: The tokens to predict, (N,), int64.
        softcap: Logits are softcap · tanh(logits / softcap), as in Gemma 2.
        chunk: Tokens whose logits are held at once.
    """
    if not torch.is_grad_enabled():  # what `_ChunkedCrossEntropy` cannot see for itself
        hidden, weight = hidden.detach(), weight.detach()
    if chunk is None:
        chunk = TOKENS_AT_ONCE_ON_GPU if hidden.is_cuda else TOKENS_AT_ONCE
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    losses: Tensor = _ChunkedCrossEntropy.apply(hidden, weight, targets, softcap, chunk, dtype)
    return losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The forward pass computes the gradients of the sum of the losses, too."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        softcap: float | None,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        hidden_learns, weight_learns = ctx.needs_input_grad[:2]
        compute_weight = weight.to(dtype)
        losses = torch.empty(len(targets), dtype=_exact(dtype), device=hidden.device)
        hidden_gradient = torch.empty_like(hidden) if hidden_learns else None
        weight_gradient = torch.zeros_like(weight, dtype=_exact(dtype)) if weight_learns else None
        room = _room(hidden, weight, chunk, dtype)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(targets), chunk):
                part = slice(start, start + chunk)
                inputs = hidden[part].to(dtype)
                losses[part], gradient = _losses(inputs, compute_weight, targets[part], softcap, room)
                if hidden_gradient is not None:
                    hidden_gradient[part] = gradient.to(dtype) @ compute_weight
                if weight_gradient is not None:
                    _add_product(weight_gradient, gradient.to(dtype), inputs)
        ctx.save_for_backward(hidden, weight, targets, hidden_gradient, weight_gradient)
        ctx.softcap, ctx.chunk, ctx.dtype = softcap, chunk, dtype
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets, hidden_gradient, weight_gradient = ctx.saved_tensors
        if hidden_gradient is not None:
            hidden_gradient = hidden_gradient * gradient[:, None].to(hidden_gradient.dtype)
        if weight_gradient is not None:
            # The gradient of a sum is one number, expanded: seen without reading values back from a GPU.
            equal = gradient.stride(0) == 0 or bool((gradient == gradient[:1]).all())
            if equal:
                weight_gradient.mul_(gradient[:1].sum())  # in place: it may be as large as the model
            else:
                weight_gradient.zero_()
                with torch.autocast(hidden.device.type, enabled=False):
                    _add_weight_gradient(weight_gradient, gradient, hidden, weight, targets, ctx)
            weight_gradient = weight_gradient.to(weight.dtype)
        return hidden_gradient, weight_gradient, None, None, None, None


def _room(hidden: Tensor, weight: Tensor, chunk: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Memory for the logits of a chunk and for their gradients, used again for every chunk: new memory would
    have to be handed out page by page each time, which takes a processor longer than filling it."""
    shape = (min(chunk, len(hidden)), len(weight))
    return (
        torch.empty(shape, dtype=_exact(dtype), device=hidden.device),
        torch.empty(shape, dtype=_exact(dtype), device=hidden.device),
    )


def _losses(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    softcap: float | None,
    room: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """The loss of each token, (n,), and the gradients of their sum by the logits before the cap, (n, V)."""
    logits, gradient = (memory[: len(hidden)] for memory in room)
    if hidden.dtype == logits.dtype:
        torch.mm(hidden, weight.T, out=logits)
    else:
        logits.copy_(hidden @ weight.T)
    if softcap:
        logits.div_(softcap).tanh_().mul_(softcap)
    columns = targets[:, None]
    torch.softmax(logits, dim=-1, out=gradient)  # probabilities, and below minus 1 for the target
    # log Σ exp(logits) without a second pass: the likeliest token's p is at least 1 / V, so its log is exact.
    log_sum = logits.amax(-1) - gradient.amax(-1).log()
    losses = log_sum - logits.gather(1, columns).squeeze(1)
    gradient.scatter_add_(1, columns, torch.full_like(columns, -1, dtype=gradient.dtype))
    if softcap:
        gradient *= 1 - (logits / softcap) ** 2
    return losses, gradient


def _add_product(total: Tensor, gradient: Tensor, hidden: Tensor) -> None:
    """Add gradientᵀ · hidden to `total`, which may be of a more exact format."""
    if total.dtype == hidden.dtype:
        total.addmm_(gradient.T, hidden)
    else:
        total.add_(gradient.T @ hidden)


def _add_weight_gradient(
    total: Tensor, gradient: Tensor, hidden: Tensor, weight: Tensor, targets: Tensor, ctx: Any
) -> None:
    """Add the gradient by the weight for losses that do not count alike: their logits are computed again."""
    compute_weight = weight.to(ctx.dtype)
    room = _room(hidden, weight, ctx.chunk, ctx.dtype)
    for start in range(0, len(targets), ctx.chunk):
        part = slice(start, start + ctx.chunk)
        inputs = hidden[part].to(ctx.dtype)
        by_logits = _losses(inputs, compute_weight, targets[part], ctx.softcap, room)[1]
        by_logits *= gradient[part, None]
        _add_product(total, by_logits.to(ctx.dtype), inputs)


def _exact(dtype: torch.dtype) -> torch.dtype:
    """The format of losses and of sums over many tokens."""
    return torch.float64 if dtype == torch.float64 else torch.float32
