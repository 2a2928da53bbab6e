"""What is to be predicted: numbers, or which classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from .config import DataConfig
from .console import say
from .errors import UserError
from .table_format import (
    FEWEST_ROWS,
    ColumnDescription,
    TableError,
    check_target,
    describe_column,
    find_decimal,
    parse_number,
    problem_of,
)

FEWEST_OF_A_CLASS = 3  # one row each to train, to validate and to test


@dataclass(frozen=True, kw_only=True)
class Target:
    """Facts about the column to predict that no statistic of the rows enters.

    Attributes:
        column: Its name.
        problem: `classification` or `regression`.
        classes: Names of the classes, sorted; empty for regression.
        decimal: Character before the decimals in the whole file.
    """

    column: str
    problem: Literal["classification", "regression"]
    classes: list[str]
    decimal: str


def decide_target(table: pd.DataFrame, data: DataConfig) -> tuple[pd.DataFrame, Target]:
    """Return the rows that can be learned from, and what is predicted.

    Left out are rows without a target and rows of classes that have fewer than three.

    Raises:
        UserError: Nothing can be learned: one value only, no value, too few rows, too many classes.
    """
    decimal = (
        data.decimal
        if data.decimal != "auto"
        else find_decimal(table.head(5000).astype("string").fillna("").to_numpy())
    )
    rows = table[table[data.target].notna()]
    if len(rows) < len(table):
        say(f"{len(table) - len(rows):,} of {len(table):,} rows have no {data.target!r} and are left out.")
    if 0 < len(rows) < FEWEST_ROWS:
        raise UserError(
            f"{data.file} has too few rows to learn from: {len(rows)}, and {FEWEST_ROWS} are needed."
        )
    described = describe_column(data.target, rows[data.target].astype("string").tolist(), decimal)
    problem = problem_of(described) if data.problem == "auto" else data.problem
    check(described, rows, problem, data)
    classes: list[str] = []
    if problem == "classification":
        rows, classes = keep_learnable(rows, data, decimal)
    return rows, Target(column=data.target, problem=problem, classes=classes, decimal=decimal)


def check(described: ColumnDescription, rows: pd.DataFrame, problem: str, data: DataConfig) -> None:
    """Refuse a target that cannot be predicted as what it should be."""
    try:
        check_target(described, len(rows), True, Path(data.file))
    except TableError as error:
        raise UserError(str(error)) from None
    if problem == "regression" and described.kind != "number":
        raise UserError(
            f"data.problem is regression, but {data.target!r} holds texts such as {described.examples[0]!r}."
        )
    if problem == "classification" and described.distinct > len(rows) / 3:
        raise UserError(
            f"data.problem is classification, but {data.target!r} has {described.distinct:,} different "
            "values in "
            f"{len(rows):,} rows: predict it as a number (regression), or choose another target."
        )


def keep_learnable(rows: pd.DataFrame, data: DataConfig, decimal: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out the rows of classes with too few rows, and return the names of the classes that remain."""
    names = class_names(rows[data.target], decimal)
    counts = names.value_counts()
    rare = sorted(counts[counts < FEWEST_OF_A_CLASS].index)
    if rare:
        say(
            f"Left out, fewer than {FEWEST_OF_A_CLASS} rows of a class of {data.target!r}: "
            f"{', '.join(rare[:10])}."
        )
    classes = sorted(set(counts.index) - set(rare), key=natural_order)
    if len(classes) < 2:
        raise UserError(
            f"{data.file}: {data.target!r} needs two classes with {FEWEST_OF_A_CLASS} or more rows each."
        )
    return rows[~names.isin(rare)], classes


def class_names(values: pd.Series, decimal: str) -> pd.Series:
    """The name of each row's class: 1, 1.0 and 01 are the same one."""
    if is_bool_dtype(values.dtype):
        return values.map({True: "yes", False: "no"}).astype("string")
    texts = values.astype("string")
    return texts.map({text: class_name(text, decimal) for text in texts.unique()})


def class_name(text: str, decimal: str) -> str:
    number = parse_number(text, decimal)
    return f"{number:.0f}" if number is not None and number.is_integer() else text


def natural_order(name: str) -> tuple[bool, float, str]:
    """Numbers by size, before texts by alphabet."""
    number = parse_number(name)
    return (number is None, number or 0.0, name)


def is_number_column(values: pd.Series) -> bool:
    """Whether a column came as numbers (Parquet), not as text that may hold numbers."""
    return is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype)
