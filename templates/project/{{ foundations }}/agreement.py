"""Is the framework's network the same as the NumPy one? Train both from the same weights, and compare."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice

import numpy as np

from .config import ModelConfig
from .model import from_numpy, loss, to_numpy, train_like_numpy
from .numpy_network import ALL_LAYERS, Indices, minibatches, new_network, train
from .problems import Rows, Scaling

LARGEST_DIFFERENCE = 1e-4
"""NumPy computes in float64, the framework in float32: its rounding is all that may differ."""


@dataclass(frozen=True)
class Agreement:
    """Largest difference between the two: of the loss before any step, of the weights after the last."""

    steps: int
    loss: float
    weights: float

    @property
    def good(self) -> bool:
        """Whether both differences are small enough."""
        return max(self.loss, self.weights) <= LARGEST_DIFFERENCE

    def __str__(self) -> str:
        verdict = "the same network" if self.good else f"more than {LARGEST_DIFFERENCE}, NOT the same network"
        return (
            f"over {self.steps} steps from the same weights, on the same rows, the losses differ by at most "
            f"{self.loss:.1e}, and in the end the weights by at most {self.weights:.1e}: {verdict}."
        )


def compare_with_numpy(
    rows: Rows, scaling: Scaling, config: ModelConfig, *, steps: int = 200, learning_rate: float = 0.3
) -> Agreement:
    """Take `steps` steps of plain gradient descent with both, on the same batches of 32 rows."""
    network = new_network(rows.X.shape[1], config.hidden, config.activation, seed=0)
    model = from_numpy(network, scaling)
    batches = first_batches(len(rows), 32, steps)

    losses = train(network, scaling(rows.X), rows.y, batches, loss=config.loss, learning_rate=learning_rate)
    framework_losses = train_like_numpy(model, rows, batches, loss=loss(config), learning_rate=learning_rate)

    framework_network, _ = to_numpy(model)
    differences = [getattr(network, name) - getattr(framework_network, name) for name in ALL_LAYERS]
    return Agreement(
        steps=steps,
        loss=float(np.abs(np.subtract(losses, framework_losses)).max()),
        weights=float(max(np.abs(difference).max() for difference in differences)),
    )


def first_batches(rows: int, batch_size: int, steps: int) -> list[Indices]:
    """The first `steps` batches, over as many epochs as it takes."""
    endless = (batch for epoch in count() for batch in minibatches(rows, batch_size, seed=epoch))
    return list(islice(endless, steps))
