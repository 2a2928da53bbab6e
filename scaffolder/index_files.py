"""The index's address in a person's own settings of pip and uv: every other line stays as it is."""

from __future__ import annotations

import configparser
import json
import re

from scaffolder.install.toml import toml

_PIP_KEY = re.compile(r"^(--)?index[-_]url\s*[=:]", re.IGNORECASE)
_SECTION = re.compile(r"^\[(.+?)\]")
_TABLE = re.compile(r"^\s*\[")
_INDEX_TABLE = re.compile(r"^\s*\[\[\s*index\s*\]\]")
_DEFAULT = re.compile(r"^\s*default\s*=\s*true\b")
_OLD_KEY = re.compile(r"^\s*index-url\s*=")


class NotUnderstoodError(Exception):
    """A settings file whose form these functions do not know; it has to be changed by hand."""


def pip_text(text: str, url: str) -> str:
    """pip's settings with this index in `[global]`, or with none where `url` is empty.

    An address in `[install]` would go before it, so it goes.

    Raises:
        NotUnderstoodError: pip itself cannot read the text, or not in the way it is read here.
    """
    before = _ini(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    kept: list[str] = []
    section, dropping, place = "", False, None
    for line in lines:
        if match := _SECTION.match(line):
            section = match.group(1)
        continued = line[:1] in (" ", "\t") and line.strip() != ""
        dropping = (dropping and continued) or (
            not continued and section in ("global", "install") and bool(_PIP_KEY.match(line))
        )
        if dropping:
            continue
        kept.append(line)
        if match and section == "global" and place is None:
            place = len(kept)
    if url:
        entry = f"index-url = {url}"
        if place is None:
            kept = ["[global]", entry, *([""] if kept else []), *kept]
        else:
            kept.insert(place, entry)
    changed = newline.join(kept) + newline if any(line.strip() for line in kept) else ""
    after = _ini(changed, with_index=True)
    if url:
        before.setdefault("global", {})["index-url"] = url
    if {name: values for name, values in after.items() if values} != {
        name: values for name, values in before.items() if values
    }:
        raise NotUnderstoodError
    return changed


def _ini(text: str, *, with_index: bool = False) -> dict[str, dict[str, str]]:
    """The settings by section; the index's address in `[global]` and `[install]` is left out unless `with_index`."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise NotUnderstoodError from error
    return {
        section: {
            key: value
            for key, value in parser.items(section)
            if with_index or section not in ("global", "install") or not _PIP_KEY.match(f"{key}=")
        }
        for section in parser.sections()
    }


def uv_text(text: str, url: str) -> str:
    """uv's settings with this default index, or with none where `url` is empty.

    Raises:
        NotUnderstoodError: The text is no TOML, or writes its indexes in one line.
    """
    lines = text.splitlines()
    newline = "\r\n" if "\r\n" in text else "\n"
    kept: list[str] = []
    for block in _blocks(lines):
        if _INDEX_TABLE.match(block[0]) and any(_DEFAULT.match(line) for line in block):
            continue
        kept += [line for line in block if not _OLD_KEY.match(line) or _TABLE.match(block[0])]
    while kept and not kept[-1].strip():
        kept.pop()
    if url:
        kept += [*([""] if kept else []), "[[index]]", f"url = {json.dumps(url)}", "default = true"]
    changed = newline.join(kept) + newline if kept else ""
    _check(text, changed, url)
    return changed


def _blocks(lines: list[str]) -> list[list[str]]:
    """The lines before the first table, and then each table with its lines; comments right above one belong to it."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if _TABLE.match(line):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    return [block for block in blocks if block]


def _check(before: str, after: str, url: str) -> None:
    """Whether the change is the one that was meant, and no other."""
    try:
        old, new = toml(before), toml(after)
    except ValueError as error:
        raise NotUnderstoodError from error
    indexes = new.pop("index", [])
    old_indexes = old.pop("index", [])
    old.pop("index-url", None)
    if not isinstance(indexes, list) or not isinstance(old_indexes, list) or old != new:
        raise NotUnderstoodError
    defaults = [one.get("url") for one in indexes if one.get("default") is True]
    others = [one for one in indexes if one.get("default") is not True]
    if defaults != ([url] if url else []) or others != [one for one in old_indexes if one.get("default") is not True]:
        raise NotUnderstoodError
