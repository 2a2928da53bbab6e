"""Optimizer and learning rate."""

from __future__ import annotations

import math
import re
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from .muon import Muon
from .training_config import TrainingConfig


@keras.saving.register_keras_serializable(package="training")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from `peak` / (`warmup` + 1) in the first `warmup` steps, then half a cosine wave down to
    0.

    Loshchilov and Hutter, SGDR, 2017, without restarts. Keras' CosineDecay does the same with a condition in
    the graph, which Keras builds anew for every weight: compiling then takes three times as long.
    """

    def __init__(self, peak: float, *, steps: int, warmup: int, accumulation_steps: int = 1) -> None:
        self.peak = peak
        self.steps = steps
        self.warmup = warmup
        self.accumulation_steps = accumulation_steps

    def __call__(self, batch: Any) -> Any:
        """The rate after `batch` batches: Keras counts these, not the optimizer steps made of several of
        them."""
        step = ops.cast(batch // self.accumulation_steps, "float32")
        rise = (step + 1) / (self.warmup + 1)
        progress = ops.clip((step - self.warmup) / max(self.steps - self.warmup, 1), 0, 1)
        return self.peak * ops.minimum(rise, (1 + ops.cos(math.pi * progress)) / 2)

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))


def make_optimizer(
    config: TrainingConfig, steps: int, *, beta_2: float = 0.999, output: str = ""
) -> keras.optimizers.Optimizer:
    """What `config.optimizer` names, for `steps` steps; biases and the weights of norms do not decay.

    Args:
        config: Which optimizer, its rate and its decay.
        steps: Optimizer steps of the whole training.
        beta_2: How much of the mean squared gradient each step of Adam keeps.
        output: Path of the output layer, which Muon leaves to Adam.
    """
    schedule = WarmupCosine(
        config.learning_rate,
        steps=steps,
        warmup=round(config.warmup_fraction * steps),
        accumulation_steps=config.accumulation_steps,
    )
    # Keras clips on each device before it adds the gradients up: each may have a share of the whole length.
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    options = {
        "weight_decay": config.weight_decay,
        "global_clipnorm": config.clip_norm / devices or None,
        "gradient_accumulation_steps": config.accumulation_steps if config.accumulation_steps > 1 else None,
    }
    if config.optimizer == "muon":
        optimizer: keras.optimizers.Optimizer = Muon(
            schedule,
            adam_beta_2=beta_2,
            adam_weight_decay=config.weight_decay,
            exclude_layers=[f"^{re.escape(output)}/"] if output else [],
            **options,
        )
    else:
        optimizer = keras.optimizers.AdamW(schedule, beta_2=beta_2, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "scale"])
    return optimizer
