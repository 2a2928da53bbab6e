"""A person's own table or conversations: looked at before anything is written, then put into the project."""

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

from scaffolder import own_chats, table_errors
from scaffolder.answers import nearest, shown, typed_path
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _, ngettext
from scaffolder.template_source import templates_folder

#: Larger tables stay where they are: a project that is copied, indexed and put under git should be small.
MAX_COPY_BYTES = 100 * 1024**2


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A file that a project can be made for.

    Attributes:
        path: Where it is now.
        size: Bytes.
    """

    path: Path
    size: int = 0

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


@dataclass(frozen=True, kw_only=True)
class OwnTable(OwnFile):
    """A table.

    Attributes:
        columns: Names of its columns, in order; empty where it could not be looked into (Parquet without pyarrow).
        suggested_target: The column that is probably to be predicted, empty where unknown.
        problem: `classification` or `regression`, as it follows from the target; empty where unknown.
        rows: Number of rows that were looked at, None where unknown.
        complete: Whether these were all.
    """

    columns: tuple[str, ...] = ()
    suggested_target: str = ""
    problem: str = ""
    rows: int | None = None
    complete: bool = True

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


@dataclass(frozen=True, kw_only=True)
class OwnChats(OwnFile):
    """Conversations.

    Attributes:
        format: As the project's `chats.format` has it; empty where it could not be looked into.
        count: Conversations that were looked at, None where unknown.
        complete: Whether these were all.
        mistakes: Records that cannot be used, and what is wrong with the first one.
    """

    format: str = ""
    count: int | None = None
    complete: bool = True
    mistakes: int = 0
    first_mistake: str = ""

    @property
    def summary(self) -> str:
        """One line for the preview."""
        if self.count is None:
            return _("{file} (not looked into: that needs pyarrow)").format(file=self.path.name)
        text = ngettext("{count} conversation", "{count} conversations", self.count).format(count=f"{self.count:,}")
        if not self.complete:
            text = _("{rows} looked at, more follow").format(rows=text)
        text = _("{file}: {conversations} ({format})").format(
            file=self.path.name, conversations=text, format=_FORMATS().get(self.format, self.format)
        )
        if self.mistakes:
            more = ngettext("{count} record cannot be used", "{count} records cannot be used", self.mistakes)
            text = _("{conversations}; {unusable}: {mistake}").format(
                conversations=text, unusable=more.format(count=f"{self.mistakes:,}"), mistake=self.first_mistake
            )
        return text


def task_of(text: str) -> str:
    """The task that a file is for: `llm` where it holds conversations by its name or its header, else `tabular`."""
    try:
        path = _absolute(text)
        if path.suffix.lower() in own_chats.ENDINGS:
            return "llm"
        if path.suffix.lower() not in (".csv", ".tsv") or not path.is_file():
            return "tabular"
        names = _header(path)
    except (NewmodelError, OSError):
        return "tabular"  # what is wrong with it is said when it is read
    return "llm" if any(wanted <= names for wanted in own_chats.COLUMNS) else "tabular"


def _header(path: Path) -> set[str]:
    """The names in a table's first line, in lower case."""
    with path.open("rb") as file:
        header = file.readline(10_000).decode("utf-8-sig", errors="replace")
    return {name.strip().strip('"').lower() for name in re.split(r"[,;\t|]", header)}


def _may_be_conversations(path: Path) -> bool:
    """Whether a file that is refused as a table has a name or a header that conversations can have."""
    if path.suffix.lower() in (".txt", ".md"):
        return True
    reader = own_chats.conversations()
    try:
        return bool(reader.detect_format([dict.fromkeys(_header(path), "")]))
    except (OSError, reader.UnknownFormat):
        return False


def look_at(text: str, task: str, target: str = "") -> OwnTable | OwnChats:
    """The table or the conversations at a path that a person typed.

    Args:
        task: `llm` for conversations; a table otherwise.
        target: The column to predict; the table's suggestion where empty.

    Raises:
        NewmodelError: If there is no such file, or it cannot be learned from, in one sentence.
    """
    path = _absolute(text)
    try:
        if path.is_dir():
            what = _("the conversations") if task == "llm" else _("the table")
            raise NewmodelError(_("{path} is a folder; give the file with {what}.").format(path=path, what=what))
        state = path.stat() if path.exists() else None
    except OSError as error:
        raise os_error(error, path) from error
    if task != "llm" and path.suffix.lower() in own_chats.ENDINGS:
        raise NewmodelError(
            _("{path} is no table (CSV, TSV or Parquet); for conversations say --set task=llm.").format(path=path)
        )
    size, changed = (state.st_size, state.st_mtime_ns) if state else (0, 0)
    if task == "llm":
        return _look_at_chats(path, (size, changed))
    return _look_at(path, target, (size, changed))


@lru_cache(maxsize=8)
def _look_at_chats(path: Path, state: tuple[int, int]) -> OwnChats:
    """Remembered as long as size and time of the file stay."""
    seen = own_chats.look_at(path)
    return OwnChats(
        path=path,
        size=state[0],
        format=seen.format,
        count=seen.count,
        complete=seen.complete,
        mistakes=seen.mistakes,
        first_mistake=seen.first_mistake,
    )


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
        hint = _(" If these are conversations, say --set task=llm.") if _may_be_conversations(path) else ""
        raise NewmodelError(table_errors.translated(str(error)) + hint) from None
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


def put_into(project: Path, table: OwnFile) -> None:
    """Copy the file into the project's `data/`, unless it is too large.

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
        path = Path(typed_path(text)).expanduser()
        return path if path.is_absolute() else Path.cwd() / path
    except (OSError, RuntimeError, ValueError):
        raise NewmodelError(_("{path} is no path of a file.").format(path=shown(text))) from None


def _FORMATS() -> dict[str, str]:  # noqa: N802
    return {
        "messages": _("messages as OpenAI has them"),
        "sharegpt": "ShareGPT",
        "alpaca": "Alpaca",
        "prompt_completion": _("prompt and completion"),
        "preference": _("preference pairs"),
        "unpaired_preference": _("answers labelled good or bad"),
        "text": _("plain text"),
    }
