"""Three-way merge of folders, by git's own merge in a scratch repository.

git follows renames, merges binary files whole and marks what it cannot merge; the files in `.idea` are merged by
meaning. Nothing is written outside the scratch folder. See docs/decisions for why this is used instead of copier's
`git apply --reject`.

What git merged by lines is looked at once more: a file that both sides could be parsed and the result cannot, or that
would hold two encodings, is a conflict.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from scaffolder.merging.checks import (
    OURS_LABEL,
    THEIRS_LABEL,
    broken_by_merge,
    different_encodings,
    is_text,
    two_sides,
)
from scaffolder.merging.idea_merge import merge_idea
from scaffolder.merging.repository import MODE, Repository, Side, Stages, blob_digest

#: Merged by meaning and by path: all run configurations are alike, so git would take one for another, renamed.
_IDEA = re.compile(r"\.idea/(.+/)?[^/]+\.xml|\.idea/[^/]+\.iml|\.run/[^/]+\.xml")


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
        moved_to: For a file that is gone because the template renamed it, and that the person had changed: where it
            is now, with the person's changes.
    """

    path: str
    outcome: Outcome
    stages: tuple[tuple[int, str, str], ...] = ()
    moved_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The result of a merge.

    Attributes:
        folder: The merged files.
        changes: Every file that differs from the person's, sorted by path.
        repository: The scratch repository, which holds the blobs that `stages` name.
        before: The person's files as the project has them, where the ones that were merged had been migrated.
    """

    folder: Path
    changes: tuple[Change, ...]
    repository: Repository
    before: Path | None = None

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.outcome is Outcome.CONFLICT)

    def diff(self, *, colour: bool = False) -> str:
        """Unified diff from the person's files to the merged ones."""
        return self.repository.diff(self.folder, colour=colour, before=self.before)

    def blob(self, digest: str) -> bytes:
        """The content of one of a conflict's stages."""
        return self.repository.blobs([digest])[digest]


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
    sides = (_side(base), _side(ours), _side(theirs))
    paths = set().union(*(side.files for side in sides))
    by_meaning = {path for path in paths if _IDEA.fullmatch(path)}
    repository = Repository(scratch / "repository", sides, paths - by_meaning)
    merge = _Merge(sides, repository)
    merge.by_git(paths - by_meaning)
    merge.by_meaning(by_meaning)
    merge.file_in_the_way_of_a_folder()
    merge.one_name_in_two_cases()
    folder = scratch / "merged"
    merge.write(folder)
    return Merged(folder=folder, changes=tuple(merge.all_changes()), repository=repository)


