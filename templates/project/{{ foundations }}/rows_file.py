"""Rows to predict: a CSV file in, a CSV file out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import UserError
from .numpy_network import Array
from .runs import write_atomically

ADDED = ("prediction", "probability 0", "probability 1")


@dataclass(frozen=True)
class Table:
    """A CSV file: names of the columns, the cells as text, and the features among them, (N, D)."""

    header: list[str]
    cells: list[list[str]]
    X: Array


def read_rows(path: Path, features: int) -> Table:
    """Read a CSV file in UTF-8 that has the columns x1 to x`features`, in any order and among others.

    Raises UserError, with the number of the line, for whatever is wrong.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; give a CSV file.")
    try:
        # newline="" leaves line ends within quotes to the csv module; -sig drops the mark that Excel sets.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: give the CSV file to predict with --input.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV file in UTF-8: {error}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    names = [f"x{number}" for number in range(1, features + 1)]
    if len(lines) < 2:
        raise UserError(f"{path} has no rows: it needs a header with {_listed(names)}, then rows.")
    (_, header), *rows = lines
    header = [name.strip() for name in header]
    for line, cells in rows:
        if len(cells) != len(header):
            raise UserError(f"{path}:{line} has {len(cells)} cells, but the header has {len(header)}.")
    places = [_place(name, header, path) for name in names]
    X = [[_number(cells[i], header[i], f"{path}:{line}") for i in places] for line, cells in rows]
    return Table(header, [cells for _, cells in rows], np.array(X))


def write_predictions(table: Table, probabilities: Array, path: Path) -> None:
    """Write the columns of `table`, the likelier class, and both probabilities; (N,) is that of class 1."""
    kept = [place for place, name in enumerate(table.header) if name not in ADDED]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(table.header[place] for place in kept), *ADDED])
    for cells, of_1 in zip(table.cells, probabilities, strict=True):
        added = (int(of_1 > 0.5), f"{1.0 - of_1:.6f}", f"{of_1:.6f}")
        writer.writerow([*(cells[place] for place in kept), *added])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.getvalue(), encoding="utf-8-sig")  # with a mark for Excel
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None


def _place(name: str, header: Sequence[str], path: Path) -> int:
    if header.count(name) != 1:
        problem = "has no column" if name not in header else "has more than one column"
        raise UserError(f"{path} {problem} {name}; its columns are {_listed(header)}.")
    return header.index(name)


def _number(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {column} is {text!r}; it must be a number.")
    return value


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:10])}, … ({len(names)} in all)"
