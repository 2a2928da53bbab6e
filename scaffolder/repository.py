"""Put a new project under version control."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

_FIRST_MESSAGE = "Start from a newmodel template"
_NEUTRAL_IDENTITY = ("user.name=newmodel", "user.email=newmodel@localhost")
_LOCAL_SOURCE = re.compile(
    r'(?:registry|url|path|directory|editable) = "(?:file:|/|[A-Za-z]:[\\/]|\.\.|https?://(?:localhost|127\.|\[::1\]))'
)
# A repository that we are started from (a hook, say) must not become the project's.
_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
)


@dataclass(frozen=True)
class Repository:
    """What `initialise` did.

    Attributes:
        made: Whether there is a new repository with one commit.
        note: What the person should know about it, or "".
    """

    made: bool
    note: str = ""


def initialise(project: Path) -> Repository:
    """Make a git repository of `project` with everything in one commit; the tree is clean afterwards.

    Inside another repository none is made. The person's hooks and signing are left out of this one
    commit, and a missing name or address is no obstacle: their settings apply from the next commit on.
    """
    if shutil.which("git") is None:
        return Repository(False, _("git is not installed, so the project is not under version control."))
    if enclosing := repository_root(project):
        return Repository(
            False,
            _("The project lies inside the git repository {path}, so it got none of its own.").format(path=enclosing),
        )
    branch = [] if _git(project, "config", "init.defaultBranch").stdout.strip() else ["-b", "main"]
    _must(project, "init", "--quiet", "--template=", *branch)
    _exclude_local_files(project)
    _must(project, "add", "--all")
    identity, note = _identity(project)
    _must(
        project,
        *identity,
        "-c", "commit.gpgSign=false",
        "-c", f"core.hooksPath={os.devnull}",
        "commit", "--quiet", "--no-verify", "--message", _FIRST_MESSAGE,
    )  # fmt: skip
    return Repository(True, note)


def repository_root(folder: Path) -> Path | None:
    """The root of the git repository that `folder` lies in, or None."""
    done = _git(folder, "rev-parse", "--show-toplevel")
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def holds_local_source(lock: Path) -> bool:
    """True if a `uv.lock` names packages on this machine, which nobody else could install."""
    own = re.compile(r'source = \{ (?:editable|virtual) = "\." \}')
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError:
        return False
    return bool(_LOCAL_SOURCE.search(own.sub("", text)))


def _exclude_local_files(project: Path) -> None:
    """Keep what is true on this machine only out of every commit, and out of the shared .gitignore."""
    names = ["uv.toml"] if (project / "uv.toml").exists() else []
    if holds_local_source(project / "uv.lock"):
        names.append("uv.lock")
    exclude = project / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    lines = ["# about this machine only, by newmodel", *(f"/{name}" for name in names)] if names else []
    exclude.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _identity(project: Path) -> tuple[list[str], str]:
    if (
        _git(project, "var", "GIT_AUTHOR_IDENT").returncode == 0
        and _git(project, "config", "user.email").stdout.strip()
    ):
        return [], ""
    options = [word for setting in _NEUTRAL_IDENTITY for word in ("-c", setting)]
    note = _(
        "git does not know your name yet, so the first commit is signed “newmodel”. "
        'Before your own: git config --global user.name "…" and user.email "…"'
    )
    return options, note


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**environ, "GIT_TERMINAL_PROMPT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


def _must(folder: Path, *arguments: str) -> None:
    done = _git(folder, *arguments)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NewmodelError(
            _("git {command} failed in {path}: {reason}").format(
                command=next(word for word in arguments if word in {"init", "add", "commit"}),
                path=folder,
                reason=reason[-1] if reason else done.returncode,
            )
        )
