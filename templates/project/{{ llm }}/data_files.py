"""Reads records from JSONL, JSON, Parquet, CSV, TSV and text files, one by one, with their line numbers."""

import codecs
import csv
import glob
import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import Any

from .errors import UserError

Record = tuple[int, Any]  # 1-based line, or row in Parquet, and what stands there
ENDINGS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv", ".txt", ".md")
NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\x1f\x8b": "compressed with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard",
    b"PAR1": "a Parquet file, and its name should end in .parquet",
}
JSON_MISTAKES = {  # by the beginning of what the parser says, or by what json_mistake() finds in its place
    "single quotes": "JSON wants double quotes, not single ones",
    "constant": "JSON writes true, false and null, not True, False and None",
    "comma": "a comma before a closing bracket must be left out",
    "end": "it ends too early; in JSON Lines a record must stand on one line",
    "depth": "it is nested too deeply",
    "Extra data": "something follows the record: write one on each line, without commas between them",
    "Expecting ',' delimiter": 'a comma is missing, or a quotation mark within a text must be written \\"',
    "Expecting ':' delimiter": "a colon is missing after a name",
    "Expecting property name": "a name in double quotes is missing",
    "Expecting value": "a value is missing",
    "Invalid \\": "a backslash within a text must be written twice",
    "Invalid control character": "a tab within a text must be written \\t, a line break \\n",
    "Unterminated string": "a text has no closing quotation mark; a line break within it is written \\n",
}
BLOCK = 1 << 20  # characters read at a time
SPACES = re.compile(r"\s*")


class BadLine(ValueError):  # noqa: N818 - what is wrong, in a person's words
    """One line or record that cannot be read. The text says what is wrong with it."""


