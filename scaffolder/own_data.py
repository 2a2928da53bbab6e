"""A person's own table: looked at before anything is written, then put into the project."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from scaffolder import table_errors
from scaffolder.answers import nearest, shown
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _, ngettext
from scaffolder.template_source import templates_folder

#: Larger tables stay where they are: a project that is copied, indexed and put under git should be small.
MAX_COPY_BYTES = 100 * 1024**2


@dataclass(frozen=True, kw_only=True)
class OwnTable:
    """A table that a project can be made for.

    Attributes:
        path: Where it is now.
        columns: Names of its columns, in order; empty where it could not be looked into (Parquet without pyarrow).
        suggested_target: The column that is probably to be predicted, empty where unknown.
        problem: `classification` or `regression`, as it follows from the target; empty where unknown.
        rows: Number of rows that were looked at, None where unknown.
        complete: Whether these were all.
        size: Bytes.
    """

    path: Path
    size: int = 0
    columns: tuple[str, ...] = ()
    suggested_target: str = ""
    problem: str = ""
    rows: int | None = None
    complete: bool = True

    @property
    def stays(self) -> bool:
        """Whether it is too large to be copied into the project."""
        return self.size > MAX_COPY_BYTES

    @property
    def answer(self) -> str:
        """What the answers record: the path inside the project, or the place where a large one stays."""
        # with / on Windows, too: a backslash would have to be escaped differently in each file that names it
        return self.path.as_posix() if self.stays else f"data/{self.name_in_project}"

    @property
    def name_in_project(self) -> str:
        """Its name below `data/`: characters that some operating system cannot hold in a name are replaced."""
        return re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", self.path.name).strip(" ")

    @property
    def summary(self) -> str:
        """One line for the preview."""
        if self.rows is None:
            return _("{file} (not looked into: that needs pyarrow)").format(file=self.path.name)
        rows = ngettext("{count} row", "{count} rows", self.rows).format(count=f"{self.rows:,}")
        columns = ngettext("{count} column", "{count} columns", len(self.columns)).format(count=len(self.columns))
        if not self.complete:
            rows = _("{rows} looked at, more follow").format(rows=rows)
        return f"{self.path.name}: {rows}, {columns}"


def look_at(text: str, target: str = "") -> OwnTable:
    """The table at a path that a person typed.

    Args:
        target: The column to predict; the table's suggestion where empty.

    Raises:
        NewmodelError: If there is no table, or it cannot be learned from, in one sentence.
    """
    path = _absolute(text)
    try:
        if path.is_dir():
            raise NewmodelError(_("{path} is a folder; give the file with the table.").format(path=path))
        state = path.stat() if path.exists() else None
    except OSError as error:
        raise os_error(error, path) from error
    return _look_at(path, target, (state.st_size, state.st_mtime_ns) if state else (0, 0))


@lru_cache(maxsize=8)
def _look_at(path: Path, target: str, state: tuple[int, int]) -> OwnTable:
    """Remembered as long as size and time of the file stay: the same table is asked about more than once."""
    reader = table_format()
    try:
        description: Any = reader.describe(path, target)
    except reader.ParquetReaderMissing:
        if not target:
            raise NewmodelError(
                _("A Parquet file's columns are not known here; name the one to predict: --target-column NAME.")
            ) from None
        return OwnTable(path=path, size=state[0], suggested_target=target)
    except reader.TableError as error:
        raise NewmodelError(table_errors.translated(str(error))) from None
    except OSError as error:
        raise NewmodelError(
            _("{path} cannot be read: {reason}.").format(path=shown(str(path), 200), reason=error.strerror)
        ) from error
    return OwnTable(
        path=path,
        size=state[0],
        columns=tuple(column.name for column in description.columns),
        suggested_target=description.suggested_target,
        problem=description.problem,
        rows=description.rows,
        complete=description.complete,
    )


def check_target(name: str, columns: Sequence[str]) -> None:
    """Refuse a target that is no column.

    Raises:
        NewmodelError: With the nearest names.
    """
    if columns and name not in columns:
        raise NewmodelError(
            _("The table has no column “{name}”{nearest}").format(name=shown(name), nearest=nearest(name, columns))
        )


def put_into(project: Path, table: OwnTable) -> None:
    """Copy the table into the project's `data/`, unless it is too large.

    Raises:
        NewmodelError: If it cannot be copied.
    """
    if table.stays:
        return
    target = project / "data" / table.name_in_project
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(table.path, target)
    except OSError as error:
        raise os_error(error, target) from error


@lru_cache(maxsize=1)
def table_format() -> ModuleType:
    """The generated project's own reader, loaded by its path: what it accepts here, the project accepts later."""
    path = templates_folder() / "project" / "{{ tabular }}" / "table_format.py"
    name = "newmodel_table_format"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # its dataclasses look their module up
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ among the templates
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
    return module


def _absolute(text: str) -> Path:
    try:
        path = Path(text.strip()).expanduser()
        return path if path.is_absolute() else Path.cwd() / path
    except (OSError, RuntimeError, ValueError):
        raise NewmodelError(_("{path} is no path of a file.").format(path=shown(text))) from None
