"""What a template version says about files that moved and settings and answers that have another name.

`migrations.yml` at the root of the templates, newest entries last:

    - version: 0.5.0                       # the first one that has it so
      move:
        "{{ package }}/net.py": "{{ package }}/model.py"
      rename_fields:
        configs/*.yaml:
          training.lr: training.learning_rate
      rename_answers:
        gpu: accelerator

An update carries out the entries that are new to a project, on what the old version rendered and on the person's files
alike, before it merges: so the person's values and comments follow. A mistake in that file is ours, not the person's.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml
from packaging.version import InvalidVersion, Version

from scaffolder.merging.three_way import Change, Merged, Outcome
from scaffolder.messages import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE = "migrations.yml"

_ANSWER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One entry of migrations.yml.

    Attributes:
        version: The first template version that has the new names.
        move: New paths by old ones; folders, too. `{{ answer }}` stands for an answer.
        rename_fields: For the path of a YAML file (with `*`, of several): new dotted keys by old ones, in one section.
        rename_answers: New names by old ones.
    """

    version: Version
    move: Mapping[str, str] = field(default_factory=dict)
    rename_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rename_answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What was done to the person's files before the merge.

    Attributes:
        before: A folder with the files as they were; None where nothing was to be done.
        moves: New paths of the person's files, by old ones.
        notes: What could not be done, a sentence each.
    """

    before: Path | None = None
    moves: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def moved(self, paths: Iterable[str]) -> frozenset[str]:
        """The new paths of those of `paths` that were moved."""
        return frozenset(self.moves[path] for path in paths if path in self.moves)


def load(templates: Path) -> list[Migration]:
    """The entries of a templates folder, oldest first; none where there is no such file.

    Raises:
        BrokenTemplateError: If the file is wrong.
    """
    try:
        text = (templates / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _broken(f"is no YAML: {error}") from error
    if content is None:
        return []
    if not isinstance(content, list):
        raise _broken("must be a list")
    return sorted((_migration(entry) for entry in content), key=lambda migration: migration.version)


def between(templates: Path, old: str, new: str) -> list[Migration]:
    """The entries that are newer than version `old` and not newer than `new`, oldest first.

    Raises:
        BrokenTemplateError: If the file is wrong.
    """
    return [entry for entry in load(templates) if Version(old) < entry.version <= Version(new)]


def rename_answers(migrations: Sequence[Migration], answers: Mapping[str, Any]) -> dict[str, Any]:
    """A project's answers under their new names."""
    result = dict(answers)
    for migration in migrations:
        for old, new in migration.rename_answers.items():
            if old in result:
                value = result.pop(old)
                result.setdefault(new, value)
    return result


def migrate(
    migrations: Sequence[Migration], answers: Mapping[str, Any], base: Path, ours: Path, before: Path
) -> Migrated:
    """Move files and rename fields in what the old version rendered and in the person's files.

    Args:
        answers: The project's recorded answers, for `{{ … }}` in paths.
        base: The old version's files.
        ours: The person's files.
        before: A folder to be made, for a copy of the person's files as they are.

    Raises:
        BrokenTemplateError: If a path needs an answer that there is not.
    """
    if not any(migration.move or migration.rename_fields for migration in migrations):
        return Migrated()
    shutil.copytree(ours, before)
    moves: dict[str, str] = {}
    notes: list[str] = []
    for migration in migrations:
        answers = rename_answers([migration], answers)
        for old, new in migration.move.items():
            _move(_path(old, answers), _path(new, answers), base, ours, moves, notes)
        for pattern, renames in migration.rename_fields.items():
            for path in _matching(_path(pattern, answers), base, ours):
                _rename_fields(path, renames, base, ours, notes)
    return Migrated(before=before, moves=moves, notes=tuple(notes))


