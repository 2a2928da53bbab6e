"""Run an installer: its output to a log, its newest line to the person."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from scaffolder import console
from scaffolder.errors import ExitCode, Interrupted, NewmodelError
from scaffolder.install.diagnosis import Diagnosis, diagnose
from scaffolder.messages import _

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

Progress = Callable[[str], None]

_TAIL_LINES = 200  # what a diagnosis looks at
_HEARTBEAT_S = 15  # without a terminal: a sign of life this often
_INSTALLED = "Lib/site-packages/*.dist-info" if sys.platform == "win32" else "lib/*/site-packages/*.dist-info"
_SETTLE_S = 10  # how long an interrupted installer may take to end


class InstallError(NewmodelError):
    """An installation failed; the project is there. The text says why, how to mend it and how to go on."""

    def __init__(self, message: str, *, diagnosis: Diagnosis) -> None:
        super().__init__(message, exit_code=ExitCode.BAD_INPUT)
        self.diagnosis = diagnosis


@dataclass(frozen=True)
class Step:
    """One command of an installation, run in the project's folder."""

    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # beyond the person's own

    def typed(self, project: Path) -> list[str]:
        """The lines a person would type in the project's folder."""
        words = [word.removeprefix(str(project) + os.sep) for word in self.command]
        if sys.platform == "win32":
            settings = [f'$env:{name} = "{value}"' for name, value in self.environment.items()]
            return [*settings, subprocess.list2cmdline(words)]
        settings = [f"export {name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return [*settings, shlex.join(words)]


class StepFailed(Exception):  # noqa: N818 - caught inside this package, never shown
    """A step ended with an error."""

    def __init__(self, step: Step, diagnosis: Diagnosis, output: str) -> None:
        super().__init__(step.title)
        self.step = step
        self.diagnosis = diagnosis
        self.output = output


def run(step: Step, project: Path, log: IO[str], progress: Progress, environ: Mapping[str, str]) -> None:
    """Run `step` to its end.

    Args:
        environ: The environment that the step's own variables are added to.

    Raises:
        StepFailed: It could not be started or did not exit with 0.
        Interrupted: Ctrl-C; the installer and what it started have ended.
    """
    log.write(f"\n$ {' '.join(step.command)}\n")
    log.flush()
    progress(step.title)
    try:
        process = subprocess.Popen(
            step.command,
            cwd=project,
            env={**environ, **step.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own, so that its children end with it (POSIX)
        )
    except OSError as error:
        raise StepFailed(step, diagnose(str(error), 1), str(error)) from error
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    writing: Writing | None = None
    try:
        for line in _lines(process):
            if line and not line.startswith("Progress "):
                log.write(line + "\n")
                tail.append(line)
            if line.startswith("Installing collected packages: "):
                writing = Writing(project, line.count(",") + 1)
            if news := writing.news() if writing else _news(line, tail):
                progress(f"{step.title}: {news}")
        returncode = process.wait()
    except KeyboardInterrupt:
        _end(process)
        log.write("interrupted\n")
        raise Interrupted from None
    except BaseException:
        _end(process)
        raise
    if returncode:
        output = "\n".join(tail)
        raise StepFailed(step, diagnose(output, returncode), output)


class Writing:
    """How far pip is with its last and longest part, about which it says nothing: copying packages into place."""

    def __init__(self, project: Path, total: int) -> None:
        self._project = project
        self._total = total
        self._before = self._count()

    def news(self) -> str:
        done = min(max(self._count() - self._before, 0), self._total)
        return _("{done} of {total} packages in place").format(done=done, total=self._total)

    def _count(self) -> int:
        return sum(1 for _found in (self._project / ".venv").glob(_INSTALLED))


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines of a process as they come, and "" twice a second in between; the main thread stays free for Ctrl-C."""
    arrived: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError, OSError):  # closed while we end it
            for line in process.stdout:
                arrived.put(line.rstrip())
        arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = arrived.get(timeout=0.5)
        except queue.Empty:
            if process.poll() is not None and arrived.empty():
                return  # a grandchild holds the pipe open
            yield ""
            continue
        if line is None:
            return
        yield line


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_SETTLE_S)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, number)


def _news(line: str, tail: deque[str]) -> str:
    """What a line of pip's or uv's output tells a person who waits; empty for the rest."""
    line = line.strip()
    if found := re.match(r"Progress (\d+) of (\d+)", line):
        done, total = int(found[1]), int(found[2])
        name = next((text for text in reversed(tail) if "ownloading" in text), "")
        name = _file_name(name.strip().removeprefix("Downloading ").split(" (")[0])
        return f"{name} {done / 1e6:.0f}/{total / 1e6:.0f} MB" if total else name
    if found := re.match(r"(?:Downloading|Using cached) (\S+)(?: \((.+)\))?", line):
        return " ".join(part for part in (_file_name(found[1]), found[2]) if part)
    if found := re.match(r"Collecting (\S+)", line):
        return found[1]
    if "Retrying" in line:
        return _("the connection failed, trying again")
    if re.match(r"(Resolved|Prepared|Installed|Building|Built|Downloaded) ", line):
        return line
    return ""


def _file_name(address: str) -> str:
    name = address.rsplit("/", 1)[-1]
    found = re.match(r"([A-Za-z0-9_.]+-[^-]+)-.*\.whl", name)
    return found[1] if found else name


class LiveLine:
    """One line that says what is going on and for how long; without a terminal, a line now and then."""

    def __init__(self) -> None:
        self._text = ""
        self._title = ""
        self._started = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._status = console.err().status("") if console.err().is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()
        if self._status is not None:
            self._status.stop()

    def __call__(self, text: str) -> None:
        self._text = text
        title = text.split(": ")[0]
        if title != self._title:
            self._title = title
            if self._status is None:
                console.say(f"{title} …")

    def _tick(self) -> None:
        interval = _HEARTBEAT_S if self._status is None else 0.25
        while not self._done.wait(interval):
            seconds = int(time.monotonic() - self._started)
            clock = f"{seconds // 60}:{seconds % 60:02d}"
            if self._status is None:
                console.say(f"  {clock}  {self._text}")
            else:
                room = max(20, console.err().width - len(clock) - 6)
                self._status.update(f"{clock}  {self._text[:room]}")
