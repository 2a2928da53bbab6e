"""The seam between the probes and the machine.

A probe learns about the machine through a `System` alone, so that recorded outputs of real tools can stand in for
hardware that is not here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """What a tool answered.

    Attributes:
        returncode: Its exit status; None where it did not start or did not end in time.
        problem: `missing`, `timeout`, `failed to start` or empty.
    """

    returncode: int | None
    stdout: str = ""
    stderr: str = ""
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.returncode == 0


@dataclass(frozen=True, kw_only=True)
class Nvml:
    """What NVIDIA's management library answered.

    Attributes:
        driver: Version of the driver, `580.95.05`.
        cuda: Highest CUDA version that the driver supports, as NVML writes it: 13000 is 13.0.
        devices: One mapping a GPU: `index`, `name`, `uuid`, `total` and `free` (bytes), `capability` (`8.6`); where
            NVML tells them also `mig` (bool), `ecc_errors` (uncorrected ones since the last restart), `throttle`
            (names in `THROTTLE_REASONS`), `compute_mode` (`default`, `exclusive`, `prohibited`), `utilization`
            (percent) and `processes` (`pid`, `name`, `used` bytes).
        error: NVML's own words where it is there and does not work.
    """

    driver: str = ""
    cuda: int = 0
    devices: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class WebAnswer:
    """What a web server answered.

    Attributes:
        status: HTTP's status; None where no answer came.
        seconds: How long it took.
        size: Bytes of the body that were read.
        date: The answer's `Date` header.
        issuer: Organisation that issued the server's certificate.
            Also known where the machine does not trust it.
        error: Empty, `timeout`, `name` (unknown host), `refused`, `certificate`, `proxy`, or the system's own words.
        detail: Why a certificate was not trusted, in OpenSSL's words.
    """

    status: int | None = None
    seconds: float = 0.0
    size: int = 0
    date: str = ""
    issuer: str = ""
    error: str = ""
    detail: str = ""


class System(Protocol):
    """One machine, as the probes see it. Nothing here raises for what a machine may lack: the answer is then empty."""

    @property
    def platform(self) -> str:
        """As `sys.platform`: linux, darwin, win32."""

    @property
    def machine(self) -> str:
        """The processor's architecture, as `platform.machine()`: x86_64, AMD64, arm64, aarch64."""

    @property
    def release(self) -> str:
        """The operating system in words."""

    @property
    def executable(self) -> str:
        """The Python that newmodel itself runs in."""

    @property
    def environ(self) -> Mapping[str, str]: ...

    @property
    def home(self) -> Path: ...

    @property
    def user_name(self) -> str: ...

    @property
    def host_name(self) -> str: ...

    def now(self) -> datetime:
        """The clock of this machine, in UTC."""

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        """Run a tool, its output decoded tolerantly. `timeout` in seconds."""

    def which(self, name: str) -> str | None:
        """Path of a tool on PATH."""

    def which_all(self, name: str) -> list[str]:
        """Every file of this name on PATH, in its order."""

    def read_text(self, path: str | Path) -> str | None: ...

    def exists(self, path: str | Path) -> bool: ...

    def glob(self, pattern: str) -> list[str]:
        """Sorted paths that match an absolute pattern."""

    def file_size(self, path: str | Path) -> int | None:
        """Bytes of a file; None where there is none."""

    def tree(self, folder: str | Path, *, skip: Collection[str] = (), limit: int = 20_000) -> list[tuple[str, int]]:
        """Files below a folder: their paths from there, with `/`, and their bytes.

        Args:
            skip: Names of folders that are not entered; links to folders never are.
            limit: So many files at most.
        """

    def folder_size(self, path: str | Path, *, seconds: float) -> int | None:
        """Bytes below a folder; None where there is none, or where counting them takes longer than `seconds`."""

    def writable(self, path: str | Path) -> bool:
        """Whether this person may make files in a folder, or in the nearest one above it that is there."""

    def real_path(self, path: str) -> str:
        """The path with links followed."""

    def processes(self) -> list[str]:
        """Names of running programs."""

    def memory(self) -> tuple[int, int] | None:
        """Bytes of memory: all there is, and what is available."""

    def swap(self) -> tuple[int, int] | None:
        """Bytes of swap space: all there is, and what is free."""

    def disk(self, path: str | Path) -> tuple[int, int] | None:
        """Bytes of the disk where `path` is, or would be: all there is, and what is free."""

    def cpu_count(self) -> int: ...

    def nvml(self) -> Nvml | None:
        """None where the library is not there."""

    def reachable(self, url: str, *, timeout: float) -> bool:
        """Whether a web server answers at all within `timeout` seconds."""

    def web(self, url: str, *, timeout: float, limit: int = 0) -> WebAnswer:
        """Ask a web server, through the proxy that is set; at most `limit` bytes of the body are read."""


def decode(raw: bytes) -> str:
    """Text from a tool, in whatever encoding it wrote: UTF-8, UTF-16 (Windows), a Chinese code page, or anything."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode(encoding).replace("\r\n", "\n")
    return raw.decode("latin-1").replace("\r\n", "\n")
