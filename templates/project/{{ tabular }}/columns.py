"""What each column of the table is, decided from the training rows alone."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

MISSING = ""  # a missing category is a category of its own


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the model sees and what it predicts.

    A table that was converted (`convert`) holds the columns `numeric` as float64 with NaN where a value is missing,
    `categorical` as str with `MISSING` where it is missing, and `target`: for classification the index into `classes`
    (int64), for regression the number itself (float64).

    Attributes:
        target: Column to predict.
        problem: `classification` or `regression`.
        numeric: Number inputs, those made from dates included.
        categorical: Category inputs.
        dates: Date columns; their parts (`<column> month sin`, …) stand in `numeric`.
        dropped: Columns that the model does not see, with the reason.
        classes: Names of the classes in index order; empty for regression.
        class_weights: Weight of each class in the loss, mean 1 over the training rows; empty: all weigh the same.
        target_mean: Mean of the target over the training rows (regression; else 0).
        target_scale: Standard deviation of the target over the training rows (regression; else 1).
        decimal: Character before the decimals in text.
        missing_values: Texts that mean "missing", lower case.
    """

    target: str
    problem: Literal["classification", "regression"]
    numeric: list[str]
    categorical: list[str]
    dates: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    class_weights: list[float] = field(default_factory=list)
    target_mean: float = 0.0
    target_scale: float = 1.0
    decimal: str = "."
    missing_values: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        """Number of outputs of the model: one per class (also for two classes), or one number."""
        return len(self.classes) or 1

    def encode_target(self, table: pd.DataFrame) -> np.ndarray:
        """What the loss compares with: class indices (N,) int64, or standardised numbers (N,) float32."""
        values = table[self.target].to_numpy()
        if self.problem == "classification":
            return values.astype(np.int64)
        return ((values - self.target_mean) / self.target_scale).astype(np.float32)

    def decode_target(self, outputs: np.ndarray) -> np.ndarray:
        """Regression outputs (N,) or (N, 1) back in the target's own unit, (N,) float64."""
        return outputs.astype(np.float64).reshape(len(outputs)) * self.target_scale + self.target_mean

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Columns":
        values: dict[str, Any] = json.loads(text)
        return cls(**values)
