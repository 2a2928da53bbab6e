"""Conversations: reading them from whatever format, checking each, and dividing them into three parts."""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from .chat_formats import (
    TOOLS_LEFT_OUT,
    UNDECLARED,
    UnknownFormat,
    detect_format,
    parse,
    parse_labelled,
    parse_preference,
    remarks,
    system_of,
)
from .chat_template import Message, Tool, is_learned, without_thoughts
from .config import ChatDataConfig, Files
from .console import say
from .data_files import (
    BadLine,
    Record,
    Unreadable,
    check_file,
    different_files,
    file_names,
    find_files,
    named_lines,
    read_records,
)
from .errors import UserError
from .learned_text import Render
from .tool_calls import called, names_of, tools_of

Item = TypeVar("Item")
LOOKED_AT = 100  # records from which the format is told
MISTAKES_KEPT = 1000
PAIRS_NEEDED = (
    "Preference tuning learns from the file that pairs.file names (configs/align.yaml), a line each like "
    '{"prompt": "…", "chosen": "the better answer", "rejected": "the worse one"}, for kto also like '
    '{"prompt": "…", "completion": "an answer", "label": true}.'
)
SIGNS = " .,:;!?。，、：；！？\"'"


@dataclass(frozen=True)
class Conversation:
    """A conversation that something can be learned from: it ends with an answer that is learned.

    Attributes:
        messages: perhaps a system message, then a user's turn first.
        line: where it stands in its file, from 1: a line, or a row in Parquet.
        tools: what the assistant may call.
        file: which it is.
    """

    messages: tuple[Message, ...]
    line: int
    tools: tuple[Tool, ...] = ()
    file: Path = Path()

    def rendered_by(self, render: Callable[..., str]) -> Render:
        """The chat template `render`, given the tools of this conversation."""
        return partial(render, tools=self.tools) if self.tools else render


