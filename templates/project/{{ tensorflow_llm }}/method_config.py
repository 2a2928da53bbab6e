"""Which weights training changes, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Which weights learn: all, or small matrices added to some of them."""

    name: Literal["full", "lora", "frozen_embeddings"] = "lora"
    """`full`: all weights. `lora`: small matrices beside those of attention and feed-forward network (Hu et
    al. 2021). `frozen_embeddings`: all weights but the embeddings."""

    rank: int = 16
    """Inner width of LoRA's matrices, 1 or more: higher can learn more."""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for a value that cannot work."""
        if self.rank < 1:
            raise ValueError(f"rank is {self.rank}: it must be 1 or more")


ALL_WEIGHTS = MethodConfig(name="full")
