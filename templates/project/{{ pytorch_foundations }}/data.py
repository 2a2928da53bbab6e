"""Rows as PyTorch takes them: float32 tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.data import TensorDataset

from .numpy_network import Array, as_column
from .problems import Rows, Splits


@dataclass(frozen=True)
class Data:
    """Data sets that give `(X, y)` row by row: X (D,) as measured, for the model scales it, and y (1,)."""

    train: TensorDataset
    validation: TensorDataset
    test: TensorDataset


def load_data(splits: Splits) -> Data:
    """Make a data set of each part."""
    return Data(*(make_dataset(part.X, part) for part in (splits.train, splits.validation, splits.test)))


def make_dataset(X: Array, rows: Rows | None = None) -> TensorDataset:
    """Make a data set of features (N, D), with the labels of `rows` if there are any."""
    features = torch.tensor(X, dtype=torch.float32)
    if rows is None:
        return TensorDataset(features)
    return TensorDataset(features, torch.tensor(as_column(rows.y), dtype=torch.float32))
