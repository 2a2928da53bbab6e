"""`newmodel update`: bring the templates' improvements into a project and keep every edit of the person's.

The old and the new template version are rendered with the project's answers, merged with the project's files in a
scratch repository (`three_way`), and only the finished result is written to the project, as one transaction
(`journal`), which `undo` takes back. It works without a network: all released versions came with newmodel
(`template_source`).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from scaffolder.errors import NewmodelError
from scaffolder.messages import _, ngettext
from scaffolder.project import ANSWERS_FILE, Project, open_project
from scaffolder.template_source import (
    TEMPLATE_URL,
    Release,
    Releases,
    current_version,
    is_development,
    templates_folder,
)
from scaffolder.updating import journal
from scaffolder.updating.journal_record import sha256

if TYPE_CHECKING:
    from scaffolder.generate import Source
    from scaffolder.merging.three_way import Change, Merged

#: Larger files are never renamed template files; they are left out of the merge.
_MAX_FOREIGN_BYTES = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Update:
    """A finished merge that has not been written to the project yet.

    Attributes:
        project: The project.
        old: Template version that the project has now.
        new: Template version that it will have; the same as `old` where only answers (or overlays) change.
        merged: The merge.
        windows_lines: Paths that the person keeps with CRLF line ends; the merge itself sees LF only.
        answers: What the project will record.
        reset: Names of recorded answers that the new ones make impossible; they have their default again.
        notes: What could not be migrated by itself, a sentence each, for the person to look at.
        seen: SHA-256 of each of the project's files as the merge saw it, by path. `apply` refuses where one has
            changed since.
        executable: Paths that the new template version makes executable.
    """

    project: Project
    old: Release
    new: Release
    merged: Merged
    windows_lines: frozenset[str] = field(default_factory=frozenset)
    answers: Mapping[str, Any] = field(default_factory=dict)
    reset: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    executable: frozenset[str] = field(default_factory=frozenset)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What will be different in the project, and what was left as the person wants it."""
        return self.merged.changes

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return self.merged.conflicts


def opened(folder: Path, say: Callable[[str], None]) -> Project:
    """The project in `folder`; what an interrupted update left there is put back first.

    Every command that changes a project, or looks at what an update would change, begins here.

    Args:
        say: Takes one sentence for the person about what was interrupted, if anything was.

    Raises:
        NewmodelError: If newmodel made no such project, or another newmodel is at work on it.
    """
    project = open_project(folder)
    recovered = journal.recover(project)
    if recovered is None:
        return project
    say(recovered.sentence)
    return open_project(folder)


def available(
    project: Project,
    releases: Releases,
    to: str | None = None,
    *,
    settings: Iterable[str] | Mapping[str, Any] = (),
) -> tuple[Release, Release] | None:
    """The version the project has and the one it can get; None where it is up to date.

    Both are the same where there is no newer version, but answers are to be changed (`settings`) or one of the
    project's overlays has a newer version.

    Raises:
        NewmodelError: If the project is of another template or of a version that was never released.
    """
    changed = bool(settings) or _overlays_changed(project)
    old = own_release(project, releases)
    if not old.commit:
        if to not in (None, old.tag):
            raise _unreleased(project)
        return (old, old) if changed else None
    new = releases.find(to) if to else releases.newest()
    if new is None or _number(new) == _number(old):
        return (old, old) if changed else None
    if _number(new) < _number(old):
        if to is None:
            raise NewmodelError(
                _(
                    "{project} has the template version {old}, which is newer than this newmodel: update newmodel."
                ).format(project=project.folder, old=old.tag)
            )
        raise NewmodelError(
            _("{project} already has the template version {old}; it cannot go back to {new}.").format(
                project=project.folder, old=old.tag, new=new.tag
            )
        )
    return old, new


def own_release(project: Project, releases: Releases) -> Release:
    """The template version that a project has; without a commit where it is the unreleased state of today's templates.

    Raises:
        NewmodelError: If the project is of another template, or of a version that cannot be had any more.
    """
    if project.source != TEMPLATE_URL:
        raise NewmodelError(
            _("{project} was made from {source}; newmodel updates only projects made from its own templates.").format(
                project=project.folder, source=project.source
            )
        )
    if not is_development(project.version):
        return releases.find(project.version)
    if project.version != current_version():
        raise _unreleased(project)
    return Release(version=project.version.removeprefix("v"), commit="", digest="")


def _unreleased(project: Project) -> NewmodelError:
    return NewmodelError(
        _(
            "{project} was made from an unreleased state of the templates ({version}), which cannot be "
            "compared with a newer one; make a new project from a release and move your changes there."
        ).format(project=project.folder, version=project.version)
    )


def _overlays_changed(project: Project) -> bool:
    if not project.overlays:
        return False
    from scaffolder.overlay import newer

    return bool(newer(project.overlays))


