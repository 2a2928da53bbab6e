"""Rows as Keras takes them: a `tf.data.Dataset` of float32 tensors."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from .numpy_network import Array, as_column
from .problems import Rows, Splits


@dataclass(frozen=True)
class Data:
    """Data sets that give `(X, y)` row by row: X (D,) as measured, for the model scales it, and y (1,)."""

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset


def load_data(splits: Splits) -> Data:
    """Make a data set of each part."""
    return Data(*(make_dataset(part.X, part) for part in (splits.train, splits.validation, splits.test)))


def make_dataset(X: Array, rows: Rows | None = None) -> tf.data.Dataset:
    """Make a data set of features (N, D), with the labels of `rows` if there are any."""
    features = X.astype("float32")
    if rows is None:
        return tf.data.Dataset.from_tensor_slices(features)
    return tf.data.Dataset.from_tensor_slices((features, as_column(rows.y).astype("float32")))
