"""Public benchmarks: lm-evaluation-harness has no Keras models, so there are none here."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import UserError
from .metrics import Metrics
from .text_model import TextModel


def evaluate_with_harness(model: TextModel, tasks: Sequence[str], *, include: str = "") -> dict[str, Metrics]:
    """Raise UserError: lm-evaluation-harness reads models of PyTorch."""
    raise UserError(
        f"{', '.join(tasks)}: lm-evaluation-harness has no Keras models; leave harness in configs/eval.yaml "
        "empty, or make the project with PyTorch."
    )
