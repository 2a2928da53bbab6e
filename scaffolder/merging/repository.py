"""The scratch repository of a merge: three commits, written by one git and merged by another.

It is bare; git merges trees without a work tree since 2.38. An older git merges in a scratch work tree.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from scaffolder.errors import NewmodelError
from scaffolder.merging.checks import OURS_LABEL, THEIRS_LABEL
from scaffolder.messages import _
from scaffolder.quiet_git import GitFailed, identity, quiet_git

#: Each entry of an unmerged path: stage (1 base, 2 the person's, 3 the template's), mode and hash.
Stages = list[tuple[int, str, str]]

MODE = "100644"
_BASE = "base"
#: All of the person's files, also those that take no part in the merge.
_BEFORE = "before"
_MERGE_TREE = ("merge-tree", "--write-tree", "--no-messages", "-z")
_UNKNOWN_OPTION = 129
_OPTIONS = (
    "-c", "core.safecrlf=false", "-c", "core.quotePath=false", "-c", "core.fileMode=false", "-c", "gc.auto=0",
    "-c", "core.fsync=none", "-c", "fastimport.unpackLimit=1", "-c", "merge.renames=true",
    "-c", "merge.directoryRenames=false", "-c", "merge.conflictStyle=merge", "-c", "merge.verbosity=0",
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of the three folders.

    Attributes:
        folder: Where it is.
        files: git's hash of each file's content, by its POSIX path.
    """

    folder: Path
    files: Mapping[str, str]

    def content(self, path: str) -> bytes:
        return self.folder.joinpath(path).read_bytes()


def blob_digest(content: bytes) -> str:
    """git's hash of a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class Repository:
    """A bare repository with the commits `base`, and on it `yours` and `template`."""

    def __init__(self, folder: Path, sides: tuple[Side, Side, Side], paths: Iterable[str]) -> None:
        """Remember what it holds; it is made when it is first needed.

        Args:
            folder: Where; it must not exist.
            sides: The old template's files, the person's, the new template's.
            paths: The paths that take part in the merge; of all others only the contents are stored.
        """
        self.folder = folder
        self.sides = sides
        self._paths = set(paths)

    def _made(self) -> Path:
        """Its folder, filled at the first call."""
        if not self.folder.exists():
            self._make()
        return self.folder

    def _make(self) -> None:
        # As gitrepository-layout(5) describes it: this saves the time of a `git init`.
        (self.folder / "objects").mkdir(parents=True)
        (self.folder / "refs").mkdir()
        (self.folder / "info").mkdir()
        (self.folder / "HEAD").write_bytes(f"ref: refs/heads/{OURS_LABEL}\n".encode())
        (self.folder / "config").write_bytes(b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        # Files are compared as bytes: no attribute of the project and no line-end setting of the person has a say.
        (self.folder / "info" / "attributes").write_bytes(b"* !filter !ident !eol !text !merge !conflict-marker-size\n")
        base, ours, theirs = self.sides
        with tempfile.TemporaryFile(dir=self.folder) as file:
            stream = _Stream(file)
            for side in (base, theirs):
                stream.contents(side, side.files.keys() - self._paths)
            only = [{path: digest for path, digest in side.files.items() if path in self._paths} for side in self.sides]
            stream.commit(_BASE, base, only[0])
            stream.commit(OURS_LABEL, ours, only[1], _BASE, only[0])
            stream.commit(THEIRS_LABEL, theirs, only[2], _BASE, only[0])
            stream.commit(_BEFORE, ours, ours.files, OURS_LABEL, only[1])
            file.seek(0)
            self._git("fast-import", "--quiet", stdin=file)

    def merge(self) -> tuple[str, dict[str, Stages]]:
        """The merged tree, which holds markers where git could not merge, and the unmerged paths."""
        output = self._git(*_MERGE_TREE, OURS_LABEL, THEIRS_LABEL, accept=(0, 1, _UNKNOWN_OPTION))
        if not output:
            return self._merge_in_work_tree()
        tree, *entries = output.split("\0")
        return tree, _stages(entries)

    def _merge_in_work_tree(self) -> tuple[str, dict[str, Stages]]:
        with tempfile.TemporaryDirectory(dir=self._made()) as name:
            work = Path(name)
            options = ("-c", "core.bare=false", f"--work-tree={work}")
            self._git(*options, "read-tree", "-u", "--reset", OURS_LABEL, cwd=work)
            self._git(
                *options, "merge-recursive", _BASE, "--", OURS_LABEL, THEIRS_LABEL, cwd=work, accept=(0, 1)
            )  # fmt: skip
            stages = _stages(self._git(*options, "ls-files", "--unmerged", "-z", cwd=work).split("\0"))
            tree = self._tree_of(work)
            files = set(self._git("ls-tree", "-r", "-z", "--name-only", tree).split("\0"))
        # Where a folder is in the way of a file, an older git names only the file that it wrote beside.
        moved = {}
        for path, found in stages.items():
            beside = [f"{path}~{label}" for label in (OURS_LABEL, THEIRS_LABEL) if f"{path}~{label}" in files]
            moved[beside[0] if beside and path not in files else path] = found
        return tree, moved

    def changed(self, tree: str) -> dict[str, str]:
        """The paths at which `tree` differs from the person's files, with the new hash; empty for a removed one."""
        entries = self._git("diff-tree", "-r", "-z", "--no-renames", OURS_LABEL, tree).split("\0")
        found = {}
        for facts, path in zip(entries[0:-1:2], entries[1::2], strict=True):
            digest = facts.split(" ")[3]
            found[path] = "" if digest.strip("0") == "" else digest
        return found

    def renamed(self, branch: str) -> dict[str, str]:
        """New path of each file that this side renamed, as git sees it."""
        output = self._git("diff-tree", "-r", "-z", "--find-renames", "--diff-filter=R", _BASE, branch)
        entries = output.split("\0")
        return dict(zip(entries[1::3], entries[2::3], strict=True))

    def blobs(self, digests: Iterable[str]) -> dict[str, bytes]:
        """The contents of several blobs, read by one git."""
        wanted = sorted(set(digests))
        if not wanted:
            return {}
        with tempfile.TemporaryFile(dir=self._made()) as stream:
            stream.write("".join(f"{digest}\n" for digest in wanted).encode())
            stream.seek(0)
            output = self._git("cat-file", "--batch", stdin=stream).encode("utf-8", "surrogateescape")
        found, start = {}, 0
        for digest in wanted:
            header_end = output.index(b"\n", start)
            size = int(output[start:header_end].split(b" ")[2])
            found[digest] = output[header_end + 1 : header_end + 1 + size]
            start = header_end + size + 2
        return found

    def diff(self, folder: Path, *, colour: bool, before: Path | None = None) -> str:
        """Unified diff from the person's files (or those in `before`) to those in `folder`."""
        return self._git(
            "diff-tree", "-p", "-r", "--find-renames", f"--color={'always' if colour else 'never'}",
            _BEFORE if before is None else self._tree_of(before), self._tree_of(folder),
        )  # fmt: skip

    def _tree_of(self, folder: Path) -> str:
        if not self.folder.exists():
            self._make()
        with tempfile.TemporaryDirectory(dir=self._made()) as name:
            index = {"GIT_INDEX_FILE": str(Path(name, "index"))}
            options = ("-c", "core.bare=false", f"--work-tree={folder}")
            self._git(*options, "add", "--all", "--force", ".", cwd=folder, variables=index)
            return self._git("write-tree", variables=index).strip()

    def _git(
        self,
        *arguments: str,
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        accept: Collection[int] = (0,),
        stdin: IO[bytes] | None = None,
    ) -> str:
        folder = self._made()
        try:
            return quiet_git(
                *_OPTIONS, f"--git-dir={folder}", *arguments, folder=cwd or folder,
                variables={**identity("update@newmodel.invalid"), "GIT_DEFAULT_HASH": "sha1", **(variables or {})},
                accept=accept, stdin=stdin,
            )  # fmt: skip
        except GitFailed as error:
            raise NewmodelError(_("git could not merge the template: {reason}").format(reason=error)) from error


