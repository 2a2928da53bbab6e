"""A neural network with two layers, written out in NumPy: each formula beside the lines that compute it.

    X ───W1, b1───▶ Z1 ──activation──▶ A1 ───W2, b2───▶ Z2 ───sigmoid───▶ P
    (N, D)          (N, H)             (N, H)           (N, 1)            (N, 1)

N rows, D features, H hidden units. P is the probability of class 1 and Z2 its logit, ln(P / (1 - P)). Numbers
are float64, precise enough to check the gradients against differences (gradient_check.py). `σ` is the
sigmoid, `g` the activation, `g'` its slope, `⊙` multiplies element by element, `ᵀ` transposes.

The formulas are those of Rumelhart, Hinton and Williams, "Learning representations by back-propagating
errors", Nature 323 (1986), in today's notation: Goodfellow, Bengio and Courville, "Deep Learning" (2016),
section 6.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


# --- Activations. Without one, two layers are no more than one: (X W1) W2 = X (W1 W2) is linear in X --------


def sigmoid(Z: Array) -> Array:
    """σ(z) = 1 / (1 + e⁻ᶻ), between 0 and 1."""
    return np.exp(-np.logaddexp(0.0, -Z))  # the same as the formula, but e⁻ᶻ cannot overflow


def sigmoid_slope(Z: Array) -> Array:
    """σ'(z) = σ(z) (1 - σ(z)), at most 1/4: a gradient that passes through it shrinks."""
    return sigmoid(Z) * (1.0 - sigmoid(Z))


def tanh(Z: Array) -> Array:
    """tanh(z) = (eᶻ - e⁻ᶻ) / (eᶻ + e⁻ᶻ), between -1 and 1."""
    return np.tanh(Z)


def tanh_slope(Z: Array) -> Array:
    """tanh'(z) = 1 - tanh²(z), at most 1."""
    return 1.0 - np.tanh(Z) ** 2


def relu(Z: Array) -> Array:
    """ReLU(z) = max(z, 0)."""
    return np.maximum(Z, 0.0)


def relu_slope(Z: Array) -> Array:
    """ReLU'(z) = 1 where z > 0, else 0; at z = 0, where there is no slope, 0 is the custom."""
    return (Z > 0.0).astype(np.float64)


