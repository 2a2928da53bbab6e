"""The notebook of a project: it is one, it is about that project, and every cell of it runs."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from answer_matrix import cells, choices, rendered_as
from extra_environments import extras_environment

LANGUAGES = list(choices()["language"])
every_cell = pytest.mark.parametrize("cell", cells(), ids=lambda cell: "-".join(cell.values()))

#: Few epochs, little else: the shortest training that a notebook has something to show of.
SHORT = {
    "foundations": ["--training.epochs", "4", "--numpy.epochs", "2", "--xor.seeds", "1"],
    "tabular": ["--training.epochs", "2"],
}

#: Run by the project's own interpreter: the notebook as Jupyter runs it, from its own folder.
EXECUTE = """
import nbclient, nbformat
notebook = nbformat.read("notebooks/explore.ipynb", as_version=4)
nbformat.validate(notebook)
place = {"metadata": {"path": "notebooks"}}
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=place).execute()
nbformat.write(notebook, "executed.ipynb")
"""


def project_with_notebook(cell: dict[str, str], language: str = "en") -> Path:
    return rendered_as(f"notebook-{language}-{'-'.join(cell.values())}", **cell, language=language, notebook=True)


def read(project: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project / "notebooks" / "explore.ipynb").read_text(encoding="utf-8"))
    return content


def code(project: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in read(project)["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("language", LANGUAGES)
@every_cell
def test_it_is_written_as_jupyter_writes_it(cell: dict[str, str], language: str) -> None:
    project = project_with_notebook(cell, language)
    text = (project / "notebooks" / "explore.ipynb").read_text(encoding="utf-8")
    assert text == json.dumps(read(project), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    ids = [one["id"] for one in read(project)["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(one["outputs"] == [] for one in read(project)["cells"] if one["cell_type"] == "code")
    words = "".join("".join(one["source"]) for one in read(project)["cells"] if one["cell_type"] == "markdown")
    assert ("数据" in words or "对话" in words) == (language == "zh_CN")


@every_cell
def test_every_cell_is_python_and_uses_what_the_project_has(cell: dict[str, str]) -> None:
    project = project_with_notebook(cell)
    package = project.name.replace("-", "_")
    for source in code(project):
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(f"{package}."):
                continue
            module = ast.parse((project / f"{(node.module or '').replace('.', '/')}.py").read_text(encoding="utf-8"))
            defined = {getattr(one, "name", None) for one in module.body} | {
                target.id
                for one in module.body
                if isinstance(one, ast.Assign)
                for target in one.targets
                if isinstance(target, ast.Name)
            }
            assert {alias.name for alias in node.names} <= defined, node.module


def test_a_project_without_one_has_no_trace_of_it() -> None:
    project = rendered_as("plain")
    assert not (project / "notebooks").exists()
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        text = (project / name).read_text(encoding="utf-8")
        assert "notebook" not in text
        assert "ipynb" not in text


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "cell", [cell for cell in cells() if cell["task"] in SHORT], ids=lambda cell: "-".join(cell.values())
)
def test_every_cell_of_it_runs(cell: dict[str, str], tmp_path: Path) -> None:
    python = extras_environment(cell["framework"])
    project = tmp_path / "demo"
    shutil.copytree(project_with_notebook(cell), project)
    command(project, python, "train.py", *SHORT[cell["task"]])
    command(project, python, "-c", EXECUTE)
    done = json.loads((project / "executed.ipynb").read_text(encoding="utf-8"))
    shown = {one["id"]: one["outputs"] for one in done["cells"] if one["cell_type"] == "code"}
    for name in ("curves", "predictions"):
        assert shown[name], f"{name} shows nothing"
    assert "train-" in json.dumps(shown["best"])
    assert not [output for outputs in shown.values() for output in outputs if output["output_type"] == "error"]


def command(project: Path, python: Path, *arguments: str) -> None:
    ended = subprocess.run([python, *arguments], cwd=project, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
