"""Are the gradients right? Compare the backward pass with what happens when a weight is moved a little."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .numpy_network import ALL_LAYERS, LOSSES, Array, Network, as_column

STEP = 1e-5
"""How far a weight is moved. The formula's error falls with the square of it, the rounding error of the two
losses grows with its inverse: in float64 the sum of both is least near 1e-5."""


def numerical_gradients(network: Network, X: Array, y: npt.ArrayLike, loss: str) -> dict[str, Array]:
    """∂L/∂w ≈ ( L(w + h) - L(w - h) ) / 2h, one weight after the other (central differences; error ∝ h²).

    Two forward passes per weight: fine as a check of a small network, hopeless for training one. The backward
    pass gives all gradients at the price of about two forward passes: that is why networks can be trained.
    """
    Y = as_column(y)
    moved = network.copy()
    gradients = {}
    for name in ALL_LAYERS:
        weights = getattr(moved, name)
        gradients[name] = np.empty_like(weights)
        for place in np.ndindex(weights.shape):
            here = weights[place]
            weights[place] = here + STEP
            above = LOSSES[loss].value(moved.forward(X).Z2, Y)
            weights[place] = here - STEP
            below = LOSSES[loss].value(moved.forward(X).Z2, Y)
            weights[place] = here
            gradients[name][place] = (above - below) / (2.0 * STEP)
    return gradients


def relative_errors(network: Network, X: Array, y: npt.ArrayLike, loss: str) -> dict[str, float]:
    """‖backward - numerical‖ / (‖backward‖ + ‖numerical‖) for W1, b1, W2 and b2.

    About 1e-9 where the formulas are right; a wrong sign or a forgotten factor gives more than 0.1. (ReLU has
    a kink: an input within `STEP` of it gives a larger figure although the formula is right.)
    """
    backward = network.backward(network.forward(X), as_column(y), loss)
    numerical = numerical_gradients(network, X, y, loss)
    return {name: _relative_error(backward[name], numerical[name]) for name in ALL_LAYERS}


def _relative_error(one: Array, other: Array) -> float:
    sizes = np.linalg.norm(one) + np.linalg.norm(other)
    return float(np.linalg.norm(one - other) / sizes) if sizes > 0.0 else 0.0
