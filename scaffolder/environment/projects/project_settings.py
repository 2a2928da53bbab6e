"""What a project says about itself in pyproject.toml or requirements.txt, read through the seam."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaffolder.environment.system import System

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: Comments, options such as `-r other.txt`, and hashes in requirements.txt are no requirements.
_REQUIREMENT_LINE = re.compile(r"^\s*([A-Za-z0-9][^#]*?)\s*(?:#.*|--hash.*|\\\s*)?$")


@dataclass(frozen=True, kw_only=True)
class ProjectSettings:
    """What was read.

    Attributes:
        file: The file that says it; empty where there is none.
        damaged: Why the file cannot be read.
        requires_python: As it is written.
        dependencies: What training needs.
        groups: Names of the dependency groups, such as `dev`.
        uv: The table `[tool.uv]`.
    """

    file: str = ""
    damaged: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    uv: Mapping[str, Any] = field(default_factory=dict)

    def requires(self, name: str) -> bool:
        """Whether a package is one of the dependencies."""
        pattern = re.compile(rf"{re.escape(name)}(?![A-Za-z0-9._-])", re.IGNORECASE)
        return any(pattern.match(text) for text in self.dependencies)

    def installs(self, markers: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
        """What to hand to pip's install, one command after the other: pip knows nothing of uv's sources."""
        if not self.file:
            return ()
        if not self.file.endswith("pyproject.toml"):
            return (("-r", "requirements.txt"),)
        index = self.torch_index(markers)
        torch = [text for text in self.dependencies if re.match(r"torch(?![A-Za-z0-9._-])", text)]
        first = ((*torch, "--index-url", index),) if index and torch else ()
        return (*first, ("-e", ".", *(("--group", "dev") if "dev" in self.groups else ())))

    def torch_index(self, markers: Mapping[str, str]) -> str:
        """Address of the index that `[tool.uv.sources]` names for torch on this platform; empty where none is."""
        from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

        sources, indexes = self.uv.get("sources"), self.uv.get("index")
        if not isinstance(sources, dict) or not isinstance(indexes, list):
            return ""
        urls = {one.get("name"): one.get("url") for one in indexes if isinstance(one, dict)}
        entries = sources.get("torch", [])
        for entry in [entries] if isinstance(entries, dict) else entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            url = urls.get(entry.get("index"))
            try:
                marker = entry.get("marker")
                applies = not marker or Marker(str(marker)).evaluate(dict(markers))
            except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, KeyError):
                continue
            if applies and isinstance(url, str):
                return url
        return ""


def project_settings(system: System, folder: Path) -> ProjectSettings:
    """The settings of the project in `folder`; all empty where there is none."""
    path = folder / "pyproject.toml"
    text = system.read_text(path)
    if text is None:
        return _requirements(system, folder)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return ProjectSettings(file=str(path), damaged=str(error))
    project = content.get("project")
    tool = content.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    if not isinstance(project, dict):
        project = {}
    dependencies = project.get("dependencies")
    requires_python = project.get("requires-python")
    groups = content.get("dependency-groups")
    return ProjectSettings(
        file=str(path),
        requires_python=requires_python if isinstance(requires_python, str) else "",
        dependencies=_texts(dependencies),
        groups=tuple(groups) if isinstance(groups, dict) else (),
        uv=uv if isinstance(uv, dict) else {},
    )


def _requirements(system: System, folder: Path) -> ProjectSettings:
    path = folder / "requirements.txt"
    text = system.read_text(path)
    if text is None:
        return ProjectSettings()
    found = [match.group(1) for line in text.splitlines() if (match := _REQUIREMENT_LINE.match(line))]
    return ProjectSettings(file=str(path), dependencies=tuple(found))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
