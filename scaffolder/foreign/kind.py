"""What kind of template a folder holds, and which one where it holds several."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaffolder.answers import nearest, shown
from scaffolder.errors import NewmodelError
from scaffolder.foreign.fetch import below
from scaffolder.messages import _

COOKIECUTTER = "cookiecutter"
COPIER = "copier"

#: How deep in a repository templates are looked for: `src/package/template` in a wheel is three.
_SEARCH_DEPTH = 3
_MAX_NESTED = 5
_MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Found:
    """A template in a fetched folder.

    Attributes:
        folder: Where its configuration is.
        kind: `COOKIECUTTER` or `COPIER`.
        directory: The folder below the repository's root, with slashes; empty for the root.
        notes: What the person should know, one sentence each.
    """

    folder: Path
    kind: str
    directory: str
    notes: tuple[str, ...] = ()


class SeveralError(NewmodelError):
    """There are several templates, and nobody said which.

    Attributes:
        names: What to give to `--directory`, each with its title.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        super().__init__(
            _("There are several templates here; choose one with --directory: {names}.").format(
                names=", ".join(names),
            )
        )


def find(root: Path, directory: str | None) -> Found:
    """The template in `root`, the root of what was fetched.

    Args:
        directory: Its folder, or the name that its repository gives it.

    Raises:
        SeveralError: If there are several and `directory` names none.
        NewmodelError: If there is none.
    """
    folder = root
    if directory:
        named = _nested(root).get(directory)
        folder = below(root, named if named is not None else directory)
    for _level in range(_MAX_NESTED):
        kinds = kinds_in(folder)
        if not kinds:
            return _only_one_below(root, folder)
        if COPIER in kinds:
            notes = (
                (_("It is a template for both cookiecutter and copier; copier's is used, as it can be updated."),)
                if len(kinds) > 1
                else ()
            )
            return Found(folder=folder, kind=COPIER, directory=_relative(root, folder), notes=notes)
        nested = _nested(folder)
        if not nested:
            return Found(folder=folder, kind=COOKIECUTTER, directory=_relative(root, folder))
        if len(nested) > 1:
            prefix = _relative(root, folder)
            titles = _titles(folder)
            raise SeveralError(
                {
                    (name if not prefix else os.path.normpath(f"{prefix}/{path}")): titles.get(name, name)
                    for name, path in nested.items()
                }
            )
        folder = below(root, os.path.normpath(f"{_relative(root, folder) or '.'}/{next(iter(nested.values()))}"))
    raise NewmodelError(_("The template's parts name one another in a circle."))


def kinds_in(folder: Path) -> Sequence[str]:
    """The kinds of template whose configuration is right in `folder`."""
    found = [COOKIECUTTER] if (folder / "cookiecutter.json").is_file() else []
    if any((folder / name).is_file() for name in ("copier.yml", "copier.yaml")):
        found.append(COPIER)
    return found


def read_json(folder: Path) -> dict[str, Any]:
    """What `cookiecutter.json` says.

    Raises:
        NewmodelError: If it says nothing that can be understood.
    """
    path = folder / "cookiecutter.json"
    try:
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            raise ValueError(_("it is too large"))
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(_("it is no object"))
    except (OSError, ValueError, RecursionError) as error:
        raise NewmodelError(
            _("The template's cookiecutter.json cannot be read: {reason}.").format(reason=shown(str(error), 120))
        ) from None
    return content


def _nested(folder: Path) -> dict[str, str]:
    """The folders of the templates that a `cookiecutter.json` offers, by name."""
    if not (folder / "cookiecutter.json").is_file():
        return {}
    content = read_json(folder)
    templates = content.get("templates")
    if isinstance(templates, dict):
        return {
            str(name): str(details["path"])
            for name, details in templates.items()
            if isinstance(details, dict) and "path" in details
        }
    old = content.get("template")
    if isinstance(old, list):
        # cookiecutter's older way: "A title (folder)"
        matches = [re.search(r"\(([^()]+)\)\s*$", str(line)) for line in old]
        return {match[1]: match[1] for match in matches if match}
    return {}


def _titles(folder: Path) -> dict[str, str]:
    templates = read_json(folder).get("templates")
    if not isinstance(templates, dict):
        return {}
    return {
        str(name): shown(str(details.get("title", name)), 80)
        for name, details in templates.items()
        if isinstance(details, dict)
    }


def _only_one_below(root: Path, folder: Path) -> Found:
    found = sorted(_below(folder, _SEARCH_DEPTH), key=lambda path: (len(path.parts), path))
    # a template's own tests may hold small templates; they are below it
    found = [path for path in found if not any(other in path.parents for other in found)]
    if len(found) == 1:
        inner = find(root, _relative(root, found[0]))
        note = _("The template is in the folder {folder}.").format(folder=shown(inner.directory))
        return Found(folder=inner.folder, kind=inner.kind, directory=inner.directory, notes=(note, *inner.notes))
    if found:
        names = {_relative(root, path): _relative(root, path) for path in found}
        raise SeveralError(names)
    if (folder / "ccds.json").is_file():
        raise NewmodelError(
            _("This template needs the program “ccds”, which is no cookiecutter any more; take its version 1: --to v1")
        )
    entries = sorted(entry.name for entry in folder.iterdir())[:6]
    raise NewmodelError(
        _("This is no template: there is neither a cookiecutter.json nor a copier.yml{near}").format(
            near=nearest("", entries) if entries else "."
        )
    )


def _below(folder: Path, depth: int) -> list[Path]:
    if kinds_in(folder):
        return [folder]
    if depth == 0:
        return []
    return [
        path
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.is_symlink() and entry.name not in (".github", "tests", "docs")
        for path in _below(entry, depth - 1)
    ]


def _relative(root: Path, folder: Path) -> str:
    relative = folder.resolve().relative_to(root.resolve()).as_posix()
    return "" if relative == "." else relative