def _stages(entries: Iterable[str]) -> dict[str, Stages]:
    found: dict[str, Stages] = {}
    for entry in entries:
        if entry:
            facts, path = entry.split("\t", 1)
            mode, digest, stage = facts.split(" ")
            found.setdefault(path, []).append((int(stage), mode, digest))
    return found


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it."""
    text = path.encode("utf-8", "surrogateescape")
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


class _Stream:
    """What `git fast-import` reads."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def contents(self, side: Side, paths: Iterable[str]) -> None:
        """Store contents that are in no commit."""
        for path in paths:
            self.file.write(b"blob\n")
            self._data(side.content(path))

    def commit(
        self,
        branch: str,
        side: Side,
        files: Mapping[str, str],
        parent: str = "",
        before: Mapping[str, str] | None = None,
    ) -> None:
        """Make a branch of these files of one side, which differ from those of `parent` as `files` from `before`."""
        before = before or {}
        self.file.write(f"commit refs/heads/{branch}\ncommitter newmodel <update@newmodel.invalid> 0 +0000\n".encode())
        self._data(b"")
        if parent:
            self.file.write(f"from refs/heads/{parent}\n".encode())
        for path in before.keys() - files.keys():  # first: a folder may take a file's place
            self.file.write(b"D " + _quoted(path) + b"\n")
        for path, digest in files.items():
            if before.get(path) != digest:
                self.file.write(f"M {MODE} inline ".encode() + _quoted(path) + b"\n")
                self._data(side.content(path))

    def _data(self, content: bytes) -> None:
        self.file.write(b"data %d\n" % len(content))
        self.file.write(content)
        self.file.write(b"\n")
