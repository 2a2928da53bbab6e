"""What an update could not merge: found, taken apart into both sides, and settled in the project.

While a file is in conflict git's index holds its three versions, which is how git and PyCharm's merge tool know it; and
the file itself holds both sides between git's markers. A file that is settled is given to git (`git add`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.errors import os_error
from scaffolder.merging.checks import different_encodings, is_text
from scaffolder.project import Project

if TYPE_CHECKING:
    from scaffolder.updating.update import Update

MINE, THEIRS = "mine", "theirs"

_START = re.compile(rb"<{7}( .*)?$")
_BEFORE = re.compile(rb"\|{7}( .*)?$")
_MIDDLE = b"=" * 7
_END = re.compile(rb">{7}( .*)?$")


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """One place of a file where both sides wrote something else.

    Attributes:
        line: Where it begins in the file, from 1.
        yours: The person's lines.
        template: The template's lines.
        first: Index of its first line (a marker, where there are markers).
        last: Index behind its last line.
    """

    line: int
    yours: bytes
    template: bytes
    first: int
    last: int

    def side(self, choice: str) -> bytes:
        return self.yours if choice == MINE else self.template


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """One file that is in conflict.

    Attributes:
        path: POSIX path relative to the project.
        hunks: Where; none for a file that can only be taken whole, or that the person has settled by hand.
        yours: The whole file as the person had it; None where the person deleted it.
        template: The whole file as the template has it; None where the template has it no longer.
        rejected: Whether the template's side stands in `<path>.rej` and the file itself is the person's.
    """

    path: str
    hunks: tuple[Hunk, ...] = ()
    yours: bytes | None = None
    template: bytes | None = None
    rejected: bool = False

    @property
    def whole(self) -> bool:
        """Whether there are no lines to choose from: a side is no text, not there, or in another encoding."""
        if self.rejected:
            return False
        if self.yours is None or self.template is None:
            return True
        texts = is_text(self.yours) and is_text(self.template)
        return not texts or different_encodings(self.yours, self.template)

    @property
    def settled_by_hand(self) -> bool:
        """Whether the person has taken the markers out, and only git does not know it yet."""
        return not self.rejected and not self.whole and not self.hunks


def lines_of(content: bytes) -> list[bytes]:
    """The lines with their ends; only a line feed ends a line, as for git."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def hunks_of(content: bytes, yours: bytes | None, template: bytes | None) -> tuple[Hunk, ...]:
    """The places between markers in `content`.

    The two sides tell apart what a text alone cannot: a heading underlined with seven `=` is no marker.
    """
    lines = lines_of(content)
    sides = (_plain(yours or b""), _plain(template or b""))
    found: list[Hunk] = []
    index = 0
    while index < len(lines):
        hunk = _hunk_at(lines, index, sides) if _START.match(lines[index].rstrip(b"\r\n")) else None
        if hunk is None:
            index += 1
        else:
            found.append(hunk)
            index = hunk.last
    return tuple(found)


def _hunk_at(lines: list[bytes], start: int, sides: tuple[bytes, bytes]) -> Hunk | None:
    candidates = list(_candidates(lines, start))
    for hunk in candidates:
        if _plain(hunk.yours) in sides[0] and _plain(hunk.template) in sides[1]:
            return hunk
    # a person who has begun to edit between the markers, unless it is a text about markers
    for hunk in candidates:
        whole = _plain(b"".join(lines[start : hunk.last]))
        if whole not in sides[0] and whole not in sides[1]:
            return hunk
    return None


def _candidates(lines: list[bytes], start: int) -> Iterator[Hunk]:
    """Every way to read markers from `start` on, the shortest first."""
    before: int | None = None
    middles: list[int] = []
    for index in range(start + 1, len(lines)):
        text = lines[index].rstrip(b"\r\n")
        if _BEFORE.match(text) and before is None and not middles:
            before = index
        elif text == _MIDDLE:
            middles.append(index)
        elif _END.match(text):
            for middle in middles:
                yield Hunk(
                    line=start + 1,
                    yours=b"".join(lines[start + 1 : middle if before is None else before]),
                    template=b"".join(lines[middle + 1 : index]),
                    first=start,
                    last=index + 1,
                )
        elif _START.match(text) and middles:
            return


