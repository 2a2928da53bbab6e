"""The best and the last state of a training run on disk, early stopping, and going on after a stop.

Keras' own BackupAndRestore brings back the weights and the number of the epoch, but EarlyStopping and ModelCheckpoint
then start without their best value. Here all of it lies in one `.keras` file, which replaces its predecessor in one
move: whenever the process is killed, the folder holds one whole state.
"""

import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from .callbacks import RunHistory

MODEL_FILE = "model.keras"
STATE_FILE = (
    "training.json"  # beside config.json and model.weights.h5 inside the .keras file; Keras overlooks it
)


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, keep the best and the last state; stop after `patience` epochs without a better value.

    `monitor` is a column of the history; a smaller value is better if its name ends in loss or error.
    """

    def __init__(self, folder: Path, history: RunHistory, *, monitor: str, patience: int) -> None:
        super().__init__()
        self.best_file = folder / "best" / MODEL_FILE
        self.last_file = folder / "last" / MODEL_FILE
        self.history = history
        self.monitor = monitor
        self.patience = patience
        self.sign = 1 if monitor.endswith(("loss", "error")) else -1
        self.best = math.inf
        self.best_epoch = 0

    @property
    def finished(self) -> bool:
        """Whether early stopping has ended the run."""
        return 0 < self.patience <= len(self.history.rows) - self.best_epoch

    def restore(self, model: keras.Model) -> int:
        """Put compiled `model` into the state of the last finished epoch; return how many epochs are finished."""
        if not self.last_file.exists():
            return 0
        with zipfile.ZipFile(self.last_file) as archive:
            state = json.loads(archive.read(STATE_FILE))
        model.optimizer.build(
            model.trainable_variables
        )  # without it, its state in the file would be left out
        model.load_weights(self.last_file)
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.history.rewrite(state["history"])
        return len(self.history.rows)

    def load_best(self, model: keras.Model) -> None:
        """Give `model` the weights of the best epoch."""
        model.load_weights(self.best_file)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        value = self.sign * self.history.rows[-1][self.monitor]
        if value < self.best:
            self.best, self.best_epoch = value, epoch + 1
            write_model(self.model, self.best_file)
        state = {"best": self.best, "best_epoch": self.best_epoch, "history": self.history.rows}
        write_model(self.model, self.last_file, state)
        if self.finished:
            self.model.stop_training = True


def write_model(model: keras.Model, file: Path, state: dict[str, Any] | None = None) -> None:
    """Save `model`, and `state` inside the same file: under another name first, then in place in one move."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name("unfinished.keras")
    model.save(unfinished)
    if state is not None:
        with zipfile.ZipFile(unfinished, "a") as archive:
            archive.writestr(STATE_FILE, json.dumps(state))
    os.replace(unfinished, file)
