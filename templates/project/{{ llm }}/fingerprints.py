"""A short name for the content of files: the same name, the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from .data_files import file_names
from .errors import UserError
from .run_selection import run_to_resume, start
from .runs import Run


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of `files`, in their order, as 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def start_with(files: Sequence[Path], stage: str, config: object, resume: str) -> Run:
    """A new run that notes which data it sees, or the one to go on with.

    Raises UserError, and leaves the run as it is, where it would see others than before.
    """
    data, names = fingerprint(files), file_names([file.as_posix() for file in files])
    if resume:
        before = run_to_resume(stage, resume)
        if before.environment().get("data", data) != data:
            raise UserError(
                f"The data ({names}) have changed since {before.folder.as_posix()} was begun: take the same, "
                "or begin a new run without --training.resume."
            )
    run = start(stage, config, resume)
    run.record_data(data)
    return run
