"""Where PyCharm keeps a person's settings, and whether one runs now.

A running PyCharm writes its settings when it ends, over whatever another program wrote meanwhile.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.environment.system import System


def configuration_folders(system: System) -> list[Path]:
    """The configuration folders of all PyCharm versions that have run here, newest last."""
    if system.platform == "win32":
        roots = [Path(system.environ.get("APPDATA") or system.home / "AppData/Roaming")]
    elif system.platform == "darwin":
        roots = [system.home / "Library/Application Support"]
    else:
        roots = [Path(system.environ.get("XDG_CONFIG_HOME") or system.home / ".config")]
        # flatpak gives every program a folder of its own
        sandboxes = system.glob(f"{_literal(system.home)}/.var/app/com.jetbrains.PyCharm*/config")
        roots += [Path(path) for path in sandboxes]
    found = [path for root in roots for path in system.glob(f"{_literal(root)}/JetBrains/PyCharm*/options")]
    if system.platform == "win32":
        found = [path.replace("\\", "/") for path in found]
    return [Path(path).parent for path in sorted(found, key=lambda path: (_version(path), path))]


def pycharm_runs(system: System) -> bool:
    """True if a PyCharm runs, as far as one can see: by name, or by the lock in a configuration folder."""
    if any(re.match(r"pycharm(64)?(\.sh|\.exe)?$", name.lower()) for name in system.processes()):
        return True
    return any(_locked(folder / ".lock", system) for folder in configuration_folders(system))


def refuse_while_running(system: System) -> None:
    """
    Raises:
        NewmodelError: If PyCharm runs.
    """
    if pycharm_runs(system):
        raise NewmodelError(
            _("PyCharm is running and would write over the change when it ends: close it, then try again."),
            exit_code=ExitCode.FINDING,
        )


def _literal(path: Path) -> str:
    """A path as a beginning of a pattern: a bracket in a person's name is no pattern."""
    return re.sub(r"([\[*?])", r"[\1]", path.as_posix())


def _version(path: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", Path(path).parent.name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _locked(lock: Path, system: System) -> bool:
    """Whether the program that wrote its number into the lock is still there.

    The lock is removed at the end, but not after a crash; PyCharm then looks for the program of that number as well
    (`DirectoryLock.lockDirectory` in JetBrains/intellij-community).
    """
    if not system.exists(lock):
        return False
    number = (system.read_text(lock) or "").strip()
    if not number.isdecimal():
        return True
    if system.platform == "linux":
        if not system.exists("/proc/self"):
            return True
        name: str | None = (system.read_text(f"/proc/{number}/comm") or "").strip()
    elif system.platform == "win32":
        name = _first_word(system, ["tasklist", "/FI", f"PID eq {number}", "/FO", "CSV", "/NH"])
    else:
        name = _first_word(system, ["ps", "-p", number, "-o", "comm="])
    if name is None:
        return True
    return bool(re.search(r"(java|pycharm(64)?)(\.exe|\.sh)?$", name.lower()))


def _first_word(system: System, arguments: list[str]) -> str | None:
    """The program's name in the answer; None if the tool itself failed."""
    result = system.run(arguments)
    if result.returncode is None:
        return None
    return result.stdout.strip().split(",")[0].strip('" ')
