"""Device, number format and seeds: what has to be settled before the first layer is made."""

from __future__ import annotations

import atexit
import gc
import os
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs, TorchDynamoPlugin
from torch import nn

from .errors import UserError
from .randomness import seed_everything
from .training_config import TrainingConfig

MIXED_PRECISION = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def prepare(config: TrainingConfig) -> None:
    """Check that this machine has what `config` asks for, and seed. Call it before the model is built.

    Raises UserError when something is missing.
    """
    gpu = uses_gpu(config)
    if config.device == "gpu" and not gpu:
        raise UserError("training.device is gpu, but PyTorch finds no GPU here: set it to auto or cpu.")
    if config.precision == "float16" and not gpu:
        raise UserError("training.precision is float16, which needs a GPU: set it to float32 or bfloat16.")
    if config.precision == "bfloat16" and torch.cuda.is_available() and gpu:
        major, _ = torch.cuda.get_device_capability()
        if major < 8:
            raise UserError(
                f"training.precision is bfloat16, but {torch.cuda.get_device_name()} cannot compute so: "
                "set it to float16 or float32."
            )
    if config.tf32 and not has_tf32(config):
        raise UserError(
            "training.tf32 is true, which needs an NVIDIA GPU since Ampere (A100, RTX 30): set it to false."
        )
    if config.optimizer == "adamw_8bit":
        check_bitsandbytes(gpu, "training.optimizer is adamw_8bit", "adamw or muon")
    if config.compile and (missing := missing_compiler(gpu)):
        raise UserError(f"training.compile needs {missing}, which is missing: install it or set it to false.")
    seed_everything(config.seed)


def uses_gpu(config: TrainingConfig) -> bool:
    """Whether training takes place on a GPU (NVIDIA, AMD, Intel or Apple)."""
    return config.device != "cpu" and torch.accelerator.is_available()


def has_tf32(config: TrainingConfig) -> bool:
    """Whether training takes place on a GPU that multiplies in TF32."""
    nvidia = uses_gpu(config) and torch.cuda.is_available() and torch.version.hip is None
    return nvidia and torch.cuda.get_device_capability()[0] >= 8


@contextmanager
def float32_products(config: TrainingConfig) -> Iterator[None]:
    """Within this block, float32 matrices are multiplied as exactly as `config` says."""
    before = torch.get_float32_matmul_precision()
    if config.tf32:
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def check_bitsandbytes(gpu: bool, asked: str, instead: str) -> None:
    """Raise UserError where bitsandbytes, which `asked` needs, cannot be used; `instead` does without."""
    if not (gpu and torch.cuda.is_available()):
        raise UserError(f"{asked}, which needs an NVIDIA or AMD GPU: set it to {instead}.")
    if not find_spec("bitsandbytes"):
        raise UserError(
            f"{asked}, whose package is missing: install it with `pip install bitsandbytes`, or set it to "
            f"{instead}."
        )


def missing_compiler(gpu: bool) -> str:
    """What torch.compile calls and does not find; empty where all is there."""
    if gpu and torch.cuda.is_available():
        return "" if find_spec("triton") else "the package triton"
    names = (os.environ.get("CXX", ""), "g++", "clang++", "c++", "cl")
    return "" if any(shutil.which(name) for name in names if name) else "a C++ compiler (such as g++)"


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Accelerate's handle on device, precision and processes. Raises UserError as `prepare` does."""
    prepare(config)
    AcceleratorState._reset_state()  # or a second training could not have another precision
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > 1:
        # It keeps the group of processes that it finds when first imported, so it must find none.
        import_module("torch.distributed.nn")
        atexit.register(leave_process_group)
    accelerator = Accelerator(
        cpu=not uses_gpu(config),
        mixed_precision=MIXED_PRECISION[config.precision],
        # Layers that repeat are compiled one by one: they share their code, so only the first takes time.
        dynamo_plugin=TorchDynamoPlugin(
            backend="inductor" if config.compile else "no", use_regional_compilation=True
        ),
        # The others wait while the first process writes, which takes more than the usual ten minutes where a
        # model is large.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(hours=1))],
    )
    if accelerator.num_processes != started:
        raise UserError(
            f"{started} processes were started, but they do not see each other: "
            "start them with torchrun --nproc_per_node N train.py."
        )
    return accelerator


def leave_process_group() -> None:
    """Ends the threads that talk to the other processes: one that outlives Python may abort the program."""
    gc.collect()  # wrapped models keep the group, and themselves
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def describe_device(config: TrainingConfig) -> dict[str, Any]:
    """What training runs on: name, kind, number of devices, number format, threads, version of PyTorch."""
    gpu = uses_gpu(config)
    if gpu and torch.cuda.is_available():
        name = torch.cuda.get_device_name()
    elif gpu:
        name = str(torch.accelerator.current_accelerator())
    else:
        name = platform.processor() or platform.machine()
    return {
        "device": name,
        "kind": "gpu" if gpu else "cpu",
        "count": int(os.environ.get("WORLD_SIZE", "1")),
        "precision": config.precision,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def check_device(steps: int = 20) -> dict[str, Any]:
    """Train a tiny network for `steps` steps: that works only if everything is installed rightly.

    Gives the device, the loss before and after, and the seconds it took.
    """
    seed_everything(0)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    points = torch.randn(256, 2, device=device)  # (N, 2)
    inside = (points.norm(dim=1, keepdim=True) < 1).float()  # (N, 1)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss = nn.BCEWithLogitsLoss()
    before = loss(model(points), inside).item()
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(points), inside).backward()
        optimizer.step()
    after = loss(
        model(points), inside
    ).item()  # .item() waits for the device, so the time below is the real one
    return {
        "device": str(device),
        "loss_before": before,
        "loss_after": after,
        "seconds": time.perf_counter() - began,
    }
