"""Three-way merge of folders, by git's own merge in a scratch repository.

git follows renames, merges binary files whole and marks what it cannot merge; nothing is written outside the scratch
folder. See docs/decisions for why this is used instead of copier's `git apply --reject`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.quiet_git import GitFailed, identity, quiet_git

#: Names in the conflict markers, also shown by PyCharm's merge tool.
OURS_LABEL = "yours"
THEIRS_LABEL = "template"


class Outcome(Enum):
    """What the merge did to one file, seen from the person's side."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    CONFLICT = "conflict"
    #: The person deleted it and the template changed it: it stays deleted.
    STAYS_DELETED = "stays deleted"
    #: The template no longer has it and the person changed it: it stays.
    STAYS = "stays"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One file that the merge touches.

    Attributes:
        path: POSIX path relative to the merged folder.
        outcome: What happened.
        stages: For a conflict, git's index stages (1 base, 2 the person's, 3 the template's), each a blob's mode and
            hash.
    """

    path: str
    outcome: Outcome
    stages: tuple[tuple[int, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The result of a merge.

    Attributes:
        folder: The merged files.
        changes: Every file that differs from the person's, sorted by path.
        repository: The scratch repository, which holds the blobs that `stages` name.
    """

    folder: Path
    changes: tuple[Change, ...]
    repository: Path

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.outcome is Outcome.CONFLICT)

    def diff(self, *, colour: bool = False) -> str:
        """Unified diff from the person's files to the merged ones."""
        git = _Git(self.repository)
        # An index of its own keeps the conflict stages of the real one.
        environment = {"GIT_INDEX_FILE": str(self.repository / ".git" / "diff-index")}
        git("read-tree", "ours", environment=environment)
        git("add", "--all", "--force", environment=environment)
        return git(
            "diff", "--cached", "--find-renames", f"--color={'always' if colour else 'never'}", "ours",
            environment=environment, strip=False,
        )  # fmt: skip

    def blob(self, digest: str) -> bytes:
        """The content of one of a conflict's stages."""
        return subprocess.run(
            ["git", "cat-file", "blob", digest], cwd=self.repository, capture_output=True, check=True
        ).stdout


def merge_folders(base: Path, ours: Path, theirs: Path, scratch: Path) -> Merged:
    """Merge two descendants of `base`.

    Args:
        base: The files as the old template rendered them.
        ours: The person's files.
        theirs: The files as the new template renders them.
        scratch: An empty folder for the repository.

    Raises:
        NewmodelError: If git is missing or fails.
    """
    repository = scratch / "repository"
    git = _Git(repository)
    repository.mkdir(parents=True)
    git("init", "--quiet")
    git("symbolic-ref", "HEAD", "refs/heads/base")
    # Files are compared as bytes: no attribute of the project and no line-end setting of the person has a say, and the
    # XML files in .idea, which PyCharm rewrites, are merged by meaning.
    info = repository / ".git" / "info"
    info.mkdir(exist_ok=True)
    info.joinpath("attributes").write_text(
        "* !filter !ident !eol !text !merge\n"
        ".idea/**/*.xml merge=idea\n.idea/*.xml merge=idea\n.idea/*.iml merge=idea\n",
        encoding="utf-8",
    )
    # Run as a file: git starts it in the scratch repository, where a checkout's package could not be imported.
    driver = Path(__file__).with_name("idea_merge.py").as_posix()
    git("config", "merge.idea.driver", f'"{Path(sys.executable).as_posix()}" "{driver}" %O %A %B')
    _commit(git, base, "base")
    _commit(git, theirs, THEIRS_LABEL, parent="base")
    _commit(git, ours, OURS_LABEL, parent="base")
    git("branch", "--force", "ours", OURS_LABEL)
    git("checkout", "--quiet", "--force", OURS_LABEL)
    git(
        "-c", "merge.renames=true", "-c", "merge.directoryRenames=false", "-c", "merge.conflictStyle=merge",
        "merge", "--quiet", "--no-commit", "--no-ff", "--no-verify", THEIRS_LABEL, accept=(0, 1),
    )  # fmt: skip
    stages = _unmerged(git)
    special = {path: _settle(repository / path, found) for path, found in stages.items()}
    changes = [
        Change(path=path, outcome=outcome, stages=tuple(stages[path]) if outcome is Outcome.CONFLICT else ())
        for path, outcome in special.items()
    ]
    before, after = _files(ours), _files(repository)
    for path in before.keys() | after.keys():
        if path in special:
            continue
        if path not in after:
            changes.append(Change(path=path, outcome=Outcome.DELETED))
        elif path not in before:
            changes.append(Change(path=path, outcome=Outcome.ADDED))
        elif before[path].read_bytes() != after[path].read_bytes():
            changes.append(Change(path=path, outcome=Outcome.CHANGED))
    return Merged(
        folder=repository,
        changes=tuple(sorted(changes, key=lambda change: change.path)),
        repository=repository,
    )


def _settle(path: Path, stages: list[tuple[int, str, str]]) -> Outcome:
    """Decide what an unmerged file means, and leave in the folder what the person should find there."""
    numbers = {number for number, _mode, _digest in stages}
    if numbers <= {1, 3}:
        path.unlink(missing_ok=True)
        return Outcome.STAYS_DELETED
    if numbers <= {1, 2}:
        return Outcome.STAYS
    return Outcome.CONFLICT


def _commit(git: _Git, folder: Path, branch: str, parent: str | None = None) -> None:
    """Record the files of `folder` as the tip of `branch`."""
    environment = {"GIT_INDEX_FILE": str(git.folder / ".git" / f"index-{branch}")}
    git(f"--work-tree={folder}", "add", "--all", "--force", ".", environment=environment, cwd=folder)
    tree = git("write-tree", environment=environment)
    parents = ("-p", parent) if parent else ()
    git("branch", "--force", branch, git("commit-tree", tree, *parents, "-m", branch))


def _unmerged(git: _Git) -> dict[str, list[tuple[int, str, str]]]:
    found: dict[str, list[tuple[int, str, str]]] = {}
    for entry in git("ls-files", "--unmerged", "-z", strip=False).split("\0"):
        if entry:
            facts, path = entry.split("\t", 1)
            mode, digest, stage = facts.split(" ")
            found.setdefault(path, []).append((int(stage), mode, digest))
    return found


def _files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(parent, name)
            found[path.relative_to(folder).as_posix()] = path
    return found


class _Git:
    """git in one repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        accept: tuple[int, ...] = (0,),
        strip: bool = True,
        cwd: Path | None = None,
    ) -> str:
        options = ("-c", "core.safecrlf=false", "-c", "core.quotePath=false", "-c", "core.fileMode=false",
                   "-c", "gc.auto=0", f"--git-dir={self.folder / '.git'}")  # fmt: skip
        variables = {**identity("update@newmodel.invalid"), **(environment or {})}
        try:
            output = quiet_git(*options, *arguments, folder=cwd or self.folder, variables=variables, accept=accept)
        except GitFailed as error:
            raise NewmodelError(_("git could not merge the template: {reason}").format(reason=error)) from error
        return output.strip() if strip else output
