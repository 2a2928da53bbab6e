"""The rows that are kept out of training: the trained model is fine-tuned to them, which are new to it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .config import SegmentConfig, SplitConfig
from .errors import UserError
from .split import Splits, column, cut, end_of_block, order_rows

TELLING_NAMES = (
    "segment", "site", "region", "country", "state", "province", "city", "district", "store", "shop",
    "branch", "hospital", "school", "department", "market", "plant", "factory", "island", "channel", "brand",
    "地区", "国家", "省份", "城市", "门店", "医院", "学校", "部门", "品牌",
)  # fmt: skip
FEWEST_ROWS = 200  # of a natural segment
FEWEST_RANDOM_ROWS = 60  # of a random part, where the table has twice as many


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The rows outside (`others`) and inside (`rows`) of a segment. `column` is empty for a random part."""

    name: str
    column: str
    others: pd.DataFrame
    rows: pd.DataFrame


def find_segment(
    table: pd.DataFrame, config: SegmentConfig, split: SplitConfig, classes: pd.Series | None
) -> Segment:
    """Divide a table into a segment and the rest.

    Where rows are grouped, groups that reach into the segment are left out of the rest: nobody is in both.
    """
    name = find_segment_column(table, config, split) if config.column == "auto" else config.column
    if name in ("", "none"):
        return random_segment(table, config, split, classes)
    texts = column(table, name, "segment.column").astype("string")
    values = config.values or [smallest_large_value(texts)]
    for value in values:
        if value not in set(texts.dropna()):
            known = ", ".join(sorted(texts.dropna().unique())[:12])
            raise UserError(
                f"segment.values has {value!r}, which is not in column {name!r}; it holds {known}."
            )
    inside = texts.isin(values).to_numpy(dtype=bool)
    others = ~inside
    if split.group_column:
        groups = column(table, split.group_column, "split.group_column")
        others &= ~groups.isin(groups[inside]).to_numpy(dtype=bool)
    if not others.any():
        raise UserError(
            f"The segment {name} = {', '.join(values)} leaves no rows to train on: change segment.values."
        )
    return Segment(
        name=f"{name} = {', '.join(values)}", column=name, others=table[others], rows=table[inside]
    )


def find_segment_column(table: pd.DataFrame, config: SegmentConfig, split: SplitConfig) -> str:
    """A column with a telling name and a few values, one of which has rows enough; empty if there is none."""
    by_name = {
        name.lower(): name for name in table.columns if name not in (split.group_column, split.time_column)
    }
    for telling in TELLING_NAMES:
        if telling in by_name:
            counts = table[by_name[telling]].value_counts()
            if 2 <= len(counts) <= 60 and any(FEWEST_ROWS <= count <= len(table) / 2 for count in counts):
                return by_name[telling]
    return ""


def smallest_large_value(texts: pd.Series) -> str:
    """The rarest value that has rows enough, else the most frequent one."""
    counts = texts.value_counts()
    enough = counts[counts >= FEWEST_ROWS]
    return str(enough.index[-1] if len(enough) else counts.index[0])


def random_segment(
    table: pd.DataFrame, config: SegmentConfig, split: SplitConfig, classes: pd.Series | None
) -> Segment:
    """A random part of the rows; where rows are ordered by time, the newest part."""
    order, blocks = order_rows(table, split, classes)
    share = max(config.share, min(FEWEST_RANDOM_ROWS / len(table), 0.5))
    border = end_of_block(blocks, round(len(table) * (1 - share)))
    if border in (0, len(table)):
        raise UserError(
            "There are too few groups or times to keep some of them out of training: set split.method to "
            "random."
        )
    return Segment(
        name=f"a part of {share:.0%} of the rows",
        column="",
        others=table.iloc[np.sort(order[:border])],
        rows=table.iloc[np.sort(order[border:])],
    )


def split_segment(
    segment: pd.DataFrame, train: int, validation: int, config: SplitConfig, classes: pd.Series | None
) -> Splits:
    """Take a few rows of the segment for training and validation; all the others are for testing.

    A segment too small for that gives 40 % and 20 % of its rows.
    """
    train, validation = min(train, int(len(segment) * 0.4)), min(validation, int(len(segment) * 0.2))
    return cut(segment, max(train, 1), max(validation, 1), config, classes)
