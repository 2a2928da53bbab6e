"""The generator as a cookiecutter template: the same questions, and the same projects byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answer_matrix import cells, label

from scaffolder.catalog import catalog
from scaffolder.cookiecutter_front import cookiecutter_json, fill
from scaffolder.generate import render

REPOSITORY = Path(__file__).resolve().parent.parent
FRONT = REPOSITORY / "templates" / "cookiecutter"


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mode & 0o111)
        for path in folder.rglob("*")
        if path.is_file()
    }


def expected(folder: Path, **answers: Any) -> dict[str, tuple[bytes, int]]:
    files = render(answers, folder).files
    return {str(path): (file.content, file.mode & 0o111) for path, file in files.items()}


def bake(cookies: Any, **answers: Any) -> Any:
    return cookies.bake(extra_context=answers, template=str(FRONT))


def cookiecutter(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cookiecutter", str(REPOSITORY), "--directory", "templates/cookiecutter"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(folder / "home"), "USERPROFILE": str(folder / "home")},
    )


def test_its_questions_are_those_of_copier_yml() -> None:
    written = (FRONT / "cookiecutter.json").read_text(encoding="utf-8")
    assert written == cookiecutter_json(catalog()), "run: python -m scaffolder.cookiecutter_front"
    content = json.loads(written)
    prompts = content.pop("__prompts__")
    content.pop("__folder")
    asked = [name for name, question in catalog().questions.items() if not question.secret]
    assert list(content) == list(prompts) == asked


def cell_rows() -> list[Any]:
    """Every cell; each takes seconds, so all but the first are in the full layer."""
    rows = enumerate(cells())
    return [pytest.param(cell, marks=[pytest.mark.full] if row else [], id=label(cell)) for row, cell in rows]


@pytest.mark.parametrize("cell", cell_rows())
def test_every_cell_is_the_same_byte_for_byte(cookies: Any, cell: dict[str, Any]) -> None:
    baked = bake(cookies, project_name="demo", **cell)
    assert baked.exception is None, baked.exception
    assert baked.exit_code == 0
    assert content(baked.project_path) == expected(baked.project_path, project_name="demo", **cell)


def test_other_answers_and_chinese(cookies: Any) -> None:
    answers = {
        "project_name": "销售 预测",
        "language": "zh_CN",
        "package": "sales",
        "license": "MIT",
        "copyright_holder": "某公司 “A” & <B>'s 😀",
        "ci": "github",
    }
    baked = bake(cookies, **answers, docker=True)
    assert baked.exception is None, baked.exception
    assert baked.project_path.name == "销售 预测"
    assert content(baked.project_path) == expected(baked.project_path, **answers, docker=True)


def test_the_default_follows_from_other_answers(cookies: Any) -> None:
    baked = bake(cookies, project_name="My Chat-Bot", task="llm", license="BSD-3-Clause")
    recorded = (baked.project_path / ".copier-answers.yml").read_text(encoding="utf-8")
    assert "package: my_chat_bot" in recorded
    assert "copyright_holder: the authors of My Chat-Bot" in recorded
    assert "base_model: own" in recorded


def test_ones_own_table(cookies: Any, tmp_path: Path) -> None:
    table = tmp_path / "sales.csv"
    table.write_text("size,price\n" + "".join(f"{n},{n * 2 % 7}\n" for n in range(60)), encoding="utf-8")
    baked = bake(cookies, project_name="demo", data="own", data_file=str(table), target_column="price")
    assert baked.exception is None, baked.exception
    assert (baked.project_path / "data" / "sales.csv").read_bytes() == table.read_bytes()
    missing = bake(cookies, project_name="other", data="own", data_file=str(table), target_column="prize")
    assert missing.exit_code != 0


def test_the_command(tmp_path: Path) -> None:
    done = cookiecutter(tmp_path, "--no-input", "project_name=demo", "framework=tensorflow")
    assert done.returncode == 0, done.stderr
    assert content(tmp_path / "demo") == expected(tmp_path / "demo", project_name="demo", framework="tensorflow")


def test_a_wrong_answer_leaves_nothing_behind(tmp_path: Path) -> None:
    done = cookiecutter(tmp_path, "--no-input", "project_name=a/b")
    assert done.returncode != 0
    assert "A name cannot contain" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"project_name": " a"}, "begins or ends with a space"),
        ({"project_name": ""}, "A project needs a name"),
        ({"package": "1st"}, "A package name consists of"),
        ({"package": "torch"}, "torch"),
        ({"data": "own", "data_file": "nowhere.csv", "target_column": "a"}, "nowhere.csv"),
        ({"framework": "tensorflow", "accelerator": "mps"}, "has no Metal plug-in"),
        ({"framework": "pytroch"}, "did you mean “pytorch”?"),
        ({"framwork": "pytorch"}, "did you mean “framework”"),
        ({"docker": "perhaps"}, "docker must be yes or no"),
        ({"task": ["llm"]}, "task must be a text, not a list"),
    ],
)
def test_a_wrong_answer_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answers: dict[str, Any], message: str
) -> None:
    """As the hook calls it: a replay can hold anything."""
    folder = tmp_path / "demo"
    folder.mkdir()
    assert fill(folder, {"project_name": "demo", "_template": "x", **answers}) == 2
    told = capsys.readouterr().err
    assert message in told
    assert len(told.strip().splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_a_replay_with_a_wrong_answer_is_one_sentence(tmp_path: Path) -> None:
    questions = json.loads((FRONT / "cookiecutter.json").read_text(encoding="utf-8"))
    answers = {name: value[0] if isinstance(value, list) else value for name, value in questions.items()}
    file = tmp_path / "answers.json"
    context = {**answers, "__folder": "demo", "framework": "pytroch"}
    file.write_text(json.dumps({"cookiecutter": context}), encoding="utf-8")
    done = cookiecutter(tmp_path, "--replay-file", str(file))
    assert done.returncode != 0
    assert "did you mean “pytorch”?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_choice_that_there_is_not_is_refused_by_cookiecutter(cookies: Any) -> None:
    baked = bake(cookies, framework="pytroch")
    assert "pytroch provided for choice variable framework, but the choices are" in str(baked.exception)
    assert baked.project_path is None


def test_without_newmodel_it_says_so(tmp_path: Path) -> None:
    """The hook, rendered as cookiecutter does it, by a Python that has no newmodel."""
    text = (FRONT / "hooks" / "post_gen_project.py").read_text(encoding="utf-8")
    hook = tmp_path / "hook.py"
    hook.write_text(text.replace("{{cookiecutter | jsonify | tojson}}", '"{}"'), encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", "-S", str(hook)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("This template needs newmodel in the Python that runs cookiecutter")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_failure_while_writing_leaves_the_folder_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from scaffolder import generate
    from scaffolder.errors import NewmodelError

    write: Callable[..., None] = generate.write

    def fail(*arguments: Any) -> None:
        write(*arguments)
        raise NewmodelError("The disk is full.")

    monkeypatch.setattr(generate, "write", fail)
    folder = tmp_path / "demo"
    folder.mkdir()
    assert fill(folder, {"project_name": "demo"}) == 2
    assert capsys.readouterr().err == "The disk is full.\n"
    assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [folder]
