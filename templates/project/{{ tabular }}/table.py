"""Reads a table file into a pandas DataFrame. Nothing is converted yet: see columns.py."""

from itertools import islice
from pathlib import Path

import pandas as pd

from .config import DataConfig
from .errors import UserError
from .table_format import (
    MISSING_TEXTS,
    TableError,
    check_file,
    check_header,
    check_name,
    find_format,
    read_rows,
)

ROWS_AT_ONCE = 100_000


def read_table(path: str | Path, data: DataConfig) -> pd.DataFrame:
    """Read CSV, TSV or Parquet.

    Text files give columns of dtype `string`, Parquet files the types that they hold; missing values are NA.
    The index counts the lines of a text file or the rows of a Parquet file, and its name says so
    (`data/a.csv, line`): an error about a cell can name the place, also after rows were selected or
    reordered.

    Raises:
        UserError: The file cannot be read as a table. One sentence with the line number.
    """
    path = Path(path)
    try:
        return read_parquet(path) if path.suffix.lower() == ".parquet" else read_text(path, data)
    except TableError as error:
        raise UserError(str(error)) from None


def read_text(path: Path, data: DataConfig) -> pd.DataFrame:
    layout = find_format(path, data.encoding, data.delimiter)
    reader = read_rows(path, layout)
    _, names = next(reader)
    parts, lines = [], []
    while chunk := list(islice(reader, ROWS_AT_ONCE)):  # in parts: a list of lists needs ten times the memory
        lines += [line for line, _ in chunk]
        parts.append(pd.DataFrame([row for _, row in chunk], columns=names, dtype="string"))
    if not parts:
        raise TableError(f"{path} has a header but no rows below it.")
    table = pd.concat(parts, ignore_index=True)
    table.index = pd.Index(lines, name=f"{path}, line")
    missing = MISSING_TEXTS.union(text.lower() for text in data.missing_values)
    return table.apply(lambda column: column.mask(column.str.lower().isin(missing)))


def read_parquet(path: Path) -> pd.DataFrame:
    check_file(path)
    try:
        table = pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read as Parquet: {error}") from None
    table.columns = check_header([str(name) for name in table.columns], path, 1)
    table.index = pd.RangeIndex(1, len(table) + 1, name=f"{path}, row")
    return table


def read_training_table(data: DataConfig) -> pd.DataFrame:
    """Read the table of the configuration, and check that it has the columns that are named there."""
    table = read_table(data.file, data)
    try:
        for name in (data.target, *data.numeric, *data.categorical, *data.dates, *data.drop):
            check_name(name, list(table.columns), Path(data.file))
    except TableError as error:
        raise UserError(str(error)) from None
    return table
