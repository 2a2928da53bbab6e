"""PyCharm on Windows: JetBrains' own installer, without questions and for this person alone.

What the installer reads is described in `platform/build-scripts/resources/win/nsis/silent.config` of
JetBrains/intellij-community.
"""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.environment.system import System

_INSTALL_S = 1800.0
_CONFIGURATION = """mode=user
launcher64=1
updatePATH=0
updateContextMenu=0
regenerationSharedArchive=1
"""


def place(version: str, system: System) -> Path:
    local = system.environ.get("LOCALAPPDATA") or f"{system.home}/AppData/Local"
    return Path(local) / "Programs" / f"PyCharm {version}"


def install(archive: Path, target: Path, version: str, system: System) -> tuple[Path, list[str]]:  # noqa: ARG001
    """Run the installer; it needs no administrator in the mode `user`.

    Raises:
        NewmodelError: If it did not succeed.
    """
    configuration = archive.with_name("silent.config")
    configuration.write_text(_CONFIGURATION, encoding="ascii")
    try:
        result = system.run(arguments(archive, configuration, target), timeout=_INSTALL_S)
    finally:
        configuration.unlink(missing_ok=True)
    launcher = target / "bin" / "pycharm64.exe"
    if not result.ok or not system.exists(launcher):
        reason = (
            _("it did not end in time")
            if result.problem == "timeout"
            else _("exit code {code}").format(code=result.returncode)
        )
        raise NewmodelError(
            _("JetBrains' installer did not install PyCharm ({reason}); start it by hand: {path}").format(
                reason=reason, path=archive
            )
        )
    return launcher, [_("It is in the start menu as “PyCharm”; remove it in Settings → Apps.")]


def arguments(archive: Path, configuration: Path, target: Path) -> list[str]:
    """The installer through PowerShell.

    `/D=` must come last and without quotes, even where the path has spaces: no list of words says that, so PowerShell
    hands over one text.
    """
    words = f'/S "/CONFIG={PureWindowsPath(str(configuration))}" /D={PureWindowsPath(str(target))}'
    script = (
        f"exit (Start-Process -Wait -PassThru -FilePath {_quoted(str(PureWindowsPath(str(archive))))} "
        f"-ArgumentList {_quoted(words)}).ExitCode"
    )
    return ["powershell", "-NoProfile", "-NonInteractive", "-Command", script]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
