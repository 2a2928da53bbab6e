"""git as our own tool: deaf to the person's configuration, hooks and environment, which could sign, convert or ask."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from scaffolder.errors import NewmodelError
from scaffolder.messages import _


class GitFailed(Exception):  # noqa: N818 - as CalledProcessError is called
    """git ended with an exit code that was not expected; the text is what it said."""


def identity(email: str, date: str = "") -> dict[str, str]:
    """Environment variables with which git signs as newmodel, at a fixed time if `date` (ISO 8601) is given."""
    values = {"NAME": "newmodel", "EMAIL": email, **({"DATE": date} if date else {})}
    return {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in values.items()}


def quiet_git(
    *arguments: str,
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    accept: Collection[int] = (0,),
    stdin: IO[bytes] | None = None,
) -> str:
    """Run git and return its output, bytes that are no UTF-8 as surrogates.

    Args:
        variables: More of the environment, such as `identity`.
        accept: Exit codes that are no failure.
        stdin: What git reads; by default what newmodel does.

    Raises:
        NewmodelError: If there is no git.
        GitFailed: If it ends otherwise.
    """
    executable = shutil.which("git")
    if executable is None:
        raise NewmodelError(_("Updating a project needs git: install it and try again."))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {
        **kept,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        **(variables or {}),
    }
    done = subprocess.run(
        [executable, "-c", "core.autocrlf=false", *arguments],
        cwd=folder,
        env=environment,
        stdin=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode not in accept:
        raise GitFailed(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout.decode("utf-8", "surrogateescape")
