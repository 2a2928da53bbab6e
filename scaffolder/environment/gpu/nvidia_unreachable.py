"""Why no NVIDIA GPU can be used although there are traces of one, and what to type."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scaffolder.environment.builds.compatibility import last_driver
from scaffolder.environment.facts import Accelerators, Command, Finding
from scaffolder.environment.gpu.chips import capability_of
from scaffolder.environment.gpu.driver_steps import nvidia_driver, windows_side
from scaffolder.environment.gpu.nvidia import Nvidia
from scaffolder.environment.gpu.pci import NVIDIA, Card
from scaffolder.environment.system import System
from scaffolder.messages import _

_TOOLKIT_PAGE = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"


def findings(system: System, found: Nvidia, cards: Sequence[Card], place: Accelerators) -> list[Finding]:
    """One finding at most; nothing where there are no traces of an NVIDIA GPU."""
    if found.gpus or place.jetson:
        return []
    seen = [card for card in cards if card.vendor == NVIDIA]
    if re.search(r"version mismatch", found.error, re.IGNORECASE):
        return [_mismatch(system, found.error, place)]
    if _islost(found.error) or found.lost:
        return [lost(found.error or found.lost, place)]
    if place.wsl:
        return _wsl(system, found, place)
    if place.container and (finding := _container(system, found, seen, place)) is not None:
        return [finding]
    if cards and not seen:  # the bus was seen, and nothing of NVIDIA's is on it: the driver's packages mean nothing
        return []
    if found.error and (seen or not _is_absent(found.error)):
        return [_broken(system, found.error, seen)]
    if found.driver and seen:
        return [_broken(system, _("it finds no card that it knows"), seen)]
    return [_no_driver(system, seen[0])] if seen else []


def _islost(error: str) -> bool:
    return bool(
        re.search(r"gpu is lost|fallen off the bus|unable to determine the device handle", error, re.IGNORECASE)
    )


def _is_absent(error: str) -> bool:
    """What a tool says where there is nothing to talk to: drivers' packages may be on a machine without a GPU."""
    return bool(re.search(r"no devices were found|failed to start|timeout", error, re.IGNORECASE))


def _mismatch(system: System, error: str, place: Accelerators) -> Finding:
    # NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024
    loaded = re.search(
        r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", system.read_text("/proc/driver/nvidia/version") or ""
    )
    what = _("NVIDIA's driver was updated, and the old one still runs: {reason}.").format(reason=error.strip(" ."))
    if loaded:
        what = _("NVIDIA's driver was updated, and the old one ({version}) still runs: {reason}.").format(
            version=loaded.group(1), reason=error.strip(" .")
        )
    if place.container:
        advice, again = _("Restart the container; if that does not help, its host."), None
    elif place.wsl:
        advice, again = _("Restart WSL, from Windows:"), Command(line="wsl.exe --shutdown")
    elif system.platform == "win32":
        advice, again = _("Restart the computer."), Command(line="Restart-Computer")
    else:
        advice, again = _("Restart the computer; nothing has to be installed."), Command(line="sudo reboot")
    return Finding(
        code="NM205",
        severity="blocks",
        what=what,
        meaning=_("Until a restart no program can use the GPU; training would run on the processor."),
        advice=advice,
        commands=() if again is None else (again,),
    )


def lost(error: str, place: Accelerators) -> Finding:
    """A GPU that was there and no longer answers."""
    return Finding(
        code="NM223",
        severity="blocks",
        what=_("A GPU does not answer any more: {reason}.").format(reason=error.strip(" .")),
        meaning=_("Programs that use it fail, often with “unknown error”; other GPUs may fail along with it."),
        advice=_(
            "Restart the computer. If it happens again, the card, its power cable or its slot is to blame: look for "
            "“Xid” in the kernel's log."
        ),
        commands=() if place.container else (Command(line="sudo dmesg | grep -i xid"), Command(line="sudo reboot")),
    )


def _wsl(system: System, found: Nvidia, place: Accelerators) -> list[Finding]:
    if place.wsl == 1:
        return [
            Finding(
                code="NM207",
                severity="slows",
                what=_("This is WSL 1, which passes no GPU on to Linux."),
                meaning=_("Training runs on the processor, whatever card the computer has."),
                advice=_("Turn this Linux into a WSL 2 one, in PowerShell:"),
                commands=(
                    Command(line="wsl.exe --list --verbose"),
                    Command(line="wsl.exe --set-version <name> 2"),
                ),
            )
        ]
    if not system.exists("/dev/dxg"):
        reason = _("WSL passes no GPU on: {path} is missing").format(path="/dev/dxg")
    elif found.error and found.library:
        reason = found.error.strip(" .")
    else:
        reason = _("Windows has no driver of NVIDIA's that it could pass on")
    steps = windows_side()
    return [
        Finding(
            code="NM207",
            severity="slows",
            what=_("This is Linux inside Windows (WSL), and no NVIDIA GPU reaches it: {reason}.").format(reason=reason),
            meaning=_(
                "Training runs on the processor. Without an NVIDIA card in this computer, that is how it must be."
            ),
            advice=steps.advice,
            commands=steps.commands,
        )
    ]


