"""From the table file to rows that can be learned from: read → target → segment → split."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from .columns import Columns, convert, decide_columns
from .config import TrainConfig
from .segment import Segment, find_segment
from .split import Splits, split_table
from .table import read_training_table
from .target import Target, class_names, decide_target


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The table, divided.

    Attributes:
        splits: Rows outside the segment, as they were read: to train, validate and test.
        segment: Rows kept out for fine-tuning, as they were read.
        target: What is predicted.
        set_aside: Columns that the model must not see because of how the rows are divided, with the reason.
    """

    splits: Splits
    segment: Segment
    target: Target
    set_aside: dict[str, str]


def prepare(config: TrainConfig) -> Prepared:
    """Read the table and divide it. The same configuration and file give the same rows every time."""
    table, target = decide_target(read_training_table(config.data), config.data)
    segment = find_segment(table, config.segment, config.split, classes_of(table, target))
    set_aside = {}
    if segment.column and config.segment.hidden:
        set_aside[segment.column] = f"names the segment ({segment.name})"
    if config.split.group_column:
        set_aside[config.split.group_column] = "keeps rows together in the split"
    splits = split_table(segment.others, config.split, classes_of(segment.others, target))
    return Prepared(splits=splits, segment=segment, target=target, set_aside=set_aside)


def choose_columns(prepared: Prepared, config: TrainConfig) -> Columns:
    """Decide what the columns are, from training rows alone. A column that names segments is a category."""
    data = config.data
    if prepared.segment.column:
        data = replace(data, categorical=[*data.categorical, prepared.segment.column])
    return decide_columns(prepared.splits.train, prepared.target, data, prepared.set_aside)


def convert_all(splits: Splits, columns: Columns) -> Splits:
    """Convert the rows of all three parts."""
    return splits.map(lambda rows: convert(rows, columns))


def classes_of(table: pd.DataFrame, target: Target) -> pd.Series | None:
    """The class of each row; None for regression."""
    return class_names(table[target.column], target.decimal) if target.problem == "classification" else None


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file: the same if and only if the file is the same."""
    with Path(path).open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
