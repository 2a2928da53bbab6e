"""Where is PyCharm, which version, with how much memory?"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from scaffolder.environment.facts import Finding, PyCharm, command, newest_first
from scaffolder.environment.system import System
from scaffolder.messages import _

_PROCESSES = {"pycharm", "pycharm.sh", "pycharm64.exe", "pycharm.exe", "pycharm64"}

# a macOS or Linux program; {home} is the person's folder
_PLACES = {
    "linux": (
        "{home}/.local/share/JetBrains/Toolbox/apps/pycharm*/product-info.json",
        "{home}/.local/share/JetBrains/Toolbox/apps/PyCharm*/ch-*/*/product-info.json",
        "/opt/pycharm*/product-info.json",
        "/usr/local/pycharm*/product-info.json",
        "{home}/pycharm*/product-info.json",
        "{home}/.local/share/newmodel/pycharm*/product-info.json",
        "/snap/pycharm-*/current/product-info.json",
        "/snap/pycharm/current/product-info.json",
        "/var/lib/flatpak/app/com.jetbrains.PyCharm*/current/active/files/extra/product-info.json",
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
    ),
}


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Every installation, newest first, and whether one runs."""
    found: dict[str, PyCharm] = {}
    for path in _product_files(system):
        installation = _read(system, path)
        if installation is not None:
            found.setdefault(system.real_path(installation.folder), installation)
    installations = sorted(found.values(), key=lambda one: newest_first(one.version), reverse=True)
    running = any(name.lower() in _PROCESSES for name in system.processes())
    findings = []
    if not installations:
        findings.append(
            Finding(
                code="NM501",
                severity="note",
                what=_("PyCharm was not found."),
                meaning=_("The project works without it; its run configurations wait for it."),
                commands=(command(system, "newmodel", "pycharm", "install"),),
            )
        )
    return {"pycharm": tuple(installations), "pycharm_running": running}, findings


def _product_files(system: System) -> list[str]:
    values = {"home": str(system.home), "ProgramFiles": "C:/Program Files", "LOCALAPPDATA": ""}
    values.update({name: value for name, value in system.environ.items() if name in values})
    values["LOCALAPPDATA"] = values["LOCALAPPDATA"] or f"{system.home}/AppData/Local"
    files: list[str] = []
    for pattern in _PLACES.get(system.platform, _PLACES["linux"]):
        files += system.glob(pattern.format(**values))
    # unpacked anywhere, with a launcher on PATH
    for name in ("pycharm", "charm", "pycharm.sh", "pycharm-professional", "pycharm-community"):
        launcher = system.which(name)
        if launcher is not None:
            folder = _pure(system)(system.real_path(launcher)).parent.parent
            candidate = str(folder / "product-info.json")
            if system.exists(candidate):
                files.append(candidate)
    return list(dict.fromkeys(files))


def _read(system: System, path: str) -> PyCharm | None:
    try:
        product = json.loads(system.read_text(path) or "")
        if product.get("productCode") not in ("PY", "PC", "PE"):
            return None
        launch = product["launch"][0]
        base = _pure(system)(path).parent
        # macOS keeps the file in Contents/Resources, and the paths in it begin there
        launcher = str(base / launch["launcherPath"])
        options = str(base / launch.get("vmOptionsFilePath", ""))
        configuration = _configuration(system, str(product.get("dataDirectoryName", "")))
        return PyCharm(
            folder=str(base.parent.parent if system.platform == "darwin" else base),
            launcher=launcher,
            version=str(product.get("version", "")),
            edition="PyCharm Community" if product["productCode"] == "PC" else "PyCharm",
            configuration=configuration,
            heap=_heap(system, configuration, options),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _configuration(system: System, name: str) -> str:
    if not name:
        return ""
    folder = {
        "darwin": system.home / "Library" / "Application Support" / "JetBrains",
        "win32": Path(system.environ.get("APPDATA", str(system.home / "AppData" / "Roaming")), "JetBrains"),
    }.get(system.platform, Path(system.environ.get("XDG_CONFIG_HOME", str(system.home / ".config")), "JetBrains"))
    path = str(folder / name)
    return path if system.exists(path) else ""


def _heap(system: System, configuration: str, default_options: str) -> int | None:
    """The person's own options go before those of the installation."""
    own = [
        text
        for name in ("pycharm64.vmoptions", "pycharm.vmoptions", "pycharm64.exe.vmoptions")
        if configuration and (text := system.read_text(f"{configuration}/{name}"))
    ]
    for text in [*own, system.read_text(default_options) or ""]:
        match = re.search(r"^-Xmx(\d+)([mMgG])", text, re.MULTILINE)
        if match:
            return int(match.group(1)) * (1024 if match.group(2) in "gG" else 1)
    return None


def _pure(system: System) -> type[PurePath]:
    return PureWindowsPath if system.platform == "win32" else PurePosixPath
