"""Random projects updated end to end: released versions, a committed project, the update, a second one, and undo."""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from merge_cases import (
    PERSON,
    TEMPLATE,
    Step,
    Tree,
    base_tree,
    lost,
    parses,
    put,
    read_tree,
    steps,
    unusable,
    write_tree,
)

from scaffolder import template_source
from scaffolder.errors import NewmodelError
from scaffolder.generate import Source, render, write
from scaffolder.project import ANSWERS_FILE, Project, open_project
from scaffolder.template_source import Release, Releases, release
from scaffolder.updating import update
from scaffolder.updating.undo import undo

#: On a file system in memory, where there is one.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None

_TEMPLATES = {
    "copier.yml": b"_subdirectory: project\n_answers_file: .copier-answers.yml\n"
    b"project_name: {type: str, default: demo}\n",
    "project/{{ _copier_conf.answers_file }}.jinja": b"{{ _copier_answers|to_nice_yaml }}",
}

person_steps = steps(PERSON)


@dataclass(frozen=True)
class World:
    """Released template versions, and a project of the first one, committed and untouched."""

    releases: Releases
    versions: tuple[Release, ...]
    trees: tuple[Tree, ...]
    project: Path


def random_trees(seed: int, versions: int = 8) -> list[Tree]:
    """A first version of a template and several that come after it, each the first one with random changes."""
    draw = random.Random(seed)
    trees = [base_tree()]
    for number in range(versions):
        tree = base_tree()
        for step in range(draw.randint(1, 8)):
            changed = dict(tree)
            Step(draw.choice(TEMPLATE), draw.randrange(18), draw.randrange(25), step % 4).apply(changed, "new")
            # no template can be released whose files do not parse
            if all(parses(path, content) for path, content in changed.items()):
                tree = changed
        put(tree, "version.txt", f"{number}\n".encode())
        trees.append(tree)
    return trees


def make_world(folder: Path, trees: list[Tree]) -> World:
    """Release these versions, and make a project of the first one."""
    releases = Releases(folder / "releases")
    made = []
    for number, tree in enumerate(trees):
        templates = folder / f"templates-{number}"
        templates.mkdir()
        write_tree(templates, _TEMPLATES | {f"project/{path}": content for path, content in tree.items()})
        made.append(release(f"0.{number + 1}.0", templates, releases))
    project = folder / "demo"
    project.mkdir()
    write(render({}, project, Source(releases.unpack(made[0]), made[0].tag)), project)
    git(project, "init", "-q")
    commit(project)
    git(project, "repack", "-adq")
    return World(releases, tuple(made), tuple(trees), project)


def git(folder: Path, *arguments: str) -> bytes:
    options = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "core.autocrlf=false",
               "-c", "core.safecrlf=false", "-c", "gc.auto=0")  # fmt: skip
    return subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-qm", "work", "--allow-empty", "--no-verify")


@dataclass(frozen=True)
class State:
    """Everything about a project that an undone update must not have changed."""

    files: Tree
    modes: dict[str, int]
    folders: set[str]
    index: bytes
    status: bytes


def state(folder: Path) -> State:
    files = read_tree(folder)
    folders = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()}
    return State(
        files=files,
        modes={path: stat.S_IMODE((folder / path).stat().st_mode) for path in files},
        folders={path for path in folders if not path.startswith(".git/")},
        index=git(folder, "ls-files", "--stage", "-z"),
        status=git(folder, "status", "--porcelain", "-z"),
    )


def check_end_to_end(world: World, person: list[Step], number: int) -> int:
    """Update a project that a person has worked on to one of the later versions; the number of conflicts."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name, "demo")
        shutil.copytree(world.project, folder, symlinks=True)
        ours = _work(folder, person)
        new = world.versions[number]
        before = state(folder)
        assert before.status == b""
        done = _update(open_project(folder), world.releases, new)
        conflicts = {change.path for change in done.conflicts}
        after = state(folder)
        merged = {path: content for path, content in after.files.items() if path != ANSWERS_FILE}

        assert open_project(folder).version == new.tag
        assert lost(world.trees[0], ours, merged) == set(), "a line of the person's is gone"
        assert unusable(ours, world.trees[number], merged, conflicts) == [], "a file is broken and not marked"
        known = ours.keys() | world.trees[number].keys() | {change.path for change in done.conflicts}
        assert merged.keys() <= known, "a stray file"
        listed = {change.path for change in done.changes}
        assert {path for path in before.files.keys() | after.files.keys()
                if before.files.get(path) != after.files.get(path)} <= listed  # fmt: skip

        _check_second_update(folder, world.releases, new, after)
        undone = undo(open_project(folder))
        assert undone.old == world.versions[0].tag
        assert state(folder) == before, "undo did not restore everything"
        return len(conflicts)


def _work(folder: Path, person: list[Step]) -> Tree:
    """Let the person work in the project, and commit."""
    tree = base_tree()
    for step in person:
        step.apply(tree, "mine")
    for path in base_tree():
        (folder / path).unlink()
    for place in sorted(folder.rglob("*"), reverse=True):
        if place.is_dir() and ".git" not in place.parts and not any(place.iterdir()):
            place.rmdir()
    write_tree(folder, tree)
    commit(folder)
    return tree


def _update(project: Project, releases: Releases, new: Release) -> update.Update:
    versions = update.available(project, releases, new.tag)
    assert versions is not None
    with update.prepare(project, releases, versions) as prepared:
        update.apply(prepared)
        return prepared


def _check_second_update(folder: Path, releases: Releases, new: Release, after: State) -> None:
    project = open_project(folder)
    assert update.available(project, releases, new.tag) is None
    # what is not committed is refused, and nothing changes by the attempt
    versions = (releases.find("v0.1.0"), new)
    refused = pytest.raises(NewmodelError, match=r"not committed|conflict")
    with refused, update.prepare(project, releases, versions):
        pass
    assert state(folder) == after


def scratch_cache(folder: Path) -> mock._patch[object]:
    return mock.patch.object(template_source, "_cache_folder", lambda: folder / "cache")
