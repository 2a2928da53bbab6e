"""Read TOML on every Python that newmodel runs on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8 or not TOML.
    """
    return toml(path.read_text(encoding="utf-8"))


def toml(text: str) -> dict[str, Any]:
    """The content of a text in TOML.

    Raises:
        ValueError: It is none.
    """
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except RecursionError as error:  # thousands of brackets in one another
        raise ValueError("nested too deeply") from error
    return content
