"""Training that every task shares: Keras' `compile` and `fit`, made safe to stop and to go on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from .callbacks import StopAfterSteps, StopOnNan
from .checkpoint import Checkpoint, History
from .profile_trials import finish_profile
from .profiling import Clock
from .runs import Run
from .schedule import make_optimizer
from .tracking_callbacks import tracking_callbacks
from .training_config import TrainingConfig

Loss: TypeAlias = str | keras.losses.Loss | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""What `compile` takes as a loss."""

SHUFFLE_WINDOW = 100_000
"""Rows held in memory to draw from; a longer data set is shuffled within a window that slides over it."""


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset | None,
    config: TrainingConfig,
    run: Run,
    *,
    loss: Loss,
    monitor: str = "validation_loss",
    optimizer: keras.optimizers.Optimizer | None = None,
    metrics: Sequence[str | keras.metrics.Metric] = (),
    phase: str = "",
    kept: Sequence[keras.Variable] | None = None,
) -> History:
    """Train `model` and leave it with the weights of its best epoch.

    The run folder gets `checkpoints/best` and `checkpoints/last`, `history.csv` and the curves. With
    `config.resume` set, training goes on after the last finished epoch of this run, and on a CPU it ends with
    the numbers of a training that was never stopped.

    Args:
        model: A built Keras model.
        train: Gives `(inputs, target)` row by row and knows its length; it is shuffled and batched here.
        validation: Likewise; None where there is none, and the training loss then tells the best epoch.
        config: How to train.
        run: Where results are kept.
        loss: What `compile` takes.
        monitor: Column of the history that tells the best epoch: by the smallest loss or error, else by the
            largest value.
        optimizer: As `config` says, unless given.
        metrics: What `compile` takes; they appear in the history as `train_…` and `validation_…`.
        phase: Name of a part of a training in several parts; its checkpoints are in `checkpoints/<phase>/`.
        kept: Variables of the model that training changes, where most of a large one are frozen: checkpoints
            hold no others. All of them, unless given.

    Raises:
        UserError: When the loss stops being a number, or the checkpoint is of another model or other data.
        KeyboardInterrupt: After Ctrl-C, with a message on how to go on.
    """
    if config.overfit_batches:
        train = validation = train.take(config.overfit_batches * config.batch_size)
    steps = -(-len(train) // config.batch_size)
    if optimizer is None:
        output = [layer for layer in model.layers if layer.weights][-1].path
        optimizer = make_optimizer(config, steps * config.epochs // config.accumulation_steps, output=output)
    model.compile(optimizer, loss=loss, metrics=list(metrics))
    # `fit` would build it, but then TensorFlow traces the step twice, and there is nothing to restore before.
    model.optimizer.build(model.trainable_variables)

    monitor = "train_loss" if validation is None else monitor
    checkpoint = Checkpoint(run, config, rows=len(train), monitor=monitor, phase=phase, kept=kept)
    if config.resume:
        checkpoint.restore(model)
    callbacks = make_callbacks(checkpoint, config, run, phase)
    try:
        if not checkpoint.finished:
            model.fit(
                batches(train, config, checkpoint.epochs_done),
                validation_data=validation and validation.batch(config.batch_size).prefetch(tf.data.AUTOTUNE),
                initial_epoch=checkpoint.epochs_done,
                epochs=config.epochs,
                steps_per_epoch=steps,
                shuffle=False,  # `batches` has done it
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            )
    except KeyboardInterrupt:
        if checkpoint.epochs_done:
            checkpoint.use_best(model)
        message = f"{checkpoint.epochs_done} finished epochs are saved. Go on with: {run.resume_command()}"
        raise KeyboardInterrupt(message) from None
    clocks = [callback for callback in callbacks if isinstance(callback, Clock)]
    for clock in clocks:  # one where training is profiled
        epochs = batches(train, config, epochs_done=0)
        traces = run.path("tensorboard") / phase
        finish_profile(run.path("profile"), traces, clock, config, model, train, epochs)
    checkpoint.use_best(model)
    return checkpoint.history


def batches(train: tf.data.Dataset, config: TrainingConfig, epochs_done: int) -> tf.data.Dataset:
    """The batches of all epochs that are left, one epoch after the other.

    The order within an epoch depends on the seed and on the number of the epoch alone, not on what this
    process has drawn before: a resumed training sees the rows in the order of one that was never stopped.
    """
    window = min(len(train), SHUFFLE_WINDOW)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        tf.random.set_seed(
            config.seed + 1
        )  # of this small graph only; TensorFlow cannot pair 0 with a tensor
        return train.shuffle(window, seed=epoch, reshuffle_each_iteration=False).batch(config.batch_size)

    epochs = tf.data.Dataset.range(epochs_done, config.epochs)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def make_callbacks(
    checkpoint: Checkpoint, config: TrainingConfig, run: Run, phase: str
) -> list[keras.callbacks.Callback]:
    """What happens after each batch and epoch. The checkpoint comes last: it must not see a loss of NaN."""
    callbacks = [StopOnNan(config.learning_rate), *tracking_callbacks(run, config, phase), checkpoint]
    if config.max_steps:
        callbacks.insert(0, StopAfterSteps(config.max_steps))
    return [Clock(), *callbacks] if config.profile else callbacks
