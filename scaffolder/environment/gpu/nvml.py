"""One NVIDIA GPU, as NVIDIA's management library describes it.

The constants' names and meanings: https://docs.nvidia.com/deploy/nvml-api/
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from scaffolder.environment.system import decode

#: NVML's bits for why a clock is held down, those that cost speed.
THROTTLE_REASONS = {
    0x04: "power",  # SwPowerCap
    0x08: "hw_slowdown",
    0x20: "thermal",  # SwThermalSlowdown
    0x40: "thermal",  # HwThermalSlowdown
    0x80: "power_brake",
}

_COMPUTE_MODES = {0: "default", 1: "exclusive", 2: "prohibited", 3: "exclusive"}


def nvml_device(nvml: Any, handle: Any, index: int) -> dict[str, Any]:
    """What `Nvml.devices` holds of one GPU. `nvml` is the module pynvml.

    Raises:
        pynvml.NVMLError: If the GPU does not even tell its name and compute capability.
    """
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
    device = {
        "index": index,
        "name": text(nvml.nvmlDeviceGetName(handle)),
        "uuid": text(nvml.nvmlDeviceGetUUID(handle)),
        "capability": f"{major}.{minor}",
    }
    for name, ask in _extras(nvml, handle).items():
        # this GPU, or this driver, does not know
        with contextlib.suppress(nvml.NVMLError, AttributeError):
            device[name] = ask()
    return device


def _extras(nvml: Any, handle: Any) -> dict[str, Callable[[], Any]]:
    return {
        # not supported where the GPU has no memory of its own (DGX Spark)
        "total": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "free": lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).free),
        "mig": lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0]),
        "ecc_errors": lambda: int(
            nvml.nvmlDeviceGetTotalEccErrors(handle, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC)
        ),
        "throttle": lambda: throttle_names(int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))),
        "compute_mode": lambda: _COMPUTE_MODES.get(int(nvml.nvmlDeviceGetComputeMode(handle)), "default"),
        "utilization": lambda: int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        "processes": lambda: [
            {"pid": int(one.pid), "name": _process_name(nvml, one.pid), "used": int(one.usedGpuMemory or 0)}
            for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        ],
    }


def throttle_names(bits: int) -> list[str]:
    """The reasons in NVML's bit field, each once."""
    return list(dict.fromkeys(name for bit, name in THROTTLE_REASONS.items() if bits & bit))


def _process_name(nvml: Any, pid: int) -> str:
    try:
        return text(nvml.nvmlSystemGetProcessName(pid))
    except nvml.NVMLError:  # another container's, or another person's
        return ""


def text(value: str | bytes) -> str:
    """NVML's binding answers in bytes or in text, depending on its version."""
    return decode(value) if isinstance(value, bytes) else value
