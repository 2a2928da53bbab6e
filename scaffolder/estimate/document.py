"""The estimate as plain values, for `--json`. Sizes are in bytes, times in seconds, energy in kWh."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scaffolder.estimate.command import Result, Room
from scaffolder.estimate.memory import Memory


def document(result: Result) -> dict[str, Any]:
    plan = asdict(result.plan)
    del plan["device"]
    counted = result.parameters
    return {
        "model": result.model.name,
        "source": result.found.place,
        "architecture": result.model.family,
        "head": result.model.head,
        "reads": result.model.reads,
        "parameters": {
            "total": counted.total,
            "active": counted.active,
            "trained": counted.trained,
            "adapters": counted.adapters,
            "parts": {part: count for part, count in counted.parts.items() if count},
        },
        "plan": plan,
        "memory": _memory(result.memory),
        "gpu": _room(result.room) if result.room else None,
        "smallest_gpus": [{"name": device.name, "memory": device.memory} for device in result.smallest],
        "speed": {
            "unit": {"text": "token", "image": "image", "sound": "second"}[result.model.reads],
            "flops_per_unit": result.speed.flops_per_unit,
            "units": result.speed.units,
            "seconds": asdict(result.speed.seconds) if result.speed.seconds else None,
            "energy_kwh": asdict(result.speed.energy) if result.speed.energy else None,
            "written_tokens_per_second": asdict(result.speed.written) if result.speed.written else None,
        },
        "notes": list(result.notes),
    }


def _memory(used: Memory) -> dict[str, Any]:
    return {
        "parts": {kind: size for kind, size in used.parts.items() if size},
        "peak": used.peak,
        "moment": used.moment,
        "context": used.context,
        "needed": used.needed,
    }


def _room(room: Room) -> dict[str, Any]:
    advice = room.advice
    return {
        "name": room.device.name,
        "memory": room.device.memory,
        "count": room.count,
        "fits": room.fits,
        "largest_batch": room.batch,
        "longest_context": room.context,
        "largest_known_model_that_fits": room.instead or None,
        "advice": None
        if advice is None
        else {
            "fits": advice.fits,
            "method": advice.method,
            "precision": advice.precision,
            "batch": advice.batch,
            "accumulation": advice.accumulation,
            "checkpointing": advice.checkpointing,
            "optimizer": advice.optimizer,
            "reason": advice.reason,
            "memory": _memory(advice.memory),
        },
    }
