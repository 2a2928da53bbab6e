"""`newmodel doctor` as a person or a program meets it; what a probe makes of a machine is tested beside the probes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scaffolder.doctor import command, explain, fix, share, training
from scaffolder.doctor.document import document, schema
from scaffolder.environment import checks, report
from scaffolder.environment.facts import (
    Accelerators,
    Command,
    Finding,
    Frameworks,
    Gpu,
    Interpreter,
    PyCharm,
    Report,
    Tools,
    quoted,
)
from scaffolder.environment.recorded_system import RecordedSystem
from scaffolder.environment.system import CommandResult
from scaffolder.errors import ExitCode
from tests.conftest import Result

Newmodel = Callable[..., Result]
SCHEMA = Path(__file__).parent.parent / "docs" / "doctor.schema.json"

BLOCKS = Finding(
    code="NM102",
    severity="blocks",
    what="Python cannot make virtual environments.",
    meaning="The packages would have no place.",
    commands=(Command(line="sudo apt install python3.12-venv"),),
    check="python",
)
SAFE = Finding(
    code="NM503",
    severity="slows",
    what="PyCharm knows no interpreter for this project.",
    meaning="Nothing can be run in it.",
    commands=(Command(line="newmodel pycharm interpreter .", arguments=("newmodel", "pycharm", "interpreter", ".")),),
    check="pycharm",
)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Let `doctor` see a report of these findings; returns the names of the checks that were asked for, run by run."""

    def arrange(*findings: Finding) -> list[list[str]]:
        asked: list[list[str]] = []

        def inspect(_system: object, *, folder: Path, checks: list[str]) -> Report:
            asked.append(list(checks))
            return Report(
                platform="linux",
                machine="x86_64",
                release="Linux",
                executable="/usr/bin/python3",
                folder=str(folder),
                checks=tuple(checks),
                findings=findings,
            )

        monkeypatch.setattr(command, "inspect", inspect)
        return asked

    return arrange


# --- what it says -----------------------------------------------------------------------------------------------------


def test_what_blocks_is_the_exit_code(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found(BLOCKS, SAFE)
    result = newmodel("doctor")
    assert result.code == 1
    for text in ("NM102", BLOCKS.what, BLOCKS.meaning, "$ sudo apt install python3.12-venv", "--explain NM102"):
        assert text in result.out, text
    assert result.out.index("NM102") < result.out.index("NM503")


def test_without_findings_all_is_fine(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found()
    result = newmodel("doctor")
    assert (result.code, result.err) == (0, "")
    assert "Everything that was looked at is fine." in result.out
    assert len(re.findall("^✓", result.out, re.MULTILINE)) == len(
        [check for check in checks.CHECKS if check.need not in ("network", "project")]
    )


def test_a_slow_thing_does_not_fail(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found(SAFE)
    result = newmodel("doctor")
    assert result.code == 0
    assert "Training works here; 1 thing slows it." in result.out


def test_the_checks_have_names(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    listed = newmodel("doctor", "--list")
    assert listed.code == 0
    names = [line.split()[0] for line in listed.out.splitlines()]
    assert names == [check.name for check in checks.CHECKS]
    asked = found()
    assert newmodel("doctor", "--only", "tools", "--only", "python").code == 0
    assert asked == [["tools", "python"]]


def test_only_what_was_asked_for_is_said(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found(BLOCKS, SAFE)
    result = newmodel("doctor", "--only", "pycharm")
    assert result.code == 0, "what another check found does not count"
    assert "NM503" in result.out and "NM102" not in result.out
    assert "What fits this machine" not in result.out


def test_what_takes_time_comes_last() -> None:
    needs = [check.need for check in checks.CHECKS]
    slow = [need in ("time", "network") for need in needs]
    assert slow == sorted(slow)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "pythn"], "There is no check “pythn”; did you mean “python”?"),
        (["no/such/folder"], "There is no folder"),
        (["--explain", "NM999"], "There is no finding “NM999”"),
        (["--fix", "--json"], "--fix needs --yes"),
        (["--fix"], "--fix needs --yes"),
    ],
)
def test_mistakes_get_one_sentence(newmodel: Newmodel, arguments: list[str], sentence: str) -> None:
    result = newmodel("doctor", *arguments)
    assert result.code == 2
    assert sentence in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("arguments", "there", "absent"),
    [
        ([], set(), {"network", "project"}),
        (["--network"], {"network"}, {"project"}),
        (["--quick"], set(), {"network", "time", "project"}),
        (["project"], {"project"}, {"network"}),
    ],
)
def test_which_checks_are_made(
    newmodel: Newmodel,
    found: Callable[..., Any],
    tmp_path: Path,
    arguments: list[str],
    there: set[str],
    absent: set[str],
) -> None:
    (tmp_path / "project").mkdir()
    asked = found()
    assert newmodel("doctor", *arguments).code == 0
    made = {check.need for check in checks.CHECKS if check.name in asked[0]}
    possible = {check.need for check in checks.CHECKS}
    assert made >= there & possible
    assert not made & absent


