"""The corpus for pretraining: plain text from files, and its division into three parts."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

from .config import CorpusConfig
from .console import say
from .data_files import (
    Unreadable,
    check_file,
    file_names,
    find_encoding,
    find_files,
    place_name,
    read_records,
)
from .errors import UserError

TABLES = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv")
PASSAGES = 200  # about as many as a corpus of few documents is cut into
SHORTEST, LONGEST = 400, 20_000  # characters of a passage, where the text has places to cut
LONGEST_DOCUMENT = 1 << 24  # characters of a text file from which on an empty line ends a document
FEWEST_CHARACTERS = 2_000  # of a corpus
MANY_DOCUMENTS = 100  # from here on whole documents are divided among the parts


@dataclass(frozen=True)
class TextSplits:
    """Documents, or parts of documents, by what they are for."""

    train: list[str]
    validation: list[str]
    test: list[str]


def read_corpus(config: CorpusConfig) -> list[str]:
    """Read all documents of the corpus, in the order of the files' names.

    Raises:
        UserError: no such file, text that cannot be read, or a field that is missing.
    """
    documents = [
        document
        for path in corpus_files(config)
        for document in (
            read_fields(path, config.text_field)
            if path.suffix.lower() in TABLES
            else read_text(path, config.separator)
        )
    ]
    if not documents:
        raise UserError(f"corpus.files: {file_names(config.files)} hold no text.")
    return documents


def corpus_files(config: CorpusConfig) -> list[Path]:
    """The files of the corpus, in order, each once. Raises UserError."""
    return list(dict.fromkeys(find_files(config.files)))


def read_text(path: Path, separator: str) -> Iterator[str]:
    """A text file as one document, or as several with a line of the separator's text between them.

    It is read line by line, and a very long document is cut at an empty line: one string of all the text
    would be copied as a whole again and again, with 4 bytes for each character where one is an emoji.
    """
    check_file(path)
    lines: list[str] = []
    characters = 0
    with path.open(encoding=find_encoding(path)) as file:
        for line in file:
            ends = bool(separator) and line.rstrip(" \t\n") == separator.rstrip(" \t")
            if ends or (characters >= LONGEST_DOCUMENT and not line.strip()):
                yield from written(lines)
                lines, characters = [], 0
            if not ends:
                lines.append(line)
                characters += len(line)
    yield from written(lines)


def written(lines: Sequence[str]) -> list[str]:
    """The document of these lines, if anything is written there."""
    text = "".join(lines).strip("\n")
    return [f"{text}\n"] if text.strip() else []


def read_fields(path: Path, field: str) -> list[str]:
    """The documents of a file with one in each record; says how many have none.

    Raises UserError with the line.
    """
    documents, empty = [], 0
    for line, record in read_records(path, field):
        where = f"{path}, {place_name(path)} {line}"
        if isinstance(record, Unreadable):
            raise UserError(f"{where}: it {record.reason}.")
        if not isinstance(record, dict) or field not in record:
            keys = f"it has {', '.join(map(str, record))}" if isinstance(record, dict) else "it has no fields"
            raise UserError(f"{where}: the field {field!r} is missing; {keys}: set corpus.text_field.")
        text = record[field]
        if text is not None and not isinstance(text, str):
            raise UserError(f"{where}: the field {field!r} holds no text but {text!r}.")
        if text and text.strip():
            documents.append(text)
        else:
            empty += 1
    if empty:
        say(f"{path}: {empty:,} records left out, whose {field} is empty.")
    return documents


def split_corpus(documents: Sequence[str], config: CorpusConfig) -> TextSplits:
    """Divide the text by whole passages, chosen by chance, before anything is learned from it.

    Where there are many documents of similar length a passage is a document: no text in validation and test
    is the continuation of one in training. Few long documents are cut into passages at empty lines (else at
    line ends, else at sentence ends), so that every part gets some of each; neighbouring passages that land
    in the same part stay together.

    Raises:
        UserError: the corpus is too small for three parts.
    """
    characters = sum(map(len, documents))
    if characters < FEWEST_CHARACTERS:
        raise UserError(
            f"The corpus is too small: {characters:,} characters, and {FEWEST_CHARACTERS:,} or more are "
            "needed; name more files in corpus.files."
        )
    whole = len(documents) >= MANY_DOCUMENTS and max(map(len, documents)) < characters / 10
    size = min(max(characters // PASSAGES, SHORTEST), LONGEST)
    cuts = [[0, len(document)] if whole else cut_places(document, size) for document in documents]
    parts = iter(assign_parts([stop - start for places in cuts for start, stop in pairwise(places)], config))
    splits = TextSplits([], [], [])
    for document, places in zip(documents, cuts, strict=True):
        passages = [(next(parts), start, stop) for start, stop in pairwise(places)]
        for part, together in groupby(passages, key=itemgetter(0)):
            neighbours = list(together)
            texts: list[str] = getattr(splits, part)
            texts.append(document[neighbours[0][1] : neighbours[-1][2]])
    return splits


def assign_parts(lengths: Sequence[int], config: CorpusConfig) -> list[str]:
    """The part of each passage; validation and test get some until they have their share of characters."""
    if len(lengths) < 3:
        raise UserError(
            f"The corpus cannot be divided: it has {len(lengths)} passage(s), and three are needed; put "
            "empty lines between paragraphs, or name more files in corpus.files."
        )
    order = list(range(len(lengths)))
    random.Random(config.seed).shuffle(order)
    parts = ["train"] * len(lengths)
    for part, share in (("test", config.test), ("validation", config.validation)):
        wanted = share * sum(lengths)
        while wanted > 0 and len(order) > 1:
            place = order.pop()
            parts[place] = part
            wanted -= lengths[place]
    return parts


def cut_places(document: str, size: int) -> list[int]:
    """Where to cut a document into passages of `size` characters or somewhat more, its two ends included."""
    for border in (r"(?<=\n)(?=[ \t]*\n)", r"(?<=\n)", r"(?<=[.!?。！？] )|(?<=[。！？])"):
        places = [match.start() for match in re.finditer(border, document)]
        if max(stop - start for start, stop in pairwise([0, *places, len(document)])) <= 4 * size:
            break
    cuts = [0]
    for place in places:
        if place - cuts[-1] >= size:
            cuts.append(place)
    rest = len(document) - cuts[-1]
    if rest < size / 2 and len(cuts) > 1:
        cuts.pop()
    return [*cuts, len(document)]
