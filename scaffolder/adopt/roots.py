"""Where Python begins to look: the folders of sources and of tests."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from scaffolder.adopt import ini
from scaffolder.adopt.package_settings import Part
from scaffolder.adopt.scan import Tree, below, joined, parent

_TEST_FOLDERS = ("tests", "test", "testing")


def source_roots(tree: Tree, parts: Sequence[Part], tests: Sequence[str]) -> list[str]:
    """The folders from which modules are imported, `""` for the project's own; each part's in its order."""
    found: list[str] = []
    for part in parts:
        declared = [folder for folder in _declared(part) if _is_root(tree, folder)]
        found += declared or _by_layout(tree, part, tests)
    # manage.py makes its own folder the one to import from
    found += [parent(path) for path in django_programs(tree)]
    return list(dict.fromkeys(found))


def test_roots(tree: Tree, parts: Sequence[Part]) -> list[str]:
    """The folders of tests: those that pytest is told, or those that are called so."""
    found: list[str] = []
    for part in parts:
        told = [joined(part.folder, path) for path in _testpaths(tree, part)]
        told = [path for path in told if path and path in tree.folders and path != joined(part.folder, "src")]
        usual = [joined(part.folder, name) for name in _TEST_FOLDERS]
        found += told or [path for path in usual if path in tree.folders and any(tree.inside(path, ".py"))]
    found = list(dict.fromkeys(found))
    return [path for path in found if not any(path != other and below(path, other) for other in found)]


def hides_the_standard_library(tree: Tree, folder: str) -> str:
    """A module in a folder of tests that Python would import instead of its own; empty if there is none."""
    for path in tree.inside(folder, ".py"):
        rest = path[len(folder) + 1 :].split("/")
        name = rest[0].removesuffix(".py") if len(rest) == 1 else rest[0] if rest[1:] == ["__init__.py"] else ""
        if name in sys.stdlib_module_names:
            return name
    return ""


def django_programs(tree: Tree) -> list[str]:
    """Every `manage.py` of Django, the nearest first."""
    found = [
        path
        for path in tree.files
        if path.rpartition("/")[2] == "manage.py"
        and path.count("/") <= 2
        and "DJANGO_SETTINGS_MODULE" in tree.text(path)
    ]
    return sorted(found, key=lambda path: (path.count("/"), path))


def module_name(path: str, roots: Sequence[str]) -> str:
    """The dotted name under which a file is imported; empty if it cannot be.

    Args:
        roots: Source roots; the project's own folder always counts, because PyCharm adds it.
    """
    for root in sorted({*roots, ""}, key=len, reverse=True):
        if below(path, root):
            rest = path[len(root) + 1 :] if root else path
            parts = rest.removesuffix(".py").split("/")
            if all(part.isidentifier() for part in parts):
                return ".".join(parts)
    return ""


def module_file(name: str, tree: Tree, roots: Sequence[str]) -> str:
    """The file of a dotted name; empty if the project has none."""
    for root in [*roots, ""]:
        path = joined(root, name.replace(".", "/"))
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in tree.files:
                return candidate
    return ""


def _is_root(tree: Tree, folder: str) -> bool:
    return folder == "" or (folder != ".." and folder in tree.folders)


def _declared(part: Part) -> Iterator[str]:
    """What the settings of the tools that build packages say."""
    for path in _declared_paths(part):
        if isinstance(path, str):
            yield joined(part.folder, path)


def _declared_paths(part: Part) -> Iterator[Any]:
    # setuptools
    find = part.table("tool", "setuptools", "packages", "find").get("where")
    yield from find if isinstance(find, list) else []
    yield part.table("tool", "setuptools", "package-dir").get("")
    yield part.cfg.get("options.packages.find", {}).get("where")
    for line in part.cfg.get("options", {}).get("package_dir", "").splitlines():
        name, _equals, path = line.partition("=")
        if path and not name.strip():
            yield path.strip()
    folders = part.setup.get("package_dir")
    yield folders.get("") if isinstance(folders, dict) else None
    yield part.setup.get("find_packages")
    # poetry
    packages = part.table("tool", "poetry").get("packages")
    for package in packages if isinstance(packages, list) else []:
        yield package.get("from", ".") if isinstance(package, dict) else None
    # hatch
    for target in (("targets", "wheel"), ()):
        hatch = part.table("tool", "hatch", "build", *target)
        packages = hatch.get("packages")
        listed = packages if isinstance(packages, list) else []
        yield from (parent(path) or "." for path in listed if isinstance(path, str))
        sources = hatch.get("sources")
        yield from sources if isinstance(sources, list) else ()
    # pdm, maturin, uv
    yield part.table("tool", "pdm", "build").get("package-dir")
    yield part.table("tool", "maturin").get("python-source")
    yield part.table("tool", "uv", "build-backend").get("module-root")


def _by_layout(tree: Tree, part: Part, tests: Sequence[str]) -> list[str]:
    src = joined(part.folder, "src")
    if any(tree.inside(src, ".py")) and src in tree.folders:
        is_package = f"{src}/__init__.py" in tree.files
        if not is_package and not _imported_as_src(tree, part.folder):
            return [src]
        return [part.folder]
    modules = tree.directly_in(part.folder, ".py")
    packages = [
        path
        for path in tree.inside(part.folder, "/__init__.py")
        if parent(parent(path)) == part.folder and not any(below(path, test) for test in tests)
    ]
    has_code = part.folder == "" and any(tree.inside("", ".py"))
    return [part.folder] if modules or packages or has_code else []


def _imported_as_src(tree: Tree, folder: str) -> bool:
    says = re.compile(r"^\s*(from|import)\s+src[.\s]", re.MULTILINE)
    return any(says.search(tree.text(path)) for path in tree.inside(folder, ".py"))


def _testpaths(tree: Tree, part: Part) -> list[str]:
    told = part.table("tool", "pytest", "ini_options").get("testpaths")
    told = told if told is not None else part.table("tool", "pytest").get("testpaths")
    if isinstance(told, str):
        return told.split()
    if isinstance(told, list):
        return [path for path in told if isinstance(path, str)]
    for name, section in (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        paths = ini.read(tree.text(joined(part.folder, name))).get(section, {}).get("testpaths", "")
        if paths.strip():
            return paths.split()
    return []
