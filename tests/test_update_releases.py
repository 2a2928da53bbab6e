"""Projects of every released version, updated to the newest through the command: nothing of the person's is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from answer_matrix import cells, label
from environments import framework_environment
from pycharm_executor import PyCharm
from small_releases import commit, git

from scaffolder import repository, template_source
from scaffolder.generate import Source, render, write
from scaffolder.project import open_project
from scaffolder.template_source import Release

RELEASES = template_source.releases().all()
EARLIER = RELEASES[:-1]
#: The first release that has a task, where that is not the very first.
SINCE = {"llm": "v0.4.0"}
#: Each cell in each earlier release that has it.
EARLIER_CELLS = [
    pytest.param(cell, release, id=f"{label(cell)}-{release.tag}")
    for cell in cells()
    for number, release in enumerate(EARLIER, start=1)
    if SINCE.get(cell["task"], RELEASES[0].tag) in [one.tag for one in RELEASES[:number]]
]


@pytest.fixture(autouse=True)
def scratch_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")


def make(folder: Path, release: Release, answers: dict[str, Any], cache: Path) -> Path:
    """A project as that release made it, committed."""
    folder.mkdir(parents=True)
    source = Source(template_source.releases().unpack(release, cache), release.tag)
    write(render({"project_name": "demo", **answers}, folder, source), folder)
    repository.initialise(folder)
    return folder


def rewrite_like_pycharm(folder: Path) -> None:
    """What PyCharm does when it saves: fields of its own, another layout, an interpreter's name."""
    for path in folder.glob(".idea/runConfigurations/*.xml"):
        tree = ElementTree.parse(path)
        configuration = tree.getroot().find("configuration")
        assert configuration is not None
        if configuration.get("type") == "PythonConfigurationType":
            for name, value in (("SDK_NAME", ""), ("DEBUG_JUST_MY_CODE", "false"), ("RUN_TOOL", "")):
                ElementTree.SubElement(configuration, "option", {"name": name, "value": value})
        path.write_text(ElementTree.tostring(tree.getroot(), encoding="unicode"), encoding="utf-8")
    (folder / ".idea" / "workspace.xml").write_text('<project version="4" />', encoding="utf-8")
    (folder / ".idea" / "misc.xml").write_text('<project version="4" />', encoding="utf-8")


def test_something_has_been_released_twice() -> None:
    assert len(RELEASES) >= 2


@pytest.mark.full
@pytest.mark.parametrize(("cell", "release"), EARLIER_CELLS)
def test_every_earlier_project_updates(
    newmodel: Callable[..., Any], tmp_path: Path, cell: dict[str, Any], release: Release
) -> None:
    folder = make(tmp_path / "demo", release, cell, tmp_path / "cache")
    assert newmodel("update", folder, "--check").code == 1

    # the templates have changed this file since, and not where it ends
    pages = folder / "demo" / "pages.py"
    mine = '\n\ndef my_own_page() -> None:\n    """Mine."""\n'
    pages.write_text(pages.read_text(encoding="utf-8") + mine, encoding="utf-8")
    (folder / "my_notes.md").write_text("mine\n", encoding="utf-8")
    (folder / "AGENTS.md").unlink()
    commit(folder)
    rewrite_like_pycharm(folder)
    (folder / "uv.lock").write_text("version = 1\n", encoding="utf-8")

    shown = newmodel("update", folder, "--diff")
    assert shown.code == 0
    assert newmodel("update", folder, "--check").code == 1, "--diff writes nothing"

    done = newmodel("update", folder)
    assert done.code == 0, done.err
    assert mine in pages.read_text(encoding="utf-8")
    assert (folder / "my_notes.md").read_text(encoding="utf-8") == "mine\n"
    assert not (folder / "AGENTS.md").exists()
    assert (folder / "uv.lock").exists()
    train = (folder / ".idea" / "runConfigurations" / "Train.xml").read_text(encoding="utf-8")
    assert 'name="SDK_NAME"' in train
    assert open_project(folder).version == RELEASES[-1].tag
    assert newmodel("update", folder, "--check").code == 0
    assert newmodel("update", folder).code == 0


