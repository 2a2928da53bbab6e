"""Converts conversations from any known format to another; what cannot be used is named and left out."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from .chat_formats import write, write_labelled
from .check_config import ConvertDataConfig
from .commands import command, settings
from .config import ChatDataConfig, FinetuneConfig
from .console import say
from .conversations import Conversation, Reading, iterate_conversations, iterate_preferences
from .data_files import BadLine, place_name
from .errors import UserError
from .record_writers import OUTPUTS, write_records
from .runs import new_run
from .tool_calls import called


def convert_data(config: ConvertDataConfig) -> Path:
    """Write the conversations of a file in another format; returns the file written.

    Raises:
        UserError: the input cannot be read or holds nothing usable, or the output exists already.
    """
    if not config.input:
        config = replace(config, input=settings(FinetuneConfig, "finetune", []).chats.file)
    if config.output:
        check_output(config)
    reading = Reading()
    chats = ChatDataConfig(file=config.input, format=config.format, system=config.system)
    records = (
        (
            write_labelled(pair.prompt, text, good)
            for pair in iterate_preferences(config.input, chats, reading)
            for text, good in pair.answers
        )
        if config.to == "unpaired_preference"
        else convert_each(iterate_conversations(config.input, chats, reading), config, reading)
    )
    first = next(records, None)
    if first is None:
        raise UserError(f"{reading.describe_mistakes(config.input)}; nothing was written.")
    output = (
        Path(config.output)
        if config.output
        else new_run("convert_data", config).path(f"{Path(config.input).stem}.jsonl")
    )
    written = write_records(chain([first], records), output)
    say(f"{config.input}: {reading.form} ({reading.reason}).")
    for note, times in reading.notes.items():
        say(f"{times:,} {note}.")
    if reading.form == "preference" and config.to != "unpaired_preference":
        say("The rejected answers were left out.")
    for line, reason in reading.mistakes[:5]:
        say(f"Left out: {place_name(config.input)} {line} {reason}.")
    if reading.wrong > 5:
        say(f"… and {reading.wrong - 5:,} more.")
    if config.to == "unpaired_preference":
        say(f"{written:,} answers of {reading.records:,} records, as {config.to}: {output}")
        say(f"To learn from it (PyTorch): python align.py --loss kto --pairs.file {output}")
    else:
        say(f"{written:,} of {reading.records:,} records, as {config.to}: {output}")
        say(f"To learn from it: python finetune.py --chats.file {output}")
    return output


def check_output(config: ConvertDataConfig) -> None:
    """Refuse an output that would destroy something. Raises UserError."""
    path = Path(config.output)
    if path.suffix.lower() not in OUTPUTS:
        raise UserError(f"output: {path} must end in {', '.join(OUTPUTS)}.")
    if path.exists() and Path(config.input).exists() and path.samefile(config.input):
        raise UserError(f"output: {path} is the input: give another name.")
    if path.exists() and not config.overwrite:
        raise UserError(f"output: {path} exists already: add --overwrite true, or give another name.")


def convert_each(
    conversations: Iterable[Conversation], config: ConvertDataConfig, reading: Reading
) -> Iterator[dict[str, Any]]:
    """The records in the new format; conversations that it cannot hold are noted as mistakes."""
    columns = Path(config.output).suffix.lower() in (".csv", ".tsv", ".parquet")
    for conversation in conversations:
        try:
            if columns and (conversation.tools or any(called(conversation.messages))):
                raise BadLine("has tools, for which the output has no columns: write .jsonl or .json")
            yield write(conversation.messages, config.to, conversation.tools)
        except BadLine as mistake:
            reading.note_mistake(conversation.line, str(mistake))


convert_data_command = command(convert_data, ConvertDataConfig, "convert_data")
