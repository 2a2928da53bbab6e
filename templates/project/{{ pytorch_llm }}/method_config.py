"""Which weights training changes, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LORA_METHODS = ("lora", "qlora", "dora", "rslora")


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Which weights learn: all, some, or small matrices added to them."""

    name: Literal["full", "lora", "qlora", "dora", "rslora", "last_layers", "frozen_embeddings"] = "lora"
    """`full`: all weights. `lora`: small matrices beside them (Hu et al. 2021); `rslora` scales them for high
    ranks, `dora` learns direction and length apart, `qlora` keeps the base in 4 bits (needs a GPU).
    `last_layers`: only the last blocks. `frozen_embeddings`: all but the embeddings."""

    rank: int = 16
    """Inner width of LoRA's matrices, 1 or more: higher can learn more."""

    alpha: float = 32.0
    """LoRA's scale: what it adds is multiplied by alpha / rank (alpha / √rank with rslora); above 0."""

    dropout: float = 0.0
    """Share of LoRA's inputs switched off in training, 0 or more and below 1."""

    targets: list[str] = field(default_factory=lambda: ["all-linear"])
    """Layers that get LoRA, by the end of their names (q_proj, v_proj …); all-linear: all but the output."""

    layers: int = 2
    """Blocks that `last_layers` trains, counted from the end; 1 or more."""

    gradient_checkpointing: bool = False
    """Compute each block's activations again in the backward pass instead of keeping them: the same
    gradients, less memory, about a third more time. For a new model as well."""

    fsdp: bool = False
    """Share weights, gradients and the optimizer's state between the processes that torchrun starts (FSDP2)
    instead of keeping them whole on each: for a model too large for one GPU. For a new model as well."""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for a value that cannot work."""
        for name in ("rank", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be 1 or more")
        if self.alpha <= 0:
            raise ValueError(f"alpha is {self.alpha}: it must be above 0")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: it must be 0 or more and below 1")
        if not self.targets:
            raise ValueError("targets is empty: name layers, or all-linear")


ALL_WEIGHTS = MethodConfig(name="full")
