"""PyCharm on macOS: the application out of JetBrains' disk image, in the person's own Applications folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.environment.system import System

_COPY_S = 900.0


def place(version: str, system: System) -> Path:
    """`PyCharm.app`, or with the version in its name beside another one."""
    folder = system.home / "Applications"
    plain = folder / "PyCharm.app"
    return plain if not plain.exists() else folder / f"PyCharm {version}.app"


def install(archive: Path, target: Path, version: str, system: System) -> tuple[Path, list[str]]:  # noqa: ARG001
    """Copy the application out of the image beside the target, then move it there.

    `ditto` keeps the signature, which a plain copy may not.

    Raises:
        NewmodelError: If the image holds no PyCharm, or macOS does not take its signature.
        OSError: If it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.installing-", dir=target.parent))
    mounted = staging / "image"
    mounted.mkdir()
    try:
        _run(
            system,
            ["hdiutil", "attach", "-nobrowse", "-readonly", "-noautoopen", "-mountpoint", str(mounted), str(archive)],
        )
        try:
            application = next(iter(system.glob(f"{mounted}/PyCharm*.app")), None)
            if application is None:
                raise NewmodelError(_("{name} holds no PyCharm; nothing was installed.").format(name=archive.name))
            copied = staging / "PyCharm.app"
            _run(system, ["ditto", application, str(copied)])
        finally:
            system.run(["hdiutil", "detach", str(mounted), "-force"], timeout=60)
        _run(system, ["codesign", "--verify", "--strict", str(copied)])
        copied.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target / "Contents" / "MacOS" / "pycharm", [_("It is in Launchpad and in Spotlight as “PyCharm”.")]


def _run(system: System, arguments: list[str]) -> None:
    result = system.run(arguments, timeout=_COPY_S)
    if not result.ok:
        words = (result.stderr.strip() or result.stdout.strip() or result.problem).splitlines()
        raise NewmodelError(
            _("{tool} failed, and PyCharm was not installed: {reason}").format(
                tool=arguments[0], reason=words[-1] if words else _("no reason was given")
            )
        )