def _plain(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def with_choice(content: bytes, hunks: tuple[Hunk, ...], choice: str) -> bytes:
    """The file with one side in place of each of these hunks."""
    lines = lines_of(content)
    for hunk in reversed(hunks):
        lines[hunk.first : hunk.last] = [hunk.side(choice)]
    return b"".join(lines)


def of_update(update: Update) -> list[Conflict]:
    """The conflicts of a merge that may not be in the project yet."""
    found = []
    for change in update.conflicts:
        sides = {number: update.merged.blob(digest) for number, _mode, digest in change.stages}
        file = update.merged.folder / change.path
        content = file.read_bytes() if file.is_file() else b""
        found.append(_conflict(change.path, content, sides))
    return found


def left_in(project: Project) -> list[Conflict]:
    """The conflicts that the project still has, by path; `.rej` files of an update among them."""
    from scaffolder.updating import rejected

    found = {}
    for path, stages in _unmerged(project).items():
        sides = {number: _blob(project, digest) for number, digest in stages.items()}
        file = project.folder / path
        content = file.read_bytes() if file.is_file() and not file.is_symlink() else b""
        found[path] = _conflict(path, content, sides)
    for path in _marked_outside_git(project):
        content = (project.folder / path).read_bytes()
        found.setdefault(path, Conflict(path=path, hunks=hunks_of(content, b"", b""), yours=b"", template=b""))
    conflicts = [*found.values(), *rejected.left_in(project)]
    return sorted(conflicts, key=lambda conflict: conflict.path)


def _conflict(path: str, content: bytes, sides: Mapping[int, bytes]) -> Conflict:
    yours, template = sides.get(2), sides.get(3)
    conflict = Conflict(path=path, yours=yours, template=template)
    return conflict if conflict.whole else replace(conflict, hunks=hunks_of(content, yours, template))


def is_own_merge(project: Project) -> bool:
    """Whether git itself is in the middle of a merge, a rebase or the like: its conflicts are none of an update."""
    folder = Path(project.folder, project.git("rev-parse", "--git-dir").rstrip("\n"))
    names = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
    return any((folder / name).exists() for name in names)


def _unmerged(project: Project) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for entry in project.git("ls-files", "--unmerged", "-z", "--", ".").split("\0"):
        if entry:
            facts, path = entry.split("\t", 1)
            _mode, digest, stage = facts.split(" ")
            found.setdefault(path, {})[int(stage)] = digest
    return found


def _marked_outside_git(project: Project) -> Iterator[str]:
    """Files with markers that git does not track (a `.idea` that is ignored), so that its index cannot hold them."""
    from scaffolder.updating import journal

    last = journal.last(project)
    for path in () if last is None else last.conflicts:
        file = project.folder / path
        if not file.is_file() or file.is_symlink() or not hunks_of(file.read_bytes(), b"", b""):
            continue
        if not project.git("--literal-pathspecs", "ls-files", "--", path):
            yield path


def _blob(project: Project, digest: str) -> bytes:
    text = project.git("cat-file", "blob", digest)
    return text.encode("utf-8", "surrogateescape")


def settle(project: Project, conflict: Conflict, choice: str) -> None:
    """Take one side (`mine` or `theirs`) for all that is left of a conflict, and tell git.

    Raises:
        NewmodelError: If the file cannot be written, or a `.rej` fits no more.
    """
    if conflict.rejected:
        from scaffolder.updating import rejected

        rejected.settle(project, conflict, choice)
        return
    if conflict.whole:
        _settle_whole(project, conflict, choice)
        return
    if conflict.hunks:
        file = project.folder / conflict.path
        replace_file(file, with_choice(file.read_bytes(), conflict.hunks, choice))
    tell_git(project, conflict.path)


def _settle_whole(project: Project, conflict: Conflict, choice: str) -> None:
    wanted = conflict.yours if choice == MINE else conflict.template
    file = project.folder / conflict.path
    if wanted is None:
        file.unlink(missing_ok=True)
    elif choice != MINE or not file.is_file():
        replace_file(file, wanted)
    tell_git(project, conflict.path)


def tell_git(project: Project, path: str) -> None:
    """`git add`, so that git and PyCharm know that a file is settled."""
    if project.git("--literal-pathspecs", "ls-files", "--", path):
        project.git("--literal-pathspecs", "add", "--all", "--", path)


def replace_file(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions it had.

    Raises:
        NewmodelError: If the system refuses.
    """
    temporary = file.with_name(f"{file.name}.newmodel-tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        if file.exists():
            temporary.chmod(file.stat().st_mode & 0o7777)
        temporary.replace(file)
    except OSError as error:
        raise os_error(error, file) from error
    finally:
        temporary.unlink(missing_ok=True)
