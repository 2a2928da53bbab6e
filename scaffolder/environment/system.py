"""The seam between the probes and the machine.

A probe learns about the machine through a `System` alone, so that recorded outputs of real tools can stand in for
hardware that is not here.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        devices: One mapping a GPU: `name`, `total` and `free` (bytes), `capability` (`8.6`), `uuid`.
        error: NVML's own words where it is there and does not work.
    """

    driver: str = ""
    cuda: int = 0
    devices: tuple[Mapping[str, Any], ...] = ()
    error: str = ""


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

    def real_path(self, path: str) -> str:
        """The path with links followed."""

    def processes(self) -> list[str]:
        """Names of running programs."""

    def memory(self) -> tuple[int, int] | None:
        """Bytes of memory: all there is, and what is available."""

    def disk_free(self, path: Path) -> int | None:
        """Free bytes where `path` is, or would be."""

    def cpu_count(self) -> int: ...

    def nvml(self) -> Nvml | None:
        """None where the library is not there."""

    def reachable(self, url: str, *, timeout: float) -> bool:
        """Whether a web server answers at all within `timeout` seconds."""


class RealSystem:
    """The machine that newmodel runs on."""

    platform = sys.platform
    executable = sys.executable

    @property
    def machine(self) -> str:
        return platform.machine()

    @property
    def release(self) -> str:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        return platform.platform(terse=True)

    @property
    def environ(self) -> Mapping[str, str]:
        return os.environ

    @property
    def home(self) -> Path:
        return Path.home()

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        try:
            done = subprocess.run(
                list(arguments), capture_output=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            return CommandResult(returncode=None, problem="missing")
        except subprocess.TimeoutExpired:
            return CommandResult(returncode=None, problem="timeout")
        except (OSError, ValueError):
            return CommandResult(returncode=None, problem="failed to start")
        return CommandResult(returncode=done.returncode, stdout=decode(done.stdout), stderr=decode(done.stderr))

    def which(self, name: str) -> str | None:
        return shutil.which(name)

    def which_all(self, name: str) -> list[str]:
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        found = (shutil.which(name, path=folder) for folder in folders if folder)
        return list(dict.fromkeys(path for path in found if path))

    def read_text(self, path: str | Path) -> str | None:
        try:
            return decode(Path(path).read_bytes())
        except (OSError, ValueError):
            return None

    def exists(self, path: str | Path) -> bool:
        try:
            return Path(path).exists()
        except OSError:
            return False

    def glob(self, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern))  # noqa: PTH207 - Path.glob takes no absolute pattern

    def real_path(self, path: str) -> str:
        return os.path.realpath(path)

    def processes(self) -> list[str]:
        import psutil

        return [process.info["name"] or "" for process in psutil.process_iter(["name"])]

    def memory(self) -> tuple[int, int] | None:
        import psutil

        memory = psutil.virtual_memory()
        return int(memory.total), int(memory.available)

    def disk_free(self, path: Path) -> int | None:
        for place in (path, *path.parents):
            with contextlib.suppress(OSError):
                return shutil.disk_usage(place).free
        return None

    def cpu_count(self) -> int:
        allowed = getattr(os, "sched_getaffinity", None)  # Linux alone: the cores that this process was given
        return len(allowed(0)) if allowed else os.cpu_count() or 1

    def nvml(self) -> Nvml | None:
        try:
            import pynvml
        except ImportError:
            return None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError_LibraryNotFound:
            return None
        except pynvml.NVMLError as error:
            return Nvml(error=str(error))
        try:
            devices = [
                _nvml_device(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
                for index in range(pynvml.nvmlDeviceGetCount())
            ]
            return Nvml(
                driver=_text(pynvml.nvmlSystemGetDriverVersion()),
                cuda=int(pynvml.nvmlSystemGetCudaDriverVersion_v2()),
                devices=tuple(devices),
            )
        except pynvml.NVMLError as error:
            return Nvml(error=str(error))
        finally:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def reachable(self, url: str, *, timeout: float) -> bool:
        answered = threading.Event()

        def ask() -> None:
            import urllib.error
            import urllib.request

            request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "newmodel"})  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310 - our own https addresses
                    answered.set()
            except urllib.error.HTTPError:  # any answer is one: some mirrors refuse HEAD
                answered.set()
            except (OSError, ValueError):
                return

        # urllib's time limit leaves out the name's resolution, which can hang for minutes: so wait beside it
        threading.Thread(target=ask, daemon=True).start()
        return answered.wait(timeout)


