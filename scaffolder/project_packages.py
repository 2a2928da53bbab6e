"""A project's `pyproject.toml`: one more dependency, and which build of PyTorch it takes."""

from __future__ import annotations

import json
import re
from typing import Any

from scaffolder.index_files import NotUnderstoodError
from scaffolder.install.toml import toml

_ARRAY = re.compile(r"^dependencies\s*=\s*\[", re.MULTILINE)
_CLOSE = re.compile(r"^\]", re.MULTILINE)
_COMMENT = re.compile(r"#[^\"']*$")


def declare(text: str, requirement: str) -> str:
    """`pyproject.toml` with `requirement` as the last dependency; unchanged where the package is there already.

    Raises:
        NotUnderstoodError: There is no list of dependencies with one on each line.
    """
    before = _dependencies(text)
    name = _name(requirement)
    if any(_name(one) == name for one in before):
        return text
    opening = _ARRAY.search(text)
    closing = _CLOSE.search(text, opening.end()) if opening else None
    if closing is None:
        raise NotUnderstoodError
    newline = "\r\n" if "\r\n" in text else "\n"
    entry = f"  {json.dumps(requirement)},{newline}"
    body = text[: closing.start()]
    above, _newline, line = body.rstrip().rpartition("\n")
    code = _COMMENT.sub("", line).rstrip()
    if not code.endswith((",", "[")):  # the last one had no comma
        body = f"{above}\n{code},{line[len(code) :]}{body[len(body.rstrip()) :]}"
    changed = body + entry + text[closing.start() :]
    if _dependencies(changed) != [*before, requirement]:
        raise NotUnderstoodError
    return changed


def index_build(text: str) -> str:
    """The build of PyTorch that a project's own index names, `cu130`; empty where it names none."""
    try:
        indexes = toml(text).get("tool", {}).get("uv", {}).get("index", [])
        urls = [str(one.get("url", "")) for one in indexes if one.get("name") == "pytorch"]
    except (ValueError, AttributeError, TypeError):
        return ""
    return urls[0].rstrip("/").rpartition("/")[2] if urls else ""


def _dependencies(text: str) -> list[str]:
    try:
        content: dict[str, Any] = toml(text)
        found = content["project"]["dependencies"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotUnderstoodError from error
    if not isinstance(found, list):
        raise NotUnderstoodError
    return [str(one) for one in found]


def _name(requirement: str) -> str:
    match = re.match(r"\s*([A-Za-z0-9._-]+)", requirement)
    return re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else ""
