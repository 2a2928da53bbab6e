"""A person's own conversations, read with the generated project's own reader before anything is written."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from scaffolder import table_errors
from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.template_source import templates_folder

#: Files that no table has, so they are taken for conversations.
ENDINGS: Final = (".jsonl", ".ndjson", ".json")
#: Headers of tables that hold conversations: one of these is in them.
COLUMNS: Final = (
    {"messages"},
    {"conversations"},
    {"instruction", "output"},
    {"指令", "输出"},
    {"prompt", "completion"},
    {"prompt", "chosen", "rejected"},
)
#: Records that are read; more are not needed to say what a file holds.
MOST_RECORDS = 20_000

_PACKAGE = "newmodel_conversations"
#: Where the modules are that the reader is made of; those of PyTorch's projects, which import no framework.
_FOLDERS = ("{{ llm }}", "{{ package }}", "{{ pytorch_llm }}", "{{ pytorch }}")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a file of conversations holds.

    Attributes:
        format: As the project's `chats.format` has it; empty where it could not be looked into.
        count: Conversations that can be learned from, None where unknown.
        complete: Whether the whole file was read.
        mistakes: Records that cannot be used.
        first_mistake: What is wrong with the first of them, with its line.
    """

    format: str = ""
    count: int | None = None
    complete: bool = True
    mistakes: int = 0
    first_mistake: str = ""


def look_at(path: Path) -> Seen:
    """What the file holds.

    Raises:
        NewmodelError: If it cannot be read or holds no conversation, in one sentence.
    """
    reader = conversations()
    reading: Any = reader.Reading()
    count = 0
    try:
        for _conversation in reader.iterate_conversations(path, reader.ChatDataConfig(), reading):
            count += 1
            if reading.records >= MOST_RECORDS:
                break
        if not count:
            if reading.mistakes:
                raise NewmodelError(_none_usable(path, reading))
            raise NewmodelError(_("{path} holds no conversation with an answer of the assistant.").format(path=path))
    except reader.UserError as error:
        raise NewmodelError(_said(str(error), path)) from None
    except ImportError:  # Parquet is read with pyarrow, which newmodel does without
        return Seen()
    first = ""
    if reading.mistakes:
        line, reason = reading.mistakes[0]
        first = _("line {line} {reason}").format(line=line, reason=_translated(reason))
    return Seen(
        format=reading.form,
        count=count,
        complete=reading.records < MOST_RECORDS,
        mistakes=len(reading.mistakes),
        first_mistake=first,
    )


def _translated(said: str) -> str:
    return table_errors.translated(said, *table_errors.CONVERSATIONS)


def _said(text: str, path: Path) -> str:
    """A sentence of the reader, which may be the file's name and a reason."""
    reason = text.removeprefix(f"{path}: ").removesuffix(".")
    line = re.fullmatch(r"line (\d+) (.*)", reason)
    if line:
        first = _("line {line} {reason}").format(line=line[1], reason=_translated(line[2]))
        return _("{path}: {reason}.").format(path=path, reason=first)
    if _translated(text) == text and _translated(reason) != reason:
        return _("{path}: {reason}.").format(path=path, reason=_translated(reason))
    return _translated(text)


def _none_usable(path: Path, reading: Any) -> str:
    line, reason = reading.mistakes[0]
    first = _("line {line} {reason}").format(line=line, reason=_translated(reason))
    return _("{path}: none of its {count} records can be used: {mistake}.").format(
        path=path, count=f"{reading.records:,}", mistake=first
    )


@lru_cache(maxsize=1)
def conversations() -> ModuleType:
    """The generated project's own reader: what it accepts here, the project accepts later."""
    package = ModuleType(_PACKAGE)
    package.__path__ = [str(templates_folder() / "project" / folder) for folder in _FOLDERS]
    sys.modules[_PACKAGE] = package
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ among the templates
    try:
        return importlib.import_module(f"{_PACKAGE}.conversations")
    finally:
        sys.dont_write_bytecode = writes
