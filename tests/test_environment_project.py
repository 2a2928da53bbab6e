"""`newmodel doctor PROJECT`: environment, data, files and the newest training, on recorded and on real folders."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment import report
from scaffolder.environment.facts import Accelerators, Finding, Gpu, Interpreter, LastRun, ProjectState, Report, Tools
from scaffolder.environment.projects import project
from scaffolder.environment.projects.project_files import compile_error
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.recorded_system import RecordedSystem

PROJECT = Path("/home/me/demo")
PYTHON = "/home/me/demo/.venv/bin/python"
PYPROJECT = b"""
[project]
name = "demo"
requires-python = ">=3.11,<3.14"
dependencies = ["torch==2.13.0", "numpy>=1.26", "tomli>=2; python_version < '3.11'"]
[dependency-groups]
dev = ["pytest"]
[tool.uv.sources]
torch = [{ index = "pytorch", marker = "sys_platform == 'linux'" }]
[[tool.uv.index]]
name = "pytorch"
url = "https://download.pytorch.org/whl/cu130"
"""
Record = Callable[..., RecordedSystem]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A recorded project: its files by path below the folder, and what its interpreter has installed."""

    def make(
        files: dict[str, bytes | None], packages: dict[str, str] | None = None, python: str = "3.12.3", **content: Any
    ) -> RecordedSystem:
        listed: dict[str, Any] = {}
        for number, (name, raw) in enumerate(files.items()):
            path = name if name.startswith("/") else f"{PROJECT}/{name}"
            listed[path] = None if raw is None else f"{number}.raw"
            if raw is not None:
                (tmp_path / f"{number}.raw").write_bytes(raw)
        if packages is not None:
            listed.setdefault(PYTHON, None)
            answer = {
                "prefix": f"{PROJECT}/.venv",
                "base_prefix": "/usr",
                "environment": {
                    "python_full_version": python,
                    "python_version": python.rpartition(".")[0],
                    "sys_platform": "linux",
                },
                "packages": [{"name": name, "version": version} for name, version in packages.items()],
            }
            (tmp_path / "packages.json").write_text(json.dumps(answer), encoding="utf-8")
            content["commands"] = [
                {"arguments": [PYTHON, "-X", "newmodel=packages", "*"], "stdout": "packages.json"},
                *content.get("commands", []),
            ]
        (tmp_path / "system.json").write_text(json.dumps({**content, "files": listed}), encoding="utf-8")
        return RecordedSystem(tmp_path)

    return make


ANSWERS: dict[str, bytes | None] = {".copier-answers.yml": b"_commit: 0.3.0\n"}
FITTING = {"torch": "2.13.0+cu130", "numpy": "2.4.0", "pip": "26.0"}


def look(system: RecordedSystem) -> dict[str, Finding]:
    """All that is found, the judgement included."""
    found = report.inspect(system, folder=PROJECT, checks=["project"])
    return {finding.code: finding for finding in found.findings if finding.check == "project"}


def lines(finding: Finding) -> list[str]:
    return [command.line for command in finding.commands]


# --- the environment --------------------------------------------------------------------------------------------------


def test_a_project_without_fault(record: Record) -> None:
    files = {**ANSWERS, "pyproject.toml": PYPROJECT, "train.py": b"print(1)\n"}
    facts, findings = project.probe(record(files, FITTING), PROJECT)
    assert findings == []
    assert facts["project"] == ProjectState(
        known=True,
        settings=f"{PROJECT}/pyproject.toml",
        requires_python=">=3.11,<3.14",
        environment="ready",
        python="3.12.3",
        installs=(
            ("torch==2.13.0", "--index-url", "https://download.pytorch.org/whl/cu130"),
            ("-e", ".", "--group", "dev"),
        ),
        files=1,
    )


def test_missing_and_other_versions_by_pip(record: Record) -> None:
    system = record({**ANSWERS, "pyproject.toml": PYPROJECT}, {"torch": "2.9.0", "pip": "26.0"})
    finding = look(system)["NM610"]
    assert finding.severity == "slows"
    assert "numpy is missing" in finding.what and "torch 2.9.0 is not torch==2.13.0" in finding.what
    assert lines(finding) == [
        f"{PYTHON} -m pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130",
        f"{PYTHON} -m pip install 'numpy>=1.26'",
    ]


def test_missing_by_uv(record: Record) -> None:
    files = {**ANSWERS, "pyproject.toml": PYPROJECT, "uv.lock": None}
    finding = look(record(files, {"torch": "2.13.0"}, which={"uv": "/usr/bin/uv"}))["NM610"]
    assert lines(finding) == [f"uv sync --project {PROJECT}"]
    assert finding.commands[0].arguments  # --fix may run it


