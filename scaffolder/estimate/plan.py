"""What a person wants to do with a model: the method, the precision, how much at once, and on how many GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from scaffolder.estimate.net import Keeping
from scaffolder.estimate.tape import Device, Mode

Method = Literal["full", "lora", "qlora", "pretrain", "inference"]
Precision = Literal["float32", "bf16-mixed", "bf16", "fp16-mixed", "fp16"]
Optimizer = Literal["adamw", "adamw-8bit", "sgd", "sgd-momentum", "lion", "adafactor"]

Loss = Literal["whole", "pieces"]

METHODS: Final[tuple[Method, ...]] = ("full", "lora", "qlora", "pretrain", "inference")
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "bf16-mixed", "bf16", "fp16-mixed", "fp16")
LOSSES: Final[tuple[Loss, ...]] = ("whole", "pieces")
OPTIMIZERS: Final[tuple[Optimizer, ...]] = ("adamw", "adamw-8bit", "sgd", "sgd-momentum", "lion", "adafactor")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One way to run a model.

    Attributes:
        method: `full` trains every parameter and `pretrain` does so from nothing; `lora` trains low-rank adapters
            beside them, `qlora` beside 4-bit weights; `inference` trains nothing.
        precision: `-mixed` keeps what is trained in float32 and computes in 16 bits (autocast); without it everything
            is in 16 bits. With `lora` and `qlora` the frozen weights have 16 bits in either.
        batch: Samples on one GPU for one pass.
        length: Tokens, pixels of a side, or samples of a sound.
        target: Tokens that are written, where that is another number.
        loss: `whole` makes the logits of all tokens at once, `pieces` of some tokens at a time.
        checkpointing: Each block keeps its input alone, and runs once more on the way back.
        gpus: FSDP shares weights, gradients and the optimizer's state between them.
        accumulation: Passes for one step of the optimizer: gradients stay between them.
    """

    method: Method = "full"
    precision: Precision = "bf16-mixed"
    batch: int = 1
    length: int = 1
    target: int = 0
    optimizer: Optimizer = "adamw"
    rank: int = 16
    adapted: Literal["all", "attention"] = "all"
    checkpointing: bool = False
    attention: Literal["sdpa", "eager"] = "sdpa"
    loss: Loss = "whole"
    gpus: int = 1
    accumulation: int = 1
    device: Device = "cuda"

    @property
    def trains(self) -> bool:
        return self.method != "inference"

    @property
    def whole(self) -> bool:
        """Whether every parameter is trained."""
        return self.method in ("full", "pretrain")

    @property
    def compute_width(self) -> int:
        """Bytes of a number that the matrices are multiplied in."""
        return 4 if self.precision == "float32" else 2

    @property
    def kept_width(self) -> int:
        """Bytes of one of the model's own parameters."""
        if self.precision == "float32" or (self.whole and self.precision.endswith("-mixed")):
            return 4
        return 2

    @property
    def keeping(self) -> Keeping:
        # FSDP hands out the low-precision copies by itself, so there the blocks run on 16-bit weights
        width = self.compute_width if self.gpus > 1 else self.kept_width
        return Keeping(
            width=width,
            trained="all" if self.whole else "none" if self.method == "inference" else "adapters",
            rank=self.rank,
            adapted=self.adapted,
            packed=self.method == "qlora",
        )

    @property
    def mode(self) -> Mode:
        mixed = self.precision.endswith("-mixed") and self.trains
        alone = self.gpus == 1 or not self.whole
        return Mode(
            device=self.device,
            autocast=2 if mixed and alone else 0,
            attention=self.attention,
            loss=self.loss,
            training=self.trains,
            checkpointing=self.checkpointing and self.trains,
            cache=not self.trains,
        )


def state_width(optimizer: Optimizer, parameter: int, shape: tuple[int, ...], *, embedding: bool = False) -> float:
    """Bytes that an optimizer keeps for each number of a parameter.

    Args:
        parameter: Bytes of the parameter's own number: the state has the same precision.
        shape: Of the parameter. bitsandbytes keeps those below 4,096 numbers in 32 bits; adafactor keeps a sum for each
            row and each column of a matrix (Shazeer and Stern, 2018).
        embedding: Whether it is one of an embedding, which bitsandbytes' users keep in 32 bits: the projects here do,
            and transformers' Trainer.
    """
    count = 1
    for length in shape:
        count *= length
    if optimizer == "sgd" or count == 0:
        return 0.0
    if optimizer in ("sgd-momentum", "lion"):
        return float(parameter)
    if optimizer == "adamw-8bit":
        # a byte for each of the two moments, and a float32 for each block of 256 (Dettmers et al., 2022)
        return 8.0 if count < 4096 or embedding else 2 * (1 + 4 / 256)
    if optimizer == "adafactor":
        if len(shape) < 2:
            return float(parameter)
        rows = count // shape[-1]
        columns = count // shape[-2]
        return 4.0 * (rows + columns) / count
    return 2.0 * parameter
