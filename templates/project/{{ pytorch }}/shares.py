"""Tensors of which each process holds a share (DTensor, which FSDP makes); all others stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from .processes import FIRST_PROCESS


def is_sharded(model: nn.Module) -> bool:
    """Whether each process holds a share of the weights."""
    return any(is_shared(weight) for weight in model.parameters())


def is_shared(tensor: Tensor | None) -> bool:
    """Whether it is a DTensor: a build of PyTorch without torch.distributed has no such class to ask for."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The shares of all processes, put together: all of them have to call it."""
    shared: Any = tensor
    gathered: Tensor = shared.full_tensor() if is_shared(tensor) else tensor
    return gathered


def share_of(tensor: Tensor, like: Tensor | None) -> Tensor:
    """This process's share of `tensor`, if processes share `like`, of the same shape."""
    shared: Any = like
    if not is_shared(like) or tensor.shape != shared.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, shared.device_mesh, shared.placements, src_data_rank=None)


def whole_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors in main memory: those of shares, put together one by one, in the first process alone."""
    found: dict[int, Tensor] = {}
    for tensor in tensors.values():
        if id(tensor) not in found:  # else tied
            gathered = whole(tensor).detach()
            if FIRST_PROCESS or not is_shared(tensor):
                found[id(tensor)] = gathered.cpu()
    return {name: found[id(tensor)] for name, tensor in tensors.items() if id(tensor) in found}
