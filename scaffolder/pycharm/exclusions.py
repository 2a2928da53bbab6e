"""Folders of a project that PyCharm need not index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scaffolder.environment.ide.idea_health import to_exclude
from scaffolder.environment.ide.idea_module import IdeaModule, idea_module

if TYPE_CHECKING:
    from scaffolder.environment.system import System

#: Folders that tools fill, whatever their size is today.
_TOOLS = (
    ".venv",
    "runs",
    "node_modules",
    ".cache",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    "lightning_logs",
    "mlruns",
    "wandb",
)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Folders from the project's folder on, with `/`.

    Attributes:
        folders: To be excluded.
        kept: Large ones that hold source code: PyCharm must know them.
    """

    folders: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def candidates(project: Path, system: System) -> Candidates:
    """What is indexed and should not be."""
    module = idea_module(system, str(project))
    environments, heavy, files = to_exclude(system, str(project), module)
    tools = [name for name in _TOOLS if name not in module.excluded and system.exists(f"{project}/{name}")]
    # a whole tree of packages in one: the folder at the top is the one to exclude
    heavy_names = [_topmost(name) for name, _count, _size in heavy]
    wanted = list(dict.fromkeys([*environments, *tools, *heavy_names]))
    kept = [name for name in wanted if name not in (*environments, *_TOOLS) and _source(name, files, module)]
    folders = [name for name in wanted if name not in kept and not _inside(name, wanted)]
    return Candidates(folders=tuple(sorted(folders)), kept=tuple(kept))


def _topmost(name: str) -> str:
    parts = PurePosixPath(name).parts
    for number, part in enumerate(parts):
        if part in _TOOLS:
            return "/".join(parts[: number + 1])
    return name


def _source(name: str, files: list[tuple[str, int]], module: IdeaModule) -> bool:
    """Whether a folder is a root of sources, holds one, or holds a package."""
    if any(root == name or root.startswith(f"{name}/") for root in module.sources if root):
        return True
    return any(path.startswith(f"{name}/") and path.endswith("/__init__.py") for path, _size in files)


def _inside(name: str, others: list[str]) -> bool:
    return any(name.startswith(f"{other}/") for other in others)
