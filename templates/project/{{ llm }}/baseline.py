"""What the model has to beat: n-grams of bytes with modified Kneser-Ney smoothing, the best way of counting.

It reads the same text as the model and takes a second. Bits per byte do not depend on a tokenizer, so the
two can be compared. A model that does not beat it has not learned more than a table of frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BYTES = 256
LONGEST = 8  # bytes that a 64-bit code holds


class Table(NamedTuple):
    """The counts of one order n. An n-gram is a context of n - 1 bytes and the byte after it."""

    grams: np.ndarray  # (G,) uint64, codes of the n-grams, ascending
    counts: np.ndarray  # (G,) float64, count less its discount
    contexts: np.ndarray  # (C,) uint64, codes of their first n - 1 bytes, ascending
    totals: np.ndarray  # (C,) float64, counts of the context's n-grams together, before discounts
    left_over: np.ndarray  # (C,) float64, share of the discounts in that, which the shorter context gives out


@dataclass(frozen=True)
class KneserNey:
    """Interpolated modified Kneser-Ney smoothing over bytes.

    p(b | h) = (c(h b) - D(c(h b))) / c(h) + g(h) p(b | h without its first byte), where c are counts for the
    longest order and, for the shorter ones, numbers of different bytes that stand before; D has one value
    each for counts of 1, 2, and 3 or more; g(h) is what the discounts freed, so that the 256 probabilities
    sum to 1. The shortest order falls back on 1/256.

    Source: S. F. Chen and J. Goodman, An empirical study of smoothing techniques for language modeling,
    TR-10-98, Harvard 1998, section 3.
    """

    tables: tuple[Table, ...]  # of the orders 1, 2, ...

    @classmethod
    def fit(cls, train: bytes, order: int = 5) -> KneserNey:
        """Count the n-grams of `train` up to `order` bytes.

        Raises:
            ValueError: if `order` is not from 1 to 8, or `train` is shorter than `order`.
        """
        if not 1 <= order <= LONGEST:
            raise ValueError(f"order is {order}: it must be from 1 to {LONGEST}")
        if len(train) < order:
            raise ValueError(f"the text has {len(train)} bytes: it must have {order} or more")
        grams, counts = np.unique(_codes(train, order)[order - 1 :], return_counts=True)
        tables = [_table(grams, counts)]
        for shorter in range(order - 1, 0, -1):
            # Each different longer n-gram counts once: "Francisco" is frequent, but follows one word only.
            grams, counts = np.unique(grams & _mask(shorter), return_counts=True)
            tables.append(_table(grams, counts))
        return cls(tuple(reversed(tables)))

    def probabilities(self, context: bytes) -> np.ndarray:
        """The probability of each of the 256 bytes after `context`, (256,) float64."""
        order = len(self.tables)
        known = context[-(order - 1) :] if order > 1 else b""
        codes = np.uint64(int.from_bytes(known, "big") << 8) + np.arange(BYTES, dtype=np.uint64)
        return self._probabilities(codes, np.full(BYTES, len(known)))

    def bits_per_byte(self, text: bytes) -> float:
        """The mean of -log2 p of the bytes of `text`, each after those before it; nan if it is empty."""
        if not text:
            return float("nan")
        before = np.arange(len(text))
        return float(-np.log2(self._probabilities(_codes(text, len(self.tables)), before)).mean())

    def _probabilities(self, codes: np.ndarray, before: np.ndarray) -> np.ndarray:
        """The probability (N,) of each code's last byte after the others; `before` (N,) of them are known."""
        result = np.full(len(codes), 1 / BYTES)
        for order, table in enumerate(self.tables, start=1):
            grams = codes & _mask(order)
            gram, found = _find(table.grams, grams)
            context, seen = _find(table.contexts, grams >> np.uint64(8))
            own = np.where(found, table.counts[gram], 0) / table.totals[context]
            usable = seen & (before >= order - 1)
            result = np.where(usable, own + table.left_over[context] * result, result)
        return result


def _mask(order: int) -> np.uint64:
    return np.uint64((1 << 8 * order) - 1)


def _codes(text: bytes, order: int) -> np.ndarray:
    """For each byte of `text`, itself and the `order` - 1 before it as one number, (len(text),) uint64."""
    data = np.frombuffer(text, dtype=np.uint8).astype(np.uint64)
    codes = data.copy()
    for back in range(1, order):
        codes[back:] |= data[:-back] << np.uint64(8 * back)
    return codes


def _table(grams: np.ndarray, counts: np.ndarray) -> Table:
    discounts = np.array(_discounts(counts))[np.minimum(counts, 3)]
    # Sorted n-grams with the same context stand together.
    contexts, first = np.unique(grams >> np.uint64(8), return_index=True)
    totals = np.add.reduceat(counts.astype(np.float64), first)
    return Table(grams, counts - discounts, contexts, totals, np.add.reduceat(discounts, first) / totals)


def _discounts(counts: np.ndarray) -> tuple[float, float, float, float]:
    """What is taken off a count of 0, 1, 2, and 3 or more (Chen and Goodman, equation 26).

    They come from the numbers of n-grams with count 1, 2, 3 and 4. Where there are too few n-grams for that
    (single bytes, short texts), 0.5, 1 and 1.5 are taken, as KenLM does on request.
    """
    ones, twos, threes, fours = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if min(ones, twos, threes) > 0:
        y = ones / (ones + 2 * twos)
        found = (0.0, 1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes)
        if all(0 <= discount <= count for count, discount in enumerate(found)):
            return found
    return 0.0, 0.5, 1.0, 1.5


def _find(table: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `wanted` stands in the ascending `table`, and whether it does (else any place)."""
    place = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return place, table[place] == wanted
