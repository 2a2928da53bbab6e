"""What hinders NVIDIA's GPUs that answer, and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scaffolder.environment.facts import Accelerators, Command, Finding, Gpu, GpuProcess
from scaffolder.environment.gpu.nvidia import Nvidia
from scaffolder.environment.gpu.nvidia_unreachable import lost
from scaffolder.environment.system import System
from scaffolder.messages import _

_GIB = 1024**3

#: A desktop holds a few hundred MiB; more than this and more than a fifth of all is somebody's work.
_HELD_BYTES = 1 * _GIB
_HELD_SHARE = 0.2

#: Below this, little more than the samples here can be trained.
_SMALL_BYTES = 4 * _GIB


def findings(system: System, found: Nvidia, place: Accelerators) -> list[Finding]:
    """What hinders GPUs that answer."""
    result = [lost(found.lost, place)] if found.lost and found.gpus else []
    for position, gpu in enumerate(found.gpus):
        number = gpu.index if gpu.index is not None else position
        result += [
            finding
            for finding in (
                _slices(system, gpu, number, found.listed),
                *(check(system, gpu, number) for check in (_errors, _compute_mode, _throttled, _held, _small)),
            )
            if finding is not None
        ]
    if found.source == "nvidia-smi" and not found.library:
        result.append(
            Finding(
                code="NM225",
                severity="note",
                what=_("NVIDIA's management library (NVML) was not found; nvidia-smi was asked instead."),
                meaning=_("Training is not affected; a few details about the GPU are missing here."),
            )
        )
    return _joined(result)


def _joined(findings: list[Finding]) -> list[Finding]:
    """One finding where eight GPUs of a server have the same to say."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (
            (finding.code, re.sub(r"\d+", "", finding.what))
            if finding.code in ("NM210", "NM222")
            else (finding.code, finding.what)
        )
        kept.setdefault(key, finding)
    return list(kept.values())


def _slices(system: System, gpu: Gpu, number: int, listed: bool) -> Finding | None:
    if not gpu.mig:
        return None
    if listed and not gpu.slices:
        return Finding(
            code="NM210",
            severity="blocks",
            what=_("GPU {number} ({name}) is set to be cut into slices (MIG), and no slice has been made.").format(
                number=number, name=gpu.name
            ),
            meaning=_("No program can use it: neither a slice nor the whole card is there."),
            advice=_("Use the card as a whole again, or ask its administrator for a slice:"),
            commands=(
                Command(
                    line=f"nvidia-smi -i {number} -mig 0"
                    if system.platform == "win32"
                    else f"sudo nvidia-smi -i {number} -mig 0"
                ),
            ),
        )
    names = ", ".join(name.partition(" ")[0] for name in gpu.slices)
    what = _("GPU {number} ({name}) is cut into slices (MIG).")
    if names:
        what = _("GPU {number} ({name}) is cut into slices (MIG): {slices}.")
    return Finding(
        code="NM210",
        severity="note",
        what=what.format(number=number, name=gpu.name, slices=names),
        meaning=_(
            "One program sees one slice with its memory, never the whole card; training over several is not possible."
        ),
        advice=_("To train on another slice, name it in CUDA_VISIBLE_DEVICES; this lists them:"),
        commands=(Command(line="nvidia-smi -L"),),
    )


def _errors(_system: System, gpu: Gpu, number: int) -> Finding | None:
    if not gpu.ecc_errors:
        return None
    return Finding(
        code="NM212",
        severity="blocks",
        what=_("GPU {number} ({name}) has had {count} memory errors that could not be corrected.").format(
            number=number, name=gpu.name, count=gpu.ecc_errors
        ),
        meaning=_("Results cannot be trusted, and programs on it may be ended at any time."),
        advice=_("Look at the errors, then reset the GPU or restart; if they come back, the card has to be replaced."),
        commands=(
            Command(line=f"nvidia-smi -i {number} -q -d ECC,PAGE_RETIREMENT,ROW_REMAPPER"),
            Command(line=f"sudo nvidia-smi -i {number} --gpu-reset"),
        ),
    )


