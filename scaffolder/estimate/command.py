"""`newmodel estimate`: what a model needs, and what fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from scaffolder.errors import NewmodelError
from scaffolder.estimate.advice import Advice, adapters_make_sense, advise, usual_length
from scaffolder.estimate.architecture import Architecture, Parameters, architecture, parameters
from scaffolder.estimate.configuration import shown
from scaffolder.estimate.families import multimodal
from scaffolder.estimate.fit import MOST_CONTEXT, fits, largest_batch, longest_context
from scaffolder.estimate.gpus import GIB, Device, detected, named, table
from scaffolder.estimate.memory import Memory, memory
from scaffolder.estimate.plan import LOSSES, METHODS, OPTIMIZERS, PRECISIONS, Loss, Method, Plan, Precision
from scaffolder.estimate.source import Found, find
from scaffolder.estimate.source import table as known_models
from scaffolder.estimate.speed import Speed, speed
from scaffolder.messages import _

SAMPLE_RATE = 16_000
TASKS = ("", "base", "causal", "masked", "classify")

#: What time is stated for when nobody says: tokens, images, seconds of sound.
USUAL_AMOUNT = {"text": 1_000_000.0, "image": 10_000.0, "sound": 3_600.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command's options, as typed; empty or None where not given."""

    model: str
    method: str = ""
    precision: str = ""
    context: int | None = None
    target: int | None = None
    batch: int | None = None
    gpu: str = ""
    gpus: int | None = None
    rank: int = 16
    adapt: str = "all"
    checkpointing: bool | None = None
    attention: str = "sdpa"
    loss: str = "pieces"
    optimizer: str = "adamw"
    accumulation: int | None = None
    task: str = ""
    tokens: float | None = None
    samples: float | None = None
    as_json: bool = False


@dataclass(frozen=True, kw_only=True)
class Room:
    """What there is on one GPU.

    Attributes:
        batch: The most samples at once, with the plan's context.
        context: The longest input, with the plan's batch; in tokens, pixels or samples of a sound.
        instead: The largest known model that this method can do here, where this one does not fit.
    """

    device: Device
    count: int
    fits: bool
    batch: int
    context: int
    advice: Advice | None
    instead: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that is shown."""

    found: Found
    model: Architecture
    parameters: Parameters
    plan: Plan
    memory: Memory
    speed: Speed
    room: Room | None
    smallest: tuple[Device, ...]
    notes: tuple[str, ...] = ()


def run_estimate(options: Options) -> int:
    """Print the estimate.

    Raises:
        NewmodelError: If the model or an option is not usable.
    """
    result = estimate(options)
    if options.as_json:
        from scaffolder.console import print_json
        from scaffolder.estimate.document import document

        print_json(document(result))
    else:
        from scaffolder.estimate.show import show

        show(result)
    return 0


def estimate(options: Options) -> Result:
    """The library's way in: the same without printing."""
    _check(options)
    found = find(options.model)
    model = architecture(found.configuration, task=options.task)
    devices = _devices(options)
    device = devices[0] if devices else None
    count = options.gpus or max(len(devices), 1)
    length, target = _sizes(model, options)
    precision = _precision(options, device)
    advice = _advice(options, model, device, count, length, target, precision)
    plan = _plan(options, model, advice, count, length, target, precision)
    used = memory(model, plan)
    amount = options.tokens if model.reads == "text" else options.samples
    if model.reads == "text" and amount is None and options.samples is not None:
        amount = options.samples * length
    return Result(
        found=found,
        model=model,
        parameters=parameters(model, plan.keeping),
        plan=plan,
        memory=used,
        speed=speed(model, plan, used, device, amount or USUAL_AMOUNT[model.reads]),
        room=_room(model, plan, used, device, advice) if device else None,
        smallest=_smallest(used),
        notes=_notes(model, plan),
    )


