"""Experiments with the NumPy network: are its gradients right, what do activation and loss change, does
what was learned on one problem help on another?

They need no framework. Features are scaled before they come here (`Scaling` in problems.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

import numpy as np

from .config import ActivationName, ComparisonConfig, LossName, ModelConfig, NumpyConfig, XorConfig
from .errors import UserError
from .gradient_check import relative_errors
from .metrics import evaluate
from .numpy_network import (
    ALL_LAYERS,
    SECOND_LAYER,
    Array,
    Network,
    minibatches,
    new_network,
    train,
)
from .problems import FourGroups, Rows, Scaling, Splits, xor

Choice = tuple[ActivationName, LossName]
CHOICES: list[Choice] = list(product(get_args(ActivationName), get_args(LossName)))

# Too large a step size makes weights overflow. The results show it, so NumPy need not warn of it as well.
DIVERGENCE_IS_A_RESULT = np.errstate(over="ignore", invalid="ignore")

Table = list[dict[str, object]]


def check_gradients(rows: int = 8, features: int = 5, hidden: int = 4) -> Table:
    """For every choice, how far the backward pass is from the numerical gradients at a random place."""
    random = np.random.default_rng(0)
    X, y = random.normal(size=(rows, features)), random.integers(2, size=rows)
    table: Table = []
    for activation, loss in CHOICES:
        network = new_network(features, hidden, activation, seed=0)
        table.append({"activation": activation, "loss": loss, **relative_errors(network, X, y, loss)})
    return table


# --- XOR ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class XorSolution:
    """A network after training on XOR, its loss before each step, and whether all four rows are right."""

    network: Network
    losses: list[float]
    solved: bool


def solve_xor(config: XorConfig, activation: str, loss: str, seed: int) -> XorSolution:
    """Train until each probability is within 0.1 of its label, or `config.steps` are over."""
    rows, all_four = xor(), np.arange(4)
    network = new_network(2, config.hidden, activation, seed)
    losses: list[float] = []

    def solved() -> bool:
        return bool((np.abs(network.probabilities(rows.X) - rows.y) < 0.1).all())

    while not solved() and len(losses) < config.steps:
        losses += train(network, rows.X, rows.y, [all_four], loss=loss, learning_rate=config.learning_rate)
    return XorSolution(network, losses, solved())


@DIVERGENCE_IS_A_RESULT
def compare_on_xor(config: XorConfig) -> Table:
    """For every choice: from how many starting points XOR is solved, and in how many steps."""
    table: Table = []
    for activation, loss in CHOICES:
        solutions = [solve_xor(config, activation, loss, seed) for seed in range(config.seeds)]
        steps = [len(solution.losses) for solution in solutions if solution.solved]
        table.append(
            {
                "activation": activation,
                "loss": loss,
                "solved": len(steps),
                "seeds": config.seeds,
                "median steps": float(np.median(steps)) if steps else None,
                "most steps": max(steps, default=None),
            }
        )
    return table


# --- The four groups ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trained:
    """The network of the best epoch, by validation loss, and what was measured after each epoch."""

    network: Network
    history: list[dict[str, float]]


@DIVERGENCE_IS_A_RESULT
def train_numpy(splits: Splits, model: ModelConfig, config: NumpyConfig) -> Trained:
    """Gradient descent on the training rows, in batches, for `config.epochs` passes over them.

    Raises UserError when the loss stops being a number.
    """
    rows = splits.train
    network = new_network(rows.X.shape[1], model.hidden, model.activation, config.seed)
    best = network.copy()
    history: list[dict[str, float]] = []
    for epoch in range(1, config.epochs + 1):
        batches = minibatches(len(rows), config.batch_size, seed=config.seed + epoch)
        losses = train(network, rows.X, rows.y, batches, loss=model.loss, learning_rate=config.learning_rate)
        if not np.isfinite(losses).all():
            raise UserError(
                f"The loss of the NumPy network is no number any more in epoch {epoch}: lower "
                f"numpy.learning_rate, which is {config.learning_rate:g}."
            )
        now = evaluate(network.probabilities(splits.validation.X), splits.validation)
        history.append(
            {
                "epoch": epoch,
                "train_loss": float(np.mean(losses)),
                "validation_cross_entropy": now["cross_entropy"],
                "validation_accuracy": now["accuracy"],
            }
        )
        if now["cross_entropy"] == min(row["validation_cross_entropy"] for row in history):
            best = network.copy()
    return Trained(best, history)


def compare_choices(splits: Splits, model: ModelConfig, config: NumpyConfig) -> dict[Choice, Trained]:
    """Train with every activation and every loss, all else being equal."""
    return {
        (activation, loss): train_numpy(splits, replace(model, activation=activation, loss=loss), config)
        for activation, loss in CHOICES
    }


# --- Transfer -----------------------------------------------------------------------------------------------


FINE_TUNED, SCRATCH = "fine-tuned", "from scratch"


@dataclass(frozen=True)
class Learned:
    """For each seed: the network, its test result, and its validation accuracy before and after each step.

    The curves, (seeds, steps + 1), are only drawn. Nothing is chosen by them: both ways go on to the end.
    """

    networks: list[Network]
    results: list[dict[str, float]]
    curves: Array


@DIVERGENCE_IS_A_RESULT
def compare_with_scratch(
    pretrained: Network, second: Splits, labels: int, loss: str, config: ComparisonConfig
) -> dict[str, Learned]:
    """Learn a second problem from `labels` of its rows, drawn anew for each seed, in two ways.

    Both ways see the same rows and take as many steps of the same size; fine-tuning leaves the first layer as
    it is in the beginning.
    """
    features, hidden = pretrained.W1.shape
    seeds = range(config.seeds)
    samples = [draw(second.train, labels, seed) for seed in seeds]
    ready = [pretrained.copy() for _ in seeds]
    new = [new_network(features, hidden, pretrained.activation, seed) for seed in seeds]
    return {
        FINE_TUNED: _learn(ready, samples, second, loss, config, frozen_steps=config.frozen_steps),
        SCRATCH: _learn(new, samples, second, loss, config, frozen_steps=0),
    }


def _learn(
    networks: list[Network],
    samples: list[Rows],
    second: Splits,
    loss: str,
    config: ComparisonConfig,
    frozen_steps: int,
) -> Learned:
    """Train each network on its sample, of which every step sees all rows."""
    curves = [
        _curve(network, few, second.validation, loss, config, frozen_steps)
        for network, few in zip(networks, samples, strict=True)
    ]
    results = [evaluate(network.probabilities(second.test.X), second.test) for network in networks]
    return Learned(networks, results, np.array(curves))


def _curve(
    network: Network, few: Rows, validation: Rows, loss: str, config: ComparisonConfig, frozen_steps: int
) -> list[float]:
    curve = [accuracy(network, validation)]
    for step in range(config.steps):
        layers = SECOND_LAYER if step < frozen_steps else ALL_LAYERS
        batches = [np.arange(len(few))]
        train(network, few.X, few.y, batches, loss=loss, learning_rate=config.learning_rate, layers=layers)
        curve.append(accuracy(network, validation))
    return curve


def accuracy(network: Network, rows: Rows) -> float:
    """Share of the rows that `network` gets right."""
    return evaluate(network.probabilities(rows.X), rows)["accuracy"]


def share_in_plane(network: Network, scaling: Scaling, problem: FourGroups) -> float:
    """How much of what the hidden layer reacts to lies in the plane: from 0 to 1, and 2 / D by chance.

    One step in each hidden direction changes the features by a row of `steps`, and the output by the sum over
    the hidden units of a row of `reactions`; the first two directions are the plane.
    """
    hidden = np.eye(problem.features)
    steps = (problem.measure(hidden) - problem.measure(0.0 * hidden)) / scaling.deviation  # (D, D)
    reactions = (steps @ network.W1 * network.W2.T) ** 2  # (D, H)
    return float(reactions[:2].sum() / reactions.sum())


def draw(rows: Rows, number: int, seed: int) -> Rows:
    """Draw `number` rows at random, without looking at their labels."""
    return rows[np.random.default_rng(seed).permutation(len(rows))[:number]]
