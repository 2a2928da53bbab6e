"""How training runs: every hyper-parameter of the shared Keras training, with its unit and its allowed range."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the model is trained.

    Attributes:
        epochs: Passes over the training rows, 1 or more.
        batch_size: Rows per batch, over all devices together, 1 or more.
        learning_rate: Highest learning rate of AdamW, reached at the end of the warm-up, above 0.
        weight_decay: Share of every weight that AdamW takes away per step, times the learning rate; 0 or more.
            Biases and norms are left out.
        warmup_fraction: Share of all optimizer steps in which the learning rate rises, 0 to 1; a cosine then takes
            it down to 0.
        accumulation_steps: Batches whose gradients are averaged before each optimizer step, 1 or more.
        clip_norm: Longest allowed norm of the gradient of all weights together; 0: no limit.
        precision: Number format of the arithmetic; weights stay float32. float16 needs a GPU.
        device: `cpu` or `gpu`; `auto` takes a GPU if TensorFlow finds one.
        mirrored: Whether each device of this machine gets a copy of the model and a share of each batch
            (`tf.distribute.MirroredStrategy`).
        seed: Of the first weights, the order of the rows and the dropout, 0 to 2147483647.
        patience: Epochs without a better validation value after which training stops; 0: it never does.
        max_steps: Optimizer steps after which training stops (a dry run); 0: no limit.
        overfit_batches: Train and validate on this many batches only, which a sound model learns by heart; 0: all.
        profile: Whether to measure where the time of a step goes.
        resume: Run to go on with, a folder or `latest`; empty: a new run.
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_fraction: float = 0.05
    accumulation_steps: int = 1
    clip_norm: float = 1.0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    device: Literal["auto", "cpu", "gpu"] = "auto"
    mirrored: bool = False
    seed: int = 0
    patience: int = 8
    max_steps: int = 0
    overfit_batches: int = 0
    profile: bool = False
    resume: str = ""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulation_steps"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for name in ("weight_decay", "clip_norm", "patience", "max_steps", "overfit_batches"):
            self._check(name, getattr(self, name) >= 0, "0 or more")
        self._check("learning_rate", self.learning_rate > 0, "above 0")
        self._check("warmup_fraction", 0 <= self.warmup_fraction <= 1, "between 0 and 1")
        self._check("seed", 0 <= self.seed < 2**31, "between 0 and 2147483647")

    def _check(self, name: str, fine: bool, allowed: str) -> None:
        if not fine:
            raise ValueError(f"training.{name} is {getattr(self, name)}: it must be {allowed}")
