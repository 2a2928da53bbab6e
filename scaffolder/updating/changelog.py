"""What is new between two template versions, from CHANGELOG.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from scaffolder import messages

_PACKAGE = Path(__file__).resolve().parent.parent
_HEADING = re.compile(r"##\s+\[?v?([0-9][^\s\]]*)")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version.

    Attributes:
        version: Without a leading `v`.
        lines: What is new in it, each point as one line of Markdown without its bullet.
    """

    version: str
    lines: tuple[str, ...]


def entries(old: str, new: str, file: Path | None = None) -> list[Entry]:
    """The versions that are newer than `old` and not newer than `new`, the newest first.

    Args:
        old: A version or its tag.
        new: A version or its tag.
        file: The changelog; newmodel's own, in the person's language where there is one, if None.

    Returns:
        Nothing where there is no changelog: it is for reading, and an update does not need it.
    """
    file = file or changelog_file()
    try:
        text = "" if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    found = [entry for entry in parse(text) if Version(old) < Version(entry.version) <= Version(new)]
    return sorted(found, key=lambda entry: Version(entry.version), reverse=True)


def parse(text: str) -> list[Entry]:
    """Every version that the text has a heading for, as `## 0.5.0`, in the order of the text."""
    found: list[Entry] = []
    points: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("## "):
            points = []
            version = _version(line)
            if version:
                found.append(Entry(version=version, lines=()))
            else:
                points = None
        elif points is not None and line.strip() and not line.startswith("#"):
            if line.startswith(("- ", "* ")):
                points.append(line[2:].strip())
            elif line.startswith(" ") and points:
                points[-1] = _joined(points[-1], line.strip())
            else:
                points.append(line.strip())
            found[-1] = Entry(version=found[-1].version, lines=tuple(points))
    return found


def changelog_file() -> Path | None:
    """newmodel's changelog, in the person's language if there is one: the checkout's, or the one in the package."""
    root = _PACKAGE.parent
    folders = [_PACKAGE / "releases", *([root] if (root / "templates" / "copier.yml").is_file() else [])]
    names = ["CHANGELOG.md"]
    if messages.language() != "en":
        names.insert(0, f"CHANGELOG.{messages.language()}.md")
    return next((folder / name for name in names for folder in folders if (folder / name).is_file()), None)


def _version(line: str) -> str:
    match = _HEADING.match(line)
    try:
        return str(Version(match.group(1))) if match else ""
    except InvalidVersion:
        return ""


def _joined(left: str, right: str) -> str:
    """Two lines of one point. Chinese has no space where a line ends."""
    return left + right if not left[-1:].isascii() and not right[:1].isascii() else f"{left} {right}"
