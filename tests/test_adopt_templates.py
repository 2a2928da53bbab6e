"""Well-known templates, rendered and adopted: what is derived, what JetBrains' loader makes of it, and that it runs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from adopt_projects import adopt_python, plant, render
from conftest import Result
from jetbrains_loader import SourceRoot, load_projects
from pycharm_executor import PyCharm

from scaffolder.adopt.plan import plan_adoption
from scaffolder.adopt.write import write
from scaffolder.pycharm.run_configuration import SHELL

USUAL = {".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv"}

#: Each template: source roots, excluded folders beside the usual ones, and what each configuration prints when run.
EXPECTED: dict[str, tuple[list[str], set[str], dict[str, str]]] = {
    "data_science": (
        [""],
        {"logs"},
        {
            "wine_quality.modeling.train": "trained on 4 rows",
            "wine_quality.modeling.predict": "predicted 4 rows",
            "wine_quality.dataset": "made 4 rows",
            "wine_quality.features": "4 features",
            "wine_quality.plots": "drew 4 points",
            "Tests": "1 passed|100%",
            "Jupyter Lab": "SERVES",
            "make requirements": "pip install",
            "make clean": "find",
            "make test": "1 passed",
            "make data": "made 4 rows",
            "make help": "Available rules",
        },
    ),
    "lightning_hydra": (
        [""],
        {"logs"},
        {
            "train": "train done",
            "eval": "eval done",
            "train_command": "train done",
            "eval_command": "eval done",
            "Tests": "1 passed|100%",
            "make help": "Show help",
            "make clean": "rm -rf",
            "make clean-logs": "rm -rf",
            "make test": "1 passed",
            "make test-full": "1 passed",
            "make train": "train done",
        },
    ),
    "pypackage": (
        ["src"],
        {"build", "dist", "htmlcov"},
        {
            "python_boilerplate": r"python_boilerplate \[\]: replace this",
            "Tests": "1 passed|100%",
            "tox: py": "congratulations|OK",
            "tox: lint": "congratulations|OK",
            "nox: tests": "successful",
            "nox: byte-compile": "successful",
            "make help": "clean test coverage",
            "make clean": "rm -fr",
            "make test": "OK",
            "make coverage": "no coverage here",
            "just list": "Available recipes",
            "just test": "OK",
            "just version": "Current version is 0.1.0",
        },
    ),
    "uv": (
        ["src"],
        {"build", "dist", "htmlcov", "site", ".cache", ".venvs"},
        {
            "space-walk": "parsed Namespace",
            "Tests": "1 passed|100%",
            "make check": "task check",
            "make clean": "task clean",
            "make help": "task help",
            "make test": "task test",
        },
    ),
    "django": (
        [""],
        {"node_modules"},
        {
            "Django: runserver": "SERVES",
            "Django: test": r"Ran 1 test[\s\S]*OK",
            "Tests": "1 passed|100%",
        },
    ),
    "web": (
        [""],
        set(),
        {"FastAPI: shop.api:app": "SERVES", "Flask: pages": "SERVES"},
    ),
}

#: Small applications of the two frameworks that no template above has.
WEB = {
    "shop/__init__.py": "",
    "shop/api.py": "from fastapi import FastAPI\n\napp: FastAPI = FastAPI()\n\n\n@app.get('/')\ndef home() -> str:\n"
    "    return 'hello'\n",
    "pages.py": "import flask\n\n\ndef create_app() -> flask.Flask:\n    app = flask.Flask(__name__)\n"
    "    app.add_url_rule('/', view_func=lambda: 'hello')\n    return app\n",
}


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A template's project, rendered and adopted once."""

    @cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        project = plant(folder / "web", WEB) if name == "web" else render(name, folder)
        write(project, plan_adoption(project).files)
        return project

    return make


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_derived(name: str, adopted: Callable[[str], Path], newmodel: Callable[..., Result]) -> None:
    roots, excluded, runs = EXPECTED[name]
    project = adopted(name)
    expected = {"modules.xml", ".gitignore", "runConfigurations", *(path.name for path in project.glob(".idea/*.iml"))}
    expected |= {"run_entry_point.py"} if name == "pypackage" else set()
    assert {path.name for path in (project / ".idea").iterdir()} == expected
    found = PyCharmFiles(project)
    assert (found.roots, found.tests) == (roots, [] if name == "web" else ["tests"])
    assert set(found.excluded) <= USUAL | excluded
    assert set(found.excluded) >= USUAL
    assert found.names == set(runs)


