"""How much a template may be, and a watch over the processes that fetch and render it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is enough for any template, and far below what fills a disk.

    Attributes:
        total: Bytes of all files together.
        file: Bytes of one file.
        files: Files and folders.
        memory: Bytes of memory of one process.
        cpu_s: Seconds of computing, waiting for answers not counted.
        fetch_s: Seconds until a repository or an archive must be there.
    """

    total: int = 512 * MEGABYTE
    file: int = 128 * MEGABYTE
    files: int = 20_000
    memory: int = 2048 * MEGABYTE
    cpu_s: float = 60
    fetch_s: float = 300


LIMITS = Limits()


class TooMuchError(Exception):
    """A limit was reached; the text says which, as the end of a sentence."""


def measure(folder: Path) -> tuple[int, int]:
    """Bytes and number of everything in `folder`, as far as it can be seen while it is being written."""
    total = number = 0
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                number += 1
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total, number


def watch(
    process: subprocess.Popen[bytes], folder: Path, *, limits: Limits | None, seconds: float | None = None
) -> int:
    """Wait for `process`, and stop it and its children where it goes beyond a limit.

    Args:
        folder: Where it writes.
        limits: None lets it do what it wants.
        seconds: How long it may take.

    Returns:
        Its exit code.

    Raises:
        TooMuchError: If it was stopped.
    """
    began = time.monotonic()
    pause = 0.05
    try:
        while True:
            try:
                return process.wait(timeout=pause)
            except subprocess.TimeoutExpired:
                pass
            look = time.monotonic()
            if seconds is not None and look - began > seconds:
                raise TooMuchError(_("it takes longer than {seconds} seconds").format(seconds=int(seconds)))
            if limits is not None:
                _check(process, folder, limits)
            # looking through many files must not take the time that writing them needs
            pause = min(1.0, max(0.05, 4 * (time.monotonic() - look)))
    except BaseException:
        stop(process)
        raise


def _check(process: subprocess.Popen[bytes], folder: Path, limits: Limits) -> None:
    import psutil

    total, number = measure(folder)
    if total > limits.total:
        raise TooMuchError(_("it writes more than {size} MB").format(size=limits.total // MEGABYTE))
    if number > limits.files:
        raise TooMuchError(_("it writes more than {count} files").format(count=limits.files))
    with contextlib.suppress(psutil.Error):
        running = psutil.Process(process.pid)
        for one in (running, *running.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                if one.memory_info().rss > limits.memory:
                    raise TooMuchError(
                        _("it needs more than {size} MB of memory").format(size=limits.memory // MEGABYTE)
                    )
                times = one.cpu_times()
                if times.user + times.system > limits.cpu_s:
                    raise TooMuchError(
                        _("it computes for more than {seconds} seconds").format(seconds=int(limits.cpu_s))
                    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End `process` and what it started."""
    import psutil

    family = [process.pid]
    with contextlib.suppress(psutil.Error):
        family += [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    for pid in family:
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).kill()
    with contextlib.suppress(OSError):
        process.wait(timeout=10)


def check_size(path: Path, size: int, *, total: int, number: int) -> None:
    """Refuse what is beyond the limits.

    Raises:
        NewmodelError: If the file `path` is too large, or there are too many or too much of them.
    """
    if size > LIMITS.file:
        raise NewmodelError(
            _("{path} has {size} MB; a file of a template may have at most {limit} MB.").format(
                path=path, size=size // MEGABYTE, limit=LIMITS.file // MEGABYTE
            )
        )
    if total > LIMITS.total:
        raise NewmodelError(
            _("The files together have more than {limit} MB, which is too much for a template.").format(
                limit=LIMITS.total // MEGABYTE
            )
        )
    if number > LIMITS.files:
        raise NewmodelError(
            _("There are more than {limit} files, which is too many for a template.").format(limit=LIMITS.files)
        )
