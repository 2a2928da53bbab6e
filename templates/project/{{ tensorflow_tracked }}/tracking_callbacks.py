"""What Keras logs, handed to the tracker."""

from __future__ import annotations

import keras

from .callbacks import steps_done
from .checkpoint import our_name
from .profiling import PROFILED_BATCHES
from .runs import Run
from .tracking import Tracking
from .training_config import TrainingConfig


class Tracker(keras.callbacks.Callback):
    """After each epoch, the figures that `history.csv` has go to the tracker."""

    def __init__(self, run: Run, phase: str) -> None:
        super().__init__()
        self.run = run
        self.phase = phase
        self.tracking: Tracking | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.tracking = Tracking(self.run, self.phase, done=steps_done(self.model))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.tracking:
            metrics = {our_name(name): float(value) for name, value in (logs or {}).items()}
            rate = keras.ops.convert_to_tensor(self.model.optimizer.learning_rate)
            self.tracking.log({**metrics, "learning_rate": float(rate)}, steps_done(self.model))

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.tracking:
            self.tracking.finish()


def tracking_callbacks(run: Run, config: TrainingConfig, phase: str) -> list[keras.callbacks.Callback]:
    """Figures of every epoch; with `config.profile` TensorBoard's callback too: it traces a few batches."""
    callbacks: list[keras.callbacks.Callback] = [Tracker(run, phase)]
    if config.profile:
        traces = run.path("tensorboard") / phase
        callbacks.append(
            keras.callbacks.TensorBoard(traces, write_graph=False, profile_batch=PROFILED_BATCHES)
        )
    return callbacks
