"""What all systems of the benchmark share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of one task.

    Attributes:
        task: pretrain, full (fine-tuning of all weights) or lora.
        threads: Of the processor.
        learning_rate: Constant, of AdamW without decay.
        clip_norm: Of the gradient; 0: not clipped (litgpt's fine-tuning does not).
        beta2: Of AdamW.
        rank, alpha: Of LoRA on all linear layers but the output.
        warmup, pilot, segment, rounds: Steps that are not timed; steps to choose settings; steps of a timed run; runs.
        capacity, rows: Tokens of a pack, packs of a step.
    """

    task: str
    threads: int
    learning_rate: float
    clip_norm: float
    beta2: float
    rank: int = 16
    alpha: float = 32.0
    warmup: int = 2
    pilot: int = 2
    segment: int = 2
    rounds: int = 5
    capacity: int = 1024
    rows: int = 2
    bf16: bool = False

    @property
    def steps(self) -> int:
        return self.warmup + self.pilot + self.segment * self.rounds

    @property
    def ends(self) -> list[int]:
        """The steps after which a segment ends: warm-up, pilot, rounds."""
        first = self.warmup + self.pilot
        return [self.warmup, first, *range(first + self.segment, self.steps + 1, self.segment)]
