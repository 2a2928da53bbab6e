"""Every release stays for good: as it was released, and its projects can be updated to the templates of today.

The templates of the working tree are the newest version here, under a number of their own, so that what would break an
earlier project is found before it is released.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from small_releases import git

from scaffolder import template_source
from scaffolder.catalog import Catalog
from scaffolder.generate import Source, render, write
from scaffolder.project import open_project
from scaffolder.template_source import Release, Releases, digest, release, releases, templates_folder
from scaffolder.updating.update import apply, available, prepare

RELEASED = releases().all()
NEXT = "9999.0.0"


def cells_of(one: Release, cache: Path) -> list[dict[str, str]]:
    """The combinations of framework and task that a release had."""
    questions = Catalog(releases().unpack(one, cache)).questions
    return [
        {"framework": framework.value, "task": task.value}
        for framework in questions["framework"].choices
        for task in questions["task"].choices
    ]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases") / "cache"


@pytest.fixture(scope="module")
def with_next(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """All releases, and today's templates as one more where they are none of these."""
    folder = tmp_path_factory.mktemp("next") / "releases"
    shutil.copytree(releases().folder, folder)
    found = Releases(folder)
    if digest(templates_folder()) != RELEASED[-1].digest:
        release(NEXT, templates_folder(), found)
    return found


def test_no_release_has_ever_changed() -> None:
    """The bundle's tags are the commits of the manifest, and no other tag is there."""
    command = ["git", "bundle", "list-heads", str(releases().bundle)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    heads = dict(reversed(line.split(" ", 1)) for line in lines)
    tags = {name.removeprefix("refs/tags/"): commit for name, commit in heads.items() if name.startswith("refs/tags/")}
    assert tags == {one.tag: one.commit for one in RELEASED}


@pytest.mark.parametrize("one", RELEASED, ids=lambda one: one.tag)
def test_its_files_are_those_that_were_released(one: Release, unpacked: Path) -> None:
    assert digest(releases().unpack(one, unpacked)) == one.digest


def test_the_history_goes_on_from_release_to_release(tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(releases().bundle), "all")
    for earlier, later in itertools.pairwise(RELEASED):
        git(tmp_path / "all", "merge-base", "--is-ancestor", earlier.commit, later.commit)


def test_the_manifest_only_grows() -> None:
    """What git has of it, where this is a checkout with a history: a release that another followed stays as it was.

    The newest one was made again before, while nobody had it yet; from the next one on it counts.
    """
    path = "scaffolder/releases/releases.json"
    root = template_source._PACKAGE.parent
    done = subprocess.run(["git", "log", "--format=%H", "--", path], cwd=root, capture_output=True, text=True)
    if done.returncode or not done.stdout:
        pytest.skip("no history here")
    now = json.loads((root / path).read_text(encoding="utf-8"))
    for commit in done.stdout.split():
        before = subprocess.run(["git", "show", f"{commit}:{path}"], cwd=root, capture_output=True, text=True)
        if before.returncode == 0:
            entries = json.loads(before.stdout)[:-1]
            assert now[: len(entries)] == entries, commit


def rows() -> list[Any]:
    """Every release with all its cells; a cell takes seconds, so the quick layer has the last one's first alone."""
    quick = pytest.param(RELEASED[-1], 1, id=f"{RELEASED[-1].tag}-first-cell")
    return [quick, *(pytest.param(one, None, marks=pytest.mark.full, id=one.tag) for one in RELEASED)]


@pytest.mark.parametrize(("one", "count"), rows())
def test_an_unedited_project_becomes_a_new_one_without_conflicts(
    one: Release,
    count: int | None,
    with_next: Releases,
    unpacked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every cell that the release had; offline, because everything comes from the bundle."""
    monkeypatch.setattr(template_source, "_cache_folder", lambda: unpacked)
    cells = cells_of(one, unpacked)
    assert cells
    newest = with_next.all()[-1]
    for number, cell in enumerate(cells[:count]):
        project = made(tmp_path / str(number) / "demo", one, unpacked, cell)
        found = open_project(project)
        versions = available(found, with_next)
        assert (versions is None) == (one.tag == newest.tag)  # today's templates may be the last release themselves
        if versions is not None:
            with prepare(found, with_next, versions) as update:
                assert update.conflicts == (), cell
                apply(update)
        updated = open_project(project)
        assert updated.version == newest.tag
        source = Source(templates_folder(), newest.tag)
        fresh = {str(path): file.content for path, file in render(updated.answers, project, source).files.items()}
        names = [name for name in git(project, "ls-files", "-zco", "--exclude-standard").split("\0") if name]
        here = {name: (project / name).read_bytes() for name in names if (project / name).is_file()}
        assert sorted(here) == sorted(fresh), cell
        assert [name for name in here if here[name] != fresh[name]] == [], cell


def made(folder: Path, one: Release, cache: Path, cell: dict[str, Any]) -> Path:
    """A project as that release made it, committed."""
    folder.mkdir(parents=True)
    source = Source(releases().unpack(one, cache), one.tag)
    write(render({"project_name": "demo", **cell}, folder, source), folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "made")
    return folder
