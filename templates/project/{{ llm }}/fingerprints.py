"""A short name for the content of files: the same name, the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of `files`, in their order, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]
