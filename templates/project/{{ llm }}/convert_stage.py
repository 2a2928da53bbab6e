"""Converts conversations from any known format to another; what cannot be used is named and left out."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from .chat_formats import write
from .check_config import ConvertDataConfig
from .commands import command
from .config import ChatDataConfig
from .console import say
from .conversations import Reading, iterate_conversations
from .data_files import BadLine, place_name
from .errors import UserError
from .runs import new_run

OUTPUTS = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
ROWS_AT_ONCE = 10_000


def convert_data(config: ConvertDataConfig) -> Path:
    """Write the conversations of a file in another format; returns the file written.

    Raises:
        UserError: the input cannot be read or holds nothing usable, or the output exists already.
    """
    if config.output:
        output = check_output(Path(config.output), config)
    reading = Reading()
    chats = ChatDataConfig(file=config.input, format=config.format, system=config.system)
    conversations = iterate_conversations(config.input, chats, reading)
    records = convert_each(conversations, config.to, reading)
    first = next(records, None)
    if first is None:
        reason = (
            reading.describe_mistakes(config.input)
            if reading.wrong
            else f"{config.input} holds no conversation with an answer of the assistant"
        )
        raise UserError(f"{reason}; nothing was written.")
    if not config.output:
        output = new_run("convert_data", config).path(f"{Path(config.input).stem}.jsonl")
    written = write_records(first, records, output)
    say(f"{config.input}: {reading.form} ({reading.reason}).")
    for note, times in reading.notes.items():
        say(f"{times:,} {note}.")
    if reading.form == "preference":
        say("The rejected answers were left out.")
    for line, reason in reading.mistakes[:5]:
        say(f"Left out: {place_name(config.input)} {line} {reason}.")
    if reading.wrong > 5:
        say(f"… and {reading.wrong - 5:,} more.")
    say(f"{written:,} of {reading.records:,} conversations, as {config.to}: {output}")
    return output


def check_output(path: Path, config: ConvertDataConfig) -> Path:
    """Refuse an output that would destroy something or cannot be written. Raises UserError."""
    if path.suffix.lower() not in OUTPUTS:
        raise UserError(f"output: {path} must end in {', '.join(OUTPUTS)}.")
    if path.exists() and Path(config.input).exists() and path.samefile(config.input):
        raise UserError(f"output: {path} is the input: give another name.")
    if path.exists() and not config.overwrite:
        raise UserError(f"output: {path} exists already: add --overwrite true, or give another name.")
    return path


def convert_each(conversations: Iterable[Any], form: str, reading: Reading) -> Iterator[dict[str, Any]]:
    """The records in the new format; conversations that it cannot hold are noted as mistakes."""
    for conversation in conversations:
        try:
            yield write(conversation.messages, form)
        except BadLine as mistake:
            reading.note_mistake(conversation.line, str(mistake))


def write_records(first: dict[str, Any], others: Iterator[dict[str, Any]], output: Path) -> int:
    """Write records in the format that the file's name ends in; returns how many.

    They go to a file beside it first: an interruption leaves no half of a file.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as file:
            return WRITERS[output.suffix.lower()](first, others, file)
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from None
