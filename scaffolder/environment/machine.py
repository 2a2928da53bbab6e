"""Memory, processor and disk, as a program here may really use them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Finding, Machine
from scaffolder.environment.system import System
from scaffolder.messages import _

GIB = 1024**3

#: A project with PyTorch for the processor takes about 2 GB, with CUDA's libraries about 8 GB.
NEEDED_DISK = 3 * GIB


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """The hardware, and what is scarce."""
    memory = system.memory()
    total, available = memory if memory else (None, None)
    limit, used = _container_memory(system)
    limited = limit is not None and total is not None and limit < total
    if limited and limit is not None and total is not None and available is not None:
        total, available = limit, max(0, min(available, limit - used))
    disk = system.disk(folder)
    found = Machine(
        memory_total=total,
        memory_available=available,
        memory_limited=limited,
        cores=_cores(system),
        disk_free=disk[1] if disk else None,
    )
    return {"hardware": found}, _findings(found)


def _container_memory(system: System) -> tuple[int | None, int]:
    """Limit and use in bytes by the kernel's control groups, version 2 and 1; None without a limit."""
    for limit_file, use_file in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        limit = (system.read_text(limit_file) or "").strip()
        if limit.isdecimal():
            use = (system.read_text(use_file) or "").strip()
            return int(limit), int(use) if use.isdecimal() else 0
    return None, 0


def _cores(system: System) -> int:
    cores = system.cpu_count()
    quota = (system.read_text("/sys/fs/cgroup/cpu.max") or "").split()
    if len(quota) != 2:
        quota = [
            (system.read_text(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") or "").strip() for name in ("quota", "period")
        ]
    if quota[0].isdecimal() and quota[1].isdecimal() and int(quota[1]) > 0:
        cores = min(cores, max(1, math.ceil(int(quota[0]) / int(quota[1]))))
    return cores


def _findings(found: Machine) -> list[Finding]:
    findings = []
    if found.disk_free is not None and found.disk_free < NEEDED_DISK:
        findings.append(
            Finding(
                code="NM302",
                severity="blocks",
                what=_("Only {size} of disk are free here.").format(size=size(found.disk_free)),
                meaning=_("A framework and its packages need about {size}.").format(size=size(NEEDED_DISK)),
                advice=_("Free some space, or put the project on another disk."),
            )
        )
    if found.memory_total is not None and found.memory_total < 2 * GIB:
        findings.append(
            Finding(
                code="NM301",
                severity="slows",
                what=_("There are {size} of memory.").format(size=size(found.memory_total)),
                meaning=_("Loading a framework takes about 1 GB: keep batches and models small."),
            )
        )
    return findings


def size(count: int) -> str:
    """Bytes for people, in the binary units that GPU and memory makers use."""
    return f"{count / GIB:.0f} GB" if count >= 10 * GIB else f"{count / GIB:.1f} GB"
