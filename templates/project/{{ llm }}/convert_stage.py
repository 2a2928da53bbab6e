"""Converts conversations from any known format to another; what cannot be used is named and left out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from .chat_formats import write, write_labelled
from .check_config import ConvertDataConfig
from .commands import command, settings
from .config import ChatDataConfig, FinetuneConfig
from .console import say
from .conversations import (
    Conversation,
    Reading,
    iterate_all,
    iterate_conversations,
    iterate_preferences,
    together,
)
from .data_files import BadLine, find_files, place_name
from .errors import UserError
from .record_writers import OUTPUTS, write_records
from .runs import new_run
from .tool_calls import called


def convert_data(config: ConvertDataConfig) -> Path:
    """Write the conversations of the files in another format; returns the one file written.

    Raises:
        UserError: the input cannot be read or holds nothing usable, or the output exists already.
    """
    if not config.input:
        config = replace(config, input=settings(FinetuneConfig, "finetune", []).chats.file)
    if config.output:
        check_output(config)
    readings: dict[Path, Reading] = {}
    chats = ChatDataConfig(file=config.input, format=config.format, system=config.system)
    records = (
        (
            write_labelled(pair.prompt, text, good)
            for pair in iterate_all(config.input, chats, iterate_preferences, readings)
            for text, good in pair.answers
        )
        if config.to == "unpaired_preference"
        else convert_each(iterate_all(config.input, chats, iterate_conversations, readings), config, readings)
    )
    first = next(records, None)
    if first is None:
        path, reading = next(iter(readings.items()))
        raise UserError(f"{reading.describe_mistakes(path)}; nothing was written.")
    name = f"{next(iter(readings)).stem}.jsonl"
    output = Path(config.output) if config.output else new_run("convert_data", config).path(name)
    written = write_records(chain([first], records), output)
    for path, reading in readings.items():
        say_left_out(path, reading, config)
    reading = together(readings)
    if config.to == "unpaired_preference":
        say(f"{written:,} answers of {reading.records:,} records, as {config.to}: {output}")
        say(f"To learn from it (PyTorch): python align.py --loss kto --pairs.file {output}")
    else:
        say(f"{written:,} of {reading.records:,} records, as {config.to}: {output}")
        say(f"To learn from it: python finetune.py --chats.file {output}")
    return output


def say_left_out(path: Path, reading: Reading, config: ConvertDataConfig) -> None:
    """Say what was found in a file, and what of it was not written."""
    say(f"{path}: {reading.form} ({reading.reason}).")
    for note, times in reading.notes.items():
        say(f"{times:,} {note}.")
    if reading.form == "preference" and config.to != "unpaired_preference":
        say("The rejected answers were left out.")
    for line, reason in reading.mistakes[:5]:
        say(f"Left out: {place_name(path)} {line} {reason}.")
    if reading.wrong > 5:
        say(f"… and {reading.wrong - 5:,} more.")


def check_output(config: ConvertDataConfig) -> None:
    """Refuse an output that would destroy something. Raises UserError."""
    path = Path(config.output)
    if path.suffix.lower() not in OUTPUTS:
        raise UserError(f"output: {path} must end in {', '.join(OUTPUTS)}.")
    if path.exists() and any(file.exists() and path.samefile(file) for file in find_files(config.input)):
        raise UserError(f"output: {path} is the input: give another name.")
    if path.exists() and not config.overwrite:
        raise UserError(f"output: {path} exists already: add --overwrite true, or give another name.")


def convert_each(
    conversations: Iterable[Conversation], config: ConvertDataConfig, readings: Mapping[Path, Reading]
) -> Iterator[dict[str, Any]]:
    """The records in the new format; conversations that it cannot hold are noted as mistakes."""
    columns = Path(config.output).suffix.lower() in (".csv", ".tsv", ".parquet")
    for conversation in conversations:
        try:
            if columns and (conversation.tools or any(called(conversation.messages))):
                raise BadLine("has tools, for which the output has no columns: write .jsonl or .json")
            yield write(conversation.messages, config.to, conversation.tools)
        except BadLine as mistake:
            readings[conversation.file].note_mistake(conversation.line, str(mistake))


convert_data_command = command(convert_data, ConvertDataConfig, "convert_data")
