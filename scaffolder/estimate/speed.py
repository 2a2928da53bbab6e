"""How long it takes and how much energy, as a range: from operations, and from how busy chips usually are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scaffolder.estimate.architecture import Architecture
from scaffolder.estimate.gpus import Device
from scaffolder.estimate.memory import Memory
from scaffolder.estimate.plan import Plan

#: The part of a chip's dense peak that training reaches: published runs of transformers are between 0.3 and 0.55
#: (Chowdhery et al., 2022, table 3; Touvron et al., 2023), small batches and plain eager code lower. Convolutions and
#: small models wait for memory most of the time.
BUSY: Final = {"text": (0.20, 0.50), "sound": (0.15, 0.40), "image": (0.10, 0.40)}
#: Part of the memory's bandwidth that writing one token after another reaches.
READS: Final = (0.5, 0.85)
#: Part of the board's power that it draws meanwhile.
POWER: Final = (0.6, 1.0)


@dataclass(frozen=True, kw_only=True)
class Range:
    """From the best case to the worst."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a plan does in time.

    Attributes:
        flops_per_unit: Operations for a token (text), an image or a second of sound.
        units: How much was asked about: tokens, images or seconds of sound.
        seconds: For those.
        energy: In kWh, of the GPUs alone.
        written: Tokens in a second that one GPU writes for the whole batch, where the plan is inference.
    """

    flops_per_unit: float
    units: float
    seconds: Range | None
    energy: Range | None
    written: Range | None = None


def units_per_pass(found: Architecture, plan: Plan) -> float:
    """Tokens, images or seconds in one pass over one batch."""
    if found.reads == "text":
        return float(plan.batch * plan.length)
    return float(plan.batch) if found.reads == "image" else plan.batch * plan.length / 16_000


def speed(found: Architecture, plan: Plan, used: Memory, device: Device | None, units: float) -> Speed:
    """For `units` of input on `plan.gpus` of `device`."""
    each = used.flops / units_per_pass(found, plan)
    peak = _peak(device, plan)
    seconds = energy = written = None
    if device is not None and peak:
        low, high = BUSY[found.reads]
        total = each * units / (peak * plan.gpus)
        seconds = Range(low=total / high, high=total / low)
        if device.power:
            hours = device.power * plan.gpus / 3600 / 1000
            energy = Range(low=seconds.low * hours * POWER[0], high=seconds.high * hours * POWER[1])
    if device is not None and device.bandwidth and not plan.trains and found.writes:
        # each token needs every weight and the cache once; a batch shares the weights
        moved = used.parts["weights"] + used.parts["kv_cache"]
        steps = device.bandwidth * 1e9 / moved
        written = Range(low=steps * READS[0] * plan.batch, high=steps * READS[1] * plan.batch)
    return Speed(flops_per_unit=each, units=units, seconds=seconds, energy=energy, written=written)


def _peak(device: Device | None, plan: Plan) -> float | None:
    if device is None:
        return None
    tflops = device.float32 if plan.compute_width == 4 else device.tflops
    return tflops * 1e12 if tflops else None
