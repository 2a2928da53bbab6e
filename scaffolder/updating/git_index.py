"""git's index of a project: read, and changed for several paths in one step."""

from __future__ import annotations

import time
from collections.abc import Mapping

from scaffolder.errors import NewmodelError
from scaffolder.project import Project

#: A git that a killed newmodel had started goes on for a moment.
_SECONDS_FOR_GIT = 3.0


def index_entries(project: Project) -> dict[str, tuple[str, ...]]:
    """git's index: `mode digest stage` of each path below the project."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in project.git("ls-files", "--stage", "-z").split("\0"):
        if entry:
            facts, path = entry.split("\t", 1)
            found[path] = (*found.get(path, ()), facts)
    return found


def head(project: Project) -> str:
    """The commit that HEAD is; empty where nothing has been committed."""
    try:
        return project.git("rev-parse", "--verify", "--quiet", "HEAD").strip()
    except NewmodelError:
        return ""


def write_index(project: Project, entries: Mapping[str, tuple[str, ...]]) -> None:
    """Replace what git's index holds of these paths, in one step."""
    if not entries:
        return
    nothing = "0" * _digest_length(project)
    lines = []
    for path, facts in entries.items():
        lines.append(f"0 {nothing}\t{project.prefix}{path}")
        lines += [f"{fact}\t{project.prefix}{path}" for fact in facts]
    data = "".join(f"{line}\0" for line in lines).encode("utf-8", "surrogateescape")
    project.git("update-index", "-z", "--index-info", data=data, at_top=True)


def _digest_length(project: Project) -> int:
    return 64 if project.git("rev-parse", "--show-object-format").strip() == "sha256" else 40


def wait_for_git(project: Project) -> None:
    """Let a git end that a killed newmodel had started."""
    lock = project.folder / project.git("rev-parse", "--git-path", "index.lock").rstrip("\n")
    end = time.monotonic() + _SECONDS_FOR_GIT
    while lock.exists() and time.monotonic() < end:
        time.sleep(0.05)
