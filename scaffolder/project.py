"""A project that newmodel made: what it records about itself, and the state of its files."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

ANSWERS_FILE = ".copier-answers.yml"


@dataclass(frozen=True)
class Project:
    """A generated project's folder, made with `open_project`."""

    folder: Path
    recorded: dict[str, Any]

    @property
    def version(self) -> str:
        """The template version (a tag) that it was last rendered from."""
        return str(self.recorded["_commit"])

    @property
    def source(self) -> str:
        """Where its template comes from."""
        return str(self.recorded["_src_path"])

    @property
    def answers(self) -> dict[str, Any]:
        return {key: value for key, value in self.recorded.items() if not key.startswith("_")}

    @property
    def overlays(self) -> list[dict[str, str]]:
        """The overlays that were laid over the templates, each with its `source` and its `version`.

        Raises:
            NewmodelError: If somebody has edited the record and it is none any more.
        """
        recorded = self.recorded.get("_overlays") or []
        try:
            return [{"source": str(one["source"]), "version": str(one["version"])} for one in recorded]
        except (TypeError, KeyError):
            raise _damaged(self.folder / ANSWERS_FILE) from None

    @cached_property
    def repository(self) -> Path:
        """The root of the git repository that holds the project: its own folder or one above.

        Raises:
            NewmodelError: If git is missing, or the project is not under version control.
        """
        if shutil.which("git") is None:
            raise NewmodelError(_("Updating a project needs git: install it and try again."))
        try:
            top = self.git("rev-parse", "--show-toplevel").rstrip("\n")
            # A repository above that ignores the project does not protect it.
            protected = bool(self.git("ls-files", "--", ANSWERS_FILE))
        except NewmodelError:
            protected = False
        if not protected:
            raise NewmodelError(
                _(
                    "{project} is not under version control, so an update could not be undone. "
                    "Run these there and try again: git init && git add -A && git commit -m before-update"
                ).format(project=self.folder)
            )
        return Path(top)

    @cached_property
    def prefix(self) -> str:
        """The project's path inside its repository, with a slash at the end; empty where they are the same."""
        _top = self.repository
        return self.git("rev-parse", "--show-prefix").rstrip("\n")

    def tracked(self) -> list[str]:
        """Paths of the project's files that git tracks, relative to the project."""
        return [path for path in self.git("ls-files", "--cached", "-z").split("\0") if path]

    def modified(self) -> list[str]:
        """Tracked files whose content differs from the last commit, or that are staged or in conflict."""
        found = []
        entries = iter(self.git("status", "--porcelain=v1", "-z", "--untracked-files=no", "--", ".").split("\0"))
        for entry in entries:
            if not entry:
                continue
            if entry[0] in "RC":  # followed by the path that it was renamed or copied from
                next(entries, None)
            found.append(entry[3:].removeprefix(self.prefix))
        return found

    def conflicts(self) -> list[str]:
        """Paths that are not settled since an update: unmerged in git, or still with the update's markers in them."""
        from scaffolder.merging.checks import THEIRS_LABEL
        from scaffolder.updating import journal

        _repository = self.repository
        entries = self.git("ls-files", "--unmerged", "-z").split("\0")
        found = {entry.split("\t", 1)[1] for entry in entries if entry}
        last = journal.last(self)
        for path in last.conflicts if last is not None else ():
            file = self.folder / path
            if file.is_file() and not file.is_symlink():
                lines = (line.rstrip(b"\r") for line in file.read_bytes().split(b"\n"))
                if f">>>>>>> {THEIRS_LABEL}".encode() in lines:
                    found.add(path)
        return sorted(found)

    def git(self, *arguments: str, data: bytes | None = None, at_top: bool = False) -> str:
        """Run git in the project (or at the repository's root) and return what it prints.

        Raises:
            NewmodelError: If git fails.
        """
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=self.repository if at_top else self.folder,
            env={**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
            input=data,
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()
            raise NewmodelError(_("git failed in {project}: {reason}").format(project=self.folder, reason=reason))
        return done.stdout.decode("utf-8", "surrogateescape")


def open_project(folder: Path) -> Project:
    """The project in `folder`.

    Raises:
        NewmodelError: If there is none that newmodel made.
    """
    import yaml

    folder = folder.resolve()
    file = folder / ANSWERS_FILE
    if not folder.is_dir():
        raise NewmodelError(_("There is no folder {project}.").format(project=folder))
    try:
        recorded = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NewmodelError(
            _("{project} has no {file}, so it was not made by newmodel; go to the project's folder or name it.").format(
                project=folder, file=ANSWERS_FILE
            )
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        recorded = None
    if not isinstance(recorded, dict) or not {"_commit", "_src_path"} <= recorded.keys():
        raise _damaged(file)
    return Project(folder, recorded)


def _damaged(file: Path) -> NewmodelError:
    return NewmodelError(
        _("{file} is damaged; take it back from git: git checkout -- {name}").format(file=file, name=file.name)
    )
