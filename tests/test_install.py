"""Environments are made with uv and with pip, from an index on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import copier
import package_index
import psutil
import pytest
from packaging.requirements import Requirement

from scaffolder.errors import NewmodelError
from scaffolder.install import InstallError, create_environment, environment_python, is_unfinished
from scaffolder.install.environment import find_uv, go_on_commands
from scaffolder.install.project_file import dependencies, give_up_framework_index, indexed_requirements
from scaffolder.repository import initialise

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BUILDS = {"cpu": "cpu", "cuda": "cu130"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`/pypi` with all that a project needs and PyTorch as PyPI has it; `/cpu` and `/cu130` with PyTorch's builds."""
    folder = tmp_path_factory.mktemp("index")
    project = render(tmp_path_factory.mktemp("for_names") / "demo")
    for text in dependencies(project):
        requirement = Requirement(text)
        version = next(
            candidate
            for candidate in (*(part.version for part in requirement.specifier), "1000")
            if requirement.specifier.contains(candidate)
        )
        package_index.add_package(folder / "pypi", requirement.name, version)
    package_index.add_build_backend(folder / "pypi")
    package_index.add_installed(folder / "pypi", "pip")
    torch = next(Requirement(text) for text in dependencies(project) if text.startswith("torch=="))
    version = next(iter(torch.specifier)).version
    for build in BUILDS.values():
        package_index.add_package(folder / build, "torch", f"{version}+{build}")
    with package_index.serve(folder) as address:
        yield address


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without settings, and caches that no other test has filled."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_CERT")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV", find_uv())
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def render(folder: Path, **answers: str) -> Path:
    """What an installer reads of a generated project."""
    data = {"framework": "pytorch", "task": "tabular", "project_name": "demo", **answers}
    only = ["*", "!pyproject.toml", "!.gitignore", "!.copier-answers.yml"]
    copier.run_copy(str(TEMPLATES), folder, data=data, exclude=only, defaults=True, quiet=True, vcs_ref="HEAD")
    (folder / "demo").mkdir()
    (folder / "demo" / "__init__.py").touch()
    (folder / "README.md").touch()
    return folder


def project_with_index(folder: Path, index: str, accelerator: str = "cpu") -> Path:
    """A generated project whose framework comes from our index instead of PyTorch's."""
    project = render(folder, accelerator=accelerator)
    file = project / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    own = f"https://download.pytorch.org/whl/{BUILDS[accelerator]}"
    assert own in text
    file.write_text(text.replace(own, f"{index}/{BUILDS[accelerator]}"), encoding="utf-8")
    return project


def build_of_torch(python: Path) -> str:
    done = subprocess.run(
        [python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().partition("+")[2]


def uv(project: Path, *arguments: str) -> str:
    done = subprocess.run([find_uv(), *arguments], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("accelerator", BUILDS)
@pytest.mark.parametrize("package_manager", ["uv", "pip"])
def test_uv_sync_and_run_leave_the_chosen_build_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str, package_manager: str, accelerator: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "demo", index, accelerator)
    python = create_environment(project, package_manager=package_manager)
    assert build_of_torch(python) == BUILDS[accelerator]

    # the person's later commands know nothing of ours
    monkeypatch.delenv("PIP_INDEX_URL")
    if package_manager == "pip":
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index}/pypi")
    answer = uv(project, "run", "python", "-c", "import torch; print(torch.__version__)")
    assert answer.strip().endswith("+" + BUILDS[accelerator])
    uv(project, "sync")
    assert build_of_torch(python) == BUILDS[accelerator]


def test_the_tree_is_clean_after_the_first_commit_and_holds_no_path_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "demo", index)
    create_environment(project, package_manager="uv")
    assert initialise(project).made
    git = ["git", "-C", str(project)]
    assert subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True).stdout == ""
    committed = subprocess.run([*git, "ls-files"], capture_output=True, text=True).stdout.split()
    assert "pyproject.toml" in committed
    assert not {"uv.lock", "uv.toml"} & set(committed)
    assert (project / "uv.lock").exists()


@pytest.mark.full
def test_the_project_and_its_development_tools_are_installed_with_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "demo", index)
    news: list[str] = []
    python = create_environment(project, package_manager="pip", progress=news.append)
    assert news[0] == "Creating the virtual environment"
    assert any(line.startswith("Installing the framework: torch-") for line in news)
    assert any(line.endswith(" packages in place") for line in news)
    assert python == environment_python(project)
    names = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "demo" in names
    assert "pytest" in names
    assert not is_unfinished(project)


