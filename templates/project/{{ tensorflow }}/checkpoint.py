"""The best and the last state of a training on disk, early stopping, and going on after a stop.

    checkpoints/best/network.keras    the model at its best epoch so far
    checkpoints/last/network.keras    the model, its optimizer, and how far training is

Keras' own BackupAndRestore brings back the weights and the number of the epoch; EarlyStopping and
ModelCheckpoint then begin without their best value, and dropout draws other numbers. Here one file holds all
of it. It is written under another name and then renamed, which replaces its predecessor in one move: whenever
the process is killed, there is one whole file.
"""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import keras

from .callbacks import steps_done
from .errors import UserError
from .runs import Run
from .training_config import TrainingConfig

History = list[dict[str, Any]]
"""One dictionary per finished epoch: epoch, step, train_loss, validation_loss, learning_rate, seconds."""

MODEL_FILE = "network.keras"
STATE_FILE = "training.json"  # inside the .keras file, which is a zip archive; Keras overlooks it


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, keep a row of history and the best and last state; stop when patience is over."""

    def __init__(self, run: Run, config: TrainingConfig, *, rows: int, monitor: str, phase: str) -> None:
        """Prepare for a training on `rows` rows, whose best epoch is told by the column `monitor`.

        A smaller value is better if the name ends in loss or error, otherwise a larger one is.
        """
        super().__init__()
        self.run = run
        self.config = config
        self.best_file = run.path("checkpoints") / phase / "best" / MODEL_FILE
        self.last_file = run.path("checkpoints") / phase / "last" / MODEL_FILE
        self.monitor = monitor
        self.sign = 1 if monitor.endswith(("loss", "error")) else -1
        self.order = {"rows": rows, "batch_size": config.batch_size, "seed": config.seed}
        self.epochs_before = len(run.history())  # of earlier phases in the same run
        self.history: History = []
        self.best: float | None = None
        self.best_epoch = 0
        self.began = 0.0

    @property
    def finished(self) -> bool:
        """Whether early stopping or `max_steps` has ended this training."""
        if not self.history:
            return False
        tired = 0 < self.config.patience <= len(self.history) - self.best_epoch
        return tired or 0 < self.config.max_steps <= self.history[-1]["step"]

    def restore(self, model: keras.Model) -> None:
        """Put compiled `model` and this object into the state of the last finished epoch, if there is one.

        Raises UserError when the rows would come in another order than in the epochs before.
        """
        if not self.last_file.exists():
            return
        with zipfile.ZipFile(self.last_file) as archive:
            state = json.loads(archive.read(STATE_FILE))
        for name, value in self.order.items():
            if value != state["order"][name]:
                raise UserError(
                    f"{self.last_file} is from a training with {name} {state['order'][name]}, not {value}: "
                    "go on with the same data and settings, or begin a new run without --training.resume."
                )
        model.optimizer.build(model.trainable_variables)  # only what exists already is loaded
        load(model, self.last_file)
        for variable, value in zip(random_states(model), state["random_states"], strict=True):
            variable.assign(value)
        self.epochs_before = state["epochs_before"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.history = state["history"]
        for row in self.history:  # the process may have been killed before the last one was written
            self.log(row)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row = {"epoch": self.epochs_before + epoch + 1, "step": steps_done(self.model)}
        row |= {our_name(name): float(value) for name, value in (logs or {}).items()}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self.began
        self.history.append(row)

        value = row[self.monitor]
        if self.best is None or self.sign * value < self.sign * self.best:
            self.best, self.best_epoch = value, epoch + 1
            save(self.model, self.best_file)
        save(self.model, self.last_file, self.state())
        self.log(row)
        if self.finished:
            self.model.stop_training = True

    def state(self) -> dict[str, Any]:
        """What `restore` needs besides the model and its optimizer."""
        return {
            "epochs_before": self.epochs_before,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "history": self.history,
            "order": self.order,
            "random_states": [keras.ops.convert_to_numpy(one).tolist() for one in random_states(self.model)],
        }

    def log(self, row: dict[str, Any]) -> None:
        """Write a row of the history to the run's history.csv."""
        self.run.log(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})


def our_name(name: str) -> str:
    """Keras' `loss` and `val_loss` as `train_loss` and `validation_loss`, as in every framework here."""
    return f"validation_{name[4:]}" if name.startswith("val_") else f"train_{name}"


def random_states(model: keras.Model) -> list[keras.Variable]:
    """What dropout and other random layers draw from next; Keras leaves it out of the saved weights."""
    return [variable for variable in model.non_trainable_variables if variable.name == "seed_generator_state"]


def save(model: keras.Model, file: Path, state: dict[str, Any] | None = None) -> None:
    """Write `model`, and `state` within the same file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name("unfinished.keras")
    model.save(unfinished)
    if state is not None:
        with zipfile.ZipFile(unfinished, "a") as archive:
            archive.writestr(STATE_FILE, json.dumps(state))
    unfinished.replace(file)


def load(model: keras.Model, file: Path) -> None:
    """Give `model` the weights in `file`. Raises UserError when they are not this model's."""
    try:
        model.load_weights(file)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{file} does not hold the weights of this model: {reason}") from None
