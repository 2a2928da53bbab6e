"""Which Python a project has: an environment that is there, or what to do to get one."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from scaffolder.adopt.package_settings import Part
from scaffolder.adopt.scan import Tree
from scaffolder.messages import _

_REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements/local.txt", "requirements/base.txt")
_USUAL = (".venv", "venv", "env", ".env", ".pixi/envs/default")
_CONDA_FILES = ("environment.yml", "environment.yaml", "conda_env.yml", "conda_env.yaml", "conda.yml", "conda.yaml")
#: The newest first: what a project with no upper limit most probably runs with is not the very newest.
_VERSIONS = ("3.12", "3.13", "3.11", "3.10", "3.14", "3.9")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A project's interpreter.

    Attributes:
        python: Its program; None where the project has no environment.
        notes: What the person should know, a sentence each.
    """

    python: Path | None
    notes: tuple[str, ...] = ()


def find(tree: Tree, parts: Sequence[Part], project_folder: Path) -> Found:
    """The environment that the project has here, or how to make one."""
    required = next((part.requires_python for part in parts if part.requires_python), "")
    for folder in _environments(tree, parts, project_folder):
        python = _python(folder)
        if python is not None:
            return Found(python=python, notes=_unsuitable(folder, required))
    return Found(python=None, notes=(_how_to_make_one(tree, required),))


def _environments(tree: Tree, parts: Sequence[Part], project_folder: Path) -> Iterator[Path]:
    own = [name for name in tree.environments if "/" not in name]
    for name in sorted(own, key=lambda name: _USUAL.index(name) if name in _USUAL else len(_USUAL)):
        yield project_folder / name
    yield project_folder / _USUAL[-1]
    name = next((found for file in _CONDA_FILES if (found := _conda_name(tree.text(file)))), "")
    if name:
        yield from _conda_environments(name)
    if "poetry.lock" in tree.files or any(part.table("tool", "poetry") for part in parts):
        yield from _poetry_environments(parts[0].name, project_folder)


def _python(environment: Path) -> Path | None:
    for name in ("bin/python", "Scripts/python.exe", "python.exe"):
        if (environment / name).exists():
            return environment / name
    return None


def _conda_name(text: str) -> str:
    found = re.search(r"(?m)^name:\s*[\"']?([\w.-]+)", text)
    return found[1] if found else ""


def _conda_environments(name: str) -> Iterator[Path]:
    """Those of this name in conda's own list of every environment that it made."""
    try:
        lines = (Path.home() / ".conda" / "environments.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, RuntimeError):
        return
    for line in lines:
        if line.strip() and Path(line.strip()).name == name:
            yield Path(line.strip())


def _poetry_environments(name: str, project_folder: Path) -> Iterator[Path]:
    """Poetry calls an environment by the project's name and a digest of its folder."""
    from platformdirs import user_cache_path

    digest = hashlib.sha256(os.path.normcase(os.path.realpath(project_folder)).encode()).digest()
    known = base64.urlsafe_b64encode(digest).decode()[:8]
    plain = re.sub(r'[ $`!*@"\\\r\n\t]', "_", name.lower())[:42]
    try:
        folder = user_cache_path("pypoetry", appauthor=False) / "virtualenvs"
        yield from sorted(folder.glob(f"{_literal(plain)}-{_literal(known)}-py*"), reverse=True)
    except OSError:
        return


def _literal(text: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", text)


def _unsuitable(environment: Path, required: str) -> tuple[str, ...]:
    try:
        settings = (environment / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    found = re.search(r"(?m)^version(?:_info)?\s*=\s*(\d+(?:\.\d+)+)", settings)
    if found is None or _allows(required, found[1]):
        return ()
    return (
        _("The environment {folder} has Python {version}, and the project requires {required}.").format(
            folder=environment, version=found[1], required=required
        ),
    )


def _allows(required: str, version: str) -> bool:
    try:
        return SpecifierSet(required).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _how_to_make_one(tree: Tree, required: str) -> str:
    if "uv.lock" in tree.files:
        return _("The project has no environment here yet: make it with “uv sync”.")
    if "poetry.lock" in tree.files:
        return _("The project has no environment here yet: make it with “poetry install”.")
    if "pixi.lock" in tree.files or "pixi.toml" in tree.files:
        return _("The project has no environment here yet: make it with “pixi install”.")
    conda = next((file for file in _CONDA_FILES if file in tree.files), "")
    if conda:
        return _("The project has no environment here yet: make it with “conda env create -f {file}”.").format(
            file=conda
        )
    python = _suitable(required)
    if not python:
        return _(
            "The project requires Python {required}, and none is here: install one, then make an environment."
        ).format(required=required)
    if "Pipfile" in tree.files:
        return _("The project has no environment here yet: make it with “pipenv install”.")
    requirements = next((file for file in _REQUIREMENTS if file in tree.files), "")
    builds = "setup.py" in tree.files or "[build-system]" in tree.text("pyproject.toml")
    install = "-e ." if builds else f"-r {requirements}" if requirements else ""
    commands = f"{python} -m venv .venv"
    if install:
        pip = r".venv\Scripts\pip" if sys.platform == "win32" else ".venv/bin/pip"
        commands += f" && {pip} install {install}"
    return _("The project has no environment here yet: make it with “{commands}”.").format(commands=commands)


def _suitable(required: str) -> str:
    """The command of a Python that the project can run with; empty if there is none."""
    for version in _VERSIONS:
        if _allows(required, f"{version}.99") and shutil.which(f"python{version}"):
            return f"python{version}"
    own = ".".join(str(part) for part in sys.version_info[:3])
    if _allows(required, own):
        return "py" if sys.platform == "win32" else "python3"
    return ""
