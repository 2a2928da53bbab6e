"""Finds out how a table file is written (encoding, delimiter, decimals, kinds of values) and reads its rows.

Standard library only. Whatever cannot be read becomes a `TableError` with one sentence: file, line, what to
do.
"""

import codecs
import csv
import datetime
import io
import itertools
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Kind = Literal["number", "category", "date", "text", "empty"]

MISSING_TEXTS = frozenset(
    {"", "na", "n/a", "#n/a", "null", "none", "nan", "-", "--", "?"}
)  # compared in lower case
MOST_COLUMNS = 2000
FEWEST_ROWS = 20  # fewer cannot be divided into training, validation and test rows
SAMPLED_CHARACTERS = 2_000_000  # `describe` looks at the beginning of larger files
DAYS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%Y年%m月%d日",
)
TIMES = (
    "",
    " %H:%M",
    " %H:%M:%S",
    " %H:%M:%S.%f",
    " %H:%M:%S%z",
    "T%H:%M:%S",
    "T%H:%M:%S.%f",
    "T%H:%M:%S%z",
    "T%H:%M:%S.%f%z",
)
DATE_FORMATS = tuple(day + time for time in TIMES for day in DAYS)
TARGET_NAMES = (
    "target", "label", "labels", "class", "y", "outcome", "response", "result", "churn", "survived",
    "diagnosis", "species", "quality", "saleprice", "price", "目标", "标签", "类别", "结果", "价格",
)  # fmt: skip
NOT_A_TEXT_FILE = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive: save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the table as CSV"),
    (b"PAR1", "a Parquet file: give it a name that ends in .parquet"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"%PDF", "a PDF document: save the table as CSV"),
    (b"SQLite format 3", "an SQLite database: export the table as CSV"),
)


class TableError(ValueError):
    """A table that cannot be used as it is. The text is one sentence for the person who owns it."""


class ParquetReaderMissing(TableError):  # noqa: N818
    """A Parquet file can only be looked into where the package pyarrow is installed."""


@dataclass(frozen=True, kw_only=True)
class TextFormat:
    """How a text file is written.

    Attributes:
        encoding: Python's name of it.
        delimiter: One character.
        header_line: Number of the line with the column names; 2 after a line such as `sep=;`.
    """

    encoding: str
    delimiter: str
    header_line: int = 1


@dataclass(frozen=True, kw_only=True)
class ColumnDescription:
    """One column of a table, as far as the described rows tell."""

    name: str
    kind: Kind
    missing: int
    distinct: int
    examples: list[str]  # the first ten different values


@dataclass(frozen=True, kw_only=True)
class TableDescription:
    """What a person wants to see of a table before using it.

    Attributes:
        rows: Number of rows that were looked at.
        complete: Whether these were all.
        encoding, delimiter: Empty for Parquet.
        suggested_target: Column that is probably to be predicted.
        problem: What follows from `target`, or from `suggested_target` where none was given.
    """

    path: Path
    rows: int
    complete: bool
    encoding: str
    delimiter: str
    columns: list[ColumnDescription]
    suggested_target: str
    problem: Literal["classification", "regression"]


def describe(path: str | Path, target: str = "") -> TableDescription:
    """Look at the beginning of a table, check what can be checked, and suggest the column to predict.

    Raises:
        TableError: The file is missing, not a table, too small or too wide, or `target` cannot be predicted.
        ParquetReaderMissing: It is a Parquet file and pyarrow is not installed here.
    """
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".parquet":
        layout, names, rows, complete = TextFormat(encoding="", delimiter=""), *read_parquet_head(path)
    else:
        layout = find_format(path)
        reader = read_rows(path, layout)
        names = next(reader)[1]
        rows, complete = [], True
        characters = 0
        for _, row in reader:
            rows.append(row)
            characters += sum(map(len, row))
            if characters > SAMPLED_CHARACTERS:
                complete = False
                break
    if len(rows) < FEWEST_ROWS:
        raise TableError(
            f"{path} has too few rows of data: {len(rows)}, and {FEWEST_ROWS} or more are needed."
        )
    decimal = find_decimal(rows)
    columns = [describe_column(name, [row[i] for row in rows], decimal) for i, name in enumerate(names)]
    suggested = suggest_target(columns, len(rows))
    described = {column.name: column for column in columns}[
        check_name(target, names, path) if target else suggested
    ]
    check_target(described, len(rows), complete, path)
    if all(column.kind == "empty" for column in columns if column is not described):
        raise TableError(
            f"{path}: every column besides {described.name!r} is empty, so nothing can be learned from it."
        )
    return TableDescription(
        path=path, rows=len(rows), complete=complete, encoding=layout.encoding, delimiter=layout.delimiter,
        columns=columns, suggested_target=suggested, problem=problem_of(described),
    )  # fmt: skip


