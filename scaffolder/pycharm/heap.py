"""How much memory PyCharm may use: `-Xmx` in the person's own options, never in the installation.

Which file counts, and that a later option wins over an earlier one, is as in `DefaultLaunchConfiguration` of JetBrains'
launcher (`native/XPlatLauncher/src/default.rs` in JetBrains/intellij-community).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System

_HEAP = re.compile(rb"^([ \t]*)-Xmx(\d+)([kKmMgG]?)([ \t]*)(\r?)$", re.MULTILINE)
_SHARE = re.compile(rb"^[ \t]*-XX:(Max|Min)RAMPercentage=", re.MULTILINE)


def options_file(installation: PyCharm, system: System) -> Path | None:
    """The file of options that this PyCharm reads besides its own; None if it has no configuration folder yet.

    A variable goes before the file that JetBrains Toolbox lays beside an installation, and that before the one in the
    configuration folder.
    """
    named = system.environ.get("PYCHARM_VM_OPTIONS", "")
    if named and system.exists(named):
        return Path(named)
    beside = f"{installation.folder}.vmoptions"
    if system.exists(beside):
        return Path(beside)
    if not installation.configuration:
        return None
    name = {"darwin": "pycharm.vmoptions", "win32": "pycharm64.exe.vmoptions"}.get(
        system.platform, "pycharm64.vmoptions"
    )
    return Path(installation.configuration) / name


def with_heap(content: bytes | None, megabytes: int) -> bytes | None:
    """The options with this heap, every other byte as it was; None where the person has set it in another way."""
    option = b"-Xmx%dm" % megabytes
    if not content:
        return option + b"\n"
    if b"\0" in content or _SHARE.search(content):
        return None
    found = list(_HEAP.finditer(content))
    if found:
        last = found[-1]  # the one that counts
        return content[: last.end(1)] + option + content[last.start(4) :]
    newline = b"\r\n" if b"\r\n" in content else b"\n"
    between = b"" if content.endswith(b"\n") else newline
    return content + between + option + newline


def heap_of(content: bytes) -> int | None:
    """Megabytes that the options allow; None where they do not say."""
    found = list(_HEAP.finditer(content))
    if not found:
        return None
    number, unit = int(found[-1][2]), found[-1][3].lower()
    return (
        number * {b"g": 1024, b"m": 1}.get(unit, 0) if unit in (b"g", b"m") else number // (1024 if unit else 1024**2)
    )


def without_heap(before: bytes | None, now: bytes) -> bytes:
    """The options with the heap that they had before, or none; what else has been written since stays."""
    found = list(_HEAP.finditer(now))
    if not found:
        return now
    last = found[-1]
    earlier = list(_HEAP.finditer(before or b""))
    if earlier:
        return now[: last.start()] + earlier[-1][0].rstrip(b"\r") + last[5] + now[last.end() :]
    end = last.end() + (1 if now[last.end() : last.end() + 1] == b"\n" else 0)
    return now[: last.start()] + now[end:]
