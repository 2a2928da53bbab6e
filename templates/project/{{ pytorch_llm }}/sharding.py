"""Fully sharded data parallelism (FSDP2): each process keeps a share of weights, gradients and state.

A block is put together just before it computes, forward and backward, and given up right afterwards; what
is outside the blocks (embeddings, last norm, output layer) likewise around the whole pass. So all processes
must take every step together, also in evaluation.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import nn

from .device import make_accelerator
from .errors import UserError
from .language_model import LanguageModel
from .method_config import MethodConfig
from .methods import count_weights
from .processes import FIRST_PROCESS
from .training_config import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_sharding(method: MethodConfig, training: TrainingConfig) -> None:
    """Raise UserError for what FSDP cannot do."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        raise UserError(
            "method.fsdp shares a model between processes, and there is only one: start several with "
            "torchrun --nproc_per_node N, or set it to false."
        )
    unfit = {
        "method.name is qlora": method.name == "qlora" and "lora",
        "training.optimizer is adamw_8bit": training.optimizer == "adamw_8bit" and "adamw or muon",
        "training.precision is float16": training.precision == "float16" and "bfloat16",
        "training.compile is true": training.compile and "false",
    }
    for setting, instead in unfit.items():
        if instead:
            raise UserError(f"{setting}, which does not work with method.fsdp: set it to {instead}.")


@contextmanager
def one_after_another(training: TrainingConfig) -> Iterator[None]:
    """Let the processes of a machine do this in turn: main memory then holds one whole model at a time."""
    make_accelerator(training)  # joins the processes
    place, count = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    for _ in range(place):
        PartialState().wait_for_everyone()
    yield
    for _ in range(place, count):
        PartialState().wait_for_everyone()


def shard_learner(learner: LanguageModel, training: TrainingConfig) -> None:
    """Leave each process its share of a model that learns, which is the same on all of them."""
    from torch.distributed.fsdp import register_fsdp_forward_method

    shard(learner, training)
    # The loop calls the learner, evaluation the model within: its forward becomes one of the learner, too.
    owner: Any = learner
    forward = owner.write = owner.model.forward
    register_fsdp_forward_method(owner, "write")
    owner.model.forward = wraps(forward)(lambda *inputs, **options: owner.write(*inputs, **options))
    owner.model.register_forward_hook(share_logits)


def shard_writer(model: PreTrainedModel, training: TrainingConfig) -> None:
    """Leave each process its share of a model that is only used."""
    shard(model, training)
    model.register_forward_hook(share_logits)


def share_logits(model: nn.Module, inputs: Any, output: Any) -> None:
    """Give all processes the logits of the first: were they to choose other tokens, they would stop apart."""
    output.logits = output.logits.contiguous()
    torch.distributed.broadcast(output.logits, src=0)


def find_saved(folder: Path) -> None:
    """Let all processes find in their own runs the model that the first one has written."""
    written = broadcast_object_list([str(folder.resolve())])[0]
    PartialState().wait_for_everyone()
    if not FIRST_PROCESS:
        shutil.rmtree(folder)
        folder.symlink_to(written)


def shard(model: nn.Module, training: TrainingConfig) -> None:
    """Leave each process its share of `model`; its weights then are DTensors."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    accelerator = make_accelerator(training)
    options: dict[str, Any] = {
        "mesh": init_device_mesh(accelerator.device.type, (accelerator.num_processes,)),
        "reshard_after_forward": True,  # also what is outside the blocks: between passes all are shares
    }
    if training.precision == "bfloat16":
        options["mp_policy"] = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,  # rotary angles stay as exact as they are
        )
    for block in blocks(model):
        fully_shard(block, **options)
    fully_shard(model, **options)


def blocks(model: nn.Module) -> nn.ModuleList:
    """The decoder's blocks: of all lists of modules the one with most weights."""
    lists = [part for part in model.modules() if isinstance(part, nn.ModuleList)]
    return max(lists, key=lambda part: count_weights(part)[1], default=nn.ModuleList())
