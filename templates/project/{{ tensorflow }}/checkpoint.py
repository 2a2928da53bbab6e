"""The best and the last state of a training on disk, early stopping, and going on after a stop.

    checkpoints/last/training.npz    after every epoch: all that going on needs, the best weights so far
    included checkpoints/best/model.keras     the model with the weights of its best epoch
    checkpoints/best/weights.npz     in its place, where most weights are frozen: those that learn

Keras' own BackupAndRestore brings back weights and epoch; EarlyStopping and ModelCheckpoint then begin
without their best value, and dropout draws other numbers. Here one file holds all of it. It is written under
another name and then renamed, which replaces its predecessor in one move: whenever the process is killed,
there is one whole state. It is a plain NumPy archive because that takes a tenth of the time of a `.keras`
file, which counts where an epoch takes a tenth of a second.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from .callbacks import steps_done
from .errors import UserError
from .run_selection import check_same_rows
from .runs import Run
from .training_config import TrainingConfig

History = list[dict[str, Any]]
"""One dictionary per finished epoch: epoch, step, train_loss, validation_loss, learning_rate, seconds."""

MODEL_FILE = "model.keras"
STATE_FILE = "training.npz"
WEIGHTS_FILE = "weights.npz"

LONG_EPOCH = 1.0
"""Seconds from which on an epoch that is the best so far writes model.keras at once, and not only at the
end."""


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, keep a row of history and the best and last state; stop when patience is over."""

    def __init__(
        self,
        run: Run,
        config: TrainingConfig,
        *,
        rows: int,
        monitor: str,
        phase: str,
        kept: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Prepare for a training on `rows` rows, whose best epoch is told by the column `monitor`.

        A smaller value is better if the name ends in loss or error, otherwise a larger one is. `kept` are the
        variables of the model that training changes; all of them, unless given.
        """
        super().__init__()
        self.run = run
        self.config = config
        self.kept = kept
        self.best_file = run.path("checkpoints") / phase / "best" / MODEL_FILE
        self.last_file = run.path("checkpoints") / phase / "last" / STATE_FILE
        self.monitor = monitor
        self.sign = 1 if monitor.endswith(("loss", "error")) else -1
        self.order = {"rows": rows, "batch_size": config.batch_size, "seed": config.seed}
        self.epochs_before = len(run.history())  # of earlier phases in the same run
        self.history: History = []
        self.best: float | None = None
        self.best_epoch = 0
        self.best_weights: list[np.ndarray] = []
        self.began = 0.0

    @property
    def epochs_done(self) -> int:
        """Finished epochs of this training."""
        return len(self.history)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or early stopping or `max_steps` has ended this training before."""
        if not self.history:
            return False
        tired = 0 < self.config.patience <= self.epochs_done - self.best_epoch
        enough = 0 < self.config.max_steps <= self.history[-1]["step"]
        return tired or enough or self.epochs_done >= self.config.epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row: dict[str, Any] = {"epoch": self.epochs_before + epoch + 1, "step": steps_done(self.model)}
        row |= {our_name(name): float(value) for name, value in (logs or {}).items()}
        row["learning_rate"] = float(keras.ops.convert_to_tensor(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self.began
        self.history.append(row)

        value = row[self.monitor]
        if self.best is None or self.sign * value < self.sign * self.best:
            self.best, self.best_epoch = value, epoch + 1
            self.best_weights = arrays_of(self.weights_of(self.model))
            if row["seconds"] >= LONG_EPOCH:
                self.save_best(self.model)
        self.save_state()
        self.log(row)
        if self.finished:
            self.model.stop_training = True

    def use_best(self, model: keras.Model) -> None:
        """Give `model` the weights of the best epoch and write them down."""
        for variable, value in zip(self.weights_of(model), self.best_weights, strict=True):
            variable.assign(value)
        self.save_best(model)

    def save_best(self, model: keras.Model) -> None:
        """Write `model` to `checkpoints/best`; where some of it is frozen, only what is not."""
        if self.kept is None:
            save(model, self.best_file)
        else:
            weights = {f"best.{i}": array for i, array in enumerate(self.best_weights)}
            save_arrays(self.best_file.with_name(WEIGHTS_FILE), weights)

    def weights_of(self, model: keras.Model) -> Sequence[keras.Variable]:
        """What the best epoch is kept of."""
        return model.weights if self.kept is None else self.kept

    def state_of(self, model: keras.Model) -> list[keras.Variable]:
        """What is kept of the last epoch, optimizer included."""
        return state_of(model) if self.kept is None else [*self.kept, *model.optimizer.variables]

    def log(self, row: dict[str, Any]) -> None:
        """Write a row of the history to the run's history.csv."""
        self.run.log(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})

    def save_state(self) -> None:
        """Write the state of model, optimizer and this object to `checkpoints/last`."""
        progress = {name: getattr(self, name) for name in PROGRESS}
        arrays: dict[str, Any] = {
            f"model.{i}": array for i, array in enumerate(arrays_of(self.state_of(self.model)))
        }
        arrays |= {f"best.{i}": array for i, array in enumerate(self.best_weights)}
        save_arrays(self.last_file, {"progress": np.array(json.dumps(progress)), **arrays})

    def restore(self, model: keras.Model) -> None:
        """Put `model`, its optimizer and this object into the state of the last finished epoch, if there is
        one.

        Raises UserError when the checkpoint is of another model, or of rows in another order.
        """
        if not self.last_file.exists():
            return
        try:
            with np.load(self.last_file) as archive:
                arrays = dict(archive)
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{self.last_file} is damaged ({error}): begin a new run.") from None
        progress = json.loads(str(arrays["progress"]))
        check_same_rows(self.last_file, progress["order"], self.order)
        variables = self.state_of(model)
        values = [arrays[name] for name in arrays if name.startswith("model.")]
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            raise UserError(f"{self.last_file} is of a model of another shape: go on with the same settings.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for name in PROGRESS:
            setattr(self, name, progress[name])
        self.best_weights = [arrays[name] for name in arrays if name.startswith("best.")]
        for row in self.history:  # the process may have been killed before the last one was written
            self.log(row)


PROGRESS = ("epochs_before", "history", "best", "best_epoch", "order")
"""What a checkpoint callback knows, besides weights."""


def state_of(model: keras.Model) -> list[keras.Variable]:
    """All that changes in training: weights, statistics of norms, what dropout draws from next, the
    optimizer."""
    measured = {id(variable) for variable in model.metrics_variables}
    return [one for one in [*model.variables, *model.optimizer.variables] if id(one) not in measured]


def arrays_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """The present values of `variables`, copied into main memory."""
    return [variable.value.numpy() for variable in variables]


def our_name(name: str) -> str:
    """Keras' `loss` and `val_loss` as `train_loss` and `validation_loss`, as in every framework here."""
    return f"validation_{name[4:]}" if name.startswith("val_") else f"train_{name}"


def save_arrays(file: Path, arrays: dict[str, Any]) -> None:
    """Write a NumPy archive: under another name first, then renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name("unfinished.npz")
    np.savez(unfinished, **arrays)
    unfinished.replace(file)


def save(model: keras.Model, file: Path) -> None:
    """Write `model` as one `.keras` file: under another name first, then renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name("unfinished.keras")
    uncompiled(model).save(unfinished)
    unfinished.replace(file)


def uncompiled(model: keras.Model) -> keras.Model:
    """The same layers without optimizer and loss: a file of it can be loaded anywhere, without our code."""
    if isinstance(model, keras.Sequential):  # has no `input` before it was called once
        return keras.Sequential([keras.Input(batch_shape=model.input_shape), *model.layers], name=model.name)
    return keras.Model(model.input, model.output, name=model.name)
