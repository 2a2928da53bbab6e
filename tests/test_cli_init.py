"""`newmodel init` without a terminal: flags, files, output, exit codes, and what is left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from scaffolder.catalog import catalog
from scaffolder.environment import report as report_module
from scaffolder.environment.facts import Accelerators, Gpu, Indexes, Interpreter, PyCharm, Report, Tools
from scaffolder.errors import NewmodelError
from scaffolder.template_source import TEMPLATE_URL, current_version
from tests.conftest import Result

Newmodel = Callable[..., Result]
ONLY_FILES = ("--set", "install_now=no", "--set", "use_git=no")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def recorded(folder: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    return content


def test_defaults_make_a_project_that_records_where_it_comes_from(newmodel: Newmodel, tmp_path: Path) -> None:
    result = newmodel("init", "demo", "--defaults", *ONLY_FILES)
    assert result.code == 0, result.err
    project = tmp_path / "demo"
    assert {"train.py", "finetune.py", "eval.py", "predict.py", "flow.py", "pyproject.toml", "README.md"} <= files(
        project
    )
    answers = recorded(project)
    assert answers["_src_path"] == TEMPLATE_URL
    assert answers["_commit"] == current_version()
    assert answers["project_name"] == answers["package"] == "demo"
    assert "install_now" not in answers and "unavailable" not in answers
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo"]
    for text in ("This machine", "Debian GNU/Linux 12", "framework", "PyTorch", "✓ Written", "Whole flow", "flow.py"):
        assert text in result.err, text
    assert result.out == ""


def test_without_a_path_the_folder_is_named_after_the_project(newmodel: Newmodel, tmp_path: Path) -> None:
    assert newmodel("init", "--defaults", *ONLY_FILES, "--set", "project_name=房价 预测").code == 0
    answers = recorded(tmp_path / "房价 预测")
    assert (answers["project_name"], answers["package"]) == ("房价 预测", "fangjia_yuce")


def test_the_current_empty_folder_is_filled(
    newmodel: Newmodel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    inode = folder.stat().st_ino
    assert newmodel("init", ".", "--defaults", *ONLY_FILES).code == 0
    assert folder.stat().st_ino == inode
    assert (folder / "train.py").is_file()
    assert not list(folder.glob(".newmodel-*"))


def test_a_reserved_name_gets_another_package_and_the_preview_says_why(newmodel: Newmodel, tmp_path: Path) -> None:
    result = newmodel("init", "torch", "--defaults", "--dry-run")
    assert "torch_model" in result.out
    assert "“torch” is a package that the project uses." in result.out


def test_dry_run_shows_tree_and_decisions_and_writes_nothing(newmodel: Newmodel, tmp_path: Path) -> None:
    result = newmodel("init", "demo", "--defaults", "--dry-run")
    assert result.code == 0
    for text in ("demo/", "train.py", "Train.xml", "pyproject.toml", "accelerator", "CPU", str(tmp_path / "demo")):
        assert text in result.out, text
    assert "nothing was written" in result.err
    assert list(tmp_path.iterdir()) == []


def test_dry_run_lists_exactly_what_is_then_written(newmodel: Newmodel, tmp_path: Path) -> None:
    arguments = ("init", "demo", "--defaults", "--json", *ONLY_FILES, "--set", "task=foundations")
    promised = json.loads(newmodel(*arguments, "--dry-run").out)
    made = json.loads(newmodel(*arguments).out)
    assert promised["written"] is False and made["written"] is True
    assert set(promised["files"]) == set(made["files"]) == files(tmp_path / "demo")


def test_json_is_the_only_thing_on_standard_output(newmodel: Newmodel) -> None:
    result = newmodel("init", "demo", "--json", "--defaults", *ONLY_FILES)
    content = json.loads(result.out)
    assert content["answers"]["framework"] == "pytorch"
    assert content["environment"]["tools"]["git"] == "2.43.0"
    assert content["problems"] == []
    assert result.err == ""


def test_without_a_terminal_it_says_what_is_missing(newmodel: Newmodel, tmp_path: Path) -> None:
    result = newmodel("init", "demo", "--set", "framework=pytorch", "--set", "license=MIT")
    assert result.code == 2
    assert result.err == (
        "There is no terminal to ask in, and these have no answer: language, project_name, package, task, data, "
        "accelerator, precision, package_manager, use_git, install_now, open_now. Take the defaults with --defaults, "
        "or give answers with --set key=value or --answers FILE.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_complete_answers_need_no_defaults(newmodel: Newmodel, tmp_path: Path) -> None:
    answers = {
        question.name: (False if question.kind == "bool" else question.choices[0].value)
        for question in catalog().questions.values()
        if question.asked and (question.choices or question.kind == "bool")
    }
    answers |= {"project_name": "Demo 1", "package": "demo_1", "accelerator": "cpu", "package_manager": "pip"}
    for name in ("base_model", "hub", "method"):  # a language model's
        del answers[name]
    (tmp_path / "answers.json").write_text(json.dumps(answers | {"data": "sample"}), encoding="utf-8")
    result = newmodel("init", "demo", "--answers", "answers.json")
    assert result.code == 0, result.err
    assert recorded(tmp_path / "demo")["package"] == "demo_1"


def test_a_projects_own_answers_make_it_again(newmodel: Newmodel, tmp_path: Path) -> None:
    assert newmodel("init", "one", "--defaults", *ONLY_FILES, "--set", "framework=tensorflow").code == 0
    again = newmodel("init", "two", "--answers", "one/.copier-answers.yml", "--defaults", *ONLY_FILES)
    assert again.code == 0, again.err
    assert recorded(tmp_path / "one") == recorded(tmp_path / "two")
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_set_wins_over_the_file_and_choices_are_matched_by_any_case(newmodel: Newmodel, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("framework: tensorflow\nlicense: mit\n", encoding="utf-8")
    assert (
        newmodel("init", "demo", "--defaults", "--answers", "a.yaml", "--set", "framework=PyTorch", *ONLY_FILES).code
        == 0
    )
    answers = recorded(tmp_path / "demo")
    assert (answers["framework"], answers["license"]) == ("pytorch", "MIT")


# --- what was found decides the defaults ------------------------------------------------------------------------------


def plan(newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, machine: Report, *arguments: str) -> dict[str, object]:
    monkeypatch.setattr(report_module, "inspect", lambda *args, **kwargs: machine)
    result = newmodel("init", "demo", "--defaults", "--dry-run", "--json", *arguments)
    assert result.code == 0, result.err
    answers: dict[str, object] = json.loads(result.out)["answers"]
    return answers


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")]
)
def test_a_gpu_decides_accelerator_and_precision(
    newmodel: Newmodel,
    monkeypatch: pytest.MonkeyPatch,
    machine: Report,
    capability: tuple[int, int],
    precision: str,
) -> None:
    gpu = Gpu(kind="cuda", name="NVIDIA", total=1, free=1, capability=capability)
    machine = dataclasses.replace(machine, accelerators=Accelerators(gpus=(gpu,), driver="580"))
    answers = plan(newmodel, monkeypatch, machine)
    assert (answers["accelerator"], answers["precision"]) == ("cuda", precision)


def test_tools_and_network_decide_the_rest(
    newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, machine: Report
) -> None:
    rich = dataclasses.replace(
        machine, tools=Tools(git="2.43.0", uv="0.9.1", uv_path="/usr/bin/uv"), indexes=Indexes(pytorch=True)
    )
    answers = plan(newmodel, monkeypatch, rich)
    assert (answers["package_manager"], answers["framework_index"], answers["use_git"]) == ("uv", "framework", True)
    poor = dataclasses.replace(machine, tools=Tools(), indexes=Indexes(pytorch=False))
    answers = plan(newmodel, monkeypatch, poor)
    assert (answers["package_manager"], answers["framework_index"], answers["use_git"]) == ("pip", "default", False)


def test_no_pycharm_is_opened_unasked(newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, machine: Report) -> None:
    here = dataclasses.replace(machine, pycharm=(PyCharm(folder="/opt/pycharm", launcher="/opt/pycharm/bin/pycharm"),))
    assert plan(newmodel, monkeypatch, here)["open_now"] is False


def test_a_framework_without_packages_for_the_python_here_is_refused_with_the_reason(
    newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, machine: Report
) -> None:
    newest = dataclasses.replace(machine, interpreters=(Interpreter(path="/usr/bin/python3.14", version=(3, 14, 0)),))
    assert plan(newmodel, monkeypatch, newest)["framework"] == "pytorch"
    result = newmodel("init", "demo", "--defaults", "--set", "framework=tensorflow")
    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        "framework cannot be tensorflow here: TensorFlow (Keras 3) has packages for Python 3.11 to 3.13; "
        "here is 3.14.0."
    )


def test_tensorflow_sees_no_gpu_on_windows(
    newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, machine: Report
) -> None:
    gpu = Gpu(kind="cuda", name="NVIDIA", capability=(8, 6))
    windows = dataclasses.replace(machine, platform="win32", accelerators=Accelerators(gpus=(gpu,), driver="580"))
    assert plan(newmodel, monkeypatch, windows)["accelerator"] == "cuda"
    assert plan(newmodel, monkeypatch, windows, "--set", "framework=tensorflow")["accelerator"] == "cpu"
    result = newmodel("init", "demo", "--defaults", "--set", "framework=tensorflow", "--set", "accelerator=cuda")
    assert result.code == 2
    assert result.err.splitlines()[-1] == (
        "accelerator cannot be cuda here: TensorFlow sees no GPU on Windows: choose PyTorch, or work inside WSL2."
    )


def test_a_gpu_that_is_not_here_can_be_asked_for_by_name(newmodel: Newmodel) -> None:
    result = newmodel("init", "demo", "--defaults", "--dry-run", "--set", "accelerator=cuda")
    assert result.code == 0
    assert "accelerator is cuda as you said, although: no NVIDIA GPU was found." in result.out


# --- afterwards -------------------------------------------------------------------------------------------------------


def test_a_failing_installation_leaves_the_project_and_says_how_to_go_on(
    newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import scaffolder.install

    def fail(*args: object, **kwargs: object) -> Path:
        raise NewmodelError("The disk is full; free 2 GB and run: cd demo && uv sync")

    monkeypatch.setattr(scaffolder.install, "create_environment", fail)
    result = newmodel("init", "demo", "--defaults", "--set", "use_git=no")
    assert result.code == 1
    assert "The disk is full; free 2 GB and run: cd demo && uv sync" in result.err
    assert "Written, with something left to do" in result.err
    assert "First finish the installation, as said above." in result.err
    assert (tmp_path / "demo" / "train.py").is_file()


def test_ctrl_c_during_the_installation_keeps_the_project(
    newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import scaffolder.install

    def interrupt(*args: object, **kwargs: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(scaffolder.install, "create_environment", interrupt)
    result = newmodel("init", "demo", "--defaults")
    assert result.code == 130
    assert f"The project is complete in {tmp_path / 'demo'}; what was left to do:" in result.err
    assert (tmp_path / "demo" / "train.py").is_file()


def test_git_gets_one_commit_of_everything(newmodel: Newmodel, tmp_path: Path) -> None:
    assert newmodel("init", "demo", "--defaults", "--set", "install_now=no").code == 0
    git = ["git", "-C", str(tmp_path / "demo")]
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout == ""
    count = subprocess.run([*git, "rev-list", "--count", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert count.strip() == "1"


def test_no_repository_is_nested_in_another(newmodel: Newmodel, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    result = newmodel("init", "demo", "--defaults", "--set", "install_now=no")
    assert result.code == 0
    assert not (tmp_path / "demo" / ".git").exists()
    assert "inside the git repository" in result.err


# --- the command itself -----------------------------------------------------------------------------------------------


def test_version_and_help(newmodel: Newmodel) -> None:
    help_text = newmodel("init", "--help").out
    for option in ("--defaults", "--set", "--answers", "--data", "--target-column", "--dry-run", "--json", "--lang"):
        assert option in help_text
    for question in catalog().questions:
        assert question in help_text


def test_neither_frameworks_nor_rich_are_loaded_for_help() -> None:
    heavy = {"torch", "tensorflow", "keras", "copier", "questionary", "yaml", "jinja2", "rich.console", "psutil"}
    code = (
        "import sys\nfrom scaffolder.cli import main\nmain(['--help'])\n"
        f"sys.exit(', '.join({heavy!r} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0


def test_a_bug_of_ours_saves_its_trace(newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import scaffolder.generate

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def stumble(*args: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr(scaffolder.generate, "render", stumble)
    result = newmodel("init", "demo", "--defaults")
    assert result.code == 70
    message = result.err.splitlines()[-1]
    assert message.startswith("This is a mistake in newmodel: RuntimeError. The details are in ")
    trace = Path(message.split("The details are in ")[1].removesuffix("; please report it."))
    assert "the inner secret" in trace.read_text(encoding="utf-8")
    assert "Traceback" not in result.err
    assert not (tmp_path / "demo").exists()
