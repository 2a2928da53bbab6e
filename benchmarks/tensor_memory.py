"""The most bytes of tensors that are alive at once while something runs, on any device.

PyTorch has no peak counter for the processor's memory, and the process's size is too coarse. So every operation is
watched: each storage that it makes is counted until the last tensor that refers to it is gone. Scratch memory inside a
kernel is not seen; `torch.cuda.max_memory_allocated` sees it on a GPU.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorMemory(TorchDispatchMode):
    """A context in which storages are counted.

    Attributes:
        live: Bytes now.
        peak: The most bytes so far.
    """

    def __init__(self, before: Iterable[torch.Tensor] = ()) -> None:
        """Count `before`, tensors that exist already, as well."""
        super().__init__()
        self.live = self.peak = 0
        self._known: dict[int, int] = {}
        for tensor in before:
            self._watch(tensor)

    def restart(self) -> None:
        self.peak = self.live

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._watch(leaf)
        return result

    def _watch(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = storage.nbytes()
        self._known[key] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.live -= self._known.pop(key, 0)
