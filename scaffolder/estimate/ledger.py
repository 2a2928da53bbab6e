"""Bytes that are alive, by what they are for, and the most that ever were."""

from __future__ import annotations

from typing import Final

# What memory is used for; the keys of every breakdown.
WEIGHTS: Final = "weights"
ADAPTERS: Final = "adapters"
COPIES: Final = "low_precision_copies"
GRADIENTS: Final = "gradients"
OPTIMIZER: Final = "optimizer"
ACTIVATIONS: Final = "activations"
LOGITS: Final = "logits"
CACHE: Final = "kv_cache"
GATHERED: Final = "gathered"

KINDS: Final = (WEIGHTS, ADAPTERS, COPIES, GRADIENTS, OPTIMIZER, ACTIVATIONS, LOGITS, CACHE, GATHERED)


class Ledger:
    """Adds up the storages that are alive.

    Attributes:
        live: Bytes now.
        peak: The most bytes at one moment since the last `restart`.
        at_peak: Bytes by kind at that moment.
        kind: What the next storage is for, unless it says so itself.
    """

    def __init__(self) -> None:
        self.live = 0
        self.peak = 0
        self.by_kind = dict.fromkeys(KINDS, 0)
        self.at_peak = dict(self.by_kind)
        self.kind = ACTIVATIONS

    def restart(self) -> None:
        """Look for the peak from now on."""
        self.peak, self.at_peak = self.live, dict(self.by_kind)

    def add(self, kind: str, size: int) -> None:
        self.live += size
        self.by_kind[kind] += size
        if self.live > self.peak:
            self.peak = self.live
            self.at_peak = self.by_kind.copy()


class Storage:
    """A piece of memory: alive as long as something refers to it, as a tensor's storage is."""

    __slots__ = ("kind", "ledger", "size")

    def __init__(self, ledger: Ledger, size: int, kind: str = "") -> None:
        self.ledger, self.size, self.kind = ledger, size, kind or ledger.kind
        ledger.add(self.kind, size)

    def become(self, kind: str) -> None:
        """Used for something else from now on: a gradient that flowed becomes the one that is kept."""
        ledger = self.ledger
        ledger.by_kind[self.kind] -= self.size
        ledger.by_kind[kind] += self.size
        self.kind = kind
        if ledger.live == ledger.peak:
            ledger.at_peak = ledger.by_kind.copy()

    def __del__(self) -> None:
        ledger = self.ledger
        ledger.live -= self.size
        ledger.by_kind[self.kind] -= self.size
