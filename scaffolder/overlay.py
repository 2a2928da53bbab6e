"""A team's own house style: overlays, which are laid over the templates without changing them.

An overlay is a folder or a git repository with an `overlay.yml` (`overlay_file`). Its versions are kept in the person's
cache, so that a later update can render what an earlier one has rendered, also without a network. The templates and
the overlays together make one more folder of templates in that cache, from which `generate` renders as from any other.
Nothing in an overlay is run.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder import console, overlay_file, template_source
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.overlay_file import LAYERS

if TYPE_CHECKING:
    from scaffolder.foreign.fetch import Fetched
    from scaffolder.generate import Source


def compose(source: Source, overlays: Sequence[Mapping[str, str]]) -> Source:
    """Templates with the overlays laid over them.

    Args:
        source: The templates.
        overlays: Each with its `source` and its `version`, in the order in which they are laid. None: `source` as it
            is.

    Raises:
        NewmodelError: If an overlay cannot be had or does not go with these templates.
    """
    if not overlays:
        return source
    folders = [_folder_of(overlay["source"], overlay["version"]) for overlay in overlays]
    parts = [template_source.digest(folder) for folder in (source.folder, *folders)]
    key = hashlib.sha256(json.dumps([*parts, source.version]).encode()).hexdigest()
    target = _cache() / "composed" / key
    if not target.is_dir():
        files = [
            overlay_file.read(folder, overlay["source"]) for folder, overlay in zip(folders, overlays, strict=True)
        ]
        questions = overlay_file.composed(source, files)
        with _scratch(target.parent) as scratch:
            made = Path(scratch, "templates")
            shutil.copytree(source.folder, made)
            for number, folder in enumerate(folders):
                shutil.copytree(folder, made / LAYERS / f"{number:03d}")
            # YAML, so that it stays the file that people know; the texts stay readable in any language
            (made / "copier.yml").write_text(overlay_file.as_yaml(questions), encoding="utf-8")
            _put(made, target)
    recorded = tuple({"source": overlay["source"], "version": overlay["version"]} for overlay in overlays)
    return replace(source, folder=target, overlays=recorded)


def newest(overlays: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The same overlays at their newest version: the highest tag, else the main branch, else the folder as it is.

    One that cannot be reached stays as it is, if it is in the cache, and the person is told.

    Raises:
        NewmodelError: If one can be reached no more and was never here.
    """
    return [{"source": overlay["source"], "version": _newest_of(overlay)} for overlay in overlays]


def newer(overlays: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Those that have a newer version: their `source`, the `old` version and the `new` one.

    Raises:
        NewmodelError: As `newest` does.
    """
    return [
        {"source": old["source"], "old": old["version"], "new": new["version"]}
        for old, new in zip(overlays, newest(overlays), strict=True)
        if old["version"] != new["version"]
    ]


def chosen(addresses: Sequence[str]) -> list[dict[str, str]]:
    """The overlays that a person names, at their newest versions.

    Raises:
        NewmodelError: If one cannot be fetched, or the same one is named twice.
    """
    found: list[dict[str, str]] = []
    for text in addresses:
        recorded, version = _fetch_newest(text)
        if recorded in [one["source"] for one in found]:
            raise NewmodelError(_("The overlay {source} is given twice; once is enough.").format(source=recorded))
        found.append({"source": recorded, "version": version})
    return found


def _newest_of(overlay: Mapping[str, str]) -> str:
    source, version = overlay["source"], overlay["version"]
    try:
        if Path(source).is_absolute():
            return _fetch_newest(source)[1]
        return _fetch_remote(source)[1]
    except NewmodelError as error:
        if not _place(source, version).is_dir():
            raise
        _say_once(str(error), version)
        return version


@lru_cache(maxsize=32)
def _fetch_remote(source: str) -> tuple[str, str]:
    """Asked of a server only once in each process."""
    return _fetch_newest(source)


@lru_cache(maxsize=32)
def _say_once(reason: str, version: str) -> None:
    console.say(_("{reason} It stays at {version}.").format(reason=reason, version=version), style="yellow")


def _fetch_newest(text: str) -> tuple[str, str]:
    """The recorded address and the newest version of an overlay, which is then in the cache."""
    from scaffolder.foreign import address, git

    place = address.read(text)
    version = None
    if place.way is address.Way.GIT or (place.way is address.Way.FOLDER and Path(place.text, ".git").exists()):
        version = git.newest_release(place) or None
        if version is not None and _place(place.public, version).is_dir():
            return place.public, version
    done = _fetch(text, version)
    return done.address, done.version


def _folder_of(source: str, version: str) -> Path:
    """One version of an overlay, from the cache or from where it comes from."""
    place = _place(source, version)
    if place.is_dir():
        return place
    try:
        done = _fetch(source, None if version.startswith("sha256:") else version)
    except NewmodelError as error:
        raise NewmodelError(
            _("The version {version} of the overlay {source} cannot be had any more: {reason}").format(
                version=version, source=source, reason=error
            )
        ) from None
    if done.version != version and not place.is_dir():
        raise NewmodelError(
            _(
                "The overlay {source} has changed since, and its version {version} is not on this machine; bring it "
                "back there, or use an overlay that is a git repository with tags."
            ).format(source=source, version=version[:19])
        )
    return place


def _fetch(text: str, version: str | None) -> Fetched:
    """Bring a version of an overlay into the cache."""
    from scaffolder.foreign.fetch import fetch

    with _scratch(_cache()) as scratch:
        done = fetch(text, version=version, into=Path(scratch))
        if not (done.folder / overlay_file.NAME).is_file():
            raise NewmodelError(
                _("{source} is no overlay: it has no {file}.").format(source=done.address, file=overlay_file.NAME)
            )
        place = _place(done.address, done.version)
        if not place.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True)
            _put(done.folder, place)
    return done


def _cache() -> Path:
    return template_source._cache_folder().parent / "overlays"


def _place(source: str, version: str) -> Path:
    name = re.sub(r"[^\w.+-]", "-", version)
    return _cache() / hashlib.sha256(f"{source}\n{version}".encode()).hexdigest()[:24] / name[:40]


def _scratch(folder: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=folder, prefix=".new-", ignore_cleanup_errors=True)
    except OSError as error:
        raise os_error(error, folder) from error


def _put(made: Path, target: Path) -> None:
    """Made beside it and renamed: a second newmodel, or an interruption, never sees half of it."""
    try:
        made.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another newmodel was quicker, with the same content
            raise os_error(error, target) from error
