"""The machine that newmodel runs on."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from scaffolder.environment.gpu.nvml import nvml_device, text
from scaffolder.environment.system import CommandResult, Nvml, WebAnswer, decode


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
        except subprocess.TimeoutExpired as error:
            said = [decode(one) if isinstance(one, bytes) else one or "" for one in (error.stdout, error.stderr)]
            return CommandResult(returncode=None, stdout=said[0], stderr=said[1], problem="timeout")
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

    @property
    def user_name(self) -> str:
        import getpass

        try:
            return getpass.getuser()
        except (KeyError, OSError):  # a container's number without a name
            return ""

    @property
    def host_name(self) -> str:
        return platform.node()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def file_size(self, path: str | Path) -> int | None:
        try:
            return os.stat(path).st_size  # noqa: PTH116 - also for text, and as fast as it gets
        except (OSError, ValueError):
            return None

    def tree(self, folder: str | Path, *, skip: Collection[str] = (), limit: int = 20_000) -> list[tuple[str, int]]:
        return list(islice(_files_below(str(folder), frozenset(skip)), limit))

    def folder_size(self, path: str | Path, *, seconds: float) -> int | None:
        if not os.path.isdir(path):  # noqa: PTH112
            return None
        end = time.monotonic() + seconds
        total = 0
        for _name, size in _files_below(str(path), frozenset()):
            total += size
            if time.monotonic() > end:
                return None
        return total

    def writable(self, path: str | Path) -> bool:
        for place in (Path(path), *Path(path).absolute().parents):
            with contextlib.suppress(OSError):
                if place.exists():
                    return os.access(place, os.W_OK)
        return False

    def processes(self) -> list[str]:
        import psutil

        return [process.info["name"] or "" for process in psutil.process_iter(["name"])]

    def memory(self) -> tuple[int, int] | None:
        import psutil

        memory = psutil.virtual_memory()
        return int(memory.total), int(memory.available)

    def swap(self) -> tuple[int, int] | None:
        import psutil

        try:
            swap = psutil.swap_memory()
        except (OSError, RuntimeError, ValueError):  # some containers hide it
            return None
        return int(swap.total), int(swap.free)

    def disk(self, path: str | Path) -> tuple[int, int] | None:
        for place in (Path(path), *Path(path).absolute().parents):
            with contextlib.suppress(OSError):
                usage = shutil.disk_usage(place)
                return usage.total, usage.free
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
                nvml_device(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index), index)
                for index in range(pynvml.nvmlDeviceGetCount())
            ]
            return Nvml(
                driver=text(pynvml.nvmlSystemGetDriverVersion()),
                cuda=int(pynvml.nvmlSystemGetCudaDriverVersion_v2()),
                devices=tuple(devices),
            )
        except pynvml.NVMLError as error:
            return Nvml(error=str(error))
        finally:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def reachable(self, url: str, *, timeout: float) -> bool:
        # any answer is one, a refusal too
        return self.web(url, timeout=timeout).status is not None

    def web(self, url: str, *, timeout: float, limit: int = 0) -> WebAnswer:
        from scaffolder.environment.network.web import ask

        return ask(url, timeout=timeout, limit=limit)


def _files_below(folder: str, skip: frozenset[str], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Relative path and bytes of every file; what cannot be read is left out."""
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in skip:
                            folders.append(entry.name)
                    elif entry.is_file():
                        yield prefix + entry.name, entry.stat().st_size
    except OSError:
        return
    for name in sorted(folders):
        yield from _files_below(f"{folder}/{name}", skip, f"{prefix}{name}/")
