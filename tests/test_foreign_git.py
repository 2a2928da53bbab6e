"""Templates in git repositories: versions, private ones, and what a repository may not do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_templates_made import COOKIECUTTER, COPIER, Surrounding, git, repository, surrounding_world, write
from git_server import serve

__all__ = ["surrounding_world"]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

HELPER = '[credential]\n\thelper = "!f() { echo username=ada; echo password=secret; }; f"\n'


@pytest.fixture
def init(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> Callable[..., dict[str, Any]]:
    """Make a project from a template and give what the command says as JSON."""

    def run(*arguments: str | Path) -> dict[str, Any]:
        result = newmodel("init", "project", "--defaults", "--json", *arguments)
        assert result.code == 0, result.err
        found: dict[str, Any] = json.loads(result.out)
        assert not list((surrounding_world.root / "tmp").iterdir())
        return found

    return run


@pytest.fixture
def refused(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> Callable[..., str]:
    def run(*arguments: str | Path) -> str:
        before = surrounding_world.state()
        result = newmodel("init", "project", "--defaults", "--json", *arguments)
        assert result.code == 2, result.err + result.out
        assert result.err.count("\n") == 1
        assert surrounding_world.state() == before
        return str(result.err)

    return run


@pytest.fixture
def versions(surrounding_world: Surrounding) -> tuple[Path, list[str]]:
    """A repository with v1, v2, and a commit after them on its main branch, and another branch."""
    folder = surrounding_world.attack / "served" / "repository"
    commits = [
        repository(folder, {**COOKIECUTTER, "{{cookiecutter.slug}}/version.txt": "1"}, tag="v1"),
        repository(folder, {"{{cookiecutter.slug}}/version.txt": "2"}, tag="v2"),
        repository(folder, {"{{cookiecutter.slug}}/version.txt": "3"}),
    ]
    git(folder, "checkout", "--quiet", "-b", "other")
    commits.append(repository(folder, {"{{cookiecutter.slug}}/version.txt": "4"}))
    git(folder, "checkout", "--quiet", "main")
    return folder, commits


def version_in(world: Surrounding) -> str:
    return (world.here / "project" / "version.txt").read_text()


@pytest.mark.parametrize("over", ["path", "file", "http"])
@pytest.mark.parametrize(("wish", "content"), [(None, "3"), ("v1", "1"), ("v2", "2"), ("other", "4"), ("commit", "1")])
def test_versions(
    over: str,
    wish: str | None,
    content: str,
    versions: tuple[Path, list[str]],
    init: Callable[..., dict[str, Any]],
    surrounding_world: Surrounding,
) -> None:
    folder, commits = versions
    with serve(folder.parent) as server:
        address = {"path": str(folder), "file": f"file://{folder}", "http": f"{server}/repository/.git"}[over]
        to = ["--to", commits[0][:10] if wish == "commit" else wish] if wish else []
        made = init("--template", address, *to)
    assert version_in(surrounding_world) == content
    # the tag where one points there, else the whole commit
    expected = {"1": "v1", "2": "v2", "3": commits[2], "4": commits[3]}[content]
    assert made["template"]["version"] == expected
    assert not (surrounding_world.here / "project" / ".git").exists()


def test_unknown_version(versions: tuple[Path, list[str]], refused: Callable[..., str]) -> None:
    folder, _commits = versions
    assert refused("--template", folder, "--to", "v22") == (f"{folder} has no version “v22”; did you mean “v2”?\n")


def test_a_version_of_what_has_none(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    folder = write(surrounding_world.attack / "plain", COOKIECUTTER)
    assert "is no git repository, so it has no versions" in refused("--template", folder, "--to", "v1")


def test_copier_takes_the_newest_release(init: Callable[..., dict[str, Any]], surrounding_world: Surrounding) -> None:
    folder = surrounding_world.attack / "served" / "repository"
    for version in ("1.9.0", "1.10.0", "2.0.0rc1"):
        repository(folder, {**COPIER, "version.txt": version}, tag=version)
    repository(folder, {"version.txt": "unreleased"})
    with serve(folder.parent) as server:
        address = f"{server}/repository/.git"
        made = init("--template", address)
    assert version_in(surrounding_world) == "1.10.0"
    assert made["template"]["version"] == "1.10.0"
    answers = (surrounding_world.here / "project" / ".copier-answers.yml").read_text()
    assert "_commit: 1.10.0\n" in answers
    assert f"_src_path: {address}\n" in answers


def test_uncommitted_changes_are_used_and_said(
    versions: tuple[Path, list[str]], init: Callable[..., dict[str, Any]], surrounding_world: Surrounding
) -> None:
    folder, _commits = versions
    (folder / "{{cookiecutter.slug}}" / "version.txt").write_text("mine")
    made = init("--template", folder)
    assert version_in(surrounding_world) == "mine"
    assert made["template"]["version"].startswith("sha256:")
    assert "The template's folder has changes that are not committed; they are used too." in made["notes"]


# --- private --------------------------------------------------------------------------------------------------------


def test_private_with_a_credential_helper(
    versions: tuple[Path, list[str]], init: Callable[..., dict[str, Any]], surrounding_world: Surrounding
) -> None:
    """The person's own git configuration knows the password, as it does for “git clone”."""
    (surrounding_world.root / "home" / ".gitconfig").write_text(HELPER)
    with serve(versions[0].parent, user="ada", password="secret") as server:
        made = init("--template", f"{server}/repository/.git", "--to", "v2")
    assert version_in(surrounding_world) == "2"
    assert "secret" not in json.dumps(made)


