"""The pages of the findings: one for every code, in every language, true to the program."""

from __future__ import annotations

import ast
import io
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown

from scaffolder.catalog import catalog
from scaffolder.cli import main
from scaffolder.doctor import explain
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.network.mirrors import MIRRORS
from scaffolder.messages import LANGUAGES

SOURCE = Path(explain.__file__).parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in sorted(explain.FOLDER.glob("*/*.md"))}
CODES = sorted({path.stem for path in PAGES})

HEADINGS = {
    "en": ["What it means for training", "How it comes about", "What to do", "How to see that it is mended"],
    "zh_CN": ["对训练的影响", "怎么会这样", "怎么办", "如何确认已经解决"],
}


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def blocks(page: str) -> list[str]:
    """The code between fences: what a person copies."""
    return [textwrap.dedent(block) for block in re.findall(r"(?ms)^ *```\w*\n(.*?)^ *```$", page)]


def prose(page: str) -> str:
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", page)


def codes_in_source() -> set[str]:
    """Every constant of the program that is a code, wherever it is put into a finding."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if re.fullmatch(r"NM\d{3}", node.value) else set()
    return found


# --- which pages there are --------------------------------------------------------------------------------------------


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    used = codes_in_source()
    assert sorted(used - set(CODES)) == [], "codes without a page"
    assert sorted(set(CODES) - used) == [], "pages for codes that are used nowhere"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_page(language: str) -> None:
    assert [path.stem for path in PAGES if path.parent.name == language] == CODES


# --- what is in them --------------------------------------------------------------------------------------------------


def test_headings_are_those_that_a_reader_expects() -> None:
    for path, page in PAGES.items():
        first = page.splitlines()[0]
        assert re.fullmatch(rf"# {path.stem}: \S.*[^\s.。]", first), first
        assert re.findall(r"(?m)^## (.+)$", prose(page)) == HEADINGS[path.parent.name], name(path)
        for heading, section in re.findall(r"(?ms)^(#+ [^\n]+)\n(.*?)(?=^#+ |\Z)", page):
            assert section.strip(), f"{name(path)}: nothing stands under {heading}"


def test_pages_are_as_long_as_people_read() -> None:
    for path, page in PAGES.items():
        assert 12 <= sum(bool(line.strip()) for line in page.splitlines()) <= 60, name(path)
        assert page == page.strip() + "\n", name(path)
        assert not re.search(r"(?m)[ \t]+$", page), name(path)


def test_pages_fit_into_a_terminal() -> None:
    """Nothing is wider than the terminal, and at 100 columns no command is broken in the middle."""
    for path, page in PAGES.items():
        shown = io.StringIO()
        Console(file=shown, width=100, color_system=None).print(Markdown(page, hyperlinks=False))
        lines = shown.getvalue().splitlines()
        assert path.stem in shown.getvalue()
        assert "**" not in shown.getvalue(), f"{name(path)}: bold type that Markdown does not see"
        assert max(map(cell_len, lines)) <= 100, name(path)
        whole = {line.strip() for line in lines}
        for line in (line.strip() for block in blocks(page) for line in block.splitlines() if line.strip()):
            assert line in whole, f"{name(path)}: {line}"


def test_no_page_names_a_machine_or_a_code_that_does_not_exist() -> None:
    for path, page in PAGES.items():
        # YOU and … stand for the reader's own name
        assert not re.search(r"(?i)(?<![\w.])/(home|root|users)/(?!YOU\b)\w|[A-Z]:\\users\\\w", page), name(path)
        assert set(re.findall(r"\bNM\d{3}\b", page)) <= set(CODES), name(path)


def test_both_languages_say_the_same() -> None:
    """The same commands in the same order, the same codes, addresses and points of lists."""
    for code in CODES:
        english, chinese = (explain.page(code, language) for language in ("en", "zh_CN"))
        assert blocks(english) == blocks(chinese), code
        for pattern in (r"\bNM\d{3}\b", r"https?://[\w./-]+\w", r"(?m)^(?:- |\d\. )"):
            assert sorted(re.findall(pattern, english)) == sorted(re.findall(pattern, chinese)), (code, pattern)


def test_chinese_is_set_as_chinese_is() -> None:
    """No half-width comma between two characters, no space beside a full-width mark."""
    slip = r"[\u4e00-\u9fff] [，。；：、]|[，。；：、] [\u4e00-\u9fff]|[\u4e00-\u9fff][,;:][\u4e00-\u9fff]"
    for path, page in PAGES.items():
        if path.parent.name == "zh_CN":
            text = re.sub(r"`[^`\n]*`|“[A-Za-z][^”]*”|https?://\S+", "x", prose(page))
            assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 100, name(path)
            assert re.findall(slip, text) == [], name(path)


# --- commands of ours -------------------------------------------------------------------------------------------------


def commands(page: str) -> Iterator[list[str]]:
    """What a page tells people to type of newmodel, in blocks and in the text."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    for line in (*lines, *re.findall(r"`([^`\n]+)`", prose(page))):
        if re.match(r"newmodel\b", line):
            yield shlex.split(line)


def mistake(words: list[str], program: Any) -> str:
    """What is wrong with a command: no such command, option, check, mirror, question or answer."""
    command, rest = program, words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            return f"there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for position, word in enumerate(rest):
        following = rest[position + 1] if position + 1 < len(rest) else ""
        if word.startswith("-") and word not in known:
            return f"there is no option {word}"
        if word == "--only" and following not in [check.name for check in CHECKS]:
            return f"there is no check {following}"
        if word == "--use" and following not in [mirror.name for mirror in MIRRORS] + ["off"]:
            return f"there is no mirror {following}"
        if word == "--set":
            key, _, value = following.partition("=")
            question = catalog().questions.get(key)
            if question is None or (question.choices and value not in [choice.value for choice in question.choices]):
                return f"there is no answer {following}"
    return ""


@pytest.fixture(scope="module")
def program() -> Any:
    """The command line as typer has it."""
    import typer.main

    from scaffolder import cli

    return typer.main.get_command(cli._app(language_given=False))


def test_commands_of_newmodel_exist(program: Any) -> None:
    wrong = {
        f"{name(path)}: {shlex.join(words)}: {reason}"
        for path, page in PAGES.items()
        for words in commands(page)
        if (reason := mistake(words, program))
    }
    assert sorted(wrong) == []


def test_such_a_mistake_would_be_found(program: Any) -> None:
    assert mistake(["newmodel", "doctor", "--only", "disk"], program) == ""
    assert mistake(["newmodel", "doktor"], program) == "there is no command doktor"
    assert mistake(["newmodel", "doctor", "--olny", "disk"], program) == "there is no option --olny"
    assert mistake(["newmodel", "doctor", "--only", "disc"], program) == "there is no check disc"
    assert mistake(["newmodel", "mirrors", "--use", "tuna"], program) == "there is no mirror tuna"
    assert mistake(["newmodel", "init", "x", "--set", "framework=jax"], program) == "there is no answer framework=jax"


# --- how they are shown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "code", "expected"), [("en", "204", "too old"), ("zh_CN", "nm204", "驱动太旧")])
def test_explain_prints_the_page_in_the_person_s_language(
    language: str, code: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--lang", language, "doctor", "--explain", code]) == 0
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize("code", ["NM999", "", "204x", "NM2044", "../../cli", "NM２０４", "\x1b[31m", "x" * 5000])
def test_an_unknown_code_is_one_sentence(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "doctor", "--explain", code]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("There is no finding")
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err


def test_a_title_is_the_heading_without_its_code() -> None:
    for language in LANGUAGES:
        for code in CODES:
            title = explain.title(code, language)
            assert title
            assert code not in title
            assert title[0] not in ": "
