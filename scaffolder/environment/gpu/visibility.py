"""CUDA_VISIBLE_DEVICES: which of NVIDIA's GPUs a program gets to see.

https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars: a list of numbers, or of beginnings of UUIDs
(`GPU-…`, `MIG-…`); the devices before the first one that does not exist are seen, the others are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from scaffolder.environment.facts import Command, Finding, Gpu
from scaffolder.environment.system import System
from scaffolder.messages import _

NAME = "CUDA_VISIBLE_DEVICES"


def unknown_device(value: str, gpus: Sequence[Gpu]) -> str | None:
    """The first entry that names no GPU of this machine; None where every entry does."""
    return next((entry for entry in _entries(value) if _position(entry, gpus) is None), None)


def named_twice(value: str, gpus: Sequence[Gpu]) -> str | None:
    """The first entry that names a GPU which was named before: then CUDA shows none at all."""
    seen: set[int] = set()
    for entry in _entries(value):
        position = _position(entry, gpus)
        if position is not None and position >= 0:
            if position in seen:
                return entry
            seen.add(position)
    return None


def _entries(value: str) -> list[str]:
    return [part.strip() for part in value.split(",")]


def _position(entry: str, gpus: Sequence[Gpu]) -> int | None:
    """Which GPU an entry means; -1 for one that cannot be checked; None for none of these."""
    if entry.isascii() and entry.isdigit():
        number = int(entry[:9])
        return number if number < len(gpus) else None
    if entry.startswith("MIG"):
        slices = [name for gpu in gpus for name in gpu.slices]
        if not slices:  # their names were not told
            return -1 if any(gpu.mig for gpu in gpus) or entry.startswith("MIG-GPU") else None
        return -1 if any(name.partition(" ")[2].startswith(entry) for name in slices) else None
    if entry.startswith("GPU"):
        if not any(gpu.uuid for gpu in gpus):
            return -1
        return next((number for number, gpu in enumerate(gpus) if gpu.uuid.startswith(entry)), None)
    return None


def findings(system: System, gpus: Sequence[Gpu]) -> list[Finding]:
    """Where the variable hides GPUs that are here."""
    value = system.environ.get(NAME)
    if value is None or not gpus:
        return []
    first = value.split(",")[0].strip()
    if first in ("", "-1") or first.lower() in ("none", "void", "nodevfiles"):
        return [hidden(system, NAME, value)]
    unknown, twice = unknown_device(value, gpus), named_twice(value, gpus)
    if unknown is None and twice is None:
        return []
    nothing = twice is not None or unknown == first
    return [
        Finding(
            code="NM219",
            severity="slows",
            what=_("{name} is “{value}” and names the GPU “{entry}” twice.").format(
                name=NAME, value=_short(value), entry=_short(twice)
            )
            if twice is not None
            else _(
                "{name} is “{value}”, and “{entry}” is no GPU of this machine: it has {count}, counted from 0."
            ).format(name=NAME, value=_short(value), entry=_short(unknown or ""), count=len(gpus)),
            meaning=_("Programs see no GPU at all, and training runs on the processor.")
            if nothing
            else _("Programs see only the GPUs that are named before it."),
            commands=(unset(system, NAME),),
        )
    ]


def hidden(system: System, name: str, value: str) -> Finding:
    """A variable that hides every GPU."""
    return Finding(
        code="NM203",
        severity="slows",
        what=_("{name} is “{value}” and hides every GPU.").format(name=name, value=_short(value)),
        meaning=_("Training will run on the processor although a GPU is here."),
        commands=(unset(system, name),),
    )


def unset(system: System, name: str) -> Command:
    line = f"Remove-Item Env:{name}" if system.platform == "win32" else f"unset {name}"
    return Command(line=line)


def _short(text: str) -> str:
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return plain if len(plain) <= 60 else plain[:59] + "…"
