"""NVIDIA's GPUs: by its management library (NVML), or by its tool where the library does not answer."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaffolder.environment.builds.compatibility import cuda_of_driver
from scaffolder.environment.facts import Gpu, GpuProcess
from scaffolder.environment.gpu.chips import capability_of
from scaffolder.environment.gpu.virtual import WSL_LIBRARIES, wsl
from scaffolder.environment.system import CommandResult, System

#: Chips that share the computer's memory.
_SHARING = re.compile(r"\b(GB10|Thor|Orin|Tegra)\b")

#: What every driver's tool can be asked; its header is never read: its words change between drivers.
_FIELDS = ("driver_version", "name", "memory.total", "memory.free", "compute_cap")

#: What newer ones can be asked as well. One field that a driver does not know spoils the whole answer.
_MORE = (
    "index",
    "uuid",
    "mig.mode.current",
    "ecc.errors.uncorrected.volatile.total",
    "compute_mode",
    "utilization.gpu",
    "clocks_throttle_reasons.hw_slowdown",
    "clocks_throttle_reasons.hw_thermal_slowdown",
    "clocks_throttle_reasons.sw_thermal_slowdown",
)
_THROTTLE = {6: "hw_slowdown", 7: "thermal", 8: "thermal"}
_PROCESSES = ("gpu_uuid", "pid", "process_name", "used_memory")

_MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Nvidia:
    """What was found out about NVIDIA.

    Attributes:
        source: Who told it: `nvml`, `nvidia-smi` or empty.
        error: Why nothing works, in the words of library or tool; empty where something does, or nothing is there.
        lost: What the tool said of a single GPU that does not answer.
        library: Whether the management library is there at all.
        listed: Whether the slices of GPUs could be listed.
    """

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] | None = None
    source: str = ""
    error: str = ""
    lost: str = ""
    library: bool = False
    listed: bool = False


def ask(system: System) -> Nvidia:
    """NVML first, `nvidia-smi --query-gpu` second."""
    if system.platform == "darwin":
        return Nvidia()
    answer = system.nvml()
    if answer is not None and not answer.error:
        found = Nvidia(
            gpus=tuple(_gpu(device) for device in answer.devices),
            driver=answer.driver,
            # NVML writes 13.0 as 13000
            cuda=(answer.cuda // 1000, answer.cuda % 1000 // 10) if answer.cuda > 0 else None,
            source="nvml",
            library=True,
        )
    else:
        found = _by_tool(system)
        found = replace(found, library=answer is not None)
        if answer is not None and not found.gpus:
            found = replace(found, error=answer.error)
    if found.cuda is None:
        # inside WSL it is the driver of Windows, and has a number of its series
        found = replace(found, cuda=cuda_of_driver(found.driver, "win32" if wsl(system) else system.platform))
    return _with_slices(system, _with_shared_memory(system, found))


def _with_shared_memory(system: System, found: Nvidia) -> Nvidia:
    """Chips without memory of their own share the computer's, and neither library nor tool counts it."""
    memory = system.memory()
    if memory is None:
        return found
    return replace(
        found,
        gpus=tuple(
            replace(gpu, total=memory[0]) if gpu.total is None and _SHARING.search(gpu.name) else gpu
            for gpu in found.gpus
        ),
    )


def _gpu(device: Mapping[str, Any]) -> Gpu:
    name = str(device.get("name", "NVIDIA GPU"))
    return Gpu(
        kind="cuda",
        name=name,
        total=device.get("total"),
        free=device.get("free"),
        capability=version_pair(str(device.get("capability", ""))) or capability_of(name),
        index=device.get("index"),
        uuid=str(device.get("uuid", "")),
        mig=bool(device.get("mig", False)),
        ecc_errors=device.get("ecc_errors"),
        throttle=tuple(device.get("throttle", ())),
        compute_mode=str(device.get("compute_mode", "default")),
        utilization=device.get("utilization"),
        processes=tuple(
            GpuProcess(pid=int(one["pid"]), name=str(one.get("name", "")), used=one.get("used") or None)
            for one in device.get("processes", ())
        ),
    )


# --- the tool ---------------------------------------------------------------------------------------------------------


def tool(system: System) -> str:
    """`nvidia-smi` on PATH, or where WSL keeps it."""
    return system.which("nvidia-smi") or f"{WSL_LIBRARIES}/nvidia-smi"