def _check(options: Options) -> None:
    choices: list[tuple[str, str, Sequence[str]]] = [
        ("--method", options.method, METHODS),
        ("--precision", options.precision, PRECISIONS),
        ("--optimizer", options.optimizer, OPTIMIZERS),
        ("--loss", options.loss, LOSSES),
        ("--attention", options.attention, ("sdpa", "eager")),
        ("--adapt", options.adapt, ("all", "attention")),
        ("--task", options.task, TASKS),
    ]
    for flag, value, allowed in choices:
        if value and value not in allowed:
            raise NewmodelError(
                _("{flag} takes no “{value}”; there are: {names}.").format(
                    flag=flag, value=shown(value, 40), names=", ".join(one for one in allowed if one)
                )
            )
    ranges: list[tuple[str, float | None, float]] = [
        ("--context", options.context, MOST_CONTEXT),
        ("--target", options.target, MOST_CONTEXT),
        ("--batch", options.batch, 1_000_000),
        ("--gpus", options.gpus, 100_000),
        ("--rank", options.rank, 65_536),
        ("--accumulation", options.accumulation, 1_000_000),
        ("--tokens", options.tokens, 1e18),
        ("--samples", options.samples, 1e15),
    ]
    for flag, number, most in ranges:
        if number is not None and not 1 <= number <= most:
            raise NewmodelError(
                _("{flag} must be from 1 to {most}, not {value}.").format(flag=flag, most=f"{most:,.0f}", value=number)
            )


def _devices(options: Options) -> list[Device]:
    """The GPU that was named, or those of this machine."""
    if options.gpu:
        return [named(options.gpu)]
    from scaffolder.environment import report

    machine = report.inspect(checks=("accelerators", "machine"))
    found = []
    for gpu in machine.accelerators.gpus:
        size = gpu.total
        if size is None and gpu.kind == "mps" and machine.hardware.memory_total:
            size = machine.hardware.memory_total * 3 // 4  # what macOS lets the GPU have of the shared memory
        device = detected(gpu.name, size, gpu.capability)
        if device is not None:
            found.append(device)
    return found


def _sizes(model: Architecture, options: Options) -> tuple[int, int]:
    """The length of a sample and of what is written, in the model's own units."""
    target = options.target or 0
    given = options.context
    if given is None:
        return usual_length(model), target
    if model.reads == "sound":
        if model.fixed:
            if given * SAMPLE_RATE > model.context:
                raise NewmodelError(
                    _("{name} reads {most} seconds at a time, not {value}.").format(
                        name=model.name, most=model.context // SAMPLE_RATE, value=given
                    )
                )
            return model.context, target
        return min(given, MOST_CONTEXT) * SAMPLE_RATE, target
    if model.reads == "image":
        if model.fixed and given != model.context:
            raise NewmodelError(
                _("{name} takes images of {most} × {most} pixels, not {value} × {value}.").format(
                    name=model.name, most=model.context, value=given
                )
            )
        if given > 16_384:
            raise NewmodelError(
                _("--context must be at most 16,384 pixels for images, not {value}.").format(value=given)
            )
        return given, target
    if model.positions and given > model.positions:
        raise NewmodelError(
            _("{name} knows positions for {most} tokens at most, not {value}.").format(
                name=model.name, most=f"{model.positions:,}", value=f"{given:,}"
            )
        )
    return given, target


def _precision(options: Options, device: Device | None) -> Precision:
    if options.precision:
        return cast(Precision, options.precision)
    sixteen = "bf16" if device is None or device.has_bf16 else "fp16"
    return cast(Precision, sixteen if options.method == "inference" else f"{sixteen}-mixed")


def _advice(
    options: Options,
    model: Architecture,
    device: Device | None,
    count: int,
    length: int,
    target: int,
    precision: Precision,
) -> Advice | None:
    if device is None or options.method == "inference":
        return None
    return advise(
        model,
        device.memory,
        length=length,
        target=target,
        gpus=count,
        method=cast(Method, options.method) if options.method else None,
        precision=precision,
        rank=options.rank,
        loss=cast(Loss, options.loss),
    )


