"""Writes records one after another as JSON Lines, a JSON array, Parquet or a table."""

import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import UserError

Records = Iterable[dict[str, Any]]
OUTPUTS = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
ROWS_AT_ONCE = 10_000


def write_records(records: Records, path: Path) -> int:
    """Write records, at least one and all with the same fields; returns how many.

    The file's name ends in its format. The records go to another file beside it first, which then gets its
    name: there is never half of a file.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            if path.suffix.lower() == ".parquet":
                return write_parquet(records, temporary)
            if path.suffix.lower() in (".csv", ".tsv"):
                return write_table(records, temporary, "\t" if path.suffix.lower() == ".tsv" else ",")
            return write_json(records, temporary, array=path.suffix.lower() == ".json")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file that takes the place of `path` at the end, and goes where something fails."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(records: Records, path: Path, *, array: bool) -> int:
    """One record in each line, or one array with a record in each line."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            if array:
                file.write(",\n" if count else "[\n")
            file.write(json.dumps(record, ensure_ascii=False) + ("" if array else "\n"))
            count += 1
        if array:
            file.write("\n]\n")
    return count


def write_table(records: Records, path: Path, delimiter: str) -> int:
    """A table with a header; lists stand in their cells as JSON. Begins with a mark for Excel."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        for record in records:
            if not count:
                table.writerow(record)
            table.writerow(
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                for value in record.values()
            )
            count += 1
    return count


def write_parquet(records: Records, path: Path) -> int:
    """A Parquet file, in groups of rows; the first record's fields are its columns."""
    import pyarrow
    import pyarrow.parquet

    text = pyarrow.string()

    def column(value: Any) -> pyarrow.DataType:
        if isinstance(value, str):
            return text
        if isinstance(value, bool):
            return pyarrow.bool_()
        if value and isinstance(value[0], dict):  # turns, of which a few may have a weight
            kinds = {**dict.fromkeys(value[0], text), "weight": pyarrow.int8()}
            return pyarrow.list_(pyarrow.struct(list(kinds.items())))
        return pyarrow.list_(pyarrow.list_(text))  # Alpaca's history

    rest = iter(records)
    rows = list(islice(rest, ROWS_AT_ONCE))
    schema = pyarrow.schema([(name, column(value)) for name, value in rows[0].items()])
    count = 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
            rows = list(islice(rest, ROWS_AT_ONCE))
    return count
