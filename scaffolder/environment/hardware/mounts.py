"""Which file system a folder is on: Linux's mount table, and macOS's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scaffolder.environment.system import System


@dataclass(frozen=True)
class Mount:
    """One line of the mount table.

    Attributes:
        root: The part of the file system that is shown at `point`; `/` for all of it.
        point: Where it is shown.
        kind: The file system: `ext4`, `nfs4`, `9p`.
        source: The disk or the server.
        options: The file system's own ones, `rw,memory` for a control group.
    """

    root: str
    point: str
    kind: str
    source: str = ""
    options: str = ""


def mounts(system: System) -> list[Mount]:
    """The mount table, as far as it can be read; empty on Windows."""
    if system.platform == "darwin":
        return _of_macos(system.run(["mount"], timeout=2.0).stdout)
    if system.platform == "win32":
        return []
    return _of_linux(system.read_text("/proc/self/mountinfo") or "")


def mount_of(table: list[Mount], path: str) -> Mount | None:
    """Where a path lies: the longest mount point above it; of two at the same place, the later covers the earlier."""
    best: Mount | None = None
    for mount in table:
        above = mount.point.rstrip("/") + "/"
        if (path + "/").startswith(above) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _of_linux(text: str) -> list[Mount]:
    """`36 35 98:0 /root /point options - kind source options` (proc(5)); blanks are written as \\040."""
    table = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if separator and len(before) >= 6 and len(after) >= 1:
            kind, source, options = [*after, "", ""][:3]
            table.append(Mount(_unescaped(before[3]), _unescaped(before[4]), kind, _unescaped(source), options))
    return table


def _of_macos(text: str) -> list[Mount]:
    """`/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled)`."""
    found = re.findall(r"^(.+?) on (.+) \(([^,()]+)[^()]*\)$", text, re.MULTILINE)
    return [Mount("/", point, kind.strip(), source) for source, point, kind in found]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)
