"""A short name for the content of files: the same name, the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .data_files import file_names
from .errors import UserError
from .runs import Run


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of `files`, in their order, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def record_files(run: Run, files: Sequence[Path]) -> None:
    """Note which data a run sees. Raises UserError where a run that goes on would see others than before."""
    data, names = fingerprint(files), file_names([file.as_posix() for file in files])
    if run.environment().get("data", data) != data:
        raise UserError(
            f"The data ({names}) have changed since {run.folder.as_posix()} was begun: take the same, "
            "or begin a new run without --training.resume."
        )
    run.record_data(data)