def _plan(
    options: Options,
    model: Architecture,
    advice: Advice | None,
    count: int,
    length: int,
    target: int,
    precision: Precision,
) -> Plan:
    """As asked; what was left open as advised, or as is usual."""
    if advice is not None:
        plan = advice.plan
    else:
        large = parameters(model).total > 1e9 and adapters_make_sense(model)
        plan = Plan(
            method="lora" if large else "full",
            precision=precision,
            length=length,
            target=target,
            gpus=count,
            checkpointing=large,
        )
    changes: dict[str, Any] = {
        "rank": options.rank,
        "adapted": options.adapt,
        "attention": options.attention,
        "loss": options.loss,
    }
    if options.accumulation is not None:
        changes["accumulation"] = options.accumulation
    if options.method:
        changes["method"] = options.method
    if options.batch is not None:
        changes["batch"] = options.batch
    if options.checkpointing is not None:
        changes["checkpointing"] = options.checkpointing
    if options.optimizer != "adamw":
        changes["optimizer"] = options.optimizer
    return replace(plan, **changes)


def _room(model: Architecture, plan: Plan, used: Memory, device: Device, advice: Advice | None) -> Room:
    good = used.needed <= device.memory
    batch = largest_batch(model, plan, device.memory)
    return Room(
        device=device,
        count=plan.gpus,
        fits=good,
        batch=batch,
        context=longest_context(model, plan, device.memory),
        advice=advice,
        instead="" if batch or good else _largest_that_fits(model, plan, device),
    )


def _largest_that_fits(model: Architecture, plan: Plan, device: Device) -> str:
    """Of the models that newmodel has in its table and that do the same, the largest that this plan fits."""
    from scaffolder.estimate.configuration import Configuration

    candidates = []
    for name, values in known_models().items():
        other = architecture(Configuration(values, name))
        if other.reads == model.reads and other.head.split(":")[0] == model.head.split(":")[0]:
            candidates.append((parameters(other).total, name, other))
    for _total, name, other in sorted(candidates, key=lambda one: -one[0]):
        length = min(plan.length, other.context) if not other.fixed else other.context
        if fits(other, replace(plan, batch=1, length=length), device.memory) is not None:
            return name
    return ""


def _smallest(used: Memory) -> tuple[Device, ...]:
    """The GPUs with the least memory that is enough, three at most and newest last."""
    enough = [device for device in table() if device.memory >= used.needed and device.capability is not None]
    least = min((device.memory for device in enough), default=0)
    same = [device for device in enough if device.memory == least]
    same.sort(key=lambda device: device.capability or (0, 0))
    return tuple(same[-3:])


def _notes(model: Architecture, plan: Plan) -> tuple[str, ...]:
    notes = []
    if model.family in multimodal.FAMILIES:
        notes.append(_("This is the language model alone: what reads images is not loaded by the projects."))
    if model.reads == "text" and model.context and plan.length > model.context:
        notes.append(
            _("The model was made for {most} tokens; {value} are beyond that.").format(
                most=f"{model.context:,}", value=f"{plan.length:,}"
            )
        )
    if plan.trains and plan.loss == "pieces" and model.head == "causal":
        notes.append(
            _("Counted as newmodel's PyTorch projects learn. Keras and most trainers hold all logits: --loss whole.")
        )
    if plan.method == "qlora" and any(parameters(model).parts[part] for part in ("experts",)):
        notes.append(_("The experts stay in 16 bits: bitsandbytes packs ordinary matrices alone."))
    if plan.method in ("lora", "qlora") and not adapters_make_sense(model):
        notes.append(_("This network has few matrices that adapters can stand beside."))
    return tuple(notes)


__all__ = ["GIB", "Options", "Result", "Room", "estimate", "run_estimate"]