def _container(system: System, found: Nvidia, seen: Sequence[Card], place: Accelerators) -> Finding | None:
    """A container sees the host's bus and kernel, but no device unless it was given one."""
    wanted = system.environ.get("NVIDIA_VISIBLE_DEVICES", "")
    host_has_driver = system.exists("/proc/driver/nvidia/version") or system.exists("/sys/module/nvidia/version")
    if wanted.strip() in ("void", "none") and not host_has_driver:
        return None
    if not (seen or host_has_driver or wanted or found.error):
        return None
    if place.container == "kubernetes":
        advice = _("Ask for a GPU in the pod's description, under resources: limits: nvidia.com/gpu: 1")
        start = Command(line="kubectl describe nodes | grep -i nvidia.com/gpu")
    elif place.container == "podman":
        advice = _("Start the container with the GPU; the host needs NVIDIA's container toolkit ({page}).").format(
            page=_TOOLKIT_PAGE
        )
        start = Command(line="podman run --device nvidia.com/gpu=all …")
    else:
        advice = _("Start the container with the GPU; the host needs NVIDIA's container toolkit ({page}).").format(
            page=_TOOLKIT_PAGE
        )
        start = Command(line="docker run --gpus all …")
    return Finding(
        code="NM206",
        severity="slows",
        what=_("This container was started without the host's GPU."),
        meaning=_("Training runs on the processor although the host seems to have an NVIDIA GPU."),
        advice=advice,
        commands=(start,),
    )


def _broken(system: System, error: str, seen: Sequence[Card]) -> Finding:
    capability = capability_of(seen[0].name) if seen else None
    branch = last_driver(capability)
    steps = nvidia_driver(system, branch=branch)
    checks: tuple[Command, ...] = ()
    if system.exists("/sys/module/nouveau"):
        return Finding(
            code="NM202",
            severity="blocks",
            what=_("NVIDIA's driver is here, but the free driver nouveau has taken the card: {reason}.").format(
                reason=error.strip(" .")
            ),
            meaning=_("The GPU cannot be used; training would run on the processor."),
            advice=_("Keep nouveau from loading, and restart the computer:"),
            commands=_without_nouveau(system),
        )
    if system.platform == "linux":
        # with Secure Boot, the kernel refuses a driver that nobody signed
        checks = (Command(line="mokutil --sb-state"), Command(line="sudo modprobe nvidia"))
    return Finding(
        code="NM202",
        severity="blocks",
        what=_("NVIDIA's driver is here and does not work: {reason}.").format(reason=error.strip(" .")),
        meaning=_("The GPU cannot be used; training would run on the processor."),
        advice=_(
            "Restart the computer. If that does not help: see whether Secure Boot keeps the driver out, and install "
            "the driver again."
        )
        if checks
        else _("Restart the computer, and install the driver again if that does not help."),
        commands=(*checks, *steps.commands),
    )


def _without_nouveau(system: System) -> tuple[Command, ...]:
    """The image that the kernel starts with holds nouveau, too, so that it is made again."""
    keep_out = "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' | sudo tee /etc/modprobe.d/no-nouveau.conf"
    images = {
        "update-initramfs": "sudo update-initramfs -u",
        "dracut": "sudo dracut --force",
        "mkinitcpio": "sudo mkinitcpio -P",
    }
    image = next((line for program, line in images.items() if _root_has(system, program)), None)
    return tuple(Command(line=line) for line in (keep_out, image, "sudo reboot") if line is not None)


def _root_has(system: System, program: str) -> bool:
    """Such programs lie in folders that only the administrator's PATH names."""
    return system.which(program) is not None or any(
        system.exists(f"{folder}/{program}") for folder in ("/usr/sbin", "/sbin", "/usr/bin")
    )


def _no_driver(system: System, card: Card) -> Finding:
    steps = nvidia_driver(system, branch=last_driver(capability_of(card.name)))
    return Finding(
        code="NM214",
        severity="slows",
        what=_("An NVIDIA card is here ({name}), but NVIDIA's driver is not installed.").format(
            name=card.name if card.name and not card.name.startswith("Microsoft") else "10de:" + card.device
        ),
        meaning=_("Training runs on the processor; with the driver it would run on the card."),
        advice=steps.advice,
        commands=steps.commands,
    )
