"""Which version of newmodel is this?"""

from __future__ import annotations

from pathlib import Path


def version() -> str:
    """As the installed package says, or, in a checkout that is not installed, as pyproject.toml does."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("newmodel")
    except PackageNotFoundError:  # run from a checkout that is not installed
        import re

        text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
        found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
        return found.group(1) if found else "?"
