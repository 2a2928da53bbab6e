"""`newmodel init` in a terminal, as a person sees and types it."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("pexpect needs a POSIX terminal", allow_module_level=True)

import pexpect
import pyte

from scaffolder.catalog import catalog
from scaffolder.questions import Interview

ROOT = Path(__file__).resolve().parent.parent
DOWN = "\x1b[B"
CTRL_C = "\x03"

#: The command with a machine that is always the same, so that the defaults are, too, and no probe takes its time.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from scaffolder.environment import report
from scaffolder.environment.facts import Indexes, Interpreter, Machine, Report, Tools
report.inspect = lambda *args, **kwargs: Report(
    platform="linux", machine="x86_64", release="Debian GNU/Linux 12", executable=sys.executable,
    interpreters=(Interpreter(path=sys.executable, version=(3, 12, 4)),),
    hardware=Machine(memory_total=2**34, memory_available=2**33, cores=8, disk_free=2**38),
    tools=Tools(git="2.43.0"), indexes=Indexes(pytorch=False),
)
from scaffolder.cli import main
raise SystemExit(main(sys.argv[1:]))
"""


class Terminal:
    """The command in a terminal of 120 by 60 characters."""

    def __init__(self, folder: Path, *arguments: str, lang: str = "C.UTF-8") -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "NO_COLOR"))}
        self.process = pexpect.spawn(
            sys.executable,
            ["-c", PROGRAM.format(root=str(ROOT)), *arguments],
            cwd=str(folder),
            env={**environment, "LANG": lang, "TERM": "xterm-256color", "COLUMNS": "120"},
            dimensions=(60, 120),
            encoding="utf-8",
            timeout=60,
        )
        self.seen = ""

    def expect(self, text: str) -> None:
        """Wait until the terminal shows this text, whose line may be broken anywhere: paths are of any length."""
        end = time.monotonic() + 60
        while not self.shown(text):
            assert time.monotonic() < end, f"{text!r} never came:\n{self.plain()[-3000:]}"
            try:
                self.seen += self.process.read_nonblocking(4096, timeout=5)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert self.shown(text), f"{text!r} never came:\n{self.plain()[-3000:]}"

    def shown(self, text: str) -> bool:
        """Whether this was shown, wherever the terminal broke the line."""
        return "".join(text.split()) in "".join(self.plain().split())

    def plain(self) -> str:
        """Everything that was shown, without the terminal's commands."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", self.seen)

    def screen(self) -> str:
        """What a person sees now."""
        screen = pyte.Screen(120, 60)
        pyte.Stream(screen).feed(self.seen)
        # pyte puts an empty cell behind each wide character
        return "\n".join(re.sub(r"(?<=[\u2e80-\uffee]) ?", "", line).rstrip() for line in screen.display)

    def answer(self, question: str, keys: str = "") -> None:
        """Wait for a question, type, and press Enter."""
        self.expect(question)
        time.sleep(0.05)  # the prompt is drawn before it reads
        self.process.send(keys + "\r")

    def end(self) -> int:
        """The exit code."""
        self.process.expect(pexpect.EOF)
        self.seen += self.process.before or ""
        self.process.close()
        if self.process.exitstatus is None:
            return -int(self.process.signalstatus or 0)
        return int(self.process.exitstatus)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(*arguments: str, lang: str = "C.UTF-8") -> Terminal:
        started.append(Terminal(tmp_path, *arguments, lang=lang))
        return started[-1]

    yield start
    for one in started:
        one.process.close(force=True)


@pytest.mark.full
def test_every_question_with_its_default(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    person = terminal("init")
    person.answer("In which folder?")
    by_default = Interview(catalog(), None, {}, ask=False).run().values
    for question in catalog().questions.values():
        if question.name not in by_default or not question.asked:
            continue
        if question.name == "install_now":
            person.answer(question.help, "n")
        elif question.kind == "bool":
            person.expect(question.help)
            person.process.send("n" if question.name == "use_git" else "")
            person.process.send("" if question.name == "use_git" else "\r")
        else:
            person.answer(question.help)
    person.answer("Make this project?")
    assert person.end() == 0
    assert (tmp_path / "my-model" / "train.py").is_file()
    assert "In PyCharm" in person.screen() and "Without it" in person.screen()


@pytest.mark.full
def test_what_cannot_work_is_shown_disabled_with_the_reason(terminal: Callable[..., Terminal]) -> None:
    person = terminal("init", "demo", "--set", "framework=tensorflow", "--set", "task=foundations")
    for question in ("Which language", "What is the project called", "Under which name"):
        person.answer(question)
    person.expect("Apple GPU (MPS) (TensorFlow 2.21 has no Metal plug-in)")
    person.expect("NVIDIA GPU (CUDA) (no NVIDIA GPU was found)")


def test_a_wrong_answer_is_said_at_the_prompt(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    person = terminal("init")
    person.expect("In which folder?")
    person.process.send("\x15full\r")  # Ctrl-U empties the line
    person.expect("is not empty (it holds mine.txt)")
    person.process.send("\x15demo\r")
    person.answer("Which language")
    person.expect("What is the project called?")
    person.process.send("\x15a/b\r")
    person.expect("A name cannot contain")
    assert "Validation error" not in person.plain()


@pytest.mark.full
def test_the_column_to_predict_is_chosen_from_the_table(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 7},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "table.csv").write_text("number,rest,label\n" + rows, encoding="utf-8")
    settings = ("framework=pytorch", "project_name=demo", "package=demo", "language=en", "task=tabular", "data=own")
    others = ("accelerator=cpu", "precision=float32", "package_manager=pip", "license=none")
    answers = [word for setting in (*settings, *others) for word in ("--set", setting)]
    after = [word for name in ("use_git", "install_now", "open_now") for word in ("--set", f"{name}=no")]
    person = terminal("init", "demo", *answers, *after)
    person.expect("Where is the file")
    person.process.send("gone.csv\r")
    person.expect("gone.csv")
    person.process.send('\x15"table.csv"\r')  # as Windows copies a path
    person.expect("Which column should be predicted?")
    person.expect("» label")
    person.process.send("\x1b[A\r")  # one up: the column before it
    person.answer("Make this project?")
    assert person.end() == 0
    recorded = (tmp_path / "demo" / ".copier-answers.yml").read_text(encoding="utf-8")
    assert "target_column: rest" in recorded
    assert "data_file: data/table.csv" in recorded


@pytest.mark.full
def test_a_long_refusal_can_be_read_to_its_end(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text("query,reply\na,b\n", encoding="utf-8")
    settings = ("framework=pytorch", "project_name=demo", "package=demo", "language=en", "task=llm", "data=own")
    person = terminal("init", "demo", *[word for setting in settings for word in ("--set", setting)])
    person.expect("Where is the file with the conversations")
    person.process.send("chats.csv\r")
    person.expect("it has the fields query, reply; known are messages")
    person.expect("prompt and completion and label, text.")


@pytest.mark.full
def test_no_consent_writes_nothing(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    names = [name for name, question in catalog().questions.items() if question.asked and name != "copyright_holder"]
    given = {"language": "en", "project_name": "demo", "package": "demo", "framework": "pytorch", "task": "tabular"}
    given |= {"data": "sample", "accelerator": "cpu", "precision": "float32", "package_manager": "pip"}
    given |= {"license": "none", "use_git": "no", "install_now": "no", "open_now": "no"}
    others = {"data_file", "target_column", "base_model", "base_model_name", "hub", "method"}
    assert set(given) == set(names) - others
    person = terminal("init", "demo", *[word for item in given.items() for word in ("--set", "=".join(item))])
    person.expect("Make this project?")
    person.process.send("n")
    assert person.end() == 0
    assert "Nothing was written." in person.plain()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.parametrize("questions", [0, 1, 4])
def test_ctrl_c_at_a_question(terminal: Callable[..., Terminal], tmp_path: Path, questions: int) -> None:
    person = terminal("init")
    asked = ["In which folder?", "Which language", "What is the project called", "Under which name", "Which framework"]
    for question in asked[:questions]:
        person.answer(question)
    person.expect(asked[questions])
    time.sleep(0.2)
    person.process.send(CTRL_C)
    assert person.end() == 130
    assert "Interrupted; nothing was written." in person.plain()
    assert "Traceback" not in person.plain()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_a_closed_terminal_does_not_wait(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    person = terminal("init")
    person.expect("In which folder?")
    time.sleep(0.2)
    person.process.send("\x15\x04")  # an empty line, then end of input
    assert person.end() in (2, 130)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_chinese_from_the_locale(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    person = terminal("init", lang="zh_CN.UTF-8")
    person.expect("这台机器")
    person.answer("在哪个文件夹")
    person.answer("README 和说明使用哪种语言")
    person.answer("项目叫什么名字", "\x15房价预测")
    person.expect("fangjiayuce")
    person.process.send(CTRL_C)
    assert person.end() == 130
    assert "已中断" in person.plain()


@pytest.mark.full
def test_the_terminal_follows_the_language_that_is_chosen(terminal: Callable[..., Terminal]) -> None:
    person = terminal("init", "demo")
    person.answer("Which language", DOWN)
    person.expect("项目叫什么名字")


@pytest.mark.full
def test_the_flag_wins_over_the_choice(terminal: Callable[..., Terminal]) -> None:
    person = terminal("init", "demo", "--lang", "en")
    person.answer("Which language", DOWN)
    person.expect("What is the project called?")