class Unreadable:
    """Stands for a line that could not be read, so that the lines after it still are."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def find_files(patterns: str | Sequence[str]) -> list[Path]:
    """The files of one or several names, which may hold * and **; those of one name are sorted.

    Raises UserError for a name that is of no file.
    """
    found: list[Path] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        path = Path(pattern)
        if path.is_dir():
            raise UserError(f"{path} is a folder: give the file in it, or several as {path / '*.jsonl'}.")
        if path.exists() or not set(pattern) & set("*?["):  # a file's name may hold [ itself
            found.append(path)
            continue
        matching = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207 - pathlib's takes no absolute patterns
        files = [match for match in matching if match.is_file()]
        if not files:
            raise UserError(f"Data: no file matches {pattern}, looked for from {Path.cwd()}.")
        found += files
    return found


def different_files(patterns: str | Sequence[str]) -> list[Path]:
    """Likewise, but a file that is named twice is refused: what it holds would count twice."""
    files = find_files(patterns)
    seen: set[Path] = set()
    for file in files:
        if file.resolve() in seen:
            raise UserError(f"{file} is named twice, by itself or by a name with *: name it once.")
        seen.add(file.resolve())
    return files


def file_names(patterns: str | Sequence[str]) -> str:
    """The names, for a sentence; of many the first."""
    names = [patterns] if isinstance(patterns, str) else list(patterns)
    return ", ".join([*names[:3], f"… ({len(names)} in all)"] if len(names) > 4 else names)


def read_records(path: str | Path, column: str = "") -> Iterator[Record]:
    """Read a file's records, one at a time: large files are never held as a whole, but for .json.

    Lines of a .txt file become `{"text": line}`; empty lines are skipped. A line that is no valid JSON gives
    an `Unreadable`.

    Args:
        path: The file.
        column: The one column that is read of a table, as it stands; empty, or not in the table: all columns.

    Raises:
        UserError: the file is missing, empty, or of a kind that is not known.
    """
    path = Path(path)
    ending = path.suffix.lower()
    check_file(path)
    if ending == ".parquet":
        return read_parquet(path, column)
    encoding = find_encoding(path)
    if ending in (".csv", ".tsv"):
        return read_csv(path, encoding, column)
    if ending in (".txt", ".md"):
        return ((line, {"text": text}) for line, text in read_lines(path, encoding))
    return read_json(path, encoding)


def check_file(path: Path) -> None:
    """Refuse what is no readable, non-empty file of a known kind. Raises UserError."""
    if not path.exists():
        names = get_close_matches(path.name, [file.name for file in path.parent.glob("*.*")], n=1)
        near = f" (nearest: {names[0]})" if names else ""
        raise UserError(f"{path} does not exist{near}.")
    if not path.is_file():
        raise UserError(f"{path} is a folder: give the file in it.")
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{path}: files of this kind cannot be read; known are {', '.join(ENDINGS)}.")
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if not beginning:
        raise UserError(f"{path} is empty.")
    if path.suffix.lower() == ".parquet":
        if not beginning.startswith(b"PAR1"):
            raise UserError(f"{path} is named .parquet but is no Parquet file.")
        return
    for magic, what in NOT_TEXT.items():
        if beginning.startswith(magic):
            raise UserError(f"{path} is {what}: it must be text.")


def find_encoding(path: Path) -> str:
    """UTF-8 with or without a mark, UTF-16 with one, else GB18030 (Chinese Windows). Raises UserError."""
    with path.open("rb") as file:
        beginning = file.read(4)
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    decoder.decode(block)
                decoder.decode(b"", final=True)
            return encoding
        except UnicodeDecodeError:
            continue
    raise UserError(f"{path} is neither UTF-8 nor GB18030 text: save it as UTF-8.")


def read_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers."""
    found = False
    with path.open(encoding=encoding, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip("\r\n")
            if text.strip():
                found = True
                yield number, text
    if not found:
        raise UserError(f"{path} is empty.")


def read_json(path: Path, encoding: str) -> Iterator[Record]:
    """JSON Lines, or one JSON array, whatever the file's name says: its first character tells."""
    with path.open(encoding=encoding) as file:
        while (character := file.read(1)).isspace():
            pass
    if character == "[" and not list_per_line(path, encoding):
        yield from read_array(path, encoding)
        return
    for number, line in read_lines(path, encoding):
        try:
            yield number, json.loads(line.lstrip("\ufeff"))  # a mark of UTF-8, where files were joined
        except JSONDecodeError as error:
            yield number, Unreadable(f"is not valid JSON: {json_mistake(error)} (character {error.colno})")
        except RecursionError:
            yield number, Unreadable(f"is not valid JSON: {JSON_MISTAKES['depth']}")


def json_mistake(error: JSONDecodeError) -> str:
    """What is wrong and what to do about it, in a few words."""
    before = error.doc[: error.pos].rstrip()[-1:]
    after = error.doc[error.pos :].lstrip()
    kind = error.msg
    if after.startswith("'"):
        kind = "single quotes"
    elif after.startswith(("True", "False", "None")):
        kind = "constant"
    elif kind.startswith("Illegal trailing comma") or (before == "," and after.startswith(("}", "]"))):
        kind = "comma"
    elif not after:
        kind = "end"
    return next((text for start, text in JSON_MISTAKES.items() if kind.startswith(start)), kind)


def list_per_line(path: Path, encoding: str) -> bool:
    """Whether each line of a file is a list of its own (of messages), rather than the file being one."""
    for _, line in islice(read_lines(path, encoding), 1):
        try:
            content = json.loads(line)
        except ValueError:
            return False
        return isinstance(content, list) and bool(content) and path.suffix.lower() != ".json"
    return False


def read_array(path: Path, encoding: str) -> Iterator[Record]:
    """The elements of one JSON array, read and decoded piece by piece; a mistake ends the reading."""
    decoder = JSONDecoder()
    with path.open(encoding=encoding) as file:
        text = file.read(BLOCK)
        place, after_value = text.index("[") + 1, False
        line = 1 + text.count("\n", 0, place)
        while True:
            start, place = place, SPACES.match(text, place).end()  # type: ignore[union-attr]
            line += text.count("\n", start, place)
            if place == len(text):
                text, place = file.read(BLOCK), 0
                if not text:
                    yield line, Unreadable("is not valid JSON: the closing ] is missing")
                    return
            elif text[place] == "]":
                return
            elif after_value:
                if text[place] != ",":
                    yield line, Unreadable("is not valid JSON: a comma or the closing ] is missing")
                    return
                place, after_value = place + 1, False
            else:
                value, end, mistake = decode_at(decoder, text, place)
                if mistake or end == len(text):  # perhaps the rest of it is still to be read
                    more = file.read(max(BLOCK, len(text) - place))
                    if more:
                        text, place = text[place:] + more, 0
                        continue
                if mistake:
                    yield line + text.count("\n", place, end), Unreadable(f"is not valid JSON: {mistake}")
                    return
                yield line, value
                line += text.count("\n", place, end)
                place, after_value = end, True


def decode_at(decoder: JSONDecoder, text: str, place: int) -> tuple[Any, int, str]:
    """A JSON value, the place after it, and no mistake; or no value, the place of the mistake, and it."""
    try:
        return *decoder.raw_decode(text, place), ""
    except JSONDecodeError as error:
        return None, error.pos, json_mistake(error)
    except RecursionError:
        return None, place, JSON_MISTAKES["depth"]


def read_csv(path: Path, encoding: str, column: str = "") -> Iterator[Record]:
    """Rows of a table as mappings; a cell that holds a JSON list, such as messages, is decoded.

    Where there is the column `column` the mappings have it alone, and it is not decoded.
    """
    csv.field_size_limit(1 << 30)
    with path.open(encoding=encoding, newline="") as file:
        header = file.readline()
        file.seek(0)
        delimiter = max("\t", ",", ";", "|", key=header.count) if path.suffix.lower() == ".csv" else "\t"
        reader = csv.reader(file, delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        before = reader.line_num
        try:
            for row in reader:
                line, before = before + 1, reader.line_num
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(names):
                    reason = f"has {len(row)} cells, but the header has {len(names)}"
                    yield line, Unreadable(reason)
                    continue
                if column in names:
                    yield line, {column: row[names.index(column)]}
                else:
                    yield line, {name: decoded(cell) for name, cell in zip(names, row, strict=True)}
        except csv.Error as error:
            yield reader.line_num, Unreadable(f"is not valid CSV: {error}")


def decoded(cell: str) -> Any:
    """A cell's text, or the list that it holds as JSON."""
    if cell == "[]" or cell.startswith(("[{", "[[")):
        try:
            return json.loads(cell)
        except JSONDecodeError:
            return cell
    return cell


def read_parquet(path: Path, column: str = "") -> Iterator[Record]:
    """Rows of a Parquet file as mappings; where there is the column `column`, nothing else is read."""
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        number = 0
        columns = [column] if column in file.schema_arrow.names else None
        for batch in file.iter_batches(batch_size=1000, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}.") from None
    if not number:
        raise UserError(f"{path} is empty.")


def place_name(path: str | Path) -> str:
    """What the numbers of a file's records count: lines, or rows in Parquet."""
    return "row" if Path(path).suffix.lower() == ".parquet" else "line"


def named_lines(path: str | Path, mistakes: Sequence[tuple[int, str]], total: int, most: int = 5) -> str:
    """The first mistakes with their lines, and how many more of `total` there are, for a sentence."""
    shown = "; ".join(f"{place_name(path)} {line} {reason}" for line, reason in mistakes[:most])
    return shown + (f"; and {total - most:,} more" if total > most else "")
