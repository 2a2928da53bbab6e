"""Settings of align.py: preference tuning, where a model learns which of two answers is better."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .config import ChatDataConfig, check
from .method_config import MethodConfig
from .training_config import TrainingConfig

NOT_USED = ("compile", "eval_steps", "overfit_batches", "profile")


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Settings of align.py: learn from pairs of answers, or from answers labelled good or bad."""

    base: str = "latest"
    """Model to start from: `latest` (newest run of finetune.py), a run, a folder, or a name on the hub."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where a name of `base` is looked up; ModelScope is quick in China."""

    pairs: ChatDataConfig = field(default_factory=lambda: ChatDataConfig(file="data/preferences.jsonl"))

    loss: Literal["dpo", "orpo", "kto"] = "dpo"
    """`dpo`: the better answer shall gain on the worse one, against the base (Rafailov et al. 2023). `orpo`:
    the same without a base to compare with, and the better answer is learned too (Hong et al. 2024). `kto`:
    each answer alone is good or bad (Ethayarajh et al. 2024), with a label or out of a pair; a batch needs
    several."""

    beta: float = 0.1
    """How much the comparison counts: with dpo and kto, higher stays nearer to the base; above 0."""

    desirable_weight: float = 1.0
    """With kto, how much a good answer counts, above 0; to make up for few or many of them."""

    undesirable_weight: float = 1.0
    """With kto, how much a bad answer counts, above 0."""

    method: MethodConfig = field(default_factory=MethodConfig)

    answers: int = 8
    """Questions answered before and after, side by side in the report, 0 or more."""

    answer_tokens: int = 64
    """Longest of these answers in tokens, 1 or more."""

    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for a value that cannot work."""
        check(self.beta > 0, f"beta is {self.beta}: it must be above 0")
        for name in ("desirable_weight", "undesirable_weight"):
            weight = getattr(self, name)
            check(weight > 0, f"{name} is {weight}: it must be above 0")
            check(
                weight == 1 or self.loss == "kto", f"{name} is for kto, and loss is {self.loss}: leave it out"
            )
        check(self.answers >= 0, f"answers is {self.answers}: it must be 0 or more")
        check(self.answer_tokens >= 1, f"answer_tokens is {self.answer_tokens}: it must be 1 or more")
        check(
            self.loss != "kto" or self.training.batch_size > 1,
            "training.batch_size is 1: kto compares the answers of a batch, set it to 2 or more",
        )
        check(
            self.training.optimizer != "muon",
            "training.optimizer is muon, which align.py does not have: set it to adamw or adamw_8bit",
        )
        for name in NOT_USED:
            check(not getattr(self.training, name), f"training.{name} does nothing in align.py: leave it out")