def test_requirements_txt_of_a_foreign_project(record: Record) -> None:
    text = b"# what it needs\nnumpy>=3  # new\n-r other.txt\ntorch==2.13.0 \\\n    --hash=sha256:00\n"
    found = look(record({"requirements.txt": text}, FITTING))
    assert "numpy 2.4.0 is not numpy>=3" in found["NM610"].what and "torch" not in found["NM610"].what
    assert found["NM619"].severity == "note"


def test_no_environment_yet(record: Record) -> None:
    answer = {"executable": "/usr/bin/python3.12", "version": [3, 12, 3], "bits": 64, "missing": []}
    answer_file = {"/usr/share/answer": json.dumps(answer).encode()}
    system = record(
        {**ANSWERS, **answer_file, "pyproject.toml": PYPROJECT},
        which={"python3": "/usr/bin/python3.12"},
        commands=[{"arguments": ["/usr/bin/python3.12", "-X", "newmodel=python", "*"], "stdout": "1.raw"}],
    )
    assert lines(look(system)["NM611"]) == [
        f"cd {PROJECT}",
        "/usr/bin/python3.12 -m venv .venv",
        ".venv/bin/python -m pip install --upgrade pip",
        ".venv/bin/python -m pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130",
        ".venv/bin/python -m pip install -e . --group dev",
    ]


def test_none_is_needed_where_one_is_active(record: Record) -> None:
    system = record({**ANSWERS, "pyproject.toml": PYPROJECT}, environ={"CONDA_PREFIX": "/opt/conda/envs/x"})
    assert "NM611" not in look(system)


def test_its_python_is_gone(record: Record) -> None:
    files = {**ANSWERS, "pyproject.toml": PYPROJECT, ".venv/pyvenv.cfg": b"home = /usr/local/opt/python@3.11/bin\n"}
    finding = look(record(files))["NM618"]
    assert finding.severity == "blocks"
    assert "python3 -m venv --clear .venv" in lines(finding)
    there = {**files, ".venv/bin/python": None, "/usr/local/opt/python@3.11/bin": None}
    assert "NM618" not in look(record(there, FITTING))


def test_a_project_that_was_moved(record: Record) -> None:
    files = {
        **ANSWERS,
        "pyproject.toml": PYPROJECT,
        ".venv/pyvenv.cfg": b"home = /usr/bin\n",
        "/usr/bin": None,
        ".venv/bin/activate": b'VIRTUAL_ENV="/home/me/old/.venv"\nexport VIRTUAL_ENV\n',
    }
    assert look(record(files, FITTING))["NM618"].severity == "slows"
    files[".venv/bin/activate"] = b"    export VIRTUAL_ENV='/home/me/demo/.venv'\n"
    assert "NM618" not in look(record(files, FITTING))


def test_an_interrupted_installation(record: Record) -> None:
    files = {
        **ANSWERS,
        "pyproject.toml": PYPROJECT,
        ".venv/newmodel-unfinished": None,
        ".venv/pyvenv.cfg": b"home=/usr/bin",
    }
    assert "interrupted" in look(record({**files, "/usr/bin": None}, FITTING))["NM610"].what


def test_python_outside_what_the_project_requires(record: Record) -> None:
    found = look(record({**ANSWERS, "pyproject.toml": PYPROJECT}, {}, "3.14.0"))
    assert found["NM617"].severity == "blocks"
    assert "3.14.0" in found["NM617"].what
    assert "NM610" not in found  # it is to be made anew


def test_the_interpreter_that_the_project_allows_is_named() -> None:
    found = Report(
        platform="win32",
        machine="AMD64",
        release="Windows 11",
        executable="C:\\Python314\\python.exe",
        folder="C:\\my code\\demo",
        interpreters=(
            Interpreter(path="C:\\Python314\\python.exe", version=(3, 14, 0)),
            Interpreter(path="C:\\Program Files\\Python313\\python.exe", version=(3, 13, 1)),
        ),
        tools=Tools(uv="0.13.9"),
        project=ProjectState(settings="pyproject.toml", requires_python="<3.14", environment="broken"),
    )
    (finding,) = project.judge(found)
    assert lines(finding) == [
        "cd 'C:\\my code\\demo'",
        "uv venv --clear --python 'C:\\Program Files\\Python313\\python.exe'",
        "uv sync",
    ]


def test_a_damaged_pyproject(record: Record) -> None:
    found = look(record({**ANSWERS, "pyproject.toml": b"[project\nname="}, {}))
    assert found["NM613"].severity == "blocks" and "pyproject.toml" in found["NM613"].what