class Activation(NamedTuple):
    """A function and its slope, both element by element."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


ACTIVATIONS = {
    "sigmoid": Activation(sigmoid, sigmoid_slope),
    "tanh": Activation(tanh, tanh_slope),
    "relu": Activation(relu, relu_slope),
}


# --- Losses: how wrong the logits Z (N, 1) are for the labels Y (N, 1), averaged over the rows --------------


def cross_entropy(Z: Array, Y: Array) -> float:
    """L = -1/N Σ [ y ln p + (1 - y) ln(1 - p) ] with p = σ(z), in nats; ln 2 ≈ 0.693 if p = 1/2.

    With ln p = z - ln(1 + eᶻ) and ln(1 - p) = -ln(1 + eᶻ) it becomes 1/N Σ [ ln(1 + eᶻ) - y z ], where no
    logarithm of 0 can occur, however sure the network is.
    """
    return float(np.mean(np.logaddexp(0.0, Z) - Y * Z))


def cross_entropy_slope(Z: Array, Y: Array) -> Array:
    """∂L/∂z = (p - y) / N: the more wrong, the steeper."""
    return (sigmoid(Z) - Y) / len(Y)


def mean_squared_error(Z: Array, Y: Array) -> float:
    """L = 1/N Σ (p - y)² with p = σ(z); 1/4 if p = 1/2."""
    return float(np.mean((sigmoid(Z) - Y) ** 2))


def mean_squared_error_slope(Z: Array, Y: Array) -> Array:
    """∂L/∂z = 2/N (p - y) p (1 - p).

    The factor p (1 - p) makes it flat where the network is sure, even if it is wrong: that is why classes are
    learned faster with the cross-entropy.
    """
    P = sigmoid(Z)
    return 2.0 * (P - Y) * P * (1.0 - P) / len(Y)


class Loss(NamedTuple):
    """A loss, and its slope with respect to the logits, (N, 1)."""

    value: Callable[[Array, Array], float]
    slope: Callable[[Array, Array], Array]


LOSSES = {
    "cross_entropy": Loss(cross_entropy, cross_entropy_slope),
    "mean_squared_error": Loss(mean_squared_error, mean_squared_error_slope),
}


# --- The network --------------------------------------------------------------------------------------------

FIRST_LAYER = ("W1", "b1")
SECOND_LAYER = ("W2", "b2")
ALL_LAYERS = FIRST_LAYER + SECOND_LAYER


class Forward(NamedTuple):
    """What the forward pass computes, kept because the backward pass needs it."""

    X: Array  # (N, D)
    Z1: Array  # (N, H)
    A1: Array  # (N, H)
    Z2: Array  # (N, 1)


@dataclass
class Network:
    """The weights, and the two passes through them."""

    W1: Array  # (D, H)
    b1: Array  # (H,)
    W2: Array  # (H, 1)
    b2: Array  # (1,)
    activation: str = "tanh"

    def forward(self, X: Array) -> Forward:
        """From features to logits.

        Z1 = X W1 + b1
        A1 = g(Z1)
        Z2 = A1 W2 + b2
        """
        Z1 = X @ self.W1 + self.b1
        A1 = ACTIVATIONS[self.activation].value(Z1)
        Z2 = A1 @ self.W2 + self.b2
        return Forward(X, Z1, A1, Z2)

    def backward(self, forward: Forward, Y: Array, loss: str) -> dict[str, Array]:
        """How the loss changes with each weight: the chain rule, from the loss back to the first layer.

        D2     = ∂L/∂Z2                the slope of the loss              (N, 1)
        ∂L/∂W2 = A1ᵀ D2                                                   (H, 1)
        ∂L/∂b2 = Σₙ D2                 b2 acts on every row alike         (1,)
        D1     = ∂L/∂Z1 = D2 W2ᵀ ⊙ g'(Z1)                                 (N, H)
        ∂L/∂W1 = Xᵀ D1                                                    (D, H)
        ∂L/∂b1 = Σₙ D1                                                    (H,)
        """
        X, Z1, A1, Z2 = forward
        D2 = LOSSES[loss].slope(Z2, Y)
        D1 = D2 @ self.W2.T * ACTIVATIONS[self.activation].slope(Z1)
        return {"W1": X.T @ D1, "b1": D1.sum(axis=0), "W2": A1.T @ D2, "b2": D2.sum(axis=0)}

    def probabilities(self, X: Array) -> Array:
        """Probability of class 1, shape (N,)."""
        return sigmoid(self.forward(X).Z2)[:, 0]

    def copy(self) -> Network:
        """A network of its own with the same weights."""
        return deepcopy(self)


def new_network(features: int, hidden: int, activation: str, seed: int) -> Network:
    """Small random weights, zero biases.

    Equal weights would get equal gradients, and the hidden units would stay copies of one another for ever:
    so the weights are random. Their variance, 1/D or 2/D for ReLU, which silences half of the units, lets the
    signal keep its size from layer to layer (Glorot and Bengio 2010; He et al. 2015).
    """
    random = np.random.default_rng(seed)
    gain = 2.0 if activation == "relu" else 1.0
    return Network(
        W1=random.normal(scale=np.sqrt(gain / features), size=(features, hidden)),
        b1=np.zeros(hidden),
        W2=random.normal(scale=np.sqrt(1.0 / hidden), size=(hidden, 1)),
        b2=np.zeros(1),
        activation=activation,
    )


# --- Learning: gradient descent -----------------------------------------------------------------------------


def as_column(y: npt.ArrayLike) -> Array:
    """Labels (N,) as a column (N, 1), for (N, 1) minus (N,) would be (N, N), without any error message."""
    return np.asarray(y, dtype=np.float64).reshape(-1, 1)


def minibatches(rows: int, batch_size: int, seed: int) -> Iterable[Indices]:
    """Row numbers of one pass over the data, shuffled and cut into batches; the last one may be smaller."""
    order = np.random.default_rng(seed).permutation(rows)
    for start in range(0, rows, batch_size):
        yield order[start : start + batch_size]


def train(
    network: Network,
    X: Array,
    y: npt.ArrayLike,
    batches: Iterable[Indices],
    *,
    loss: str,
    learning_rate: float,
    layers: tuple[str, ...] = ALL_LAYERS,
) -> list[float]:
    """One step downhill per batch, w ← w - η ∂L/∂w, for the weights in `layers`; the others are frozen.

    X is (N, D), y (N,), a batch some row numbers, η the learning rate. Changes `network`; returns the loss of
    each batch before its step.
    """
    Y = as_column(y)
    losses = []
    for rows in batches:
        forward = network.forward(X[rows])
        losses.append(LOSSES[loss].value(forward.Z2, Y[rows]))
        gradients = network.backward(forward, Y[rows], loss)
        for name in layers:
            setattr(network, name, getattr(network, name) - learning_rate * gradients[name])
    return losses
