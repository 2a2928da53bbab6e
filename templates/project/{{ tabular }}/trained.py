"""Trained models: where they are, how to open one, and what it can do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .columns import Columns
from .config import FinetuneConfig, TrainConfig
from .data import make_dataset
from .errors import UserError
from .evaluation import predict
from .metrics import Metrics, measure
from .model import load_model, to_predictions
from .preparation import Prepared, classes_of, convert_all, fingerprint, prepare
from .run_selection import MODEL
from .runs import Run, open_run
from .segment import split_segment
from .split import Splits


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model with all that it needs to predict."""

    model: Any
    columns: Columns
    preprocessing: Any

    def predict(self, rows: pd.DataFrame, batch_size: int = 1024) -> np.ndarray:
        """Probabilities (N, classes), or numbers (N,) in the target's own unit, for converted rows."""
        dataset = make_dataset(rows, self.columns, self.preprocessing)
        return to_predictions(predict(self.model, dataset, batch_size), self.columns)

    def measure(self, rows: pd.DataFrame) -> Metrics:
        """How good the predictions for converted rows with a target are."""
        return measure(rows[self.columns.target].to_numpy(), self.predict(rows), self.columns)


def open_model(run: Run) -> Trained:
    """Load the model of a run. Raises UserError where the run did not get so far."""
    if not (run.folder / MODEL).exists():
        raise UserError(f"{run.folder} holds no trained model: that run was stopped, or is of another kind.")
    model, columns, preprocessing = load_model(run.path(MODEL))
    return Trained(model=model, columns=columns, preprocessing=preprocessing)


def first_run(run: Run) -> Run:
    """The run in which the model was first trained: itself, or what it was fine-tuned from."""
    return open_run(run.read_config(FinetuneConfig).pretrained) if run.stage == "finetune" else run


def training_config(run: Run) -> TrainConfig:
    """The settings with which the model of a run was first trained."""
    return first_run(run).read_config(TrainConfig)


def check_table(run: Run, config: TrainConfig) -> None:
    """Refuse another table than that of the first training: its test rows may have been training rows."""
    first = first_run(run)
    if not Path(config.data.file).is_file():
        raise UserError(f"{config.data.file}, the table of {first.folder}, does not exist any more.")
    if fingerprint(config.data.file) != first.environment().get("data"):
        raise UserError(
            f"{config.data.file} has changed since {first.folder} was trained: run train.py again."
        )


def few_rows(prepared: Prepared, base: TrainConfig, config: FinetuneConfig, columns: Columns) -> Splits:
    """The rows of the segment: a few to train and validate, the others to test; converted."""
    rows = prepared.segment.rows
    splits = split_segment(
        rows, config.rows, config.validation_rows, base.split, classes_of(rows, prepared.target)
    )
    return convert_all(splits, columns)


def rows_of(run: Run, columns: Columns) -> Splits:
    """The rows that the model of a run was trained, validated and may be tested on; converted."""
    base = training_config(run)
    check_table(run, base)
    prepared = prepare(base)
    if run.stage == "finetune":
        return few_rows(prepared, base, run.read_config(FinetuneConfig), columns)
    return convert_all(prepared.splits, columns)
