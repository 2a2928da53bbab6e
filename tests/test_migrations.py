"""Files that move and settings that get another name: what the person has in them goes along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_releases import commit, git
from test_update import COPIER, TRAIN, outcomes, run, versions  # noqa: F401 - a fixture

from scaffolder.generate import BrokenTemplateError
from scaffolder.merging.three_way import Outcome
from scaffolder.project import Project, open_project
from scaffolder.template_source import Releases, templates_folder
from scaffolder.updating import migrations, update
from scaffolder.updating.undo import undo

Versions = Callable[..., tuple[Project, Releases]]

OLD = """\
# how it learns
training:
  lr: 0.01        # the step
  epochs: 3
data:
  lr: not this one
"""
NEW = OLD.replace("  lr: 0.01        #", "  learning_rate: 0.01        #")
FIRST = {"project/configs/train.yaml": OLD}


FIELDS = "- version: 0.2.0\n  rename_fields:\n    configs/*.yaml: {training.lr: training.learning_rate}\n"
MOVES = '- version: 0.2.0\n  move: {"{{ package }}/model.py": "{{ package }}/network.py"}\n'


def test_a_renamed_setting_keeps_the_persons_value_and_comments(versions: Versions) -> None:  # noqa: F811
    project, releases = versions({"migrations.yml": FIELDS, "project/configs/train.yaml": NEW}, FIRST)
    folder = project.folder
    mine = OLD.replace("0.01        # the step", '0.5  # mine: "lr" was too small')
    (folder / "configs/train.yaml").write_text(mine)
    (folder / "configs/mine.yaml").write_text("training: {lr: 7, 'epochs': 2} # my own file\n")
    commit(folder)
    done = run(project, releases)
    assert not done.conflicts
    assert (folder / "configs/train.yaml").read_text() == mine.replace("  lr: 0.5", "  learning_rate: 0.5")
    assert (folder / "configs/mine.yaml").read_text() == "training: {learning_rate: 7, 'epochs': 2} # my own file\n"
    assert outcomes(done) == {"configs/mine.yaml": Outcome.CHANGED, "configs/train.yaml": Outcome.CHANGED}
    assert done.notes == ()
    undo(open_project(folder))
    assert git(folder, "status", "--porcelain") == ""


def test_windows_line_ends_stay_where_a_setting_is_renamed(versions: Versions) -> None:  # noqa: F811
    project, releases = versions({"migrations.yml": FIELDS, "project/configs/train.yaml": NEW}, FIRST)
    file = project.folder / "configs/train.yaml"
    file.write_bytes(OLD.replace("0.01", "0.5").replace("\n", "\r\n").encode())
    commit(project.folder)
    run(project, releases)
    assert file.read_bytes() == NEW.replace("0.01", "0.5").replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("training:\n  lr: 0.5\n lr: [\n", "is no YAML that newmodel can read; rename in it yourself: training.lr → "),
        ("training:\n  lr: 0.5\n  learning_rate: 1\n", "has both training.lr and training.learning_rate"),
    ],
)
def test_what_cannot_be_renamed_is_left_alone_and_named(versions: Versions, text: str, note: str) -> None:  # noqa: F811
    project, releases = versions({"migrations.yml": FIELDS}, FIRST)
    (project.folder / "configs/train.yaml").write_text(text)
    commit(project.folder)
    done = run(project, releases)
    assert (project.folder / "configs/train.yaml").read_text() == text
    assert len(done.notes) == 1
    assert done.notes[0].startswith("configs/train.yaml ")
    assert note in done.notes[0]


def test_a_moved_file_takes_the_persons_edits_along(versions: Versions) -> None:  # noqa: F811
    """Also where so much was edited on both sides that git would see no rename."""
    theirs = "".join(f"# new line {number}\n" for number in range(30)) + "# model 20\n"
    project, releases = versions(
        {"migrations.yml": MOVES, "project/{{ package }}/model.py": None, "project/{{ package }}/network.py": theirs}
    )
    mine = "".join(f"# mine {number}\n" for number in range(40)) + TRAIN.replace("line", "model")
    (project.folder / "demo/model.py").write_text(mine)
    commit(project.folder)
    done = run(project, releases)
    assert not (project.folder / "demo/model.py").exists()
    text = (project.folder / "demo/network.py").read_text()
    assert "# mine 39\n" in text
    assert "# new line 29\n" in text
    assert [change.path for change in done.conflicts] == ["demo/network.py"]
    assert "UU demo/network.py" in git(project.folder, "status", "--porcelain")
    assert git(project.folder, "show", ":2:demo/network.py") == mine
    undo(open_project(project.folder))
    assert git(project.folder, "status", "--porcelain") == ""
    assert (project.folder / "demo/model.py").read_text() == mine


def test_a_moved_file_that_nobody_edited(versions: Versions) -> None:  # noqa: F811
    model = TRAIN.replace("line", "model")
    project, releases = versions(
        {"migrations.yml": MOVES, "project/{{ package }}/model.py": None, "project/{{ package }}/network.py": model}
    )
    (project.folder / "demo/model.py").write_bytes(model.replace("\n", "\r\n").encode())
    commit(project.folder)
    done = run(project, releases)
    assert outcomes(done) == {"demo/model.py": Outcome.DELETED, "demo/network.py": Outcome.ADDED}
    assert (project.folder / "demo/network.py").read_bytes() == model.replace("\n", "\r\n").encode()
    assert {change.path: change.moved_to for change in done.changes if change.moved_to} == {
        "demo/model.py": "demo/network.py"
    }


def test_a_folder_moves_with_what_the_person_added(versions: Versions) -> None:  # noqa: F811
    project, releases = versions(
        {
            "migrations.yml": "- version: 0.2.0\n  move: {configs: settings}\n",
            "project/configs/train.yaml": None,
            "project/settings/train.yaml": NEW,
        },
        FIRST,
    )
    (project.folder / "configs/mine.yaml").write_text("mine: 1\n")
    commit(project.folder)
    run(project, releases)
    assert not (project.folder / "configs").exists()
    assert (project.folder / "settings/train.yaml").read_text() == NEW
    assert (project.folder / "settings/mine.yaml").read_text() == "mine: 1\n"


def test_a_file_of_the_persons_in_the_way_of_a_move_stays(versions: Versions) -> None:  # noqa: F811
    model = TRAIN.replace("line", "model")
    project, releases = versions(
        {"migrations.yml": MOVES, "project/{{ package }}/model.py": None, "project/{{ package }}/network.py": model}
    )
    (project.folder / "demo/network.py").write_text("mine\n")
    (project.folder / "demo/model.py").write_text(model + "mine, too\n")
    commit(project.folder)
    done = run(project, releases)
    left = "".join(path.read_text() for path in project.folder.glob("demo/*.py"))
    assert "mine\n" in left
    assert "mine, too\n" in left
    assert len(done.notes) == 1
    assert "demo/model.py is now called demo/network.py, and you have a file of that name" in done.notes[0]


def test_a_renamed_question_keeps_its_answer(versions: Versions) -> None:  # noqa: F811
    new = COPIER.replace("package:", "colour: {type: str, default: blue}\npackage:")
    old = COPIER.replace("package:", "shade: {type: str, default: blue}\npackage:")
    text = "- version: 0.2.0\n  rename_answers: {shade: colour}\n"
    project, releases = versions(
        {"migrations.yml": text, "copier.yml": new, "project/colour.txt.jinja": "{{ colour }}\n"},
        {"copier.yml": old, "project/colour.txt.jinja": "{{ shade }}\n"},
    )
    project.recorded["shade"] = "green"
    (project.folder / "colour.txt").write_text("green\n")
    answers = project.folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("shade: blue", "shade: green"))
    commit(project.folder)
    done = run(open_project(project.folder), releases)
    assert not done.conflicts
    assert (project.folder / "colour.txt").read_text() == "green\n"
    recorded = open_project(project.folder).answers
    assert recorded["colour"] == "green"
    assert "shade" not in recorded


def test_only_what_is_new_to_the_project_is_carried_out(tmp_path: Path) -> None:
    entries = [{"version": "0.10.0"}, {"version": "0.3.0"}, {"version": "0.2.0"}, {"version": "0.1.0"}]
    (tmp_path / "migrations.yml").write_text("".join(f"- version: {entry['version']}\n" for entry in entries))
    found = migrations.between(tmp_path, "0.1.0", "0.3.0")
    assert [str(entry.version) for entry in found] == ["0.2.0", "0.3.0"]
    assert migrations.between(tmp_path, "0.3.0", "0.3.0") == []


@pytest.mark.parametrize(
    ("text", "renames", "wanted"),
    [
        ("a: 1\n", {"a": "b"}, "b: 1\n"),
        ("'a': 1\n", {"a": "b"}, "b: 1\n"),
        ("# a: 1\nx: {a: 1, c: a}\n", {"x.a": "x.b"}, "# a: 1\nx: {b: 1, c: a}\n"),
        ("é: 1\nx:\n  y:\n    a: |\n      a: 1\n", {"x.y.a": "x.y.b"}, "é: 1\nx:\n  y:\n    b: |\n      a: 1\n"),
        ("x:\n  a: 1\n", {"x": "z", "z.a": "z.b"}, "z:\n  b: 1\n"),
        ("x: [a]\n", {"x.a": "x.b"}, "x: [a]\n"),
        ("", {"a": "b"}, ""),
        ("\ufeffa: 1\r\nc: 2\r\n", {"c": "d"}, "\ufeffa: 1\r\nd: 2\r\n"),
    ],
)
def test_keys_are_renamed_and_nothing_else(text: str, renames: dict[str, str], wanted: str) -> None:
    assert migrations.renamed(text, renames) == wanted


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "is no YAML"),
        ("a: 1", "must be a list"),
        ("- move: {}", "without a version"),
        ("- version: new", "is none"),
        ("- version: 0.2.0\n  mvoe: {}", "unknown key: mvoe"),
        ("- version: 0.2.0\n  move: [a]", "“old: new”"),
        ("- version: 0.2.0\n  move: {a: ../b}", "no path inside a project"),
        ("- version: 0.2.0\n  move: {a: /b}", "no path inside a project"),
        ("- version: 0.2.0\n  move: {a: .git/hooks/x}", "no path inside a project"),
        ("- version: 0.2.0\n  rename_fields: {a.yaml: {x.a: y.a}}", "only be renamed in its own section"),
        ("- version: 0.2.0\n  rename_answers: {a: 1}", "“old: new”"),
    ],
)
def test_a_mistake_in_it_is_ours(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "migrations.yml").write_text(text)
    with pytest.raises(BrokenTemplateError, match=problem):
        migrations.load(tmp_path)


def test_a_path_that_needs_an_unknown_answer_is_ours(versions: Versions) -> None:  # noqa: F811
    project, releases = versions({"migrations.yml": '- version: 0.2.0\n  move: {"{{ pakcage }}/a": b}\n'})
    with pytest.raises(BrokenTemplateError, match="needs the answer pakcage"):
        run(project, releases)


def test_our_own_are_right() -> None:
    for entry in migrations.load(templates_folder()):
        assert entry.move or entry.rename_fields or entry.rename_answers


def test_the_diff_is_told_from_the_files_as_they_are(versions: Versions) -> None:  # noqa: F811
    project, releases = versions({"migrations.yml": FIELDS, "project/configs/train.yaml": NEW}, FIRST)
    found: Any = update.available(project, releases)
    with update.prepare(project, releases, found) as prepared:
        diff = prepared.merged.diff()
    assert "-  lr: 0.01        # the step" in diff
    assert "+  learning_rate: 0.01        # the step" in diff
