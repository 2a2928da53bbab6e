"""The tasks of a checkout: what `make demo` does with a demo that is there, and what it shows at the end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tasks.py for a checkout in `tmp_path`, whose commands are written down instead of run."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(module, "DEMO_RECORD", tmp_path / ".cache" / "demo.json")
    (tmp_path / ".venv").mkdir()
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "copier.yml").write_text("")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    module.commands = []

    def run(command: list[object], **_options: object) -> None:
        words = [str(word).replace(str(tmp_path) + os.sep, "") for word in command]
        module.commands.append(" ".join(words[1:] if "python" in words[0] else words))
        if words[1:4] == ["-m", "scaffolder", "init"]:
            project = module.DEMO
            project.mkdir()
            (project / ".copier-answers.yml").write_text("framework: pytorch\n")
            (project / "train.py").write_text("pass\n")
            (project / ".venv").mkdir()
        if words[-1] == "flow.py":
            run_folder = module.DEMO / "runs" / "finetune-20260101-120000"
            run_folder.mkdir(parents=True, exist_ok=True)
            (run_folder / "metrics.json").write_text(json.dumps(METRICS))

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "install", lambda *words: module.commands.append(" ".join(["install", *words])))
    monkeypatch.setattr(module, "works", lambda _python: True)
    return module


METRICS = {
    "before": {"accuracy": 0.61, "log_loss": 0.9},
    "after": {"accuracy": 0.85, "log_loss": 0.4},
    "from_scratch": {"mean": {"accuracy": 0.7, "log_loss": None}, "values": {}},
    "baseline": {"accuracy": 0.8},
    "better": {"metric": "accuracy", "higher_is_better": True},
}


def test_the_demo_is_made_trained_and_compared(tasks: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tasks.main(["demo"]) == 0
    assert tasks.commands[-2:] == ["-m scaffolder init demo --defaults", "flow.py"]
    lines = capsys.readouterr().out.splitlines()
    assert "          before   after  from scratch  baseline" in lines
    assert "accuracy  0.6100  0.8500        0.7000    0.8000" in lines
    assert "log loss  0.9000  0.4000             -         -" in lines
    assert "accuracy is better after fine-tuning: 0.6100 -> 0.8500" in lines
    assert f"Report: {tasks.DEMO / 'runs' / 'finetune-20260101-120000' / 'report.html'}" in lines


def test_run_again_it_goes_on_with_what_is_there(tasks: ModuleType) -> None:
    tasks.main(["demo"])
    (tasks.DEMO / ".venv" / "pyvenv.cfg").touch()
    (tasks.DEMO / ".idea").mkdir()
    (tasks.DEMO / ".idea" / "workspace.xml").touch()
    (tasks.DEMO / "__pycache__").mkdir()
    (tasks.DEMO / "__pycache__" / "train.pyc").touch()
    tasks.commands.clear()
    assert tasks.main(["demo"]) == 0
    assert tasks.commands == ["flow.py"]


@pytest.mark.parametrize("change", ["edit", "add", "delete", "no record"])
def test_a_demo_that_was_changed_is_moved_and_never_deleted(tasks: ModuleType, tmp_path: Path, change: str) -> None:
    tasks.main(["demo"])
    if change == "edit":
        (tasks.DEMO / "train.py").write_text("mine\n")
    elif change == "add":
        (tasks.DEMO / "mine.csv").write_text("mine\n")
    elif change == "delete":
        (tasks.DEMO / "train.py").unlink()
    else:
        tasks.DEMO_RECORD.unlink()
    before = tasks.fingerprints(tasks.DEMO)
    assert tasks.main(["demo"]) == 0
    (moved,) = tmp_path.glob("demo-*")
    assert tasks.fingerprints(moved) == before
    assert (moved / "runs").is_dir()
    assert (tasks.DEMO / "train.py").read_text() == "pass\n"
    assert tasks.free_name() not in (moved, tasks.DEMO)


def test_a_demo_of_older_templates_is_moved_too(tasks: ModuleType, tmp_path: Path) -> None:
    tasks.main(["demo"])
    (tmp_path / "templates" / "copier.yml").write_text("new: question\n")
    assert tasks.main(["demo"]) == 0
    assert len(list(tmp_path.glob("demo-*"))) == 1


def test_an_unfinished_installation_is_finished(tasks: ModuleType) -> None:
    tasks.main(["demo"])
    (tasks.DEMO / ".venv" / "newmodel-unfinished").touch()
    tasks.commands.clear()
    tasks.main(["demo"])
    assert tasks.commands == ["-m scaffolder.install demo", "flow.py"]


def test_test_runs_pytest_in_two_processes_and_passes_arguments_on(tasks: ModuleType) -> None:
    assert tasks.main(["test-fast", "-k", "wheel"]) == 0
    assert tasks.commands[-1].startswith("-m pytest -n 2 --dist worksteal --cov=scaffolder")
    assert tasks.commands[-1].endswith("-m not full -k wheel")
    assert "install --editable . --group test" in tasks.commands


def test_the_environment_is_installed_into_only_when_something_changed(tasks: ModuleType, tmp_path: Path) -> None:
    tasks.set_up("test")
    tasks.commands.clear()
    tasks.set_up("test")
    assert tasks.commands == []
    tasks.set_up("docs")
    assert tasks.commands[-1] == "install --editable . --group docs"
    (tmp_path / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    tasks.set_up("test")
    assert tasks.commands[-1] == "install --editable . --group test"


def test_release_wants_a_version(tasks: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tasks.main(["release"]) == 2
    assert "Which version?" in capsys.readouterr().err
    assert tasks.main(["release", "0.3.0"]) == 0
    assert tasks.commands[-1] == "-m scaffolder.template_source release 0.3.0"


def test_a_command_that_fails_gives_its_exit_code(tmp_path: Path) -> None:
    script = "import tasks, sys\nsys.exit(tasks.main(['docs']))"
    prelude = "import tasks\ntasks.set_up = lambda *_: None\ntasks.PYTHON = '/bin/false'\n"
    done = subprocess.run([sys.executable, "-c", prelude + script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "This failed (exit code 1): /bin/false -m mkdocs build --strict" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no make")
def test_make_and_the_build_server_call_the_same_tasks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for task in ("demo", "test", "test-fast", "lint", "docs"):
        assert f"\n{task}: ##" in makefile
        assert f"$(TASK) {task}\n" in makefile
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "exec make --no-print-directory test"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
