"""Where this system runs: inside Windows (WSL), in a container, on a Jetson; there a GPU arrives by other ways."""

from __future__ import annotations

import re

from scaffolder.environment.system import System

#: Where the Windows driver's files appear inside WSL 2.
#: https://docs.nvidia.com/cuda/wsl-user-guide/
WSL_LIBRARIES = "/usr/lib/wsl/lib"

_CONTAINER_WORDS = (
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("libpod", "podman"),
    ("containerd", "container"),
    ("lxc", "container"),
)


def wsl(system: System) -> int:
    """2 or 1 inside the Windows Subsystem for Linux, 0 elsewhere.

    WSL 2 runs Microsoft's own kernel (`5.15.153.1-microsoft-standard-WSL2`), WSL 1 none at all: it calls itself
    `4.4.0-19041-Microsoft`.
    """
    if system.platform != "linux":
        return 0
    kernel = system.read_text("/proc/version") or system.read_text("/proc/sys/kernel/osrelease") or ""
    if "microsoft" not in kernel.lower():
        return 0
    return 1 if re.search(r"\b4\.4\.\d+-\d+-Microsoft", kernel) else 2


def container(system: System) -> str:
    """`docker`, `podman`, `kubernetes`, `container` (another one), or empty outside of any."""
    if system.platform != "linux":
        return ""
    if system.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if system.exists("/run/.containerenv"):
        return "podman"
    groups = system.read_text("/proc/1/cgroup") or ""
    for word, name in _CONTAINER_WORDS:
        if word in groups:
            return name
    if system.exists("/.dockerenv"):
        return "docker"
    named = system.environ.get("container", "")
    return named if named in ("docker", "podman") else "container" if named else ""


def jetson(system: System) -> str:
    """Model of an NVIDIA Jetson; empty elsewhere."""
    if system.platform != "linux":
        return ""
    # the device tree ends its texts with a zero byte
    model = (system.read_text("/proc/device-tree/model") or "").strip("\0 \n")
    if re.search(r"jetson|tegra", model, re.IGNORECASE):
        return model
    return "NVIDIA Jetson" if jetson_release(system) else ""


def jetson_release(system: System) -> tuple[int, int] | None:
    """The Jetson's Linux release, (36, 4); JetPack 5 is 35, 6 is 36, 7 is 38 and 39.

    The file says `# R36 (release), REVISION: 4.3, GCID: …`.
    """
    text = system.read_text("/etc/nv_tegra_release") or ""
    match = re.search(r"R(\d{1,3}) \(release\), REVISION: (\d{1,3})", text)
    return (int(match.group(1)), int(match.group(2))) if match else None


def c_library(system: System) -> str:
    """Linux' C library and its version: `glibc 2.39` or `musl 1.2.5`; empty elsewhere and where nobody can tell."""
    if system.platform != "linux":
        return ""
    match = re.match(r"glibc (\d{1,3}\.\d{1,3})", system.run(["getconf", "GNU_LIBC_VERSION"]).stdout, re.ASCII)
    if match:
        return f"glibc {match.group(1)}"
    answer = system.run(["ldd", "--version"])  # musl's writes to standard error, and calls that a failure
    match = re.search(r"musl libc.*\nVersion (\d[\d.]{0,12})", answer.stdout + answer.stderr, re.ASCII)
    if match:
        return f"musl {match.group(1)}"
    match = re.match(r"ldd .*?(\d{1,3}\.\d{1,3})$", answer.stdout.partition("\n")[0].strip(), re.ASCII)
    return f"glibc {match.group(1)}" if match else ""
