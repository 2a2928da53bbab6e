"""What Keras logs, as TensorBoard's files in the run folder."""

from __future__ import annotations

import keras

from .profiling import PROFILED_BATCHES
from .runs import Run
from .training_config import TrainingConfig


def tracking_callbacks(run: Run, config: TrainingConfig, phase: str) -> list[keras.callbacks.Callback]:
    """Curves of every epoch; with `config.profile` also the trace of a few batches."""
    tensorboard = keras.callbacks.TensorBoard(
        run.path("tensorboard") / phase,
        write_graph=False,
        profile_batch=PROFILED_BATCHES if config.profile else 0,
    )
    return [tensorboard]