def check_file(path: Path) -> None:
    """Refuse what is no readable, non-empty file."""
    if not path.exists():
        raise TableError(f"{path} does not exist.")
    if not path.is_file():
        raise TableError(f"{path} is a folder: give the table file in it.")
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from error
    if not beginning:
        raise TableError(f"{path} is empty.")
    if path.suffix.lower() == ".parquet":
        if not beginning.startswith(b"PAR1"):
            raise TableError(f"{path} is named .parquet but is not a Parquet file.")
        return
    for magic, what in NOT_A_TEXT_FILE:
        if beginning.startswith(magic):
            raise TableError(f"{path} is {what}.")


def find_format(path: Path, encoding: str = "auto", delimiter: str = "auto") -> TextFormat:
    """Find encoding and delimiter of a text file, unless they are given."""
    check_file(path)
    encoding = find_encoding(path) if encoding == "auto" else check_encoding(path, encoding)
    with path.open(encoding=encoding, newline="") as file:
        beginning = file.read(1 << 18)
    if not beginning.strip():
        raise TableError(f"{path} is empty.")
    declared = re.match(r"sep=(.)\r?\n", beginning)  # written by spreadsheet programs
    if declared:
        beginning = beginning[declared.end() :]
    if delimiter == "auto":
        delimiter = declared[1] if declared else find_delimiter(beginning, path)
    return TextFormat(
        encoding=encoding,
        delimiter="\t" if delimiter == "tab" else delimiter,
        header_line=2 if declared else 1,
    )


def find_encoding(path: Path) -> str:
    """UTF-8, or UTF-16 with its mark, if the whole file decodes, else GB18030 or the Latin-1 of Windows.

    The last two cannot be told apart for sure. Chinese text has its bytes above 127 in pairs, most of them
    among the 3,755 frequent characters, whose first byte lies in B0-D7; in Western text accented letters
    mostly stand alone.
    """
    with path.open("rb") as file:
        beginning = file.read(1 << 20)
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if beginning.startswith(mark):
            return check_encoding(path, encoding)
    if b"\0" in beginning:
        raise TableError(f"{path} is a binary file: save the table as CSV (UTF-8).")
    if decodes(path, "utf-8"):
        return "utf-8"
    runs = [run for chunk in read_chunks(path) for run in re.findall(rb"[\x80-\xff]+", chunk)]
    single = sum(len(run) == 1 for run in runs)
    if single < len(runs) / 2 and decodes(path, "gb18030"):
        pairs = [run[i] for run in runs for i in range(0, len(run) - 1, 2)]
        if sum(0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3 for lead in pairs) >= len(pairs) / 2:
            return "gb18030"
    if single >= len(runs) / 2:
        return "cp1252" if decodes(path, "cp1252") else "latin-1"
    raise TableError(
        f"{path}: its encoding is neither UTF-8 nor GB18030 nor Latin-1: set data.encoding, or save it as "
        "UTF-8."
    )


def check_encoding(path: Path, encoding: str) -> str:
    """Return `encoding` if Python knows it and the whole file decodes with it."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise TableError(
            f"data.encoding is {encoding!r}, which Python does not know: try utf-8, gb18030 or latin-1."
        ) from None
    if not decodes(path, encoding):
        raise TableError(f"{path} is not {encoding} text: set data.encoding to what it is, or to 'auto'.")
    return encoding


def decodes(path: Path, encoding: str) -> bool:
    """Whether the whole file is text in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in read_chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            yield chunk


