"""The network for tables, its loss, its predictions, and its one file on disk."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from .checkpoint import MODEL_FILE, save, uncompiled
from .columns import Columns
from .config import ModelConfig
from .data import Data, count_categories
from .errors import UserError

COLUMNS_FILE = "columns.json"
HEAD = "head"


def build_model(config: ModelConfig, columns: Columns, data: Data) -> keras.Model:
    """A multilayer perceptron over the numbers and an embedding of each category; shapes of a batch:

    numbers (N, n) ──────────────────────────┐
    categories (N, c) → embedding (N, c, e) ─┴→ (N, n + c·e) → hidden layers → (N, h) → head → (N, outputs)
    """
    features = data.preprocessing.output
    inputs, parts = {}, []
    if "numbers" in features:
        inputs["numbers"] = keras.Input(features["numbers"].shape[1:], name="numbers")
        parts.append(inputs["numbers"])
    if "categories" in features:
        inputs["categories"] = keras.Input(features["categories"].shape[1:], name="categories", dtype="int32")
        # One table holds the embeddings of all columns, whose indices do not overlap: one step instead of c.
        embedding = keras.layers.Embedding(count_categories(data.preprocessing), config.embedding_size)
        parts.append(keras.layers.Flatten()(embedding(inputs["categories"])))
    x = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for width in config.hidden_sizes:
        x = keras.layers.Dense(width, use_bias=False, kernel_initializer="he_normal")(x)
        # Keras' own momentum, 0.99, needs hundreds of steps; a table gives some tens per epoch.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        x = keras.layers.Dropout(config.dropout)(x)
    # float32 also under mixed precision: a softmax over bfloat16 numbers is too coarse.
    outputs = keras.layers.Dense(columns.outputs, dtype="float32", name=HEAD)(x)
    return keras.Model(inputs, outputs, name="network")


@keras.saving.register_keras_serializable(package="tabular")
class WeightedCrossentropy(keras.losses.Loss):
    """Cross-entropy of class indices (N,) and logits (N, classes), each row times the weight of its class."""

    def __init__(
        self, class_weights: list[float], name: str = "weighted_crossentropy", **options: str
    ) -> None:
        super().__init__(name=name, **options)
        self.class_weights = class_weights

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        target = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        weights = keras.ops.convert_to_tensor(self.class_weights, dtype=y_pred.dtype)
        losses = keras.losses.sparse_categorical_crossentropy(target, y_pred, from_logits=True)
        return losses * keras.ops.take(weights, target)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "class_weights": self.class_weights}


def loss(columns: Columns) -> keras.losses.Loss:
    """Cross-entropy for classes, mean squared error for numbers (of the standardised target)."""
    if columns.problem == "regression":
        return keras.losses.MeanSquaredError()
    if columns.class_weights:
        return WeightedCrossentropy(columns.class_weights)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def to_predictions(outputs: np.ndarray, columns: Columns) -> np.ndarray:
    """Raw outputs (N, outputs) as probabilities (N, classes), or as numbers (N,) in the target's own unit."""
    if columns.problem == "regression":
        return columns.decode_target(outputs)
    exponentials = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def save_model(model: keras.Model, folder: Path, columns: Columns, preprocessing: keras.Model) -> None:
    """Write `model.keras`, which takes raw columns by name and gives outputs, and `columns.json`, to
    `folder`."""
    inputs = {name: keras.Input((), name=name, dtype=raw.dtype) for name, raw in preprocessing.input.items()}
    whole = keras.Model(inputs, uncompiled(model)(preprocessing(inputs)), name="model")
    save(whole, folder / MODEL_FILE)
    (folder / COLUMNS_FILE).write_text(columns.to_json(), encoding="utf-8")


def load_model(folder: Path) -> tuple[keras.Model, Columns, keras.Model]:
    """Read what `save_model` wrote: network, columns, preprocessing. Raises UserError when it is not
    there."""
    if not (folder / MODEL_FILE).exists():
        raise UserError(f"{folder / MODEL_FILE} does not exist: the training did not reach its end.")
    whole = keras.saving.load_model(folder / MODEL_FILE, compile=False)
    columns = Columns.from_json((folder / COLUMNS_FILE).read_text(encoding="utf-8"))
    return whole.get_layer("network"), columns, whole.get_layer("preprocessing")


def freeze_backbone(model: keras.Model) -> None:
    """Let training change the last layer only. A frozen BatchNormalization also keeps its running
    statistics."""
    for layer in model.layers:
        layer.trainable = layer.name == HEAD


def unfreeze(model: keras.Model) -> None:
    """Let training change every layer again, but for the norms.

    A few rows would give them other statistics than those that the other layers were trained with. Keras'
    guide to transfer learning advises the same.
    """
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
