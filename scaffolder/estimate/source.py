"""Where a model's configuration comes from: a file, a folder, the hub's cache here, our own table, or the hub."""

from __future__ import annotations

import json
import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from scaffolder.errors import NewmodelError
from scaffolder.estimate.configuration import Configuration, shown
from scaffolder.messages import _

TABLE = Path(__file__).with_name("known_models.json")
HUB = "https://huggingface.co"
#: Asked in this order where the hub itself does not answer: for an id that is the same there.
MIRRORS = (
    "https://hf-mirror.com/{id}/resolve/main/config.json",
    "https://www.modelscope.cn/models/{id}/resolve/master/config.json",
)
SECONDS = 6.0
LARGEST = 4 * 2**20

#: Names from before the hub had owners, as they still are in many tutorials.
OLD_NAMES = {
    "gpt2": "openai-community/gpt2",
    "gpt2-xl": "openai-community/gpt2-xl",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "roberta-base": "FacebookAI/roberta-base",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "t5-small": "google-t5/t5-small",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A configuration and where it was found, in words."""

    configuration: Configuration
    place: str


def find(name: str, environ: Mapping[str, str] | None = None) -> Found:
    """The configuration of `name`, a file, a folder or a hub id.

    Raises:
        NewmodelError: If there is none, it cannot be had, or it is no configuration.
    """
    environ = os.environ if environ is None else environ
    if not name.strip() or "\0" in name:
        raise NewmodelError(_("Name a model: a hub id such as Qwen/Qwen3-8B, a folder, or a config.json."))
    path = Path(name).expanduser()
    identified = bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", name)) and not name.endswith(".json")
    # a folder that is called like a model but holds none is no obstacle to asking for the model
    if _exists(path) and not (identified and path.is_dir() and not _exists(path / "config.json")):
        return _from_disk(path, name)
    if not identified:
        raise NewmodelError(
            _("There is no file or folder {name}, and it is no hub id such as Qwen/Qwen3-8B either.").format(
                name=shown(name)
            )
        )
    identifier = OLD_NAMES.get(name, name)
    cached = cached_file(identifier, environ)
    if cached is not None:
        return Found(configuration=_parsed(_read(cached), name, str(cached)), place=str(cached))
    known = table()
    exact = {key.lower(): key for key in known}.get(_shape_of(identifier).lower())
    if exact is not None:
        place = _("newmodel's own table of {date}").format(date=_document()["written"])
        return Found(configuration=Configuration(known[exact], exact), place=place)
    return _from_hub(identifier, environ)


def _shape_of(identifier: str) -> str:
    """The entry of our table with the layers of a model that `newmodel init` offers by its instruction-tuned name."""
    from scaffolder.base_models import base_models

    return next(
        (base.shape for base in base_models().values() if base.huggingface.lower() == identifier.lower()), identifier
    )


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return document


def table() -> dict[str, dict[str, Any]]:
    """The configurations that come with newmodel, by hub id."""
    models: dict[str, dict[str, Any]] = _document()["models"]
    return models


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _from_disk(path: Path, name: str) -> Found:
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise NewmodelError(
            _("There is no config.json in {folder}; a model saved with save_pretrained has one.").format(
                folder=shown(str(path))
            )
        )
    return Found(configuration=_parsed(_read(file), name, str(file)), place=str(file))


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST:
            raise NewmodelError(_("{file} is too large for a configuration.").format(file=shown(str(file))))
        return file.read_bytes()
    except OSError as error:
        raise NewmodelError(
            _("{file} could not be read: {reason}.").format(
                file=shown(str(file)), reason=error.strerror or type(error).__name__
            )
        ) from None


def _parsed(content: bytes, name: str, place: str) -> Configuration:
    try:
        values = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NewmodelError(_("{place} is not JSON.").format(place=shown(place))) from None
    if not isinstance(values, dict):
        raise NewmodelError(_("{place} holds no JSON object, so it is no configuration.").format(place=shown(place)))
    return Configuration(values, name)


def cached_file(identifier: str, environ: Mapping[str, str]) -> Path | None:
    """The hub's cache on this machine: `models--owner--name/snapshots/<commit>/config.json`."""
    home = Path(environ.get("HF_HOME") or Path(environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")).expanduser()
    hub = Path(environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub").expanduser()
    folder = hub / f"models--{identifier.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        candidates = [folder / "snapshots" / commit / "config.json"]
    except (OSError, ValueError):
        try:
            candidates = sorted(folder.glob("snapshots/*/config.json"))
        except OSError:
            candidates = []
    return next((file for file in candidates if _exists(file)), None)


def _from_hub(identifier: str, environ: Mapping[str, str]) -> Found:
    offline = environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    if offline:
        raise _unreachable(identifier, _("HF_HUB_OFFLINE says not to ask the hub"))
    endpoint = (environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    addresses = [f"{endpoint}/{identifier}/resolve/main/config.json"]
    if endpoint == HUB:
        addresses += [mirror.format(id=identifier) for mirror in MIRRORS]
    reason = ""
    for index, address in enumerate(addresses):
        token = environ.get("HF_TOKEN", "") if index == 0 else ""
        status, content, why = download(address, token)
        if status == 200:
            return Found(configuration=_parsed(content, identifier, address), place=address)
        if status in (401, 403):
            raise NewmodelError(
                _(
                    "The hub does not show {name} to everybody: there is no such model, or its conditions must be "
                    "accepted on its page first and a token be given in HF_TOKEN.{nearest}"
                ).format(name=identifier, nearest=_nearest(identifier))
            )
        if status == 404:
            raise NewmodelError(
                _("There is no model {name} with a config.json at {place}.{nearest}").format(
                    name=identifier, place=address, nearest=_nearest(identifier)
                )
            )
        reason = reason or (why if status is None else f"HTTP {status}")
    raise _unreachable(identifier, reason)


def _unreachable(identifier: str, reason: str) -> NewmodelError:
    return NewmodelError(
        _(
            "The configuration of {name} is not on this machine and the hub could not be asked ({reason}); "
            "give the path of its config.json instead, or a model that newmodel knows.{nearest}"
        ).format(name=identifier, reason=reason, nearest=_nearest(identifier))
    )


def _nearest(identifier: str) -> str:
    lower = {key.lower(): key for key in table()}
    names = get_close_matches(identifier.lower(), lower, n=2, cutoff=0.6)
    if not names:
        return ""
    return _(" Did you mean {names}?").format(names=", ".join(lower[name] for name in names))


def download(address: str, token: str = "") -> tuple[int | None, bytes, str]:
    """GET an address within `SECONDS`: the status (None if there was no answer), the content, and why not."""
    result: list[tuple[int | None, bytes, str]] = []
    # urllib's own time limit leaves out the resolution of names and a server that sends a byte now and then
    thread = threading.Thread(target=lambda: result.append(_download(address, token)), daemon=True)
    thread.start()
    thread.join(SECONDS)
    return result[0] if result else (None, b"", _("no answer in {seconds} s").format(seconds=int(SECONDS)))


def _download(address: str, token: str) -> tuple[int | None, bytes, str]:
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "newmodel"})  # noqa: S310
        if not address.startswith(("https://", "http://")):
            return None, b"", _("{address} is no web address").format(address=shown(address))
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")  # never to where it redirects to
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - the scheme was looked at
            content = answer.read(LARGEST + 1)
            if len(content) > LARGEST:
                return None, b"", _("its answer is too large")
            return answer.status, content, ""
    except urllib.error.HTTPError as error:
        return error.code, b"", ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return None, b"", shown(str(getattr(reason, "strerror", None) or reason or type(error).__name__), 120)
