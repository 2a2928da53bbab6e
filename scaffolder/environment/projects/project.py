"""A project's folder: does its environment agree with pyproject.toml, is its data there, do its files compile?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Command, Finding, ProjectState, Report, command, project_python
from scaffolder.environment.frameworks.inventory import Inventory, Misfit, misfits, take_inventory
from scaffolder.environment.projects.project_files import check_configurations, check_shadows, check_sources
from scaffolder.environment.projects.project_runs import judge_run, last_run
from scaffolder.environment.projects.project_settings import ProjectSettings, project_settings
from scaffolder.environment.system import System
from scaffolder.messages import _, ngettext

ANSWERS = ".copier-answers.yml"

#: Lies in `.venv` while newmodel installs (scaffolder/install/environment.py).
_UNFINISHED = "newmodel-unfinished"


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """What is so in a folder, whether newmodel made it or not."""
    settings = project_settings(system, folder)
    known = system.exists(folder / ANSWERS)
    state = _environment(system, folder, settings)
    inventory = take_inventory(system, folder) if state not in ("broken", "none") else None
    own = inventory if inventory is not None and (inventory.own or _is_active(system, inventory)) else None
    if own is not None and state in ("ready", "") and _wrong_python(own, settings):
        state = "wrong-python"
    files, compiled = check_sources(system, folder, own)
    findings = [
        *_unknown(folder, settings, known),
        *_damaged(settings),
        *(_misfits(system, folder, settings, own) if own is not None and state != "wrong-python" else ()),
        *check_configurations(system, folder),
        *compiled,
        *check_shadows(system, folder, inventory),
    ]
    facts = ProjectState(
        known=known,
        settings=settings.file,
        requires_python=settings.requires_python,
        environment=state,
        python=own.markers.get("python_full_version", "") if own is not None else "",
        installs=settings.installs(own.markers if own is not None else {"sys_platform": system.platform}),
        files=files,
        run=last_run(system, folder),
    )
    return {"project": facts}, findings


def judge(report: Report) -> list[Finding]:
    """The environment, with the Python of this machine that would serve it; and the newest training."""
    return [*_judge_environment(report), *judge_run(report)]


# --- the folder -------------------------------------------------------------------------------------------------------


def _unknown(folder: Path, settings: ProjectSettings, known: bool) -> Iterator[Finding]:
    if known:
        return
    yield Finding(
        code="NM619",
        severity="note",
        what=_("{folder} is not a project that newmodel made.").format(folder=folder),
        meaning=(
            _("Its packages and files are looked at all the same.")
            if settings.file
            else _("It names no packages, so nothing can be said about its environment.")
        ),
    )


def _damaged(settings: ProjectSettings) -> Iterator[Finding]:
    if settings.damaged:
        yield Finding(
            code="NM613",
            severity="blocks",
            what=_("{file} cannot be read: {words}.").format(file=settings.file, words=settings.damaged.rstrip(".")),
            meaning=_("Neither pip nor uv can install the project."),
        )


# --- the environment --------------------------------------------------------------------------------------------------


def _environment(system: System, folder: Path, settings: ProjectSettings) -> str:
    place = folder / ".venv"
    configuration = system.read_text(place / "pyvenv.cfg")
    python = project_python(folder, system.platform)
    if configuration is None and not system.exists(place / "pyvenv.cfg") and not system.exists(python):
        named_otherwise = any(system.exists(folder / name / "pyvenv.cfg") for name in ("venv", "env"))
        elsewhere = named_otherwise or system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX")
        return "" if elsewhere or not settings.file else "none"
    home = re.search(r"(?m)^home\s*=\s*(.+?)\s*$", configuration or "")
    if not system.exists(python) or (home is not None and not system.exists(home.group(1))):
        return "broken"
    if system.exists(place / _UNFINISHED):
        return "unfinished"
    return "moved" if _moved(system, folder) else "ready"


def _is_active(system: System, inventory: Inventory) -> bool:
    """Whether an interpreter is of the environment that the person has activated."""
    active = system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX")
    return bool(active) and inventory.python.startswith(active or "")


def _moved(system: System, folder: Path) -> bool:
    """Whether the environment's scripts were written for another place than the one where they are."""
    place = folder / ".venv"
    name = "Scripts/activate.bat" if system.platform == "win32" else "bin/activate"
    text = system.read_text(place / name) or ""
    found = re.search(r"""VIRTUAL_ENV=(['"]?)((?:/|[A-Za-z]:\\)[^'"\n$%]*)\1""", text)
    if found is None:
        return False
    written = found.group(2).strip()
    return system.real_path(written) != system.real_path(str(place))


