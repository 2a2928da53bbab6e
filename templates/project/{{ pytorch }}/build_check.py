"""Do PyTorch's build, the driver and the chip fit together? If not: what to do, with the command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

from .hardware_check import Area, NvidiaGpu, has_code_for, hidden_gpus, nvidia_gpus, version_numbers

BUILDS = {
    "cu130": ((580,), (7, 5), (99, 9)),
    "cu126": ((525, 60, 13), (5, 0), (9, 0)),
}
"""PyTorch's CUDA builds, the better ones first: lowest driver, lowest and highest compute capability."""


def check_build() -> Area:
    """What computes here, and whether it could be something faster."""
    build = describe_build()
    gpus = nvidia_gpus()
    if isinstance(gpus, str):
        hint = (
            f"NVIDIA's driver does not work ({gpus}): restart the computer, and if that does not help, "
            "reinstall it."
        )
        return Area(says=f"{build}, on the CPU", hints=(hint,))
    if torch.cuda.is_available():
        return check_chip(build)
    if torch.accelerator.is_available():
        return Area(says=f"{build}, on {torch.accelerator.current_accelerator()}")
    if torch.version.hip:
        hint = (
            "This PyTorch is the build for AMD GPUs and finds none: see that /dev/kfd exists, and join "
            "its groups (sudo usermod -aG render,video $USER, then log in anew)."
        )
        return Area(says=f"{build}, on the CPU", hints=(hint,))
    hints = gpu_not_used(gpus) if gpus else ()
    found = f"an {gpus[0].name} is here" if gpus else "no NVIDIA GPU is here"
    return Area(says=f"{build}, on the CPU; {found}", hints=hints)


def describe_build() -> str:
    """`PyTorch 2.13.0 (CUDA 13.0)`."""
    kind = "CPU build"
    if torch.version.cuda:
        kind = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        kind = f"ROCm {torch.version.hip}"
    elif torch.backends.mps.is_built():
        kind = "Apple MPS"
    return f"PyTorch {torch.__version__} ({kind})"


def gpu_not_used(gpus: Sequence[NvidiaGpu]) -> tuple[str, ...]:
    """Why PyTorch computes on the CPU although NVIDIA's driver answers."""
    if hidden := hidden_gpus():
        return hidden
    gpu = gpus[0]
    if not torch.version.cuda:
        return (f"PyTorch is a CPU build and leaves the {gpu.name} unused: {install(gpu.driver)}",)
    return (
        f"PyTorch for CUDA {torch.version.cuda} finds no GPU, and driver {gpu.driver} of the {gpu.name} "
        f"may be too old for it: update the driver, or {install(gpu.driver)}",
    )


def check_chip(build: str) -> Area:
    """Whether the build has code for the GPU, and how much of its memory is free."""
    name, capability = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
    free, total = (size / 2**30 for size in torch.cuda.mem_get_info())
    says = f"{build}, on {name} ({total:.0f} GiB, {free:.0f} GiB free)"
    hints = []
    if free < total / 2:
        hints.append(
            f"Only {free:.1f} of {total:.0f} GiB of {name} are free: nvidia-smi says which programs use it."
        )
    if torch.version.hip or has_code_for(capability, torch.cuda.get_arch_list()):
        return Area(says=says, hints=tuple(hints))
    gpus = nvidia_gpus()
    driver = gpus[0].driver if gpus and not isinstance(gpus, str) else ""
    problem = (
        f"This build of PyTorch has no code for {name} (compute capability {capability[0]}.{capability[1]}): "
        f"{install(driver, capability)}"
    )
    return Area(says=says, hints=tuple(hints), problems=(problem,))


def install(driver: str, capability: tuple[int, int] | None = None) -> str:
    """The command that installs the build that fits; what to do first where none does."""
    for name, (lowest_driver, lowest, highest) in BUILDS.items():
        fits = capability is None or lowest <= capability <= highest
        if fits and version_numbers(driver) >= lowest_driver:
            version = torch.__version__.partition("+")[0]
            return (
                f"install the build that fits: {sys.executable} -m pip install --force-reinstall "
                f"torch=={version} --index-url https://download.pytorch.org/whl/{name}"
            )
    if capability and capability < BUILDS["cu126"][1]:
        return "no current build has, so set training.device to cpu."
    return "update NVIDIA's driver first, then start this check again."
