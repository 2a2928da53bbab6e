"""Small Keras callbacks of the shared training."""

import math
import time
from typing import Any

import keras

from .errors import UserError
from .runs import Run


class RunHistory(keras.callbacks.Callback):
    """One row per epoch, in memory and in the run's `history.csv`."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.rows: list[dict[str, Any]] = []
        self.began = 0.0

    def rewrite(self, rows: list[dict[str, Any]]) -> None:
        """Go on from `rows`: an epoch that was written down but not saved as a checkpoint is dropped."""
        self.rows = rows
        self.run.path("history.csv").unlink(missing_ok=True)
        for row in rows:
            self.run.log(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = {our_name(name): float(value) for name, value in (logs or {}).items()}
        values["learning_rate"] = float(self.model.optimizer.learning_rate)
        values["seconds"] = time.perf_counter() - self.began
        self.rows.append({"epoch": epoch + 1, **values})
        self.run.log(epoch + 1, values)


def our_name(name: str) -> str:
    """Keras' `loss` and `val_loss` as `train_loss` and `validation_loss`, as in the history of every framework."""
    return f"validation_{name[4:]}" if name.startswith("val_") else f"train_{name}"


class StopOnNan(keras.callbacks.Callback):
    """End training with one sentence as soon as the loss is infinite or not a number; saved epochs stay as they are."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise UserError(
                f"The loss became {logs['loss']} in epoch {self.epoch}, batch {batch + 1}: lower "
                f"training.learning_rate (now {self.learning_rate:g}) or look for extreme values in the data. "
                "The checkpoints of earlier epochs are kept."
            )


class StopAfterSteps(keras.callbacks.Callback):
    """Stop after `max_steps` optimizer steps; validation and the checkpoint of the epoch still happen."""

    def __init__(self, max_steps: int) -> None:
        super().__init__()
        self.max_steps = max_steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if int(self.model.optimizer.iterations) >= self.max_steps:
            self.model.stop_training = True