def test_a_folder_that_is_no_project(record: Record) -> None:
    assert list(look(record({"notes.txt": b""}))) == ["NM619"]


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_that_do_not_compile(record: Record) -> None:
    files = {
        **ANSWERS,
        "train.py": b"def f(:\n",
        "demo/model.py": b"x = 1\nreturn x\n",
        "demo/nulls.py": b"x = '\x00'\n",
        "demo/fine.py": "名 = '好'\n".encode(),
        ".venv/lib/broken.py": b"def",
        "data/broken.py": b"def",
    }
    facts, findings = project.probe(record(files), PROJECT)
    broken = [finding.what.split(" ")[0] for finding in findings if finding.code == "NM613"]
    places = [name.rstrip(":0123456789") for name in broken]
    assert sorted(places) == ["demo/model.py", "demo/nulls.py", "train.py"]
    assert {"demo/model.py:2", "train.py:1"} <= set(broken)
    assert facts["project"].files == 4


def test_the_projects_python_decides(record: Record) -> None:
    newer = b"def f[T](x: T) -> T:\n    return x\n"
    found = project.probe(record({**ANSWERS, "train.py": newer}, {}, "3.11.4"), PROJECT)[1]
    assert [finding.code for finding in found] == ["NM613"]
    assert project.probe(record({**ANSWERS, "train.py": newer}, {}, "3.99.0"), PROJECT)[1] == []


def test_nesting_beyond_reason_is_no_crash() -> None:
    assert compile_error("(" * 500 + ")" * 500, "x.py", sys.version_info[:2]) is not None
    assert compile_error("a = " + "-" * 100_000 + "1", "x.py", sys.version_info[:2]) is not None


def test_data_that_is_missing(record: Record) -> None:
    files = {
        **ANSWERS,
        "configs/train.yaml": b"data:\n  file: data/visits.csv\n  images_dir: /mnt/images\n  cache_dir: /gone\n",
        "configs/finetune.yaml": b"data:\n  file: data/visits.csv\n",
        "configs/remote.yaml": b"data:\n  file: https://example.org/x.csv\n  files: data/*.csv\n  path: null\n",
    }
    found = [one for one in project.probe(record(files), PROJECT)[1] if one.code == "NM612"]
    assert [one.severity for one in found] == ["blocks", "blocks"]
    assert "data/visits.csv" in found[0].what and "/mnt/images" in found[1].what
    there = {**files, "data/visits.csv": b"a,b\n", "/mnt/images": None}
    assert project.probe(record(there), PROJECT)[1] == []
    pointer = {**there, "data/visits.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"}
    (finding,) = project.probe(record(pointer), PROJECT)[1]
    assert lines(finding) == ["git lfs pull"]
    (finding,) = project.probe(record({**there, "data/visits.csv": b""}), PROJECT)[1]
    assert "is empty" in finding.what


def test_a_configuration_that_is_no_yaml(record: Record) -> None:
    found = project.probe(record({**ANSWERS, "configs/train.yaml": b"training:\n  epochs: [1, 2\n  lr: 3\n"}), PROJECT)[
        1
    ]
    assert [finding.code for finding in found] == ["NM613"]
    assert "configs/train.yaml:" in found[0].what


def test_a_file_that_hides_a_package(record: Record) -> None:
    files = {**ANSWERS, "torch.py": b"", "random.py": b"", "PIL.py": b"", "test.py": b"", "model.py": b""}
    found = project.probe(record(files, {"pillow": "13.0"}), PROJECT)[1]
    assert [(one.code, one.severity, one.what.split(" ")[3]) for one in found] == [
        ("NM620", "slows", "PIL.py"),
        ("NM620", "slows", "random.py"),
        ("NM620", "blocks", "torch.py"),
    ]


# --- the newest training ----------------------------------------------------------------------------------------------


def profile(**changes: Any) -> bytes:
    shares = {"data": 62.0, "host": 8.0, "device": 30.0}
    content = {
        "shares": shares,
        "cause": "single_worker",
        "advice": ["Set training.num_workers to 4."],
        "rows_per_step": 32,
    }
    return json.dumps({**content, **changes}).encode()


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        ("data_loading", "NM614"),
        ("single_worker", "NM614"),
        ("logging", "NM615"),
        ("host", "NM615"),
        ("small_batch", "NM616"),
        ("precision", "NM621"),
        ("device", ""),
    ],
)
def test_what_held_the_training_up(record: Record, cause: str, code: str) -> None:
    files = {**ANSWERS, "runs/train-20260102-100000/profile/summary.json": profile(cause=cause)}
    found = look(record(files))
    assert list(found) == ([code] if code else [])
    if code:
        assert found[code].advice == "Set training.num_workers to 4."


