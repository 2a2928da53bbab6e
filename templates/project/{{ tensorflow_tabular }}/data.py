"""Tables as data sets: Keras preprocessing layers, adapted to the training rows alone, and what they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from .columns import Columns
from .split import Splits

FEWEST_ROWS = 3
"""A category with fewer training rows counts as unseen: so the model learns what to do with unseen ones."""

FARTHEST = 10.0
"""Standard deviations from the mean at which a number is cut off, lest one typing error outweigh the rest."""


@dataclass(frozen=True)
class Data:
    """Three data sets of `(features, target)`, one row at a time, and the layers that made the features."""

    train: tf.data.Dataset
    validation: tf.data.Dataset
    test: tf.data.Dataset
    preprocessing: keras.Model


def load_data(splits: Splits, columns: Columns, preprocessing: keras.Model | None = None) -> Data:
    """Turn the three tables into data sets; `preprocessing` is fitted on `splits.train` unless given."""
    if preprocessing is None:
        preprocessing = fit_preprocessing(splits.train, columns)
    train, validation, test = (
        make_dataset(table, columns, preprocessing)
        for table in (splits.train, splits.validation, splits.test)
    )
    return Data(train, validation, test, preprocessing)


def make_dataset(table: pd.DataFrame, columns: Columns, preprocessing: keras.Model) -> tf.data.Dataset:
    """Rows of `table` as `(features, target)`, or as `features` alone where the table has no target.

    `features` is `{"numbers": float32 (numbers,), "categories": int32 (categories,)}`. They are computed
    once, here, and not anew in every epoch.
    """
    features = preprocessing(as_tensors(table, columns), training=False)
    if columns.target not in table:
        return tf.data.Dataset.from_tensor_slices(features)
    return tf.data.Dataset.from_tensor_slices((features, columns.encode_target(table)))


def as_tensors(table: pd.DataFrame, columns: Columns) -> dict[str, tf.Tensor]:
    """The input columns of a table as the preprocessing takes them: float64 (N,) with NaN, or text (N,)."""
    numbers = {key(name): tf.constant(table[name].to_numpy(np.float64)) for name in columns.numeric}
    texts = {key(name): tf.constant(table[name].tolist(), tf.string) for name in columns.categorical}
    return numbers | texts


def fit_preprocessing(train: pd.DataFrame, columns: Columns) -> keras.Model:
    """Layers from raw columns, by name, to features. All they know, they know from the rows in `train`.

    Numbers are standardised, (x - mean) / standard deviation. A missing one becomes 0, the mean, and where
    values were missing in training, a further number says so. Categories become indices; the first index of a
    column is for those not seen in training.
    """
    numbers = {key(name): keras.Input((), name=key(name), dtype="float64") for name in columns.numeric}
    texts = {key(name): keras.Input((), name=key(name), dtype="string") for name in columns.categorical}
    features: dict[str, Any] = {}
    if numbers:
        values = train[columns.numeric].to_numpy(np.float64)  # (N, numeric)
        features["numbers"] = numbers_layers(list(numbers.values()), values)
    if texts:
        lookups = [lookup_layer(train[name]) for name in columns.categorical]
        sizes = [lookup.vocabulary_size() for lookup in lookups]
        starts = np.cumsum([0, *sizes[:-1]]).tolist()  # each column has indices of its own
        indices = [
            lookup(text) + start for lookup, text, start in zip(lookups, texts.values(), starts, strict=True)
        ]
        features["categories"] = keras.ops.cast(keras.ops.stack(indices, axis=-1), "int32")
    return keras.Model(numbers | texts, features, name="preprocessing")


def key(name: str) -> str:
    """The name of a column in the model: Keras refuses the slash, and `where` is a name of its own."""
    return "column " + name.replace("/", "∕")


def numbers_layers(numbers: list[Any], values: np.ndarray) -> Any:
    """Standardise `numbers` as the training `values` (N, numeric) say; fill in and mark the missing ones."""
    missing = np.isnan(values)
    means = np.where(missing, 0, values).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    # In float64: float32 would lose the last digits of a large number before the mean is taken away.
    normalization = keras.layers.Normalization(dtype="float64", name="standardise")
    normalization.adapt(np.where(missing, means, values))
    standard = normalization(keras.ops.stack(numbers, axis=-1))  # a missing value is NaN before and after
    standard = keras.ops.cast(keras.ops.clip(standard, -FARTHEST, FARTHEST), "float32")
    is_missing = keras.ops.isnan(standard)
    filled = keras.ops.where(is_missing, 0.0, standard)
    sometimes_missing = np.flatnonzero(missing.any(axis=0)).tolist()
    if not sometimes_missing:
        return filled
    marks = keras.ops.take(keras.ops.cast(is_missing, "float32"), sometimes_missing, axis=-1)
    return keras.ops.concatenate([filled, marks], axis=-1)


def lookup_layer(column: pd.Series) -> keras.layers.StringLookup:
    """From a category to its index: 1, 2, … for those frequent enough in a training column, else 0."""
    counts = column.value_counts()
    return keras.layers.StringLookup(vocabulary=sorted(counts.index[counts >= FEWEST_ROWS]))


def count_categories(preprocessing: keras.Model) -> int:
    """How many different indices the categories of all columns have together."""
    lookups = [layer for layer in preprocessing.layers if isinstance(layer, keras.layers.StringLookup)]
    return sum(lookup.vocabulary_size() for lookup in lookups)
