"""What a profile finds out after the last step: how long rows take to fetch, and whether larger batches pay.

Nothing here changes the result: the optimizer takes no step, and the best weights are set afterwards.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import mean
from typing import Any

import keras
import tensorflow as tf

from .console import say
from .profile_advice import advise
from .profile_report import write_profile
from .profiling import PROFILED_BATCHES, Clock, Trace, newest_trace
from .slow_causes import LARGER, StepCost
from .training_config import TrainingConfig
from .trials import compare

FETCHED_BATCHES = 3


def finish_profile(
    folder: Path,
    traces: Path,
    clock: Clock,
    config: TrainingConfig,
    model: keras.Model,
    train: tf.data.Dataset,
    epochs: tf.data.Dataset,
) -> None:
    """Write the profile of a training to `folder`.

    `train` gives row by row, `epochs` the shuffled batches of training; `traces` is TensorBoard's folder.
    """
    trace = newest_trace(traces)
    if trace is None or not clock.batches:
        say(f"There is no profile: training ended before batch {PROFILED_BATCHES[1] + 4}.")
        return
    fetch, fetch_computing, batch = fetching(train.batch(config.batch_size))
    # Filling the window that rows are drawn from holds up the first batch of every epoch.
    began = time.perf_counter()
    next(iter(epochs))
    filling = max(1000 * (time.perf_counter() - began) - fetch, 0.0) / -(-len(train) // config.batch_size)
    step, callbacks = 1000 * mean(clock.batches), 1000 * mean(clock.callbacks)
    data = min(trace.data, step)
    device = device_time(trace, step - data - callbacks)
    one = growth = None
    if LARGER * config.batch_size <= len(train) and not tf.distribute.has_strategy():
        one, growth = try_larger(model, batch)
    per_step = config.accumulation_steps
    cost = StepCost(
        step=per_step * (step + filling),
        data=per_step * (data + filling),
        device=per_step * device,
        logging=per_step * callbacks,
        rows=per_step * config.batch_size,
        fetch=per_step * fetch,
        fetch_computing=per_step * fetch_computing,
        passes=per_step * min(one or 0.0, step - data - callbacks),
        growth=growth,
        precision=config.precision,
        bfloat16_chip=bfloat16_chip(),
    )
    parts = {"data": cost.data, "step": per_step * (step - data - callbacks), "callbacks": cost.logging}
    steps = len(clock.batches) // per_step
    write_profile(folder, cost, advise, steps=steps, parts=parts, operations=trace.operations)


def device_time(trace: Trace, computing: float) -> float:
    """Of the `computing` ms of a batch, between data and callbacks, those in which the device works."""
    if trace.on_gpu:
        return min(trace.device, computing)  # a trace does not slow kernels
    return computing * min(trace.device / max(trace.step - trace.data, 1e-9), 1.0)


def fetching(batches: tf.data.Dataset) -> tuple[float, float, Any]:
    """Milliseconds to fetch a batch, those of them in which the processor works, and a batch."""
    iterator = iter(batches.repeat())
    batch = next(iterator)  # compiles what prepares the rows
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(FETCHED_BATCHES):
        next(iterator)
    passed, work = time.perf_counter() - began, time.process_time() - worked
    return 1000 * passed / FETCHED_BATCHES, 1000 * min(work, passed) / FETCHED_BATCHES, batch


def try_larger(model: keras.Model, batch: Any) -> tuple[float | None, float | None]:
    """Milliseconds of the passes, and their growth with a larger batch; None where memory is too small."""

    @tf.function(jit_compile=bool(model.jit_compile))
    def gradients(inputs: Any, target: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = model.compute_loss(x=inputs, y=target, y_pred=outputs)
        return tape.gradient(loss, model.trainable_variables)

    def work(batch: Any) -> None:
        for gradient in gradients(*batch):
            if gradient is not None:
                tf.convert_to_tensor(gradient).numpy()  # waits for the device

    try:
        many = repeated(batch)
        one, growth = compare(lambda: work(batch), lambda: work(many))
    except tf.errors.ResourceExhaustedError:
        return None, None
    return one, max(growth, 1.0)


def repeated(batch: Any) -> Any:
    """A batch with LARGER times as many rows."""
    return tf.nest.map_structure(lambda tensor: tf.concat([tensor] * LARGER, axis=0), batch)


def bfloat16_chip() -> str:
    """Name of a GPU that computes faster in bfloat16 than in float32; empty for any other device."""
    for gpu in tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        if has_fast_bfloat16(details.get("compute_capability")):
            return str(details.get("device_name", gpu.name))
    return ""


def has_fast_bfloat16(capability: tuple[int, int] | None) -> bool:
    """NVIDIA: from compute capability 8.0 (Ampere) on."""
    return capability is not None and capability >= (8, 0)
