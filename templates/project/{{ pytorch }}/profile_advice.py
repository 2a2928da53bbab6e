"""What to do about each cause of slowness in this project: the setting to change, in one sentence."""

from __future__ import annotations

from .slow_causes import LARGER, Cause, StepCost, savings, usable_cores, workers_needed


def advise(cause: Cause, cost: StepCost) -> str:
    """Say what to change, and how much of a step that is about."""
    share = f"{100 * savings(cost).get(cause, 0.0):.0f} %"
    if cause in ("data_loading", "single_worker"):
        return fetch_faster(cause, cost, share)
    return {
        "small_batch": "The batch is small for this device, a larger one can save "
        f"{share} of the time per row: set training.batch_size to {LARGER} times what it is (with "
        "training.accumulation_steps above 1, lower that as much: the training stays the same), and look at "
        "the validation loss, for there are then fewer steps: training.learning_rate may have to be higher.",
        "logging": f"Showing, writing down and saving takes {share} of a step: raise SECONDS_BETWEEN_UPDATES "
        "in training_log.py, log less often, or raise training.checkpoint_steps.",
        "precision": f"{cost.bfloat16_chip} computes faster in bfloat16, and this training uses float32: "
        "set training.precision to bfloat16.",
        "host": "Starting operations takes longer than computing them: set training.compile to true and read "
        "no value (.item(), print) in every step.",
        "device": "The device computes nearly all the time, as it should: only a smaller model, fewer epochs "
        "or a faster device makes this training shorter.",
    }[cause]


def fetch_faster(cause: Cause, cost: StepCost, share: str) -> str:
    """Say how rows come faster: by more processes, as long as these help."""
    needed = workers_needed(cost)
    if cause == "data_loading":
        if cost.workers < needed:
            return (
                f"Training waits for data in {share} of a step: set training.num_workers to {needed}, so "
                "that rows are read while the model computes, or keep the rows in memory."
            )
        return (
            f"Training waits for data in {share} of a step although {cost.workers} processes fetch it: keep "
            "the rows in memory, put them on a faster disk, or prepare them once and save the result."
        )
    if cost.workers < needed and usable_cores() > 1:
        return (
            f"Training waits in {share} of a step because one process prepares all rows, which is work for "
            f"the processor: set training.num_workers to {needed} (it may use {usable_cores()} cores)."
        )
    return (
        f"Training waits in {share} of a step for rows to be prepared, and there is no core left for it: do "
        "once what is the same in every epoch, and save the result."
    )
