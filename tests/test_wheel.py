"""newmodel as people get it: the wheel, in an empty environment, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from the sdist: nothing that the sdist lacks can be in it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {"sdist": next(folder.glob("*.tar.gz")), "wheel": next(folder.glob("*.whl"))}


def tracked(folder: str) -> set[str]:
    """The files of `folder` under version control, relative to it."""
    command = ["git", "-c", "core.quotePath=false", "ls-files", "-z", folder]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return {name.removeprefix(f"{folder}/") for name in names if name and (ROOT / name).exists()}


@pytest.mark.full
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="compares with what git tracks")
def test_the_wheel_and_the_sdist_hold_every_template(distributions: dict[str, Path]) -> None:
    templates = tracked("templates")
    with zipfile.ZipFile(distributions["wheel"]) as wheel:
        names = wheel.namelist()
    inside = {name.removeprefix("scaffolder/templates/") for name in names if name.startswith("scaffolder/templates/")}
    assert templates - inside == set()
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".po", ".pot"))]
    assert not [name for name in names if name.startswith(("tests/", "demo"))]
    assert "scaffolder/locales/zh_CN/LC_MESSAGES/newmodel.mo" in names
    assert {f"scaffolder/releases/{name}" for name in tracked("scaffolder/releases")} <= set(names)
    with tarfile.open(distributions["sdist"]) as sdist:
        inside = {name.partition("/templates/")[2] for name in sdist.getnames() if "/templates/" in name}
    assert templates - inside == set()


@pytest.mark.full
def test_newmodel_init_works_from_the_wheel_alone(distributions: dict[str, Path], tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, capture_output=True)
    scripts = environment / ("Scripts" if sys.platform == "win32" else "bin")
    install = [scripts / "python", "-m", "pip", "install", "--quiet", distributions["wheel"]]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    home = tmp_path / "home"
    home.mkdir()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "LC_ALL": "C.UTF-8"}
    command = [scripts / "newmodel", "init", "x", "--defaults", "--set", "install_now=false"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    project = tmp_path / "x"
    for name in ("train.py", "README.md", ".gitignore", ".idea/modules.xml", ".idea/.gitignore", "configs/train.yaml"):
        assert (project / name).is_file(), name
    assert (project / "x" / "training.py").is_file()
    assert str(ROOT) not in (project / ".copier-answers.yml").read_text(encoding="utf-8")
