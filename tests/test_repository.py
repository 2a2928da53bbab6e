"""A new project's first commit, on machines as people have them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scaffolder.repository import Repository, holds_local_source, initialise, repository_root


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on a machine where git knows nothing about its person."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "gitconfig").touch()
    folder = tmp_path / "演示 demo"
    folder.mkdir()
    (folder / "train.py").write_text("print('training')\n")
    (folder / ".gitignore").write_text(".venv/\n")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").touch()
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def configure(project: Path, *pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        subprocess.run(["git", "config", "--global", name, value], check=True)


def test_everything_is_in_one_commit_and_the_tree_is_clean(project: Path) -> None:
    configure(project, ("user.name", "Ada"), ("user.email", "ada@example.org"))
    assert initialise(project) == Repository(made=True)
    assert not initialise(project).made  # a second time there is one
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "rev-list", "--count", "HEAD") == "1"
    assert git(project, "ls-files").splitlines() == [".gitignore", "train.py"]
    assert git(project, "log", "-1", "--format=%an <%ae>") == "Ada <ada@example.org>"
    assert git(project, "branch", "--show-current") == "main"


def test_without_a_name_the_commit_is_neutral_and_says_so(project: Path) -> None:
    done = initialise(project)
    assert done.made
    assert "git does not know your name yet" in done.note
    assert git(project, "log", "-1", "--format=%an") == "newmodel"
    assert "user.name" not in git(project, "config", "--local", "--list")


def test_the_persons_branch_name_is_used(project: Path) -> None:
    configure(project, ("init.defaultBranch", "trunk"))
    initialise(project)
    assert git(project, "branch", "--show-current") == "trunk"


def test_hooks_templates_and_signing_of_the_person_do_not_get_in_the_way(project: Path, tmp_path: Path) -> None:
    hook = tmp_path / "hooks" / "pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    (template / "commit-msg").write_text("#!/bin/sh\nexit 1\n")
    (template / "commit-msg").chmod(0o755)
    configure(
        project,
        ("core.hooksPath", str(hook.parent)),
        ("init.templateDir", str(template.parent)),
        ("commit.gpgSign", "true"),
        ("user.signingKey", "0000000000000000"),
    )
    assert initialise(project).made


def test_inside_another_repository_none_is_made(project: Path) -> None:
    git(project.parent, "init", "--quiet")
    done = initialise(project)
    assert not done.made
    assert "lies inside the git repository" in done.note
    assert not (project / ".git").exists()
    assert repository_root(project) == project.parent.resolve()


def test_a_repository_that_we_are_started_from_is_not_ours(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert initialise(project).made
    monkeypatch.delenv("GIT_DIR")
    assert git(project, "rev-list", "--count", "HEAD") == "1"


def test_without_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = initialise(project)
    assert not done.made
    assert done.note == "git is not installed, so the project is not under version control."


OWN = '[[package]]\nname = "demo"\nsource = { editable = "." }\n'


@pytest.mark.parametrize(
    ("source", "local"),
    [
        ('source = { registry = "https://pypi.org/simple" }', False),
        ('source = { registry = "/srv/wheels" }', True),
        ('source = { registry = "C:\\\\wheels" }', True),
        ('source = { registry = "../wheels" }', True),
        ('source = { registry = "http://127.0.0.1:8000/simple" }', True),
        ('wheels = [{ path = "/srv/wheels/torch.whl" }]', True),
        ('wheels = [{ url = "https://files.pythonhosted.org/a.whl" }]', False),
        ('wheels = [{ url = "file:///opt/a.whl" }]', True),
    ],
)
def test_a_lock_that_names_this_machine_is_not_committed(project: Path, source: str, local: bool) -> None:
    (project / "uv.lock").write_text(f'version = 1\n\n{OWN}\n[[package]]\nname = "torch"\n{source}\n')
    assert holds_local_source(project / "uv.lock") is local
    initialise(project)
    assert ("uv.lock" in git(project, "ls-files").splitlines()) is not local
    assert git(project, "status", "--porcelain") == ""
