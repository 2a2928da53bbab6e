"""Every text for a person goes through the seam and is translated."""

from __future__ import annotations

import ast
import gettext
import io
import json
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scaffolder import messages, own_chats, own_data, table_errors
from scaffolder.environment.facts import Finding
from scaffolder.environment.panel import finding_text
from scaffolder.errors import NewmodelError
from scaffolder.locales import __main__ as catalogs
from scaffolder.messages import LOCALES, detect_language, match_language, set_language
from scaffolder.template_source import templates_folder
from tests.conftest import Result

Newmodel = Callable[..., Result]
PACKAGE = LOCALES.parent
TRANSLATED = [language for language in messages.LANGUAGES if language != "en"]


# --- the catalogs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalog_has_every_text_and_no_other(language: str) -> None:
    wanted = {message.id for message in catalogs.extract() if message.id}
    there = {message.id for message in catalogs.read(language) if message.id}
    assert there == wanted, "run: python -m scaffolder.locales"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    assert catalogs.untranslated(catalogs.read(language)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalog_is_current(language: str) -> None:
    def texts(raw: bytes) -> dict[object, str]:
        catalog = dict(gettext.GNUTranslations(io.BytesIO(raw))._catalog)  # type: ignore[attr-defined]
        catalog.pop("")  # the header names the Babel that wrote it
        return catalog

    compiled = catalogs.po_file(language).with_suffix(".mo").read_bytes()
    assert texts(compiled) == texts(catalogs.compiled(catalogs.read(language))), "run: python -m scaffolder.locales"


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_fields_of_its_text(language: str) -> None:
    for message in catalogs.read(language):
        if not message.id:
            continue
        if isinstance(message.id, (tuple, list)):
            (translation,) = message.string  # Chinese has one form
            assert fields(translation) <= fields(message.id[1]), message.id
        else:
            assert fields(str(message.string)) == fields(message.id), message.id


# --- nothing bypasses the seam ----------------------------------------------------------------------------------------

SENTENCE = re.compile(r"[A-Za-z]{2,}[,:;]? [a-z]{2,}")

#: Texts with words in them that no person reads, or that must not be translated: file contents, commands, patterns,
#: styles, and what a maintainer sees in a trace. By file, the beginning of each.
NOT_FOR_PERSONS: dict[str, tuple[str, ...]] = {
    "cli.py": ("hf-mirror, modelscope",),
    "console.py": ("bold red",),
    "doctor/document.py": ("newmodel doctor --json",),
    "environment/network/certificate.py": (
        *("actalis amazon", "palo alto", "blue coat", "cisco umbrella", "mcafee web", "check point", "cato networks"),
        *("cloudflare ", "avg technologies", "eset ssl", "charles proxy", "watt toolkit", "cut off"),
    ),
    "environment/builds/compatibility.py": ("{", ", up to ", " (experimental, not offered)", "    framework-task"),
    "environment/frameworks/compute_script.py": ("MPS is not available", "the device computed ", " is right"),
    "environment/hardware/file_system.py": ("google drive", "my drive"),
    "environment/frameworks/framework_causes.py": (
        "winget install",
        "forward compatibility",
        "unknown error",
        "CUDA unknown",
    ),
    "environment/frameworks/framework_probe.py": ("CUDA initialization",),
    "environment/frameworks/framework_errors.py": ("install the backwards-compatible", "Fatal Python error:"),
    "environment/gpu/driver_steps.py": ("red hat", "oracle linux"),
    "environment/network/mirrors.py": ("University of Science and Technology",),
    "environment/network/network_findings.py": ("hub mirror", "not yet valid"),
    "environment/gpu/nvidia.py": ("not a valid field",),
    "environment/gpu/nvidia_unreachable.py": ("version mismatch", "sudo "),
    "environment/hardware/disk.py": ("program files",),
    "environment/panel.py": ("bold red",),
    "environment/hardware/processor.py": ("\nimport ctypes", "model name"),
    "environment/projects/project_files.py": ("version https://git-lfs",),
    "environment/pythons/python.py": ('\nif os.name == "nt":',),
    "environment/real_system.py": ("failed to start",),
    "environment/tools.py": ("sudo apt install git", "winget install Git.Git"),
    "environment/network/web.py": ("Tunnel connection failed",),
    "generate.py": (
        "(?:Validation error for question",
        " is a link; Windows has none",
        "two templates give the same file ",
        " still holds ",
        " of its template",
        " is not valid: ",
        " names a folder of this machine: ",
    ),
    "repository.py": ("Start from a newmodel template", "# about this machine only"),
    "template_source.py": ("list the released versions", "add templates/ to the bundle"),
    "merging/three_way.py": ("stays deleted",),
    "adopt/idea_files.py": ("# Files of one person or one machine", '"""Starts an entry point'),
    "cookiecutter_front.py": ("What fits the other answers",),  # stands in the generated cookiecutter.json
    "merging/idea_merge.py": ("text between elements",),
    "merging/checks.py": ("a key twice",),
    "updating/migrations.py": (  # of a mistake in our own templates
        "must be a list",
        "rename_fields must be",
        "has an entry ",
        "has an unknown key: ",
        " must hold “old: new” lines",
        " is no path inside a project",
        "is no YAML: ",
        " needs the answer ",
        ", which a project does not have",
        ", which is none",
        " can only be renamed in its own section",
    ),
    "updating/report.py": ("bold red",),
    "updating/rejected.py": ("# newmodel update: ",),
    "install/environment.py": ("# Made by newmodel from pip's", "newmodel has not finished"),
    "install/process.py": ("Installing collected packages: ",),
    "install/project_file.py": ("framework_index: default",),
    "install/toml.py": ("nested too deeply",),
    "pycharm/http.py": ("Tunnel connection failed: 407",),
    "pycharm/interpreter.py": ("import platform; print",),
    "pycharm/running.py": ("PID eq ",),
}


def texts_outside_the_seam(tree: ast.Module) -> Iterator[tuple[int, str]]:
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}

    def inside(node: ast.AST) -> bool:
        while node in parents:
            parent = parents[node]
            if isinstance(parent, ast.Call):
                name = parent.func.id if isinstance(parent.func, ast.Name) else getattr(parent.func, "attr", "")
                if name in ("_", "N_", "ngettext", "Command", "command"):  # a command is typed as it stands
                    return True
            if isinstance(parent, ast.Expr):
                return parent.value is node  # a docstring
            node = parent
        return False

    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if SENTENCE.search(text) and not inside(node):
            yield node.lineno, text