def test_inside_a_project_it_is_looked_at(newmodel: Newmodel, found: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    asked = found()
    assert newmodel("doctor").code == 0
    assert {check.name for check in checks.CHECKS if check.need == "project"} <= set(asked[0])


# --- for programs -----------------------------------------------------------------------------------------------------


def test_json_alone_on_standard_output(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found(BLOCKS)
    result = newmodel("doctor", "--json")
    assert result.code == 1
    assert result.err == ""
    content = json.loads(result.out)
    assert content["blocked"] is True
    assert content["findings"][0]["commands"] == [{"line": "sudo apt install python3.12-venv", "arguments": []}]
    jsonschema.validate(content, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_the_published_schema_is_current() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema(), "run: python docs/reference.py"


def test_this_machines_report_fits_the_schema() -> None:
    made = report.inspect(checks=[check.name for check in checks.CHECKS if check.need in ("", "project")])
    content = json.loads(json.dumps(document(made, "0").as_json()))
    jsonschema.validate(content, schema())
    assert content["findings"] == [] or "findings" not in content["machine"]


# --- the privacy of --share -------------------------------------------------------------------------------------------


def private_report() -> Report:
    home = "/home/Zhang San"
    return Report(
        platform="linux",
        machine="x86_64",
        release="Ubuntu 24.04",
        executable="/usr/bin/python3.12",
        folder=f"{home}/secret project",
        checks=tuple(check.name for check in checks.CHECKS),
        interpreters=(Interpreter(path=f"{home}/.pyenv/versions/3.12.1/bin/python", version=(3, 12, 1)),),
        accelerators=Accelerators(gpus=(Gpu(kind="cuda", name="NVIDIA A100", total=1),), driver="580.95.05"),
        frameworks=Frameworks(python=f"{home}/secret project/.venv/bin/python", versions={"torch": "2.13.0"}),
        pycharm=(PyCharm(folder="/opt/pycharm", launcher="/opt/pycharm/bin/pycharm.sh"),),
        tools=Tools(git="2.43.0", git_user="Zhang San"),
        findings=(
            Finding(
                code="NM211",
                severity="slows",
                what=f"GPU-5e8c3a44-1111-2222-3333-444455556666 is used by {home}/secret project/train.py (10.1.2.3).",
                meaning="Ask zhangsan@corp.example on buildbox-7, see https://user:pw@pypi.corp.example/simple?t=1",
                advice="Documentation: https://docs.astral.sh/uv/ and C:\\Users\\Zhang San\\AppData\\x.exe",
            ),
        ),
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_private_is_shared(newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr(command, "inspect", lambda *_args, **_options: private_report())
    monkeypatch.setattr(share.Redaction, "__init__", _as_zhang_san(share.Redaction.__init__))
    result = newmodel("doctor", "--share", *(["--json"] if form == "json" else []))
    flat = " ".join(result.out.split())
    for secret in (
        "Zhang",
        "zhangsan",
        "buildbox",
        "secret",
        "5e8c3a44",
        "10.1.2.3",
        "corp.example",
        "user:pw",
        "/home",
    ):
        assert secret not in flat, (secret, flat)
    for kept in ("NVIDIA A100", "580.95.05", "2.13.0", "docs.astral.sh", "NM211"):
        assert kept in flat, (kept, flat)


def _as_zhang_san(original: Callable[..., None]) -> Callable[..., None]:
    class Person:
        user_name, host_name, home, platform = "zhangsan", "buildbox-7", Path("/home/Zhang San"), "linux"

    return lambda self, _system, shown: original(self, Person, shown)


def test_a_short_name_does_not_eat_words() -> None:
    class Person:
        user_name, host_name, home = "art", "x", Path("/home/art")

    redaction = share.Redaction(Person, private_report())  # type: ignore[arg-type]
    assert redaction.text("start art") == "start <user>"


# --- mending ----------------------------------------------------------------------------------------------------------


def test_only_what_is_safe_is_mended(
    newmodel: Newmodel, found: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = found(BLOCKS, SAFE)
    ran: list[list[str]] = []
    monkeypatch.setattr(fix, "_execute", lambda words, _folder: ran.append(list(words)) or 0)
    result = newmodel("doctor", "--fix", "--yes")
    assert ran == [["newmodel", "pycharm", "interpreter", "."]]
    assert len(asked) == 2, "it looks again afterwards"
    assert "newmodel pycharm interpreter ." in result.err
    assert "sudo" not in result.err


def test_nothing_to_mend_is_said(newmodel: Newmodel, found: Callable[..., Any]) -> None:
    found(BLOCKS)
    result = newmodel("doctor", "--fix", "--yes")
    assert result.code == 1
    assert "nothing here that newmodel can mend by itself" in result.err


def test_a_repair_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "raise SystemExit(3)")
    made = tmp_path / "made"
    other = (sys.executable, "-c", f"open({str(made)!r}, 'w')")
    findings = [replace(SAFE, commands=(Command(line=quoted(one, "linux"), arguments=one),)) for one in (words, other)]
    failed = fix.run(fix.repairs(findings), tmp_path)
    assert [repair.commands[0].arguments for repair in failed] == [words]
    assert made.exists()


def test_no_safe_command_needs_an_administrator_or_touches_a_driver() -> None:
    for finding in (BLOCKS, SAFE):
        for one in finding.commands:
            assert not one.arguments or "sudo" not in one.arguments


@pytest.mark.parametrize(
    ("platform", "words", "line"),
    [
        ("linux", ("pip", "install", "a b"), "pip install 'a b'"),
        ("win32", ("py", "-m", "pip"), "py -m pip"),
        ("win32", (r"C:\Program Files\python.exe", "-V"), r"& 'C:\Program Files\python.exe' -V"),
        ("win32", ("pip", "install", "tensorflow[and-cuda]==2"), "pip install 'tensorflow[and-cuda]==2'"),
        ("win32", ("echo", "it's"), "echo 'it''s'"),
    ],
)
def test_commands_are_quoted_for_the_shell(platform: str, words: tuple[str, ...], line: str) -> None:
    assert quoted(words, platform) == line


# --- the proof --------------------------------------------------------------------------------------------------------


class Trainer(RecordedSystem):
    """A machine whose interpreter answers the tiny training as it is told."""

    def __init__(self, answer: CommandResult) -> None:
        object.__setattr__(self, "answer", answer)

    def run(self, arguments: Any, *, timeout: float = 5.0) -> CommandResult:
        return self.answer  # type: ignore[attr-defined, no-any-return]


def trained(answer: CommandResult) -> tuple[list[training.Proof], list[Finding]]:
    made = replace(private_report(), frameworks=Frameworks(python="python", versions={"torch": "2.13.0"}))
    return training.prove(Trainer(answer), made)


def test_a_falling_loss_is_a_proof() -> None:
    text = 'a warning\n{"device": "NVIDIA A100", "seconds": 0.4, "before": 9.5, "after": 0.01}\n'
    proofs, findings = trained(CommandResult(returncode=0, stdout=text))
    assert findings == []
    assert (proofs[0].device, proofs[0].after) == ("NVIDIA A100", 0.01)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            CommandResult(returncode=1, stderr="Traceback\nRuntimeError: no kernel image is available"),
            "no kernel image",
        ),
        (CommandResult(returncode=None, problem="timeout"), "no answer"),
        (CommandResult(returncode=-11), "exit code -11"),
        (CommandResult(returncode=0, stdout="{}"), "{}"),
        (CommandResult(returncode=0, stdout='{"device": "x", "seconds": 1, "before": 1, "after": 0.9}'), "0.900"),
        (CommandResult(returncode=0, stdout='{"device": "x", "seconds": 1, "before": 1, "after": NaN}'), "nan"),
    ],
)
def test_what_does_not_train_blocks(answer: CommandResult, words: str) -> None:
    proofs, findings = trained(answer)
    assert proofs == []
    assert [(finding.code, finding.severity) for finding in findings] == [("NM405", "blocks")]
    assert words in findings[0].what


@pytest.mark.full
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_real_framework_trains(framework: str) -> None:
    from scaffolder.environment.real_system import RealSystem
    from tests.environments import framework_environment

    python = framework_environment(framework)
    name = {"pytorch": "torch"}.get(framework, framework)
    made = replace(private_report(), frameworks=Frameworks(python=str(python), versions={name: "?"}))
    proofs, findings = training.prove(RealSystem(), made)
    assert findings == []
    assert proofs[0].after < 0.1 * proofs[0].before


# --- explanations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["NM201", "nm201", "201"])
def test_a_code_is_explained(newmodel: Newmodel, code: str) -> None:
    result = newmodel("doctor", "--explain", code)
    assert result.code == 0
    assert result.out.startswith("# NM201")
    assert "GPU" in explain.title("NM201")


def test_in_chinese(newmodel: Newmodel) -> None:
    result = newmodel("doctor", "--explain", "NM201", "--lang", "zh_CN")
    assert result.code == 0
    assert re.search("[\u4e00-\u9fff]", result.out)


# --- the exit code as a shell sees it ---------------------------------------------------------------------------------


def test_from_a_shell(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "scaffolder", "doctor", "--quick", "--json", "--only", "tools"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == ExitCode.OK, done.stderr
    assert json.loads(done.stdout)["machine"]["tools"]["git"] == (None if shutil.which("git") is None else _git())


def _git() -> str:
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"\d+(\.\d+)+", done.stdout)
    assert match is not None
    return match.group(0)
