"""The network for tables: a backbone that turns a row into features, and a head that predicts from them.

numbers (N, F) ───────────────┐
                              ├─ joined (N, F + sum of E) → linear → residual layers → features (N, H) → head
categories (N, C) → embeddings┘
                  └────────────────────────── backbone ───────────────────────────────┘
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import skops.io
import torch
from torch import Tensor, nn

from . import freezing
from .checkpoint import load_weights, save_weights
from .columns import Columns
from .config import ModelConfig
from .data import Data, Inputs, Preprocessing
from .errors import UserError
from .evaluation import Loss

COLUMNS_FILE = "columns.json"
MODEL_FILE = "model.json"
PREPROCESSING_FILE = "preprocessing.skops"


class ResidualLayer(nn.Module):
    """Adds to its input what one hidden layer makes of it."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inputs)
        self.linear = nn.Linear(inputs, outputs)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.dropout(nn.functional.gelu(self.linear(self.norm(x))))


class Backbone(nn.Module):
    """Everything but the last layer: what one table taught is useful for another one like it."""

    def __init__(self, config: ModelConfig, numbers: int, category_sizes: Sequence[int]) -> None:
        super().__init__()
        widths = [embedding_width(size, config.embedding_size) for size in category_sizes]
        # Value 0, a category that no training row had, stays the zero vector: it says nothing either way.
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, width, padding_idx=0)
            for size, width in zip(category_sizes, widths, strict=True)
        )
        sizes = config.hidden_sizes
        self.linear = nn.Linear(numbers + sum(widths), sizes[0])
        self.layers = nn.Sequential(
            *(
                ResidualLayer(before, after, config.dropout)
                for before, after in zip([sizes[0], *sizes[:-1]], sizes, strict=True)
            )
        )
        self.norm = nn.LayerNorm(sizes[-1])

    def forward(self, inputs: Inputs) -> Tensor:
        categories = inputs["categories"]  # (N, C)
        embedded = [embedding(categories[:, index]) for index, embedding in enumerate(self.embeddings)]
        joined = torch.cat([inputs["numbers"], *embedded], dim=1)  # (N, F + sum of E)
        return self.norm(self.layers(self.linear(joined)))  # (N, H)


class TabularModel(nn.Module):
    """A row in, `(N, outputs)` out: a logit per class, or one standardised number."""

    def __init__(
        self, config: ModelConfig, numbers: int, category_sizes: Sequence[int], outputs: int
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config, numbers, category_sizes)
        self.head = nn.Linear(config.hidden_sizes[-1], outputs)

    def forward(self, inputs: Inputs) -> Tensor:
        return self.head(self.backbone(inputs))  # (N, H) → (N, outputs)


def embedding_width(values: int, largest: int) -> int:
    """Width of the embedding of a column with `values` values: half as many, but at most `largest`."""
    return min(largest, (values + 1) // 2)


def build_model(config: ModelConfig, columns: Columns, data: Data) -> TabularModel:
    """A model with random weights that fits the columns; the seed decides which."""
    return make_model(config, columns, data.preprocessing)


def make_model(config: ModelConfig, columns: Columns, preprocessing: Preprocessing) -> TabularModel:
    return TabularModel(config, preprocessing.numbers, preprocessing.category_sizes, columns.outputs)


def loss(columns: Columns) -> Loss:
    """The loss of each row: cross-entropy (times the weight of its class), or the squared error."""
    if columns.problem == "classification":
        weights = torch.tensor(columns.class_weights) if columns.class_weights else None

        def cross_entropy(outputs: Tensor, target: Tensor) -> Tensor:  # (N, classes), (N,) → (N,)
            weight = None if weights is None else weights.to(outputs.device)
            return nn.functional.cross_entropy(outputs, target, weight, reduction="none")

        return cross_entropy

    def squared_error(outputs: Tensor, target: Tensor) -> Tensor:  # (N, 1), (N,) → (N,)
        return (outputs.squeeze(1) - target) ** 2

    return squared_error


def to_predictions(outputs: np.ndarray, columns: Columns) -> np.ndarray:
    """Outputs (N, outputs) as probabilities (N, classes), or as values (N,) in the target's own unit."""
    if columns.problem == "classification":
        return torch.from_numpy(outputs).double().softmax(dim=1).numpy()
    return columns.decode_target(outputs)


def freeze_backbone(model: TabularModel) -> None:
    """Let only the head learn: it is the part that knows the old task best and the new one least."""
    freezing.freeze(model.backbone)


def unfreeze(model: TabularModel) -> None:
    """Let all layers learn, best at a lower rate than the head alone: the backbone is good already."""
    freezing.unfreeze(model)


def save_model(model: TabularModel, folder: Path, columns: Columns, preprocessing: Preprocessing) -> None:
    """Write all that prediction needs to `folder`: weights, sizes, columns, preprocessing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, folder)
    (folder / MODEL_FILE).write_text(json.dumps(asdict(model.config), indent=2) + "\n", encoding="utf-8")
    (folder / COLUMNS_FILE).write_text(columns.to_json(), encoding="utf-8")
    skops.io.dump(preprocessing.transformer, folder / PREPROCESSING_FILE)


def load_model(folder: Path) -> tuple[TabularModel, Columns, Preprocessing]:
    """Read what `save_model` wrote. Raises UserError when a file is missing.

    skops, unlike pickle, runs nothing that a file brings along, and refuses types that it does not know.
    """
    for name in (MODEL_FILE, COLUMNS_FILE, PREPROCESSING_FILE):
        if not (folder / name).exists():
            raise UserError(f"{folder} has no {name}: it is not the folder of a finished training.")
    columns = Columns.from_json((folder / COLUMNS_FILE).read_text(encoding="utf-8"))
    config = ModelConfig(**json.loads((folder / MODEL_FILE).read_text(encoding="utf-8")))
    preprocessing = Preprocessing(skops.io.load(folder / PREPROCESSING_FILE, trusted=["numpy.dtype"]))
    model = make_model(config, columns, preprocessing)
    load_weights(model, folder)
    model.eval()
    return model, columns, preprocessing
