"""Do TensorFlow's build, the driver and the chip fit together? If not: what to do, with the command."""

from __future__ import annotations

import sys
from typing import Any

import tensorflow as tf

from .hardware_check import Area, NvidiaGpu, has_code_for, hidden_gpus, nvidia_gpus, version_numbers

LOWEST_DRIVER = (525, 60, 13)  # of CUDA 12, which this TensorFlow is built with


def check_build() -> Area:
    """What computes here, and whether it could be something faster."""
    facts = tf.sysconfig.get_build_info()
    kind = f"CUDA {facts['cuda_version']}" if facts.get("is_cuda_build") else "CPU build"
    build = f"TensorFlow {tf.__version__} ({kind})"
    found = nvidia_gpus()
    if isinstance(found, str):
        hint = (
            f"NVIDIA's driver does not work ({found}): restart the computer, and if that does not help, "
            "reinstall it."
        )
        return Area(says=f"{build}, on the CPU", hints=(hint,))
    devices = tf.config.list_physical_devices("GPU")
    if devices:
        details = [tf.config.experimental.get_device_details(device) for device in devices]
        names = [one.get("device_name", "a GPU") for one in details]
        problems = tuple(filter(None, (chip_problem(one, facts) for one in details)))
        free = ", ".join(f"{gpu.free / 1024:.0f} of {gpu.memory / 1024:.0f} GiB free" for gpu in found)
        return Area(says=f"{build}, on {', '.join(names)} ({free})", problems=problems)
    if not found:
        return Area(says=f"{build}, on the CPU; no NVIDIA GPU is here")
    says = f"{build}, on the CPU; an {found[0].name} is here"
    return Area(says=says, hints=gpu_not_used(found[0], facts))


def gpu_not_used(gpu: NvidiaGpu, facts: dict[str, Any]) -> tuple[str, ...]:
    """Why TensorFlow computes on the CPU although NVIDIA's driver answers."""
    if sys.platform == "win32":
        return (f"TensorFlow for Windows leaves the {gpu.name} unused: use it in WSL2, or take PyTorch.",)
    if hidden := hidden_gpus():
        return hidden
    if version_numbers(gpu.driver) < LOWEST_DRIVER:
        lowest = ".".join(map(str, LOWEST_DRIVER))
        return (f"Driver {gpu.driver} of the {gpu.name} is too old: TensorFlow needs {lowest} or newer.",)
    return (
        f"TensorFlow leaves the {gpu.name} unused, CUDA's libraries are missing: {sys.executable} -m pip "
        f'install "tensorflow[and-cuda]=={tf.__version__}"',
    )


def chip_problem(gpu: dict[str, Any], facts: dict[str, Any]) -> str:
    """A sentence where the build has no code for a GPU; empty where it has."""
    capability = gpu.get("compute_capability")
    if capability is None or has_code_for(capability, facts.get("cuda_compute_capabilities", [])):
        return ""
    return (
        f"This TensorFlow has no code for {gpu.get('device_name', 'the GPU')} (compute capability "
        f"{capability[0]}.{capability[1]}): set training.device to cpu, or make a project with PyTorch."
    )