def find_delimiter(beginning: str, path: Path) -> str:
    """The delimiter with which most rows have as many cells as the header; of equal ones that with more."""
    best, best_score = "", (0.0, 0)
    for delimiter in ",;\t|":
        widths = []
        try:
            for row in csv.reader(io.StringIO(beginning, newline=""), delimiter=delimiter):
                widths += [len(row)] if row else []
        except csv.Error:
            continue
        if not widths or widths[0] < 2:
            continue
        body = widths[1:-1] or widths  # the last row may be cut off
        score = (round(sum(width == widths[0] for width in body) / len(body), 2), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    if not best:
        raise TableError(
            f"{path} has only one column, or an unusual delimiter: in the second case set data.delimiter."
        )
    return best


def read_rows(path: Path, layout: TextFormat) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells), the header first. Cells are stripped; empty lines are left out."""
    with path.open(encoding=layout.encoding, newline="") as file:
        for _ in range(layout.header_line - 1):
            file.readline()
        reader = csv.reader(file, delimiter=layout.delimiter, strict=True)
        names: list[str] = []
        line = layout.header_line
        try:
            for cells in reader:
                row = [cell.strip() for cell in cells]
                if any(row):
                    if not names:
                        names = check_header(row, path, line)
                        yield line, names
                    else:
                        yield line, check_width(row, len(names), path, line)
                line = reader.line_num + layout.header_line
        except csv.Error as error:
            if "unexpected end" in str(error) or "field larger" in str(error):
                raise TableError(
                    f"{path}, line {line}: a quotation mark opens here and is never closed."
                ) from None
            raise TableError(f"{path}, line {line} cannot be read as a row of a table ({error}).") from None


def check_header(row: list[str], path: Path, line: int) -> list[str]:
    """Return the column names; a column without a name is called after its position."""
    if len(row) == 1:
        raise TableError(
            f"{path} has only one column: a column to predict and one or more to predict it from are needed."
        )
    if len(row) > MOST_COLUMNS:
        raise TableError(
            f"{path} has {len(row):,} columns: at most {MOST_COLUMNS:,} can be used, so choose the useful "
            "ones."
        )
    if all(parse_number(name) is not None for name in row):
        raise TableError(
            f"{path}, line {line} holds numbers where the names of the columns should be: add a header line."
        )
    names = [name or f"column {i}" for i, name in enumerate(row, start=1)]
    for name, times in Counter(names).items():
        if times > 1:
            raise TableError(
                f"{path}, line {line}: the column name {name!r} stands there {times} times: rename one of "
                "them."
            )
    return names


def check_width(row: list[str], width: int, path: Path, line: int) -> list[str]:
    """Return a row with as many cells as there are columns; empty ones too many are cut off."""
    while len(row) > width and not row[-1]:
        row.pop()
    if len(row) != width:
        raise TableError(
            f"{path}, line {line} has {len(row)} cells, but there are {width} columns: mend or delete this "
            "line."
        )
    return row


def is_missing(text: str, more: Iterable[str] = ()) -> bool:
    """Whether a text means that there is no value."""
    return text.lower() in MISSING_TEXTS or text.lower() in more


def number_pattern(decimal: str) -> re.Pattern[str]:
    """Sign, digits with or without groups of three, decimals, exponent. Spaces may group, too."""
    point = re.escape(decimal)
    group = rf"[{',' if decimal == '.' else '.'}' \u00a0\u202f]"
    return re.compile(
        rf"([-+−]?)[$€£¥]?((?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)(?:{point}\d*)?|{point}\d+)([eE][-+]?\d+)?\s?[%€]?"
    )


NUMBER = {".": number_pattern("."), ",": number_pattern(",")}
CODE = re.compile(r"0\d+")


def parse_number(text: str, decimal: str = ".") -> float | None:
    """A number, also with grouped thousands, a currency or a percent sign (12 % is 12); else None."""
    match = NUMBER[decimal].fullmatch(text)
    if not match:
        return None
    sign, digits, exponent = match.groups()
    digits = re.sub(r"[^\d,]" if decimal == "," else r"[^\d.]", "", digits).replace(",", ".")
    return float(f"{sign.replace('−', '-')}{digits}{exponent or ''}")


def find_decimal(rows: Iterable[Sequence[str]]) -> Literal[".", ","]:
    """`,` if more cells can only be read with a decimal comma than with a decimal point, else `.`."""
    point = comma = 0
    for row in rows:
        for cell in row:
            if "," in cell or "." in cell:
                with_point, with_comma = parse_number(cell, "."), parse_number(cell, ",")
                point += with_point is not None and with_comma is None
                comma += with_comma is not None and with_point is None
    return "," if comma > point else "."


def find_date_format(texts: Iterable[str]) -> str | None:
    """The format of which the texts are dates; None if there is none.

    03/04/2025 is day first unless another text forbids it. The first thousand texts are looked at; the
    conversion complains later about one that differs.
    """
    formats = list(DATE_FORMATS)
    for text in itertools.islice(texts, 1000):
        formats = [form for form in formats if parse_date(text, form) is not None]
        if not formats:
            return None
    return formats[0] if len(formats) < len(DATE_FORMATS) else None


def parse_date(text: str, form: str) -> datetime.datetime | None:
    """A date or time in the given format; None if it is none."""
    try:
        return datetime.datetime.strptime(text, form)
    except ValueError:
        return None


def find_kind(texts: Sequence[str], decimal: str = ".") -> Kind:
    """What a column holds, from its values that are not missing: 90 % numbers make it a number column."""
    if not texts:
        return "empty"
    distinct = Counter(texts)
    numbers = sum(times for text, times in distinct.items() if parse_number(text, decimal) is not None)
    if numbers >= 0.9 * len(texts):
        return "category" if any(CODE.fullmatch(text) for text in distinct) else "number"  # 00123 is a code
    if find_date_format(distinct):
        return "date"
    wordy = statistics.mean(map(len, distinct)) > 40
    return "text" if len(distinct) > 20 and (len(distinct) > len(texts) / 2 or wordy) else "category"


def describe_column(name: str, cells: Sequence[str], decimal: str) -> ColumnDescription:
    texts = [cell for cell in cells if not is_missing(cell)]
    distinct = list(dict.fromkeys(texts))
    return ColumnDescription(
        name=name,
        kind=find_kind(texts, decimal),
        missing=len(cells) - len(texts),
        distinct=len(distinct),
        examples=distinct[:10],
    )


def is_whole(text: str) -> bool:
    """Whether a text is a whole number."""
    return (number := parse_number(text)) is not None and number.is_integer()


def problem_of(column: ColumnDescription) -> Literal["classification", "regression"]:
    """Numbers with many values are predicted as numbers, everything else as classes."""
    few = column.distinct <= 10 and all(map(is_whole, column.examples))
    return "regression" if column.kind == "number" and not few else "classification"


def suggest_target(columns: Sequence[ColumnDescription], rows: int) -> str:
    """A column with a telling name, else the last one that can be predicted."""
    possible = [
        column
        for column in columns
        if column.distinct > 1
        and (column.kind == "number" or (column.kind == "category" and column.distinct <= rows / 5))
    ] or list(columns)
    for wanted in TARGET_NAMES:
        for column in possible:
            if column.name.lower().replace(" ", "_").strip("_") == wanted:
                return column.name
    return possible[-1].name


def check_name(name: str, names: Sequence[str], path: Path) -> str:
    """Return `name` if it is one of the columns; the error names the columns otherwise."""
    if name in names:
        return name
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    raise TableError(f"{path} has no column {name!r}; its columns are: {shown}.")


def check_target(column: ColumnDescription, rows: int, complete: bool, path: Path) -> None:
    """Refuse a target that nothing can be learned about."""
    if column.kind == "empty" and complete:
        raise TableError(f"{path}: all values of the column to predict, {column.name!r}, are missing.")
    if column.distinct == 1 and complete:
        raise TableError(
            f"{path}: the column to predict, {column.name!r}, has the same value {column.examples[0]!r} in "
            "every row, "
            "so there is nothing to learn."
        )
    if column.kind == "date":
        raise TableError(
            f"{path}: the column to predict, {column.name!r}, holds dates: a number or classes are needed."
        )
    if column.kind in ("text", "category") and column.distinct > max(rows / 5, 2):
        raise TableError(
            f"{path}: the column to predict, {column.name!r}, has {column.distinct} different texts in "
            f"{rows} rows, "
            "which are too many for classes."
        )


def read_parquet_head(path: Path) -> tuple[list[str], list[list[str]], bool]:
    """Column names, the first rows as text, and whether these are all."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise ParquetReaderMissing(
            f"{path} is a Parquet file, which needs the package pyarrow to be looked into."
        ) from None
    try:
        file: Any = pyarrow.parquet.ParquetFile(path)
        names = check_header(list(file.schema_arrow.names), path, 1)
        batch = next(file.iter_batches(batch_size=20_000), None)
    except (OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path} cannot be read as Parquet: {error}") from None
    values = (
        [["" if v is None else str(v) for v in column.to_pylist()] for column in batch.columns]
        if batch
        else []
    )
    rows = [list(row) for row in zip(*values, strict=True)]
    return names, rows, len(rows) == file.metadata.num_rows
