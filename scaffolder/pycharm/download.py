"""Load one large file: go on after an interruption, and believe nothing but its checksum."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.pycharm.http import Client, Dropped, read

_PIECE = 256 * 1024

#: Told after every piece: bytes that are here, and bytes in all (None: unknown).
Report = Callable[[int, int | None], None]


def download(
    client: Client, url: str, target: Path, *, sha256: str, size: int | None, report: Report = lambda *_: None
) -> None:
    """Load `url` to `target`.

    What has arrived lies in `target.part` until the checksum is right, and a later call goes on from there.

    Args:
        size: Bytes to expect where the server does not say.

    Raises:
        NewmodelError: If it does not arrive, is not what the checksum says, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if target.exists():
                if _digest(target) == sha256:
                    report(target.stat().st_size, target.stat().st_size)
                    return
                target.unlink()
            _load(client, url, target, sha256, size, report)
    except OSError as error:
        raise os_error(error, target.parent) from error


def part_of(target: Path) -> Path:
    """Where an unfinished download is."""
    return target.with_name(target.name + ".part")


def _load(client: Client, url: str, target: Path, sha256: str, size: int | None, report: Report) -> None:
    part = part_of(target)
    resumed = part.exists() and part.stat().st_size > 0
    _fill(client, url, part, size, report)
    if _digest(part) != sha256 and resumed:
        # the old part may have been of another file: once more, from the beginning
        _forget(part)
        _fill(client, url, part, size, report)
    if _digest(part) != sha256:
        _forget(part)
        raise NewmodelError(
            _(
                "{name} is not what its checksum says: it was damaged or changed on the way, and has been deleted. "
                "Try again; if that does not help, another network may."
            ).format(name=target.name)
        )
    part.replace(target)
    _forget(part)


def _fill(client: Client, url: str, part: Path, size: int | None, report: Report) -> None:
    """Bring the part to its full length; the count of attempts begins anew whenever something arrived."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _one_connection(client, url, part, size, report)
            return
        except Dropped as error:
            after = part.stat().st_size if part.exists() else 0
            failures = 1 if after > before else failures + 1
            if error.final(failures, client.attempts):
                raise NewmodelError(
                    _(
                        "The download from {host} broke off: {reason}. What has arrived is kept in {path}; "
                        "the same command goes on from there."
                    ).format(host=urlsplit(url).hostname, reason=error, path=part)
                ) from error
            client.sleep(error.pause(failures))


def _one_connection(client: Client, url: str, part: Path, size: int | None, report: Report) -> None:
    here = part.stat().st_size if part.exists() else 0
    headers = {}
    validator = _validator(part, url)
    if here and validator is not None:
        headers["Range"] = f"bytes={here}-"
        if validator:
            headers["If-Range"] = validator
    try:
        answer = client.open(url, headers)
    except urllib.error.HTTPError as error:  # 416: the part is whole already, or of another file
        total = _total(error.headers.get("Content-Range", ""))
        if total == here:
            return
        _forget(part)
        raise Dropped(_("the unfinished file was of another version")) from error
    with answer:
        start, total = _extent(answer, here)
        if start != here:
            here = 0
        total = total if total is not None else size
        _remember(part, url, answer)
        with part.open("r+b" if here else "wb") as file:
            file.seek(here)
            file.truncate()
            report(here, total)
            while piece := read(answer, _PIECE):
                file.write(piece)
                here += len(piece)
                if total is not None and here > total:
                    raise NewmodelError(_("{name} is longer than announced.").format(name=part.stem))
                report(here, total)
        if total is not None and here < total:
            raise Dropped(_("the connection was cut"))


def _extent(answer: Any, here: int) -> tuple[int, int | None]:
    """Where the body begins in the file, and how long the file is."""
    length = answer.headers.get("Content-Length", "")
    if answer.status == 206:
        found = re.match(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != here:
            raise NewmodelError(_("The server sent another part of the file than was asked for."))
        return here, int(found[2]) + 1 if found[3] == "*" else int(found[3])
    # the whole file: the server knows no ranges, or the file has changed
    return 0, int(length) if length.isdecimal() else None


def _total(content_range: str) -> int | None:
    found = re.match(r"bytes \*/(\d+)", content_range)
    return int(found[1]) if found else None


def _record(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _validator(part: Path, url: str) -> str | None:
    """What the server called this state of the file; empty if it gave it no name, None if the part is of another."""
    try:
        record = json.loads(_record(part).read_text(encoding="utf-8"))
        return str(record["validator"]) if record["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(part: Path, url: str, answer: Any) -> None:
    tag = answer.headers.get("ETag", "")
    # a weak tag says "as good as the same", which is not enough to go on in the middle
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    _record(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _record(part).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Nobody else loads the same file meanwhile; the system lifts the lock if this process dies."""
    with target.with_name(target.name + ".lock").open("a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NewmodelError(
                _("Another newmodel is loading {name} now; wait for it to end.").format(name=target.name)
            ) from None
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows removes no open file
                os.unlink(file.name)  # noqa: PTH108
