"""Spans of time, as a profiler records them: how long something went on, however many did it at once."""

from __future__ import annotations

from collections.abc import Iterable

Spans = list[tuple[float, float]]
"""Begin and end of each, in one unit."""


def union(spans: Iterable[tuple[float, float]]) -> Spans:
    """The same time as spans that neither overlap nor touch, in order."""
    merged: Spans = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif end > begin:
            merged.append((begin, end))
    return merged


def without(spans: Iterable[tuple[float, float]], others: Iterable[tuple[float, float]]) -> Spans:
    """What of `spans` lies outside all of `others`."""
    left, taken = [], union(others)
    place = 0
    for begin, end in union(spans):
        while place < len(taken) and taken[place][1] <= begin:
            place += 1
        for other_begin, other_end in taken[place:]:
            if other_begin >= end:
                break
            if other_begin > begin:
                left.append((begin, other_begin))
            begin = max(begin, other_end)
        if begin < end:
            left.append((begin, end))
    return left


def length(spans: Iterable[tuple[float, float]]) -> float:
    """The time in which at least one of `spans` goes on."""
    return sum(end - begin for begin, end in union(spans))
