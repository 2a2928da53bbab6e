"""Which way to train a model on the memory that is there: the most thorough one that fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scaffolder.estimate.architecture import Architecture
from scaffolder.estimate.fit import fits, largest_batch
from scaffolder.estimate.memory import Memory, memory
from scaffolder.estimate.plan import Loss, Method, Plan, Precision
from scaffolder.messages import _

#: Samples for one step of the optimizer, from one pass or from several: what fine-tuning is usually done with.
SAMPLES = 32


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do.

    Attributes:
        fits: Whether anything does; if not, the rest is the smallest way, which needs more than there is.
        batch, accumulation: Samples in one pass on one GPU, and passes for one step.
        reason: One sentence.
    """

    fits: bool
    method: Method
    precision: Precision
    batch: int
    accumulation: int
    checkpointing: bool
    optimizer: str
    reason: str
    plan: Plan
    memory: Memory


def advise(
    found: Architecture,
    memory_bytes: int,
    *,
    length: int = 0,
    target: int = 0,
    gpus: int = 1,
    bf16: bool = True,
    method: Method | None = None,
    precision: Precision | None = None,
    samples: int = SAMPLES,
    rank: int = 16,
    loss: Loss = "whole",
    eight_bit: bool = True,
) -> Advice:
    """The most thorough way that fits into `memory_bytes` on each of `gpus` GPUs.

    Args:
        length: Tokens, pixels of a side, or samples of a sound; `usual_length` if 0.
        bf16: Whether the chip has it; float16 is taken otherwise.
        method: Only this one, if given.
        samples: For one step of the optimizer.
        loss: Whether the logits of all tokens are kept.
        eight_bit: Whether the optimizer may keep its state in 8 bits, to train all parameters of a larger model.
    """
    length = length or usual_length(found)
    kind: Precision = precision or ("bf16-mixed" if bf16 else "fp16-mixed")
    start = Plan(precision=kind, length=length, target=target, gpus=gpus, rank=rank, loss=loss)
    wanted = (method,) if method else ("full", "lora", "qlora")
    choices = [plan for plan in _ladder(start, found) if plan.method in wanted]
    choices = [plan for plan in choices if eight_bit or plan.optimizer == "adamw"]
    for plan in choices:
        if fits(found, plan, memory_bytes) is None:
            continue
        each = max(samples // gpus, 1)
        batch = _power_of_two(largest_batch(found, plan, memory_bytes, most=each))
        while batch:
            chosen = replace(plan, batch=batch, accumulation=max(1, -(-each // batch)))
            if fits(found, chosen, memory_bytes) is not None:
                return _advice(found, chosen, memory_bytes, fit=True)
            batch //= 2  # gradients stay between passes, which takes room as well
    last = choices[-1] if choices else replace(start, method=method or "qlora", checkpointing=True)
    return _advice(found, last, memory_bytes, fit=False)


def usual_length(found: Architecture) -> int:
    """What a sample usually is: at most 2,048 tokens of a text, since a model's longest context is a rare one."""
    return min(found.context or 2048, 2048) if found.reads == "text" else found.context


def adapters_make_sense(found: Architecture) -> bool:
    """Networks of convolutions have few matrices to put adapters beside."""
    return found.family not in ("resnet", "convnext")


def _ladder(start: Plan, found: Architecture) -> list[Plan]:
    """From the most thorough way to the smallest."""
    full = replace(start, method="full")
    pretrain = replace(start, method="pretrain")
    plans = [
        full,
        replace(full, checkpointing=True),
        pretrain,
        replace(pretrain, checkpointing=True),
        replace(full, checkpointing=True, optimizer="adamw-8bit"),
        replace(pretrain, checkpointing=True, optimizer="adamw-8bit"),
    ]
    if adapters_make_sense(found):
        lora, qlora = replace(start, method="lora"), replace(start, method="qlora")
        plans += [lora, replace(lora, checkpointing=True), replace(qlora, checkpointing=True)]
    return plans


def _power_of_two(count: int) -> int:
    return 1 << max(count.bit_length() - 1, 0)


def _advice(found: Architecture, plan: Plan, room: int, *, fit: bool) -> Advice:
    used = memory(found, plan)
    return Advice(
        fits=fit,
        method=plan.method,
        precision=plan.precision,
        batch=plan.batch,
        accumulation=plan.accumulation,
        checkpointing=plan.checkpointing,
        optimizer=plan.optimizer,
        reason=_reason(plan, used, room, fit=fit),
        plan=plan,
        memory=used,
    )


def _reason(plan: Plan, used: Memory, room: int, *, fit: bool) -> str:
    need, have = f"{used.needed / 2**30:.1f}", f"{room / 2**30:.1f}"
    if not fit:
        return _("Even the smallest way needs {need} GiB, and there are {have} GiB.").format(need=need, have=have)
    texts = {
        "full": _("All parameters can be trained: that takes {need} of {have} GiB."),
        "pretrain": _("It can be trained from nothing: that takes {need} of {have} GiB."),
        "lora": _("Training all parameters does not fit, small adapters beside them do: {need} of {have} GiB."),
        "qlora": _("Only with 4-bit weights and small adapters does it fit: {need} of {have} GiB."),
        "inference": _("It can be used: that takes {need} of {have} GiB."),
    }
    return texts[plan.method].format(need=need, have=have)
