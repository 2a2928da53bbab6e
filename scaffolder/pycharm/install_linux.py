"""PyCharm on Linux: its archive in a folder of the person's own, a place in the menu, a command."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.pycharm import text_file
from scaffolder.pycharm.unpack import unpack

if TYPE_CHECKING:
    from scaffolder.environment.system import System

#: Says in a menu entry that newmodel made it, and may make it anew.
_MARK = "X-Newmodel=true"


def check(system: System) -> None:
    """
    Raises:
        NewmodelError: If JetBrains' builds cannot run on this Linux.
    """
    musl = any(system.exists(f"/lib/ld-musl-{name}.so.1") for name in ("x86_64", "aarch64"))
    glibc = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
    if musl and not any(system.exists(path) for path in glibc):
        raise NewmodelError(
            _("PyCharm needs a Linux with glibc, and this one has musl (Alpine): work from another machine over SSH.")
        )


def hints(system: System) -> list[str]:
    """What to know before installing here."""
    if "microsoft" in (system.read_text("/proc/version") or "").lower():
        return [_("This is Linux inside Windows (WSL): better install PyCharm on Windows, it opens projects in here.")]
    if not (system.environ.get("DISPLAY") or system.environ.get("WAYLAND_DISPLAY")):
        return [
            _("There is no graphical display here: PyCharm on your own computer can work on this machine over SSH.")
        ]
    return []


def place(version: str, system: System) -> Path:
    """Where it goes: a folder that is also searched for installations."""
    return system.home / ".local" / "share" / "newmodel" / f"pycharm-{version}"


def install(archive: Path, target: Path, version: str, system: System) -> tuple[Path, list[str]]:
    """Unpack beside the target, look at it, move it there; the launcher, and what else was made.

    Raises:
        NewmodelError: If the archive is damaged, hostile, or no PyCharm.
        OSError: If it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}.unpacking-"
    for old in target.parent.glob(f"{prefix}*"):  # of a process that was killed: the download's lock is ours
        shutil.rmtree(old, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    try:
        folder = staging / "pycharm"
        unpack(archive, folder)
        _check(folder, version)
        if target.is_dir():
            target.rmdir()  # an empty one that the person made
        folder.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    product = json.loads((target / "product-info.json").read_text(encoding="utf-8"))
    launcher = target / product["launch"][0]["launcherPath"]
    return launcher, [*_menu_entry(launcher, target, product, system), *_command(launcher, target, system)]


def _check(folder: Path, version: str) -> None:
    """
    Raises:
        NewmodelError: If what was unpacked is not the PyCharm that was promised.
    """
    try:
        product = json.loads((folder / "product-info.json").read_text(encoding="utf-8"))
        launcher = folder / product["launch"][0]["launcherPath"]
        fits = product["productCode"] in ("PY", "PC") and product["version"] == version and launcher.is_file()
        inside = folder.resolve() in launcher.resolve().parents
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        fits = inside = False
    if not (fits and inside):
        raise NewmodelError(
            _("The archive does not hold PyCharm {version}; nothing was installed.").format(version=version)
        )


def _menu_entry(launcher: Path, target: Path, product: dict[str, object], system: System) -> list[str]:
    data = Path(system.environ.get("XDG_DATA_HOME") or system.home / ".local" / "share")
    path = data / "applications" / "jetbrains-pycharm.desktop"
    try:
        if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
            return [_("The menu entry {path} is there already and was left as it is.").format(path=path)]
        path.parent.mkdir(parents=True, exist_ok=True)
        text_file.write(path, _desktop_file(launcher, target, product).encode("utf-8"))
    except OSError as error:
        return [_("No menu entry was made: {reason}.").format(reason=error.strerror)]
    return [_("Menu entry: {path}").format(path=path)]


def _desktop_file(launcher: Path, target: Path, product: dict[str, object]) -> str:
    """After the Desktop Entry Specification; PyCharm itself makes one of this name."""
    icon = next((one for one in ("svg", "png") if (target / "bin" / f"pycharm.{one}").exists()), None)
    launch = product["launch"]
    first = launch[0] if isinstance(launch, list) else {}
    window = first.get("startupWmClass", "jetbrains-pycharm") if isinstance(first, dict) else "jetbrains-pycharm"
    lines = [
        "[Desktop Entry]",
        "Version=1.0",
        "Type=Application",
        f"Name={_escaped(str(product.get('name', 'PyCharm')))}",
        "Comment=Python IDE",
        f"Exec={_exec_word(str(launcher))} %f",
        *([f"Icon={_escaped(str(target / 'bin' / f'pycharm.{icon}'))}"] if icon else []),
        "Categories=Development;IDE;",
        "Terminal=false",
        f"StartupWMClass={_escaped(str(window))}",
        "StartupNotify=true",
        _MARK,
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _exec_word(word: str) -> str:
    """One word of Exec: in double quotes, and then escaped once more as every text of the file is."""
    for character in '\\"`$':
        word = word.replace(character, "\\" + character)
    return _escaped(f'"{word}"').replace("%", "%%")


def _command(launcher: Path, target: Path, system: System) -> list[str]:
    """`pycharm` in ~/.local/bin, where the shell looks there."""
    folder = system.home / ".local" / "bin"
    if str(folder) not in system.environ.get("PATH", "").split(os.pathsep):
        return []
    link = folder / "pycharm"
    try:
        if link.is_symlink():
            # ours, of another version: it points beside the target
            if link.readlink().parent.parent.parent != target.parent:
                return []
            link.unlink()
        elif link.exists():
            return []
        folder.mkdir(parents=True, exist_ok=True)
        link.symlink_to(launcher)
    except OSError:
        return []
    return [_("Command: pycharm ({path})").format(path=link)]
