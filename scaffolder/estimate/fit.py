"""What fits into a GPU: the largest batch, the longest context, and the most thorough method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scaffolder.estimate.architecture import Architecture
from scaffolder.estimate.memory import Memory, memory, standing_bytes
from scaffolder.estimate.plan import Plan

MOST_BATCH = 4096
#: No model is fed longer texts than this.
MOST_CONTEXT = 2**21


def fits(found: Architecture, plan: Plan, room: int) -> Memory | None:
    """The plan's memory, if it fits into `room` bytes."""
    if sum(standing_bytes(found, plan).values()) > room:  # known without running it
        return None
    result = memory(found, plan)
    return result if result.needed <= room else None


def largest_batch(found: Architecture, plan: Plan, room: int, most: int = MOST_BATCH) -> int:
    """Samples on one GPU at once; 0 if not even one fits."""
    if fits(found, replace(plan, batch=1), room) is None:
        return 0
    return _largest(lambda count: memory(found, replace(plan, batch=count)).needed, room, 1, most)


def longest_context(found: Architecture, plan: Plan, room: int) -> int:
    """The longest input that fits, in steps of 64 for texts; 0 if none does.

    Not beyond what the model knows positions for.
    """
    if found.fixed:
        return found.context if fits(found, replace(plan, length=found.context), room) else 0
    step = {"text": 64, "image": 32, "sound": 1600}[found.reads]
    most = found.context if found.reads == "text" else 16 * found.context
    most = min(most or MOST_CONTEXT, MOST_CONTEXT if found.reads == "text" else 16 * found.context)
    if most < step:
        return most if fits(found, replace(plan, length=most), room) else 0
    return step * _largest(
        lambda count: memory(found, replace(plan, length=count * step)).needed, room, 1, most // step
    )


def _largest(needed: Callable[[int], int], room: int, least: int, most: int) -> int:
    """The largest count from `least` to `most` whose need is at most `room`; 0 if there is none.

    The need grows with the count, and nearly in a straight line: so most guesses are right at once.
    """
    if needed(least) > room:
        return 0
    if needed(most) <= room:
        return most
    low, high = least, most
    low_need, high_need = needed(low), needed(high)
    while high - low > 1:
        slope = (high_need - low_need) / (high - low)
        guess = low + int((room - low_need) / slope) if slope > 0 else (low + high) // 2
        guess = min(max(guess, low + 1), high - 1)
        need = needed(guess)
        if need <= room:
            low, low_need = guess, need
            if guess + 1 < high and needed(guess + 1) > room:
                return guess
        else:
            high, high_need = guess, need
            if guess - 1 > low and needed(guess - 1) <= room:
                return guess - 1
        if high - low > 1:  # halve as well: a bend in the line must not make the steps small
            middle = (low + high) // 2
            need = needed(middle)
            low, low_need, high, high_need = (
                (middle, need, high, high_need) if need <= room else (low, low_need, middle, need)
            )
    return low
