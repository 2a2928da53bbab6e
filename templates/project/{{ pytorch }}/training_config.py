"""How training runs: every hyper-parameter of the shared PyTorch loop, with its unit and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True, frozen=True)
class TrainingConfig:
    """How the model is trained. `configs/train.yaml` and the command line fill this in."""

    epochs: int = 30
    """Passes over the training rows, at least 1."""

    batch_size: int = 128
    """Rows per batch, over all processes together, at least 1."""

    optimizer: Literal["adamw", "adamw_8bit", "muon"] = "adamw"
    """`muon` moves the matrices within the network in all directions alike (Jordan et al. 2024), the rest as
    `adamw` does: much faster for language models from nothing, seldom better for others. `adamw_8bit` keeps
    AdamW's two moments in 8 bits (Dettmers et al. 2022): 2 bytes a weight instead of 8; needs a GPU and the
    package bitsandbytes."""

    learning_rate: float = 1e-3
    """Peak learning rate, reached at the end of the warm-up; above 0."""

    weight_decay: float = 1e-4
    """Decoupled weight decay, times the learning rate; biases and norms are left out; 0 = off."""

    warmup_fraction: float = 0.05
    """Share of the optimizer steps in which the rate rises; then a cosine takes it to 0. From 0 to 1."""

    accumulation_steps: int = 1
    """Batches that make one optimizer step together, exactly like one larger batch; at least 1."""

    clip_norm: float = 1.0
    """Longest norm of the gradient over all weights together; longer ones are scaled down; 0 = off."""

    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the computation; weights stay float32. float16 needs a GPU."""

    tf32: bool = False
    """Multiply float32 matrices in TF32 (10 bits of mantissa instead of 23): several times faster on NVIDIA
    GPUs since Ampere, and exact enough for most; bfloat16 is faster still and takes less memory."""

    compile: bool = False
    """Make few large operations of many small ones first (torch.compile): a wait of seconds to minutes at the
    start, then faster steps, the more so on a GPU. For batches of one shape, as in pretraining."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU where PyTorch finds one."""

    num_workers: int = 0
    """Processes that prepare batches in advance; 0 = the training process does it (best for tables)."""

    seed: int = 0
    """Start of every random number: initial weights, order of the rows, dropout. From 0 to 2**31 - 1."""

    eval_steps: int = 0
    """Validate, keep the best and save the last state every so many optimizer steps, and at the end of the
    training: for a corpus whose epoch takes hours; 0 = once per epoch."""

    patience: int = 8
    """Epochs (with `eval_steps`: validations) without a better validation value after which training stops;
    0 = never."""

    checkpoint_steps: int = 0
    """Save the last state every so many optimizer steps, besides at each validation; 0 = only then."""

    max_steps: int = 0
    """Stop after this many optimizer steps (a dry run), at the rates of the whole training; 0 = no limit."""

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
        for name in (
            "weight_decay",
            "clip_norm",
            "num_workers",
            "eval_steps",
            "patience",
            "checkpoint_steps",
            "max_steps",
            "overfit_batches",
        ):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("learning_rate", self.learning_rate > 0, "above 0")
        self._check("warmup_fraction", 0 <= self.warmup_fraction <= 1, "from 0 to 1")
        self._check("seed", 0 <= self.seed < 2**31, "from 0 to 2147483647")

    def _check(self, name: str, fine: bool, allowed: str) -> None:
        if not fine:
            raise ValueError(f"{name} must be {allowed}, not {getattr(self, name)}")
