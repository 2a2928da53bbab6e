"""Graphics cards on the bus, whether a driver serves them or not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scaffolder.environment.system import System

NVIDIA, AMD, INTEL = "10de", "1002", "8086"

#: PCI classes: VGA controller, 3D controller, other display controller, and AMD's Instinct (processing accelerator).
_GRAPHICS = ("0300", "0302", "0380", "1200")

# 01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GA106M [GeForce RTX 3060 Mobile] [10de:2520] (rev a1)
_LINE = re.compile(
    r"^\S+ [^\[\n]*\[(?P<kind>[0-9a-f]{4})\]: (?P<name>.*) \[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]",
    re.MULTILINE,
)
_WINDOWS = (
    "Get-CimInstance Win32_VideoController | ForEach-Object { '{0}|{1}' -f $_.PNPDeviceID, $_.Name }",
    re.compile(
        r"^PCI\\VEN_(?P<vendor>[0-9A-F]{4})&DEV_(?P<device>[0-9A-F]{4})[^|\n]*\|(?P<name>[^\n]*)$", re.MULTILINE
    ),
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """One graphics card: vendor and device in hexadecimal as PCI writes them, a name for people, and all that lspci
    says of it, the chip's name included."""

    vendor: str
    device: str
    name: str = ""
    text: str = ""


def cards(system: System) -> list[Card]:
    """Every graphics card that the operating system sees on its bus."""
    if system.platform == "win32":
        return _by_windows(system)
    if system.platform != "linux":
        return []
    return _by_lspci(system) or _by_files(system)


def _by_lspci(system: System) -> list[Card]:
    answer = system.run(["lspci", "-nn"], timeout=4.0)
    return [
        Card(vendor=match["vendor"], device=match["device"], name=_short(match["name"]), text=match["name"])
        for match in _LINE.finditer(answer.stdout if answer.ok else "")
        if match["kind"] in _GRAPHICS
    ]


def _by_files(system: System) -> list[Card]:
    """Where lspci is not installed, which is usual in containers."""
    found = []
    for path in system.glob("/sys/bus/pci/devices/*/vendor"):
        folder = path.rsplit("/", 1)[0]
        kind = (system.read_text(f"{folder}/class") or "").strip().removeprefix("0x")[:4]
        if kind in _GRAPHICS:
            vendor, device = (
                (system.read_text(f"{folder}/{name}") or "").strip().removeprefix("0x") for name in ("vendor", "device")
            )
            found.append(Card(vendor=vendor, device=device))
    return found


def _by_windows(system: System) -> list[Card]:
    command, line = _WINDOWS
    answer = system.run(["powershell", "-NoProfile", "-NonInteractive", "-Command", command], timeout=8.0)
    return [
        Card(vendor=match["vendor"].lower(), device=match["device"].lower(), name=match["name"].strip())
        for match in line.finditer(answer.stdout if answer.ok else "")
    ]


def _short(name: str) -> str:
    """`NVIDIA Corporation GA106M [GeForce RTX 3060 Mobile / Max-Q]` is a `GeForce RTX 3060 Mobile / Max-Q`."""
    match = re.search(r"\[([^\[\]]+)\]\s*$", name)
    return match.group(1) if match else name
