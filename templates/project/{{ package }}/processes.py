"""The processes of one training that several processes share (torchrun starts them).

All of them compute; only the first one prints and writes to `runs/`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

FIRST_PROCESS = os.environ.get("RANK", "0") == "0"


def scratch_folder() -> Path:
    """A folder for what a further process would write; it is gone when the process ends."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