def _wrong_python(inventory: Inventory, settings: ProjectSettings) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    version = inventory.markers.get("python_full_version", "")
    if not settings.requires_python or not version:
        return False
    try:
        return not SpecifierSet(settings.requires_python).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _misfits(system: System, folder: Path, settings: ProjectSettings, inventory: Inventory) -> Iterator[Finding]:
    found = misfits(inventory, settings.dependencies)
    if not found:
        return
    missing = [one for one in found if not one.installed]
    other = [one for one in found if one.installed]
    parts = []
    if missing:
        names = ", ".join(one.name for one in missing[:6]) + (" …" if len(missing) > 6 else "")
        parts.append(ngettext("{names} is missing", "{names} are missing", len(missing)).format(names=names))
    if other:
        parts.append(
            ", ".join(
                _("{name} {version} is not {requirement}").format(
                    name=one.name, version=one.installed, requirement=one.requirement
                )
                for one in other[:6]
            )
        )
    yield Finding(
        code="NM610",
        severity="slows",
        what=_("The environment does not agree with {file}: {list}.").format(
            file=Path(settings.file).name, list="; ".join(parts)
        ),
        meaning=_("Training fails where a missing package is needed, or behaves otherwise than it was tested."),
        commands=tuple(_agree(system, folder, settings, inventory, found)),
    )


def _agree(
    system: System, folder: Path, settings: ProjectSettings, inventory: Inventory, found: list[Misfit]
) -> Iterator[Command]:
    """uv makes all of the environment agree; pip is told the packages, and which index has the framework."""
    configuration = system.read_text(folder / ".venv" / "pyvenv.cfg") or ""
    by_uv = re.search(r"(?m)^uv\s*=", configuration) or system.exists(folder / "uv.lock")
    if by_uv and system.which("uv") is not None and settings.file.endswith("pyproject.toml"):
        yield command(system, "uv", "sync", "--project", str(folder), safe=True)
        return
    words = inventory.installer(system)
    index = settings.torch_index(inventory.markers)
    framework = [one.requirement for one in found if index and one.name == "torch"]
    rest = [one.requirement for one in found if one.requirement not in framework]
    if framework:
        yield command(system, *words, *framework, "--index-url", index, safe=True)
    if rest:
        yield command(system, *words, *rest, safe=True)


def _judge_environment(report: Report) -> Iterator[Finding]:
    state = report.project.environment
    if state in ("", "ready"):
        return
    if state == "none":
        yield Finding(
            code="NM611",
            severity="note",
            what=_("The project has no environment of its own yet."),
            meaning=_("Its packages are not installed, so nothing can be trained."),
            commands=tuple(_make(report, anew=False)),
        )
    elif state == "unfinished":
        yield Finding(
            code="NM610",
            severity="slows",
            what=_("The installation of the project's packages was interrupted."),
            meaning=_("Some packages are missing: programs of the project do not start."),
            commands=tuple(_make(report, anew=False)),
        )
    elif state == "broken":
        yield Finding(
            code="NM618",
            severity="blocks",
            what=_("The project's environment is broken: the Python that it was made from is gone."),
            meaning=_("No program of the project starts. That happens when Python is upgraded or removed."),
            commands=tuple(_make(report, anew=True)),
        )
    elif state == "moved":
        yield Finding(
            code="NM618",
            severity="slows",
            what=_("The project's folder was moved or copied after its environment was made."),
            meaning=_("Commands such as pip and tensorboard start in the old place, or not at all."),
            commands=tuple(_make(report, anew=True)),
        )
    elif state == "wrong-python":
        yield Finding(
            code="NM617",
            severity="blocks",
            what=_("The environment has Python {version}, but the project requires {required}.").format(
                version=report.project.python, required=report.project.requires_python
            ),
            meaning=_("Its packages were made for other versions: some are missing or fail."),
            commands=tuple(_make(report, anew=True)),
        )


def _make(report: Report, *, anew: bool) -> Iterator[Command]:
    """Make the environment and install the project, in its folder."""
    python = _python_for(report)
    yield Command(line=command(report, "cd", report.folder).line)
    pyproject = report.project.settings.endswith("pyproject.toml")
    if report.tools.uv is not None and pyproject:
        if anew:
            yield command(report, "uv", "venv", "--clear", *(("--python", python) if python else ()))
        yield command(report, "uv", "sync")
        return
    environment_python = ".venv\\Scripts\\python.exe" if report.platform == "win32" else ".venv/bin/python"
    yield command(report, python or "python3", "-m", "venv", *(("--clear",) if anew else ()), ".venv")
    yield command(report, environment_python, "-m", "pip", "install", "--upgrade", "pip")
    for words in report.project.installs:
        yield command(report, environment_python, "-m", "pip", "install", *words)


def _python_for(report: Report) -> str:
    """The newest interpreter here that the project allows."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(report.project.requires_python)
    except InvalidSpecifier:
        allowed = SpecifierSet()
    for one in report.interpreters:
        if one.bits == 64 and one.can_make_venv and not one.missing and allowed.contains(one.text):
            return one.path
    return ""
