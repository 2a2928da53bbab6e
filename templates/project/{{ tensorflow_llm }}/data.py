"""Examples as a data set of rows, all of the same length, so that TensorFlow compiles one step only.

A row holds one example or, packed, several; each without its last token, which predicts nothing:

    tokens      a a a b b c c c c 0
    segments    1 1 1 2 2 3 3 3 3 0     attention stays within a segment; 0 is empty
    places          1 2   4       8     whose hidden states predict
    labels          a a   b       c     the tokens right of these places
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from .errors import UserError
from .examples import Example
from .packing import pack

STEP = 32
"""Rows are so many tokens long, or a multiple: processors and GPUs like round sizes."""


@dataclass(frozen=True)
class Rows:
    """R rows of T places, of which up to K predict.

    Attributes:
        tokens: (R, T) int32; 0 where a row is empty.
        segments: (R, T) int32.
        places: (R, K) int32; 0 beyond a row's last one.
        labels: (R, K) int32.
        learned: (R, K) bool: False beyond a row's last place.
        owners: For each row the examples in it, by their places in what was given, in order.
        dense: Whether K = T and `places` are 0, 1, 2, …
    """

    tokens: np.ndarray
    segments: np.ndarray
    places: np.ndarray
    labels: np.ndarray
    learned: np.ndarray
    owners: list[list[int]]
    dense: bool

    def __len__(self) -> int:
        return len(self.tokens)

    def first(self, count: int) -> Rows:
        """The first `count` rows, with all the places of the whole."""
        names = ("tokens", "segments", "places", "labels", "learned", "owners")
        return replace(self, **{name: getattr(self, name)[:count] for name in names})

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """What `language_model.build_language_model` takes."""
        arrays = {"tokens": self.tokens, "segments": self.segments, "labels": self.labels}
        return arrays if self.dense else {**arrays, "places": self.places}


def make_rows(
    examples: Sequence[Example], *, packed: bool, length: int = 0, dense: bool | None = None
) -> Rows:
    """Lay examples into rows.

    Args:
        examples: Those without a token to predict are left out.
        packed: Whether an example may share a row with others.
        length: Places of a row, T, at least; never fewer than the longest example needs.
        dense: Whether every place is to predict; None: where most of them do.

    Raises:
        UserError: When no example has a token to predict.
    """
    # What follows an example's last target is not read: nothing depends on it.
    ends = [int(example.targets.nonzero()[0].max(initial=0)) for example in examples]
    known = [index for index, end in enumerate(ends) if end]
    if not known:
        raise UserError("There is nothing to learn from: no example has a token to predict.")
    length = max(length, -(-max(ends) // STEP) * STEP)
    if packed:
        owners = [[known[place] for place in row] for row in pack([ends[index] for index in known], length)]
    else:
        owners = [[index] for index in known]

    tokens = np.zeros((len(owners), length), np.int32)
    segments, following = np.zeros_like(tokens), np.zeros_like(tokens)
    wanted = np.zeros(tokens.shape, bool)
    for row, indices in enumerate(owners):
        start = 0
        for segment, index in enumerate(indices, start=1):
            example, end = examples[index], ends[index]
            here = np.s_[row, start : start + end]
            tokens[here], following[here] = example.tokens[:end], example.tokens[1 : end + 1]
            segments[here], wanted[here] = segment, example.targets[1 : end + 1]
            start += end
    if dense if dense is not None else wanted.mean() > 0.5:
        places = np.broadcast_to(np.arange(length, dtype=np.int32), tokens.shape)
        return Rows(tokens, segments, places, following, wanted, owners, dense=True)
    counts = wanted.sum(axis=1)
    learned = np.arange(counts.max()) < counts[:, None]  # (R, K)
    places = np.zeros(learned.shape, np.int32)
    places[learned] = wanted.nonzero()[1]
    labels = np.where(learned, np.take_along_axis(following, places, axis=1), 0)
    return Rows(tokens, segments, places, labels, learned, owners, dense=False)


def make_dataset(rows: Rows, *, whole_batches_of: int = 1) -> tf.data.Dataset:
    """A data set of `(inputs, weights)`, row by row.

    Every token to be learned has the same weight, as many or few as a row or a batch may have: 1 / (mean
    number of such tokens per row). The loss of a row is the weighted sum of its losses, and Keras' mean over
    rows is the mean over tokens: in the history exactly, and in the gradient of several accumulated batches
    just as in that of one large batch.

    Empty rows fill up the last batch of `whole_batches_of` rows: with fewer rows its tokens would count more,
    and TensorFlow would compile the step a second time.
    """
    empty = -len(rows) % whole_batches_of
    weight = np.float32((len(rows) + empty) / rows.learned.sum())
    arrays = (rows.inputs, rows.learned * weight)
    data = tf.data.Dataset.from_tensor_slices(arrays)
    if empty:  # added, not padded to: that would copy gigabytes
        nothing = tf.nest.map_structure(lambda array: np.zeros_like(array[:1]), arrays)
        data = data.concatenate(tf.data.Dataset.from_tensor_slices(nothing).repeat(empty))
    return data