@pytest.mark.full
@pytest.mark.parametrize("release", EARLIER, ids=lambda release: release.tag)
def test_an_unedited_project_becomes_a_new_one(newmodel: Callable[..., Any], tmp_path: Path, release: Release) -> None:
    folder = make(tmp_path / "old" / "demo", release, {}, tmp_path / "cache")
    assert newmodel("update", folder).code == 0
    new = make(tmp_path / "new" / "demo", RELEASES[-1], open_project(folder).answers, tmp_path / "cache")
    files = set(git(new, "ls-files").splitlines())
    git(folder, "add", "-A")
    assert set(git(folder, "ls-files").splitlines()) == files
    for name in files:
        assert (folder / name).read_bytes() == (new / name).read_bytes(), name


@pytest.mark.full
def test_the_same_line_is_a_conflict_with_exit_code_1(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    # The first release: the last one may differ from the newest in projects of another kind only.
    folder = make(tmp_path / "demo", EARLIER[0], {}, tmp_path / "cache")
    old = render_text(EARLIER[0], tmp_path / "cache", folder)
    new = render_text(RELEASES[-1], tmp_path / "cache", folder)
    changed = next(path for path in sorted(old) if path.endswith(".py") and path in new and old[path] != new[path])
    # every line is mine now: whatever the template changed, I changed as well
    text = "".join(f"{line}  # mine\n" for line in old[changed].splitlines())
    (folder / changed).write_text(text, encoding="utf-8")
    commit(folder)

    done = newmodel("update", folder)
    assert done.code == 1
    assert changed in done.err
    assert f"UU {changed}" in git(folder, "status", "--porcelain")
    merged = (folder / changed).read_text(encoding="utf-8")
    assert "<<<<<<<" in merged
    for line in text.splitlines():
        assert line in merged, "a line of mine is gone"

    again = newmodel("update", folder)
    assert again.code == 1
    assert changed in again.err


def render_text(release: Release, cache: Path, folder: Path) -> dict[str, str]:
    source = Source(template_source.releases().unpack(release, cache), release.tag)
    files = render({"project_name": "demo"}, folder, source).files
    return {str(path): file.content.decode("utf-8", "replace") for path, file in files.items()}


def test_json_is_one_object_and_nothing_else(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    folder = make(tmp_path / "demo", EARLIER[-1], {}, tmp_path / "cache")
    assert json.loads(newmodel("update", folder, "--check", "--json").out) == {
        "current": EARLIER[-1].tag,
        "available": RELEASES[-1].tag,
        "overlays": [],
    }
    done = json.loads(newmodel("update", folder, "--json").out)
    assert done["to"] == RELEASES[-1].tag
    assert done["conflicts"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "v9.9.9"), "There is no released template version v9.9.9"),
        (("--set", "framwork=pytorch"), "did you mean “framework”"),
        (("--set", "framework"), "has no “=”"),
    ],
)
def test_bad_input_changes_nothing(
    newmodel: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    folder = make(tmp_path / "demo", EARLIER[-1], {}, tmp_path / "cache")
    done = newmodel("update", folder, *arguments)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert git(folder, "status", "--porcelain") == ""


def test_a_folder_that_is_no_project_is_refused(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    done = newmodel("update", tmp_path)
    assert done.code == 2
    assert "was not made by newmodel" in done.err


@pytest.mark.full
def test_the_whole_life(newmodel: Callable[..., Any], tmp_path: Path) -> None:
    """init → PyCharm rewrites its files → train → the person's edits → update → train again."""
    folder = make(tmp_path / "demo", EARLIER[-1], {"framework": "pytorch"}, tmp_path / "cache")
    pycharm = PyCharm(folder, framework_environment("pytorch"))
    rewrite_like_pycharm(folder)
    overfit = pycharm.run("Overfit one batch", 300)
    assert overfit.exit_code == 0, overfit.output
    runs = sorted(folder.glob("runs/*"))
    assert runs

    configuration = folder / "configs" / "train.yaml"
    configuration.write_text(
        configuration.read_text(encoding="utf-8").replace("embedding_size: 8", "embedding_size: 16"), encoding="utf-8"
    )
    refused = newmodel("update", folder)
    assert refused.code == 2
    assert "configs/train.yaml" in refused.err
    git(folder, "commit", "-qam", "my embedding size")

    done = newmodel("update", folder)
    assert done.code == 0, done.err
    assert "embedding_size: 16" in configuration.read_text(encoding="utf-8")
    assert sorted(folder.glob("runs/*")) == runs
    again = PyCharm(folder, framework_environment("pytorch")).run("Overfit one batch", 300)
    assert again.exit_code == 0, again.output
