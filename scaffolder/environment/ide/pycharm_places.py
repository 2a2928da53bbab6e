"""Where PyCharm may be installed: the usual folders, JetBrains Toolbox, the Windows registry, and PATH."""

from __future__ import annotations

import json
import re
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from scaffolder.environment.system import System

# each with the file that says what an installation is; {home} is the person's folder
_PLACES = {
    "linux": (
        "{home}/.local/share/JetBrains/Toolbox/apps/pycharm*/product-info.json",
        "{home}/.local/share/JetBrains/Toolbox/apps/PyCharm*/ch-*/*/product-info.json",
        "/opt/pycharm*/product-info.json",
        "/opt/jetbrains/pycharm*/product-info.json",
        "/usr/local/pycharm*/product-info.json",
        "/usr/share/pycharm*/product-info.json",
        "{home}/pycharm*/product-info.json",
        "{home}/.local/share/newmodel/pycharm*/product-info.json",
        "/snap/pycharm-*/current/product-info.json",
        "/snap/pycharm/current/product-info.json",
        "/var/lib/flatpak/app/com.jetbrains.PyCharm*/current/active/files/extra/product-info.json",
        "{home}/.local/share/flatpak/app/com.jetbrains.PyCharm*/current/active/files/extra/product-info.json",
    ),
    "darwin": (
        "/Applications/PyCharm*.app/Contents/Resources/product-info.json",
        "{home}/Applications/PyCharm*.app/Contents/Resources/product-info.json",
        "{home}/Applications/JetBrains Toolbox/PyCharm*.app/Contents/Resources/product-info.json",
    ),
    "win32": (
        "{ProgramFiles}/JetBrains/PyCharm*/product-info.json",
        "{LOCALAPPDATA}/Programs/PyCharm*/product-info.json",
        "{LOCALAPPDATA}/JetBrains/Toolbox/apps/PyCharm*/ch-*/*/product-info.json",
        "{LOCALAPPDATA}/newmodel/pycharm*/product-info.json",
    ),
}

#: Where JetBrains Toolbox notes what it installed (version 2); its tools may lie anywhere.
_TOOLBOX = {
    "linux": "{home}/.local/share/JetBrains/Toolbox/state.json",
    "darwin": "{home}/Library/Application Support/JetBrains/Toolbox/state.json",
    "win32": "{LOCALAPPDATA}/JetBrains/Toolbox/state.json",
}

_UNINSTALL = (
    r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall",
)


def product_files(system: System) -> list[str]:
    """`product-info.json` of everything that may be a PyCharm, each path once."""
    values = {name: _literal(value) for name, value in _folders(system).items()}
    files: list[str] = []
    for pattern in _PLACES.get(system.platform, _PLACES["linux"]):
        files += system.glob(pattern.format(**values))
    folders = [*_of_toolbox(system), *_of_the_registry(system), *_of_path(system)]
    for folder in folders:
        inner = "/Contents/Resources/product-info.json" if folder.rstrip("/").endswith(".app") else "/product-info.json"
        path = folder.rstrip("/\\") + inner
        if system.exists(path):
            files.append(path)
    return list(dict.fromkeys(files))


def pure(system: System) -> type[PurePath]:
    """Paths as they are written on that machine."""
    return PureWindowsPath if system.platform == "win32" else PurePosixPath


def _folders(system: System) -> dict[str, str]:
    environ, home = system.environ, str(system.home)
    return {
        "home": home,
        "ProgramFiles": environ.get("ProgramFiles") or environ.get("PROGRAMFILES") or "C:/Program Files",
        "LOCALAPPDATA": environ.get("LOCALAPPDATA") or f"{home}/AppData/Local",
    }


def _literal(path: str) -> str:
    """A path as a beginning of a pattern: a bracket in a person's name is no pattern."""
    return re.sub(r"([\[*?])", r"[\1]", path)


def _of_toolbox(system: System) -> list[str]:
    try:
        state = json.loads(system.read_text(_TOOLBOX.get(system.platform, "").format(**_folders(system))) or "")
        return [
            str(tool["installLocation"])
            for tool in state["tools"]
            if tool.get("productCode") in ("PY", "PC") or str(tool.get("toolId", "")).lower().startswith("pycharm")
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _of_the_registry(system: System) -> list[str]:
    """The installer names its key `PyCharm 2026.1.2`, so the rest need not be read."""
    if system.platform != "win32":
        return []
    found = []
    for place in _UNINSTALL:
        keys = system.run(["reg", "query", place], timeout=2.0).stdout.splitlines()
        for key in keys:
            if key.strip().rpartition("\\")[2].lower().startswith("pycharm"):
                answer = system.run(["reg", "query", key.strip(), "/v", "InstallLocation"], timeout=2.0).stdout
                match = re.search(r"InstallLocation\s+REG_SZ\s+(\S.*?)\s*$", answer, re.MULTILINE)
                if match:
                    found.append(match.group(1).strip('"'))
    return found


def _of_path(system: System) -> list[str]:
    """Unpacked anywhere, with a launcher on PATH."""
    names = ("pycharm", "charm", "pycharm.sh", "pycharm-professional", "pycharm-community", "pycharm64")
    launchers = [launcher for name in names if (launcher := system.which(name)) is not None]
    return [str(pure(system)(system.real_path(launcher)).parent.parent) for launcher in launchers]
