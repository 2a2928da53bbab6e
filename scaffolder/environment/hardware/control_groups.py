"""What a container may use: the limits of the kernel's control groups, version 1 and 2.

A limit counts for a group and for every group below it, so the smallest on the way from our own group to the top is
the one that is met first (Linux: Documentation/admin-guide/cgroup-v2.rst).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from scaffolder.environment.hardware.mounts import Mount, mounts
from scaffolder.environment.system import System

#: Version 1 writes the largest number of whole pages where there is no limit.
_NO_LIMIT = 1 << 60


def memory_limit(system: System) -> tuple[int, int] | None:
    """Bytes that programs here may use, and those in use; None without a limit.

    Pages of files that were read once count as used, but are given back when memory is needed: they are left out.
    """
    found = []
    for group in _groups(system, "memory"):
        limits = [
            limit
            for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
            if (limit := _number(system, f"{group}/{name}")) is not None and limit < _NO_LIMIT
        ]
        if limits:
            used = _number(system, f"{group}/memory.current") or _number(system, f"{group}/memory.usage_in_bytes") or 0
            found.append((min(limits), max(0, used - _inactive(system, group))))
    return min(found, default=None)


def cpu_quota(system: System) -> float | None:
    """Processor cores that programs here may use at a time, 1.5 for one and a half; None without a limit."""
    quotas = []
    for group in _groups(system, "cpu"):
        words = (system.read_text(f"{group}/cpu.max") or "").split()
        if len(words) != 2:
            words = [(system.read_text(f"{group}/cpu.cfs_{name}_us") or "").strip() for name in ("quota", "period")]
        if _is_number(words[0]) and _is_number(words[1]) and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min((quota for quota in quotas if quota > 0), default=None)


def _groups(system: System, controller: str) -> Iterator[str]:
    """Folders of our own group and of those above it, in both versions."""
    table = mounts(system)
    memberships = {"": "/", controller: "/"}  # version 2, and version 1 of this controller
    for line in (system.read_text("/proc/self/cgroup") or "").splitlines():
        _number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(","):
            if name in memberships and path.startswith("/"):
                memberships[name] = path
    for mount in _hierarchies(table, controller):
        path = memberships["" if mount.kind == "cgroup2" else controller]
        # a container sees the hierarchy from its own group on: what lies above is not in the path below the mount
        path = path.removeprefix(mount.root) if mount.root != "/" else path
        below = PurePosixPath("/", path.lstrip("/"))
        if ".." in below.parts:  # the process was put in from outside of this container's hierarchy
            below = PurePosixPath("/")
        for folder in (below, *below.parents):
            yield mount.point + str(folder).rstrip("/")


def _hierarchies(table: list[Mount], controller: str) -> list[Mount]:
    found = [
        mount
        for mount in table
        if mount.kind == "cgroup2" or (mount.kind == "cgroup" and controller in mount.options.split(","))
    ]
    return found or [
        Mount("/", "/sys/fs/cgroup", "cgroup2"),
        Mount("/", f"/sys/fs/cgroup/{controller}", "cgroup"),
    ]


def _inactive(system: System, group: str) -> int:
    values = {}
    for line in (system.read_text(f"{group}/memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if _is_number(value.strip()):
            values[name] = int(value)
    return values.get("total_inactive_file", values.get("inactive_file", 0))


def _number(system: System, path: str) -> int | None:
    text = (system.read_text(path) or "").strip()
    return int(text) if _is_number(text) else None


def _is_number(text: str) -> bool:
    # isdecimal alone takes digits of every script, and int() refuses more than some thousands of them
    return text.isascii() and text.isdecimal() and len(text) < 25
