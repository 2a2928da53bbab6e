"""Where is PyCharm, which version, with how much memory, and are its settings in order?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from scaffolder.environment.facts import Finding, PyCharm, Report, command, consented, newest_first
from scaffolder.environment.hardware.machine import GIB, size
from scaffolder.environment.ide.pycharm_places import product_files, pure
from scaffolder.environment.ide.xml_text import problem_of
from scaffolder.environment.system import System
from scaffolder.messages import _

_PROCESSES = {"pycharm", "pycharm.sh", "pycharm64.exe", "pycharm.exe", "pycharm64"}

#: The first version whose editor and debugger know Python 3.13, which new projects may get.
OLDEST = (2024, 3)

#: A heap below this part of the one that suits the machine is worth changing.
_MUCH_SMALLER = 0.6


def recommended_heap(memory: int) -> int:
    """Megabytes of PyCharm's heap (`-Xmx`) that suit a machine with `memory` bytes.

    A framework's packages are some tens of thousands of files, for whose index PyCharm's own default of 2048 is tight.
    An eighth of the memory, but no less than 1024 and no more than 4096: the rest is for training, and a larger heap
    makes PyCharm no faster. Rounded to 256.
    """
    eighth = memory / 8 / 1024**2
    floor = 2048 if memory > 7 * GIB else 1024
    return int(min(4096, max(floor, round(eighth / 256) * 256)))


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Every installation, newest first, and whether one runs."""
    memory = system.memory()
    wanted = recommended_heap(memory[0]) if memory else None
    found: dict[str, PyCharm] = {}
    for path in product_files(system):
        installation = _read(system, path)
        if installation is not None:
            found.setdefault(system.real_path(installation.folder), replace(installation, heap_wanted=wanted))
    installations = sorted(found.values(), key=lambda one: newest_first(one.version), reverse=True)
    running = any(name.lower() in _PROCESSES for name in system.processes())
    return {"pycharm": tuple(installations), "pycharm_running": running}, _settings(system, installations)


def judge(report: Report) -> list[Finding]:
    """Whether there is one, of a version that does, with a heap that suits the machine."""
    if not report.pycharm:
        return [
            Finding(
                code="NM501",
                severity="note",
                what=_("PyCharm was not found."),
                meaning=_("The project works without it; its run configurations wait for it."),
                commands=(command(report, "newmodel", "pycharm", "install"),),
            )
        ]
    newest = report.pycharm[0]
    return [*_old(report, newest), *_heap_findings(report, newest)]


def _old(report: Report, newest: PyCharm) -> list[Finding]:
    version = tuple(int(part) for part in re.findall(r"\d{1,6}", newest.version, re.ASCII)[:2])
    if not version or version >= OLDEST:
        return []
    return [
        Finding(
            code="NM507",
            severity="note",
            what=_("PyCharm {version} is old.").format(version=newest.version),
            meaning=_("It does not know the newest Python: it may mark good code as wrong, and stop at no breakpoint."),
            advice=_(
                "Update it the way it was installed, or install the newest beside it; the settings are taken over."
            ),
            commands=(command(report, "newmodel", "pycharm", "install"),),
        )
    ]


def _heap_findings(report: Report, newest: PyCharm) -> list[Finding]:
    heap, wanted, memory = newest.heap, newest.heap_wanted, report.hardware.memory_installed
    if heap is None or wanted is None:
        return []
    if heap < wanted * _MUCH_SMALLER:
        what = _("PyCharm may use {heap} MB of memory; {wanted} MB suit this machine.").format(heap=heap, wanted=wanted)
        meaning = _("It gets slow, or stops for seconds, while it indexes a framework's packages.")
    elif memory is not None and heap * 1024**2 > memory // 2 and heap > wanted:
        what = _("PyCharm may use {heap} MB, more than half of this machine's {memory} of memory.").format(
            heap=heap, memory=size(memory)
        )
        meaning = _("That memory is missing while a model trains.")
    else:
        return []
    return [
        Finding(
            code="NM502",
            severity="slows",
            what=what,
            meaning=meaning,
            advice=_("Close PyCharm first; newmodel keeps a copy of the old setting."),
            commands=(consented(report, "newmodel", "pycharm", "tune"),),
        )
    ]


