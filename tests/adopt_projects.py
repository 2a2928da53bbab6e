"""Projects to adopt: the well-known templates rendered, and an environment that their programs run in."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import copier
from cookiecutter.main import cookiecutter
from environments import environment_python_of, kept_environment

TEMPLATES = Path(__file__).with_name("foreign_templates")

#: What the derived run configurations run.
PACKAGES = ("django", "fastapi", "flask", "jupyterlab", "nox", "pytest", "rust-just", "tox", "uvicorn")


def render(name: str, folder: Path) -> Path:
    """One of `foreign_templates/` as its own tool renders it; the new project's folder."""
    source = TEMPLATES / name
    if (source / "cookiecutter.json").exists():
        return Path(cookiecutter(str(source), no_input=True, output_dir=str(folder)))
    target = folder / name
    if (source / "copier.yml").exists():
        copier.run_copy(str(source), target, defaults=True, unsafe=True, quiet=True)
    else:
        shutil.copytree(source, target)
    return target


def plant(folder: Path, files: dict[str, str]) -> Path:
    """A project of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@cache
def adopt_python() -> Path:
    """The Python of an environment with what the run configurations need, made once and kept."""
    if own := os.environ.get("NEWMODEL_TEST_ENV_ADOPT"):
        return environment_python_of(Path(own))
    description = f'[project]\nname = "environment"\nversion = "0"\ndependencies = {list(PACKAGES)}\n'.replace("'", '"')
    return kept_environment("adopt", description)
