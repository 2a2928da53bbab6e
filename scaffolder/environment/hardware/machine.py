"""Memory and processor, as a program here may really use them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Finding, Machine, Report, command
from scaffolder.environment.hardware.control_groups import cpu_quota, memory_limit
from scaffolder.environment.hardware.mounts import mounts
from scaffolder.environment.hardware.processor import processor
from scaffolder.environment.pythons.system_packages import as_administrator
from scaffolder.environment.system import System
from scaffolder.messages import _

GIB = 1024**3

#: Below this a framework, its data and an editor do not fit side by side (torch alone takes about 1 GB when loaded).
LITTLE_MEMORY = 6 * GIB

#: A training run of the smallest templates needs about as much.
LITTLE_FREE = 3 * GIB // 2

#: Docker gives 64 MB, which two workers fill with a few batches of images.
LITTLE_SHARED = GIB // 2


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """The hardware, and what is scarce."""
    total, available = system.memory() or (None, None)
    installed, limited = total, False
    limit = memory_limit(system)
    if limit is not None and (total is None or limit[0] < total):
        limited, total = True, limit[0]
        rest = max(0, limit[0] - limit[1])
        available = rest if available is None else min(available, rest)
    swap = system.swap()
    quota = cpu_quota(system)
    cores = max(1, system.cpu_count())
    chip = processor(system)
    disk = system.disk(folder)
    found = Machine(
        memory_total=total,
        memory_available=available,
        memory_limited=limited,
        memory_installed=installed,
        swap_total=swap[0] if swap else None,
        swap_free=swap[1] if swap else None,
        shared_memory=_shared_memory(system),
        cores=min(cores, max(1, math.ceil(quota))) if quota is not None else cores,
        cores_installed=cores,
        cpu_quota=quota if quota is not None and quota < cores else None,
        cpu_name=chip.name,
        avx=chip.avx,
        avx2=chip.avx2,
        disk_free=disk[1] if disk else None,
    )
    return {"hardware": found}, [*_memory(system, found), *_shared(system, found), *_quota(found)]


def judge(report: Report) -> list[Finding]:
    """Whether the processor can run the frameworks; how bad it is depends on which one is used."""
    found = report.hardware
    if found.avx is False:
        uses_tensorflow = any(name.startswith("tensorflow") for name in report.frameworks.versions)
        return [
            Finding(
                code="NM304",
                severity="blocks" if uses_tensorflow else "slows",
                what=_("This processor has no AVX instructions{name}.").format(name=_named(found)),
                meaning=_(
                    "TensorFlow ends at once with “Illegal instruction”. PyTorch runs, several times slower than on "
                    "a processor made after 2013, and some packages beside it may not run."
                ),
                advice=_(
                    "Choose PyTorch, or train on another machine. In a virtual machine, let it see the real "
                    "processor (QEMU and Proxmox: CPU type “host”; VirtualBox: switch Hyper-V off)."
                ),
            )
        ]
    if found.avx2 is False:
        return [
            Finding(
                code="NM304",
                severity="slows",
                what=_("This processor has AVX, but no AVX2 instructions{name}.").format(name=_named(found)),
                meaning=_("TensorFlow and PyTorch run, but compute on the processor at about half the speed."),
                advice=_("In a virtual machine, let it see the real processor (QEMU and Proxmox: CPU type “host”)."),
            )
        ]
    return []


def _named(found: Machine) -> str:
    return f" ({found.cpu_name})" if found.cpu_name else ""


def _shared_memory(system: System) -> int | None:
    if system.platform != "linux":
        return None
    table = mounts(system)
    disk = system.disk("/dev/shm")  # noqa: S108 - looked at, not written to
    if any(mount.point == "/dev/shm" for mount in table):  # noqa: S108
        return disk[0] if disk else None
    if table:
        return None if system.exists("/dev/shm") else 0  # noqa: S108 - a plain folder is as large as its disk
    return disk[0] if disk and disk != system.disk("/") else None


def _memory(system: System, found: Machine) -> list[Finding]:
    findings = []
    if found.memory_limited and found.memory_total is not None and found.memory_installed is not None:
        findings.append(
            Finding(
                code="NM312",
                severity="note",
                what=_("Programs here may use {limit} of the machine's {installed} of memory.").format(
                    limit=size(found.memory_total), installed=size(found.memory_installed)
                ),
                meaning=_("A run that needs more is killed without a word (exit code 137)."),
                advice=_(
                    "For more, raise the container's limit: docker run --memory, or resources.limits.memory of the pod."
                ),
            )
        )
    if found.memory_total is not None and found.memory_total < LITTLE_MEMORY:
        findings.append(
            Finding(
                code="NM301",
                severity="slows",
                what=_("There are {size} of memory.").format(size=size(found.memory_total)),
                meaning=_("Loading a framework takes about 1 GB: keep batches and models small."),
                advice=_(
                    "Windows gives its Linux subsystem half of the memory. For more, write memory=12GB below [wsl2] "
                    "into the file .wslconfig of your Windows folder, then type wsl --shutdown in Windows."
                )
                if "microsoft" in (system.read_text("/proc/version") or "").lower()
                else _("Close PyCharm and the browser while a longer training runs: start it from a terminal."),
            )
        )
    if _short_of_memory(system, found):
        findings.append(
            Finding(
                code="NM306",
                severity="slows",
                what=_("Only {size} of memory are free, and there is no swap space to fall back on.").format(
                    size=size(found.memory_available or 0)
                ),
                meaning=_("When memory runs out, the system ends the largest program, which is the training."),
                advice=_("Close other programs, or add swap space.")
                if system.platform == "linux" and not found.memory_limited
                else _("Close other programs before you train."),
                commands=tuple(
                    command(system, *as_administrator(system), *words)
                    for words in (
                        ("fallocate", "-l", "8G", "/swapfile"),
                        ("chmod", "600", "/swapfile"),
                        ("mkswap", "/swapfile"),
                        ("swapon", "/swapfile"),
                    )
                )
                if system.platform == "linux" and not found.memory_limited
                else (),
            )
        )
    return findings


def _short_of_memory(system: System, found: Machine) -> bool:
    if found.memory_available is None or found.memory_available >= LITTLE_FREE or found.swap_total is None:
        return False
    # macOS makes swap files when it needs them
    return system.platform != "darwin" and (found.swap_free or 0) < GIB // 4


def _shared(system: System, found: Machine) -> list[Finding]:
    if found.shared_memory is None or found.shared_memory >= LITTLE_SHARED:
        return []
    absent = found.shared_memory == 0
    contained = found.memory_limited or any(system.exists(path) for path in ("/.dockerenv", "/run/.containerenv"))
    return [
        Finding(
            code="NM303",
            severity="slows",
            what=_("There is no shared memory (/dev/shm).")
            if absent
            else _("Shared memory (/dev/shm) is only {size}.").format(size=size(found.shared_memory)),
            meaning=_(
                "PyTorch's data workers hand their batches over through it: with num_workers above 0 they die with "
                "“Bus error” or “No space left on device”."
            ),
            advice=_(
                "Start the container with docker run --shm-size=8g (Compose: shm_size: 8gb; Kubernetes: an emptyDir "
                "volume with medium: Memory at /dev/shm), or set num_workers to 0 in the configuration."
            )
            if contained or absent
            else _("Make it larger, or set num_workers to 0 in the configuration."),
            commands=()
            if contained or absent
            else (command(system, *as_administrator(system), "mount", "-o", "remount,size=50%", "/dev/shm"),),  # noqa: S108
        )
    ]


def _quota(found: Machine) -> list[Finding]:
    if found.cpu_quota is None:
        return []
    return [
        Finding(
            code="NM305",
            severity="note",
            what=_("Programs here may use {quota} of the {cores} cores that they see.").format(
                quota=f"{found.cpu_quota:g}", cores=found.cores_installed
            ),
            meaning=_("Threads and data workers beyond that wait for each other: newmodel counts with {count}.").format(
                count=found.cores
            ),
            advice=_("For more, raise the container's limit: docker run --cpus, or resources.limits.cpu of the pod."),
        )
    ]


def size(count: int) -> str:
    """Bytes for people, in the binary units that GPU and memory makers use."""
    if count >= 10 * GIB:
        return f"{count / GIB:.0f} GB"
    return f"{count / GIB:.1f} GB" if count >= GIB // 10 else f"{count / 1024**2:.0f} MB"
