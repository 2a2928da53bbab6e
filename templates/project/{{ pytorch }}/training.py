"""The training loop that every task shares, on Accelerate: one process or several, CPU or GPU.

one step:   for each batch: forward → loss → backward          (gradients add up)
            clip the gradient → optimizer → next step
one epoch:  every row once → validation → checkpoints (best, last) → a row of the history
            (with `eval_steps`, these last three come every so many steps instead)
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, send_to_device
from torch import Tensor, nn
from torch.utils.data import Dataset

from .batches import Plan, row_values, some_rows, training_loader
from .checkpoint import STATE_FILE, History, Progress, load_state, load_weights, save_changes, save_state
from .console import say
from .device import float32_products, make_accelerator
from .errors import UserError
from .evaluation import Loss, evaluation_loader, mean_loss
from .freezing import set_training_mode
from .interruption import Interruption, interruption
from .muon import last_linear
from .out_of_memory import explain_out_of_memory, smaller_batches
from .profile_trials import finish_profile
from .profiling import BACKWARD, DATA, FORWARD, LOGGING, OPTIMIZER, SAVING, NoProfile, Profile
from .randomness import mixed_seed, seed_device
from .recent_losses import RecentLosses
from .runs import Run
from .schedule import make_optimizer, make_schedule
from .training_config import TrainingConfig
from .training_log import TrainingLog, training_log

DROPOUT = 1  # tells the seeds of what is random in the model from those of fetching the same batch


def fit(
    model: nn.Module,
    train: Dataset[Any],
    validation: Dataset[Any] | None,
    config: TrainingConfig,
    run: Run,
    *,
    loss: Loss,
    monitor: str = "validation_loss",
    optimizer: torch.optim.Optimizer | None = None,
    phase: str = "",
    savings: Sequence[str] = (),
) -> History:
    """Train `model` and leave it with the weights of its best epoch.

    The run folder gets `checkpoints/best` and `checkpoints/last`, `history.csv` and the curves. With
    `config.resume` set, training goes on from `checkpoints/last`, right after the optimizer step saved there.
    On a CPU, with the same number of threads, it ends with the very weights of a training that never stopped.

    Args:
        model: Takes the inputs of a batch (a tensor or a dictionary of tensors) and gives its outputs.
        train: Gives `(inputs, target)` for a row number. Where it has `weights`, a whole number for each row,
            a row counts that much: it has so many losses, such as one for each token.
        validation: Likewise; with None, the training loss decides which epoch is best.
        config: How to train.
        run: Where results are kept.
        loss: Mean loss of a batch, or one loss per row, from the model's outputs and the targets.
        monitor: Column of the history whose smallest value is best.
        optimizer: As `config` says, unless given; its rates are then the peaks of the schedule.
        phase: Name of a part of a training in several parts, with checkpoints in `checkpoints/<phase>/`.
        savings: What else than smaller batches takes less memory, for the message when there is too little.

    Raises:
        UserError: When the loss stops being a number, when memory is too small, or when there is nothing to
            go on with.
        KeyboardInterrupt: After Ctrl-C, with a message on how to go on.
    """
    loop = Loop(
        model, train, validation, config, run, loss=loss, monitor=monitor, optimizer=optimizer, phase=phase
    )
    with explain_out_of_memory([*smaller_batches(config), *savings]), float32_products(config):
        loop.train()
    return loop.progress.history


class Loop:
    """One training in progress."""

    def __init__(
        self,
        model: nn.Module,
        train: Dataset[Any],
        validation: Dataset[Any] | None,
        config: TrainingConfig,
        run: Run,
        *,
        loss: Loss,
        monitor: str,
        optimizer: torch.optim.Optimizer | None,
        phase: str,
    ) -> None:
        self.config = config
        self.run = run
        self.loss = loss
        self.phase = phase
        self.accelerator = make_accelerator(config)
        self.checkpoints = first_process_path(self.accelerator, run.path("checkpoints")) / phase
        device = self.accelerator.device
        self.profile = Profile(run.path("profile"), device) if config.profile else NoProfile()
        self.part = self.profile.part
        if config.overfit_batches:
            train = validation = some_rows(train, config.overfit_batches * config.batch_size, config.seed)
        self.monitor = monitor if validation is not None else "train_loss"
        self.plan = Plan(
            rows=len(train),  # type: ignore[arg-type]
            batch_size=config.batch_size,
            accumulation_steps=config.accumulation_steps,
            seed=config.seed,
            process=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
            weights=row_values(train, "weights"),
        )
        self.tokens = row_values(train, "tokens")
        self.train_rows = train
        self.validation = None
        if validation is not None:
            self.validation = evaluation_loader(
                validation,
                config.batch_size,
                workers=config.num_workers,
                process=self.plan.process,
                processes=self.plan.processes,
            )
        self.model = model  # saved and evaluated; `self.trained` is the same, wrapped for several processes
        optimizer = optimizer or make_optimizer(model, config, output=last_linear(model))
        self.trained, prepared = self.accelerator.prepare(model, optimizer)
        # Not Accelerate's wrapper around it, which searches the disk for an optional package at every step.
        self.optimizer: torch.optim.Optimizer = prepared.optimizer
        self.scaler = self.accelerator.scaler  # of the loss in float16, else None
        self.parameters = [weight for weight in model.parameters() if weight.requires_grad]
        if not self.parameters:
            raise ValueError("all weights of the model are frozen: nothing can learn")
        self.peak_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.last_step = config.epochs * self.plan.steps_per_epoch
        self.schedule = make_schedule(config, self.last_step)
        if config.max_steps:
            self.last_step = min(self.last_step, config.max_steps)
        self.order = {
            "rows": self.plan.rows,
            "batch_size": config.batch_size,
            "accumulation_steps": config.accumulation_steps,
            "seed": config.seed,
        }
        if self.plan.weights is not None:
            self.order["weight"] = int(self.plan.weights.sum())
        self.patience = 0 if config.overfit_batches else config.patience
        before = max((row["epoch"] for row in run.history()), default=0)
        self.progress = Progress(epochs_before=math.ceil(before))
        self.loss_sum = torch.zeros((), device=self.accelerator.device)  # of this process, since validation
        self.norm_sum = torch.zeros_like(self.loss_sum)  # of the gradients' norms, likewise
        self.overflows = torch.zeros_like(self.loss_sum)  # steps not taken in float16, likewise
        self.losses = RecentLosses()
        if config.resume and (self.checkpoints / "last" / STATE_FILE).exists():
            self.restore()

    def restore(self) -> None:
        """Go back to the state that was saved last."""
        self.progress, scaler = load_state(
            self.checkpoints / "last", self.model, self.optimizer, order=self.order
        )
        if self.scaler and scaler:
            self.scaler.load_state_dict(scaler)
        self.norm_sum.fill_(self.progress.norm_sum)
        self.overflows.fill_(self.progress.overflows)
        if self.accelerator.is_main_process:
            self.loss_sum.fill_(self.progress.loss_sum)
            self.run.forget(self.progress.epochs_before)
            for row in self.progress.history:
                self.run.log(row["epoch"], {name: value for name, value in row.items() if name != "epoch"})

    def train(self) -> None:
        """Train to the last epoch, to early stopping, to the last step of a dry run, or to Ctrl-C."""
        plan, progress = self.plan, self.progress
        batches = iter(
            training_loader(
                self.train_rows,
                plan.batches(progress.step, self.last_step),
                workers=self.config.num_workers,
                pin=self.accelerator.device.type == "cuda",
            )
        )
        try:
            with (
                interruption() as stop,
                training_log(
                    self.run,
                    phase=self.phase,
                    quiet=not self.accelerator.is_main_process,
                    steps=self.last_step,
                    done=progress.step,
                ) as log,
                self.profile,
            ):
                while self.goes_on():
                    self.train_steps(batches, stop, log)
                    self.validate(log)
                if self.should_stop(stop, every=1):
                    raise self.interrupted()
            if self.stopped_early():
                times = "validations" if self.config.eval_steps else "epochs"
                kept = f"kept epoch {progress.best_epoch:g}"
                say(f"Stopped: no better value in {self.patience} {times}; {kept}.")
        except KeyboardInterrupt as interrupt:
            raise interrupt if interrupt.args else self.interrupted() from None
        if isinstance(self.profile, Profile) and self.accelerator.is_main_process:
            self.finish_profile(self.profile)
        self.accelerator.wait_for_everyone()
        # From here on the model computes in float32 again: Accelerate had put autocast around its forward.
        self.accelerator.unwrap_model(self.trained, keep_fp32_wrapper=False)
        load_weights(self.model, self.checkpoints / "best")
        self.optimizer.zero_grad()

    def train_steps(self, batches: Iterator[Any], stop: Interruption, log: TrainingLog) -> None:
        """Take the optimizer steps that remain until the next validation."""
        progress, every = self.progress, self.config.checkpoint_steps
        last_step = min(self.next_validation(), self.last_step)
        began = time.perf_counter() - progress.seconds
        set_training_mode(self.trained)
        self.profile.start()
        while progress.step < last_step:
            loss, norm = self.train_step(batches)
            progress.step += 1
            progress.seconds = time.perf_counter() - began
            with self.part(LOGGING):
                if log.wants_update():
                    rate = self.optimizer.param_groups[0]["lr"]
                    log.update(self.epoch, progress.step, loss=self.finite(loss), norm=float(norm), rate=rate)
            if self.should_stop(stop, every=10):
                self.save_last()
                raise self.interrupted()
            if every and progress.step % every == 0:
                with self.part(SAVING):
                    self.save_last()
            self.profile.step()

    def train_step(self, batches: Iterator[Any]) -> tuple[Tensor, Tensor]:
        """Take one optimizer step on the mean loss of its rows.

        Returns the loss of its last batch and the norm of the gradient before clipping, both unread: to read
        a number, the CPU waits for the GPU.
        """
        step = self.progress.step
        shares, total = self.plan.shares(step), self.plan.total(step, self.plan.weights)
        for number, own in enumerate(shares):
            with self.part(DATA):
                inputs, target = send_to_device(next(batches), self.accelerator.device, non_blocking=True)
            seed = mixed_seed(self.config.seed, step, number, self.plan.process, DROPOUT)
            seed_device(seed, self.accelerator.device)
            more = number < len(shares) - 1
            with self.accelerator.no_sync(self.trained) if more else nullcontext():
                with self.part(FORWARD):
                    loss = self.loss(self.trained(inputs), target).mean()
                with self.part(BACKWARD):
                    # A row weighs the same in whichever batch and process it is, and processes are averaged.
                    self.accelerator.backward(loss * (own * self.plan.processes / total))
            self.loss_sum.add_(loss.detach(), alpha=own)
            self.losses.add(step, loss)
        with self.part(OPTIMIZER):
            if self.scaler:
                self.scaler.unscale_(self.optimizer)
            norm = self.clip_gradient()
            share = self.schedule(step)
            for group, peak in zip(self.optimizer.param_groups, self.peak_rates, strict=True):
                group["lr"] = peak * share
            if self.scaler:
                self.scaler.step(self.optimizer)
                self.scaler.update()
            else:
                self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.detach(), norm

    def clip_gradient(self) -> Tensor:
        """Scale the gradient down where it is longer than `clip_norm`; return its norm before."""
        if self.config.clip_norm:
            norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        else:
            norm = nn.utils.get_total_norm([one.grad for one in self.parameters if one.grad is not None])
        if self.scaler:  # which leaves out a step whose gradient overflows in float16
            self.norm_sum.add_(norm.nan_to_num(0.0, posinf=0.0))
            self.overflows.add_(~norm.isfinite())
        else:
            self.norm_sum.add_(norm)
        return norm

    def finish_profile(self, profile: Profile) -> None:
        """Say where the time went; the gradients that this makes are thrown away, the weights loaded anew."""

        def passes(inputs: Any, target: Tensor) -> None:
            self.accelerator.backward(self.loss(self.trained(inputs), target).mean())

        set_training_mode(self.trained)
        finish_profile(
            profile,
            self.config,
            self.train_rows,
            self.plan,
            passes,
            step=self.progress.step,
        )

    def validate(self, log: TrainingLog) -> None:
        """Validate, save, and write a row of the history."""
        progress = self.progress
        whole = progress.step == self.next_validation()
        if not whole:  # a dry run ends in between: what is saved goes on from here as if it had not
            self.save_last()
        train_loss = self.finite(self.total(self.loss_sum)) / self.seen(self.plan.weights)
        row = {"epoch": self.epochs_done(), "step": progress.step, "train_loss": train_loss}
        if self.validation is not None:
            row["validation_loss"] = mean_loss(self.model, self.validation, self.loss, self.accelerator)
            self.finite(row["validation_loss"])
        self.check_weights()
        steps = progress.step - progress.validated_step - float(self.overflows)
        row["gradient_norm"] = float(self.norm_sum) / max(steps, 1)
        row["learning_rate"] = self.peak_rates[0] * self.schedule(progress.step - 1)
        row["seconds"] = progress.seconds
        if self.tokens is not None:
            row["tokens_per_second"] = self.seen(self.tokens) / progress.seconds
        best = progress.best is None or (whole and row[self.monitor] < progress.best)
        if best:
            progress.best, progress.best_epoch = row[self.monitor], row["epoch"]
            if self.accelerator.is_main_process:
                save_changes(self.model, self.checkpoints / "best")
        progress.history.append(row)
        progress.seconds = 0.0
        for counted in (self.loss_sum, self.norm_sum, self.overflows):
            counted.zero_()
        if whole:
            self.save_last()
        log.row(row, best)

    def goes_on(self) -> bool:
        """Whether there is a step to take, or steps that no row of the history has yet."""
        progress = self.progress
        if self.stopped_early() or progress.validated_step >= self.config.epochs * self.plan.steps_per_epoch:
            return False
        return progress.step < self.last_step or progress.step > progress.validated_step

    @property
    def epoch(self) -> int:
        """Number of the epoch in progress, or just ended, from 1."""
        return self.progress.epochs_before + max(-(-self.progress.step // self.plan.steps_per_epoch), 1)

    def epochs_done(self) -> float:
        """What the history's next row has as its epoch: with `eval_steps`, fractions as well."""
        share = self.progress.step / self.plan.steps_per_epoch
        if self.config.eval_steps and not share.is_integer():
            return self.progress.epochs_before + share
        return self.epoch

    def next_validation(self) -> int:
        """The step after which the history gets its next row: a function of its last one's step alone."""
        every = self.config.eval_steps or self.plan.steps_per_epoch
        end = self.config.epochs * self.plan.steps_per_epoch
        return min((self.progress.validated_step // every + 1) * every, end)

    def seen(self, values: np.ndarray | None) -> int:
        """Rows seen since the last validation, or the sum of their `values`."""
        first, end = self.progress.validated_step, self.progress.step
        if first % self.plan.steps_per_epoch == 0 and end - first == self.plan.steps_per_epoch:
            return self.plan.rows if values is None else int(values.sum())
        return sum(self.plan.total(step, values) for step in range(first, end))

    def stopped_early(self) -> bool:
        """Whether the last `patience` rows of the history have no better value."""
        return 0 < self.patience <= self.progress.validations_since_best

    def should_stop(self, stop: Interruption, *, every: int) -> bool:
        """Whether to stop for Ctrl-C; several processes agree on it, `every` so many steps."""
        if self.plan.processes == 1:
            return stop.requested
        if self.progress.step % every:
            return False
        return float(self.total(torch.tensor(float(stop.requested), device=self.accelerator.device))) > 0

    def total(self, value: Tensor) -> Tensor:
        """The sum of `value` over all processes."""
        return self.accelerator.reduce(value, reduction="sum")

    def save_last(self) -> None:
        """Save what going on needs, unless it is spoilt."""
        progress = self.progress
        progress.loss_sum = self.finite(self.total(self.loss_sum))
        progress.norm_sum, progress.overflows = float(self.norm_sum), float(self.overflows)
        self.check_weights()
        if self.accelerator.is_main_process:
            save_state(
                self.checkpoints / "last",
                self.model,
                self.optimizer,
                progress,
                scaler=self.scaler.state_dict() if self.scaler else {},
                order=self.order,
            )
        self.accelerator.wait_for_everyone()

    def check_weights(self) -> None:
        """Raise UserError when a weight is infinite or not a number."""
        self.finite(torch.stack([weight.detach().abs().max() for weight in self.parameters]).max())

    def finite(self, value: Tensor | float) -> float:
        """`value` as a number. Raises UserError when it is infinite or not a number."""
        number = float(value)
        if math.isfinite(number):
            self.losses.clear()
            return number
        place = self.losses.first_broken(self.plan, self.train_rows)
        raise UserError(
            f"Loss or weights are {number} after step {self.progress.step} (epoch {self.epoch}): "
            f"lower training.learning_rate (now {self.config.learning_rate:g}), set training.clip_norm "
            f"(now {self.config.clip_norm:g}) or look for extreme values in the data; "
            f"the checkpoints in {self.checkpoints} are of earlier steps{place}."
        )

    def interrupted(self) -> KeyboardInterrupt:
        """What to tell after Ctrl-C."""
        several = ["torchrun", "--nproc_per_node", str(self.plan.processes)]
        command = self.run.resume_command(["python"] if self.plan.processes == 1 else several)
        return KeyboardInterrupt(f"Training is saved. Go on with: {command}")


def first_process_path(accelerator: Accelerator, path: Path) -> Path:
    """The path that the first process has: its run folder holds the checkpoints of all."""
    return Path(broadcast_object_list([str(path)])[0]) if accelerator.num_processes > 1 else path
