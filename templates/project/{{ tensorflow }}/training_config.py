"""How training runs: every hyper-parameter of the shared Keras training, with its unit and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True, frozen=True)
class TrainingConfig:
    """How the model is trained. `configs/train.yaml` and the command line fill this in."""

    epochs: int = 30
    """Passes over the training rows, at least 1."""

    batch_size: int = 128
    """Rows per batch, over all devices together, at least 1."""

    optimizer: Literal["adamw", "muon"] = "adamw"
    """`muon` moves the matrices within the network in all directions alike (Jordan et al. 2024), the rest as
    `adamw` does: much faster for language models from nothing, seldom better for others."""

    learning_rate: float = 1e-3
    """Peak learning rate, reached at the end of the warm-up; above 0."""

    weight_decay: float = 1e-4
    """Decoupled weight decay, times the learning rate; biases and norms are left out; 0 = off."""

    warmup_fraction: float = 0.05
    """Share of all steps in which the rate rises linearly; a cosine then takes it to 0. From 0 to 1."""

    accumulation_steps: int = 1
    """Batches whose gradients are averaged before one optimizer step, at least 1: as one batch so many
    times larger."""

    clip_norm: float = 1.0
    """Longest norm of the gradient over all weights together; longer ones are scaled down; 0 = off."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the computation; weights stay float32. float16 needs a GPU."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU where TensorFlow finds one."""

    mirrored: bool = False
    """Give every GPU of this machine a copy of the model and a share of each batch
    (tf.distribute.MirroredStrategy)."""

    seed: int = 0
    """Start of every random number: initial weights, order of the rows, dropout. From 0 to 2**31 - 1."""

    patience: int = 8
    """Epochs without a better validation value after which training stops; 0 = never."""

    max_steps: int = 0
    """Stop after this many optimizer steps (a dry run); the learning rate is that of the whole training;
    0 = no limit."""

    overfit_batches: int = 0
    """Train and validate on the same few batches only: a sound model learns them by heart; 0 = off."""

    profile: bool = False
    """Say why it is slow: data, host and device in percent of some steps, and what to change, in the folder
    `profile` of the run."""

    resume: str = ""
    """Run folder to go on with, or `latest`: with the settings it has, not those in configs/, but for
    what the command line gives; empty = a new run."""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for a value that cannot work."""
        for name in ("epochs", "batch_size", "accumulation_steps"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        for name in ("weight_decay", "clip_norm", "patience", "max_steps", "overfit_batches"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("learning_rate", self.learning_rate > 0, "above 0")
        self._check("warmup_fraction", 0 <= self.warmup_fraction <= 1, "from 0 to 1")
        self._check("seed", 0 <= self.seed < 2**31, "from 0 to 2147483647")
        together = self.accumulation_steps == 1 or not self.mirrored  # Keras cannot do both
        self._check("accumulation_steps", together, "1 where mirrored is true")

    def _check(self, name: str, fine: bool, allowed: str) -> None:
        if not fine:
            raise ValueError(f"{name} must be {allowed}, not {getattr(self, name)}")