@dataclass(frozen=True)
class Preference:
    """A prompt with a better and a worse answer; or with one of them, the other is empty."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    line: int

    @property
    def paired(self) -> bool:
        """Whether there are both answers."""
        return bool(self.chosen and self.rejected)

    @property
    def answers(self) -> list[tuple[str, bool]]:
        """The answers that there are, each with whether it is the good one."""
        return [(text, good) for text, good in ((self.chosen, True), (self.rejected, False)) if text]


@dataclass(frozen=True)
class Splits:
    """Conversations by what they are for."""

    train: list[Conversation]
    validation: list[Conversation]
    test: list[Conversation]


@dataclass
class Reading:
    """What was found in a file besides usable conversations.

    Attributes:
        form, reason: the format and how it was told.
        records: how many there are.
        wrong: how many of them cannot be used.
        mistakes: the first of these, with their lines and what is wrong with each.
        kinds: how often there is the same mistake, apart from its numbers.
        notes: what was set right or left out, with the number of times.
        labels: how many answers are labelled good (True) and bad (False).
    """

    form: str = ""
    reason: str = ""
    records: int = 0
    wrong: int = 0
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    labels: Counter[bool] = field(default_factory=Counter)

    def note_mistake(self, line: int, reason: str) -> None:
        """Count a record that cannot be used; where there are very many only the first are kept."""
        self.wrong += 1
        self.kinds[re.sub(r"\d+", "N", reason)] += 1
        if len(self.mistakes) < MISTAKES_KEPT:
            self.mistakes.append((line, reason))

    def describe_mistakes(self, path: Path) -> str:
        """How many records are wrong, and the first five of them, as a sentence without its end."""
        if self.labels and not self.wrong:
            return f"{path} holds no answer that is labelled good"
        if not self.wrong:
            return f"{path} holds no conversation with an answer of the assistant"
        return (
            f"{path}: {self.wrong:,} of {self.records:,} records cannot be used: "
            f"{named_lines(path, self.mistakes, self.wrong)}"
        )


def together(readings: Mapping[Path, Reading]) -> Reading:
    """What was found in all files, but for the places of mistakes, which are of one file each."""
    if len(readings) == 1:
        return next(iter(readings.values()))
    forms = ", ".join(dict.fromkeys(one.form for one in readings.values()))
    whole = Reading(form=forms, reason=f"{len(readings)} files")
    for one in readings.values():
        whole.records += one.records
        whole.wrong += one.wrong
        whole.kinds += one.kinds
        whole.notes += one.notes
        whole.labels += one.labels
    return whole


NO_ANSWER = "conversations without an answer of the assistant left out"
CUT = "conversations that end with another's turn cut after the assistant's last"
UNLEARNED = "answers of weight 0, which are read but not learned"
ALL_UNLEARNED = "conversations whose answers all have weight 0 left out"
CUT_UNLEARNED = "conversations that end with an answer of weight 0 cut after the last that is learned"
BAD = "answers labelled bad left out"
STRIPPED = "answers with white space around them, which is left out"
JOINED = "turns of the user joined with the one before"


def read_conversations(config: ChatDataConfig) -> list[Conversation]:
    """Read `config.file`, one file or several; say what was left out.

    Raises:
        UserError: a file cannot be read, its format is not known, or lines in it are wrong; the first five
            of these are named.
    """
    return read_all(config.file, config)


def chat_files(config: ChatDataConfig) -> list[Path]:
    """The files of the conversations, and of those for the final figures. Raises UserError."""
    return find_files(config.file) + (find_files(config.test_file) if config.test_file else [])


def read_all(files: Files, config: ChatDataConfig) -> list[Conversation]:
    """Read all conversations of the files, or refuse one with its mistakes. Raises UserError."""
    conversations, path, reading = read_files(files, config, iterate_conversations)
    if not conversations:
        raise UserError(f"{reading.describe_mistakes(path)}.")
    return conversations


def read_files(
    files: Files,
    config: ChatDataConfig,
    read: Callable[[Path, ChatDataConfig, Reading], Iterator[Item]],
) -> tuple[list[Item], Path, Reading]:
    """What `read` finds in the files, and the last of them with what else was found in it.

    Says what was set right or left out. Raises UserError for mistakes in one.
    """
    readings: dict[Path, Reading] = {}
    found = list(iterate_all(files, config, read, readings))
    for path, reading in readings.items():
        refuse_mistakes(path, reading)
        say_notes(path, reading)
    return found, path, reading


def iterate_all(
    files: Files,
    config: ChatDataConfig,
    read: Callable[[Path, ChatDataConfig, Reading], Iterator[Item]],
    readings: dict[Path, Reading],
) -> Iterator[Item]:
    """What `read` finds in one file after the other; `readings` gets what else is found in each."""
    for path in different_files(files):
        readings[path] = Reading()
        yield from read(path, config, readings[path])


def iterate_conversations(path: Path, config: ChatDataConfig, reading: Reading) -> Iterator[Conversation]:
    """Read the usable conversations of a file one by one; the others are noted in `reading`."""

    def conversation(record: Any, line: int) -> Conversation | None:
        if reading.form == "unpaired_preference":
            good = parse_labelled(record)[2]
            reading.labels[good] += 1
            if not good:
                reading.notes[BAD] += 1
                return None
        system = system_of(record) or config.system
        messages = put_in_order(parse(record, reading.form), system, reading.notes)
        reading.notes.update(remarks(record))
        tools = tools_of(record)
        if not names_of(called(messages)) <= names_of(tools):
            reading.notes[UNDECLARED] += 1
        return Conversation(tuple(messages), line, tuple(tools), path) if messages else None

    records = open_records(path, config.format, reading)
    if reading.form == "text":
        raise UserError(
            f"{path} holds plain text ({reading.reason}), not conversations: pretrain on it with train.py "
            "(corpus.files)."
        )
    yield from read_each(records, conversation, reading)


def read_preferences(config: ChatDataConfig) -> list[Preference]:
    """Read the pairs, or the answers labelled good or bad, in `config.file`. Raises UserError."""
    try:
        for path in find_files(config.file):
            check_file(path)
    except UserError as error:
        raise UserError(f"{error} {PAIRS_NEEDED}") from None
    pairs, _, _ = read_files(config.file, config, iterate_preferences)
    return pairs


def iterate_preferences(path: Path, config: ChatDataConfig, reading: Reading) -> Iterator[Preference]:
    """Read the usable pairs, or labelled answers, of a file one by one; the others are noted in `reading`.

    Raises:
        UserError: the file cannot be read, or holds neither.
    """

    def preference(record: Any, line: int) -> Preference:
        if reading.form == "unpaired_preference":
            prompt, text, good = parse_labelled(record)
            reading.labels[good] += 1
            chosen, rejected = (text, "") if good else ("", text)
        else:
            prompt, chosen, rejected = parse_preference(record)
        if chosen.strip() == rejected.strip():
            raise BadLine("chosen and rejected are the same")
        answered: list[Message] = [*prompt, {"role": "assistant", "content": chosen or rejected}]
        messages = put_in_order(answered, system_of(record) or config.system, reading.notes)
        reading.notes.update(remarks(record))
        if tools_of(record):
            reading.notes[TOOLS_LEFT_OUT] += 1
        return Preference(tuple(messages[:-1]), chosen.strip(), rejected.strip(), line)

    records = open_records(path, config.format, reading)
    if reading.form not in ("preference", "unpaired_preference"):
        raise UserError(
            f"{path} holds no preferences ({reading.form}: {reading.reason}): each line needs prompt, chosen "
            "and rejected, or prompt, completion and label."
        )
    yield from read_each(records, preference, reading)


def open_records(path: Path, form: str, reading: Reading) -> Iterator[Record]:
    """Begin to read a file and note its format. Raises UserError."""
    records = read_records(path)
    first = list(islice(records, LOOKED_AT))
    if form != "auto":
        reading.form, reading.reason = form, "set by chats.format"
    else:
        readable = [record for _, record in first if not isinstance(record, Unreadable)]
        if not first:
            raise UserError(f"{path} holds no records.")
        if not readable:
            line, record = first[0]
            raise UserError(f"{path}: {named_lines(path, [(line, record.reason)], 1)}.")
        try:
            reading.form, reading.reason = detect_format(readable)
        except UnknownFormat as error:
            raise UserError(f"{path}: {error}.") from None
    return chain(first, records)


def read_each(
    records: Iterator[Record], read: Callable[[Any, int], Item | None], reading: Reading
) -> Iterator[Item]:
    """Read record by record; what is wrong with one is noted, and the next is read."""
    for line, record in records:
        reading.records += 1
        if isinstance(record, Unreadable):
            reading.note_mistake(line, record.reason)
            continue
        try:
            item = read(record, line)
        except BadLine as mistake:
            reading.note_mistake(line, str(mistake))
            continue
        if item is not None:
            yield item


def put_in_order(messages: Sequence[Message], system: str, notes: Counter[str]) -> list[Message]:
    """Check the order of the turns, and set right what has one meaning only.

    An empty system message is left out, and white space around an answer, which a model need not learn. Two
    turns of the user in a row become one, with an empty line between them. What follows the last answer that
    is learned is cut off, as there is nothing to learn from it. Two turns of the assistant in a row may be
    two answers to choose from, so they are refused.

    Returns:
        The messages; none where the assistant says nothing that is learned.

    Raises:
        BadLine: what is wrong.
    """
    ordered: list[Message] = []
    for place, message in enumerate(messages, start=1):
        role, content = message["role"], message["content"]
        if role == "system":
            if ordered:
                raise BadLine(f"turn {place} is a system message after the beginning")
            if content.strip():
                ordered.append(message)
            continue
        if not content.strip() and role != "tool" and not message.get("tool_calls"):
            raise BadLine(f"turn {place} ({role}) is empty")
        if role == "assistant" and not (without_thoughts(content) or message.get("tool_calls")):
            raise BadLine(f"turn {place} (assistant) has a thought, but no answer after it")
        before = ordered[-1]["role"] if ordered else "system"
        if role == "user" and before == "user":
            notes[JOINED] += 1
            ordered[-1] = {"role": "user", "content": f"{ordered[-1]['content']}\n\n{content}"}
            continue
        if role == "assistant" and before == "assistant":
            raise BadLine(f"turns {place - 1} and {place} are both the assistant's")
        if role != "user" and before == "system":
            raise BadLine(f"turn {place} is the {role}'s, before any of the user")
        if role == "assistant" and content != content.strip():
            notes[STRIPPED] += 1
            message = {**message, "content": content.strip()}
        ordered.append(message)
    last = max((place for place, one in enumerate(ordered) if is_learned(one)), default=-1)
    unlearned = any(one["role"] == "assistant" for one in ordered[last + 1 :])
    if last < 0:
        notes[ALL_UNLEARNED if unlearned else NO_ANSWER] += 1
        return []
    if last < len(ordered) - 1:
        notes[CUT_UNLEARNED if unlearned else CUT] += 1
    only_read = sum(one["role"] == "assistant" and not is_learned(one) for one in ordered[:last])
    if only_read:
        notes[UNLEARNED] += only_read
    if system and ordered[0]["role"] != "system":
        return [{"role": "system", "content": system}, *ordered[: last + 1]]
    return ordered[: last + 1]


def refuse_mistakes(path: Path, reading: Reading) -> None:
    """Raise UserError where lines are wrong; the first five are named."""
    if reading.wrong:
        raise UserError(
            f"{reading.describe_mistakes(path)}. Mend them, or write a file without them (convert_data.py)."
        )


def say_notes(path: Path, reading: Reading) -> None:
    """Say what was set right or left out."""
    for note, times in reading.notes.items():
        say(f"{path}: {times:,} {note}.")


def split_conversations(conversations: Sequence[Conversation], config: ChatDataConfig) -> Splits:
    """Divide conversations by chance, so that none of one part is known from another.

    Conversations with the same first turn of the user, apart from case and spaces, stay together. Where
    `config.test_file` is given it is the test part, and conversations that begin as one of its are left out
    of the others.

    Raises:
        UserError: there are too few different conversations for all parts.
    """
    groups: dict[bytes, list[int]] = {}  # places of the conversations with this question
    for place, conversation in enumerate(conversations):
        groups.setdefault(first_question(conversation), []).append(place)
    shares = {"test": config.test, "validation": config.validation}
    if config.test_file:
        test = read_all(config.test_file, config)
        del shares["test"]
        known = {first_question(conversation) for conversation in test} & set(groups)
        if known:
            left_out = sum(len(groups.pop(question)) for question in known)
            say(
                f"{file_names(config.file)}: {left_out:,} conversations left out: "
                f"{file_names(config.test_file)} has their question."
            )
    if len(groups) <= len(shares):
        raise UserError(
            f"{file_names(config.file)} cannot be divided into {', '.join([*shares, 'training'])}: it has "
            f"{len(groups)} different first questions, and {len(shares) + 1} or more are needed."
        )
    keys = list(groups)
    random.Random(config.seed).shuffle(keys)
    keys.sort(key=lambda key: len(groups[key]) > 0.5 * min(shares.values()) * len(conversations))
    parts: dict[str, list[int]] = {"test": [], "validation": []}
    total = sum(map(len, groups.values()))
    for number, (part, share) in enumerate(shares.items()):
        still_needed = len(shares) - number  # groups that the parts after this one need, training included
        while len(parts[part]) < max(1, round(share * total)) and len(keys) > still_needed:
            parts[part] += groups[keys.pop(0)]
    parts["train"] = [place for key in keys for place in groups[key]]
    chosen = {part: [conversations[place] for place in sorted(places)] for part, places in parts.items()}
    return Splits(**(chosen | {"test": test} if config.test_file else chosen))


def first_question(conversation: Conversation) -> bytes:
    """A short stand-in for the first turn of the user, the same for texts that differ in spelling only."""
    text = next(message["content"] for message in conversation.messages if message["role"] == "user")
    return blake2b(normalised(text).encode("utf-8", "replace"), digest_size=16).digest()


def normalised(text: str) -> str:
    """A text without regard to case, width of characters, spaces, and signs at its ends."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(SIGNS)