class PyCharmFiles:
    """What a project's `.idea/` says, read without the loader."""

    def __init__(self, project: Path) -> None:
        (module,) = project.glob(".idea/*.iml")
        text = module.read_text(encoding="utf-8")
        sources = re.findall(r'<sourceFolder url="file://\$MODULE_DIR\$/?([^"]*)" isTestSource="(\w+)" />', text)
        self.roots = [folder for folder, test in sources if test == "false"]
        self.tests = [folder for folder, test in sources if test == "true"]
        self.excluded = re.findall(r'<excludeFolder url="file://\$MODULE_DIR\$/([^"]*)" />', text)
        self.names = {
            re.findall(r'<configuration default="false" name="([^"]*)"', path.read_text(encoding="utf-8"))[0]
            for path in project.glob(".idea/runConfigurations/*.xml")
        }


@pytest.mark.full
def test_jetbrains_loads_it(adopted: Callable[[str], Path]) -> None:
    loaded = load_projects([adopted(name) for name in EXPECTED])
    for name, (roots, _excluded, runs) in EXPECTED.items():
        project = adopted(name)
        (module,) = loaded[project].modules
        assert module.type == "PYTHON_MODULE"
        assert module.content_roots == (project,)
        tests = set() if name == "web" else {SourceRoot(project / "tests", test=True)}
        assert set(module.source_roots) == {SourceRoot(project / root, test=False) for root in roots} | tests
        assert {project / folder for folder in USUAL} <= module.excluded
        assert module.sdk is None
        assert set(loaded[project].run_configurations) == set(runs)
        for configuration in loaded[project].run_configurations.values():
            if configuration.element is not None and configuration.attributes["type"] != SHELL:
                assert configuration.module == module.name


@pytest.mark.full
@pytest.mark.parametrize("name", EXPECTED)
def test_every_configuration_runs(
    name: str, adopted: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = adopt_python()
    for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(quiet_jupyter(tmp_path)))
    for variable in ("UVICORN_PORT", "FLASK_RUN_PORT"):  # tests run side by side; Django alone keeps its own
        monkeypatch.setenv(variable, str(free_port()))
    pycharm = PyCharm(adopted(name), python)
    for configuration, said in EXPECTED[name][2].items():
        if pycharm.configurations[configuration].type == SHELL:
            assert re.search(said, in_terminal(pycharm, configuration)), configuration
        elif said == "SERVES":
            answers_and_stops(pycharm, configuration)
        else:
            finished = pycharm.run(configuration, seconds=180)
            assert finished.exit_code == 0, finished.output
            assert re.search(said, finished.output), finished.output


def in_terminal(pycharm: PyCharm, name: str) -> str:
    """What a command line prints in PyCharm's terminal, where the project's environment is active."""
    options = pycharm.configurations[name].options
    folder = options["SCRIPT_WORKING_DIRECTORY"].replace("$PROJECT_DIR$", str(pycharm.project))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{pycharm.python.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", options["SCRIPT_TEXT"]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def answers_and_stops(pycharm: PyCharm, name: str) -> None:
    """A server answers at the address that it prints, and the red square ends it."""
    with pycharm.started(name) as running:
        address = running.wait_for(r"http://(?:127\.0\.0\.1|localhost):\d+(?=\D)", seconds=90)[0]
        if "Jupyter" not in name:
            running.wait_for(r"(?i)quit", seconds=30)
        assert status(address) == 200
        running.stop()
        if "Jupyter" in name:
            running.wait_for(r"y/\[n\]", seconds=30)  # it asks whether one means it
            running.stop()
        running.finish(seconds=30)


def status(address: str) -> int:
    """What the server answers; Jupyter prints its address a moment before it listens there."""
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.URLError:  # noqa: PERF203 - it is meant to try again
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def quiet_jupyter(folder: Path) -> Path:
    """Settings with which Jupyter opens no browser, and runs as any user."""
    settings = '{"ServerApp": {"open_browser": false, "allow_root": true, "token": "", "port": 0}}'
    (folder / "jupyter_server_config.json").write_text(settings)
    return folder
