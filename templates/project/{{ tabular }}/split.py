"""Divides rows into training, validation and test rows. This comes before anything is computed from them.

All methods do the same: bring the rows into an order, and cut it in three.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .config import SplitConfig
from .errors import UserError
from .table_format import find_date_format, parse_date, parse_number


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Three tables with the same columns and no row in common."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    def map(self, function: Callable[[pd.DataFrame], pd.DataFrame]) -> "Splits":
        """Apply a function to each of the three."""
        return Splits(
            train=function(self.train), validation=function(self.validation), test=function(self.test)
        )


def split_table(table: pd.DataFrame, config: SplitConfig, classes: pd.Series | None = None) -> Splits:
    """Divide a table by the shares in the configuration.

    Args:
        table: Any columns; `config` may name one of them.
        config: Method, shares and seed.
        classes: The class of each row, for classification.

    Raises:
        UserError: A part would be empty.
    """
    validation, test = round(len(table) * config.validation), round(len(table) * config.test)
    return cut(table, len(table) - validation - test, validation, config, classes)


def cut(
    table: pd.DataFrame, train: int, validation: int, config: SplitConfig, classes: pd.Series | None
) -> Splits:
    """Cut a table into about `train` and `validation` rows, and the others for testing.

    Groups and rows of the same time are not torn apart, so these numbers may be missed by one block.
    """
    order, blocks = order_rows(table, config, classes)
    first = end_of_block(blocks, train)
    second = end_of_block(blocks, min(max(first + validation, first + 1), len(table)))
    parts = {"train": order[:first], "validation": order[first:second], "test": order[second:]}
    for name, rows in parts.items():
        if len(rows) == 0:
            what = (
                f"{len(np.unique(blocks))} groups or times"
                if config.group_column or config.time_column
                else f"{len(table)} rows"
            )
            raise UserError(
                f"There are no {name} rows: {what} are too few, or split.validation and split.test do not "
                "fit."
            )
    return Splits(**{name: table.iloc[rows] for name, rows in parts.items()})


def order_rows(
    table: pd.DataFrame, config: SplitConfig, classes: pd.Series | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return row positions in the order to cut, and for each its block, which must stay whole."""
    method = choose_method(config, classes)
    random = np.random.default_rng(config.seed)
    if method == "grouped":
        codes = pd.factorize(column(table, config.group_column, "split.group_column"), use_na_sentinel=False)[
            0
        ]
        blocks = random.permutation(codes.max() + 1)[codes]
    elif method == "time":
        blocks = time_ranks(column(table, config.time_column, "split.time_column"))
    elif method == "stratified" and classes is not None:
        return np.argsort(spread_classes(classes, random), kind="stable"), np.arange(len(table))
    else:
        blocks = random.permutation(len(table))
    order = np.argsort(blocks, kind="stable")
    return order, blocks[order]


def choose_method(config: SplitConfig, classes: pd.Series | None) -> str:
    if config.method != "auto":
        return config.method
    if config.group_column:
        return "grouped"
    if config.time_column:
        return "time"
    return "random" if classes is None else "stratified"


def spread_classes(classes: pd.Series, random: np.random.Generator) -> np.ndarray:
    """A place in (0, 1) for each row such that every stretch holds all classes in equal shares."""
    places = np.empty(len(classes))
    codes = pd.factorize(classes)[0]
    for code in range(codes.max() + 1):
        rows = np.flatnonzero(codes == code)
        places[random.permutation(rows)] = (np.arange(len(rows)) + random.random()) / len(rows)
    return places


def time_ranks(values: pd.Series) -> np.ndarray:
    """0 for the earliest time or smallest number, equal ones equal."""
    if values.isna().any():
        raise UserError(
            f"{values.index.name} {values.index[values.isna()][0]}: no value in the time column "
            f"{values.name!r}."
        )
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values.rank(method="dense").to_numpy().astype(np.int64) - 1
    texts = values.astype("string").unique()
    form = find_date_format(texts)
    times = {text: parse_date(text, form) if form else parse_number(text) for text in texts}
    for text, time in times.items():
        if time is None:
            line = values.index[values == text][0]
            raise UserError(
                f"{values.index.name} {line}: {text!r} in column {values.name!r} is no time as the others "
                "are."
            )
    ranks = {time: rank for rank, time in enumerate(sorted(set(times.values())))}  # type: ignore[type-var]
    return values.map({text: ranks[time] for text, time in times.items()}).to_numpy().astype(np.int64)


def end_of_block(blocks: np.ndarray, end: int) -> int:
    """The first place at or after `end` where one block ends and another begins."""
    while 0 < end < len(blocks) and blocks[end] == blocks[end - 1]:
        end += 1
    return end


def column(table: pd.DataFrame, name: str, setting: str) -> pd.Series:
    if name not in table.columns:
        raise UserError(
            f"{setting} is {name!r}, which is no column of the table: {', '.join(table.columns[:12])}."
        )
    return table[name]
