"""Ctrl-C and the stop button end training after the step in progress, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether a stop was asked for."""

    requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the first signal asks, a second one does not wait for the end of the step."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Within this block SIGINT (Ctrl-C) and SIGTERM (a job scheduler) only set `requested`."""
    watch = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield watch  # only the main thread may set signal handlers
        return
    former = {number: signal.signal(number, watch.request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield watch
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def leave_interrupts_to_parent(worker: int) -> None:
    """Start a loader's worker: Ctrl-C reaches all processes of a terminal, but only the parent acts on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent ends its workers so
