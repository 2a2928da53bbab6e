"""Training that every task shares: Keras' `compile` and `fit`, made safe to stop and to go on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from .callbacks import StopAfterSteps, StopOnNan
from .checkpoint import Checkpoint, History, load
from .profiling import PROFILED_BATCHES, write_summary
from .runs import Run
from .training_config import TrainingConfig

Loss = str | keras.losses.Loss | Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
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
) -> History:
    """Train `model` and leave it with the weights of its best epoch.

    The run folder gets `checkpoints/best` and `checkpoints/last`, `history.csv` and TensorBoard's logs. With
    `config.resume` set, training goes on after the last finished epoch of this run, and on a CPU it ends with
    the numbers of a training that was never stopped.

    Args:
        model: A built Keras model.
        train: Gives `(inputs, target)` row by row and knows its length; rows are shuffled and batched here.
        validation: Likewise; None where there is none, and the training loss then decides which epoch is
            best.
        config: How to train.
        run: Where results are kept.
        loss: What `compile` takes.
        monitor: Column of the history whose best value counts: the smallest of a loss or error, else the
            largest.
        optimizer: AdamW as `config` says, unless given.
        metrics: What `compile` takes; they appear in the history as `train_…` and `validation_…`.
        phase: Name of a part of a training in several parts; it keeps its checkpoints in
            `checkpoints/<phase>/`.

    Raises:
        UserError: When the loss stops being a number, or when the run's checkpoint is of another model or
            data.
        KeyboardInterrupt: After Ctrl-C, with a message on how to go on.
    """
    if config.overfit_batches:
        train = validation = train.take(config.overfit_batches * config.batch_size)
    if validation is None:
        monitor = "train_loss"
    else:
        validation = validation.batch(config.batch_size).prefetch(tf.data.AUTOTUNE)
    steps = -(-len(train) // config.batch_size)
    model.compile(
        optimizer or make_optimizer(config, steps * config.epochs), loss=loss, metrics=list(metrics)
    )

    checkpoint = Checkpoint(run, config, rows=len(train), monitor=monitor, phase=phase)
    if config.resume:
        checkpoint.restore(model)
    epochs_done = len(checkpoint.history)
    callbacks: list[keras.callbacks.Callback] = [
        StopOnNan(config.learning_rate),
        keras.callbacks.TensorBoard(
            run.path("tensorboard") / phase,
            write_graph=False,
            profile_batch=PROFILED_BATCHES if config.profile else 0,
        ),
        checkpoint,
    ]
    if config.max_steps:
        callbacks.append(StopAfterSteps(config.max_steps))

    try:
        if not checkpoint.finished:
            model.fit(
                batches(train, config, epochs_done),
                validation_data=validation,
                initial_epoch=epochs_done,
                epochs=config.epochs,
                steps_per_epoch=steps,
                shuffle=False,  # `batches` has done it
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            )
    except KeyboardInterrupt:
        script = shlex.quote(sys.argv[0])
        raise KeyboardInterrupt(
            f"{len(checkpoint.history)} finished epochs are saved. "
            f"Go on with: python {script} --training.resume {shlex.quote(str(run.folder))}"
        ) from None
    if config.profile:
        write_summary(run, phase)
    load(model, checkpoint.best_file)
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


def make_optimizer(config: TrainingConfig, all_batches: int) -> keras.optimizers.Optimizer:
    """AdamW with a linear warm-up and a cosine down to zero, over a training of `all_batches` batches.

    Schedule: Loshchilov and Hutter, SGDR, 2017, without restarts.
    """
    # Keras asks a schedule once per batch, also where several batches make one optimizer step.
    warmup = round(config.warmup_fraction * all_batches)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / (warmup + 1),
        decay_steps=max(all_batches - warmup, 1),
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(
        schedule if warmup else keras.optimizers.schedules.CosineDecay(config.learning_rate, all_batches),
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
        gradient_accumulation_steps=config.accumulation_steps if config.accumulation_steps > 1 else None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
