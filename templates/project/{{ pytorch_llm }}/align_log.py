"""What preference tuning shows and writes down, in place of trl's own: bar, a line per epoch, history.csv."""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from .console import progress, say
from .errors import UserError
from .quiet import quiet_transformers
from .runs import Run


class AlignLog(TrainerCallback):
    """Follows a trainer of trl.

    Has it save its state every `checkpoint_steps` steps, too, and stop after `patience` epochs without a
    better validation loss; neither if 0.
    """

    def __init__(
        self, run: Run, first_process: bool, *, checkpoint_steps: int = 0, patience: int = 0
    ) -> None:
        self.run = run
        self.checkpoint_steps = checkpoint_steps
        self.patience = patience
        self.first_process = first_process
        self.bar = progress()
        self.bar.disable = not first_process
        self.losses: list[float] = []  # of the steps of the epoch in progress
        self.norms: list[float] = []  # of their gradients, before clipping
        self.rate = 0.0
        self.began = time.perf_counter()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Show the bar."""
        self.began = time.perf_counter()
        self.task = self.bar.add_task("training", total=state.max_steps, completed=state.global_step)
        self.bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Move the bar; perhaps have the state saved."""
        if self.checkpoint_steps and state.global_step % self.checkpoint_steps == 0:
            control.should_save = True
        loss = f"  loss {self.losses[-1]:.4g}" if self.losses else ""
        self.bar.update(self.task, completed=state.global_step, description=f"epoch {epoch_of(state)}{loss}")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Note the loss of a step. Raises UserError when it is not a number."""
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise UserError(
                f"The loss is {loss} after step {state.global_step}: lower training.learning_rate (now "
                f"{args.learning_rate:g}) or look for extreme pairs in the data; the checkpoints in "
                f"{args.output_dir} are of earlier steps."
            )
        self.losses.append(loss)
        self.norms.append(float((logs or {}).get("grad_norm", math.nan)))
        self.rate = (logs or {}).get("learning_rate", self.rate)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Write the row of an epoch; the one before training has the number 0. Perhaps stop early.

        transformers' own early stopping begins to count anew in a resumed training; `state` is saved.
        """
        losses = [row["eval_loss"] for row in state.log_history if "eval_loss" in row]
        best = losses.index(min(losses)) + 1
        tired = 0 < self.patience <= len(losses) - best
        if tired:
            control.should_training_stop = True
        if not self.first_process or not metrics:
            return
        epoch = epoch_of(state) if self.losses else 0
        row = {"step": float(state.global_step), "validation_loss": metrics["eval_loss"]}
        if self.losses:
            row["train_loss"] = sum(self.losses) / len(self.losses)
            norms = [norm for norm in self.norms if math.isfinite(norm)]  # in float16 one may overflow
            if norms:
                row["gradient_norm"] = sum(norms) / len(norms)
            row["learning_rate"] = self.rate
        row["seconds"] = time.perf_counter() - self.began
        self.run.log(epoch, row)
        loss = f"loss {row['train_loss']:.4g}  " if self.losses else ""
        norm = f"  norm {row['gradient_norm']:.2g}" if "gradient_norm" in row else ""
        say(f"epoch {epoch:3}  {loss}validation {row['validation_loss']:.4g}{norm}")
        if tired:
            say(f"Stopped: no better value in {self.patience} epochs; kept epoch {best}.")
        self.losses.clear()
        self.norms.clear()
        self.began = time.perf_counter()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take the bar away."""
        self.bar.stop()


def epoch_of(state: TrainerState) -> int:
    """Number of the epoch in progress, or just ended, from 1."""
    return max(math.ceil((state.epoch or 0) - 1e-6), 1)


@contextmanager
def quiet_trl() -> Iterator[None]:
    """Within this block trl and what it stands on print only mistakes, and report nothing to anyone."""
    import datasets
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # trl would tell its makers which trainer ran on what
    datasets.disable_progress_bars()
    loggers = [logging.getLogger(name) for name in ("trl", "accelerate", "datasets", "peft")]
    levels = [logger.level for logger in loggers]
    bars = os.environ.get("TQDM_DISABLE", "")
    os.environ["TQDM_DISABLE"] = "1"
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.environ["TQDM_DISABLE"] = bars
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
