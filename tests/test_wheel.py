"""newmodel as people get it: the wheel, in an empty environment, without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from answer_matrix import cells

from scaffolder.template_source import releases

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


@pytest.fixture(scope="module")
def installed(distributions: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it needs."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, capture_output=True)
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", distributions["wheel"]]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return python


def run(folder: Path, *command: str | Path) -> str:
    """A command in `folder` that knows nothing of the checkout."""
    home = folder / "home"
    home.mkdir(parents=True)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.full
def test_newmodel_init_makes_the_same_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    arguments = ("init", "x", "--defaults", "--set", "install_now=false", "--set", "use_git=false")
    run(tmp_path / "wheel", installed, "-m", "scaffolder", *arguments)
    project = tmp_path / "wheel" / "x"
    for name in ("train.py", "README.md", ".gitignore", ".idea/modules.xml", ".idea/.gitignore", "configs/train.yaml"):
        assert (project / name).is_file(), name
    assert (project / "x" / "training.py").is_file()
    assert str(ROOT) not in (project / ".copier-answers.yml").read_text(encoding="utf-8")
    run(tmp_path / "checkout", sys.executable, "-m", "scaffolder", *arguments)
    assert content(project) == content(tmp_path / "checkout" / "x")


#: Renders every cell and tells path, mode and digest of each file.
EVERY_CELL = """
import hashlib, json, sys
from pathlib import Path
import scaffolder
from scaffolder.generate import render
found = {"scaffolder": scaffolder.__file__}
for cell in json.loads(sys.argv[1]):
    files = render({"project_name": "demo", **cell}, Path("demo")).files
    name = " ".join(cell.values())
    found[name] = {str(path): [one.mode, hashlib.sha256(one.content).hexdigest()] for path, one in files.items()}
print(json.dumps(found))
"""


@pytest.mark.full
def test_every_cell_is_the_same_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    command = ("-c", EVERY_CELL, json.dumps(cells()))
    wheel = json.loads(run(tmp_path / "wheel", installed, *command))
    checkout = json.loads(run(tmp_path / "checkout", sys.executable, *command))
    assert wheel.pop("scaffolder") != checkout.pop("scaffolder")
    assert len(wheel) == len(cells())
    assert wheel == checkout


@pytest.mark.full
def test_the_wheel_has_the_same_releases(installed: Path, tmp_path: Path) -> None:
    listed = run(tmp_path / "wheel", installed, "-m", "scaffolder.template_source", "list")
    assert listed.split() == [text for one in releases().all() for text in (one.tag, one.commit)]
