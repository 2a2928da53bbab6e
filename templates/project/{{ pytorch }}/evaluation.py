"""Outputs and loss of a model on a data set, with nothing learned from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from .batches import FetchedBatches, rows_in_order
from .interruption import leave_interrupts_to_parent

Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes the model's outputs and the targets of a batch; gives their mean loss, or one loss per row."""


def evaluation_loader(
    dataset: Dataset[Any], batch_size: int, *, workers: int = 0, process: int = 0, processes: int = 1
) -> DataLoader[Any]:
    """Every row once, in order; of each batch the rows of this process."""
    return DataLoader(
        FetchedBatches(dataset),
        sampler=rows_in_order(len(dataset), batch_size, process, processes),  # type: ignore[arg-type]
        batch_size=None,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=leave_interrupts_to_parent,
        generator=torch.Generator(),
    )


@torch.inference_mode()
def mean_loss(model: nn.Module, loader: DataLoader[Any], loss: Loss, accelerator: Accelerator) -> float:
    """Mean loss over the rows of `loader`, of all processes; `model` is left in evaluation mode."""
    model.eval()
    total = torch.zeros(2, device=accelerator.device)  # sum of the losses, number of rows
    batches: Any = loader.sampler
    for batch, pair in zip(batches, loader, strict=True):
        inputs, target = send_to_device(pair, accelerator.device, non_blocking=True)
        mean = loss(model(inputs), target).mean()
        if batch.counts:
            total[0] += mean * len(target)
            total[1] += len(target)
    loss_sum, rows = accelerator.reduce(total, reduction="sum").tolist()
    return float(loss_sum / rows)


@torch.inference_mode()
def predict(model: nn.Module, dataset: Dataset[Any], batch_size: int) -> np.ndarray:
    """The model's raw outputs, `(N, outputs)` float32, in the order of the rows; targets are not needed.

    Works where the model lies (CPU or GPU) and leaves it in the mode, training or evaluation, that it was in.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    parts = []
    for batch in evaluation_loader(dataset, batch_size):
        inputs = batch[0] if isinstance(batch, tuple | list) else batch
        parts.append(model(send_to_device(inputs, device)).float().cpu())
    model.train(training)
    outputs = torch.cat(parts)
    return outputs.reshape(len(outputs), -1).numpy()
