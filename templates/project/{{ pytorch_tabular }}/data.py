"""The table as tensors: numbers filled in and standardised, categories as indices for an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from torch import Tensor
from torch.utils.data import Dataset

from .columns import Columns
from .split import Splits

Inputs = dict[str, Tensor]
"""What the model takes: `numbers` (N, F) float32 and `categories` (N, C) int64; in one row without the N."""

LARGEST_NUMBER = 10.0
"""Standard deviations beyond which a number is cut off: one wild value must not drown all others in a row."""


class Preprocessing:
    """Turns converted columns into the model's inputs, with what was learned from the training rows alone."""

    def __init__(self, transformer: ColumnTransformer) -> None:
        self.transformer = transformer

    @classmethod
    def fit(cls, train: pd.DataFrame, columns: Columns) -> Preprocessing:
        """Learn medians, means, standard deviations and categories from the training rows.

        A missing number becomes the median of its column, and a further input says that it was missing.
        """
        numbers = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
        )
        categories = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        transformer = ColumnTransformer(
            [("numbers", numbers, columns.numeric), ("categories", categories, columns.categorical)]
        )
        return cls(transformer.fit(train))

    @property
    def category_sizes(self) -> list[int]:
        """For each category column, how many values it can have: the known ones and 0, the unknown."""
        if not self.transformer.transformers[1][2]:
            return []
        encoder = self.transformer.named_transformers_["categories"]
        return [len(values) + 1 for values in encoder.categories_]

    @property
    def numbers(self) -> int:
        """Number of number inputs F: the number columns and one more for each that had values missing."""
        return len(self.transformer.get_feature_names_out()) - len(self.category_sizes)

    def apply(self, table: pd.DataFrame) -> Inputs:
        """Inputs of N rows. A category that no training row had becomes 0."""
        values = np.asarray(self.transformer.transform(table), dtype=np.float64)  # (N, F + C)
        numbers = values[:, : self.numbers].clip(-LARGEST_NUMBER, LARGEST_NUMBER)
        categories = values[:, self.numbers :] + 1
        return {
            "numbers": torch.from_numpy(numbers.astype(np.float32)),
            "categories": torch.from_numpy(categories.astype(np.int64)),
        }


class TableDataset(Dataset[Any]):
    """Rows of a table in memory: `(inputs, target)`, or only the inputs where the target is not known."""

    def __init__(self, inputs: Inputs, target: Tensor | None) -> None:
        self.inputs = inputs
        self.target = target

    def __len__(self) -> int:
        return len(self.inputs["numbers"])

    def __getitem__(self, row: int) -> Any:
        return self._select(row)

    def take(self, rows: Sequence[int]) -> Any:
        """Several rows as one batch, much faster than one by one."""
        return self._select(torch.as_tensor(rows))

    def _select(self, rows: int | Tensor) -> Any:
        inputs = {name: values[rows] for name, values in self.inputs.items()}
        return inputs if self.target is None else (inputs, self.target[rows])


@dataclass(frozen=True, kw_only=True)
class Data:
    """The three parts of a table, ready for the model, and the preprocessing that made them so."""

    train: TableDataset
    validation: TableDataset
    test: TableDataset
    preprocessing: Preprocessing


def load_data(splits: Splits, columns: Columns, preprocessing: Preprocessing | None = None) -> Data:
    """Turn converted tables into data sets; `preprocessing` is fitted on the training rows unless given."""
    preprocessing = preprocessing or Preprocessing.fit(splits.train, columns)
    return Data(
        train=make_dataset(splits.train, columns, preprocessing),
        validation=make_dataset(splits.validation, columns, preprocessing),
        test=make_dataset(splits.test, columns, preprocessing),
        preprocessing=preprocessing,
    )


def make_dataset(table: pd.DataFrame, columns: Columns, preprocessing: Preprocessing) -> TableDataset:
    """Turn one converted table into a data set, with its target if it has one."""
    target = None
    if columns.target in table:
        target = torch.from_numpy(columns.encode_target(table))  # (N,): class indices or standardised numbers
    return TableDataset(preprocessing.apply(table), target)
