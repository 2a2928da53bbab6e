"""Examples as batches: packed into rows, with no padding and nothing computed that teaches nothing.

A row is a pack of examples, at most `capacity` tokens together. The packs of a batch lie one after another:

    input_ids         a a a b b c c c c        three examples, without their last tokens: they predict nothing
    position_ids      0 1 2 0 1 0 1 2 3
    cu_seq_lens       0     3   5       9      attention stays between two of these
    target_positions      1 2   4       8      whose hidden states predict
    targets               a a   b       c      the tokens right of these places

Where all examples of a batch are equally long, as blocks of text are, they are a plain (B, T) batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from .errors import UserError
from .examples import Example
from .packing import pack

Batch = tuple[dict[str, Tensor | int], Tensor]
SHOWN = 8  # examples named in a message


class PackedData(Dataset[Batch]):
    """Gives a batch, inputs and targets (N,), for the numbers of its rows.

    Args:
        examples: What to learn. Those without a token to predict are left out.
        capacity: Most tokens that a row reads; never fewer than the longest example has.

    Attributes:
        weights: For each row, how many tokens it predicts: so much it counts in the loss.
        tokens: For each row, how many tokens it reads.

    Raises:
        UserError: When nothing is left to learn.
    """

    def __init__(self, examples: Sequence[Example], capacity: int = 0) -> None:
        # What follows an example's last target is not read: nothing depends on it.
        ends = [int(example.targets.nonzero()[0].max(initial=0)) for example in examples]
        self.places = [place for place, end in enumerate(ends) if end]
        if not self.places:
            raise UserError("There is nothing to learn from: no example has a token to predict.")
        self.examples = [examples[place] for place in self.places]
        self.lengths = np.array([ends[place] for place in self.places])  # tokens read
        counts = np.array([int(example.targets.sum()) for example in self.examples])
        self.rows = pack(self.lengths.tolist(), max(capacity, int(self.lengths.max())))
        self.weights = np.array([counts[row].sum() for row in self.rows])
        self.tokens = np.array([self.lengths[row].sum() for row in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Batch:
        return self.take([row])

    def take(self, rows: Sequence[int]) -> Batch:
        """The batch of these rows."""
        chosen = [index for row in rows for index in self.rows[row]]
        lengths = self.lengths[chosen]
        parts = [self.examples[index] for index in chosen]
        read = zip(parts, lengths, strict=True)
        tokens, wanted = zip(
            *((part.tokens[: end + 1], part.targets[1 : end + 1]) for part, end in read), strict=True
        )
        input_ids = np.concatenate([part[:-1] for part in tokens]).astype(np.int64)
        places = np.concatenate(wanted)  # (T,): whether the token after this one is a target
        targets = torch.from_numpy(np.concatenate([part[1:] for part in tokens]).astype(np.int64)[places])
        inputs: dict[str, Tensor | int] = {"targets": targets}
        if (lengths == lengths[0]).all():
            inputs["input_ids"] = torch.from_numpy(input_ids.reshape(len(chosen), -1))
        else:
            starts = np.concatenate([[0], lengths.cumsum()])
            positions = np.arange(len(input_ids)) - np.repeat(starts[:-1], lengths)
            inputs["input_ids"] = torch.from_numpy(input_ids[None])
            inputs["position_ids"] = torch.from_numpy(positions[None])
            inputs["cu_seq_lens"] = torch.from_numpy(starts.astype(np.int32))
            inputs["longest"] = int(lengths.max())
        if not places.all():
            inputs["target_positions"] = torch.from_numpy(places.nonzero()[0])
        return inputs, targets

    def describe(self, rows: Sequence[int]) -> str:
        """Name the examples in these rows, for a message: their places in what was given, from 0."""
        places = sorted(self.places[index] for row in rows for index in self.rows[row])
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        return f"examples {', '.join(map(str, places[:SHOWN]))}{more}"