def _settings(system: System, installations: list[PyCharm]) -> list[Finding]:
    """Damaged files among those that newmodel and PyCharm both need, and folders that cannot be written."""
    findings = []
    for one in installations:
        if not one.configuration:
            continue
        if not system.writable(one.configuration):
            findings.append(
                _damaged(
                    _("PyCharm's settings cannot be written ({path}).").format(path=one.configuration),
                    _("PyCharm forgets what is set there, and newmodel cannot register an interpreter."),
                    _("Give the folder back to yourself; it was probably made by a PyCharm started with sudo."),
                )
            )
        table = f"{one.configuration}/options/jdk.table.xml"
        text = system.read_text(table)
        problem = problem_of(text) if text is not None else _unreadable(system, table)
        if problem:
            backup = f"{table}.before-newmodel"
            findings.append(
                _damaged(
                    _("PyCharm's list of interpreters is damaged ({path}: {problem}).").format(
                        path=table, problem=problem
                    ),
                    _("PyCharm shows “Invalid interpreter”, or makes a new list and forgets the old one."),
                    _("Close PyCharm, and put the copy in its place: {path}.").format(path=backup)
                    if system.exists(backup)
                    else _(
                        "Close PyCharm and rename the file; PyCharm makes a new one, and you choose interpreters anew."
                    ),
                )
            )
    return findings


def _damaged(what: str, meaning: str, advice: str) -> Finding:
    return Finding(code="NM508", severity="note", what=what, meaning=meaning, advice=advice)


def _unreadable(system: System, path: str) -> str:
    return _("it cannot be read") if system.exists(path) else ""


def _read(system: System, path: str) -> PyCharm | None:
    try:
        product = json.loads(system.read_text(path) or "")
        if product.get("productCode") not in ("PY", "PC", "PE"):
            return None
        launch = product["launch"][0]
        base = pure(system)(path).parent
        # macOS keeps the file in Contents/Resources, and the paths in it begin there
        launcher = str(base / launch["launcherPath"])
        options = str(base / launch.get("vmOptionsFilePath", ""))
        folder = str(base.parent.parent if system.platform == "darwin" else base)
        configuration = _configuration(system, str(product.get("dataDirectoryName", "")), folder)
        return PyCharm(
            folder=folder,
            launcher=launcher,
            version=str(product.get("version", "")),
            build=str(product.get("buildNumber", "")),
            edition="PyCharm Community" if product["productCode"] == "PC" else "PyCharm",
            source=_source(folder),
            configuration=configuration,
            heap=_heap(system, configuration, folder, options),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None


def _source(folder: str) -> str:
    path = folder.replace("\\", "/")
    for part, source in (("/Toolbox/", "toolbox"), ("/snap/", "snap"), ("/flatpak/", "flatpak")):
        if part in path:
            return source
    return ""


def _configuration(system: System, name: str, folder: str) -> str:
    if not name:
        return ""
    home = str(system.home)
    flatpak = re.search(r"/flatpak/app/([\w.-]+)/", folder)
    roots = {
        "darwin": f"{home}/Library/Application Support",
        "win32": system.environ.get("APPDATA") or f"{home}/AppData/Roaming",
    }
    root = roots.get(system.platform, system.environ.get("XDG_CONFIG_HOME") or f"{home}/.config")
    if flatpak:  # it gives every program a folder of its own
        root = f"{home}/.var/app/{flatpak.group(1)}/config"
    path = f"{root}/JetBrains/{name}"
    return path if system.exists(path) else ""


def _heap(system: System, configuration: str, folder: str, default_options: str) -> int | None:
    """The person's own options go before those of the installation."""
    own = [f"{configuration}/{name}" for name in _OPTION_FILES if configuration]
    named = system.environ.get("PYCHARM_VM_OPTIONS", "")
    for path in filter(None, [named, f"{folder}.vmoptions", *own, default_options]):
        match = re.search(r"^\s*-Xmx(\d{1,7})([mMgG])", system.read_text(path) or "", re.MULTILINE | re.ASCII)
        if match:
            return int(match.group(1)) * (1024 if match.group(2) in "gG" else 1)
    return None


#: Linux, macOS and Windows, in this order.
_OPTION_FILES = ("pycharm64.vmoptions", "pycharm.vmoptions", "pycharm64.exe.vmoptions")