def test_no_text_bypasses_the_seam() -> None:
    bypassing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(("templates/", "locales/")):
            continue
        for line, text in texts_outside_the_seam(ast.parse(path.read_text(encoding="utf-8"))):
            technical = re.search(r"[<\\|]|ERROR|\(from versions", text)  # XML, patterns, what tools print
            if not technical and not text.startswith(NOT_FOR_PERSONS.get(name, ("\0",))):
                bypassing.append(f"scaffolder/{name}:{line}: {text!r}")
    assert bypassing == []


def test_texts_are_not_put_together_before_they_are_translated() -> None:
    """`_(f"…")` and `_(name)` reach no catalog; the few names that do come from copier.yml or are marked by N_."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"):
                continue
            if node.args and isinstance(node.args[0], (ast.JoinedStr, ast.BinOp)):
                wrong.append(f"{path.name}:{node.lineno}")
    assert wrong == []


# --- in Chinese -------------------------------------------------------------------------------------------------------


def english_in(text: str) -> list[str]:
    """Whole English texts of the catalog that stand in an output which should have none."""
    known = [message.id for message in catalogs.extract() if isinstance(message.id, str) and " " in message.id.strip()]
    return [one for one in known if len(one.split()) >= 3 and "{" not in one and one in text]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("init", "--help"),
        ("init", "demo", "--defaults", "--dry-run"),
        ("init", "torch", "--defaults", "--set", "install_now=no", "--set", "use_git=no"),
        ("init", "demo"),
        ("init", "demo", "--defaults", "--set", "project_name="),
        ("init", "demo", "--defaults", "--set", "framework=jax"),
        ("init", "demo", "--defaults", "--data", "gone.csv"),
        ("init", "demo", "--defaults", "--answers", "gone.yaml"),
        ("ini",),
        ("init", "--nothing"),
    ],
)
def test_init_speaks_chinese(newmodel: Newmodel, arguments: tuple[str, ...]) -> None:
    result = (
        newmodel(*arguments, "--lang", "zh_CN") if arguments[0] == "init" else newmodel("--lang", "zh_CN", *arguments)
    )
    text = result.out + result.err
    assert re.search("[\u4e00-\u9fff]", text)
    assert english_in(text) == []


@pytest.mark.parametrize(("what", "shown"), [("没有 GPU。", "没有 GPU。很慢。"), ("No GPU.", "No GPU. 很慢。")])
def test_chinese_sentences_have_no_space_between_them(what: str, shown: str) -> None:
    assert finding_text(Finding(code="NM201", severity="note", what=what, meaning="很慢。")).plain.endswith(shown)


def test_the_readme_is_in_the_language_of_the_terminal(newmodel: Newmodel, tmp_path: Path) -> None:
    result = newmodel("init", "demo", "--defaults", "--lang", "zh", "--json", "--dry-run")
    assert json.loads(result.out)["answers"]["language"] == "zh_CN"


def test_the_table_readers_sentences_are_translated() -> None:
    set_language("zh_CN")
    assert table_errors.translated("/x/a.csv has too few rows of data: 2, and 20 or more are needed.") == (
        "/x/a.csv 的数据行太少：只有 2 行，至少需要 20 行。"
    )
    assert table_errors.translated("a.csv is an Excel workbook or another zip archive: save the table as CSV.") == (
        "a.csv 是Excel 工作簿或其他 zip 压缩包：请把表格另存为 CSV。"
    )
    assert table_errors.translated("something new") == "something new"
    set_language("en")
    assert table_errors.translated("a.csv is empty.") == "a.csv is empty."


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "甲,乙\n一,二\n", "{path}：无法识别格式：它的字段是 甲, 乙；支持的字段有 messages"),
        ("a.jsonl", "", "{path} 是空的。"),
        ("a.jsonl", '{"a": 1,}', "{path}：第 1 行：不是有效的 JSON：右括号前多了一个逗号，请去掉（第 9 个字符）。"),
        ("a.json", "[{'a': 1}]", "{path}：第 1 行：不是有效的 JSON：JSON 要用双引号，不能用单引号。"),
        ("a.jsonl", '{"messages": []}\n', "{path}：1 条记录全都无法使用：第 1 行：是空的对话。"),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "a"}]}\n', "{path} 里没有任何含助手回答的对话。"),
    ],
)
def test_what_is_wrong_with_conversations_is_said_in_chinese(tmp_path: Path, name: str, text: str, said: str) -> None:
    set_language("zh_CN")
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NewmodelError, match=re.escape(said.format(path=path))):
        own_chats.look_at(path)


def test_a_file_that_is_not_there_is_said_in_chinese_with_the_nearest(tmp_path: Path) -> None:
    set_language("zh_CN")
    with pytest.raises(NewmodelError, match=r"gone\.jsonl 不存在。$"):
        own_chats.look_at(tmp_path / "gone.jsonl")
    (tmp_path / "chats.jsonl").touch()
    with pytest.raises(NewmodelError, match=r"chts\.jsonl 不存在（最接近的是 chats\.jsonl）。$"):
        own_chats.look_at(tmp_path / "chts.jsonl")


def test_the_first_mistake_in_conversations_is_said_in_chinese(tmp_path: Path) -> None:
    set_language("zh_CN")
    path = tmp_path / "a.jsonl"
    good = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
    path.write_text(good + '\n{"messages": [{"role": "user", "content": ""}]}\n', encoding="utf-8")
    assert own_chats.look_at(path).first_mistake == "第 2 行：第 1 轮（user）是空的"


def test_answers_with_labels_are_recognised_and_named(tmp_path: Path) -> None:
    path = tmp_path / "thumbs.jsonl"
    labels = ["true", "false", "true", '"maybe"']
    path.write_text("\n".join(f'{{"prompt": "a", "completion": "b", "label": {label}}}' for label in labels))
    seen = own_data.look_at(str(path), "llm")
    assert "2 conversations (answers labelled good or bad); 1 record cannot be used: line 4 has 'maybe'" in seen.summary
    set_language("zh_CN")
    own_data._look_at_chats.cache_clear()
    summary = own_data.look_at(str(path), "llm").summary
    assert "标为好或差的回答" in summary
    assert "第 4 行：label 是 'maybe'" in summary


@pytest.mark.parametrize("reader", ["{{ tabular }}/table_format.py", *table_errors.CONVERSATIONS])
def test_every_sentence_of_the_reader_matches_itself(reader: str) -> None:
    for sentence in table_errors.sentences(templates_folder() / "project" / reader):
        example = re.sub(r"\{\w+\}", "7", sentence.text)
        assert sentence.pattern.fullmatch(example), sentence.text


# --- the language -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_SG"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "zh"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:zh_CN:en"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_follows_the_locale(environ: dict[str, str], language: str) -> None:
    assert detect_language(environ, "linux") == language


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh", "zh_CN"),
        ("zh-Hans", "zh_CN"),
        ("zh_Hant_HK", None),
        ("EN", "en"),
        ("en_GB", "en"),
        ("fr", None),
        ("", None),
    ],
)
def test_names_of_languages(name: str, language: str | None) -> None:
    assert match_language(name) == language


def test_output_in_a_terminal_that_knows_no_unicode() -> None:
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PATH": "", "SYSTEMROOT": ""}
    done = subprocess.run(
        [sys.executable, "-m", "scaffolder", "--lang", "zh_CN", "--help"],
        cwd=PACKAGE.parent,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert "用法" in done.stdout.decode("utf-8")
