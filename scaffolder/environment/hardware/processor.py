"""The processor's name, and the instructions that frameworks are built with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scaffolder.environment.system import System

_X86 = {"x86_64", "amd64", "x86", "i386", "i686"}

#: Run by newmodel's own Python on Windows, where no tool tells. Bit 2 of the enabled states is AVX's (Windows 7 SP1
#: and later); PF_AVX_INSTRUCTIONS_AVAILABLE is 39 and PF_AVX2_INSTRUCTIONS_AVAILABLE 40 in winnt.h, which older
#: versions of Windows do not know.
_WINDOWS = """
import ctypes
kernel = ctypes.WinDLL("kernel32")
kernel.GetEnabledXStateFeatures.restype = ctypes.c_uint64
print(kernel.GetEnabledXStateFeatures() >> 2 & 1, *[int(bool(kernel.IsProcessorFeaturePresent(n))) for n in (39, 40)])
"""


@dataclass(frozen=True)
class Processor:
    """Its name, and whether it has the instructions; None where that does not apply or nobody can tell."""

    name: str = ""
    avx: bool | None = None
    avx2: bool | None = None


def processor(system: System) -> Processor:
    """Ask the operating system."""
    x86 = system.machine.lower() in _X86
    if system.platform == "darwin":
        return _macos(system, x86)
    if system.platform == "win32":
        return _windows(system, x86)
    return _linux(system.read_text("/proc/cpuinfo") or "", x86)


def _linux(text: str, x86: bool) -> Processor:
    fields = dict(re.findall(r"^([^\t:\n]+?)\s*:[ \t]*(.*)$", text, re.MULTILINE))
    name = fields.get("model name") or fields.get("Model") or fields.get("Hardware") or ""
    flags = fields.get("flags", "").split()
    # a short list is a damaged one: every x86 processor of this century has dozens
    known = x86 and "fpu" in flags
    return Processor(_tidy(name), "avx" in flags if known else None, "avx2" in flags if known else None)


def _macos(system: System, x86: bool) -> Processor:
    name = _sysctl(system, "machdep.cpu.brand_string")
    if not x86 or "Apple" in name:  # under Rosetta it is the Python that has to change
        return Processor(_tidy(name))
    first, later = (_sysctl(system, f"machdep.cpu.{part}features").split() for part in ("", "leaf7_"))
    known = "FPU" in first
    return Processor(_tidy(name), "AVX1.0" in first if known else None, "AVX2" in later if known else None)


def _windows(system: System, x86: bool) -> Processor:
    key = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    answer = system.run(["reg", "query", key, "/v", "ProcessorNameString"], timeout=2.0).stdout
    match = re.search(r"ProcessorNameString\s+REG_SZ\s+(.+)", answer)
    name = _tidy(match.group(1)) if match else ""
    if not x86:
        return Processor(name)
    bits = system.run([system.executable, "-c", _WINDOWS], timeout=3.0).stdout.split()
    if len(bits) != 3 or not set(bits) <= {"0", "1"}:
        return Processor(name)
    avx, *newer = (bit == "1" for bit in bits)
    return Processor(name, avx, newer[1] if newer[0] or not avx else None)


def _sysctl(system: System, name: str) -> str:
    answer = system.run(["sysctl", "-n", name], timeout=2.0)
    return answer.stdout if answer.ok else ""


def _tidy(name: str) -> str:
    """`Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz` without what says nothing."""
    name = re.sub(r"\((R|TM|C)\)|\bCPU\b|@.*", " ", name, flags=re.IGNORECASE)
    return " ".join("".join(character for character in name if character.isprintable()).split())[:80]
