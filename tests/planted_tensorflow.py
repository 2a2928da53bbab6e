"""Slow trainings, each for a reason planted in it. Run by test_profile.py in a rendered project called `demo`.

python planted_tensorflow.py FOLDER        writes what the profile of each case says to FOLDER/found.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from demo import training
from demo.runs import Run
from demo.training import fit, make_callbacks
from demo.training_config import TrainingConfig

# The machine may have other work: threads would wait for each other.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def in_memory(rows: int, width: int) -> tf.data.Dataset:
    random = np.random.default_rng(0)
    features, target = random.normal(size=(rows, width)), random.normal(size=(rows, 1))
    return tf.data.Dataset.from_tensor_slices((features.astype("float32"), target.astype("float32")))


def slowly(rows: tf.data.Dataset, *, waiting: float = 0.0, working: float = 0.0) -> tf.data.Dataset:
    """The same rows, each of which costs something to fetch."""

    def fetch(features: Any) -> Any:
        time.sleep(waiting)
        end = time.thread_time() + working
        while time.thread_time() < end:
            sum(range(1000))
        return features

    def prepare(features: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        fetched = tf.numpy_function(fetch, [features], tf.float32)
        return tf.ensure_shape(fetched, features.shape), target

    return rows.map(prepare)


def network(width: int, hidden: int) -> keras.Model:
    layers = [keras.layers.Dense(hidden, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((width,)), *layers, keras.layers.Dense(1)])


def profile(folder: Path, data: tf.data.Dataset, model: keras.Model, **settings: Any) -> dict[str, Any]:
    config = TrainingConfig(epochs=50, max_steps=60, device="cpu", profile=True, **settings)
    folder.mkdir()
    fit(model, data, None, config, Run(folder, "train"), loss="mse")
    content: dict[str, Any] = json.loads((folder / "profile/summary.json").read_text(encoding="utf-8"))
    return content


class LogEveryBatch(keras.callbacks.Callback):
    """Writes the histogram of all weights after each batch."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.writer = tf.summary.create_file_writer(str(folder))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        with self.writer.as_default(step=batch):
            for weight in self.model.weights:
                tf.summary.histogram(weight.path, weight.value)
        self.writer.flush()


def main(folder: Path) -> None:
    """Train each case and write down what its profile says."""
    rows = in_memory(2000, 64)
    found = {
        "slow disk": profile(folder / "disk", slowly(rows, waiting=0.002), network(64, 16), batch_size=16),
        "heavy work, no worker": profile(folder / "one", slowly(rows, working=0.001), network(64, 16), batch_size=16),
        "tiny batch": profile(folder / "tiny", rows, network(64, 16), batch_size=2),
        "large batch": profile(folder / "large", in_memory(8192, 512), network(512, 1024), batch_size=1024),
    }

    def with_logging(*arguments: Any) -> list[keras.callbacks.Callback]:
        clock, *others = make_callbacks(*arguments)
        return [clock, LogEveryBatch(folder / "weights"), *others]

    training.make_callbacks = with_logging
    found["logging"] = profile(folder / "logging", rows, network(64, 16), batch_size=16)
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