class _Merge:
    """The merge as it proceeds.

    Attributes:
        after: Hash of every file of the result, by path.
        made: The contents that none of the three sides has, by hash.
        changes: What is decided beyond what a comparison of the person's files with the result shows.
    """

    def __init__(self, sides: tuple[Side, Side, Side], repository: Repository) -> None:
        self.base, self.ours, self.theirs = sides
        self.repository = repository
        self.after = dict(self.ours.files)
        self.made: dict[str, bytes] = {}
        self.changes: dict[str, Change] = {}
        self._renames: dict[str, dict[str, str]] = {}
        self._known = {digest: (side, path) for side in sides for path, digest in side.files.items()}

    def content(self, digest: str) -> bytes:
        if digest in self.made:
            return self.made[digest]
        side, path = self._known[digest]
        return side.content(path)

    def put(self, path: str, content: bytes) -> None:
        digest = blob_digest(content)
        if digest not in self._known:
            self.made[digest] = content
        self.after[path] = digest

    def _renamed(self, branch: str) -> dict[str, str]:
        if branch not in self._renames:
            self._renames[branch] = self.repository.renamed(branch)
        return self._renames[branch]

    def conflict(self, path: str, stages: Stages) -> None:
        self.changes[path] = Change(path=path, outcome=Outcome.CONFLICT, stages=tuple(stages))

    # --- by git ---------------------------------------------------------------------------------------------

    def by_git(self, paths: set[str]) -> None:
        base, ours, theirs = (
            {path: side.files[path] for path in paths & side.files.keys()}
            for side in (self.base, self.ours, self.theirs)
        )
        if base == theirs:
            return
        if base == ours:
            for path in base:
                del self.after[path]
            self.after |= theirs
            return
        tree, unmerged = self.repository.merge()
        changed = self.repository.changed(tree)
        for path, digest in changed.items():
            if digest:
                self.after[path] = digest
            else:
                self.after.pop(path, None)
        self.made = self.repository.blobs(digest for digest in changed.values() if digest and digest not in self._known)
        merged_by_lines = [path for path, digest in changed.items() if digest in self.made and path not in unmerged]
        for path, stages in unmerged.items():
            self._settle(path, stages)
        for path in merged_by_lines:
            self._look_again(path)
        self._keep_what_has_no_place(ours)

    def _keep_what_has_no_place(self, ours: dict[str, str]) -> None:
        """A file that the template renamed goes only where its new place holds the person's changes.

        It does not if a file of the person's is there that cannot be merged with anything, a binary one.
        """
        for path, digest in ours.items():
            if path in self.after or path in self.changes or digest == self.base.files.get(path):
                continue
            place = self._moved_to(path)
            taken = place in self.ours.files and place in self.changes
            kept = [stage for number, _mode, stage in self.changes[place].stages if number == 2] if taken else []
            if place not in self.after or self.after[place] in kept:
                self.after[path] = digest
                self.changes[path] = Change(path=path, outcome=Outcome.STAYS)

    def _settle(self, path: str, stages: Stages) -> None:
        """Decide what an unmerged file means, and leave in the result what the person should find there."""
        digests = {number: digest for number, _mode, digest in stages}
        numbers = digests.keys()
        if numbers == {1}:  # each side has another name for it
            self.after.pop(path, None)
        elif numbers == {1, 3}:
            self.after.pop(path, None)
            there = path if path in self.theirs.files else path.removesuffix(f"~{THEIRS_LABEL}")
            self.changes[there] = Change(path=there, outcome=Outcome.STAYS_DELETED)
        elif numbers == {3} and path in self.theirs.files:
            # Both renamed it, each in its own way: the person's is there too. What git has merged is in both.
            self.after[path] = self.theirs.files[path]
        elif numbers <= {1, 2} and path in self.ours.files:
            self.after[path] = self.ours.files[path]
            self.changes[path] = Change(path=path, outcome=Outcome.STAYS)
        else:
            self.conflict(path, stages)
            if {2, 3} <= numbers and different_encodings(self._blob(digests[2]), self._blob(digests[3])):
                self.put(path, self._blob(digests[2]))

    def _blob(self, digest: str) -> bytes:
        if digest not in self.made and digest not in self._known:  # a rename's content, merged halfway
            self.made |= self.repository.blobs([digest])
        return self.content(digest)

    def _look_again(self, path: str) -> None:
        """Make a conflict of what git merged by lines and nobody can use."""
        base, ours, theirs = self._origins(path)
        if not ours or not theirs:  # git followed it through more than a plain rename
            return
        mine, other = self.content(ours), self.content(theirs)
        if not broken_by_merge(path, mine, other, self.content(self.after[path])):
            return
        digests = ((1, base), (2, ours), (3, theirs))
        self.conflict(path, [(number, MODE, digest) for number, digest in digests if digest])
        self.put(path, mine if different_encodings(mine, other) else two_sides(mine, other))

    def _origins(self, path: str) -> tuple[str, str, str]:
        """Hashes of the three versions that were merged into `path`, which one side may have renamed."""
        base, ours, theirs = (side.files.get(path, "") for side in (self.base, self.ours, self.theirs))
        if not base or not ours or not theirs:
            by_us, by_them = (
                next((old for old, new in self._renamed(branch).items() if new == path), "")
                for branch in (OURS_LABEL, THEIRS_LABEL)
            )
            base = base or self.base.files.get(by_us or by_them, "")
            ours = ours or self.ours.files.get(by_them, "")
            theirs = theirs or self.theirs.files.get(by_us, "")
        return base, ours, theirs

    # --- by meaning -----------------------------------------------------------------------------------------

    def by_meaning(self, paths: set[str]) -> None:
        """The files of `.idea`, each by its path."""
        base, ours, theirs = (
            {path: side.files[path] for path in paths & side.files.keys()}
            for side in (self.base, self.ours, self.theirs)
        )
        self._follow_module(base, ours, theirs)
        for path in sorted(paths):
            self._merge_by_meaning(path, base.get(path, ""), ours.get(path, ""), theirs.get(path, ""))

    def _follow_module(self, base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> None:
        """The one module file, which is called like the package, is the same one when the package's name changes."""
        before, after = ([path for path in side if path.endswith(".iml")] for side in (base, theirs))
        if len(before) == len(after) == 1 and before != after and before[0] in ours and after[0] not in ours:
            base[after[0]], ours[after[0]] = base.pop(before[0]), ours.pop(before[0])
            del self.after[before[0]]

    def _merge_by_meaning(self, path: str, base: str, ours: str, theirs: str) -> None:
        if base == theirs:
            if ours:
                self.after[path] = ours
        elif base == ours or ours == theirs:
            if theirs:
                self.after[path] = theirs
            else:
                self.after.pop(path, None)
        elif not ours:
            self.changes[path] = Change(path=path, outcome=Outcome.STAYS_DELETED)
        elif not theirs:
            self.changes[path] = Change(path=path, outcome=Outcome.STAYS)
        else:
            content, clean = merge_idea(
                self.content(base) if base else None, self.content(ours), self.content(theirs)
            )  # fmt: skip
            self.put(path, content)
            if not clean:
                digests = ((1, base), (2, ours), (3, theirs))
                self.conflict(path, [(number, MODE, digest) for number, digest in digests if digest])

    # --- the result -----------------------------------------------------------------------------------------

    def file_in_the_way_of_a_folder(self) -> None:
        """The file goes beside, under the name that git gives it in the files that it merges."""
        in_the_way = {
            parent.as_posix()
            for path in self.after
            for parent in PurePosixPath(path).parents
            if parent.as_posix() in self.after
        }
        for path in sorted(in_the_way):
            digest, change = self.after.pop(path), self.changes.pop(path, None)
            own = path in self.ours.files and digest != self.theirs.files.get(path)
            beside = f"{path}~{OURS_LABEL if own else THEIRS_LABEL}"
            while beside in self.after:
                beside += "_0"
            self.after[beside] = digest
            digests = ((1, self.base.files.get(path, "")), (2 if own else 3, digest))
            stages = [(number, MODE, digest) for number, digest in digests if digest]
            self.conflict(beside, list(change.stages) if change and change.stages else stages)

    def one_name_in_two_cases(self) -> None:
        """A new file whose name differs from one of the person's in case only is a conflict with it.

        On Windows and macOS they are one file, and the second would take the first one's place.
        """
        alike = defaultdict(list)
        for path in self.after:
            alike[path.casefold()].append(path)
        for paths in alike.values():
            # not where the template itself has both
            own = [path for path in paths if path in self.ours.files and path not in self.theirs.files]
            for path in paths:
                if own and path not in self.ours.files:
                    self._join(own[0], path)

    def _join(self, own: str, new: str) -> None:
        ours, theirs = self.after[own], self.after.pop(new)
        self.changes.pop(new, None)
        if ours == theirs:
            return
        base = self.base.files.get(own, "")
        digests = ((1, base), (2, ours), (3, theirs))
        mine, other = self.content(ours), self.content(theirs)
        if is_text(mine) and is_text(other) and not different_encodings(mine, other):
            self.put(own, two_sides(mine, other))
        self.conflict(own, [(number, MODE, digest) for number, digest in digests if digest])

    def write(self, folder: Path) -> None:
        """Write the result to a new folder."""
        folder.mkdir(parents=True)
        made = set()
        for path, digest in self.after.items():
            target = folder / path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            target.write_bytes(self.content(digest))

    def all_changes(self) -> list[Change]:
        """Every difference between the person's files and the result, and what is not one but must be said."""
        changes = dict(self.changes)
        before = self.ours.files
        for path in (before.keys() | self.after.keys()) - changes.keys():
            if path not in self.after:
                changed = before[path] != self.base.files.get(path)
                moved_to = self._moved_to(path) if changed else ""
                changes[path] = Change(path=path, outcome=Outcome.DELETED, moved_to=moved_to)
            elif path not in before:
                changes[path] = Change(path=path, outcome=Outcome.ADDED)
            elif before[path] != self.after[path]:
                changes[path] = Change(path=path, outcome=Outcome.CHANGED)
        return sorted(changes.values(), key=lambda change: change.path)

    def _moved_to(self, path: str) -> str:
        if f"{path}~{OURS_LABEL}" in self.after:
            return f"{path}~{OURS_LABEL}"
        modules = [name for name in self.after if name.endswith(".iml") and name not in self.ours.files]
        if path.endswith(".iml") and modules:
            return modules[0]
        return self._renamed(THEIRS_LABEL).get(path, "")


def _side(folder: Path) -> Side:
    files = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                files[path.relative_to(folder).as_posix()] = blob_digest(path.read_bytes())
    return Side(folder, files)