def _compute_mode(system: System, gpu: Gpu, number: int) -> Finding | None:
    if gpu.compute_mode not in ("exclusive", "prohibited"):
        return None
    prohibited = gpu.compute_mode == "prohibited"
    change = f"nvidia-smi -i {number} -c DEFAULT"
    return Finding(
        code="NM224",
        severity="blocks" if prohibited else "slows",
        what=_("GPU {number} ({name}) is set so that no program may compute on it.").format(
            number=number, name=gpu.name
        )
        if prohibited
        else _("GPU {number} ({name}) is set so that one program at a time may use it.").format(
            number=number, name=gpu.name
        ),
        meaning=_("Training cannot use it.")
        if prohibited
        else _("A second training, or a notebook left open, fails with “all CUDA-capable devices are busy”."),
        advice=_("An administrator may change that:"),
        commands=(Command(line=change if system.platform == "win32" else f"sudo {change}"),),
    )


def _throttled(_system: System, gpu: Gpu, number: int) -> Finding | None:
    reasons = {
        "thermal": _("it is too hot"),
        "hw_slowdown": _("its hardware asks for it: heat or power supply"),
        "power_brake": _("its power supply is at the limit"),
    }
    said = [text for name, text in reasons.items() if name in gpu.throttle]
    if not said:  # the ordinary power limit is reached by every training, and is no fault
        return None
    return Finding(
        code="NM213",
        severity="slows",
        what=_("GPU {number} ({name}) runs slower than it could: {reasons}.").format(
            number=number, name=gpu.name, reasons=", ".join(said)
        ),
        meaning=_("Training takes longer, as long as that lasts."),
        advice=_("Look after fans, dust and the power cable, or wait until it has cooled; this shows the reasons:"),
        commands=(Command(line=f"nvidia-smi -i {number} -q -d PERFORMANCE,TEMPERATURE,POWER"),),
    )


def _held(system: System, gpu: Gpu, number: int) -> Finding | None:
    if not gpu.total or gpu.free is None or gpu.mig:
        return None
    held = gpu.total - gpu.free
    if held < _HELD_BYTES or held < gpu.total * _HELD_SHARE:
        return None
    names = ", ".join(_process(one) for one in sorted(gpu.processes, key=lambda one: -(one.used or 0))[:3])
    by = _(" by {programs}").format(programs=names) if names else ""
    return Finding(
        code="NM211",
        severity="slows",
        what=_("{held} GB of the {total} GB of GPU {number} ({name}) are held{by}.").format(
            held=f"{held / _GIB:.1f}", total=f"{gpu.total / _GIB:.0f}", number=number, name=gpu.name, by=by
        ),
        meaning=_("Only the rest is free for training; a batch that fits otherwise may run out of memory."),
        advice=_("If it is yours, a notebook or a training left over, end it; this shows what it is:"),
        commands=_look_at(system, gpu.processes),
    )


def _process(process: GpuProcess) -> str:
    name = re.split(r"[\\/]", process.name)[-1] or _("a program")
    size = f", {process.used / _GIB:.1f} GB" if process.used else ""
    return f"{name} ({process.pid}{size})"


def _look_at(system: System, processes: Sequence[GpuProcess]) -> tuple[Command, ...]:
    numbers = ",".join(str(process.pid) for process in processes[:5])
    if not numbers:
        return (Command(line="nvidia-smi"),)
    return (Command(line=f"Get-Process -Id {numbers}" if system.platform == "win32" else f"ps -fp {numbers}"),)


def _small(_system: System, gpu: Gpu, number: int) -> Finding | None:
    # a slice is as small as it was cut; 4 GB cards report a little less
    if not gpu.total or gpu.total >= _SMALL_BYTES * 0.9 or gpu.mig:
        return None
    return Finding(
        code="NM222",
        severity="note",
        what=_("GPU {number} ({name}) has {size} GB of memory.").format(
            number=number, name=gpu.name, size=f"{gpu.total / _GIB:.1f}"
        ),
        meaning=_("Small models and batches fit; larger ones have to be trained on the processor or elsewhere."),
    )