@dataclass(frozen=True)
class RecordedSystem:
    """A machine recorded in a folder: `system.json` with plain answers, and files with the raw output of tools.

    `system.json` holds `platform`, `machine`, `environ`, `home`, `memory`, `disk_free`, `cpu_count`, `reachable` (a
    list of addresses), `processes`, `which` (tool to path), `nvml`, `files` (path on that machine to a file in the
    folder, or to null for one that merely exists) and `commands`: a list of `{"arguments": […], "returncode": 0,
    "stdout": "file"}`, where arguments may end with `"*"` to stand for any more.
    """

    folder: Path
    content: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        text = (self.folder / "system.json").read_text(encoding="utf-8")
        object.__setattr__(self, "content", json.loads(text))

    @property
    def platform(self) -> str:
        return str(self.content.get("platform", "linux"))

    @property
    def machine(self) -> str:
        return str(self.content.get("machine", "x86_64"))

    @property
    def release(self) -> str:
        return str(self.content.get("release", "Linux"))

    @property
    def executable(self) -> str:
        return str(self.content.get("executable", "/usr/bin/python3"))

    @property
    def environ(self) -> Mapping[str, str]:
        environ: Mapping[str, str] = self.content.get("environ", {})
        return environ

    @property
    def home(self) -> Path:
        return Path(self.content.get("home", "/home/person"))

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:  # noqa: ARG002
        for command in self.content.get("commands", []):
            if _matches(command["arguments"], arguments):
                return CommandResult(
                    returncode=command.get("returncode", 0),
                    stdout=self._output(command.get("stdout")),
                    stderr=self._output(command.get("stderr")),
                    problem=command.get("problem", ""),
                )
        return CommandResult(returncode=None, problem="missing")

    def which(self, name: str) -> str | None:
        return next(iter(self.which_all(name)), None)

    def which_all(self, name: str) -> list[str]:
        found = self.content.get("which", {}).get(name, [])
        return [found] if isinstance(found, str) else list(found)

    def read_text(self, path: str | Path) -> str | None:
        name = self._files().get(str(path))
        return None if name is None else self._output(name)

    def exists(self, path: str | Path) -> bool:
        return str(path) in self._files()

    def glob(self, pattern: str) -> list[str]:
        from fnmatch import fnmatchcase

        # fnmatch's star crosses folders, glob's does not
        return sorted(
            path for path in self._files() if path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
        )

    def real_path(self, path: str) -> str:
        return str(self.content.get("links", {}).get(path, path))

    def processes(self) -> list[str]:
        return list(self.content.get("processes", []))

    def memory(self) -> tuple[int, int] | None:
        memory = self.content.get("memory")
        return None if memory is None else (int(memory[0]), int(memory[1]))

    def disk_free(self, path: Path) -> int | None:  # noqa: ARG002
        free = self.content.get("disk_free")
        return None if free is None else int(free)

    def cpu_count(self) -> int:
        return int(self.content.get("cpu_count", 1))

    def nvml(self) -> Nvml | None:
        answer = self.content.get("nvml")
        if answer is None:
            return None
        return Nvml(**{**answer, "devices": tuple(answer.get("devices", ()))})

    def reachable(self, url: str, *, timeout: float) -> bool:  # noqa: ARG002
        return url in self.content.get("reachable", [])

    def _files(self) -> Mapping[str, str | None]:
        files: Mapping[str, str | None] = self.content.get("files", {})
        return files

    def _output(self, name: str | None) -> str:
        return "" if name is None else decode((self.folder / name).read_bytes())


def decode(raw: bytes) -> str:
    """Text from a tool, in whatever encoding it wrote: UTF-8, UTF-16 (Windows), a Chinese code page, or anything."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            return raw.decode(encoding).replace("\r\n", "\n")
    return raw.decode("latin-1").replace("\r\n", "\n")


def _matches(pattern: Sequence[str], arguments: Sequence[str]) -> bool:
    if pattern and pattern[-1] == "*":
        return list(arguments[: len(pattern) - 1]) == list(pattern[:-1])
    return list(arguments) == list(pattern)


def _nvml_device(pynvml: Any, handle: Any) -> dict[str, Any]:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return {
        "name": _text(pynvml.nvmlDeviceGetName(handle)),
        "uuid": _text(pynvml.nvmlDeviceGetUUID(handle)),
        "total": int(memory.total),
        "free": int(memory.free),
        "capability": f"{major}.{minor}",
    }


def _text(value: str | bytes) -> str:
    return decode(value) if isinstance(value, bytes) else value
