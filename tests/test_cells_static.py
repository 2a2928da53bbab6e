"""Every project that newmodel offers, rendered and looked at without running it.

The matrix comes from copier.yml (answer_matrix.py): every framework × task, every other pair of answers.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import pytest
import yaml
from answer_matrix import (
    REPOSITORY,
    SOURCE,
    TEMPLATES,
    TEXTS,
    VERSION,
    cells,
    complete,
    every_project,
    label,
    matrix,
    rendered,
)
from environments import framework_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from scaffolder.catalog import catalog
from scaffolder.generate import worker
from scaffolder.install.toml import read_toml


def catalog_values(question: str) -> list[str]:
    return [choice.value for choice in catalog().questions[question].choices]


MATRIX = {label(answers): answers for answers in matrix()}
CELLS = [label(answers) for cell in cells() if (answers := complete(cell)) is not None]

#: What a person who knows one project finds in every other one.
EXPECTED = {
    ".copier-answers.yml",
    ".gitignore",
    "AGENTS.md",
    "README.md",
    "check_environment.py",
    "configs/dry_run.yaml",
    "configs/eval.yaml",
    "configs/finetune.yaml",
    "configs/overfit.yaml",
    "configs/predict.yaml",
    "configs/profile.yaml",
    "configs/schema.json",
    "configs/train.yaml",
    "demo/__init__.py",
    "demo/config.py",
    "demo/stages.py",
    "demo/training.py",
    "demo/training_config.py",
    "eval.py",
    "finetune.py",
    "flow.py",
    "predict.py",
    "pyproject.toml",
    "train.py",
}

#: And what is particular to a task: a language model is made by `trainee.py` and used by `text_model.py`.
EXPECTED_OF = {
    "llm": {
        *("chat.py", "serve.py", "check_data.py", "convert_data.py"),
        *("demo/trainee.py", "demo/text_model.py", "demo/conversations.py", "demo/corpus.py"),
    }
}
USUAL = {"demo/data.py", "demo/model.py"}
#: What one framework alone can do, or does in another file: exports and preferences; batches of examples.
OF_ONE_FRAMEWORK: dict[str, set[str]] = defaultdict(set)
OF_ONE_FRAMEWORK["llm"] = {
    *("align.py", "configs/align.yaml", "export.py", "configs/export.yaml", "configs/continue.yaml"),
    *("demo/data.py",),
}

#: What tools leave behind among the templates; copier.yml leaves it out as well.
CACHES = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}

#: Reserved by Windows, with any extension.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))}


def files(project: Path) -> dict[str, Path]:
    return {path.relative_to(project).as_posix(): path for path in sorted(project.rglob("*")) if path.is_file()}


def texts(project: Path) -> dict[str, str]:
    """The files that are text: all but data in a binary format."""
    return {
        name: path.read_bytes().decode("utf-8")
        for name, path in files(project).items()
        if path.suffix not in (".parquet", ".png", ".npz")
    }


@cache
def sources(name: str) -> dict[str, list[PurePosixPath]]:
    """For each file of the project the template files that it is rendered from; there must be one."""
    answers = {**TEXTS, **MATRIX[name], "project_name": "demo"}
    with worker(answers, Path("never-written"), SOURCE) as copier:
        copier._ask()
        context = {**copier.answers.combined, "_copier_conf": {"answers_file": ".copier-answers.yml"}}
        environment = copier.jinja_env

    @cache
    def name_of(part: str) -> str:
        return str(environment.from_string(part).render(context))

    found: dict[str, list[PurePosixPath]] = {}
    for path in sorted((TEMPLATES / "project").rglob("*")):
        if path.is_file() and not CACHES & set(path.parts):
            source = PurePosixPath(path.relative_to(TEMPLATES / "project").as_posix())
            parts = [name_of(part) for part in source.parts]
            last = parts[-1].removesuffix(".jinja")
            if all(parts) and last:
                found.setdefault("/".join([*parts[:-1], last]), []).append(source)
    return found


# --- which files there are --------------------------------------------------------------------------------------


@every_project()
def test_files_are_those_of_the_templates(name: str) -> None:
    project = rendered(name)
    assert set(files(project)) == set(sources(name))
    expected = EXPECTED | EXPECTED_OF.get(MATRIX[name]["task"], USUAL)
    assert expected - set(files(project)) == set()


@every_project()
def test_no_two_sources_give_one_file(name: str) -> None:
    several = {file: list(map(str, origins)) for file, origins in sources(name).items() if len(origins) > 1}
    assert several == {}


@pytest.mark.full
def test_every_template_file_is_used_by_some_project() -> None:
    used = {source for name in MATRIX for origins in sources(name).values() for source in origins}
    there = {
        PurePosixPath(path.relative_to(TEMPLATES / "project").as_posix())
        for path in (TEMPLATES / "project").rglob("*")
        if path.is_file() and not CACHES & set(path.parts)
    }
    assert sorted(map(str, there - used)) == []


@every_project()
def test_names_are_valid_on_windows(name: str) -> None:
    names = list(files(rendered(name)))
    for path in names:
        assert len(path) < 120, path  # of 260, which the folder of the project needs as well
        for part in path.split("/"):
            assert not re.search(r'[<>:"|?*\\\x00-\x1f]', part), path
            assert not part.endswith((".", " ")), path
            assert part.split(".")[0].lower() not in DEVICES, path
    assert [path for path, count in Counter(map(str.lower, names)).items() if count > 1] == []


def test_the_same_modules_in_every_cell_of_a_task() -> None:
    """Who knows the files of one framework's project knows those of the other's."""
    modules = "config|data|device|evaluation|model|stages|training|training_config"
    shared = re.compile(rf"[^/]+\.py|configs/.*|demo/({modules})\.py")
    for task in {cell["task"] for cell in cells()}:
        same_task = [files(rendered(cell)) for cell in CELLS if MATRIX[cell]["task"] == task]
        names = [{path for path in each if shared.fullmatch(path)} - OF_ONE_FRAMEWORK[task] for each in same_task]
        assert all(each == names[0] for each in names), task


# --- what is in them --------------------------------------------------------------------------------------------


@every_project()
def test_text_is_utf8_with_unix_line_ends_and_a_last_newline(name: str) -> None:
    for path, text in texts(rendered(name)).items():
        assert "\r" not in text, path
        assert "\ufeff" not in text, path
        # PyCharm writes its own files without a newline at the end.
        assert text.endswith("\n") != (path.startswith(".idea/") and path != ".idea/.gitignore") or not text, path
        if path.endswith((".py", ".yaml", ".toml", ".md")):
            trailing = [number for number, line in enumerate(text.split("\n"), 1) if line != line.rstrip()]
            assert trailing == [], path


@every_project()
def test_nothing_of_the_template_language_is_left(name: str) -> None:
    project = rendered(name)
    for path, (source,) in sources(name).items():
        if source.suffix == ".jinja":
            text = (project / path).read_text(encoding="utf-8")
            # tests may hold chat templates, which are marked to be left as they are
            raw = "{% raw %}" in (TEMPLATES / "project" / source).read_text(encoding="utf-8")
            # GitHub's own ${{ … }} is none of it
            left = re.findall(r"(?<!\$)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", text)
            assert left == [] or (raw and path.startswith("tests/")), path


@every_project()
def test_python_compiles(name: str) -> None:
    for path, text in texts(rendered(name)).items():
        if path.endswith(".py"):
            compile(text, path, "exec", dont_inherit=True)


@every_project()
def test_ruff_with_the_projects_own_settings(name: str) -> None:
    """Lint at both ends of what the frameworks allow: syntax that the older Python lacks is an error there."""
    newest = ["--target-version=py314", "--extend-ignore=UP"]  # what would modernise the code for 3.14 alone
    for command in (["check", "--target-version=py310"], ["check", *newest], ["format", "--check"]):
        done = run_module("ruff", *command, "--no-cache", ".", folder=rendered(name))
        assert done.returncode == 0, done.stdout + done.stderr


@every_project()
def test_xml_json_yaml_and_toml_are_well_formed(name: str) -> None:
    for path, text in texts(rendered(name)).items():
        if path.endswith((".xml", ".iml")):
            ElementTree.fromstring(text)
        elif path.endswith(".json"):
            json.loads(text)
        elif path.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(text))
        elif path.endswith(".toml"):
            read_toml(rendered(name) / path)


@every_project()
def test_pyproject(name: str) -> None:
    answers = MATRIX[name]
    project = read_toml(rendered(name) / "pyproject.toml")["project"]
    assert project["name"] == "demo"
    requirements = {requirement.name: requirement for requirement in map(Requirement, project["dependencies"])}
    assert len(requirements) == len(project["dependencies"])
    # The framework is pinned to the tested version, and the Python range is the framework's.
    framework = {"pytorch": "torch", "tensorflow": "tensorflow"}[answers["framework"]]
    tested = getattr(catalog().versions, framework)
    assert str(requirements[framework].specifier) == f"=={tested}"
    oldest, too_new = catalog().python_range(answers["framework"], answers["task"])
    python = SpecifierSet(project["requires-python"])
    assert python.contains("{}.{}".format(*oldest))
    assert not python.contains("{}.{}".format(*too_new))
    assert project.get("license") == (None if answers["license"] == "none" else answers["license"])
    assert (rendered(name) / "LICENSE").exists() == (answers["license"] != "none")


@every_project()
def test_configurations_follow_the_schema(name: str) -> None:
    import jsonschema

    project = rendered(name)
    schema = json.loads((project / "configs" / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    for path in sorted((project / "configs").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        # other editors find the schema by this line; PyCharm by .idea/jsonSchemas.xml
        assert text.startswith("# yaml-language-server: $schema=schema.json\n"), path.name
        jsonschema.Draft7Validator(schema).validate(yaml.safe_load(text) or {})


@every_project()
def test_answers_are_recorded_without_those_of_one_machine(name: str) -> None:
    recorded = yaml.safe_load((rendered(name) / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert recorded["_commit"] == VERSION
    assert "/" not in str(recorded["_src_path"]).removeprefix("https://github.com/")[40:]
    answers = MATRIX[name]
    for question in ("framework", "task", "accelerator", "precision", "package_manager", "license", "language"):
        assert recorded[question] == answers[question], question
    assert {"use_git", "install_now", "open_now", "unavailable"} & set(recorded) == set()


def test_matrix_shows_every_choice() -> None:
    """Every answer that copier.yml offers is in some project, except those that it refuses everywhere."""
    shown = {(question, value) for answers in MATRIX.values() for question, value in answers.items()}
    offered = {
        (question.name, choice.value) for question in catalog().questions.values() for choice in question.choices
    }
    assert offered - shown == set()


# --- types ------------------------------------------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("framework", catalog_values("framework"))
@pytest.mark.parametrize("end", ["oldest", "newest"])
def test_types_at_both_ends_of_the_python_range(framework: str, end: str) -> None:
    """The projects' own settings, with the packages of the framework's environment."""
    for name in CELLS:
        if MATRIX[name]["framework"] == framework:
            oldest, too_new = catalog().python_range(framework, MATRIX[name]["task"])
            major, minor = oldest if end == "oldest" else (too_new[0], too_new[1] - 1)
            # framework's own files take most of the time
            cache_folder = REPOSITORY / ".cache" / "mypy" / f"{framework}-{major}.{minor}"
            options = [f"--python-version={major}.{minor}", f"--cache-dir={cache_folder}"]
            options += ["--python-executable", str(framework_environment(framework))]
            done = run_module("mypy", *options, folder=rendered(name))
            assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"


def run_module(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=False)
