"""Folders that PyCharm need not index: environments, what tools and trainings leave behind, and large data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from scaffolder.adopt.scan import OUTPUTS, Tree, below

#: Excluded before they are there, so that PyCharm does not index them on the day they come.
_EXPECTED = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv")
#: Data from so many bytes or files on.
_LARGE_BYTES = 50 * 1024**2
_LARGE_FILES = 2_000


def excluded(tree: Tree, roots: Sequence[str], tests: Sequence[str]) -> list[str]:
    """The folders to exclude, sorted; none that holds a root or source code of the project."""
    kept = [root for root in (*roots, *tests) if root]
    wanted = {*_EXPECTED, *tree.environments, *tree.filled, *_ignored_outputs(tree), *_large(tree)}
    wanted = {folder for folder in wanted if folder and not any(below(root, folder) for root in kept)}
    return sorted(folder for folder in wanted if not any(folder != other and below(folder, other) for other in wanted))


def _ignored_outputs(tree: Tree) -> list[str]:
    """Folders of outputs that git is told to leave out, and that are not there yet."""
    lines = [line.strip().strip("/") for line in tree.text(".gitignore").splitlines()]
    named = [re.sub(r"/\*+$", "", line) for line in lines]
    return [name for name in named if name in OUTPUTS and name not in tree.folders]


def _large(tree: Tree) -> list[str]:
    """The topmost folders of much data and no source code."""
    size: Counter[str] = Counter()
    number: Counter[str] = Counter()
    source: set[str] = set()
    for path, bytes_ in tree.files.items():
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            folder = "/".join(parts[:end])
            size[folder] += bytes_
            number[folder] += 1
            if path.endswith((".py", ".pyi", ".ipynb", ".pyx")):
                source.add(folder)
    crowded = {folder for folder in tree.crowded if folder}
    large = {folder for folder in size if size[folder] >= _LARGE_BYTES or number[folder] >= _LARGE_FILES} | crowded
    # a folder that was too full to be read counts for those above it as well
    return [folder for folder in large if folder not in source]
