"""AMD's GPUs: by the kernel driver's list of compute devices, and by rocminfo for their names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from scaffolder.environment.builds.compatibility import table
from scaffolder.environment.facts import Command, Finding, Gpu
from scaffolder.environment.gpu.pci import AMD, Card
from scaffolder.environment.system import System
from scaffolder.messages import _

_KFD = "/dev/kfd"
_NODES = "/sys/class/kfd/kfd/topology/nodes"

#: Discrete cards have this many SIMD units at least; processors' built-in graphics have fewer …
_MIN_SIMD = 40
#: … except the smallest cards.
_SMALL_CARDS = ("gfx1034",)

_WINDOWS_PAGE = (
    "https://rocm.docs.amd.com/projects/radeon-ryzen/en/latest/docs/install/installrad/windows/install-pytorch.html"
)
_INSTALL_PAGE = "https://rocm.docs.amd.com/projects/install-on-linux/en/latest/"


@dataclass(frozen=True, kw_only=True)
class Amd:
    """What was found of AMD: devices that can be used, and such that are here and cannot."""

    gpus: tuple[Gpu, ...] = ()
    unusable: tuple[Gpu, ...] = ()
    rocm: str = ""


def ask(system: System) -> Amd:
    """The compute devices that the kernel driver lists."""
    if system.platform != "linux":
        return Amd()
    gpus = _by_kernel(system)
    if gpus or system.which("rocminfo"):
        names = agents(system.run(["rocminfo"], timeout=6.0).stdout)
        gpus = _named(gpus, names) or tuple(
            Gpu(kind="rocm", name=name or f"AMD Radeon {target}", target=target) for target, name in names
        )
    usable = system.exists(_KFD) and system.writable(_KFD)
    return Amd(
        gpus=gpus if usable else (),
        unusable=() if usable else gpus,
        rocm=(system.read_text("/opt/rocm/.info/version") or "").strip()[:40],
    )


def _by_kernel(system: System) -> tuple[Gpu, ...]:
    """A node without SIMD units is the processor."""
    gpus = []
    for path in system.glob(f"{_NODES}/*/properties"):
        properties = dict(re.findall(r"^(\w+) +(\d+)$", system.read_text(path) or "", re.MULTILINE | re.ASCII))
        target = target_name(_number(properties.get("gfx_target_version")))
        units = _number(properties.get("simd_count"))
        if units >= _MIN_SIMD or (units and _is_enough(target)):
            gpus.append(
                Gpu(kind="rocm", name=f"AMD Radeon {target}".strip(), total=_memory(system, path), target=target)
            )
    return tuple(gpus)


def _is_enough(target: str) -> bool:
    """Whether a device can train although it is small: a card, or built-in graphics that PyTorch has code for."""
    return target in _SMALL_CARDS or any(target in row.targets for row in table().builds)


def target_name(number: int) -> str:
    """110000 is gfx1100: two digits each for the major, minor and stepping number, the last two in hexadecimal."""
    return f"gfx{number // 10000}{number // 100 % 100:x}{number % 100:x}" if number else ""


def _memory(system: System, properties: str) -> int | None:
    folder = properties.rsplit("/", 1)[0]
    sizes = [
        _number(match.group(1))
        for bank in system.glob(f"{folder}/mem_banks/*/properties")
        if (match := re.search(r"^size_in_bytes (\d+)", system.read_text(bank) or "", re.MULTILINE | re.ASCII))
    ]
    return max(sizes, default=0) or None


def agents(text: str) -> list[tuple[str, str]]:
    """Instruction set and name of each GPU in rocminfo's answer; built-in graphics are left out as far as it says so.

    Name:                    gfx1100
    Marketing Name:          AMD Radeon RX 7900 XTX
    Device Type:             GPU
    Compute Unit:            96
    """
    found = []
    for block in re.split(r"^\*{3,}\s*$\n^Agent \d+", text[:1_000_000], flags=re.MULTILINE)[1:]:
        fields: dict[str, str] = {}
        for name, value in re.findall(r"^  ([A-Z][\w ]{1,40}): *(\S[^\n]*)?$", block, re.MULTILINE):
            fields.setdefault(name, value.strip())
        target = fields.get("Name", "")
        # a compute unit has two SIMD units or more
        units = _number(fields.get("Compute Unit", "").split("(")[0].strip())
        if (
            fields.get("Device Type") == "GPU"
            and re.fullmatch(r"gfx[0-9a-f]{3,5}", target)
            and (not units or units * 2 >= _MIN_SIMD or _is_enough(target))
        ):
            found.append((target, fields.get("Marketing Name", "")))
    return found


def _named(gpus: tuple[Gpu, ...], names: list[tuple[str, str]]) -> tuple[Gpu, ...]:
    """The kernel's devices with the names that rocminfo has for them, in order."""
    left = list(names)
    named = []
    for gpu in gpus:
        match = next((pair for pair in left if pair[0] == gpu.target), None)
        if match is not None:
            left.remove(match)
        named.append(replace(gpu, name=match[1]) if match is not None and match[1] else gpu)
    return tuple(named)


