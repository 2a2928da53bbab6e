"""The estimate in the terminal: a table, a picture, and a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scaffolder import console
from scaffolder.estimate.command import SAMPLE_RATE, Result, Room
from scaffolder.estimate.speed import Range
from scaffolder.messages import _, ngettext

if TYPE_CHECKING:
    from rich.table import Table

_BAR = 28


def show(result: Result) -> None:
    out = console.out()
    out.print(_headline(result), style="bold", soft_wrap=True)
    out.print()
    out.print(_parameters(result))
    out.print()
    out.print(_plan_line(result), soft_wrap=True)
    out.print()
    out.print(_memory(result))
    out.print()
    for line in (*_verdict(result), *_time(result), *result.notes):
        out.print(line, soft_wrap=True)
    out.print(
        _("Configuration from {place}. How this is counted: docs/estimate.md.").format(place=result.found.place),
        style="dim",
        soft_wrap=True,
    )


def _headline(result: Result) -> str:
    counted = result.parameters
    text = _("{name}: {total} parameters").format(name=result.model.name, total=f"{counted.total:,}")
    if counted.active != counted.total:
        text += _(", {active} of them work on one token").format(active=f"{counted.active:,}")
    return text


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index in (0, 3) else "right", no_wrap=index > 0)
    return table


def _parameters(result: Result) -> Table:
    names = {
        "embeddings": _("embeddings"),
        "attention": _("attention"),
        "mlp": _("MLP"),
        "experts": _("experts"),
        "convolutions": _("convolutions"),
        "norms": _("norms"),
        "head": _("head"),
    }
    counted = result.parameters
    table = _table(_("parameters"), _("count"), "%", "")
    for part, count in counted.parts.items():
        if count:
            table.add_row(names[part], f"{count:,}", _percent(count, counted.total), _bar(count, counted.total))
    if counted.adapters:
        table.add_row(_("adapters beside them"), f"{counted.adapters:,}", _percent(counted.adapters, counted.total))
    table.add_row(_("trained"), f"{counted.trained:,}", _percent(counted.trained, counted.total))
    return table


def _plan_line(result: Result) -> str:
    plan = result.plan
    methods = {
        "full": _("training all parameters"),
        "pretrain": _("training from nothing"),
        "lora": _("LoRA, rank {rank}").format(rank=plan.rank),
        "qlora": _("QLoRA, rank {rank}").format(rank=plan.rank),
        "inference": _("inference"),
    }
    words = [
        methods[plan.method],
        plan.precision,
        _("batch {batch} × {length}").format(batch=plan.batch, length=_length(result, plan.length)),
    ]
    if plan.accumulation > 1:
        words.append(_("{count} passes for each step").format(count=plan.accumulation))
    if plan.trains:
        words.append(plan.optimizer)
        words.append(_("with checkpointing") if plan.checkpointing else _("without checkpointing"))
    if plan.gpus > 1:
        words.append(_("FSDP over {count} GPUs").format(count=plan.gpus))
    return _("Plan: {words}.").format(words=", ".join(words))


def _length(result: Result, length: int) -> str:
    if result.model.reads == "text":
        return ngettext("{count} token", "{count} tokens", length).format(count=f"{length:,}")
    if result.model.reads == "image":
        return _("{side} pixels").format(side=f"{length} × {length}")
    return _("{seconds} s of sound").format(seconds=f"{length / SAMPLE_RATE:g}")


def _memory(result: Result) -> Table:
    names = {
        "weights": _("weights"),
        "adapters": _("adapters"),
        "low_precision_copies": _("16-bit copies of them"),
        "gradients": _("gradients"),
        "optimizer": _("the optimizer's state"),
        "activations": _("activations"),
        "logits": _("logits and loss"),
        "kv_cache": _("earlier keys and values"),
        "gathered": _("gathered by FSDP"),
    }
    used = result.memory
    heading = _("memory at most") if result.plan.gpus == 1 else _("memory of each GPU, at most")
    table = _table(heading, "GiB", "%", "")
    whole = max(used.needed, result.room.device.memory) if result.room else used.needed
    for kind, size in used.parts.items():
        if size:
            table.add_row(names[kind], _gib(size), _percent(size, whole), _bar(size, whole))
    rest = used.needed - used.peak
    table.add_row(_("CUDA itself, fragments"), _gib(rest), _percent(rest, whole), _bar(rest, whole))
    table.add_section()
    table.add_row(_("needed"), _gib(used.needed), _percent(used.needed, whole), _bar(used.needed, whole), style="bold")
    if result.room:
        room = result.room
        style = "green" if room.fits else "red"
        table.add_row(room.device.name, _gib(room.device.memory), "", _bar(room.device.memory, whole), style=style)
    return table


def _verdict(result: Result) -> list[str]:
    room = result.room
    if room is None:
        if not result.smallest:
            return [_("No single GPU that newmodel knows has enough memory; --gpus shares it between several.")]
        names = ", ".join(device.name for device in result.smallest)
        size = f"{result.smallest[0].memory / 2**30:.0f}"
        return [
            _("It fits GPUs with {size} GiB or more, such as {names}. Name yours with --gpu.").format(
                size=size, names=names
            )
        ]
    lines = [_fit_line(room)]
    if room.batch:
        lines.append(
            _("The most that fits: batch {batch} at {length}, or {longest} with batch {now}.").format(
                batch=f"{room.batch:,}",
                length=_length(result, result.plan.length),
                longest=_length(result, room.context),
                now=result.plan.batch,
            )
            if room.context
            else _("The most that fits: batch {batch} at {length}.").format(
                batch=f"{room.batch:,}", length=_length(result, result.plan.length)
            )
        )
    if room.advice is not None:
        lines += _advised(room)
    if room.instead:
        lines.append(_("The largest of the known models that fits this way is {name}.").format(name=room.instead))
    return lines


def _fit_line(room: Room) -> str:
    if room.fits:
        return ngettext("It fits {name}.", "It fits {count} × {name}.", room.count).format(
            name=room.device.name, count=room.count
        )
    return ngettext("It does not fit {name}.", "It does not fit {count} × {name}.", room.count).format(
        name=room.device.name, count=room.count
    )


def _advised(room: Room) -> list[str]:
    advice = room.advice
    if advice is None:
        return []
    lines = [_("Advice: {reason}").format(reason=advice.reason)]
    if advice.fits:
        lines.append(
            _(
                "  method {method}, precision {precision}, batch {batch}, accumulation {passes}, checkpointing {on}."
            ).format(
                method=advice.method,
                precision=advice.precision,
                batch=advice.batch,
                passes=advice.accumulation,
                on=_("on") if advice.checkpointing else _("off"),
            )
        )
        if advice.optimizer == "adamw-8bit":
            lines.append(_("  In the project: --training.optimizer adamw_8bit (its state in 8 bits)."))
    return lines


def _time(result: Result) -> Sequence[str]:
    s = result.speed
    lines: list[str] = []
    if result.room is not None and not result.room.fits:
        return lines
    if s.seconds is not None:
        amount = {
            "text": _("{count} tokens"),
            "image": _("{count} images"),
            "sound": _("{count} seconds of sound"),
        }[result.model.reads].format(count=f"{s.units:,.0f}")
        line = _("{amount} take {time}").format(amount=amount, time=_duration(s.seconds))
        if s.energy is not None:
            line += _(" and {energy} kWh").format(energy=f"{_number(s.energy.low)}–{_number(s.energy.high)}")
        lines.append(line + ".")
    if s.written is not None:
        lines.append(
            _("It writes {low}–{high} tokens a second.").format(
                low=_number(s.written.low), high=_number(s.written.high)
            )
        )
    return lines


def _duration(span: Range) -> str:
    for size, name in (
        (86_400.0, _("{span} days")),
        (3_600.0, _("{span} hours")),
        (60.0, _("{span} minutes")),
        (1.0, _("{span} seconds")),
    ):
        if span.high >= 2 * size or size == 1.0:
            return name.format(span=f"{_number(span.low / size)}–{_number(span.high / size)}")
    return ""


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.2f}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else ""


def _bar(part: int, whole: int) -> str:
    """A bar in eighths of a character."""
    eighths = round(8 * _BAR * part / whole) if whole else 0
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]
