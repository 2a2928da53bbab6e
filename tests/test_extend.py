"""`newmodel add` and `remove`: a project becomes what it would have been with that answer from the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from answer_matrix import TEMPLATES
from small_releases import commit, fill, git

from scaffolder import messages, template_source
from scaffolder.catalog import Catalog
from scaffolder.generate import Source, render
from scaffolder.generate import write as write_project
from scaffolder.project import open_project
from scaffolder.template_source import Release, Releases, release
from scaffolder.things import read_things
from scaffolder.updating import command as update_command

COPIER = """\
_subdirectory: project
_answers_file: .copier-answers.yml
project_name: {type: str, default: demo}
package: {type: str, default: demo}
task: {type: str, choices: [table, llm], default: table}
docker: {type: bool, default: false}
tracker: {type: str, choices: [tensorboard, mlflow], default: tensorboard}
launcher:
  type: str
  choices:
    None: none
    SLURM: slurm
    Kubernetes:
      value: kubernetes
      validator: "{% if not docker %}it needs docker=true{% endif %}"
    Moon:
      value: moon
      validator: it is too far
  default: none
method: {type: str, choices: [lora, full], default: lora, when: "{{ task == 'llm' }}"}
"""
THINGS = """\
docker: {help: An image, answers: {docker: true}}
mlflow: {help: MLflow, answers: {tracker: mlflow}}
tensorboard: {help: TensorBoard, answers: {tracker: tensorboard}}
slurm: {help: SLURM, answers: {launcher: slurm}}
kubernetes: {help: Kubernetes, answers: {launcher: kubernetes}, with: [docker]}
moon: {help: The moon, answers: {launcher: moon}}
full: {help: All weights, answers: {method: full}, only: it is for language models only}
"""
TRAIN = "".join(f"# line {number}\n" for number in range(1, 21))
FILES: dict[str, str | None] = {
    "copier.yml": COPIER,
    "things.yml": THINGS,
    "project/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}",
    "project/train.py": TRAIN,
    "project/tracker.txt.jinja": "{{ tracker }}\n",
    "project/{% if docker %}Dockerfile{% endif %}.jinja": "FROM python\n# {{ package }}\nCMD train\n",
    "project/{% if launcher == 'kubernetes' %}job.yaml{% endif %}.jinja": "kind: Job\n",
}

MakeProject = Callable[..., Path]


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, dict[str, str | None]], Release]:
    """Release a version of small templates; the command then knows these releases and no other."""
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")
    releases = Releases(tmp_path / "releases")
    monkeypatch.setattr(template_source, "releases", lambda: releases)
    monkeypatch.setattr(update_command, "releases", lambda: releases)

    def make(version: str, files: dict[str, str | None]) -> Release:
        fill(tmp_path / "templates", files)
        return release(version, tmp_path / "templates", releases)

    return make


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Make a project of a release, under version control."""

    def make(version: Release, name: str = "demo", **answers: Any) -> Path:
        folder = tmp_path / name / "demo"
        folder.mkdir(parents=True)
        source = Source(template_source.releases().unpack(version), version.tag)
        write_project(render(answers, folder, source), folder)
        git(folder, "init", "-q")
        commit(folder)
        return folder

    return make


# --- add --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "answers"),
    [
        ("docker", {"docker": True}),
        ("mlflow", {"tracker": "mlflow"}),
        ("kubernetes", {"docker": True, "launcher": "kubernetes"}),
        ("full", {"method": "full"}),
    ],
)
def test_as_if_chosen_at_the_start(
    newmodel: Any, released: Any, make_project: MakeProject, thing: str, answers: dict[str, Any]
) -> None:
    first = released("0.1.0", FILES)
    released("0.2.0", {"project/train.py": TRAIN.replace("line 2\n", "line two\n")})
    folder = make_project(first, task="llm")
    done = newmodel("add", thing, folder)
    assert done.code == 0, done.err
    assert content(folder) == content(make_project(first, "chosen", task="llm", **answers))
    assert open_project(folder).version == "v0.1.0", "the template version stays"


def test_later_updates_bring_improvements_to_what_was_added(
    newmodel: Any, released: Any, make_project: MakeProject
) -> None:
    folder = make_project(released("0.1.0", FILES))
    assert newmodel("add", "docker", folder).code == 0
    (folder / "Dockerfile").write_text("FROM python\n# demo\nCMD train\nRUN mine\n", encoding="utf-8")
    commit(folder)
    released(
        "0.2.0", {"project/{% if docker %}Dockerfile{% endif %}.jinja": "FROM newer\n# {{ package }}\nCMD train\n"}
    )
    assert newmodel("update", folder).code == 0
    assert (folder / "Dockerfile").read_text(encoding="utf-8") == "FROM newer\n# demo\nCMD train\nRUN mine\n"
    assert open_project(folder).answers["docker"] is True


