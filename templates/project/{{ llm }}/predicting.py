"""Predict: answer one prompt, piece by piece as it is written, or all prompts of a file into a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from .chat_formats import fields, format_of, parse
from .chat_template import Message, Tool
from .config import PredictConfig
from .console import console, say
from .data_files import BadLine, Unreadable, named_lines, place_name, read_records
from .errors import UserError
from .opened_model import OpenedModel, check_length, conversation, cut_by, open_model, with_system
from .runs import new_run, write_atomically
from .text_pieces import EMPTY, Piece, Written, divided
from .tool_calls import tools_of

AT_ONCE = 32  # prompts answered side by side
SHOWN = 100  # characters of an answer in the console
FIELDS = ("prompt", "text", "question")


def predict(config: PredictConfig) -> Path:
    """Answer the prompt or the file of prompts, and write a CSV file: prompt, prediction, finish_reason.

    A further column has the thoughts (reasoning_content), where a model thinks before it answers. A model
    that has learned no chats continues each prompt as plain text. Raises UserError.
    """
    asked = [Prompt(0, conversation(config.prompt))] if config.prompt else read_prompts(config)
    opened = open_model(config.run)
    system = config.system or opened.system
    chats = [replace(one, messages=with_system(one.messages, system)) for one in asked]
    if not opened.chats:
        say(f"{opened.model.name} was not taught to chat: it continues each prompt as plain text.")
    for one in chats:
        where = f"{place_name(config.input)} {one.line}"
        what = f"{config.input}: the prompt in {where}" if one.line else "The prompt"
        check_length(opened, one.messages, what, one.tools)
    prompts = [one.messages[-1]["content"] for one in chats]
    answers: list[Prediction] = []
    output = output_file(config)
    try:
        if config.prompt:
            written = show(opened.stream(chats[0].messages, config.sampling))
            answers.append(Prediction.of(written, opened.prompt(chats[0].messages)))
        else:
            answer_all(opened, chats, config, answers)
    finally:
        if answers:  # also those given before Ctrl-C
            write_answers(output, prompts, answers)
    say(f"{len(answers):,} of {len(prompts):,} prompts answered by {opened.model.name}: {output}")
    cut = [one.written for one in answers if one.written.cut]
    if cut and opened.chats:
        first = cut_by(cut[0], config.sampling)
        say(f"{len(cut):,} of them are incomplete (finish_reason: length), the first {first}.")
    return output


@dataclass(frozen=True)
class Prompt:
    """The messages that want an answer, with their line and the tools that may be called."""

    line: int
    messages: list[Message]
    tools: Sequence[Tool] = ()


@dataclass(frozen=True)
class Prediction:
    """What the model has written, and the thought and the answer in it."""

    written: Written
    thought: str
    said: str

    @classmethod
    def of(cls, written: Written, prompt: str) -> Prediction:
        """Read what was written after a prompt."""
        thought, said = divided(written.text, prompt)
        return cls(written, thought, said.strip())


def answer_all(
    opened: OpenedModel, chats: Sequence[Prompt], config: PredictConfig, answers: list[Prediction]
) -> None:
    """Append an answer for each conversation to `answers`, and show its beginning."""
    for start in range(0, len(chats), AT_ONCE):
        batch = chats[start : start + AT_ONCE]
        prompts = [opened.prompt(one.messages, one.tools) for one in batch]
        written = opened.model.write(prompts, config.sampling, first=start)
        for one, prompt, text in zip(batch, prompts, written, strict=True):
            answers.append(Prediction.of(text, prompt))
            asked = one_line(one.messages[-1]["content"], SHOWN // 2)
            beginning = f"{len(answers):,}/{len(chats):,}  {asked}"
            write(f"{beginning} → {one_line(answers[-1].said, SHOWN) or EMPTY}\n")


def show(pieces: Generator[Piece, None, Written]) -> Written:
    """Write an answer to the console as it comes, dimmed where the model thinks; gives the whole of it."""
    before: Piece | None = None
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            written: Written = end.value
            write("\n" if written.text.strip() else f"{EMPTY}\n")
            return written
        if before is None:
            piece = piece._replace(text=piece.text.lstrip())
        elif before.thought and not piece.thought:
            write("\n\n")
        write(piece.text, "dim" if piece.thought else "")
        before = piece


def write(text: str, style: str = "") -> None:
    """Write to the console as it is, without a line end."""
    console.print(Text(text, style), end="", soft_wrap=True, highlight=False)


def one_line(text: str, length: int) -> str:
    """A text on one line, cut after `length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def read_prompts(config: PredictConfig) -> list[Prompt]:
    """Read the conversations that want an answer, with their lines. Raises UserError, naming the lines."""
    prompts: list[Prompt] = []
    mistakes: list[tuple[int, str]] = []
    for line, record in read_records(config.input):
        try:
            prompts.append(Prompt(line, messages_of(record), tools_of(record)))
        except BadLine as mistake:
            mistakes.append((line, str(mistake)))
    if mistakes:
        raise UserError(f"{config.input}: {named_lines(config.input, mistakes, len(mistakes))}.")
    if not prompts:
        raise UserError(f"{config.input} holds no prompts.")
    return prompts


def messages_of(record: Any) -> list[Message]:
    """The messages of one record, up to the last that is not the assistant's. Raises BadLine."""
    if isinstance(record, Unreadable):
        raise BadLine(record.reason)
    if isinstance(record, str):
        record = {"prompt": record}
    if not isinstance(record, Mapping):
        raise BadLine("is no JSON object with a field prompt or messages")
    name = next((name for name in FIELDS if isinstance(record.get(name), str)), None)
    if name:
        messages = conversation(record[name])
    else:
        found = format_of(record)
        if found is None:
            raise BadLine(f"has no field prompt or messages; its fields are {fields(record)}")
        messages = parse(record, found[0])
        while messages and messages[-1]["role"] == "assistant":  # a file of chats has the answers, too
            messages.pop()
        if not messages:
            raise BadLine("has no message of a user")
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
        new = not output.exists()
        output.open("a", encoding="utf-8").close()  # said before minutes of answering, not after
        if new:
            output.unlink()  # or an empty file would be left where no prompt is answered
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
    return output


def write_answers(output: Path, prompts: Sequence[str], answers: Sequence[Prediction]) -> None:
    """Write the table of prompts and answers, with the thoughts where there are any. Raises UserError.

    It begins with a mark for Excel, which otherwise does not read it as UTF-8.
    """
    rows = [
        {
            "prompt": prompt,
            "reasoning_content": one.thought,
            "prediction": one.said,
            "finish_reason": one.written.finish_reason,
        }
        for prompt, one in zip(prompts, answers, strict=False)
    ]
    names = [name for name in rows[0] if name != "reasoning_content" or any(row[name] for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        write_atomically(output, text.getvalue(), encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
