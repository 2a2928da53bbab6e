"""What the generated Keras training costs beside a bare `model.fit`: `python benchmarks/keras_loop.py`.

Renders a TensorFlow project, then trains one model on the same rows with its `fit` and with `compile` and `fit` of
Keras alone (same optimizer, schedule, shuffling and validation), in turns and in one process, and prints the time of
each and the ratio. What the shared one does more: after every epoch it saves the state to go on from, writes history
and TensorBoard's log, and compares with the best epoch; at the end it saves the best model.

The interpreter needs tensorflow: one of a generated project will do, together with `--copier`, a copier program to
render with.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BATCH_SIZE = 128


def small_model(width: int) -> Any:
    """A network for rows of 64 numbers, each of one of 10 classes."""
    import keras

    layers = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])


def random_rows(steps: int) -> Any:
    """Rows for so many batches."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    x = random.normal(size=(steps * BATCH_SIZE, 64)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, random.integers(0, 10, len(x))))


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds that `action` takes, on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        action()
    return time.perf_counter() - clock, time.process_time() - processor


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Train with both in turns, and print the times."""
    import keras
    import tensorflow as tf
    from bench.runs import Run
    from bench.schedule import make_optimizer
    from bench.training import fit
    from bench.training_config import TrainingConfig

    config = TrainingConfig(epochs=arguments.epochs, batch_size=BATCH_SIZE, device="cpu", patience=0)
    train, validation = random_rows(arguments.steps), random_rows(max(arguments.steps // 10, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def bare() -> None:
        model = small_model(arguments.width)
        optimizer = make_optimizer(config, arguments.steps * config.epochs)
        optimizer.build(model.trainable_variables)
        model.compile(optimizer, loss)
        batches = train.shuffle(len(train)).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)
        model.fit(batches, validation_data=validation.batch(BATCH_SIZE), epochs=config.epochs, shuffle=False, verbose=2)

    def shared(number: int) -> None:
        run = Run(folder / str(number), "train")
        run.folder.mkdir()
        fit(small_model(arguments.width), train, validation, config, run, loss=loss)

    timed(bare)  # what TensorFlow does once in a process belongs to neither
    pairs = [(timed(bare), timed(lambda n=number: shared(n))) for number in range(arguments.rounds)]  # type: ignore[misc]
    print(f"{config.epochs} epochs of {arguments.steps} steps, compiling included, median of {len(pairs)} pairs:")
    for index, kind in enumerate(("on the clock", "of the processor")):
        before = statistics.median(one[index] for one, _ in pairs)
        after = statistics.median(two[index] for _, two in pairs)
        ratio = statistics.median(two[index] / one[index] for one, two in pairs)
        more = statistics.median(two[index] - one[index] for one, two in pairs) / config.epochs
        print(
            f"  {kind:17} bare {before:6.2f} s, shared {after:6.2f} s, ratio {ratio:5.3f}, "
            f"{1000 * more:5.1f} ms more per epoch"
        )


def render(project: Path, copier: str) -> None:
    command = [copier] if copier else [sys.executable, "-m", "copier"]
    answers = ["-d", "framework=tensorflow", "-d", "project_name=bench"]
    subprocess.run([*command, "copy", "--quiet", "--defaults", *answers, TEMPLATES, project], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copier", default="", help="a copier program, where it cannot be imported here")
    parser.add_argument("--width", type=int, default=600, help="of the layers: decides how long a step takes")
    parser.add_argument("--steps", type=int, default=100, help="per epoch")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5, help="how often both train")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "bench")
        render(project, arguments.copier)
        sys.path.insert(0, str(project))
        compare(Path(scratch), arguments)


if __name__ == "__main__":
    main()