def test_the_newest_run_counts_and_shares_tell_where_no_cause_is_named(record: Record) -> None:
    files = {
        **ANSWERS,
        "runs/train-20260102-100000/profile/summary.json": profile(),
        "runs/train-20260102-100000-2/profile/summary.json": profile(
            cause="", shares={"data": 0.05, "host": 0.6, "device": 0.35}
        ),
        "runs/train-20260102-100000-2/config.yaml": b"training:\n  batch_size: 16\n",
        "runs/train-20260101-100000/profile/summary.txt": b"  waiting for data      1.2 ms   90 %\n",
        "runs/notes.txt": b"",
    }
    facts, _ = project.probe(record(files), PROJECT)
    assert facts["project"].run == LastRun(
        name="train-20260102-100000-2",
        data=0.05,
        host=0.6,
        device=0.35,
        advice="Set training.num_workers to 4.",
        batch_size=32,
    )
    here = Report(platform="linux", machine="x86_64", release="", executable="", project=facts["project"])
    assert project.judge(here) == []  # on a processor alone, its own work is what there is
    gpu = Accelerators(gpus=(Gpu(kind="cuda", name="RTX"),))
    here = Report(platform="linux", machine="", release="", executable="", project=facts["project"], accelerators=gpu)
    assert [finding.code for finding in project.judge(here)] == ["NM615"]


def test_the_text_of_older_projects(record: Record) -> None:
    text = b"10 optimizer steps, 4.20 ms each on the CPU's side:\n  waiting for data      2.10 ms   50 %\n"
    finding = look(record({**ANSWERS, "runs/train-20260102-100000/profile/summary.txt": text}))["NM614"]
    assert "50 %" in finding.what


# --- garbage ----------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
            st.sampled_from(
                [PYPROJECT, profile(), b"data: {file: 3, path: [1, {}], root: ''}", b"data: [", b"{}", b"[]"]
            ),
            st.integers(0, len(PYPROJECT)).map(lambda cut: PYPROJECT[:cut]),
        ),
        min_size=5,
        max_size=5,
    )
)
def test_garbage_is_no_crash(record: Record, raw: list[bytes]) -> None:
    names = (
        "pyproject.toml",
        "configs/train.yaml",
        "train.py",
        ".venv/pyvenv.cfg",
        "runs/train-20260102-100000/profile/summary.json",
    )
    files: dict[str, bytes | None] = dict(zip(names, raw, strict=True))
    files |= {"requirements.txt": raw[0], ".venv/bin/activate": raw[1]}
    found = report.inspect(record(files, {"numpy": "x.y"}), folder=PROJECT, checks=["project", "frameworks"])
    assert "NM001" not in [finding.code for finding in found.findings], found.findings
    json.dumps(found.as_json())


@pytest.mark.parametrize(
    "shares", [None, [], {"data": "x"}, {"data": True}, {"data": -1}, {"data": 1e9}, {"data": float("nan")}, {}]
)
def test_shares_of_any_kind(record: Record, shares: Any) -> None:
    files = {**ANSWERS, "runs/train-20260102-100000/profile/summary.json": profile(shares=shares, advice=3, cause=[1])}
    assert look(record(files)) == {}


# --- a real one -------------------------------------------------------------------------------------------------------


def test_a_real_folder(tmp_path: Path) -> None:
    demo = tmp_path / "demo"
    (demo / "configs").mkdir(parents=True)
    (demo / "pyproject.toml").write_text('[project]\nname="demo"\ndependencies=["newmodel-no-such-package>=1"]\n')
    (demo / "configs/train.yaml").write_text("data:\n  file: data/a.csv\n")
    (demo / "train.py").write_text("print('hello'\n")
    venv.create(demo / ".venv", with_pip=False, symlinks=sys.platform != "win32")
    began = time.monotonic()
    found = report.inspect(RealSystem(), folder=demo, checks=["project"])
    assert time.monotonic() - began < 10.0
    codes = {finding.code for finding in found.findings if finding.check == "project"}
    assert codes == {"NM610", "NM612", "NM613", "NM619"}
    (tmp_path / "moved").symlink_to(tmp_path)  # another name for the same place is no move
    again = report.inspect(RealSystem(), folder=tmp_path / "moved" / "demo", checks=["project"])
    assert again.project.environment == "ready"
    demo.rename(tmp_path / "elsewhere")
    moved = report.inspect(RealSystem(), folder=tmp_path / "elsewhere", checks=["project"])
    assert moved.project.environment == "moved"


@pytest.mark.full
def test_a_generated_project(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scaffolder", "init", tmp_path / "demo", "--defaults", "--set", "install_now=no"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    facts, findings = project.probe(RealSystem(), tmp_path / "demo")
    assert findings == []
    assert facts["project"].known and facts["project"].files > 20