def seen_from_before(merged: Merged, migrated: Migrated, ours: Path) -> Merged:
    """The merge, with its changes and its diff told from the files as the person has them now.

    Args:
        ours: The person's files as they were merged.
    """
    before = migrated.before
    if before is None:
        return merged
    changes = {change.path: change for change in merged.changes}
    for path in sorted({*_files(before), *_files(ours)}):
        old, now = _content(before / path), _content(ours / path)
        change = changes.get(path)
        if old == now or (change is not None and change.outcome is Outcome.CONFLICT):
            continue
        new = now
        if change is not None and change.outcome is not Outcome.STAYS:
            new = _content(merged.folder / path)
        if new == old:
            if change is not None and change.outcome not in (Outcome.STAYS, Outcome.STAYS_DELETED):
                del changes[path]
            continue
        outcome = Outcome.DELETED if new is None else Outcome.ADDED if old is None else Outcome.CHANGED
        moved_to = migrated.moves.get(path, "") if outcome is Outcome.DELETED else ""
        changes[path] = Change(path=path, outcome=outcome, moved_to=moved_to)
        if new is not None:
            (merged.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (merged.folder / path).write_bytes(new)
    return replace(merged, changes=tuple(sorted(changes.values(), key=lambda change: change.path)), before=before)


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


# --- files ----------------------------------------------------------------------------------------------------


def _move(old: str, new: str, base: Path, ours: Path, moves: dict[str, str], notes: list[str]) -> None:
    pairs = {old: new} if (base / old).is_file() or (ours / old).is_file() else {}
    for root in (base, ours):
        if (root / old).is_dir():
            pairs |= {f"{old}/{path}": f"{new}/{path}" for path in _files(root / old)}
    for source, target in pairs.items():
        if (ours / source).is_file() and (ours / target).exists():
            notes.append(
                _("The template's {old} is now called {new}, and you have a file of that name; both were left.").format(
                    old=source, new=target
                )
            )
            continue
        for root in (base, ours):
            if (root / source).is_file() and not (root / target).exists():
                (root / target).parent.mkdir(parents=True, exist_ok=True)
                (root / source).rename(root / target)
                if root is ours:
                    first = next((key for key, value in moves.items() if value == source), source)
                    moves[first] = target


def _rename_fields(path: str, renames: Mapping[str, str], base: Path, ours: Path, notes: list[str]) -> None:
    """In both or in neither: a file of the person's that cannot be read is merged as it is."""
    written: dict[Path, bytes] = {}
    for file in (ours / path, base / path):
        if file.is_file():
            try:
                text = file.read_bytes().decode("utf-8")
                written[file] = renamed(text, renames).encode("utf-8")
            except (UnicodeDecodeError, yaml.YAMLError, RecursionError):
                notes.append(
                    _("{file} is no YAML that newmodel can read; rename in it yourself: {names}.").format(
                        file=path, names=", ".join(f"{old} → {new}" for old, new in renames.items())
                    )
                )
                return
            except _Taken as taken:
                notes.append(
                    _("{file} has both {old} and {new}, which is its new name; keep one of them.").format(
                        file=path, old=taken.old, new=taken.new
                    )
                )
                return
    for file, content in written.items():
        file.write_bytes(content)


class _Taken(Exception):  # noqa: N818 - it ends the attempt
    """The new name of a field is there already, beside the old one."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(old)
        self.old, self.new = old, new


def renamed(text: str, renames: Mapping[str, str]) -> str:
    """YAML text with other keys, everything else as it is: comments, quotes, order.

    Args:
        renames: New dotted keys by old ones, in the same section.

    Raises:
        yaml.YAMLError: If it is no YAML, or more than one document.
    """
    for old, new in renames.items():
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        *sections, key = old.split(".")
        name = new.split(".")[-1]
        mapping = root
        for section in sections:
            mapping = _value(mapping, section)
        found = [node for node, _content in _pairs(mapping) if node.value == key]
        if found and any(node.value == name for node, _content in _pairs(mapping)):
            raise _Taken(old, new)
        for node in reversed(found):
            text = text[: node.start_mark.index] + name + text[node.end_mark.index :]
    return text


def _pairs(mapping: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(mapping, yaml.MappingNode):
        for key, value in mapping.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value


def _value(mapping: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for node, value in _pairs(mapping) if node.value == key), None)


def _path(text: str, answers: Mapping[str, Any]) -> str:
    def answer(match: re.Match[str]) -> str:
        if match.group(1) not in answers:
            raise _broken(f"{text} needs the answer {match.group(1)}, which a project does not have")
        return str(answers[match.group(1)])

    return _ANSWER.sub(answer, text)


def _matching(pattern: str, base: Path, ours: Path) -> list[str]:
    paths = set(_files(base)) | set(_files(ours))
    return sorted(path for path in paths if fnmatch.fnmatchcase(path, pattern))


def _files(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            yield Path(parent, name).relative_to(folder).as_posix()


# --- migrations.yml -------------------------------------------------------------------------------------------


def _migration(entry: Any) -> Migration:
    if not isinstance(entry, dict) or "version" not in entry:
        raise _broken(f"has an entry without a version: {entry!r}")
    unknown = entry.keys() - {"version", "move", "rename_fields", "rename_answers"}
    if unknown:
        raise _broken(f"has an unknown key: {sorted(map(str, unknown))[0]}")
    try:
        version = Version(str(entry["version"]))
    except InvalidVersion:
        raise _broken(f"has an entry of version {entry['version']!r}, which is none") from None
    fields = entry.get("rename_fields", {})
    if not isinstance(fields, dict):
        raise _broken("rename_fields must be a mapping")
    result = Migration(
        version=version,
        move=_texts(entry.get("move", {}), "move"),
        rename_fields={_plain_path(path): _texts(names, "rename_fields") for path, names in fields.items()},
        rename_answers=_texts(entry.get("rename_answers", {}), "rename_answers"),
    )
    for path in (*result.move, *result.move.values()):
        _plain_path(path)
    for names in result.rename_fields.values():
        for old, new in names.items():
            if old.split(".")[:-1] != new.split(".")[:-1] or old == new:
                raise _broken(f"{old} can only be renamed in its own section, not to {new}")
    return result


def _texts(content: Any, name: str) -> dict[str, str]:
    if not isinstance(content, dict) or not all(isinstance(text, str) for pair in content.items() for text in pair):
        raise _broken(f"{name} must hold “old: new” lines")
    return dict(content)


def _plain_path(path: Any) -> str:
    parts = PurePosixPath(path).parts if isinstance(path, str) else ()
    if not parts or path.startswith("/") or ".." in parts or parts[0] == ".git" or "\\" in path:
        raise _broken(f"{path!r} is no path inside a project")
    return str(path)


def _broken(what: str) -> Exception:
    from scaffolder.generate import BrokenTemplateError

    return BrokenTemplateError(f"{FILE} {what}")
