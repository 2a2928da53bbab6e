"""The network of numpy_network.py once more, in Keras.

What is written out there is done here by Keras: the layers are named once, and there is no backward pass to
write, because TensorFlow derives it from the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from .checkpoint import MODEL_FILE, save
from .config import ModelConfig
from .errors import UserError
from .numpy_network import Array, Indices, Network, as_column, sigmoid
from .problems import Rows, Scaling

FRAMEWORK = "TensorFlow"
Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def build_model(config: ModelConfig, scaling: Scaling) -> keras.Model:
    """A network with new random weights: from features (N, D), which it scales itself, to logits (N, 1)."""
    return _two_layers(scaling, config.hidden, config.activation)


def _two_layers(scaling: Scaling, hidden: int, activation: str, dtype: str | None = None) -> keras.Model:
    X = keras.Input((len(scaling.mean),), name="features")  # (N, D)
    # The scaling is a layer, saved with the weights but not trained: so the model is never used with another.
    scale = keras.layers.Normalization(mean=scaling.mean, variance=scaling.deviation**2, name="scaling")
    A1 = keras.layers.Dense(hidden, activation=activation, name="first", dtype=dtype)(scale(X))  # (N, H)
    Z2 = keras.layers.Dense(1, name="second", dtype="float32")(A1)  # (N, 1), float32 also in mixed precision
    return keras.Model(X, Z2, name="two_layers")


def loss(config: ModelConfig) -> Loss:
    """The loss of labels (N, 1) and logits (N, 1). It applies the sigmoid itself, so the model does not."""
    if config.loss == "cross_entropy":
        return keras.losses.BinaryCrossentropy(from_logits=True)
    return mean_squared_error


def mean_squared_error(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean of (label - probability)²."""
    return tf.reduce_mean((labels - tf.sigmoid(logits)) ** 2)


def to_predictions(logits: np.ndarray) -> Array:
    """From logits (N, 1) to the probability of class 1, (N,)."""
    return sigmoid(logits.astype(np.float64))[:, 0]


# --- The same weights, the same steps as in NumPy -----------------------------------------------------------


def to_numpy(model: keras.Model) -> tuple[Network, Scaling]:
    """The weights as a NumPy network, and the scaling of the features that it takes."""
    scaling, first, second = (model.get_layer(name) for name in ("scaling", "first", "second"))
    W1, b1, W2, b2 = (array.astype(np.float64) for array in first.get_weights() + second.get_weights())
    network = Network(W1, b1, W2, b2, first.activation.__name__)
    mean, variance = (np.asarray(one, np.float64).reshape(-1) for one in (scaling.mean, scaling.variance))
    return network, Scaling(mean, np.sqrt(variance))


def from_numpy(network: Network, scaling: Scaling) -> keras.Model:
    """A model with the weights of a NumPy network, rounded to float32."""
    model = _two_layers(scaling, len(network.b1), network.activation, dtype="float32")
    model.get_layer("first").set_weights([network.W1, network.b1])
    model.get_layer("second").set_weights([network.W2, network.b2])
    return model


def train_like_numpy(
    model: keras.Model, rows: Rows, batches: Iterable[Indices], *, loss: Loss, learning_rate: float
) -> list[float]:
    """`train` of numpy_network.py in TensorFlow: one step per batch; returns the loss before each step."""
    optimizer = keras.optimizers.SGD(learning_rate)  # w ← w - η ∂L/∂w, nothing else
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)  # runs as one graph, made once and not for each batch
    def step(X: tf.Tensor, Y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:  # notes what is computed, to go back through it
            value = loss(Y, model(X))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    X, Y = rows.X.astype("float32"), as_column(rows.y).astype("float32")
    return [float(step(tf.constant(X[batch]), tf.constant(Y[batch]))) for batch in batches]


# --- Fine-tuning, saving, loading ---------------------------------------------------------------------------


def freeze_backbone(model: keras.Model) -> None:
    """Let only the second layer learn. Takes effect at the next `compile`, which `fit` does."""
    model.get_layer("first").trainable = False


def unfreeze(model: keras.Model) -> None:
    """Let both layers learn."""
    model.get_layer("first").trainable = True


def save_model(model: keras.Model, folder: Path) -> None:
    """Write the model, its scaling included, as one .keras file."""
    save(model, folder / MODEL_FILE)


def load_model(folder: Path) -> keras.Model:
    """Read what `save_model` wrote. Raises UserError."""
    file = folder / MODEL_FILE
    if not file.exists():
        raise UserError(f"{file} does not exist: this run has no trained model yet.")
    return keras.saving.load_model(file, compile=False)
