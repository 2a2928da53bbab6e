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
        warmup: Steps that are not timed; they hold compiling.
        pilot, trials: Steps of a short run to choose settings, and how many there are; settings take turns.
        segment, rounds: Steps of a timed run, and how many there are; systems take turns.
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
    trials: int = 4
    segment: int = 4
    rounds: int = 5
    capacity: int = 1024
    rows: int = 2
    bf16: bool = False

    @property
    def steps(self) -> int:
        return self.first_timed + self.segment * self.rounds

    @property
    def first_timed(self) -> int:
        """The first step of the rounds."""
        return self.warmup + self.pilot * self.trials

    @property
    def ends(self) -> list[int]:
        """The steps after which a segment ends: warm-up, trials, rounds."""
        trials = range(self.warmup, self.first_timed, self.pilot)
        return [*trials, *range(self.first_timed, self.steps + 1, self.segment)]
