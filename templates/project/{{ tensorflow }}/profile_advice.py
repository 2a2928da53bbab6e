"""What to do about each cause of slowness in this project: the setting to change, in one sentence."""

from __future__ import annotations

from .slow_causes import LARGER, Cause, StepCost, savings


def advise(cause: Cause, cost: StepCost) -> str:
    """Say what to change, and how much of a step that is about."""
    share = f"{100 * savings(cost).get(cause, 0.0):.0f} %"
    return {
        "data_loading": f"Training waits for data in {share} of a step, and the processor is idle meanwhile: "
        "keep the rows in memory (.cache() at the end of the data set in data.py), or read several at a "
        "time (.map(…, num_parallel_calls=tf.data.AUTOTUNE)).",
        "single_worker": f"Training waits in {share} of a step because one thread prepares all rows, which "
        "is work for the processor: use .map(…, num_parallel_calls=tf.data.AUTOTUNE) in data.py, with "
        "TensorFlow's operations rather than Python, and .cache() what is the same in every epoch.",
        "small_batch": "The batch is small for this device, a larger one can save "
        f"{share} of the time per row: set training.batch_size to {LARGER} times what it is (with "
        "training.accumulation_steps above 1, lower that as much: the training stays the same), and look at "
        "the validation loss, for there are then fewer steps: training.learning_rate may have to be higher.",
        "logging": f"Callbacks and progress bar take {share} of a step: let callbacks work once per epoch "
        '(on_epoch_end, or TensorBoard with update_freq="epoch"), not after every batch.',
        "precision": f"{cost.bfloat16_chip} computes faster in bfloat16, and this training uses float32: "
        "set training.precision to bfloat16.",
        "host": "Starting operations takes longer than computing them: give model.compile in training.py "
        "jit_compile=True, which makes few large operations of many small ones.",
        "device": "The device computes nearly all the time, as it should: only a smaller model, fewer epochs "
        "or a faster device makes this training shorter.",
    }[cause]
