"""The figures of this project: what a network says about every place of a plane, and how learning goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .experiments import Choice, Learned, Trained
from .numpy_network import Array, Indices
from .plots import COLOURS, finish, new_figure, save
from .problems import FourGroups, Rows, xor

Probabilities = Callable[[Array], Array]
"""From features (N, D), as measured, to the probability of class 1, (N,)."""

LEVELS = np.linspace(0.0, 1.0, 11)


@dataclass(frozen=True)
class Panel:
    """One map of a plane: a probability for each place (N, 2), and the rows that lie there."""

    title: str
    probabilities: Probabilities
    places: Array  # (N, 2)
    labels: Indices  # (N,)


def xor_panel(title: str, probabilities: Probabilities) -> Panel:
    """XOR has two features: the plane is all there is."""
    rows = xor()
    return Panel(title, probabilities, rows.X, rows.y)


def plane_panel(title: str, probabilities: Probabilities, problem: FourGroups, rows: Rows) -> Panel:
    """The plane in which the four groups lie, all other hidden numbers being 0.

    The network sees the measured features only; that we can draw its boundary in this plane is because we
    know how the features were made.
    """

    def at(places: Array) -> Array:
        hidden = np.zeros((len(places), problem.features))
        hidden[:, :2] = places
        return probabilities(problem.measure(hidden))

    return Panel(title, at, problem.place_in_plane(rows.X), rows.y)


def plot_boundaries(panels: Sequence[Panel], path: Path) -> Path:
    """Draw the panels side by side: colour is the probability, the line the boundary (1/2); return `path`."""
    figure, axes = new_figure(1, len(panels), width=3.4 * len(panels) + 1.0, height=3.6)
    low = min(float(panel.places.min()) for panel in panels)
    high = max(float(panel.places.max()) for panel in panels)
    line = np.linspace(low - 0.5, high + 0.5, 160)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    for panel, ax in zip(panels, np.ravel(axes), strict=True):
        probability = panel.probabilities(grid).reshape(len(line), len(line))
        shades = ax.contourf(line, line, probability, levels=LEVELS, cmap="coolwarm", alpha=0.55)
        if probability.min() < 0.5 < probability.max():
            ax.contour(line, line, probability, levels=[0.5], colors="black", linewidths=1.6)
        for label, colour in enumerate((COLOURS[0], COLOURS[1])):
            places = panel.places[panel.labels == label]
            size = 70 if len(panel.places) < 10 else 14
            ax.scatter(*places.T, s=size, color=colour, edgecolors="white", lw=0.5, label=f"class {label}")
        ax.set_aspect("equal")
        finish(ax, panel.title, "", legend=False)
        ax.grid(visible=False)
    np.ravel(axes)[0].legend(fontsize=8, loc="upper left")
    figure.colorbar(shades, ax=axes, label="probability of class 1", ticks=[0, 0.5, 1])
    return save(figure, path)


def plot_choices(choices: Mapping[Choice, Trained], path: Path) -> Path:
    """Draw the validation accuracy over the epochs for each (activation, loss); return `path`."""
    figure, ax = new_figure(height=4.2)
    colours = dict(zip(dict.fromkeys(activation for activation, _ in choices), COLOURS, strict=False))
    dashes = dict(zip(dict.fromkeys(loss for _, loss in choices), ("-", "--"), strict=False))
    for (activation, loss), trained in choices.items():
        ax.plot(
            [row["epoch"] for row in trained.history],
            [row["validation_accuracy"] for row in trained.history],
            dashes[loss],
            color=colours[activation],
            label=f"{activation}, {loss.replace('_', ' ')}",
        )
    ax.set_ylim(0.4, 1.01)
    finish(ax, "accuracy on the validation rows", "epoch")
    return save(figure, path)


def plot_transfer(learned: Mapping[str, Learned], path: Path) -> Path:
    """Draw the curves over the steps: mean of the seeds, and range from worst to best; return `path`."""
    figure, ax = new_figure(height=4.2)
    for (name, way), colour in zip(learned.items(), COLOURS, strict=False):
        steps = np.arange(way.curves.shape[1])
        ax.plot(way.curves.mean(axis=0), color=colour, label=f"{name}, mean of {len(way.curves)} seeds")
        ax.fill_between(steps, way.curves.min(axis=0), way.curves.max(axis=0), color=colour, alpha=0.15)
    finish(ax, "accuracy on the validation rows of the second problem", "step")
    return save(figure, path)
