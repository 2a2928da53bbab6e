"""Small templates of both kinds, and a surrounding in which nothing may change: made for the tests."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

#: A file's content by its path; a link is `-> target`, a program begins with `#!`.
Files = Mapping[str, "str | bytes"]

COOKIECUTTER: Files = {
    "cookiecutter.json": json.dumps(
        {
            "project_name": "My Thing",
            "slug": "{{ cookiecutter.project_name | lower | replace(' ', '-') }}",
            "license": ["MIT", "BSD"],
        }
    ),
    "{{cookiecutter.slug}}/README.md": "# {{ cookiecutter.project_name }} ({{ cookiecutter.license }})\n",
    "{{cookiecutter.slug}}/src/main.py": "print('{{ cookiecutter.slug }}')\n",
}

COPIER: Files = {
    "copier.yml": "project_name:\n  type: str\n  default: My Thing\n_message_after_copy: Welcome, {{ project_name }}\n",
    "README.md.jinja": "# {{ project_name }}\n",
    "{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml }}",
}


def write(folder: Path, files: Files) -> Path:
    """Write `files` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            if path.read_bytes().startswith(b"#!"):
                path.chmod(0o755)
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git in `folder`, deaf to this machine's settings."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        **{
            f"GIT_{who}_{what}": f"tester{'@example.org' * (what == 'EMAIL')}"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    command = ["git", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, files: Files, *, tag: str = "") -> str:
    """Commit `files` in `folder`, a new repository if it is none; the commit."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "--quiet")
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A change")
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def snapshot(folder: Path) -> dict[str, Any]:
    """Everything below `folder`: kinds, permissions, contents."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content: Any = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = "folder"
        found[str(path.relative_to(folder))] = (oct(status.st_mode), content)
    return found


class Surrounding:
    """A home, a folder for temporary files, a canary, and the folder `here` that the command is run in.

    Attributes:
        root: Holds them all; templates that attack are made in `root / "attack"`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.here = root / "work" / "here"
        self.attack = root / "attack"
        for folder in (self.here, root / "home", root / "tmp", self.attack):
            folder.mkdir(parents=True)
        (root / "canary.txt").write_text("alive\n")
        (root / "work" / "canary.txt").write_text("alive\n")
        (root / "home" / ".bashrc").write_text("# mine\n")

    def state(self) -> dict[str, Any]:
        """All that is there."""
        return snapshot(self.root)


@pytest.fixture
def surrounding_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newmodel: Callable[..., Any]) -> Surrounding:
    """A surrounding, with this process's home, temporary files and current folder in it."""
    del newmodel  # it changes the current folder; that comes first
    world = Surrounding(tmp_path / "world")
    monkeypatch.setenv("HOME", str(world.root / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(world.root / "home" / ".config"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(world.root / "home" / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("COOKIECUTTER_CONFIG", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(world.root / "tmp"))
    monkeypatch.setenv("TMPDIR", str(world.root / "tmp"))
    monkeypatch.chdir(world.here)
    return world
