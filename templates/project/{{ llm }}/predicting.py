"""Predict: answer one prompt, piece by piece as it is written, or all prompts of a file into a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from .chat_formats import fields, format_of, parse
from .chat_template import Message
from .config import PredictConfig
from .console import console, say
from .data_files import BadLine, Unreadable, named_lines, place_name, read_records
from .errors import UserError
from .opened_model import OpenedModel, check_length, conversation, open_model
from .runs import new_run, write_atomically

AT_ONCE = 32  # prompts answered side by side
SHOWN = 100  # characters of an answer in the console
FIELDS = ("prompt", "text", "question")


def predict(config: PredictConfig) -> Path:
    """Answer the prompt or the file of prompts, and write a CSV file with the columns prompt and prediction.

    A model that has learned no chats continues each prompt as plain text. Raises UserError.
    """
    chats = [(0, conversation(config.prompt, config.system))] if config.prompt else read_prompts(config)
    opened = open_model(config.run)
    if not opened.chats:
        say(f"{opened.model.name} was not taught to chat: it continues each prompt as plain text.")
    for line, messages in chats:
        what = f"{config.input}: the prompt in {place_name(config.input)} {line}" if line else "The prompt"
        check_length(opened, messages, what)
    prompts = [messages[-1]["content"] for _, messages in chats]
    answers: list[str] = []
    output = output_file(config)
    try:
        if config.prompt:
            answers.append(show(opened.model.stream(opened.prompt(chats[0][1]), config.sampling)).strip())
        else:
            answer_all(opened, [messages for _, messages in chats], config, answers)
    finally:
        if answers:  # also those given before Ctrl-C
            write_answers(output, prompts, answers)
    say(f"{len(answers):,} of {len(prompts):,} prompts answered by {opened.model.name}: {output}")
    return output


def answer_all(
    opened: OpenedModel, chats: Sequence[Sequence[Message]], config: PredictConfig, answers: list[str]
) -> None:
    """Append an answer for each conversation to `answers`, and show its beginning."""
    for start in range(0, len(chats), AT_ONCE):
        batch = chats[start : start + AT_ONCE]
        texts = opened.model.generate([opened.prompt(messages) for messages in batch], config.sampling)
        for messages, text in zip(batch, texts, strict=True):
            answers.append(text.strip())
            beginning = f"{len(answers):,}/{len(chats):,}  {one_line(messages[-1]['content'], SHOWN // 2)}"
            write(f"{beginning} → {one_line(text, SHOWN)}\n")


def show(pieces: Iterable[str]) -> str:
    """Write the pieces of a text to the console as they come; gives the whole text."""
    text = ""
    for piece in pieces:
        write(piece if text else piece.lstrip())
        text += piece
    write("\n")
    return text


def write(text: str) -> None:
    """Write to the console as it is, without a line end."""
    console.print(Text(text), end="", soft_wrap=True, highlight=False)


def one_line(text: str, length: int) -> str:
    """A text on one line, cut after `length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def read_prompts(config: PredictConfig) -> list[tuple[int, list[Message]]]:
    """Read the conversations that want an answer, with their lines. Raises UserError, naming the lines."""
    prompts: list[tuple[int, list[Message]]] = []
    mistakes: list[tuple[int, str]] = []
    for line, record in read_records(config.input):
        try:
            prompts.append((line, messages_of(record, config.system)))
        except BadLine as mistake:
            mistakes.append((line, str(mistake)))
    if mistakes:
        raise UserError(f"{config.input}: {named_lines(config.input, mistakes, len(mistakes))}.")
    if not prompts:
        raise UserError(f"{config.input} holds no prompts.")
    return prompts


def messages_of(record: Any, system: str) -> list[Message]:
    """The messages of one record, up to the last that is not the assistant's. Raises BadLine."""
    if isinstance(record, Unreadable):
        raise BadLine(record.reason)
    if isinstance(record, str):
        record = {"prompt": record}
    if not isinstance(record, Mapping):
        raise BadLine("is no JSON object with a field prompt or messages")
    name = next((name for name in FIELDS if isinstance(record.get(name), str)), None)
    if name:
        messages = conversation(record[name], system)
    else:
        found = format_of(record)
        if found is None:
            raise BadLine(f"has no field prompt or messages; its fields are {fields(record)}")
        messages = parse(record, found[0])
        while messages and messages[-1]["role"] == "assistant":  # a file of chats has the answers, too
            messages.pop()
        if not messages:
            raise BadLine("has no message of a user")
        if system and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system})
    if not messages[-1]["content"].strip():
        raise BadLine("has an empty prompt")
    return messages


def output_file(config: PredictConfig) -> Path:
    """Where the answers go, in a folder that exists. Raises UserError."""
    output = Path(config.output) if config.output else new_run("predict", config).path("predictions.csv")
    if output.is_dir():
        output /= "predictions.csv"
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
    return output


def write_answers(output: Path, prompts: Sequence[str], answers: Sequence[str]) -> None:
    """Write the table of prompts and answers. Raises UserError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["prompt", "prediction"])
    writer.writerows(zip(prompts, answers, strict=False))
    try:
        write_atomically(output, text.getvalue())
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
