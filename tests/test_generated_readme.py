"""The README of every cell is about that cell, in both languages: its files, scripts and run configurations."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from answer_matrix import cells, choices, rendered_as

LANGUAGES = list(choices()["language"])
every_readme = pytest.mark.parametrize("language", LANGUAGES)
every_cell = pytest.mark.parametrize("cell", cells(), ids=lambda cell: "-".join(cell.values()))

#: Named by their folder, or needing no word.
WITHOUT_A_LINE = re.compile(r"(\.idea|tests|data)/.*|README\.md|LICENSE|\.gitignore|demo/__init__\.py")


def project_of(cell: dict[str, str], language: str, **answers: object) -> tuple[Path, str]:
    project = rendered_as("demo", **cell, language=language, **answers)
    return project, (project / "README.md").read_text(encoding="utf-8")


@every_readme
@every_cell
def test_a_line_for_every_file(cell: dict[str, str], language: str) -> None:
    check_files(*project_of(cell, language))


def check_files(project: Path, text: str) -> None:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    named = set(re.findall(r"`([^`]+)`", "\n".join(row.split("|")[1] for row in rows)))
    files = [path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()]
    there = [path for path in files if "__pycache__" not in path and not WITHOUT_A_LINE.fullmatch(path)]
    assert [path for path in there if path.rpartition("/")[2] not in named] == []
    names = {path.rpartition("/")[2] for path in files}
    # and no line for a file that is not there
    assert {name for name in named if name.endswith((".py", ".yaml", ".json", ".toml"))} - names == set()


@every_readme
@every_cell
def test_every_run_configuration_and_script_is_explained(cell: dict[str, str], language: str) -> None:
    check_configurations(*project_of(cell, language))


def check_configurations(project: Path, text: str) -> None:
    for path in (project / ".idea" / "runConfigurations").glob("*.xml"):
        (configuration,) = ElementTree.parse(path).getroot()
        assert f"**{configuration.get('name')}**" in text, path.name
    for script in project.glob("*.py"):
        assert f"`python {script.name}`" in text
        assert f"`uv run {script.name}`" in text
    for script in re.findall(r"python ([\w/]+\.py)", text):
        assert (project / script).exists()
    for option in re.findall(r"--config (configs/[\w.]+)", text):
        assert (project / option).exists()


@every_readme
@pytest.mark.parametrize("framework", choices()["framework"])
@pytest.mark.parametrize("tracker", choices()["tracker"])
def test_about_a_tracker_and_a_notebook(tracker: str, framework: str, language: str) -> None:
    cell = {"framework": framework, "task": "foundations"}
    project, text = project_of(cell, language, tracker=tracker, notebook=True)
    check_files(project, text)
    check_configurations(project, text)
    assert "`notebooks/explore.ipynb`" in text
    assert ("TensorBoard" in text) == (tracker == "tensorboard")


@every_cell
def test_both_languages_have_the_same_structure(cell: dict[str, str]) -> None:
    def shape(text: str) -> list[str]:
        """Headings by level, code blocks, and tables by their first cell where that is no prose."""
        return [re.match(r"#*|```\w*|\|", line)[0] for line in text.splitlines() if re.match(r"#|```|\|", line)]  # type: ignore[index]

    shapes = [shape(project_of(cell, language)[1]) for language in LANGUAGES]
    assert shapes[0] == shapes[1]


@every_readme
def test_about_the_persons_own_table(language: str) -> None:
    for framework in choices()["framework"]:
        answers = {"data": "own", "data_file": "data/房价.csv", "target_column": "price"}
        project, text = project_of({"framework": framework, "task": "tabular"}, language, **answers)
        assert "`data/房价.csv`" in text
        assert "`price`" in text
        assert "visits.csv" not in text + (project / "data" / "README.md").read_text(encoding="utf-8")
        assert "/data/*" in (project / ".gitignore").read_text(encoding="utf-8")


@every_readme
@pytest.mark.parametrize("base_model", ["own", "qwen3-8b"])
def test_about_the_persons_own_conversations(language: str, base_model: str) -> None:
    for framework in choices()["framework"]:
        answers = {"data": "own", "data_file": "data/对话.jsonl", "base_model": base_model}
        project, text = project_of({"framework": framework, "task": "llm"}, language, **answers)
        assert "`data/对话.jsonl`" in text
        assert "chats.jsonl" not in text + (project / "data" / "README.md").read_text(encoding="utf-8")
        assert "/data/*" in (project / ".gitignore").read_text(encoding="utf-8")
        assert ("Qwen3 8B" in text.partition("##")[0]) == (base_model != "own")
        buttons = "**Check data**, **Fine-tune**, **Evaluate**, **Serve**".replace(
            ", ", "、" if language != "en" else ", "
        )
        assert (buttons in text) == (base_model != "own")


@every_readme
def test_where_a_base_model_wants_its_licence_accepted(language: str) -> None:
    answers = {"data": "own", "data_file": "chats.jsonl"}
    for framework, address, login in (
        ("pytorch", "https://huggingface.co/google/gemma-3-1b-it", "hf auth login"),
        ("tensorflow", "https://www.kaggle.com/models/keras/gemma3", "KAGGLE_USERNAME"),
    ):
        cell = {"framework": framework, "task": "llm"}
        first = project_of(cell, language, base_model="gemma-3-1b", **answers)[1].partition("##")[0]
        assert f"<{address}>" in first
        assert login in first
        assert address not in project_of(cell, language, base_model="qwen3-8b", **answers)[1]


def test_licences() -> None:
    for name, words in {"MIT": "MIT License", "Apache-2.0": "Apache License", "BSD-3-Clause": "BSD 3-Clause"}.items():
        project, text = project_of(cells()[0], "en", license=name)
        assert words in (project / "LICENSE").read_text(encoding="utf-8")
        assert f"\n{name}, see `LICENSE`." in text
    project, text = project_of(cells()[0], "en", license="none")
    assert not (project / "LICENSE").exists()
    assert "`LICENSE`" not in text
