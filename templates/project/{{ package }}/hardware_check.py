"""What this machine gives a training: processor, memory, disk, NVIDIA's GPUs; and what is amiss there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .config_file import PROJECT
from .slow_causes import usable_cores

GIB = 2**30
LITTLE_MEMORY, LITTLE_DISK, SMALL_SHARED_MEMORY = 2 * GIB, 2 * GIB, 256 * 2**20
CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Area:
    """One line about a part of the machine.

    Attributes:
        says: What is so.
        problems: A sentence each for what keeps training from working, with what to do.
        hints: The same for what only makes it slower, or fail later.
    """

    says: str
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


def check_memory() -> Area:
    """Main memory that this process may use, which in a container is less than the machine has."""
    total, free, limit = memory()
    if not total:
        return Area(says="Memory: unknown")
    usable = min(total, limit or total)
    says = f"Memory: {usable / GIB:.1f} GiB"
    if limit and limit < total:
        says += f" (the limit of this container; the machine has {total / GIB:.0f} GiB)"
    hints = []
    if free is not None:
        free = min(free, usable)
        says += f", {free / GIB:.1f} GiB free"
        if free < LITTLE_MEMORY:
            hints.append(
                f"Only {free / GIB:.1f} GiB of memory are free: close other programs, or training may end."
            )
    return Area(says=f"{says}; {usable_cores()} processor cores", hints=tuple(hints))


def memory() -> tuple[int, int | None, int | None]:
    """Bytes: in the machine (0 if unknown), of them free, and the limit of a container."""
    total, free, limit = 0, None, None
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return windows_memory()
    for line in read_text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            free = 1024 * int(line.split()[1])
    for name, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "")):
        number = read_text(CONTROL_GROUPS / name).strip()
        if number.isdigit() and int(number) < total:
            limit = int(number)
            taken = read_text(CONTROL_GROUPS / used).strip() if used else ""
            if taken.isdigit() and free is not None:
                free = min(free, max(limit - int(taken), 0))
    return total, free, limit


def windows_memory() -> tuple[int, int | None, int | None]:
    """The same on Windows, by GlobalMemoryStatusEx."""
    if sys.platform != "win32":
        return 0, None, None
    import ctypes

    fields = [("length", ctypes.c_uint32), ("load", ctypes.c_uint32)]
    names = ("total", "free", "page_total", "page_free", "virtual_total", "virtual_free", "extended")
    status = type(
        "Status", (ctypes.Structure,), {"_fields_": fields + [(name, ctypes.c_uint64) for name in names]}
    )()
    status.length = ctypes.sizeof(status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 0, None, None
    return int(status.total), int(status.free), None


def check_disk() -> Area:
    """Room for checkpoints, and for what data workers hand over (shared memory, Linux)."""
    free = shutil.disk_usage(PROJECT).free
    problems, hints = [], []
    if free < LITTLE_DISK / 20:
        problems.append(
            f"The disk of {PROJECT} is full ({free / 2**20:.0f} MiB free): make room for checkpoints."
        )
    elif free < LITTLE_DISK:
        hints.append(
            f"Only {free / GIB:.1f} GiB are free on the disk of {PROJECT}: delete old folders in runs/."
        )
    says = f"Disk: {free / GIB:.0f} GiB free"
    shared = Path("/dev/shm")
    if sys.platform == "linux":
        size = shutil.disk_usage(shared).total if shared.is_dir() else 0
        says += f"; shared memory {size / GIB:.1f} GiB"
        if size < SMALL_SHARED_MEMORY:
            hints.append(
                f"Shared memory (/dev/shm) has {size / 2**20:.0f} MiB, too little for data workers: "
                "start the container with --shm-size=2g, or load data in the training process."
            )
    return Area(says=says, problems=tuple(problems), hints=tuple(hints))


def check_interpreter() -> Area:
    """Whether the Python that runs this is the project's own, as it should be in PyCharm too."""
    says = f"Interpreter: {sys.executable}"
    own = PROJECT / ".venv"
    if not own.is_dir() or Path(sys.prefix).resolve() == own.resolve():
        return Area(says=says)
    python = own / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    hint = (
        f"This Python is not the project's own: in PyCharm choose {python} (Settings, Python, Interpreter)."
    )
    return Area(says=says, hints=(hint,))


@dataclass(frozen=True)
class NvidiaGpu:
    """A GPU as the driver describes it; memory in MiB."""

    name: str
    driver: str
    memory: int
    free: int


def nvidia_gpus() -> list[NvidiaGpu] | str:
    """The GPUs that NVIDIA's driver knows, none without a driver; its own words where it does not work."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return []
    query = "--query-gpu=name,driver_version,memory.total,memory.free"
    try:
        answer = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if answer.returncode:
        return " ".join((answer.stdout + answer.stderr).split()) or f"exit code {answer.returncode}"
    return list(parse_gpus(answer.stdout))


def parse_gpus(text: str) -> Iterator[NvidiaGpu]:
    """Read nvidia-smi's table; a value that it does not know ("[N/A]") counts as 0."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 3)]
        if len(cells) == 4:
            total, free = (int(cell) if cell.isdigit() else 0 for cell in cells[2:])
            yield NvidiaGpu(cells[0], cells[1], total, free)


def version_numbers(version: str) -> tuple[int, ...]:
    """`580.65.06` as (580, 65, 6); empty where it is no version."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


def has_code_for(capability: tuple[int, int], built_for: Sequence[str]) -> bool:
    """Code for 8.6 (`sm_86`) runs on 8.6 to 8.9; a driver compiles `compute_90` for 9.0 and newer chips."""
    for entry in built_for:
        kind, _, digits = entry.partition("_")
        digits = digits.rstrip("af")  # sm_90a: with instructions of this chip alone
        if not digits.isdigit():
            continue
        known = (int(digits[:-1]), int(digits[-1]))
        if known <= capability and (kind == "compute" or known[0] == capability[0]):
            return True
    return False


def hidden_gpus() -> tuple[str, ...]:
    """A hint where an environment variable hides every GPU from programs."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    if value is None or value.strip() not in ("", "-1"):
        return ()
    return (f"CUDA_VISIBLE_DEVICES is {value!r}, which hides every GPU: remove this environment variable.",)


def read_text(path: Path) -> str:
    """A system file's text; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
