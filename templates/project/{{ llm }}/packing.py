"""Packing: several examples share one row of the batch, so that little of it is empty.

Attention stays within each example (see the model's `cu_seq_lens`): packing changes the speed, not
the result. What cannot be packed is read with examples of like length.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put examples into as few rows of `capacity` tokens as a quick rule finds: best fit, longest first.

    Each example goes into the fullest row that still has room for it, or into a new one; the rule needs at
    most 11/9 of the fewest rows possible, and one more (Johnson 1973). Rows with equal room are kept in one
    stack, so that an example costs a search among at most `capacity` different rooms, not among all rows.

    Args:
        lengths: tokens of each example, 1 or more.
        capacity: tokens that fit into a row.

    Returns:
        For each row the places in `lengths` of its examples; each place stands in one row only. The same
        lengths always give the same rows.

    Raises:
        ValueError: for an example that is empty or longer than a row.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    for place in np.flatnonzero((sizes < 1) | (sizes > capacity))[:1]:
        raise ValueError(f"example {place} has {sizes[place]} tokens; 1 to {capacity} fit into a row")
    rows: list[list[int]] = []
    rooms: list[int] = []  # the different rooms that rows have left, ascending
    with_room: dict[int, list[int]] = {}  # which rows have that room left
    order = np.argsort(-sizes, kind="stable")
    for place, length in zip(order.tolist(), sizes[order].tolist(), strict=True):
        at = bisect_left(rooms, length)
        if at == len(rooms):
            row, room = len(rows), capacity
            rows.append([])
        else:
            room = rooms[at]
            row = with_room[room].pop()
            if not with_room[room]:
                del with_room[room], rooms[at]
        rows[row].append(place)
        left = room - length
        if left:
            if left not in with_room:
                rooms.insert(bisect_left(rooms, left), left)
                with_room[left] = []
            with_room[left].append(row)
    return rows


def alike(lengths: Sequence[int], *, most: int, tokens: int) -> list[list[int]]:
    """Group sequences of like length, to be read together, each filled up to the longest of its group.

    Args:
        lengths: tokens of each sequence.
        most: sequences in a group at most.
        tokens: tokens of a group at most, those that fill up included; a longer sequence is alone.

    Returns:
        For each group the places in `lengths` of its sequences, the shortest first.
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not groups or len(groups[-1]) == most or (len(groups[-1]) + 1) * lengths[place] > tokens:
            groups.append([])
        groups[-1].append(place)
    return groups
