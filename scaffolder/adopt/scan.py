"""What a folder holds: one walk, with limits, that enters nothing that is not the person's own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from scaffolder.adopt.code import Code, read_code

#: Folders that tools fill: never entered, and excluded in PyCharm, whatever is in them.
TOOLS = frozenset(
    {
        "node_modules",
        "bower_components",
        "__pypackages__",
        ".tox",
        ".nox",
        ".venvs",
        ".eggs",
        ".cache",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".pdm-build",
        ".pixi",
        "htmlcov",
    }
)
#: Folders that a build or a training fills: so too, unless they are a package.
OUTPUTS = frozenset(
    {
        "build",
        "dist",
        "site",
        "runs",
        "outputs",
        "multirun",
        "logs",
        "mlruns",
        "wandb",
        "lightning_logs",
        "checkpoints",
        "tb_logs",
    }
)

_MOST_FILES = 30_000
_MOST_IN_A_FOLDER = 3_000
_MOST_SECONDS = 8.0
_DEEPEST = 12
_LARGEST_TEXT = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A folder's content. Paths are relative, with `/`.

    Attributes:
        files: Bytes of each file.
        folders: Every folder that was seen, entered or not.
        environments: Virtual environments, found by their `pyvenv.cfg` (or conda's `conda-meta`).
        filled: Folders that tools, builds or trainings fill, which were not entered.
        crowded: Folders with more entries than were read.
        complete: False where a limit ended the walk.
    """

    folder: Path
    files: dict[str, int]
    folders: frozenset[str]
    environments: tuple[str, ...]
    filled: tuple[str, ...]
    crowded: tuple[str, ...]
    complete: bool
    _texts: dict[str, str] = field(default_factory=dict)
    _code: dict[str, Code] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A file's text; empty where there is none, or it is large or cannot be read."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def code(self, path: str) -> Code:
        """What a Python file says about itself."""
        if path not in self._code:
            self._code[path] = read_code(self.text(path))
        return self._code[path]

    def inside(self, folder: str, suffix: str = "") -> Iterator[str]:
        """The files below a folder (`""` is the whole), those with this ending."""
        beginning = f"{folder}/" if folder else ""
        return (path for path in self.files if path.startswith(beginning) and path.endswith(suffix))

    def directly_in(self, folder: str, suffix: str = "") -> list[str]:
        return [path for path in self.inside(folder, suffix) if parent(path) == folder]

    def _read(self, path: str) -> str:
        if not 0 < self.files.get(path, 0) <= _LARGEST_TEXT:
            return ""
        try:
            return (self.folder / path).read_bytes().decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
        except OSError:
            return ""


def scan(folder: Path) -> Tree:
    """Walk a folder once.

    Raises:
        OSError: If the folder itself cannot be read.
    """
    files: dict[str, int] = {}
    folders: set[str] = set()
    environments: list[str] = []
    filled: list[str] = []
    crowded: list[str] = []
    complete = True
    deadline = time.monotonic() + _MOST_SECONDS
    pending = [""]
    while pending:
        place = pending.pop(0)  # broad before deep: where a limit ends the walk, what matters has been seen
        if len(files) > _MOST_FILES or time.monotonic() > deadline:
            complete = False
            break
        try:
            with os.scandir(folder / place) as listing:
                entries = [entry for entry, _number in zip(listing, range(_MOST_IN_A_FOLDER + 1), strict=False)]
        except OSError:
            if not place:
                raise
            continue
        if len(entries) > _MOST_IN_A_FOLDER:
            crowded.append(place)
        for entry in sorted((one for one in entries if _is_text(one.name)), key=lambda one: one.name):
            path = f"{place}/{entry.name}" if place else entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                size = 0 if is_folder else entry.stat(follow_symlinks=False).st_size
                is_file = entry.is_file(follow_symlinks=False)
            except OSError:
                continue
            if not is_folder:
                if is_file:
                    files[path] = size
                continue
            folders.add(path)
            if _is_environment(folder / path):
                environments.append(path)
            elif _is_filled(folder / path):
                filled.append(path)
            elif _may_enter(entry.name) and path.count("/") < _DEEPEST:
                pending.append(path)
    return Tree(
        folder=folder,
        files=files,
        folders=frozenset(folders),
        environments=tuple(environments),
        filled=tuple(filled),
        crowded=tuple(crowded),
        complete=complete,
    )


def parent(path: str) -> str:
    """The folder of a path; empty for the project's own."""
    return path.rpartition("/")[0]


def below(path: str, folder: str) -> bool:
    """Whether a path is a folder or inside it; everything is inside `""`."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def joined(folder: str, path: str) -> str:
    """A path from the project's folder, tidy; empty for that folder itself, and None-like `..` where it leads out."""
    parts: list[str] = []
    for part in PurePosixPath(folder, path.replace("\\", "/")).parts:
        if part == "..":
            if not parts:
                return ".."
            parts.pop()
        elif part not in (".", "/"):
            parts.append(part)
    return "/".join(parts)


def _is_text(name: str) -> bool:
    """Whether a name can stand in PyCharm's files: no control characters, and bytes that are UTF-8."""
    return not any(ord(one) < 32 or 0xD800 <= ord(one) <= 0xDFFF or one in "\x7f\ufffe\uffff" for one in name)


def _is_environment(folder: Path) -> bool:
    return (folder / "pyvenv.cfg").is_file() or (folder / "conda-meta").is_dir()


def _is_filled(folder: Path) -> bool:
    if folder.name in TOOLS or folder.name.endswith((".egg-info", ".dist-info")):
        return True
    return folder.name in OUTPUTS and not (folder / "__init__.py").exists()


def _may_enter(name: str) -> bool:
    # a folder with braces is a template's: what it holds is no code yet
    return not name.startswith(".") and name not in ("__pycache__", "CVS") and "{{" not in name and "{%" not in name
