"""Which package of the operating system brings what, and the command that installs it."""

from __future__ import annotations

import re

from scaffolder.environment.facts import Command, command
from scaffolder.environment.system import System

#: Families of systems by what os-release says in ID and ID_LIKE.
_FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "fedora": "fedora",
    "rhel": "fedora",
    "centos": "fedora",
    "amzn": "fedora",
    "arch": "arch",
    "alpine": "alpine",
    "suse": "suse",
    "opensuse": "suse",
    "opensuse-leap": "suse",
    "opensuse-tumbleweed": "suse",
    "sles": "suse",
}

_INSTALL = {
    "debian": ("apt", "install"),
    "fedora": ("dnf", "install"),
    "arch": ("pacman", "-S"),
    "alpine": ("apk", "add"),
    "suse": ("zypper", "install"),
}

#: What a Python that is built from source (pyenv does) needs for each of its modules.
BUILD_LIBRARIES = {
    "debian": {
        "_ctypes": "libffi-dev",
        "_ssl": "libssl-dev",
        "_lzma": "liblzma-dev",
        "_bz2": "libbz2-dev",
        "_sqlite3": "libsqlite3-dev",
        "readline": "libreadline-dev",
        "zlib": "zlib1g-dev",
    },
    "fedora": {
        "_ctypes": "libffi-devel",
        "_ssl": "openssl-devel",
        "_lzma": "xz-devel",
        "_bz2": "bzip2-devel",
        "_sqlite3": "sqlite-devel",
        "readline": "readline-devel",
        "zlib": "zlib-devel",
    },
    "arch": {
        "_ctypes": "libffi",
        "_ssl": "openssl",
        "_lzma": "xz",
        "_bz2": "bzip2",
        "_sqlite3": "sqlite",
        "readline": "readline",
        "zlib": "zlib",
    },
    "alpine": {
        "_ctypes": "libffi-dev",
        "_ssl": "openssl-dev",
        "_lzma": "xz-dev",
        "_bz2": "bzip2-dev",
        "_sqlite3": "sqlite-dev",
        "readline": "readline-dev",
        "zlib": "zlib-dev",
    },
    "suse": {
        "_ctypes": "libffi-devel",
        "_ssl": "libopenssl-devel",
        "_lzma": "xz-devel",
        "_bz2": "libbz2-devel",
        "_sqlite3": "sqlite3-devel",
        "readline": "readline-devel",
        "zlib": "zlib-devel",
    },
    "macos": {
        "_ctypes": "libffi",
        "_ssl": "openssl@3",
        "_lzma": "xz",
        "_bz2": "bzip2",
        "_sqlite3": "sqlite",
        "readline": "readline",
        "zlib": "zlib",
    },
}

#: Shared libraries that Python packages expect from the operating system, by the beginning of their names.
SHARED_LIBRARIES = {
    "libGL.so": {
        "debian": "libgl1",
        "fedora": "mesa-libGL",
        "arch": "libglvnd",
        "alpine": "mesa-gl",
        "suse": "Mesa-libGL1",
    },
    "libgthread-2.0.so": {
        "debian": "libglib2.0-0",
        "fedora": "glib2",
        "arch": "glib2",
        "alpine": "glib",
        "suse": "glib2",
    },
    "libgomp.so": {
        "debian": "libgomp1",
        "fedora": "libgomp",
        "arch": "gcc-libs",
        "alpine": "libgomp",
        "suse": "libgomp1",
    },
    "libstdc++.so": {
        "debian": "libstdc++6",
        "fedora": "libstdc++",
        "arch": "gcc-libs",
        "alpine": "libstdc++",
        "suse": "libstdc++6",
    },
    "libsndfile.so": {
        "debian": "libsndfile1",
        "fedora": "libsndfile",
        "arch": "libsndfile",
        "alpine": "libsndfile",
        "suse": "libsndfile1",
    },
    "libopenblas.so": {
        "debian": "libopenblas0",
        "fedora": "openblas",
        "arch": "openblas",
        "alpine": "openblas",
        "suse": "libopenblas0",
    },
    "libnuma.so": {
        "debian": "libnuma1",
        "fedora": "numactl-libs",
        "arch": "numactl",
        "alpine": "numactl",
        "suse": "libnuma1",
    },
    "libatomic.so": {
        "debian": "libatomic1",
        "fedora": "libatomic",
        "arch": "gcc-libs",
        "alpine": "libatomic",
        "suse": "libatomic1",
    },
    "libgfortran.so": {
        "debian": "libgfortran5",
        "fedora": "libgfortran",
        "arch": "gcc-libs",
        "alpine": "libgfortran",
        "suse": "libgfortran5",
    },
}


def family(system: System) -> str:
    """`debian`, `fedora`, `arch`, `alpine`, `suse`, `macos`, `windows`, or empty."""
    if system.platform != "linux":
        return {"darwin": "macos", "win32": "windows"}.get(system.platform, "")
    text = system.read_text("/etc/os-release") or ""
    names: list[str] = []
    for key in ("ID", "ID_LIKE"):
        found = re.search(rf"(?m)^{key}=(.*)$", text)
        names += found.group(1).strip().strip("'\"").lower().split() if found else []
    if not names:  # the recorded or reported name of the system is better than nothing
        names = re.findall(r"[a-z]+", system.release.lower())
    return next((_FAMILIES[name] for name in names if name in _FAMILIES), "")


def install_command(system: System, *packages: str) -> tuple[Command, ...]:
    """How the system's package manager installs these; nothing where there is none that is known."""
    kind = family(system)
    if not packages:
        return ()
    if kind == "macos":
        return (command(system, "brew", "install", *packages),)
    if kind not in _INSTALL:
        return ()
    return (command(system, *as_administrator(system), *_INSTALL[kind], *packages),)


def as_administrator(system: System) -> tuple[str, ...]:
    """`sudo`, but for root, who often has none."""
    return () if system.user_name == "root" else ("sudo",)
