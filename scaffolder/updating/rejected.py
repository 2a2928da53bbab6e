"""`update --conflict rej`: the person's lines stay in the file, and the template's stand beside it in `FILE.rej`.

Such a file is an ordinary patch from the person's lines to the template's, so `git apply FILE.rej` takes the template's
side of it, and it can be read like any diff.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.errors import NewmodelError
from scaffolder.merging.three_way import Change, Outcome
from scaffolder.messages import _
from scaffolder.project import Project
from scaffolder.quiet_git import GitFailed, quiet_git
from scaffolder.updating import conflicts
from scaffolder.updating.conflicts import MINE, THEIRS, Conflict, Hunk

if TYPE_CHECKING:
    from scaffolder.updating.update import Update

SUFFIX = ".rej"

#: How a file of ours is told from what another tool rejected.
_MARK = "# newmodel update: "

_HUNK = re.compile(rb"@@ -(\d+)((?:,\d+)? \+)(\d+)((?:,\d+)? @@)")


def instead_of_markers(update: Update, found: list[Conflict]) -> Update:
    """The same update with each conflict in a `.rej` beside the person's file; git's index will hold no conflict.

    Args:
        found: The update's conflicts.

    Raises:
        NewmodelError: If there is a file of that name already.
    """
    by_path = {conflict.path: conflict for conflict in found}
    changes: list[Change] = []
    for change in update.changes:
        if change.path in by_path:
            changes += _reject(update, by_path[change.path])
        else:
            changes.append(change)
    changes.sort(key=lambda change: change.path)
    return replace(update, merged=replace(update.merged, changes=tuple(changes)))


def _reject(update: Update, conflict: Conflict) -> Iterator[Change]:
    path, beside = conflict.path, conflict.path + SUFFIX
    if (update.project.folder / beside).exists():
        raise NewmodelError(
            _("{file} is in the way of what --conflict rej would write: rename it and try again.").format(
                file=update.project.folder / beside
            )
        )
    merged = update.merged.folder / path
    mine, theirs = conflict.yours, conflict.template
    if not conflict.whole:
        content = merged.read_bytes()
        mine = conflicts.with_choice(content, conflict.hunks, MINE)
        theirs = conflicts.with_choice(content, conflict.hunks, THEIRS)
    if mine is None:
        merged.unlink(missing_ok=True)
    else:
        merged.write_bytes(mine)
    if path in update.windows_lines:
        mine, theirs = _windows(mine), _windows(theirs)
    now = update.project.folder / path
    if mine is not None and not (now.is_file() and now.read_bytes() == mine):
        yield Change(path=path, outcome=Outcome.CHANGED)
    merged.with_name(merged.name + SUFFIX).write_bytes(_patch(path, mine, theirs))
    yield Change(path=beside, outcome=Outcome.ADDED)


def _windows(content: bytes | None) -> bytes | None:
    return None if content is None else content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _patch(path: str, mine: bytes | None, theirs: bytes | None) -> bytes:
    with tempfile.TemporaryDirectory(prefix="newmodel-rejected-") as name:
        folder = Path(name)
        for side, content in (("a", mine), ("b", theirs)):
            file = folder / side / path
            (folder / side).mkdir()
            if content is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        patch = quiet_git(
            "-c", "core.quotePath=false", "-c", "core.fileMode=false", "diff", "--no-index", "--no-prefix", "--binary",
            "--no-color", "--no-ext-diff", "a", "b", folder=folder, accept=(0, 1),
        )  # fmt: skip
    text = _("the template's side of {file}, where you had changed the same lines").format(file=path)
    return f"{_MARK}{text}\n{patch}".encode("utf-8", "surrogateescape")


def left_in(project: Project) -> list[Conflict]:
    """The `.rej` files of updates that the person has not settled yet."""
    found = []
    listed = project.git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", f"*{SUFFIX}")
    for path in sorted(set(listed.split("\0")) - {""}):
        file = project.folder / path
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            if content.startswith(_MARK.encode()):
                found.append(Conflict(path=path.removesuffix(SUFFIX), hunks=_hunks(content), rejected=True))
    return found


def _hunks(content: bytes) -> tuple[Hunk, ...]:
    """The hunks of a patch of one file."""
    lines = conflicts.lines_of(content)
    begins = [index for index, line in enumerate(lines) if _HUNK.match(line)]
    found = []
    for first, last in zip(begins, [*begins[1:], len(lines)], strict=False):
        body = lines[first + 1 : last]
        header = _HUNK.match(lines[first])
        assert header is not None
        before = next((number for number, line in enumerate(body) if line[:1] != b" "), 0)
        found.append(
            Hunk(
                line=int(header.group(1)) + before,
                yours=b"".join(line[1:] for line in body if line[:1] == b"-"),
                template=b"".join(line[1:] for line in body if line[:1] == b"+"),
                first=first,
                last=last,
            )
        )
    return tuple(found)


def settle(project: Project, conflict: Conflict, choice: str) -> None:
    """Drop the `.rej`, or take what it holds into the file first.

    Raises:
        NewmodelError: If it fits no more.
    """
    beside = project.folder / (conflict.path + SUFFIX)
    if choice == THEIRS:
        _apply(project, conflict.path, beside.read_bytes())
    beside.unlink()


def settle_hunk(project: Project, conflict: Conflict, hunk: Hunk, choice: str) -> None:
    """The same for one hunk; the `.rej` goes with its last one.

    Raises:
        NewmodelError: If it fits no more.
    """
    beside = project.folder / (conflict.path + SUFFIX)
    lines = conflicts.lines_of(beside.read_bytes())
    if choice == THEIRS:
        header = lines[: conflict.hunks[0].first]
        _apply(project, conflict.path, b"".join([*header, *lines[hunk.first : hunk.last]]))
    # the hunks behind it now begin elsewhere: in the file, or in what the file would be with all of them
    more = len(conflicts.lines_of(hunk.template)) - len(conflicts.lines_of(hunk.yours))
    for later in conflict.hunks:
        if later.first > hunk.first:
            lines[later.first] = _moved(lines[later.first], more, in_file=choice == THEIRS)
    del lines[hunk.first : hunk.last]
    if len(conflict.hunks) == 1:
        beside.unlink()
    else:
        conflicts.replace_file(beside, b"".join(lines))


def _moved(header: bytes, more: int, *, in_file: bool) -> bytes:
    match = _HUNK.match(header)
    assert match is not None
    before, after = int(match[1]), int(match[3])
    before, after = (before + more, after) if in_file else (before, after - more)
    return b"@@ -%d%b%d%b" % (before, match[2], after, match[4]) + header[match.end() :]


def _apply(project: Project, path: str, patch: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="newmodel-rejected-") as name:
        file = Path(name, "patch")
        file.write_bytes(patch)
        try:
            # paths in it count from the project, which may be a folder of a larger repository
            quiet_git(
                "apply", "--whitespace=nowarn", str(file),
                folder=project.folder, variables={"GIT_CEILING_DIRECTORIES": str(project.folder.parent)},
            )  # fmt: skip
        except GitFailed:
            raise NewmodelError(
                _(
                    "{rejected} no longer fits {file}, which has changed there since: put in by hand what you want "
                    "of it, then delete {rejected}."
                ).format(rejected=path + SUFFIX, file=path)
            ) from None
