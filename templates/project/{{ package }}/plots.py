"""The figures of a run, drawn without a window: PNG files for people and for the report."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ["#4269d0", "#ff725c", "#3ca951", "#efb118", "#a463f2", "#9c6b4e"]
NOT_DRAWN = ("epoch", "seconds", "step")  # columns of history.csv that say when, not how well
CHINESE_FONTS = [
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Heiti SC",
    "SimHei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
]


def new_figure(
    rows: int = 1, columns: int = 1, width: float = 7.0, height: float = 4.0
) -> tuple[Figure, Any]:
    """Make a figure of `width` × `height` inches and its axes, with a Chinese font if there is one."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    logging.getLogger("matplotlib.font_manager").setLevel(
        logging.ERROR
    )  # it tells of every weight a font lacks
    installed = {font.name for font in fontManager.ttflist}
    matplotlib.rcParams["font.family"] = [  # a list of names is searched for each character
        "DejaVu Sans",
        *(name for name in CHINESE_FONTS if name in installed),
    ]
    matplotlib.rcParams["axes.unicode_minus"] = False
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and return its path."""
    import warnings

    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # no Chinese font: boxes, but a figure
        figure.savefig(path, dpi=144)
    return path


def plot_curves(history: Sequence[Mapping[str, float]], path: Path) -> Path:
    """Draw all of `history.csv` over the epochs, training and validation in one panel; return `path`."""
    names = [name for name in dict.fromkeys(name for row in history for name in row) if name not in NOT_DRAWN]
    panels = list(dict.fromkeys(name.removeprefix("train_").removeprefix("validation_") for name in names))
    columns = min(len(panels), 3) or 1
    rows = -(-len(panels) // columns) or 1
    figure, axes = new_figure(rows, columns, width=4.2 * columns + 0.6, height=3.2 * rows)
    for panel, ax in zip(panels, np.ravel(axes), strict=False):
        for name in names:
            if name.removeprefix("train_").removeprefix("validation_") == panel:
                draw_curve(ax, history, name, label=name.removesuffix(panel).rstrip("_"))
        finish(ax, panel.replace("_", " "), "epoch")
    for ax in np.ravel(axes)[len(panels) :]:
        ax.remove()
    return save(figure, path)


def plot_histories(histories: Mapping[str, Sequence[Mapping[str, float]]], name: str, path: Path) -> Path:
    """Draw one quantity of several runs over the epochs, `{"from scratch": history, …}`; return `path`."""
    figure, ax = new_figure()
    for label, history in histories.items():
        draw_curve(ax, history, name, label)
    finish(ax, name.replace("_", " "), "epoch")
    return save(figure, path)


def plot_bars(values: Mapping[str, float], label: str, path: Path) -> Path:
    """Draw one bar per name, from 0; return `path`."""
    figure, ax = new_figure(height=1.2 + 0.42 * len(values))
    ax.barh(range(len(values)), list(values.values()), color=COLOURS[0], height=0.62)
    ax.margins(x=0.12)
    if not any(values.values()):  # margins of nothing would show less than 0
        ax.set_xlim(0, 1)
    for position, value in enumerate(values.values()):
        write_beside(ax, value, position, f"{value:.4g}", right=value >= 0)
    name_rows(ax, values, label)
    return save(figure, path)


def plot_points(values: Mapping[str, Sequence[float]], label: str, path: Path) -> Path:
    """Draw a dot per value (one per seed, say) and a line at their mean; return `path`.

    Unlike bars, which must begin at 0, points may show a small range: differences that count are seen.
    """
    figure, ax = new_figure(height=1.2 + 0.46 * len(values))
    for position, numbers in enumerate(values.values()):
        mean = float(np.mean(numbers))
        ax.plot([mean, mean], [position - 0.3, position + 0.3], color=COLOURS[0], linewidth=3)
        if len(numbers) > 1:
            ax.plot(numbers, np.full(len(numbers), position), "o", color=COLOURS[1], alpha=0.7, markersize=5)
        write_beside(ax, max(numbers), position, f"{mean:.4g}", right=True)
    ax.margins(x=0.16, y=0.12)
    name_rows(ax, values, label)
    return save(figure, path)


def plot_confusion(counts: np.ndarray, classes: Sequence[str], path: Path) -> Path:
    """Draw a confusion matrix, shape (true class, predicted class), coloured by the share of each row."""
    size = 1.8 + 0.62 * len(classes)
    figure, ax = new_figure(width=max(size, 4), height=max(size, 3.4))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 12:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.55 else "black"
            ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    ax.set_yticks(range(len(classes)), classes)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return save(figure, path)


def plot_true_predicted(true: np.ndarray, predicted: np.ndarray, label: str, path: Path) -> Path:
    """Draw predictions over true values, both of shape (N,), with the diagonal where both are equal."""
    figure, ax = new_figure(width=5, height=4.6)
    ax.scatter(true, predicted, s=9, alpha=0.4, color=COLOURS[0], linewidths=0)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    ax.plot(ends, ends, color="grey", linewidth=1, linestyle="--")
    ax.set_ylabel(f"predicted {label}")
    finish(ax, "", f"true {label}", legend=False)
    return save(figure, path)


def draw_curve(ax: Axes, history: Sequence[Mapping[str, float]], name: str, label: str) -> None:
    """Add one quantity over the epochs to a panel; rows that lack it are left out."""
    points = [(row["epoch"], row[name]) for row in history if row.get(name) is not None]
    colour = COLOURS[len(ax.lines) % len(COLOURS)]
    style = "o-" if len(points) < 2 else "-"
    ax.plot([x for x, _ in points], [y for _, y in points], style, label=label, color=colour, linewidth=1.8)


def write_beside(ax: Axes, x: float, y: float, text: str, right: bool) -> None:
    """Write a number to the right or left of the place (x, y)."""
    side, offset = ("left", 7) if right else ("right", -7)
    ax.annotate(text, (x, y), (offset, 0), textcoords="offset points", va="center", ha=side)


def name_rows(ax: Axes, names: Iterable[str], label: str) -> None:
    """Name the rows of a panel, the first one at the top, and what is drawn along them."""
    words = list(names)
    ax.set_yticks(range(len(words)), words)
    ax.invert_yaxis()
    finish(ax, "", label, legend=False)


def finish(ax: Axes, title: str, label: str, legend: bool = True) -> None:
    """Give a panel its title, its label and a quiet frame; a legend where more than one thing is drawn."""
    from matplotlib.ticker import MaxNLocator

    ax.set_title(title, loc="left", fontsize=11, fontweight="bold")
    ax.set_xlabel(label)
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if label == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if legend and len(ax.lines) > 1:
        ax.legend(frameon=False)
