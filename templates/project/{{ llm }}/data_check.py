"""The check of conversations: what the file holds, how the model will see it, and what is wrong with it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from .bases import resolve_model
from .chat_template import CHATML, ChatTemplate, Message, is_learned, read_template
from .check_config import CheckDataConfig
from .commands import command, settings
from .config import ChatDataConfig, Files, FinetuneConfig
from .console import print_table, say
from .conversations import (
    Conversation,
    Reading,
    first_question,
    iterate_all,
    iterate_conversations,
    normalised,
    read_all,
    split_conversations,
    together,
)
from .data_files import file_names, place_name
from .data_pages import check_page, shorten
from .errors import UserError
from .examples import Encode, ending_of, example_of_part, hold_thoughts
from .learned_text import Ending, Part, parts_of
from .runs import Run, new_run
from .tokenizer import TextTokenizer, is_usable
from .tool_calls import called, comparable

MEASURED = 20_000  # conversations whose lengths are counted, spread over the file
CHARACTERS_SHOWN = 1500  # of a conversation on the console
CHARACTERS_OF_SCRIPT = 400  # looked at to tell the script of a conversation
SCRIPTS = {
    "Latin": re.compile(r"[A-Za-zÀ-ɏ]+"),
    "Chinese": re.compile(r"[\u3400-\u9fff]"),
    "Japanese kana": re.compile(r"[\u3040-\u30ff]"),
    "Korean": re.compile(r"[\uac00-\ud7af]+"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff]+"),
    "Arabic": re.compile(r"[\u0600-\u06ff]+"),
    "Devanagari": re.compile(r"[\u0900-\u097f]+"),
}


@dataclass
class Findings:
    """What the check found in the files.

    Attributes:
        readings: format, records, mistakes of each file.
        conversations: those that can be used.
        duplicates, near: how many are the same as an earlier one, exactly or but for spelling.
        with_calls, with_system: how many call tools, and how many have a system message.
        turns: learned turns of the assistant in all.
        thinking: how many have thoughts (`<think>`) in an answer.
        parts: conversations of each part, or why they cannot be divided.
        leaks: conversations that begin as one of the test file.
        unit: what lengths are counted in.
        lengths: of the texts that the measured conversations are learned from; mostly it is one for each.
        learned: share of the measured tokens or characters that is learned.
        refused: measured conversations that the chat template refuses, with the line and reason of the first.
        special: measured conversations with the text of a special token in what someone says.
        scripts: measured conversations by script.
    """

    readings: dict[Path, Reading] = field(default_factory=dict)
    conversations: list[Conversation] = field(default_factory=list)
    duplicates: int = 0
    near: int = 0
    with_calls: int = 0
    with_system: int = 0
    turns: int = 0
    thinking: int = 0
    parts: dict[str, int] | str = field(default_factory=dict)
    leaks: int | None = None
    unit: str = "tokens"
    lengths: list[int] = field(default_factory=list)
    learned: float = 0.0
    refused: list[str] = field(default_factory=list)
    special: int = 0
    scripts: Counter[str] = field(default_factory=Counter)

    @property
    def reading(self) -> Reading:
        """Format, records and mistakes of all files together."""
        return together(self.readings)

    @property
    def mistakes(self) -> list[tuple[str, str]]:
        """Where a record cannot be used, and what is wrong with it."""
        return [
            (f"{path}, {place_name(path)} {line}", reason)
            for path, reading in self.readings.items()
            for line, reason in reading.mistakes
        ]


@dataclass(frozen=True)
class Reader:
    """How conversations become tokens: a chat template, and a tokenizer where there is one."""

    render: ChatTemplate
    encode: Encode | None
    name: str
    special_tokens: frozenset[str] = frozenset()
    ending: Ending | None = None

    def parts(self, conversation: Conversation) -> list[Part]:
        """The texts that a conversation is learned from. Raises UserError."""
        return parts_of(conversation.messages, conversation.rendered_by(self.render), self.ending)


def check_data(config: CheckDataConfig) -> Run:
    """Check the conversations of configs/finetune.yaml, or those of another file."""
    tuning = settings(FinetuneConfig, "finetune", [])
    chats = tuning.chats
    if config.file:
        chats = replace(chats, file=config.file, test_file="", format=config.format)
    if config.max_length:
        chats = replace(chats, max_length=config.max_length)
    return check_conversations(chats, base=tuning.base, tokenizer=config.tokenizer, shown=config.shown)


def check_conversations(
    config: ChatDataConfig, *, base: str = "latest", tokenizer: str = "", shown: int = 3
) -> Run:
    """Look through all conversations, say what is there and what is wrong, and write a report.

    The files are read once and held once. Lengths are counted on at most 20,000 conversations, spread over
    them.

    Args:
        config: the conversations, as fine-tuning will read them.
        base: model that fine-tuning starts from: `latest` run, a run, a folder, or a name on the hub.
        tokenizer: model whose tokenizer counts, named likewise; empty: that of `base`.
        shown: conversations shown as the model will see them.

    Returns:
        The run folder with report.html and metrics.json.

    Raises:
        UserError: a file cannot be read, or nothing in it can be used.
    """
    reader = open_reader(tokenizer or base, config)
    findings = look_through(config)
    reader = replace(reader, render=reader.render.suited(findings.thinking > 0))
    find_parts(findings, config)
    measure(findings, reader)
    run = new_run("check_data", config)
    examples = [
        marked(conversation, reader)
        for conversation in spread(findings.conversations, shown)
        if not findings.refused
    ]
    reading, rows, files = findings.reading, summary(findings, config), rows_of_files(findings)
    run.save_metrics(
        {"stage": "check_data", "format": reading.form, **figures(findings, config), "files": files}
    )
    for number, pieces in enumerate(examples, start=1):
        say(f"\nConversation {number} of {len(examples)}, what is learned between [[ and ]]:")
        say(beginning("".join(f"[[{text}]]" if learned else text for text, learned in pieces)))
    say("")
    if len(files) > 1:
        print_table("Files", files)
    print_table(f"{file_names(config.file)}: {reading.form} ({reading.reason})", rows)
    for place, reason in findings.mistakes[:5]:
        say(f"{place}: {reason}.")
    if reading.wrong > 5:
        say(f"… and {reading.wrong - 5:,} more: see the report.")
    if findings.refused:
        say(findings.refused[0])
    page = check_page(
        run, config, reading, files, rows, findings.mistakes, examples, findings.lengths, findings.unit
    )
    say(f"Lengths are counted {reader.name}.")
    say(f"Report: {page}")
    say(f"Next: {next_step(findings, config, base)}")
    return run


def next_step(findings: Findings, config: ChatDataConfig, base: str) -> str:
    """What to do now, in one line."""
    file = as_option(config.file)
    if findings.reading.wrong:
        return (
            "mend the lines that are named, or write a file without them: "
            f"python convert_data.py --input {file} --output data/clean.jsonl"
        )
    if isinstance(findings.parts, str) or findings.refused:
        return "mend what the table names, and check again."
    command = f"python finetune.py --chats.file {file}"
    try:
        resolve_model(base, "train")
    except UserError:
        return f"python train.py, whose model is the base, then {command}"
    return command


def as_option(files: Files) -> str:
    """The files as they are typed on the command line."""
    text = files if isinstance(files, str) else f"[{', '.join(files)}]"
    return f'"{text}"' if set(text) & set(" *?[") else text


def open_reader(base: str, config: ChatDataConfig) -> Reader:
    """The tokenizer and chat template of a base, as far as they are on this machine."""
    folder = tokenizer_folder(base)
    if folder is None:
        template = read_template(config.chat_template) if config.chat_template else ChatTemplate(CHATML)
        return Reader(template, None, f"in characters: there is no tokenizer of {base or 'a base'} here yet")
    tokenizer = TextTokenizer(folder)
    render = tokenizer.render
    if config.chat_template:
        render = read_template(config.chat_template, tokenizer.special_tokens)
    special = frozenset(tokenizer.special_texts())
    stops = {tokenizer.end, tokenizer.after_answer(render)}
    ending = ending_of(tokenizer.encode, stops, tokenizer.decode([tokenizer.end]))
    return Reader(render, tokenizer.encode, f"by the tokenizer in {folder.as_posix()}", special, ending)


def tokenizer_folder(base: str) -> Path | None:
    """The folder with the tokenizer.json of a base; None where it is not on this machine."""
    if not base:
        return None
    stages = ["train"] if base == "latest" else ["train", "finetune"]  # the first: where finetune.py looks
    try:
        folder = Path(resolve_model(base, *stages))
    except UserError:
        return None
    for place in (folder / "tokenizer", folder):  # the first: where projects in Keras write it
        if is_usable(place / "tokenizer.json"):
            return place
    if folder.exists() or base.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache  # the tokenizers package needs it as well

    try:
        found = try_to_load_from_cache(base, "tokenizer.json")
    except ValueError:  # no name of that hub
        return None
    return Path(found).parent if isinstance(found, str) else None


def look_through(config: ChatDataConfig) -> Findings:
    """Read all files. Raises UserError where nothing in them can be used."""
    findings = Findings()
    exact: set[int] = set()
    alike: set[int] = set()
    for conversation in iterate_all(config.file, config, iterate_conversations, findings.readings):
        texts = tuple(comparable(one["content"], one.get("tool_calls", [])) for one in conversation.messages)
        key, near = hash(texts), hash(tuple(map(normalised, texts)))
        if key in exact:
            findings.duplicates += 1
        elif near in alike:
            findings.near += 1
        exact.add(key)
        alike.add(near)
        findings.with_calls += any(called(conversation.messages))
        findings.with_system += conversation.messages[0]["role"] == "system"
        answers = [message["content"] for message in conversation.messages if is_learned(message)]
        findings.turns += len(answers)
        findings.thinking += hold_thoughts(answers)
        findings.conversations.append(conversation)
    if not findings.conversations:
        path, reading = next(iter(findings.readings.items()))
        raise UserError(f"{reading.describe_mistakes(path)}.")
    return findings


def find_parts(findings: Findings, config: ChatDataConfig) -> None:
    """Divide as fine-tuning will, and count conversations that begin as one of the test file."""
    try:
        if config.test_file:
            known = {first_question(one) for one in read_all(config.test_file, config)}
            findings.leaks = sum(first_question(one) in known for one in findings.conversations)
        splits = split_conversations(findings.conversations, config)
    except UserError as error:
        findings.parts = str(error)
        return
    findings.parts = {
        "train": len(splits.train),
        "validation": len(splits.validation),
        "test": len(splits.test),
    }


def measure(findings: Findings, reader: Reader) -> None:
    """Count lengths, what is learned of them, and scripts, on conversations spread over the file."""
    findings.unit = "tokens" if reader.encode else "characters"
    learned = 0
    for conversation in spread(findings.conversations, MEASURED):
        findings.scripts[script_of(conversation.messages)] += 1
        said = "\n".join(message["content"] for message in conversation.messages)
        findings.special += any(token in said for token in reader.special_tokens)
        try:
            parts = reader.parts(conversation)
        except UserError as error:
            path = conversation.file
            findings.refused.append(f"{path}, {place_name(path)} {conversation.line}: {error}")
            continue
        for part in parts:
            length, targets = length_of(part, reader)
            findings.lengths.append(length)
            learned += targets
    findings.learned = learned / max(sum(findings.lengths), 1)


def length_of(part: Part, reader: Reader) -> tuple[int, int]:
    """Tokens of a text and how many of them are learned; characters without a tokenizer."""
    if reader.encode:
        example = example_of_part(part, reader.encode)
        return len(example.tokens), int(example.targets.sum())
    return len(part.text), sum(stop - start for start, stop in part.spans)


def script_of(messages: Sequence[Message]) -> str:
    """The script that most of its beginning is written in; a word in an alphabet counts as one sign."""
    text = " ".join(message["content"][:CHARACTERS_OF_SCRIPT] for message in messages[:3])
    counts = {name: len(pattern.findall(text)) for name, pattern in SCRIPTS.items()}
    if counts["Japanese kana"]:  # Japanese has Chinese characters as well
        counts["Japanese kana"] += counts.pop("Chinese")
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "signs only"


def marked(conversation: Conversation, reader: Reader) -> list[tuple[str, bool]]:
    """The rendered conversation in pieces, each with whether the model learns to write it."""
    *_, part = reader.parts(conversation)
    text = part.text
    borders = [0, *(place for span in part.spans for place in span), len(text)]
    pieces = [(text[start:stop], bool(odd % 2)) for odd, (start, stop) in enumerate(pairwise(borders))]
    return [piece for piece in pieces if piece[0]]


def beginning(text: str) -> str:
    """A rendered conversation as it is printed: long ones in part."""
    more = len(text) - CHARACTERS_SHOWN
    return f"{text[:CHARACTERS_SHOWN]}… and {more:,} more characters" if more > 0 else text.rstrip("\n")


def spread(conversations: Sequence[Conversation], count: int) -> list[Conversation]:
    """At most `count` of the conversations, at equal distances over the file."""
    if len(conversations) <= count:
        return list(conversations)
    return [conversations[place * len(conversations) // count] for place in range(count)]


def too_long_share(findings: Findings, config: ChatDataConfig) -> float | None:
    """Share of the conversations that are longer than `max_length`; None where tokens are not counted."""
    if findings.unit != "tokens" or not findings.lengths:
        return None
    return sum(length > config.max_length for length in findings.lengths) / len(findings.lengths)


def figures(findings: Findings, config: ChatDataConfig) -> dict[str, Any]:
    """What metrics.json keeps."""
    ordered, reading = sorted(findings.lengths), findings.reading
    return {
        "records": reading.records,
        "usable": len(findings.conversations),
        "wrong": reading.wrong,
        "notes": dict(reading.notes),
        "labels": {name: reading.labels[good] for name, good in (("good", True), ("bad", False))},
        "duplicates": findings.duplicates,
        "near_duplicates": findings.near,
        "system_messages": findings.with_system,
        "with_calls": findings.with_calls,
        "with_thoughts": findings.thinking,
        "parts": findings.parts,
        "leaks": findings.leaks,
        "unit": findings.unit,
        "measured": len(ordered),
        "median_length": ordered[len(ordered) // 2] if ordered else None,
        "longest": ordered[-1] if ordered else None,
        "longer_than_max_length": too_long_share(findings, config),
        "learned_share": findings.learned,
        "refused_by_template": len(findings.refused),
        "with_special_tokens": findings.special,
        "scripts": dict(findings.scripts.most_common()),
    }


def thinking(findings: Findings) -> str:
    """What the thoughts mean for the model, in a few words."""
    return "the model learns to think first" if findings.thinking else "a model that thinks learns not to"


def rows_of_files(findings: Findings) -> list[dict[str, object]]:
    """What each file holds."""
    usable = Counter(conversation.file for conversation in findings.conversations)
    return [
        {
            "file": path.as_posix(),
            "format": reading.form,
            "records": reading.records,
            "cannot be used": reading.wrong,
            "conversations": usable[path],
        }
        for path, reading in findings.readings.items()
    ]


def summary(findings: Findings, config: ChatDataConfig) -> list[dict[str, object]]:
    """The table: what, how many, and what that means."""
    reading, total = findings.reading, len(findings.conversations)
    ordered = sorted(findings.lengths) or [0]
    unit, too_long = findings.unit, too_long_share(findings, config)
    rows: list[tuple[str, object, str]] = [
        ("records", reading.records, ""),
        (
            "cannot be used",
            reading.wrong,
            "fine-tuning refuses the file until they are mended" * bool(reading.wrong),
        ),
        ("conversations", total, f"{findings.turns / total:.1f} answers each"),
        ("with a system message", findings.with_system, ""),
        ("with calls of tools", findings.with_calls, ""),
        ("with thoughts in an answer", findings.thinking, thinking(findings)),
        ("exact duplicates", findings.duplicates, ""),
        ("near duplicates", findings.near, "the same but for case, spaces, signs at the ends"),
        *((note, times, "") for note, times in reading.notes.items()),
    ]
    if reading.labels:
        rows[3:3] = [
            ("answers labelled good", reading.labels[True], "fine-tuning learns these, kto (align.py) all"),
            ("answers labelled bad", reading.labels[False], ""),
        ]
    if findings.leaks is not None:
        rows.append(("with a question of the test file", findings.leaks, "left out of training"))
    if isinstance(findings.parts, str):
        rows.append(("parts", None, findings.parts))
    else:
        divided = ", ".join(f"{number:,} {part}" for part, number in findings.parts.items())
        rows.append(("parts", None, f"{divided}; equal first questions stay in one part: no leak"))
    rows += [
        (f"median length, {unit}", ordered[len(ordered) // 2], f"of {len(findings.lengths):,} measured"),
        (f"95% have at most, {unit}", ordered[len(ordered) * 95 // 100], ""),
        (f"longest, {unit}", ordered[-1], ""),
    ]
    if too_long is not None:
        effect = {"drop": "left out", "cut_end": "cut at the end", "cut_start": "without their oldest turns"}
        meaning = f"of the measured; they are {effect[config.too_long]}"
        rows.append((f"longer than {config.max_length:,} tokens", f"{too_long:.1%}", meaning))
    rows.append((f"learned {unit}", f"{findings.learned:.0%}", "the rest is only read"))
    if findings.special:
        rows.append(("with special tokens in a text", findings.special, "a turn may seem to end there"))
    if findings.refused:
        rows.append(("refused by the chat template", len(findings.refused), shorten(findings.refused[0])))
    for script, number in findings.scripts.most_common(4):
        rows.append((f"script: {script}", f"{number / sum(findings.scripts.values()):.0%}", ""))
    return [{"what": what, "number": number, "meaning": meaning} for what, number, meaning in rows]


check_data_command = command(check_data, CheckDataConfig, "check_data")