def findings(system: System, found: Amd, cards: list[Card], container: str) -> list[Finding]:
    """Why an AMD card that is here cannot be used."""
    seen = [card for card in cards if card.vendor == AMD and _discrete(card)]
    if found.gpus or not (found.unusable or seen):
        return []
    name = found.unusable[0].name if found.unusable else seen[0].name or "AMD GPU"
    if system.platform == "win32":
        return [
            Finding(
                code="NM216",
                severity="slows",
                what=_("An AMD GPU is here ({name}), and PyTorch's builds for AMD GPUs are for Linux.").format(
                    name=name
                ),
                meaning=_("On Windows training runs on the processor; TensorFlow does not use the GPU either."),
                advice=_(
                    "For some cards AMD has a PyTorch of its own for Windows, which newmodel does not install: {page}"
                ).format(page=_WINDOWS_PAGE),
            )
        ]
    if container:
        return [
            _finding(
                name,
                _("this container was started without it"),
                _("Start the container again with:"),
                Command(line="docker run --device=/dev/kfd --device=/dev/dri --group-add video --group-add render …"),
            )
        ]
    if system.exists(_KFD):
        user = system.user_name or "$USER"
        return [
            _finding(
                name,
                _("you may not open {device}").format(device=_KFD),
                _("Join the groups that may, then log out and in again:"),
                Command(line=f"sudo usermod -a -G render,video {user}"),
            )
        ]
    return [
        _finding(
            name,
            _("its driver for computing is not loaded: {device} is missing").format(device=_KFD),
            _("Load the driver; if that does not help, install ROCm as {page} says.").format(page=_INSTALL_PAGE),
            Command(line="sudo modprobe amdgpu"),
        )
    ]


def _finding(name: str, reason: str, advice: str, what: Command) -> Finding:
    return Finding(
        code="NM215",
        severity="slows",
        what=_("An AMD GPU is here ({name}) and cannot be used: {reason}.").format(name=name, reason=reason),
        meaning=_("Training runs on the processor although a GPU is here."),
        advice=advice,
        commands=(what,),
    )


#: Names that AMD gives to graphics inside processors: those cannot train.
_BUILT_IN = re.compile(
    r"Renoir|Cezanne|Lucienne|Barcelo|Rembrandt|Phoenix|Raphael|Granite Ridge|Picasso|Raven|Mendocino|Van ?Gogh|Kaveri|"
    r"Ryzen|Carrizo|Stoney|Mullins|Hawk Point|Krackan|Strix(?! Halo)|Radeon Graphics|Vega \d+ (Graphics|Mobile)|"
    r"\b(6[168]0M|7[468]0M|8[2456789]0M|R[2-7] Graphics)\b",
    re.IGNORECASE,
)


def _discrete(card: Card) -> bool:
    return (
        bool(card.name)
        # lspci names the chip, Windows what the processor's box calls its graphics: AMD Radeon(TM) Graphics
        and not _BUILT_IN.search(f"{card.text} {card.name.replace('(TM)', '')}")
        and re.search(r"Radeon|Instinct|MI\d", card.name) is not None
    )


def hidden_by(system: System) -> tuple[str, str] | None:
    """The variable that hides every AMD GPU, and its value."""
    for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        value = system.environ.get(name)
        if value is not None and value.strip() in ("", "-1"):
            return name, value
    return None


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 20 else 0
