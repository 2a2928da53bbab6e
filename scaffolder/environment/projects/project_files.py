"""A project's files: do they compile, is the data there that the configurations name, does one hide a package?"""

from __future__ import annotations

import ast
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from scaffolder.environment.facts import Command, Finding
from scaffolder.environment.frameworks.inventory import Inventory
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Folders whose files are not the person's own.
SKIPPED = (
    ".git",
    ".idea",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "data",
    "dist",
    "env",
    "node_modules",
    "runs",
    "site-packages",
    "venv",
)

_FILES = 400
_BYTES = 1_000_000
_SECONDS = 2.0

#: Keys of `data:` whose values are paths to what must be there: file, train_file, image_dir; not cache_dir.
_PATH_KEY = re.compile(
    r"(?!.*(?:cache|output|out_|save|log|tmp|temp))(?:.*_)?(?:files?|folders?|paths?|dir|directory|root)$"
)

#: Modules of Python itself that a file of the project may well be named after without harm.
_HARMLESS = {"test", "tests", "main", "this", "antigravity", "__main__", "setup", "conftest", "idlelib"}

#: Packages whose module has another name.
_MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "pyyaml": "yaml", "opencv-python": "cv2", "pytorch": "torch"}

#: Hiding one of these stops every training.
_VITAL = {"torch", "tensorflow", "keras", "numpy", "transformers", "accelerate", "datasets"}


# --- Python files -----------------------------------------------------------------------------------------------------


def check_sources(system: System, folder: Path, inventory: Inventory | None) -> tuple[int, list[Finding]]:
    """Compile the project's own files, by the rules of its Python; how many, and those that fail."""
    feature = _feature_version(inventory)
    files = [
        (name, size) for name, size in system.tree(folder, skip=SKIPPED) if name.endswith(".py") and size <= _BYTES
    ]
    findings: list[Finding] = []
    end = time.monotonic() + _SECONDS
    count = 0
    for name, _size in files[:_FILES]:
        if time.monotonic() > end:
            break
        text = system.read_text(folder / name)
        if text is None:
            continue
        count += 1
        error = compile_error(text, name, feature)
        if error is not None and not _newer_syntax(inventory):
            findings.append(_broken(name, error))
    return count, findings[:10]


def _feature_version(inventory: Inventory | None) -> tuple[int, int]:
    found = re.match(r"3\.(\d+)", inventory.markers.get("python_version", "") if inventory is not None else "")
    own = sys.version_info[:2]
    return min((3, int(found.group(1))), own) if found else own


def _newer_syntax(inventory: Inventory | None) -> bool:
    """Whether the project's Python may know what this one does not: then nothing can be said."""
    found = re.match(r"3\.(\d+)", inventory.markers.get("python_version", "") if inventory is not None else "")
    return found is not None and (3, int(found.group(1))) > sys.version_info[:2]


def compile_error(text: str, name: str, feature: tuple[int, int]) -> SyntaxError | None:
    """Why a source does not compile; None where it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(ast.parse(text, name, feature_version=feature), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; nested too deeply
        return SyntaxError(str(error))
    return None


def _broken(name: str, error: SyntaxError) -> Finding:
    place = f"{name}:{error.lineno}" if error.lineno else name
    return Finding(
        code="NM613",
        severity="blocks",
        what=_("{place} does not compile: {reason}.").format(place=place, reason=str(error.msg).rstrip(".")),
        meaning=_("Programs that use this file stop before they begin."),
        advice=_("Open the file at that line; the mistake is there or just before."),
    )


# --- configurations and data ------------------------------------------------------------------------------------------


def check_configurations(system: System, folder: Path) -> Iterator[Finding]:
    """Each configuration is YAML, and what its `data:` names is there."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    seen: set[str] = set()
    for pattern in ("configs/*.yaml", "configs/*.yml", "conf/*.yaml", "config/*.yaml"):
        for path in system.glob(str(folder / pattern)):
            text = system.read_text(path) or ""
            if len(text) > _BYTES:
                continue
            name = _relative(path, folder)
            try:
                content = yaml.load(text, loader)  # noqa: S506 - a safe loader
            except (yaml.YAMLError, ValueError, RecursionError) as error:
                yield _not_yaml(name, error)
                continue
            data = content.get("data") if isinstance(content, dict) else None
            for key, value in _paths(data) if isinstance(data, dict) else ():
                if value not in seen:
                    seen.add(value)
                    yield from _data(system, folder, f"data.{key}", value, name)


def _relative(path: str, folder: Path) -> str:
    return path.removeprefix(str(folder)).lstrip("/\\").replace("\\", "/")


def _not_yaml(name: str, error: Exception) -> Finding:
    mark = getattr(error, "problem_mark", None)
    place = f"{name}:{mark.line + 1}" if mark is not None else name
    reason = str(getattr(error, "problem", None) or error).splitlines()[0:1]
    return Finding(
        code="NM613",
        severity="blocks",
        what=_("{place} is not valid YAML: {reason}.").format(place=place, reason="".join(reason).rstrip(".")),
        meaning=_("Programs that use this file stop before they begin."),
        advice=_("Often a missing space after a colon, a tab, or an indentation that does not line up."),
    )


def _paths(data: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if not isinstance(key, str) or not _PATH_KEY.match(key):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one.strip() and "://" not in one and not re.search(r"[*?\[{$]", one):
                yield key, one.strip()


def _data(system: System, folder: Path, key: str, value: str, name: str) -> Iterator[Finding]:
    absolute = PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()
    place: str | Path = value if absolute else folder / value
    if not system.exists(place):
        yield Finding(
            code="NM612",
            severity="blocks",
            what=_("The data is missing: {key} in {file} names {path}, which is not there.").format(
                key=key, file=name, path=value
            ),
            meaning=_("Training stops before its first step."),
            advice=_("Put the data there, or name another place in that file; a relative path begins at the project."),
        )
        return
    size = system.file_size(place)
    text = system.read_text(place) if size is not None and 0 < size < 300 else None
    if text is not None and text.startswith("version https://git-lfs"):
        yield Finding(
            code="NM612",
            severity="blocks",
            what=_("{path} is only a reference to data that git LFS keeps elsewhere.").format(path=value),
            meaning=_("Training would read the reference instead of the data."),
            commands=(Command(line="git lfs pull"),),
        )
    elif size == 0 and re.search(r"\.\w{2,8}$", value) and not system.tree(place, limit=1):
        yield Finding(
            code="NM612",
            severity="blocks",
            what=_("{path}, which {key} in {file} names, is empty.").format(path=value, key=key, file=name),
            meaning=_("There is nothing to train with."),
        )


# --- names ------------------------------------------------------------------------------------------------------------


def check_shadows(system: System, folder: Path, inventory: Inventory | None) -> Iterator[Finding]:
    """A file at the project's root is imported before Python's own module, or a package, of the same name."""
    installed = (
        {_MODULES.get(one.name, one.name.replace("-", "_")) for one in inventory.packages} if inventory else set()
    )
    names = {Path(path).stem for path in system.glob(str(folder / "*.py"))}
    for name in sorted(names - _HARMLESS):
        standard = name in sys.stdlib_module_names
        if not standard and name not in installed | _VITAL:
            continue
        yield Finding(
            code="NM620",
            severity="blocks" if name in _VITAL else "slows",
            what=_("The project's file {file} hides the module {name}.").format(file=f"{name}.py", name=name),
            meaning=_("Whatever imports {name} gets this file instead, and fails with a message that misleads.").format(
                name=name
            ),
            advice=_("Give the file another name."),
        )
