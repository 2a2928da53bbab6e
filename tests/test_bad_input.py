"""Bad input: one sentence, exit code 2, nothing left behind, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.answers import from_file, from_settings
from scaffolder.catalog import catalog
from scaffolder.errors import NewmodelError
from tests.conftest import Result

Newmodel = Callable[..., Result]


def refused(result: Result) -> str:
    """The one sentence; the panel with the machine, which may come before it, is left out."""
    assert result.code == 2, result.err
    assert "Traceback" not in result.err
    return result.err.splitlines()[-1]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_empty(newmodel: Newmodel, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        (folder / name).write_text(name, encoding="utf-8")
    before = snapshot(tmp_path)
    assert refused(newmodel("init", "demo", "--defaults")) == (
        f"{folder} is not empty (it holds a, b, c …); choose another folder."
    )
    assert snapshot(tmp_path) == before


def test_a_file_in_the_way(newmodel: Newmodel, tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("mine", encoding="utf-8")
    assert refused(newmodel("init", "demo", "--defaults")) == f"{tmp_path / 'demo'} is a file; choose another name."
    assert refused(newmodel("init", "demo/inner", "--defaults")) == (
        f"{tmp_path / 'demo'} is a file, so no folder can be made in it."
    )
    assert (tmp_path / "demo").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links without a privilege")
def test_a_link_that_leads_nowhere(newmodel: Newmodel, tmp_path: Path) -> None:
    (tmp_path / "demo").symlink_to(tmp_path / "gone")
    assert "is a link that leads nowhere" in refused(newmodel("init", "demo", "--defaults"))


def test_a_folder_without_permission(newmodel: Newmodel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaffolder import staging

    monkeypatch.setattr(staging.os, "access", lambda *args: False)  # root, who runs the tests in CI, may always
    assert refused(newmodel("init", "demo", "--defaults")) == (
        f"You may not write to {tmp_path}; choose another folder or change its permissions."
    )


def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "full", "size=64k")


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path / "read_only", "ro")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk(newmodel: Newmodel, full_disk: Path) -> None:
    message = refused(newmodel("init", full_disk / "new" / "demo", "--defaults"))
    assert message.startswith("The disk that holds ") and message.endswith(" is full; free some space and try again.")
    assert list(full_disk.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_that_is_the_folder_itself(newmodel: Newmodel, full_disk: Path) -> None:
    assert "is full" in refused(newmodel("init", full_disk, "--defaults"))
    assert list(full_disk.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_read_only_disk(newmodel: Newmodel, read_only_disk: Path) -> None:
    assert refused(newmodel("init", read_only_disk / "demo", "--defaults")).startswith("You may not write to ")


def test_a_write_error_leaves_nothing(newmodel: Newmodel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    real = Path.write_bytes

    def fail(self: Path, content: bytes) -> int:
        nonlocal written
        written += 1
        if written == 5:
            raise OSError(28, "No space left on device")
        return real(self, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    assert "is full" in refused(newmodel("init", "a/b/demo", "--defaults"))
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_300_characters(newmodel: Newmodel, tmp_path: Path) -> None:
    message = refused(newmodel("init", "x" * 300, "--defaults"))
    assert message.endswith("is too long for this file system; choose a shorter one.")
    assert len(message) < 400
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows allows 260 characters")
def test_a_path_of_300_characters_works(newmodel: Newmodel, tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("b" * 100) / ("c" * 100)
    arguments = ("--defaults", "--set", "install_now=no", "--set", "use_git=no", "--set", "project_name=demo")
    assert newmodel("init", folder, *arguments).code == 0
    assert (folder / "train.py").is_file()


@pytest.mark.parametrize("name", ["CON", "nul.txt", "demo.", "a|b", "a\nb", "\udcff", "a\x00b", "", "  "])
def test_folders_that_cannot_be(newmodel: Newmodel, tmp_path: Path, name: str) -> None:
    refused(newmodel("init", name, "--defaults"))
    assert list(tmp_path.iterdir()) == []


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("project_name=", "project_name: A project needs a name."),
        ("project_name=../x", 'project_name: A name cannot contain / \\ : * ? " < > | or control characters.'),
        ("project_name=..", 'project_name: A name cannot contain / \\ : * ? " < > | or control characters.'),
        ("project_name= x", "project_name: The name begins or ends with a space."),
        (f"project_name={'x' * 81}", "project_name: The name is longer than 80 characters."),
        (
            "package=torch",
            "package: “torch” is a package that the project uses. Choose another, for example torch_model.",
        ),
        (
            "package=class",
            "package: “class” is a word of the Python language. Choose another, for example class_model.",
        ),
        ("package=1x", "package: “1x” is no package name; use a-z, 0-9 and _, beginning with a letter."),
        ("framework=pytroch", "framework cannot be “pytroch”; did you mean “pytorch”?"),
        ("framework=jax", "framework cannot be “jax”; there are: pytorch, tensorflow."),
        ("task=tabulra", "task cannot be “tabulra”; did you mean “tabular”?"),
        ("licence=MIT", "There is no question “licence”; did you mean “license”?"),
        ("use_git=perhaps", "use_git must be yes or no, not “perhaps”."),
        ("framework", "--set framework has no “=”; write --set key=value, for example --set framework=pytorch."),
        ("precision=float16", "precision: float16 needs a GPU"),
    ],
)
def test_wrong_answers(newmodel: Newmodel, tmp_path: Path, setting: str, sentence: str) -> None:
    assert refused(newmodel("init", "demo", "--defaults", "--set", setting)) == sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ini",), "There is no command “ini”; did you mean “init”?"),
        (("init", "--defalts"), "There is no --defalts."),
        (("init", "--lang", "xx"), "There is no language “xx”; there are: en, zh_CN."),
        (("init", "a", "b"), "unexpected extra argument"),
        (("init", "--set"), "--set"),
        (("init", "--target-column", "y", "--defaults"), "--target-column needs the table that has it: --data PATH."),
        (
            ("init", "--set", "data=sample", "--data", "x.csv", "--defaults"),
            "data=sample and data of your own exclude each other; leave one out.",
        ),
        (
            ("init", "--set", "task=foundations", "--data", "x.csv", "--defaults"),
            "There is no data of one's own in task=foundations; leave --data out, or choose task=tabular or llm.",
        ),
    ],
)
def test_wrong_commands(newmodel: Newmodel, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = newmodel(*arguments)
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


# --- the answers file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"framework: [pytorch", "The answers file {path} is neither YAML nor JSON (line 1)."),
        (b"framework: *nowhere", "The answers file {path} is neither YAML nor JSON (line 1)."),
        (b"- a\n- b\n", "The answers file {path} must hold “key: value” lines, not a list."),
        (b"just words", "The answers file {path} must hold “key: value” lines, not a text."),
        (b"framework: [pytorch]", "framework must be a text, not a list."),
        (b"framework: {a: 1}", "framework must be a text, not a mapping."),
        (b"framework:", "framework must be a text, not nothing."),
        (b"project_name: 2024-01-01", "project_name must be a text, not a date or another kind of value."),
        (b"project_name: true", "project_name must be a text, not yes or no."),
        (b"use_git: 7", "use_git must be yes or no, not “7”."),
        (b"use_git: [yes]", "use_git must be yes or no, not a list."),
        (b"framwork: pytorch", "There is no question “framwork”; did you mean “framework” or “framework_index”?"),
        (b'project_name: "\\uD800"', "project_name contains characters that cannot be written."),
        (b"\xff\xfe\x00", "The answers file {path} is not UTF-8 text."),
        (b"a: !!python/object/apply:os.system [ls]", "The answers file {path} is neither YAML nor JSON (line 1)."),
        (b"[" * 5000, "The answers file {path} is neither YAML nor JSON."),
    ],
)
def test_wrong_answers_files(newmodel: Newmodel, tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "answers.yaml"
    path.write_bytes(content)
    assert refused(newmodel("init", "demo", "--defaults", "--answers", path)) == sentence.format(path=path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["answers.yaml"]


def test_answers_files_that_are_no_files(newmodel: Newmodel, tmp_path: Path) -> None:
    assert refused(newmodel("init", "demo", "--defaults", "--answers", tmp_path)) == (
        f"The answers file {tmp_path} is a folder; give a YAML or JSON file."
    )
    assert refused(newmodel("init", "demo", "--defaults", "--answers", tmp_path / "gone.yaml")) == (
        f"There is no answers file {tmp_path / 'gone.yaml'}."
    )


def test_an_answers_file_of_100_megabytes_is_not_even_read(newmodel: Newmodel, tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert refused(newmodel("init", "demo", "--defaults", "--answers", path)) == (
        f"The answers file {path} has 100 MB; answers need less than 1 MB."
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*catalog().questions, "other", "_x"]), json_values, max_size=4))
def test_any_answers_are_taken_or_refused_in_one_sentence(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        for key, value in from_file(path, catalog()).items():
            question = catalog().questions[key]
            assert isinstance(value, bool) if question.kind == "bool" else isinstance(value, str)
            assert not question.choices or value in [choice.value for choice in question.choices]
    except NewmodelError as error:
        assert "\n" not in str(error) and len(str(error)) < 600


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "answers.yaml"
    path.write_bytes(content)
    try:
        from_file(path, catalog())
    except NewmodelError as error:
        assert "\n" not in str(error)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_setting_is_taken_or_refused(text: str) -> None:
    try:
        from_settings([text], catalog())
    except NewmodelError as error:
        assert len(str(error)) < 700


# --- the person's table -----------------------------------------------------------------------------------------------

ROWS = "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(60))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "empty"),
        ("header.csv", b"a,b,c\n", "too few rows of data: 0"),
        ("two_rows.csv", b"a,b,c\n1,2,x\n2,3,y\n", "too few rows of data: 2"),
        ("one_column.csv", b"a\n" + b"1\n2\n" * 40, "column"),
        ("binary.csv", bytes(range(256)) * 40, ""),
        ("book.csv", b"PK\x03\x04" + b"x" * 500, "Excel"),
        ("missing.csv", b"a,b\n" + b",\n" * 50, ""),
        ("wide.csv", (",".join(f"c{n}" for n in range(10_000)) + "\n").encode() * 3, "columns"),
        ("one_class.csv", b"a,y\n" + b"".join(b"%d,same\n" % n for n in range(60)), "same"),
    ],
)
def test_wrong_tables(newmodel: Newmodel, tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    target = ("--target-column", "y") if name == "one_class.csv" else ()
    message = refused(newmodel("init", "demo", "--defaults", "--data", path, *target))
    assert words in message
    assert name in message
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_table_that_is_not_there(newmodel: Newmodel, tmp_path: Path) -> None:
    assert "gone.csv" in refused(newmodel("init", "demo", "--defaults", "--data", "gone.csv"))
    assert refused(newmodel("init", "demo", "--defaults", "--data", tmp_path)) == (
        f"{tmp_path} is a folder; give the file with the table."
    )


def test_a_column_that_is_not_there(newmodel: Newmodel, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("number,rest,label\n" + ROWS, encoding="utf-8")
    message = refused(newmodel("init", "demo", "--data", "table.csv", "--target-column", "lable", "--defaults"))
    assert "lable" in message and "label" in message


def test_a_good_table_is_taken_into_the_project(newmodel: Newmodel, tmp_path: Path) -> None:
    table = tmp_path / "my table.csv"
    table.write_text("number,rest,label\n" + ROWS, encoding="utf-8")
    only_files = ("--set", "install_now=no", "--set", "use_git=no")
    result = newmodel("init", "demo", "--data", "my table.csv", "--defaults", *only_files)
    assert result.code == 0, result.err
    project = tmp_path / "demo"
    assert (project / "data" / "my table.csv").read_bytes() == table.read_bytes()
    answers = (project / ".copier-answers.yml").read_text(encoding="utf-8")
    assert "data_file: data/my table.csv" in answers
    assert "target_column: label" in answers
    assert str(tmp_path) not in answers
    assert "60 rows, 3 columns" in result.err
    assert "classification" in result.err


def test_a_large_table_stays_where_it_is(newmodel: Newmodel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaffolder import own_data

    monkeypatch.setattr(own_data, "MAX_COPY_BYTES", 100)
    (tmp_path / "table.csv").write_text("number,rest,label\n" + ROWS, encoding="utf-8")
    only_files = ("--set", "install_now=no", "--set", "use_git=no")
    result = newmodel("init", "demo", "--data", "table.csv", "--defaults", *only_files)
    assert result.code == 0, result.err
    assert not (tmp_path / "demo" / "data" / "table.csv").exists()
    answers = (tmp_path / "demo" / ".copier-answers.yml").read_text(encoding="utf-8")
    assert f"data_file: {tmp_path / 'table.csv'}" in answers
    assert "it is large and stays at" in result.err


def test_no_answer_names_this_machine(newmodel: Newmodel, tmp_path: Path) -> None:
    assert newmodel("init", "demo", "--defaults", "--set", "install_now=no").code == 0
    for path in (tmp_path / "demo").rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            assert os.fsencode(str(tmp_path)) not in path.read_bytes(), path
