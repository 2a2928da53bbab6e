"""Random numbers that depend on the seed and the place in training alone, never on what was drawn before.

So a resumed run needs no state of any generator: its next step draws the numbers it would have drawn anyway.
"""

from __future__ import annotations

import random
from hashlib import blake2b

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_host(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators for work on the CPU, fast enough for every batch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


def seed_device(seed: int, device: torch.device) -> None:
    """Seed PyTorch's generator of one device.

    `torch.manual_seed` seeds all kinds of devices, and for those not in use it notes down the call stack each
    time, which takes too long for every batch.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.get_device_module(device).manual_seed(seed)


def mixed_seed(*parts: int) -> int:
    """One seed, from 0 to 2**63 - 1, for `parts`; parts that differ at all give unrelated seeds."""
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
