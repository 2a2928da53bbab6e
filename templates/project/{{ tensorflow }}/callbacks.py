"""Small Keras callbacks that end training early."""

from __future__ import annotations

import math

import keras

from .errors import UserError


class StopOnNan(keras.callbacks.Callback):
    """End training with one sentence when the loss is no longer a number; what is saved stays as it is."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.check(
            (logs or {}).get("loss", 0.0), f"loss became {{}} in epoch {self.epoch}, batch {batch + 1}"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.check((logs or {}).get("val_loss", 0.0), f"validation loss became {{}} in epoch {self.epoch}")

    def check(self, loss: float, what: str) -> None:
        """Raise UserError when `loss` is infinite or not a number."""
        if not math.isfinite(loss):
            raise UserError(
                f"The {what.format(float(loss))}: lower training.learning_rate (now {self.learning_rate:g}) "
                "or look for extreme values in the data; the checkpoints of the epochs before it are kept."
            )


class StopAfterSteps(keras.callbacks.Callback):
    """Stop after `max_steps` optimizer steps; validation and checkpoint of that epoch still take place."""

    def __init__(self, max_steps: int) -> None:
        super().__init__()
        self.max_steps = max_steps

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if steps_done(self.model) >= self.max_steps:
            self.model.stop_training = True


def steps_done(model: keras.Model) -> int:
    """Optimizer steps that `model` has been trained for."""
    return int(keras.ops.convert_to_tensor(model.optimizer.iterations).numpy())
