"""How good are predicted probabilities?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .numpy_network import Array
from .problems import Rows

Metrics = dict[str, float]


def evaluate(probabilities: Array, rows: Rows) -> Metrics:
    """Compare probabilities of class 1, (N,), with the labels.

    Returns:
        accuracy: Share of the rows whose likelier class is the right one.
        cross_entropy: Mean of -ln(probability given to the right class), in nats; 0.693 for a coin toss.
        wrong, rows: The accuracy again, as a count: an error that a rounded mean shows as 0.0 is still seen.
    """
    if probabilities.shape != rows.y.shape:
        raise ValueError(f"Probabilities have shape {probabilities.shape}, but labels {rows.y.shape}.")
    right = (probabilities > 0.5) == (rows.y == 1)
    of_right_class = np.where(rows.y == 1, probabilities, 1.0 - probabilities)
    return {
        "accuracy": float(right.mean()),
        "cross_entropy": float(np.log(1.0 / np.maximum(of_right_class, 1e-12)).mean()),
        "wrong": int((~right).sum()),
        "rows": len(rows),
    }


def mean_of(results: Sequence[Metrics]) -> Metrics:
    """Mean of each metric over several seeds."""
    return {name: float(np.mean(values)) for name, values in values_of(results).items()}


def values_of(results: Sequence[Metrics]) -> dict[str, list[float]]:
    """The values of each metric, one per seed."""
    return {name: [result[name] for result in results] for name in results[0]}
