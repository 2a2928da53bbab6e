"""How a driver is installed or updated on this system. A person does it: a driver is never installed for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scaffolder.environment.facts import Command
from scaffolder.messages import _

NVIDIA_PAGE = "https://www.nvidia.com/drivers"


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What to do: in words where commands alone do not say it, and what to type."""

    advice: str = ""
    commands: tuple[Command, ...] = ()


class _Place(Protocol):
    @property
    def platform(self) -> str: ...

    @property
    def release(self) -> str: ...


def nvidia_driver(place: _Place, *, wsl: int = 0, container: str = "", branch: str = "") -> Steps:
    """How to get NVIDIA's driver.

    Args:
        branch: The newest driver branch that still knows the chip, `580`; empty where the newest driver does.
    """
    if wsl:
        return windows_side(branch)
    if container:
        return Steps(advice=_("The driver is the host's: ask whoever runs this container's host to update it there."))
    if place.platform == "win32":
        advice = _("Take the driver from NVIDIA's page, install it and restart the computer.")
        if branch:
            advice = _(
                "Take the newest driver whose number begins with {branch} from NVIDIA's page: newer ones no longer "
                "know this card. Then restart the computer."
            ).format(branch=branch)
        return Steps(advice=advice, commands=(Command(line=f"Start-Process {NVIDIA_PAGE}"),))
    return Steps(
        advice=_("The computer must be restarted afterwards."),
        commands=(*_linux(place.release, branch), Command(line="sudo reboot")),
    )


def windows_side(branch: str = "") -> Steps:
    """Inside WSL the driver is the one of Windows; one for Linux would replace it and break it."""
    number = _(" (the newest whose number begins with {branch})").format(branch=branch) if branch else ""
    return Steps(
        advice=_(
            "Install NVIDIA's driver in Windows, from {page}{number}, never one for Linux in here. Then update and "
            "restart WSL:"
        ).format(page=NVIDIA_PAGE, number=number),
        commands=(Command(line="wsl.exe --update"), Command(line="wsl.exe --shutdown")),
    )


def _linux(release: str, branch: str) -> tuple[Command, ...]:
    """The distribution's own way, which survives updates of the kernel; NVIDIA's page where there is none we know."""
    name = release.lower()
    if any(word in name for word in ("ubuntu", "mint", "pop!_os", "elementary", "zorin")):
        # https://documentation.ubuntu.com/server/how-to/graphics/install-nvidia-drivers/
        return (Command(line=f"sudo ubuntu-drivers install{f' nvidia:{branch}' if branch else ''}"),)
    if "debian" in name:
        # https://wiki.debian.org/NvidiaGraphicsDrivers: the components contrib and non-free have to be enabled
        headers = "linux-headers-$(dpkg --print-architecture)"
        return (Command(line=f"sudo apt-get install {headers} nvidia-driver firmware-misc-nonfree"),)
    if "fedora" in name:
        # https://rpmfusion.org/Howto/NVIDIA
        free = "https://mirrors.rpmfusion.org/{kind}/fedora/rpmfusion-{kind}-release-$(rpm -E %fedora).noarch.rpm"
        edition = f"-{branch}xx" if branch else ""
        return (
            Command(line=f"sudo dnf install {free.format(kind='free')} {free.format(kind='nonfree')}"),
            Command(line=f"sudo dnf install akmod-nvidia{edition} xorg-x11-drv-nvidia{edition}-cuda"),
        )
    if any(word in name for word in ("red hat", "rocky", "almalinux", "centos", "oracle linux")):
        # https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/
        return (
            Command(
                line="sudo dnf config-manager --add-repo https://developer.download.nvidia.com/compute/cuda/repos/"
                "rhel$(rpm -E %rhel)/$(uname -m)/cuda-rhel$(rpm -E %rhel).repo"
            ),
            Command(line=f"sudo dnf module install nvidia-driver:{branch or 'latest'}-dkms"),
        )
    if any(word in name for word in ("arch", "manjaro", "endeavour", "cachyos")):
        # drivers for older cards are in the users' repository (AUR) alone
        return (Command(line=f"yay -S nvidia-{branch}xx-dkms" if branch else "sudo pacman -S nvidia-open"),)
    if "suse" in name:
        # https://en.opensuse.org/SDB:NVIDIA_drivers
        edition = "Leap" if "leap" in name else "Tumbleweed"
        return (
            Command(line=f"sudo zypper install openSUSE-repos-{edition}-NVIDIA"),
            Command(line="sudo zypper install-new-recommends --repo repo-non-free"),
        )
    return (Command(line=f"xdg-open {NVIDIA_PAGE}"),)
