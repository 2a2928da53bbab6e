"""Paths that tools stumble over: too long for Windows, or with letters that some libraries cannot read there."""

from __future__ import annotations

from scaffolder.environment.facts import Command, Finding
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Windows' limit without long paths, the closing zero not counted.
MAX_PATH = 259

#: `\\.venv\\Lib\\site-packages\\` and the longest path that torch 2.13 has there (a licence), measured.
_BELOW_PROJECT = 25 + 171


def awkward_names(system: System, project: str, *, long_paths: bool | None) -> list[Finding]:
    """What the project's path, and the person's own folder, do to tools."""
    if system.platform != "win32":
        return []
    return [*_too_long(project, long_paths), *_other_letters(system, project)]


def _too_long(project: str, long_paths: bool | None) -> list[Finding]:
    if long_paths is not False:
        return []
    enable = Command(line='Set-ItemProperty "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\FileSystem" LongPathsEnabled 1')
    too_long = len(project) + _BELOW_PROJECT > MAX_PATH
    return [
        Finding(
            code="NM309",
            severity="blocks" if too_long else "note",
            what=_("Windows allows no paths of more than 260 characters here, and the project's has {count}.").format(
                count=len(project)
            ),
            meaning=_(
                "The frameworks have files whose names are too long below it: installing them ends with “No such "
                "file or directory”."
            )
            if too_long
            else _("Below a longer folder than this, installing a framework fails."),
            advice=_("In a PowerShell of the administrator, then restart; or use a shorter folder, such as C:\\ml.")
            if too_long
            else _("To allow them, in a PowerShell of the administrator, then restart:"),
            commands=(enable,),
        )
    ]


def _other_letters(system: System, project: str) -> list[Finding]:
    home = str(system.home)
    if project.isascii() and home.isascii():
        return []
    findings = []
    if not project.isascii():
        findings.append(
            Finding(
                code="NM310",
                severity="note",
                what=_("The project's path has letters beyond A to Z: {path}.").format(path=project),
                meaning=_(
                    "Python reads it, but some libraries in C do not on Windows: OpenCV's imread, SentencePiece, "
                    "TensorFlow's files and compilers such as torch.compile's."
                ),
                advice=_("Put the project in a folder such as C:\\ml."),
            )
        )
    if not home.isascii():
        findings.append(
            Finding(
                code="NM310",
                severity="note",
                what=_("Your own folder has letters beyond A to Z: {path}.").format(path=home),
                meaning=_(
                    "Temporary files and downloaded models go there: scikit-learn with several processes ends with "
                    "“UnicodeEncodeError: 'ascii' codec”, and some models do not load."
                ),
                advice=_("You need no new user: name other folders for them, then open a new terminal and PyCharm."),
                commands=tuple(
                    Command(line=f'setx {name} "{folder}"')
                    for name, folder in (
                        ("HF_HOME", "C:\\ml\\huggingface"),
                        ("JOBLIB_TEMP_FOLDER", "C:\\ml\\tmp"),
                        ("TORCHINDUCTOR_CACHE_DIR", "C:\\ml\\inductor"),
                    )
                ),
            )
        )
    return findings
