"""Write an adoption's files, all of them or none, and take the last adoption back.

What was there before is kept in newmodel's own folder, never in the project. It is written down before the first file
changes: a run that was killed is taken back by the next one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.pycharm import text_file


@dataclass(frozen=True, kw_only=True)
class Written:
    """One file of an adoption.

    Attributes:
        path: From the project's folder on.
        before: Its content before, in base64; None if there was no file.
        after: SHA-256 of what was written.
    """

    path: str
    before: str | None
    after: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """One adoption.

    Attributes:
        complete: Every file was written.
        folders: Folders that were made, the outer first.
    """

    complete: bool
    folders: tuple[str, ...]
    files: tuple[Written, ...]


def write(project: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Write the files, all below `.idea/`.

    Raises:
        NewmodelError: If one cannot be written; everything is then as it was.
    """
    check_idea(project)
    earlier = _records(project)
    folders: list[str] = []
    for path in files:
        assert path.parts[0] == ".idea"  # nothing else of the project is ever touched
        for folder in reversed(path.parents[:-1]):
            if not (project / folder).exists() and str(folder) not in folders:
                folders.append(str(folder))
    try:
        record = Record(
            complete=False,
            folders=tuple(folders),
            files=tuple(_written(project, path, content) for path, content in files.items()),
        )
        _save(project, [*earlier, record])
    except OSError as error:
        raise os_error(error, record_file(project)) from error
    place = project / ".idea"
    try:
        for made in folders:
            (project / made).mkdir(exist_ok=True)
        for relative, content in files.items():
            place = project / relative
            text_file.write(place, content)
        _save(project, [*earlier, Record(complete=True, folders=record.folders, files=record.files)])
    except BaseException as error:
        _take_back(project, record)
        with contextlib.suppress(OSError):
            _save(project, earlier)
        if isinstance(error, OSError):
            raise os_error(error, place) from error
        raise


def recover(project: Path) -> bool:
    """Take back what a killed adoption had written; whether there was anything."""
    records = _records(project)
    if not records or records[-1].complete:
        return False
    _take_back(project, records[-1])
    _save(project, records[:-1])
    return True


def undo(project: Path) -> list[str]:
    """Put every file of the last adoption back, byte for byte.

    Returns:
        The files, from the project's folder on.

    Raises:
        NewmodelError: If there is nothing to take back, or a file was changed since: nothing is then touched.
    """
    check_idea(project)
    records = _records(project)
    if not records:
        raise NewmodelError(_("There is no adoption of {project} that could be taken back.").format(project=project))
    record = records[-1]
    changed = [one.path for one in record.files if not _is_ours(project, one)]
    if changed:
        raise NewmodelError(
            _(
                "{files} changed since it was written, so nothing was taken back: move your change elsewhere first."
            ).format(files=", ".join(changed[:3]) + (" …" if len(changed) > 3 else ""))
        )
    try:
        for one in record.files:
            _put_back(project, one)
    except OSError as error:
        raise os_error(error, project / ".idea") from error
    _remove_folders(project, record)
    try:
        _save(project, records[:-1])
    except OSError as error:
        raise os_error(error, record_file(project)) from error
    return [one.path for one in record.files]


def check_idea(project: Path) -> None:
    """Refuse an `.idea` that is no plain folder of this project.

    Raises:
        NewmodelError: In one sentence.
    """
    for name in (".idea", ".idea/runConfigurations"):
        path = project / name
        if path.is_symlink():
            raise NewmodelError(
                _("{path} is a link, so nothing was written: make it a folder first.").format(path=path)
            )
        if path.exists() and not path.is_dir():
            raise NewmodelError(_("{path} is a file, so nothing was written: rename it first.").format(path=path))


def record_file(project: Path) -> Path:
    """Where the adoptions of a project are written down."""
    from platformdirs import user_state_path

    digest = hashlib.sha256(str(project.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:20]
    return user_state_path("newmodel", appauthor=False) / "adopt" / f"{digest}.json"


def _written(project: Path, path: PurePosixPath, content: bytes) -> Written:
    file = project / path
    before = base64.b64encode(file.read_bytes()).decode() if file.exists() else None
    return Written(path=str(path), before=before, after=hashlib.sha256(content).hexdigest())


def _is_ours(project: Path, one: Written) -> bool:
    """Whether a file is as it was written, or as it was before: an undo may have been interrupted."""
    file = project / one.path
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return one.before is None
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == one.after or content == _before(one)


def _before(one: Written) -> bytes | None:
    return None if one.before is None else base64.b64decode(one.before)


def _put_back(project: Path, one: Written) -> None:
    file, before = project / one.path, _before(one)
    if before is None:
        file.unlink(missing_ok=True)
    elif file.read_bytes() != before:
        text_file.write(file, before)


def _take_back(project: Path, record: Record) -> None:
    for one in record.files:
        file = project / one.path
        with contextlib.suppress(OSError):
            if _is_ours(project, one):
                _put_back(project, one)
            for rest in file.parent.glob(f".{_literal(file.name)}.*.tmp"):  # of a write that was killed
                rest.unlink()
    _remove_folders(project, record)


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in name)


def _remove_folders(project: Path, record: Record) -> None:
    for folder in reversed(record.folders):
        with contextlib.suppress(OSError):  # what the person or PyCharm put there stays
            (project / folder).rmdir()


def _records(project: Path) -> list[Record]:
    try:
        content = json.loads(record_file(project).read_text(encoding="utf-8"))
        return [
            Record(
                complete=bool(one["complete"]),
                folders=tuple(one["folders"]),
                files=tuple(Written(**file) for file in one["files"]),
            )
            for one in content["adoptions"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _save(project: Path, records: list[Record]) -> None:
    path = record_file(project)
    if not records:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"project": str(project.resolve()), "adoptions": [asdict(one) for one in records]}
    text_file.write(path, (json.dumps(content, ensure_ascii=True, indent=1) + "\n").encode())