def _by_tool(system: System) -> Nvidia:
    fields: tuple[str, ...] = _FIELDS
    answer = _query(system, "--query-gpu", fields)
    if not answer.ok and "not a valid field" in answer.stdout + answer.stderr:
        fields = _FIELDS[:-1]  # drivers before 510 do not tell the compute capability
        answer = _query(system, "--query-gpu", fields)
    gpus: list[Gpu] = []
    driver = ""
    for row in rows(answer.stdout, len(fields)):
        driver, name, total, free, *rest = row
        capability = version_pair(rest[0]) if rest else None
        gpus.append(
            Gpu(
                kind="cuda",
                name=name,
                total=mebibytes(total),
                free=mebibytes(free),
                capability=capability or capability_of(name),
                index=len(gpus),
            )
        )
    said = (answer.stdout + answer.stderr).strip()
    lost = _first_line(said, r"unable to determine the device handle|gpu is lost|gpu requires reset")
    if not gpus:
        return Nvidia(error="" if answer.problem == "missing" else _reason(answer), lost=lost)
    return Nvidia(gpus=_with_more(system, gpus), driver=driver, source="nvidia-smi", lost=lost)


def _query(system: System, option: str, fields: Sequence[str]) -> CommandResult:
    words = [tool(system), f"{option}={','.join(fields)}", "--format=csv,noheader,nounits"]
    return system.run(words, timeout=8.0)


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of a CSV answer that have so many columns; errors and warnings between them have others."""
    # csv refuses what no tool writes: a zero byte, or a cell of more than 128 KiB
    lines = [line for line in text.replace("\0", "").splitlines() if len(line) < 10_000]
    found = []
    for line in lines:
        try:
            cells = next(csv.reader([line], skipinitialspace=True), [])
        except csv.Error:
            continue
        if len(cells) == columns:
            found.append([cell.strip() for cell in cells])
    return found


def _with_more(system: System, gpus: list[Gpu]) -> tuple[Gpu, ...]:
    """What newer drivers' tools tell besides: nothing of it is needed, and nothing of it may be there."""
    details = {
        int(row[0]): row for row in rows(_query(system, "--query-gpu", _MORE).stdout, len(_MORE)) if is_number(row[0])
    }
    held: dict[str, list[GpuProcess]] = {}
    if details:
        answer = _query(system, "--query-compute-apps", _PROCESSES)
        for uuid, pid, name, used in rows(answer.stdout, len(_PROCESSES)):
            if is_number(pid):
                held.setdefault(uuid, []).append(GpuProcess(pid=int(pid), name=name, used=mebibytes(used)))
    return tuple(
        replace(
            gpu,
            uuid=row[1],
            mig=row[2].lower() == "enabled",
            ecc_errors=int(row[3]) if is_number(row[3]) else None,
            compute_mode=_compute_mode(row[4]),
            utilization=int(row[5]) if is_number(row[5]) else None,
            throttle=tuple(
                dict.fromkeys(name for column, name in _THROTTLE.items() if row[column].lower() == "active")
            ),
            processes=tuple(held.get(row[1], ())),
        )
        if (row := details.get(number)) is not None
        else gpu
        for number, gpu in enumerate(gpus)
    )


def _compute_mode(text: str) -> str:
    word = text.lower()
    return "prohibited" if word.startswith("prohibited") else "exclusive" if word.startswith("exclusive") else "default"


def _with_slices(system: System, found: Nvidia) -> Nvidia:
    """The slices of GPUs that are cut into some, as `nvidia-smi -L` lists them.

    GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
      MIG 3g.20gb     Device  0: (UUID: MIG-4b5a4e5c-8f4c-5a8b-b0b0-7c6e6d4f4a1e)
    """
    if not any(gpu.mig for gpu in found.gpus):
        return found
    slices: dict[int, list[str]] = {}
    number = -1
    for line in system.run([tool(system), "-L"], timeout=8.0).stdout.splitlines():
        if match := re.match(r"GPU (\d{1,4}):", line):
            number = int(match.group(1))
        elif match := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)", line):
            slices.setdefault(number, []).append(f"{match.group(1)} {match.group(2)}")
    return replace(
        found,
        listed=number >= 0,
        gpus=tuple(
            replace(gpu, slices=tuple(slices.get(gpu.index if gpu.index is not None else position, ())))
            for position, gpu in enumerate(found.gpus)
        ),
    )


def _reason(answer: CommandResult) -> str:
    """What the tool said instead of an answer, on one line."""
    if answer.problem:
        return f"nvidia-smi: {answer.problem}"
    said = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
    return said[0].strip()[:200] if said else f"nvidia-smi: {answer.returncode}"


def _first_line(text: str, pattern: str) -> str:
    return next((line.strip()[:200] for line in text.splitlines() if re.search(pattern, line, re.IGNORECASE)), "")


def version_pair(text: str) -> tuple[int, int] | None:
    """8.6 as (8, 6)."""
    match = re.fullmatch(r"\s*(\d{1,3})\.(\d{1,3})\s*", text, re.ASCII)
    return (int(match.group(1)), int(match.group(2))) if match else None


def mebibytes(text: str) -> int | None:
    """A number of MiB as bytes; None for `[N/A]`, `[Not Supported]` and the like."""
    return int(float(text)) * _MIB if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip(), re.ASCII) else None


def is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,9}", text, re.ASCII))
