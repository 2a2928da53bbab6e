"""Write files so that they are on the disk, and put them in place by a rename."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path


def move(staged: Path, target: Path, temporary: Path) -> None:
    """Put a staged file in place by a rename; on another disk by way of a temporary file beside the target."""
    try:
        staged.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(staged, temporary)
        sync(temporary)
        temporary.replace(target)


def remove_empty(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Make sure that a file's content, or a folder's names, are on the disk."""
    if sys.platform == "win32" or not path.exists():  # Windows keeps folders by itself, and opens none
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