def test_what_a_thing_needs_is_added_with_it_and_said(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("add", "kubernetes", folder)
    assert "kubernetes needs docker, which is added as well." in done.err
    assert (folder / "job.yaml").exists()
    assert (folder / "Dockerfile").exists()


def test_the_persons_edits_stay(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    fill(folder, {"train.py": "# mine\n", "notes.md": "mine\n"})
    commit(folder)
    assert newmodel("add", "docker", folder).code == 0
    assert (folder / "train.py").read_text(encoding="utf-8") == "# mine\n"
    assert (folder / "notes.md").exists()


def test_diff_writes_nothing(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    before = content(folder)
    done = newmodel("add", "docker", folder, "--diff")
    assert done.code == 0
    assert "+FROM python" in done.out
    assert content(folder) == before


def test_undo_takes_it_back(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    before = content(folder)
    assert newmodel("add", "kubernetes", folder).code == 0
    assert newmodel("update", folder, "--undo").code == 0
    assert content(folder) == before


def test_what_is_there_is_not_added_again(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("add", "tensorboard", folder)
    assert done.code == 0
    assert f"{folder} has tensorboard already." in done.err
    assert git(folder, "status", "--porcelain") == ""
    done = newmodel("add", "tensorboard", folder, "--json")
    assert json.loads(done.out)["changes"] == []


def test_a_version_without_the_thing_is_updated_to_the_newest(
    newmodel: Any, released: Any, make_project: MakeProject
) -> None:
    older = {name: text for name, text in FILES.items() if "docker" not in name and name != "things.yml"}
    older["copier.yml"] = COPIER.replace("docker: {type: bool, default: false}\n", "").replace(
        'validator: "{% if not docker %}it needs docker=true{% endif %}"', 'validator: ""'
    )
    folder = make_project(released("0.1.0", older))
    released("0.2.0", FILES)
    newest = released("0.3.0", {"project/train.py": TRAIN.replace("line 2\n", "line two\n")})
    done = newmodel("add", "docker", folder)
    assert done.code == 0, done.err
    assert "docker came with the template version v0.3.0, so the project is updated to it as well." in done.err
    assert content(folder) == content(make_project(newest, "chosen", docker=True))


def test_what_copier_yml_refuses_is_refused_with_its_reason(
    newmodel: Any, released: Any, make_project: MakeProject
) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("add", "moon", folder)
    assert done.code == 2
    assert done.err.strip() == f"moon cannot be added to {folder}: it is too far."
    done = newmodel("add", "full", folder)
    assert done.err.strip() == f"full cannot be added to {folder}: it is for language models only."
    assert git(folder, "status", "--porcelain") == ""


def test_an_unknown_thing_gets_the_nearest_names(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    for command in ("add", "remove"):
        done = newmodel(command, "dokcer", folder)
        assert done.code == 2
        assert done.err.strip() == "There is no “dokcer” to add or remove; did you mean “docker”?"


def test_not_a_project_of_newmodel(newmodel: Any, tmp_path: Path) -> None:
    for command in (("add", "docker"), ("remove", "docker")):
        done = newmodel(*command, tmp_path)
        assert done.code == 2
        assert "so it was not made by newmodel" in done.err


def test_uncommitted_edits_are_refused(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    fill(folder, {"train.py": "# mine\n"})
    done = newmodel("add", "docker", folder)
    assert done.code == 2
    assert "train.py" in done.err
    assert not (folder / "Dockerfile").exists()


# --- list -------------------------------------------------------------------------------------------------------------


def test_list_says_what_is_there_and_what_cannot_be(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES), docker=True)
    done = newmodel("add", "--list", folder)
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines()}
    assert lines["docker"].rstrip().endswith("yes")
    assert lines["slurm"].rstrip().endswith("no")
    assert lines["moon"].rstrip().endswith("no; it is too far")
    assert lines["full"].rstrip().endswith("no; it is for language models only")


def test_list_as_json(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    released("0.2.0", {"things.yml": THINGS + "later: {help: Later, answers: {docker: true}}\n"})
    done = newmodel("add", "--list", folder, "--json")
    found = {row["thing"]: row for row in json.loads(done.out)["things"]}
    assert found["mlflow"] == {
        "thing": "mlflow", "what": "MLflow", "there": False, "obstacle": "", "version": "v0.1.0"
    }  # fmt: skip
    assert found["later"]["version"] == "v0.2.0"


def test_add_without_a_name_says_what_to_do(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    done = newmodel("add")
    assert done.code == 2
    assert "newmodel add --list" in done.err


# --- remove -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "answers"),
    [("docker", {"docker": True}), ("mlflow", {"tracker": "mlflow"}), ("slurm", {"launcher": "slurm"})],
)
def test_remove_is_as_if_never_chosen(
    newmodel: Any, released: Any, make_project: MakeProject, thing: str, answers: dict[str, Any]
) -> None:
    first = released("0.1.0", FILES)
    released("0.2.0", {"project/train.py": TRAIN.replace("line 2\n", "line two\n")})
    folder = make_project(first, **answers)
    done = newmodel("remove", thing, folder)
    assert done.code == 0, done.err
    assert content(folder) == content(make_project(first, "plain"))


def test_remove_keeps_what_was_chosen_besides(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    first = released("0.1.0", FILES)
    folder = make_project(first, docker=True, launcher="kubernetes", tracker="mlflow")
    assert newmodel("remove", "kubernetes", folder).code == 0
    assert content(folder) == content(make_project(first, "plain", docker=True, tracker="mlflow"))


def test_remove_refuses_where_an_edited_file_would_be_left_behind(
    newmodel: Any, released: Any, make_project: MakeProject
) -> None:
    folder = make_project(released("0.1.0", FILES), docker=True)
    (folder / "Dockerfile").write_text("FROM mine\n", encoding="utf-8")
    commit(folder)
    before = content(folder)
    done = newmodel("remove", "docker", folder)
    assert done.code == 2
    assert "docker is not taken out, because you edited Dockerfile" in done.err
    assert content(folder) == before
    # and as that sentence says: without the file there is nothing to lose
    (folder / "Dockerfile").unlink()
    commit(folder)
    assert newmodel("remove", "docker", folder).code == 0
    assert open_project(folder).answers["docker"] is False


def test_remove_keeps_edits_that_have_nothing_to_do_with_it(
    newmodel: Any, released: Any, make_project: MakeProject
) -> None:
    folder = make_project(released("0.1.0", FILES), docker=True)
    fill(folder, {"train.py": "# mine\n", "Dockerfile.mine": "FROM mine\n"})
    commit(folder)
    assert newmodel("remove", "docker", folder).code == 0
    assert (folder / "train.py").read_text(encoding="utf-8") == "# mine\n"
    assert (folder / "Dockerfile.mine").exists()
    assert not (folder / "Dockerfile").exists()


def test_remove_refuses_what_something_else_needs(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES), docker=True, launcher="kubernetes")
    done = newmodel("remove", "docker", folder)
    assert done.code == 2
    assert done.err.strip() == "kubernetes cannot do without docker: remove kubernetes first."


def test_remove_of_a_default_names_the_others(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("remove", "tensorboard", folder)
    assert done.code == 2
    assert "add another instead: mlflow." in done.err


def test_remove_of_what_is_not_there(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("remove", "docker", folder)
    assert done.code == 0
    assert f"{folder} has no docker." in done.err


# --- the real list ----------------------------------------------------------------------------------------------------


def test_every_thing_answers_questions_of_copier_yml() -> None:
    questions = Catalog(TEMPLATES).questions
    things = read_things(TEMPLATES)
    for thing in things.values():
        assert set(thing.needs) <= set(things)
        for key, value in thing.answers.items():
            question = questions[key]
            assert question.kind == "bool" if isinstance(value, bool) else value in [c.value for c in question.choices]
    raw = yaml.safe_load((TEMPLATES / "things.yml").read_text(encoding="utf-8"))
    assert {key for details in raw.values() for key in details} <= {"help", "answers", "with", "only"}


def test_what_can_be_added_later_is_in_the_list() -> None:
    """Every choice of the questions that `newmodel init` does not ask because they are for later."""
    questions = Catalog(TEMPLATES).questions
    there = {(key, value) for thing in read_things(TEMPLATES).values() for key, value in thing.answers.items()}
    for name in ("tracker", "ci", "launcher", "method"):
        wanted = {(name, choice.value) for choice in questions[name].choices if choice.value != "none"}
        assert wanted - there == set()
    for name in ("notebook", "docker"):
        assert (name, True) in there


def test_the_catalogs_get_its_texts() -> None:
    from scaffolder.locales import __main__ as locales

    found = {message.id for message in locales.extract()}
    for thing in read_things(TEMPLATES).values():
        assert thing.help in found
        assert not thing.only or thing.only in found


@pytest.mark.parametrize(
    ("thing", "answers"),
    [
        pytest.param("docker", {"docker": True}),
        pytest.param("github-actions", {"ci": "github"}, marks=pytest.mark.full),
        pytest.param("kubernetes", {"docker": True, "launcher": "kubernetes"}, marks=pytest.mark.full),
        pytest.param("notebook", {"notebook": True}, marks=pytest.mark.full),
        pytest.param("wandb", {"tracker": "wandb"}, marks=pytest.mark.full),
        pytest.param("mit", {"license": "MIT"}, marks=pytest.mark.full),
    ],
)
def test_the_real_templates_and_back(
    newmodel: Any,
    released: Any,
    make_project: MakeProject,
    tmp_path: Path,
    thing: str,
    answers: dict[str, Any],
) -> None:
    """Byte for byte the project that has it from the start; and without it the one it was."""
    first = release("0.1.0", TEMPLATES, template_source.releases())
    folder = make_project(first, task="foundations", language="zh_CN")
    before = content(folder)
    assert newmodel("add", thing, folder).code == 0
    assert content(folder) == content(make_project(first, "chosen", task="foundations", language="zh_CN", **answers))
    for added in (thing, *read_things(TEMPLATES)[thing].needs):
        commit(folder)
        assert newmodel("remove", added, folder).code == 0
    assert content(folder) == before


def test_in_chinese(newmodel: Any, released: Any, make_project: MakeProject) -> None:
    folder = make_project(released("0.1.0", FILES))
    done = newmodel("add", "--list", folder, "--lang", "zh_CN")
    assert done.code == 0
    assert messages.language() == "zh_CN"