@contextmanager
def prepare(
    project: Project,
    releases: Releases,
    versions: tuple[Release, Release],
    *,
    settings: Iterable[str] | Mapping[str, Any] = (),
    ask: bool = False,
) -> Iterator[Update]:
    """Merge in a scratch folder, which is gone when the context ends; the project is only read.

    Args:
        project: The project.
        releases: Where the template versions are.
        versions: What `available` answered.
        settings: Answers to change or to add, `key=value` texts or values by key; they are checked against the new
            version's questions.
        ask: Whether new questions are asked in the terminal; otherwise they get their defaults.

    Raises:
        NewmodelError: If a setting is wrong, git is missing, or the project is not under version control, has
            uncommitted edits or conflicts of an earlier update.
    """
    # not needed for `--check`, which is to be quick
    from scaffolder.merging.three_way import merge_folders
    from scaffolder.updating import migrations
    from scaffolder.updating.changed_answers import changed_answers

    _refuse_conflicts(project)
    old, new = versions
    source = source_of(project, releases, new, newest=True)
    moves = migrations.between(source.folder, old.version, new.version)
    recorded = migrations.rename_answers(moves, project.answers)
    changed = changed_answers(source, recorded, settings, ask=ask)
    _refuse_uncommitted_edits(project)
    with tempfile.TemporaryDirectory(prefix="newmodel-update-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        base, ours, theirs = scratch / "base", scratch / "ours", scratch / "theirs"
        _render(source_of(project, releases, old), project.answers, base)
        _render(source, changed.values, theirs)
        copied = _copy_project(project, ours, base, theirs)
        # The answers are a record of what was rendered, not something to merge.
        shutil.copyfile(base / ANSWERS_FILE, ours / ANSWERS_FILE)
        executable = _executable(base, theirs)
        migrated = migrations.migrate(moves, project.answers, base, ours, scratch / "before")
        merged = merge_folders(base, ours, theirs, scratch / "merge")
        yield Update(
            project=project,
            old=old,
            new=new,
            merged=migrations.seen_from_before(merged, migrated, ours),
            windows_lines=copied.windows_lines | migrated.moved(copied.windows_lines),
            answers=changed.values,
            reset=changed.reset,
            notes=migrated.notes,
            seen=copied.seen,
            executable=executable,
        )


def source_of(project: Project, releases: Releases, release: Release, *, newest: bool = False) -> Source:
    """The templates of one version, with the project's overlays laid over them (`newest`: as they are now)."""
    from scaffolder.generate import Source

    folder = releases.unpack(release) if release.commit else templates_folder()
    source = Source(folder, release.tag)
    if not project.overlays:
        return source
    from scaffolder import overlay

    return overlay.compose(source, overlay.newest(project.overlays) if newest else project.overlays)


def _render(source: Source, answers: Mapping[str, Any], target: Path) -> None:
    from scaffolder.generate import render, write

    target.mkdir()
    write(render(answers, target, source), target)


def _executable(base: Path, theirs: Path) -> frozenset[str]:
    """Files that the new version makes executable and the old one did not."""
    if sys.platform == "win32":
        return frozenset()
    now = {path for path in _paths(theirs) if (theirs / path).stat().st_mode & 0o100}
    return frozenset(path for path in now if not (base / path).is_file() or not (base / path).stat().st_mode & 0o100)


def apply(update: Update, *, contents: Mapping[str, bytes] | None = None, settled: Collection[str] = ()) -> None:
    """Write the merge to the project, all of it or nothing, whatever happens (see `journal`); `undo` takes it back.

    Args:
        update: What `prepare` made; its context must not have ended.
        contents: By path, what to write instead of the merge's result, or beside it: how a conflict was settled, the
            `.rej` file of another. With LF line ends.
        settled: Paths of conflicts that are none any more, so that git is not told of them.

    Raises:
        NewmodelError: If a file cannot be written or was edited since `prepare`; the project is then unchanged.
    """
    from scaffolder.merging.three_way import Outcome

    instead = contents or {}
    files: dict[str, journal.Content | None] = {}
    for change in update.changes:
        if change.outcome is Outcome.DELETED:
            files[change.path] = None
        elif change.outcome not in (Outcome.STAYS, Outcome.STAYS_DELETED) and change.path not in instead:
            files[change.path] = _content(update, change.path, (update.merged.folder / change.path).read_bytes())
    for path, content in instead.items():
        files[path] = _content(update, path, content)
    if not files:
        return
    conflicts = [change for change in update.conflicts if change.path not in settled]
    journal.transact(
        update.project,
        journal.Transaction(
            kind=journal.UPDATE,
            old=update.old.tag,
            new=update.new.tag,
            files=files,
            expected={path: update.seen[path] for path in files if path in update.seen},
            index=_stages(update, conflicts),
            conflicts=tuple(change.path for change in conflicts),
        ),
    )


def _content(update: Update, path: str, content: bytes) -> journal.Content:
    if path in update.windows_lines:
        content = content.replace(b"\n", b"\r\n")
    return journal.Content(content=content, executable=path in update.executable)


def _stages(update: Update, conflicts: Iterable[Change]) -> dict[str, tuple[str, ...]]:
    """The three sides of each conflict for git's index, so that git and PyCharm's merge tool show them."""
    project = update.project
    tracked = set(project.tracked())
    found = {}
    for change in conflicts:
        if change.path in update.seen and change.path not in tracked:
            continue  # a file that git is not to know, such as one of PyCharm's that the project ignores
        windows_lines = change.path in update.windows_lines and _committed_with_windows_lines(project, change.path)
        entries = []
        for number, mode, digest in change.stages:
            content = update.merged.blob(digest)
            if windows_lines:
                content = content.replace(b"\n", b"\r\n")
            entries.append(f"{mode} {project.git('hash-object', '-w', '--stdin', data=content).strip()} {number}")
        found[change.path] = tuple(entries)
    return found


def _committed_with_windows_lines(project: Project, path: str) -> bool:
    """Whether git holds CRLF, too; with `core.autocrlf` only the file itself has it."""
    try:
        return "\r\n" in project.git("cat-file", "blob", f":0:{project.prefix}{path}")
    except NewmodelError:  # not in git
        return False


def _refuse_conflicts(project: Project) -> None:
    left = project.conflicts()
    if left:
        raise NewmodelError(
            ngettext(
                "{files} still has a conflict of an earlier update. Settle it with newmodel update --resolve ask and "
                "commit, or take that update back with newmodel update --undo.",
                "These files still have conflicts of an earlier update: {files}. Settle them with newmodel update "
                "--resolve ask and commit, or take that update back with newmodel update --undo.",
                len(left),
            ).format(files=", ".join(left))
        )


def _refuse_uncommitted_edits(project: Project) -> None:
    """What tools write by themselves may be uncommitted; what the person wrote may not."""
    _repository = project.repository
    edited = [path for path in project.modified() if not written_by_tools(path)]
    if edited:
        shown = ", ".join(edited[:5]) + (", …" if len(edited) > 5 else "")
        raise NewmodelError(
            _(
                "{project} has changes that are not committed: {files}. "
                'Commit them and try again: git add -A && git commit -m "before update"'
            ).format(project=project.folder, files=shown)
        )


def written_by_tools(path: str) -> bool:
    """Whether a tool rewrites this file by itself: PyCharm its `.idea`, uv its lock file."""
    return path == "uv.lock" or path.startswith(".idea/")


@dataclass(frozen=True, kw_only=True)
class _Copied:
    """What `_copy_project` saw.

    Attributes:
        windows_lines: Paths of files with CRLF line ends.
        seen: SHA-256 of each file as it is in the project.
    """

    windows_lines: frozenset[str]
    seen: Mapping[str, str]


def _copy_project(project: Project, ours: Path, base: Path, theirs: Path) -> _Copied:
    """Copy the project's files into `ours`: what git tracks, and whatever is at a path that the template writes."""
    ours.mkdir()
    before, after = _paths(base), _paths(theirs)
    tracked = set(project.tracked())
    windows_lines = set()
    seen = {}
    for path in sorted(tracked | before | after):
        source = project.folder / path
        if source.is_symlink() or not source.is_file():
            if path in after - before and os.path.lexists(source) and (source.is_symlink() or not source.is_dir()):
                _refuse_link(project, path)
            continue
        template_file = path in before or path in after
        if not template_file and source.stat().st_size > _MAX_FOREIGN_BYTES:
            continue
        content = source.read_bytes()
        seen[path] = sha256(content)
        if path not in tracked and path not in before and not written_by_tools(path):
            _refuse_untracked(project, path, content, (theirs / path).read_bytes())
        if _has_windows_lines(content) and _has_unix_lines(path, base, theirs):
            windows_lines.add(path)
            content = content.replace(b"\r\n", b"\n")
        target = ours / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return _Copied(windows_lines=frozenset(windows_lines), seen=seen)


def _refuse_link(project: Project, path: str) -> None:
    raise NewmodelError(
        _(
            "The new template version brings the file {file}, and in {project} that is a link; rename it and try again."
        ).format(file=path, project=project.folder)
    )


def _refuse_untracked(project: Project, path: str, content: bytes, new: bytes) -> None:
    if content != new:
        raise NewmodelError(
            _(
                "The new template version brings the file {file}, and {project} has one of that name that is not "
                'committed. Commit it and try again: git add "{file}" && git commit -m "before update"'
            ).format(file=path, project=project.folder)
        )


def _has_windows_lines(content: bytes) -> bool:
    return b"\0" not in content and 0 < content.count(b"\n") == content.count(b"\r\n")


def _has_unix_lines(path: str, *folders: Path) -> bool:
    found = [folder / path for folder in folders if (folder / path).is_file()]
    return bool(found) and not any(b"\r\n" in file.read_bytes() for file in found)


def _paths(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _number(release: Release) -> Version:
    try:
        return Version(release.version)
    except InvalidVersion:  # a manifest that somebody edited
        raise NewmodelError(_("{version} is not a version number.").format(version=release.version)) from None
