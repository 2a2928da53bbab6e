"""Two small template versions and a project of the first, for what `newmodel update` shows and asks."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from scaffolder.generate import Source, render, write
from scaffolder.template_source import Releases, release

COPIER = """\
_subdirectory: project
_answers_file: .copier-answers.yml
project_name: {type: str, default: demo}
package: {type: str, default: demo}
"""
LINES = "".join(f"# line {number}\n" for number in range(1, 31))

FILES = {
    "copier.yml": COPIER,
    "project/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}",
    "project/train.py": LINES,
    "project/{{ package }}/data.py": LINES.replace("line", "data"),
    "project/{{ package }}/model.py": LINES.replace("line", "model"),
    "project/logo.bin": "\0old",
}


def fill(folder: Path, files: Mapping[str, str | None]) -> None:
    for name, content in files.items():
        path = folder / name
        if content is None:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "work")


def make(top: Path, changed: Mapping[str, str | None], mine: Mapping[str, str | None]) -> Path:
    """A committed project of v0.1.0 in `top/demo`, edited to hold `mine`; v0.2.0 differs by `changed`."""
    templates, releases = top / "templates", Releases(top / "releases")
    fill(templates, FILES)
    first = release("0.1.0", templates, releases)
    folder = top / "demo"
    folder.mkdir()
    write(render({}, folder, Source(releases.unpack(first, top / "cache"), first.tag)), folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "made")
    fill(templates, changed)
    release("0.2.0", templates, releases)
    fill(folder, mine)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "mine", "--allow-empty")
    return folder
