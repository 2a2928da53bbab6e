"""`newmodel update`: bring the templates' improvements into a project and keep every edit of the person's.

The old and the new template version are rendered with the project's answers, merged with the project's files in a
scratch repository (`three_way`), and only the finished result is written to the project. It works without a network:
all released versions came with newmodel (`template_source`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from scaffolder.answers import Answer
from scaffolder.catalog import Catalog
from scaffolder.errors import NewmodelError, os_error
from scaffolder.generate import Source, render, write
from scaffolder.messages import _
from scaffolder.project import ANSWERS_FILE, Project
from scaffolder.questions import Interview
from scaffolder.template_source import TEMPLATE_URL, Release, Releases, is_development
from scaffolder.three_way import Change, Merged, Outcome, merge_folders

#: Larger files are never renamed template files; they are left out of the merge.
_MAX_FOREIGN_BYTES = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Update:
    """A finished merge that has not been written to the project yet.

    Attributes:
        project: The project.
        old: Template version that the project has now.
        new: Template version that it will have.
        merged: The merge.
        windows_lines: Paths that the person keeps with CRLF line ends; the merge itself sees LF only.
    """

    project: Project
    old: Release
    new: Release
    merged: Merged
    windows_lines: frozenset[str] = field(default_factory=frozenset)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What will be different in the project, and what was left as the person wants it."""
        return self.merged.changes

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return self.merged.conflicts


def available(project: Project, releases: Releases, to: str | None = None) -> tuple[Release, Release] | None:
    """The version the project has and the one it can get; None where it is up to date.

    Raises:
        NewmodelError: If the project is of another template or of a version that was never released.
    """
    if project.source != TEMPLATE_URL:
        raise NewmodelError(
            _("{project} was made from {source}; newmodel updates only projects made from its own templates.").format(
                project=project.folder, source=project.source
            )
        )
    if is_development(project.version):
        raise NewmodelError(
            _(
                "{project} was made from an unreleased state of the templates ({version}), which cannot be "
                "compared with a newer one; make a new project from a release and move your changes there."
            ).format(project=project.folder, version=project.version)
        )
    old = releases.find(project.version)
    new = releases.find(to) if to else releases.newest()
    if new is None or _number(new) == _number(old):
        return None
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


@contextmanager
def prepare(
    project: Project,
    releases: Releases,
    versions: tuple[Release, Release],
    *,
    settings: Mapping[str, Any] | None = None,
    ask: bool = False,
) -> Iterator[Update]:
    """Merge in a scratch folder, which is gone when the context ends; the project is only read.

    Args:
        project: The project.
        releases: Where the template versions are.
        versions: What `available` answered.
        settings: Answers to change or to add.
        ask: Whether new questions are asked in the terminal; otherwise they get their defaults.

    Raises:
        NewmodelError: If git is missing, the project is not under version control, or has uncommitted edits.
    """
    _refuse_uncommitted_edits(project)
    old, new = versions
    with tempfile.TemporaryDirectory(prefix="newmodel-update-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        base, ours, theirs = scratch / "base", scratch / "ours", scratch / "theirs"
        _render(Source(releases.unpack(old), old.tag), project.answers, base)
        source = Source(releases.unpack(new), new.tag)
        _render(source, _answers(source, {**project.answers, **(settings or {})}, ask=ask), theirs)
        windows_lines = _copy_project(project, ours, base, theirs)
        # The answers are a record of what was rendered, not something to merge.
        shutil.copyfile(base / ANSWERS_FILE, ours / ANSWERS_FILE)
        yield Update(
            project=project,
            old=old,
            new=new,
            merged=merge_folders(base, ours, theirs, scratch / "merge"),
            windows_lines=windows_lines,
        )


def _answers(source: Source, known: dict[str, Any], *, ask: bool) -> dict[str, Answer]:
    """The answers for the new version: those known, and those to the questions that are new."""
    catalog = Catalog(source.folder)
    known = {name: answer for name, answer in known.items() if name in catalog.questions}
    return Interview(catalog, None, known, ask=ask, source=source).run().values


def _render(source: Source, answers: Mapping[str, Answer], target: Path) -> None:
    target.mkdir()
    write(render(answers, target, source), target)


def apply(update: Update) -> None:
    """Write the merge to the project; if that fails, every file is put back as it was.

    Raises:
        NewmodelError: If a file cannot be written; the project is then unchanged.
    """
    folder = update.project.folder
    with tempfile.TemporaryDirectory(prefix="newmodel-backup-") as name:
        backup = Path(name)
        touched: list[str] = []
        try:
            for change in update.changes:
                if change.outcome in (Outcome.STAYS, Outcome.STAYS_DELETED):
                    continue
                target = folder / change.path
                if target.exists():
                    saved = backup / change.path
                    saved.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(target, saved)
                touched.append(change.path)
                _write(update, change, target)
        except OSError as error:
            for path in reversed(touched):
                _restore(folder / path, backup / path)
            raise os_error(error, folder) from error
    _record_conflicts(update)


def _write(update: Update, change: Change, target: Path) -> None:
    if change.outcome is Outcome.DELETED:
        target.unlink()
        _remove_empty(target.parent, update.project.folder)
        return
    content = update.merged.folder.joinpath(change.path).read_bytes()
    if change.path in update.windows_lines:
        content = content.replace(b"\n", b"\r\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".newmodel-tmp")
    try:
        temporary.write_bytes(content)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _restore(target: Path, saved: Path) -> None:
    if saved.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(saved, target)
    else:
        target.unlink(missing_ok=True)


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _record_conflicts(update: Update) -> None:
    """Put the three sides of each conflict into git's index, so that git and PyCharm's merge tool show them."""
    project = update.project
    tracked = set(project.tracked())
    lines = []
    for change in update.conflicts:
        if change.path not in tracked:
            continue
        path = project.prefix + change.path
        lines.append(f"0 {'0' * 40}\t{path}")
        for number, mode, digest in change.stages:
            content = update.merged.blob(digest)
            ours = project.git("hash-object", "-w", "--stdin", data=content, at_top=True).strip()
            lines.append(f"{mode} {ours} {number}\t{path}")
    if lines:
        project.git(
            "update-index", "--index-info", data=("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"),
            at_top=True,
        )  # fmt: skip


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


def _copy_project(project: Project, ours: Path, base: Path, theirs: Path) -> frozenset[str]:
    """Copy the project's files into `ours` and return those that have CRLF line ends.

    Those are: what git tracks, and whatever is at a path that the template writes.
    """
    ours.mkdir()
    before, after = _paths(base), _paths(theirs)
    tracked = set(project.tracked())
    windows_lines = set()
    for path in sorted(tracked | before | after):
        source = project.folder / path
        if source.is_symlink() or not source.is_file():
            continue
        template_file = path in before or path in after
        if not template_file and source.stat().st_size > _MAX_FOREIGN_BYTES:
            continue
        content = source.read_bytes()
        if path not in tracked and path not in before and not written_by_tools(path):
            _refuse_untracked(project, path, content, (theirs / path).read_bytes())
        if _has_windows_lines(content) and _has_unix_lines(path, base, theirs):
            windows_lines.add(path)
            content = content.replace(b"\r\n", b"\n")
        target = ours / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return frozenset(windows_lines)


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
