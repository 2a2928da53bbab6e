"""Intel's GPUs (XPU): Arc cards, Arc graphics inside Core Ultra processors, and the Data Center GPU Max."""

from __future__ import annotations

import re
from dataclasses import replace

from scaffolder.environment.facts import Command, Finding, Gpu
from scaffolder.environment.gpu.pci import INTEL, Card, cards
from scaffolder.environment.system import System
from scaffolder.messages import _

#: PCI device numbers, as https://dgpu-docs.intel.com/devices/hardware-table.html lists them. What PyTorch names as
#: supported: https://docs.pytorch.org/docs/stable/notes/get_start_xpu.html
_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"569[0-7]|56[ab][0-9a-f]|56c[0-2]", "Intel Arc A-Series"),
    (r"e20[29b-f]|e21[0-9a-f]|e22[0-9a-f]", "Intel Arc B-Series"),
    (r"0bd[0-9ab]|0b69|0b6e", "Intel Data Center GPU Max"),
    (r"7d55|7dd5", "Intel Arc Graphics (Meteor Lake)"),
    (r"7d51|7dd1", "Intel Arc Graphics (Arrow Lake)"),
    (r"64a0|6420|64b0", "Intel Arc Graphics (Lunar Lake)"),
    (r"b0[89ab][0-9a-f]", "Intel Arc Graphics (Panther Lake)"),
)

#: The runtime that PyTorch computes through on Linux.
_RUNTIMES = (
    "/usr/lib/x86_64-linux-gnu/libze_intel_gpu.so*",
    "/usr/lib64/libze_intel_gpu.so*",
    "/usr/lib/libze_intel_gpu.so*",
    "/usr/local/lib/libze_intel_gpu.so*",
)
_DRIVER_PAGE = (
    "https://www.intel.com/content/www/us/en/developer/articles/tool/pytorch-prerequisites-for-intel-gpu.html"
)


def ask(system: System, found: list[Card] | None = None) -> tuple[Gpu, ...]:
    """The GPUs that PyTorch's XPU build supports."""
    if system.platform == "linux":
        gpus = _by_drm(system)
    elif system.platform == "win32":
        gpus = tuple(gpu for card in (cards(system) if found is None else found) if (gpu := _gpu(card)) is not None)
    else:
        return ()
    return _with_memory(system, gpus)


def _by_drm(system: System) -> tuple[Gpu, ...]:
    """Cards that the kernel's graphics drivers (i915, xe) serve."""
    found = {}
    for path in system.glob("/sys/class/drm/card*/device/vendor"):
        folder = path.rsplit("/", 1)[0]
        # connectors, card0-DP-1, stand beside the cards and lead to the same device
        if re.fullmatch(r"/sys/class/drm/card\d+/device", folder) and _hex(system, path) == INTEL:
            gpu = _gpu(Card(vendor=INTEL, device=_hex(system, f"{folder}/device")))
            if gpu is not None:
                found[folder] = gpu
    return tuple(found.values())


def _gpu(card: Card) -> Gpu | None:
    if card.vendor != INTEL:
        return None
    name = next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, card.device)), None)
    return None if name is None else Gpu(kind="xpu", name=card.name or name)


def _hex(system: System, path: str) -> str:
    return (system.read_text(path) or "").strip().removeprefix("0x").lower()[:4]


def _with_memory(system: System, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Names and memory as Intel's tool tells them, where it is installed: `xpu-smi discovery` is a table.

    | 0         | Device Name: Intel(R) Arc(TM) A770 Graphics                                     |
    """
    if not gpus or not system.which("xpu-smi"):
        return gpus
    text = system.run(["xpu-smi", "discovery"], timeout=6.0).stdout[:200_000]
    names = re.findall(r"Device Name: ([^|\n]*[^|\s])", text)
    sizes = re.findall(r"Memory Physical Size: (\d{1,9})(?:\.\d+)? MiB", text, re.ASCII)
    return tuple(
        replace(
            gpu,
            name=names[number] if number < len(names) else gpu.name,
            total=int(sizes[number]) * 1024**2 if number < len(sizes) else None,
        )
        for number, gpu in enumerate(gpus)
    )


def runtime_missing(system: System) -> bool:
    """Whether PyTorch could not reach the GPU: on Linux it needs the Level Zero runtime; Windows' driver brings it."""
    return system.platform == "linux" and not any(system.glob(pattern) for pattern in _RUNTIMES)


def findings(system: System, gpus: tuple[Gpu, ...]) -> list[Finding]:
    """An Intel GPU is used by a build of its own, and on Linux through a runtime that many systems lack."""
    if not gpus:
        return []
    if not runtime_missing(system):
        return [
            Finding(
                code="NM217",
                severity="note",
                what=_("An Intel GPU is here: {name}.").format(name=gpus[0].name),
                meaning=_("PyTorch uses it with its build for Intel GPUs (XPU) only; TensorFlow does not use it."),
            )
        ]
    release = system.release.lower()
    commands: tuple[Command, ...] = ()
    if "ubuntu" in release:
        commands = (
            Command(line="sudo add-apt-repository -y ppa:kobuk-team/intel-graphics"),
            Command(line="sudo apt-get install -y libze-intel-gpu1 libze1 intel-opencl-icd"),
        )
    elif "fedora" in release:
        commands = (Command(line="sudo dnf install intel-level-zero oneapi-level-zero"),)
    return [
        Finding(
            code="NM217",
            severity="slows",
            what=_("An Intel GPU is here ({name}), but its runtime for computing (Level Zero) is not.").format(
                name=gpus[0].name
            ),
            meaning=_("PyTorch's build for Intel GPUs (XPU) would not find the GPU and train on the processor."),
            advice=_("Install Intel's runtime as {page} says.").format(page=_DRIVER_PAGE),
            commands=commands,
        )
    ]
