"""What can train besides the processor: NVIDIA, AMD, Apple."""

from __future__ import annotations

import csv
import re
from typing import Any

from scaffolder.environment.facts import Accelerators, Finding, Gpu, command
from scaffolder.environment.system import System
from scaffolder.messages import _

_FIELDS = ("driver_version", "name", "memory.total", "memory.free", "compute_cap")

#: AMD's target of a discrete card has this many SIMD units at least; processors' built-in graphics have fewer.
_AMD_MIN_SIMD = 40


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """The accelerators, and what is wrong with them."""
    found, findings = _nvidia(system)
    gpus = [*found.gpus, *_amd(system), *_apple(system)]
    if not gpus and not findings:
        findings.append(
            Finding(
                code="NM201",
                severity="note",
                what=_("No GPU was found."),
                meaning=_("Training runs on the processor: fine for the samples here, slow for large models."),
            )
        )
    return {"accelerators": Accelerators(gpus=tuple(gpus), driver=found.driver, cuda=found.cuda)}, findings


def _nvidia(system: System) -> tuple[Accelerators, list[Finding]]:
    answer = system.nvml()
    if answer is not None and not answer.error:
        gpus = tuple(
            Gpu(
                kind="cuda",
                name=str(device["name"]),
                total=device.get("total"),
                free=device.get("free"),
                capability=_pair(str(device.get("capability", ""))),
            )
            for device in answer.devices
        )
        cuda = (answer.cuda // 1000, answer.cuda % 1000 // 10) if answer.cuda else None
        return Accelerators(gpus=gpus, driver=answer.driver, cuda=cuda), _hidden(system, gpus)
    found = _nvidia_smi(system)
    if found.gpus:
        return found, _hidden(system, found.gpus)
    if answer is not None:
        return found, [
            Finding(
                code="NM202",
                severity="blocks",
                what=_("NVIDIA's driver is here and does not work: {reason}.").format(reason=answer.error),
                meaning=_("The GPU cannot be used; training would run on the processor."),
                advice=_("Restart the computer, and install the driver again if that does not help."),
            )
        ]
    return found, []


def _nvidia_smi(system: System) -> Accelerators:
    """The fall-back. Only `--query-gpu` is read: the words of the tool's header change between drivers."""
    tool = system.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"
    answer = system.run([tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"], timeout=8.0)
    if not answer.ok:
        return Accelerators()
    gpus: list[Gpu] = []
    driver = ""
    for row in csv.reader(answer.stdout.splitlines(), skipinitialspace=True):
        if len(row) != len(_FIELDS):
            continue
        driver, name, total, free, capability = row
        gpus.append(
            Gpu(kind="cuda", name=name, total=_mebibytes(total), free=_mebibytes(free), capability=_pair(capability))
        )
    return Accelerators(gpus=tuple(gpus), driver=driver)


def _hidden(system: System, gpus: tuple[Gpu, ...]) -> list[Finding]:
    visible = system.environ.get("CUDA_VISIBLE_DEVICES")
    if gpus and visible is not None and visible.strip() in ("", "-1"):
        return [
            Finding(
                code="NM203",
                severity="slows",
                what=_("CUDA_VISIBLE_DEVICES is “{value}” and hides every GPU.").format(value=visible),
                meaning=_("Training will run on the processor although a GPU is here."),
                commands=(
                    command(system, "Remove-Item", "Env:CUDA_VISIBLE_DEVICES")
                    if system.platform == "win32"
                    else command(system, "unset", "CUDA_VISIBLE_DEVICES"),
                ),
            )
        ]
    return []


def _amd(system: System) -> list[Gpu]:
    """AMD's kernel driver lists its devices as text; a node without SIMD units is the processor."""
    gpus = []
    for path in system.glob("/sys/class/kfd/kfd/topology/nodes/*/properties"):
        properties = dict(re.findall(r"^(\w+) +(\d+)$", system.read_text(path) or "", re.MULTILINE))
        if _number(properties.get("simd_count")) < _AMD_MIN_SIMD:
            continue
        target = _number(properties.get("gfx_target_version"))
        # 110000 is gfx1100: two digits each for the major, minor and stepping number, the last ones in hexadecimal
        name = f"gfx{target // 10000}{target // 100 % 100:x}{target % 100:x}" if target else ""
        gpus.append(Gpu(kind="rocm", name=f"AMD Radeon {name}".strip(), total=_amd_memory(system, path)))
    return gpus


def _amd_memory(system: System, properties: str) -> int | None:
    folder = properties.rsplit("/", 1)[0]
    sizes = [
        _number(match.group(1))
        for bank in system.glob(f"{folder}/mem_banks/*/properties")
        if (match := re.search(r"^size_in_bytes (\d+)", system.read_text(bank) or "", re.MULTILINE))
    ]
    return max(sizes, default=0) or None


def _apple(system: System) -> list[Gpu]:
    if system.platform != "darwin":
        return []
    if system.machine != "arm64" and system.run(["sysctl", "-n", "hw.optional.arm64"]).stdout.strip() != "1":
        return []
    chip = system.run(["sysctl", "-n", "machdep.cpu.brand_string"]).stdout.strip() or "Apple"
    memory = system.memory()
    return [Gpu(kind="mps", name=chip, total=memory[0] if memory else None)]


def _pair(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"\s*(\d+)\.(\d+)\s*", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def _mebibytes(text: str) -> int | None:
    return int(float(text)) * 1024**2 if re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= 20 else 0
