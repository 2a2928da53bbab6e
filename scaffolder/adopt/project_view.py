"""What every source of run configurations looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaffolder.adopt.package_settings import Part
from scaffolder.adopt.roots import module_name
from scaffolder.adopt.scan import Tree, below, joined


@dataclass(frozen=True, kw_only=True)
class View:
    """A project, read.

    Attributes:
        roots: Source roots, `""` for the project's own folder.
        tests: Roots of tests.
    """

    tree: Tree
    parts: Sequence[Part]
    roots: Sequence[str]
    tests: Sequence[str]

    def module_name(self, path: str) -> str:
        """The dotted name of a file; empty if it cannot be imported."""
        return module_name(path, self.roots)

    def in_tests(self, path: str) -> bool:
        return any(below(path, folder) for folder in self.tests)

    def part_folder(self, path: str) -> str:
        """The folder of the part that a file belongs to: where its programs expect to be run."""
        return max((part.folder for part in self.parts if below(path, part.folder)), key=len, default="")

    def first_of(self, part: Part, names: Sequence[str]) -> str:
        """The first of these files that is in the folder of `part`; empty if none is."""
        return next((path for name in names if (path := joined(part.folder, name)) in self.tree.files), "")

    def python_files(self) -> list[str]:
        """The Python files that are no tests, the nearest first."""
        found = [path for path in self.tree.inside("", ".py") if not self.in_tests(path)]
        return sorted(found, key=lambda path: (path.count("/"), path))
