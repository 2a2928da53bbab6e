"""Trained models: where they are, which problem they are for, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from .config import DataConfig, FinetuneConfig, TrainConfig
from .data import make_dataset
from .errors import UserError
from .evaluation import predict
from .metrics import Metrics, evaluate
from .model import load_model, to_predictions
from .numpy_network import Array
from .problems import SECOND_CLASSES, FourGroups, Rows, Splits, split
from .run_selection import MODEL
from .runs import Run, open_run


@dataclass(frozen=True)
class Trained:
    """The framework's network, ready to predict from features as measured."""

    model: Any

    def probabilities(self, X: Array, batch_size: int = 1024) -> Array:
        """Probability of class 1 for features (N, D), shape (N,)."""
        return to_predictions(predict(self.model, make_dataset(X), batch_size))

    def measure(self, rows: Rows, batch_size: int = 1024) -> Metrics:
        """How good the probabilities for `rows` are."""
        return evaluate(self.probabilities(rows.X, batch_size), rows)


def open_model(run: Run) -> Trained:
    """Load the model of a run. Raises UserError where the run did not get so far."""
    if not (run.folder / MODEL).exists():
        raise UserError(f"{run.folder} holds no trained model: it was stopped, or is a run of another kind.")
    return Trained(load_model(run.path(MODEL)))


# --- The problems -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A problem, and its rows, divided."""

    problem: FourGroups
    splits: Splits

    @property
    def fingerprint(self) -> str:
        """Hash of all rows, in order: equal where the data is."""
        parts = (self.splits.train, self.splits.validation, self.splits.test)
        return sha256(b"".join(part.X.tobytes() + part.y.tobytes() for part in parts)).hexdigest()


def first_task(data: DataConfig) -> Task:
    """The four groups as XOR has them: to train on."""
    return _make_task(FourGroups(data.features, data.noise), data, data.seed)


def second_task(data: DataConfig, turned: float) -> Task:
    """The four groups turned, one of them with another class, and with rows of their own: to fine-tune on."""
    return _make_task(FourGroups(data.features, data.noise, SECOND_CLASSES, turned), data, data.seed + 1)


def task_of(run: Run) -> Task:
    """The task that the model of a run was trained or fine-tuned for. Raises UserError."""
    if run.stage == "finetune":
        config = run.read_config(FinetuneConfig)
        return second_task(open_run(config.pretrained).read_config(TrainConfig).data, config.turned)
    return first_task(run.read_config(TrainConfig).data)


def _make_task(problem: FourGroups, data: DataConfig, seed: int) -> Task:
    rows = problem.sample(data.rows, seed)
    return Task(problem, split(rows, validation=data.validation, test=data.test, seed=seed))