@pytest.mark.full
@pytest.mark.parametrize("package_manager", ["uv", "pip"])
def test_an_index_that_does_not_answer_is_given_up(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    index: str,
    package_manager: str,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    with package_index.serve_nothing() as silent:
        project = project_with_index(tmp_path / "demo", silent)
        started = time.monotonic()
        python = create_environment(project, package_manager=package_manager, progress=lambda _news: None)
        assert build_of_torch(python) == ""
        assert time.monotonic() - started < 60
    assert f"PyTorch's own package index {silent}/cpu does not answer" in capsys.readouterr().err
    assert indexed_requirements(project) == []


@pytest.mark.full
def test_giving_up_the_index_equals_the_other_answer(tmp_path: Path) -> None:
    project = render(tmp_path / "one" / "demo")
    give_up_framework_index(project)
    other = render(tmp_path / "other" / "demo", framework_index="default")
    for name in ("pyproject.toml", ".copier-answers.yml"):
        assert (project / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.full
def test_without_a_network_the_project_is_kept_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    project = project_with_index(tmp_path / "demo", index)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the port "discard": nobody listens
    with pytest.raises(InstallError) as caught:
        create_environment(project, package_manager="pip")
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert text.startswith("Updating pip failed: the package index cannot be reached. The project itself is complete.")
    assert "pip config set global.index-url URL" in text
    assert f"  cd {project}\n" in text
    assert "-m pip install --progress-bar raw --editable . --group dev" in text
    assert is_unfinished(project)
    assert indexed_requirements(project)  # a network that is away comes back: the chosen build stays chosen
    log = Path(text.rsplit("Full log: ", 1)[1])
    assert "127.0.0.1" in log.read_text(encoding="utf-8")

    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    create_environment(project, package_manager="pip")
    assert not is_unfinished(project)


@pytest.mark.full
def test_the_commands_to_go_on_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "with space" / "demo", index)
    script = "\n".join(["set -e", *go_on_commands(project, package_manager="pip")])
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    assert build_of_torch(environment_python(project)) == "cpu"


@pytest.mark.full
def test_pip_that_fails_half_way_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "demo", index)
    file = project / "pyproject.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"rich>=', '"richer>='), encoding="utf-8")
    with pytest.raises(InstallError, match=r"the package index offers no richer>=\S+ at all"):
        create_environment(project, package_manager="pip")
    assert is_unfinished(project)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_the_installer_and_says_how_to_go_on(tmp_path: Path, index: str) -> None:
    with package_index.serve_nothing() as silent:
        project = project_with_index(tmp_path / "demo", index)
        code = (
            "import sys; from pathlib import Path; from scaffolder.errors import Interrupted\n"
            "from scaffolder.install import create_environment\n"
            "try: create_environment(Path(sys.argv[1]), package_manager='pip')\n"
            "except Interrupted as error: print(error); sys.exit(error.exit_code)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(project)],
            env={**os.environ, "PIP_INDEX_URL": silent},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: any("pip" in word for child in children(process.pid) for word in child.cmdline()))
        installers = children(process.pid)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted while installing; the project itself is complete. Go on with:" in output
    assert "-m pip install" in output
    assert is_unfinished(project)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in installers)


def children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(condition: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():  # type: ignore[operator]
                return
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


@pytest.mark.full
def test_an_environment_that_was_killed_half_way_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/pypi")
    project = project_with_index(tmp_path / "demo", index)
    half = project / ".venv"
    half.mkdir()
    (half / "newmodel-unfinished").write_text("")
    (half / "pyvenv.cfg").write_text("home = /nowhere\n")
    python = create_environment(project, package_manager="uv")
    assert build_of_torch(python) == "cpu"
    assert not is_unfinished(project)


def test_an_environment_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    project = render(tmp_path / "demo")
    foreign = project / ".venv"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("mine")
    with pytest.raises(NewmodelError, match="is no working virtual environment; rename or delete it"):
        create_environment(project, package_manager="pip")
    assert (foreign / "mine.txt").read_text() == "mine"


def test_a_file_where_the_environment_should_be(tmp_path: Path) -> None:
    project = render(tmp_path / "demo")
    (project / ".venv").write_text("a file")
    with pytest.raises(NewmodelError, match="rename or delete it"):
        create_environment(project, package_manager="pip")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    project = render(tmp_path / "demo")
    project.chmod(0o555)
    try:
        with pytest.raises(NewmodelError, match="You may not write"):
            create_environment(project, package_manager="pip")
    finally:
        project.chmod(0o755)


def test_without_uv_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UV")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(NewmodelError, match="uv is not installed here"):
        find_uv()
