"""What a generated project's pyproject.toml says about its packages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scaffolder.install.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# As templates/project/pyproject.toml.jinja writes it; a test compares with a project rendered without it.
_FRAMEWORK_INDEX = re.compile(
    r"\n# The build of PyTorch that fits[^\n]*\n(?:#[^\n]*\n)*\[tool\.uv\.sources\]\n.*?\nexplicit = true\n", re.DOTALL
)


@dataclass(frozen=True)
class IndexedRequirements:
    """Requirements of a project that come from an index of their own, here and now on this platform."""

    index_url: str
    requirements: tuple[str, ...]


def indexed_requirements(project: Path) -> list[IndexedRequirements]:
    """What `[tool.uv.sources]` takes from a named index, one entry per index, markers applied."""
    settings = read_toml(project / "pyproject.toml")
    uv = settings.get("tool", {}).get("uv", {})
    urls = {index["name"]: index["url"] for index in uv.get("index", []) if "name" in index}
    sources = {canonicalize_name(name): source for name, source in uv.get("sources", {}).items()}
    found: dict[str, list[str]] = {}
    for text in settings["project"].get("dependencies", []):
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        source = sources.get(canonicalize_name(requirement.name), [])
        for entry in [source] if isinstance(source, dict) else source:
            if "index" in entry and (not entry.get("marker") or Marker(entry["marker"]).evaluate()):
                found.setdefault(urls[entry["index"]], []).append(text)
                break
    return [IndexedRequirements(url, tuple(texts)) for url, texts in found.items()]


def dependencies(project: Path) -> list[str]:
    """The requirements of a project and of its group `dev`, as they are written."""
    settings = read_toml(project / "pyproject.toml")
    return [
        *settings["project"].get("dependencies", []),
        *settings.get("dependency-groups", {}).get("dev", []),
    ]


def give_up_framework_index(project: Path) -> None:
    """Make the project what it would be had the question `framework_index` been answered `default`."""
    _rewrite(project / "pyproject.toml", lambda text: _FRAMEWORK_INDEX.sub("", text))
    _rewrite(
        project / ".copier-answers.yml",
        lambda text: re.sub(
            r"(?m)^framework_build: .*\n", "", re.sub(r"(?m)^framework_index: .*$", "framework_index: default", text)
        ),
    )


def _rewrite(path: Path, change: Callable[[str], str]) -> None:
    if path.exists():
        path.write_bytes(change(path.read_bytes().decode()).encode())
