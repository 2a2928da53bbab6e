"""The folder that a new project goes to, as a person names it."""

from __future__ import annotations

import os
from pathlib import Path

from scaffolder.answers import shown, typed_path
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.names import check_folder_name
from scaffolder.staging import check_target, clear_stale, staging_parent


def check_here() -> None:
    """
    Raises:
        NewmodelError: If the folder that the person is in has been removed.
    """
    try:
        Path.cwd()
    except FileNotFoundError:
        raise NewmodelError(_("The folder that you are in is gone; go to another one and try again.")) from None


def absolute(text: str) -> Path:
    """A folder that a person typed. `..` is resolved by name, so that the folder need not be there.

    Raises:
        NewmodelError: If it can be no folder's path.
    """
    text = typed_path(text)
    if not text:
        raise NewmodelError(_("The path of the folder is empty."))
    try:
        text.encode("utf-8")  # what the command line could not decode
        if any(ord(character) < 32 for character in text):
            raise ValueError
        return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links
    except (OSError, RuntimeError, ValueError):
        raise unfit(text) from None


def unfit(text: str) -> NewmodelError:
    """What to say about a path with a character that is none for a project's folder."""
    return NewmodelError(
        _("“{path}” contains a character that a project's folder cannot have.").format(path=shown(text))
    )


def check_folder(folder: Path) -> None:
    """
    Raises:
        NewmodelError: If no project can be put there.
    """
    try:
        clear_stale(staging_parent(folder))
        if not folder.exists():
            check_folder_name(folder.name)
    except OSError as error:
        raise os_error(error, folder) from error
    check_target(folder)
