"""Training that every task shares: Keras' `compile` and `fit`, with the callbacks that make it safe to stop and go on."""

import sys
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from .callbacks import RunHistory, StopAfterSteps, StopOnNan
from .checkpoint import Checkpoint
from .errors import UserError
from .runs import Run
from .training_config import TrainingConfig

History = list[dict[str, Any]]
"""One dictionary per finished epoch: epoch, train_loss, validation_loss, learning_rate, seconds and the metrics."""

LONGEST_SHUFFLE = 200_000
"""Rows held in memory to be shuffled; a longer data set is shuffled within a sliding window of this length."""


def fit(
    model: keras.Model,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    config: TrainingConfig,
    run: Run,
    *,
    loss: str | keras.losses.Loss,
    monitor: str = "validation_loss",
    metrics: Sequence[str | keras.metrics.Metric] = (),
) -> History:
    """Train `model` and leave it with the weights of its best epoch.

    `train` and `validation` give `(inputs, target)` one row at a time and know their length; they are shuffled and
    batched here. The run folder gets `checkpoints/best` and `checkpoints/last`, `history.csv` and TensorBoard's logs.

    With `config.resume` set, training goes on after the last finished epoch of the same run and ends with the numbers
    that an uninterrupted run ends with. Raises UserError when the loss stops being a number.
    """
    if config.overfit_batches:
        train = validation = train.take(config.overfit_batches * config.batch_size)
    steps = -(-len(train) // config.batch_size)
    model.compile(optimizer=make_optimizer(config, steps * config.epochs), loss=loss, metrics=list(metrics))

    history = RunHistory(run)
    checkpoint = Checkpoint(run.path("checkpoints"), history, monitor=monitor, patience=config.patience)
    first_epoch = checkpoint.restore(model) if config.resume else 0
    callbacks: list[keras.callbacks.Callback] = [
        StopOnNan(config.learning_rate),
        keras.callbacks.TensorBoard(
            run.path("tensorboard"), write_graph=False, profile_batch=(10, 20) if config.profile else 0
        ),
        history,
        checkpoint,
    ]
    if config.max_steps:
        callbacks.append(StopAfterSteps(config.max_steps))

    try:
        if not checkpoint.finished:
            model.fit(
                batches(train, config, first_epoch),
                validation_data=validation.batch(config.batch_size).prefetch(tf.data.AUTOTUNE),
                initial_epoch=first_epoch,
                epochs=config.epochs,
                steps_per_epoch=steps,
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{len(history.rows)} finished epochs are saved. Go on with --training.resume {run.folder}"
        ) from None
    checkpoint.load_best(model)
    return history.rows


def batches(train: tf.data.Dataset, config: TrainingConfig, first_epoch: int) -> tf.data.Dataset:
    """Give the batches of all epochs from `first_epoch` on, in one line.

    The order within an epoch depends on the seed and the number of the epoch alone, not on how many epochs this
    process has already seen: so a resumed run sees the rows in the order of an uninterrupted one.
    """
    window = min(len(train), LONGEST_SHUFFLE)

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = train.shuffle(window, seed=config.seed + epoch, reshuffle_each_iteration=False)
        return rows.batch(config.batch_size)

    epochs = tf.data.Dataset.range(first_epoch, config.epochs)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)


def make_optimizer(config: TrainingConfig, all_batches: int) -> keras.optimizers.Optimizer:
    """AdamW with a linear warm-up and a cosine to zero over the optimizer steps that `all_batches` batches give."""
    steps = max(all_batches // config.accumulation_steps, 1)
    if config.max_steps:
        steps = min(steps, config.max_steps)
    warmup = round(config.warmup_fraction * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / (warmup + 1),
        decay_steps=max(steps - warmup, 1),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        learning_rate=schedule,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
        gradient_accumulation_steps=config.accumulation_steps if config.accumulation_steps > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