def test_private_with_askpass(
    versions: tuple[Path, list[str]],
    init: Callable[..., dict[str, Any]],
    surrounding_world: Surrounding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = '#!/bin/sh\ncase "$1" in Username*) echo ada;; *) echo secret;; esac\n'
    write(surrounding_world.root / "home", {"askpass": script})
    monkeypatch.setenv("GIT_ASKPASS", str(surrounding_world.root / "home" / "askpass"))
    with serve(versions[0].parent, user="ada", password="secret") as server:
        init("--template", f"{server}/repository/.git")
    assert version_in(surrounding_world) == "3"


def test_private_without_a_password(versions: tuple[Path, list[str]], refused: Callable[..., str]) -> None:
    """Without a terminal nothing waits for one."""
    with serve(versions[0].parent, user="ada", password="secret") as server:
        said = refused("--template", f"{server}/repository/.git")
    assert "is not there, or private: sign in to it with git once" in said


def test_a_password_in_the_address_is_shown_nowhere(
    init: Callable[..., dict[str, Any]], refused: Callable[..., str], surrounding_world: Surrounding
) -> None:
    folder = surrounding_world.attack / "served" / "repository"
    repository(folder, COPIER, tag="v1")
    with serve(folder.parent, user="ada", password="secret") as server:
        address = f"{server}/repository/.git".replace("http://", "http://ada:secret@")
        made = init("--template", address)
        project = surrounding_world.here / "project"
        assert f"_src_path: {server}/repository/.git\n" in (project / ".copier-answers.yml").read_text()
        shutil.rmtree(project)
        wrong = refused("--template", address.replace("secret", "geheim"))
    assert "secret" not in json.dumps(made)
    assert "geheim" not in wrong


# --- what a repository may not do -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file:///etc", "ext::touch", "ftp://127.0.0.1", "https://127.0.0.1:1"])
def test_redirects(place: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    with serve(surrounding_world.attack, leads_to=place) as server:
        refused("--template", f"{server}/repository/.git")
        said = refused("--template", f"{server}/template.zip")
    if not place.startswith("https"):
        assert "which is not followed" in said


def test_submodules_are_not_fetched(init: Callable[..., dict[str, Any]], surrounding_world: Surrounding) -> None:
    other = surrounding_world.attack / "other"
    repository(other, {"evil.txt": "x"})
    folder = surrounding_world.attack / "repository"
    repository(folder, COOKIECUTTER)
    git(folder, "submodule", "--quiet", "add", str(other), "{{cookiecutter.slug}}/sub")
    repository(folder, {})
    made = init("--template", f"file://{folder}")
    assert "The template's repository has submodules; they were not fetched." in made["notes"]
    assert not (surrounding_world.here / "project" / "sub" / "evil.txt").exists()


def test_nothing_of_git_runs_programs(init: Callable[..., dict[str, Any]], surrounding_world: Surrounding) -> None:
    """Hooks, filters and monitors: of the person's template folder, and of a repository's own settings."""
    evil = surrounding_world.root / "evil"
    script = f"#!/bin/sh\ntouch {evil}\n"
    write(
        surrounding_world.root / "home" / "git-template" / "hooks",
        {"post-checkout": script, "post-index-change": script},
    )
    (surrounding_world.root / "home" / ".gitconfig").write_text(
        f"[init]\n\ttemplateDir = {surrounding_world.root}/home/git-template\n"
    )
    folder = surrounding_world.attack / "repository"
    repository(folder, {**COOKIECUTTER, ".gitattributes": "* filter=evil\n"})
    program = write(surrounding_world.attack, {"program": script}) / "program"
    with (folder / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {program}\n\thooksPath = {program.parent}\n\tsshCommand = {program}\n"
            f'[filter "evil"]\n\tclean = {program}\n\tsmudge = {program}\n\tprocess = {program}\n'
            f"[uploadpack]\n\tpackObjectsHook = {program}\n[core]\n\tworktree = /\n"
        )
    write(folder / ".git" / "hooks", {"post-checkout": script, "pre-commit": script})
    init("--template", folder)
    shutil.rmtree(surrounding_world.here / "project")
    init("--template", f"file://{folder}", "--to", "main")
    assert not evil.exists()


def test_link_in_a_repository(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    folder = surrounding_world.attack / "repository"
    repository(folder, {**COOKIECUTTER, "{{cookiecutter.slug}}/secret": "-> ../../../home/.bashrc"})
    assert "it is a link that leads out of the folder" in refused("--template", f"file://{folder}")


def test_empty_repository(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    folder = surrounding_world.attack / "empty"
    folder.mkdir()
    git(folder, "init", "--quiet")
    with serve(surrounding_world.attack) as server:
        assert "is empty" in refused("--template", f"{server}/empty/.git")


def test_no_server(refused: Callable[..., str]) -> None:
    said = refused("--template", "http://127.0.0.1:9/x.git")
    assert said.startswith("http://127.0.0.1:9/x.git could not be fetched: ")
    said = refused("--template", "http://127.0.0.1:9/x.zip")
    assert said.startswith("http://127.0.0.1:9/x.zip could not be fetched: ")


def test_what_takes_too_long(
    refused: Callable[..., str], surrounding_world: Surrounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from scaffolder.foreign import git as foreign_git
    from scaffolder.foreign import limits

    monkeypatch.setattr(foreign_git, "LIMITS", limits.Limits(fetch_s=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refused("--template", f"http://127.0.0.1:{silent.getsockname()[1]}/x.git")
    assert said.endswith("it takes longer than 1 seconds.\n")
