"""Apple's GPU (MPS): part of every chip of Apple's own, reached through the operating system alone."""

from __future__ import annotations

import re

from scaffolder.environment.facts import Gpu
from scaffolder.environment.system import System


def ask(system: System) -> tuple[Gpu, ...]:
    """The chip, also where this Python runs under Rosetta and takes the machine for an Intel one."""
    if system.platform != "darwin":
        return ()
    if system.machine != "arm64" and _sysctl(system, "hw.optional.arm64") != "1":
        return ()
    memory = system.memory()
    return (
        Gpu(
            kind="mps",
            name=_sysctl(system, "machdep.cpu.brand_string") or "Apple",
            total=memory[0] if memory else None,
        ),
    )


def version(system: System) -> tuple[int, int] | None:
    """The version of macOS, (15, 6).

    `platform.mac_ver()` says 10.16 under an old Python; sw_vers does so only where SYSTEM_VERSION_COMPAT is set.
    """
    if system.platform != "darwin":
        return None
    match = re.match(r"\s*(\d{1,3})(?:\.(\d{1,3}))?", system.run(["sw_vers", "-productVersion"]).stdout, re.ASCII)
    return (int(match.group(1)), int(match.group(2) or 0)) if match else None


def _sysctl(system: System, name: str) -> str:
    answer = system.run(["sysctl", "-n", name])
    return answer.stdout.strip().splitlines()[0][:100] if answer.ok and answer.stdout.strip() else ""
