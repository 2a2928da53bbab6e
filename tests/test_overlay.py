"""A team's house style over the templates: made with it, updated with it, and told in a sentence what is wrong."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_releases import fill, git

from scaffolder import overlay, template_source
from scaffolder.errors import NewmodelError
from scaffolder.generate import Source, render, write
from scaffolder.project import open_project
from scaffolder.template_source import Release, Releases, release
from scaffolder.updating.update import apply, available, prepare

MANIFEST = """\
name: acme
requires: ">=0.1"
questions:
  team:
    type: str
    help: Which team?
    default: research
defaults:
  tracker: mlflow
answers:
  license: MIT
header:
  "*.py": "# Copyright ACME, team {{ team }}"
"""
FILES = {
    "overlay.yml": MANIFEST,
    "project/AGENTS.md.jinja": "Rules of {{ team }} for {{ project_name }}.\n",
    "project/{{ package }}/house.py": "RULE = 1\n",
    "append/pyproject.toml": '\n[[tool.uv.index]]\nname = "acme"\nurl = "https://pypi.acme.example/simple"\n',
}


#: The languages of the docs' files: a manifest, text with Jinja, TOML.
_KINDS = ("yaml", "jinja", "toml")


@pytest.fixture(autouse=True)
def scratch_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache" / "templates")


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    folder = tmp_path / "acme"
    fill(folder, FILES)
    return folder


def tag(folder: Path, name: str, changed: Mapping[str, str | None] | None = None) -> None:
    """One more version of an overlay that is a repository."""
    fill(folder, changed or {})
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", name, "--allow-empty")
    git(folder, "tag", name)


def init(newmodel: Callable[..., Any], *arguments: str | Path) -> Any:
    return newmodel("init", "demo", "--defaults", "--set", "install_now=false", "--set", "use_git=false", *arguments)


def test_a_project_is_made_with_it(newmodel: Callable[..., Any], acme: Path, tmp_path: Path) -> None:
    done = init(newmodel, "--overlay", acme, "--set", "team=vision")
    assert done.code == 0, done.err
    project = tmp_path / "demo"
    assert (project / "AGENTS.md").read_text() == "Rules of vision for demo.\n"
    assert (project / "demo" / "house.py").read_text() == "# Copyright ACME, team vision\nRULE = 1\n"
    assert (project / "train.py").read_text().startswith("# Copyright ACME, team vision\n")
    assert 'name = "acme"' in (project / "pyproject.toml").read_text()
    assert "MIT License" in (project / "LICENSE").read_text()
    recorded = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert recorded["team"] == "vision"
    assert recorded["tracker"] == "mlflow"
    assert [one["source"] for one in recorded["_overlays"]] == [str(acme)]
    assert recorded["_overlays"][0]["version"].startswith("sha256:")


def test_the_example_of_the_docs_works(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "overlays.md").read_text(encoding="utf-8")
    manifest, rules, index = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in _KINDS)
    # the docs' version is one that comes with them
    files = {"overlay.yml": manifest.replace(">=0.5", ">=0.4"), "project/AGENTS.md.jinja": rules}
    fill(tmp_path / "style", {**files, "append/pyproject.toml": index, "project/{{ package }}/house_rules.py": ""})
    done = init(newmodel, "--overlay", tmp_path / "style", "--set", "team=products")
    assert done.code == 0, done.err
    assert "ACME Ltd." in (tmp_path / "demo" / "LICENSE").read_text()
    assert (tmp_path / "demo" / ".gitlab-ci.yml").is_file()
    assert (tmp_path / "demo" / "AGENTS.md").read_text() == "Rules of the team products for demo.\n"
    assert (tmp_path / "demo" / "demo" / "house_rules.py").read_text() == "# Copyright ACME Ltd. Team products.\n"
    assert "acme.example" in (tmp_path / "demo" / "pyproject.toml").read_text()


def test_json_names_the_overlays(newmodel: Callable[..., Any], acme: Path) -> None:
    tag(acme, "v1.0")
    done = init(newmodel, "--overlay", acme, "--dry-run", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["overlays"] == [{"source": str(acme), "version": "v1.0"}]
    assert json.loads(done.out)["answers"]["team"] == "research"


def test_the_later_overlay_wins(newmodel: Callable[..., Any], acme: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    fill(other, {"overlay.yml": "name: other\n", "project/AGENTS.md": "Others' rules.\n"})
    assert init(newmodel, "--overlay", acme, "--overlay", other).code == 0
    assert (tmp_path / "demo" / "AGENTS.md").read_text() == "Others' rules.\n"


def test_without_overlays_nothing_is_recorded(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    assert init(newmodel).code == 0
    assert "_overlays" not in (tmp_path / "demo" / ".copier-answers.yml").read_text()


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({"overlay.yml": None}, (), "it has no overlay.yml"),
        ({"overlay.yml": "name: a\nquestion: {}\n"}, (), "did you mean “questions”"),
        ({"overlay.yml": "name: [\n"}, (), "is no YAML (line"),
        ({"overlay.yml": "description: a\n"}, (), "needs a name"),
        ({"overlay.yml": "name: a\nrequires: '>=99'\n"}, (), "it is for the template versions >=99"),
        ({"overlay.yml": "name: a\nrequires: 'new'\n"}, (), "is no range of versions"),
        ({"overlay.yml": "name: a\nquestions: {task: {type: str, default: x}}\n"}, (), "a question “task” already"),
        ({"overlay.yml": "name: a\nquestions: {team: {type: str}}\n"}, (), "needs a default"),
        ({"overlay.yml": "name: a\nquestions: {team: {type: int, default: 1}}\n"}, (), "needs a type"),
        ({"overlay.yml": "name: a\nquestions: {team: {type: str, default: x, helb: y}}\n"}, (), "did you mean “help”"),
        ({"overlay.yml": "name: a\nquestions: {t: {type: str, default: '{{ tsk }}'}}\n"}, (), "did you mean “task”"),
        ({"overlay.yml": "name: a\nanswers: {licence: MIT}\n"}, (), "did you mean “license”"),
        ({"overlay.yml": "name: a\nanswers: {license: GPL}\n"}, (), "license cannot be “GPL”"),
        ({"overlay.yml": "name: a\nheader: {'*.py': '{{ a'}\n"}, (), "header: *.py, line 1"),
        (
            {"overlay.yml": "name: a\nquestions: {t: {type: str, default: '{{ 1 // 0 }}'}}\n"},
            (),
            "a question of it fails",
        ),
        ({"overlay.yml": "name: a\nquestions: {t: {type: str, default: '{{ 1 | no }}'}}\n"}, (), "No filter named"),
        ({"project/a.md.jinja": "x\n{% if %}\n"}, (), "project/a.md.jinja, line 2"),
        ({"project/a.md.jinja": "{{ nobody }}\n"}, (), "project/a.md.jinja: 'nobody' is undefined"),
        ({"project/a.md.jinja": "{{ 1 // 0 }}\n"}, (), "project/a.md.jinja: "),
        ({"project/a.md.jinja": "{{ ''.__class__.__mro__ }}\n"}, (), "project/a.md.jinja: "),
        ({"project/{{ '..' }}/a.md": "x\n"}, (), "is forbidden"),
        ({"project/{{ '.git' }}/hooks/a": "x\n"}, (), ".git"),
        ({"project/.copier-answers.yml": "a: 1\n"}, (), "is newmodel's own"),
        ({"project/a.md": "1\n", "project/{{ 'a.md' }}": "2\n"}, (), "two of its files become a.md"),
        ({"append/pyproject.toml": "[project]\n"}, (), "pyproject.toml is not valid"),
        ({}, ("--set", "license=none"), "license cannot be “none”"),
        ({}, ("--set", "teem=a"), "did you mean “team”"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    newmodel: Callable[..., Any],
    acme: Path,
    tmp_path: Path,
    changed: Mapping[str, str | None],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    fill(acme, changed)
    done = init(newmodel, "--overlay", acme, *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "demo").exists()


def test_a_link_is_refused(newmodel: Callable[..., Any], acme: Path, tmp_path: Path) -> None:
    (acme / "project" / "passwd").symlink_to("/etc/passwd")
    done = init(newmodel, "--overlay", acme)
    assert done.code == 2
    assert "passwd" in done.err
    assert not (tmp_path / "demo").exists()


def test_a_question_may_use_copiers_filters(newmodel: Callable[..., Any], acme: Path) -> None:
    validator = "{% if team | regex_search('[A-Z]') %}Write it in small letters.{% endif %}"
    question = {"team": {"type": "str", "default": "a", "validator": validator}}
    fill(acme, {"overlay.yml": yaml.safe_dump({"name": "acme", "questions": question})})
    done = init(newmodel, "--overlay", acme, "--set", "team=Vision")
    assert done.code == 2
    assert "Write it in small letters." in done.err


def test_the_same_overlay_twice_is_refused(newmodel: Callable[..., Any], acme: Path) -> None:
    assert "given twice" in init(newmodel, "--overlay", acme, "--overlay", acme).err


# --- updates ----------------------------------------------------------------------------------------------------------

COPIER = """\
_subdirectory: project
_answers_file: .copier-answers.yml
_envops: {undefined: jinja2.StrictUndefined, keep_trailing_newline: true}
project_name: {type: str, default: demo}
package: {type: str, default: demo}
"""
TEMPLATES = {
    "copier.yml": COPIER,
    "project/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}",
    "project/train.py": "".join(f"# line {number}\n" for number in range(1, 21)),
    "project/README.md.jinja": "{{ project_name }}\n",
}
HOUSE = "".join(f"# rule {number}\n" for number in range(1, 21))
HOUSE_FILES = {
    "overlay.yml": 'name: house\nheader: {"*.py": "# ACME 2025"}\n',
    "project/{{ package }}/house.py": HOUSE,
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    folder = tmp_path / "house"
    fill(folder, HOUSE_FILES)
    tag(folder, "v1.0")
    return folder


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    """The templates with one release; `newmodel update` looks there, too."""
    fill(tmp_path / "templates", TEMPLATES)
    found = Releases(tmp_path / "releases")
    release("0.1.0", tmp_path / "templates", found)
    monkeypatch.setattr(template_source, "releases", lambda: found)
    return found


@pytest.fixture
def project(tmp_path: Path, house: Path, releases: Releases) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    first = releases.all()[0]
    source = overlay.compose(Source(releases.unpack(first), first.tag), overlay.chosen([str(house)]))
    write(render({}, folder, source), folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "made")
    return folder


def update(folder: Path, releases: Releases) -> tuple[Release, Release] | None:
    found = open_project(folder)
    versions = available(found, releases)
    if versions is not None:
        with prepare(found, releases, versions) as made:
            assert not made.conflicts
            apply(made)
    return versions


def test_a_newer_overlay_comes_in_and_edits_stay(project: Path, house: Path, releases: Releases) -> None:
    assert update(project, releases) is None
    mine = project / "demo" / "house.py"
    mine.write_text(mine.read_text().replace("# rule 3\n", "# rule 3, mine\n"))
    git(project, "commit", "-qam", "mine")
    changed = {
        "overlay.yml": 'name: house\nheader: {"*.py": "# ACME 2026"}\n',
        "project/{{ package }}/house.py": HOUSE.replace("# rule 15\n", "# rule 15, new\n"),
    }
    tag(house, "v1.1", changed)
    assert update(project, releases) is not None
    text = mine.read_text()
    assert text.startswith("# ACME 2026\n")
    assert "# rule 3, mine\n" in text
    assert "# rule 15, new\n" in text
    assert (project / "train.py").read_text().startswith("# ACME 2026\n")
    assert open_project(project).overlays == [{"source": str(house), "version": "v1.1"}]
    git(project, "commit", "-qam", "updated")
    assert update(project, releases) is None


def test_templates_and_overlay_at_once(project: Path, house: Path, releases: Releases, tmp_path: Path) -> None:
    fill(tmp_path / "templates", {"project/README.md.jinja": "{{ project_name }}, better\n"})
    release("0.2.0", tmp_path / "templates", releases)
    tag(house, "v2.0", {"project/rules.md": "Rules\n"})
    assert update(project, releases) is not None
    assert (project / "README.md").read_text() == "demo, better\n"
    assert (project / "rules.md").read_text() == "Rules\n"
    found = open_project(project)
    assert (found.version, found.overlays[0]["version"]) == ("v0.2.0", "v2.0")


def test_a_new_version_of_the_templates_keeps_the_overlay(project: Path, releases: Releases, tmp_path: Path) -> None:
    fill(tmp_path / "templates", {"project/train.py": TEMPLATES["project/train.py"] + "# more\n"})
    release("0.2.0", tmp_path / "templates", releases)
    assert update(project, releases) is not None
    text = (project / "train.py").read_text()
    assert text.startswith("# ACME 2025\n")
    assert text.endswith("# more\n")


def test_without_the_overlays_place_the_templates_can_be_updated(
    project: Path, house: Path, releases: Releases, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(house)
    fill(tmp_path / "templates", {"project/README.md.jinja": "{{ project_name }}, better\n"})
    release("0.2.0", tmp_path / "templates", releases)
    assert update(project, releases) is not None
    assert (project / "README.md").read_text() == "demo, better\n"
    assert "It stays at v1.0" in capfd.readouterr().err


def test_a_version_that_is_gone_is_one_sentence(project: Path, house: Path, releases: Releases, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache" / "overlays")
    git(house, "tag", "-d", "v1.0")
    tag(house, "v1.1", {"project/new.md": "x\n"})
    with pytest.raises(NewmodelError, match=r"The version v1\.0 of the overlay .* cannot be had any more"):
        update(project, releases)
    assert git(project, "status", "--porcelain") == ""


def test_a_folder_that_has_changed_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    fill(folder, HOUSE_FILES)
    recorded = overlay.chosen([str(folder)])
    shutil.rmtree(tmp_path / "cache" / "overlays")
    fill(folder, {"project/new.md": "x\n"})
    with pytest.raises(NewmodelError, match="has changed since"):
        overlay.compose(Source(tmp_path, "v1.0"), recorded)


def test_composing_again_takes_it_from_the_cache(house: Path, releases: Releases) -> None:
    first = releases.all()[0]
    source = Source(releases.unpack(first), first.tag)
    once = overlay.compose(source, overlay.chosen([str(house)]))
    made = (once.folder / "copier.yml").stat().st_mtime_ns
    again = overlay.compose(source, overlay.chosen([str(house)]))
    assert again == once
    assert (again.folder / "copier.yml").stat().st_mtime_ns == made
    assert overlay.compose(source, []) is source
