"""What is known of each kind of GPU, found by the names that people and drivers use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from scaffolder.errors import NewmodelError
from scaffolder.estimate.configuration import shown
from scaffolder.messages import _

GIB = 2**30
TABLE = Path(__file__).with_name("gpus.toml")


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU to plan for.

    Attributes:
        memory: Bytes that a program may use.
        tflops: Of dense products in bf16 (fp16 where there is no bf16), with float32 sums; None where unknown.
        float32: Of products in float32.
        bandwidth: GB of its memory that it reads in a second.
        power: Watts of the board at most.
        capability: CUDA's compute capability, None where it has none.
    """

    name: str
    memory: int
    tflops: float | None = None
    float32: float | None = None
    bandwidth: float | None = None
    power: float | None = None
    capability: tuple[int, int] | None = None

    @property
    def has_bf16(self) -> bool:
        """NVIDIA's chips have bf16 since Ampere, AMD's and Apple's current ones too."""
        return self.capability is None or self.capability >= (8, 0)


@cache
def table() -> tuple[Device, ...]:
    from scaffolder.install.toml import read_toml

    return tuple(_row(row) for row in read_toml(TABLE)["gpus"])


def _row(row: list[Any]) -> Device:
    name, memory, tflops, float32, bandwidth, power, capability = row
    numbers = tuple(int(part) for part in capability.split(".")) if capability else ()
    return Device(
        name=name,
        memory=int(memory * GIB),
        tflops=tflops,
        float32=float32,
        bandwidth=bandwidth,
        power=power,
        capability=(numbers[0], numbers[1]) if len(numbers) == 2 else None,
    )


def named(name: str) -> Device:
    """The GPU that a person means.

    Raises:
        NewmodelError: If none is like it; the nearest names are in its text.
    """
    found = _best(name, None)
    if found is not None:
        return found
    words = {" ".join(_words(device.name)): device.name for device in table()}
    wanted = " ".join(_words(name))
    near = [words[key] for key in get_close_matches(wanted, words, n=3, cutoff=0.5)]
    # a number alone, such as 4090, is what people remember
    digits = set(re.findall(r"\d{3,}", name))
    near = [one for one in words.values() if digits & set(re.findall(r"\d{3,}", one))][:3] or near
    hint = _(" Did you mean {names}?").format(names=", ".join(near)) if near else ""
    return _raise(
        _("newmodel does not know a GPU “{name}”.{hint} It knows {names}.").format(
            name=shown(name, 40), hint=hint, names=", ".join(device.name for device in table())
        )
    )


def _raise(text: str) -> Device:
    raise NewmodelError(text)


def detected(name: str, memory: int | None, capability: tuple[int, int] | None) -> Device | None:
    """A GPU of this machine: its own memory, and the table's speed where it is there. None without either."""
    found = _best(name, memory)
    if found is None:
        return Device(name=name, memory=memory, capability=capability) if memory else None
    return replace(found, name=name, memory=memory or found.memory, capability=capability or found.capability)


def _best(name: str, memory: int | None) -> Device | None:
    """The entry all of whose words are in `name`: the longest, and of equals the one with the nearest memory."""
    words = set(_words(name))
    fitting = [device for device in table() if _core(device.name) <= words]
    if not fitting:
        # the other way round: "A100" for "A100 80GB"; the largest memory, unless it is known
        fitting = [device for device in table() if words and words <= set(_words(device.name))]
        shortest = min((len(_words(device.name)) for device in fitting), default=0)
        fitting = [device for device in fitting if len(_words(device.name)) == shortest]
        return min(fitting, key=lambda device: abs(device.memory - (memory or 2**60)), default=None)
    longest = max(len(_core(device.name)) for device in fitting)
    fitting = [device for device in fitting if len(_core(device.name)) == longest]
    stated = _stated_memory(words)
    if memory is None and stated is None and len(fitting) > 1:
        return max(fitting, key=lambda device: (set(_words(device.name)) <= words, device.memory))
    wanted = memory if memory is not None else stated
    return min(fitting, key=lambda device: abs(device.memory - (wanted or device.memory)))


def _core(name: str) -> set[str]:
    """The words without the memory's size."""
    return {word for word in _words(name) if not re.fullmatch(r"\d+gb", word)}


def _stated_memory(words: Iterable[str]) -> int | None:
    for word in words:
        if re.fullmatch(r"\d+gb", word):
            return int(word[:-2]) * GIB
    return None


def _words(name: str) -> list[str]:
    """Lower case, in words, without makers' names; `4090laptop`, `RTX4090` and `24 GB` are taken apart or together."""
    text = name.lower().replace("-", " ").replace("_", " ")
    text = re.sub(r"(\d+)\s*gi?b\b", r"\1gb", text)
    text = re.sub(r"\b(rtx|gtx|rx)(?=[a-z]?\d)", r"\1 ", text)
    text = re.sub(r"(\d{4})(ti|super|laptop|d)\b", r"\1 \2", text)
    ignored = {
        "nvidia",
        "geforce",
        "tesla",
        "amd",
        "radeon",
        "instinct",
        "gpu",
        "graphics",
        "hbm3",
        "hbm2",
        "generation",
    }
    return [word for word in re.findall(r"[a-z0-9.]+", text) if word not in ignored]
