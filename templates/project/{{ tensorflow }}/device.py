"""Device, number format and seeds: what has to be settled before the first layer is made."""

from __future__ import annotations

import platform
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .errors import UserError
from .training_config import TrainingConfig

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def prepare(config: TrainingConfig) -> None:
    """Choose device, number format and seed as `config` says. Call it before the model is built.

    Raises UserError when this machine lacks what is asked for.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if config.device == "gpu" and not gpus:
        raise UserError("training.device is gpu, but TensorFlow finds no GPU here: set it to auto or cpu.")
    if config.device == "cpu" and gpus:
        hide(gpus)
        gpus = []
    if config.precision == "float16" and not gpus:
        raise UserError("training.precision is float16, which needs a GPU: set it to float32 or bfloat16.")
    keras.config.set_dtype_policy(POLICIES[config.precision])
    if config.mirrored and not tf.distribute.has_strategy():
        # Layers take the strategy that is current when they are made, and `fit` takes that of the layers.
        tf.distribute.experimental_set_strategy(tf.distribute.MirroredStrategy(_device_names()))
    seed_everything(config.seed)


def hide(gpus: list[tf.config.PhysicalDevice]) -> None:
    """Let TensorFlow do without `gpus`. Raises UserError when it uses them already."""
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:
        names = ", ".join(gpu.name for gpu in gpus)
        raise UserError(
            f"training.device is cpu, but this process uses {names} already: start anew."
        ) from None


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow; layers draw their own seeds from these."""
    keras.utils.set_random_seed(seed)


def describe_device(config: TrainingConfig) -> dict[str, Any]:
    """What training runs on: name, kind, number of devices, number format, version of TensorFlow."""
    gpus = tf.config.list_physical_devices("GPU") if config.device != "cpu" else []
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return {
        "device": ", ".join(names) or platform.processor() or platform.machine(),
        "kind": "gpu" if gpus else "cpu",
        "count": len(_device_names()) if config.mirrored else 1,
        "precision": config.precision,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def check_device(steps: int = 20) -> dict[str, Any]:
    """Train a tiny network for `steps` steps: that works only if everything is installed rightly.

    Gives the device, the loss before and after, and the seconds it took.
    """
    seed_everything(0)
    points = np.random.default_rng(0).normal(size=(256, 2)).astype("float32")
    inside = (np.hypot(points[:, 0], points[:, 1]) < 1).astype("float32")
    model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    before = model.evaluate(points, inside, verbose=0)
    began = time.perf_counter()
    model.fit(points, inside, batch_size=256, epochs=steps, verbose=0)
    return {
        "device": model.variables[0].value.device,
        "loss_before": before,
        "loss_after": model.evaluate(points, inside, verbose=0),
        "seconds": time.perf_counter() - began,
    }


def _device_names() -> list[str]:
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    return gpus or [device.name for device in tf.config.list_logical_devices("CPU")]
