"""The report pages of the stages: what to compare with what, and what to look at first."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from .columns import Columns
from .metrics import HIGHER_IS_BETTER, Metrics
from .plots import plot_bars, plot_confusion, plot_curves, plot_points, plot_true_predicted
from .profile_report import profile_sections
from .report import Section, write_report
from .runs import Run

Entries = Sequence[Mapping[str, object]]


def training_page(run: Run, figures: Mapping[str, Metrics], decisions: Entries) -> Path:
    """Figures beside gradient boosting, curves, and what the columns were taken for."""
    curves = plot_curves(run.history(), run.path("plots/curves.png"))
    return write_report(
        run,
        "Training",
        [
            comparison(
                "Test rows",
                "Rows that neither training nor the choice of the best epoch has seen. Gradient boosting on "
                "the same rows is what a network must beat to be worth its trouble; often it does not.",
                figures,
            ),
            Section(
                title="Curves",
                text="A validation loss that rises while the training loss falls is overfitting. "
                "The model of the best epoch was kept.",
                figures={"Loss per epoch": curves},
            ),
            Section(
                title="Columns",
                text="Decided from the training rows; data in configs/train.yaml.",
                rows=decisions,
            ),
            *profile_sections(run),
        ],
    )


def evaluation_page(
    run: Run,
    columns: Columns,
    target: np.ndarray,
    predictions: np.ndarray,
    figures: Metrics,
    importance: Entries,
) -> Path:
    """Figures, where the model errs, and which columns matter to it."""
    if columns.problem == "classification":
        counts = confusion_matrix(target, predictions.argmax(axis=1), labels=range(columns.outputs))
        errors = {
            "True and predicted classes": plot_confusion(
                counts, columns.classes, run.path("plots/confusion.png")
            )
        }
    else:
        path = run.path("plots/predictions.png")
        errors = {"True and predicted values": plot_true_predicted(target, predictions, columns.target, path)}
    losses = {str(entry["column"]): float(str(entry["loss"])) for entry in importance[:20]}
    bars = plot_bars(losses, "loss when shuffled", run.path("plots/importance.png"))
    return write_report(
        run,
        "Evaluation",
        [
            Section(title="Figures", rows=[{"model": "network", **figures}]),
            Section(title="Where it errs", figures=errors),
            Section(
                title="Which columns matter",
                text="How much worse the predictions become when the values of one column are shuffled. It "
                "says what the model uses, not what causes what; columns that tell the same share it.",
                figures={"Permutation importance": bars},
            ),
        ],
    )


def finetuning_page(run: Run, figures: Mapping[str, Metrics], seeds: Mapping[str, Sequence[Metrics]]) -> Path:
    """Before, after, from scratch; each seed as a dot; curves.

    Args:
        run: The run of fine-tuning.
        figures: For each model, the means over the seeds where it has several.
        seeds: For each model that has several seeds, the figures of each.
    """
    bars = {}
    for name in ("roc_auc", "accuracy", "mean_absolute_error", "r2"):
        if all(name in one for one in figures.values()):
            values = {
                model: [one[name] for one in seeds.get(model, [mean])] for model, mean in figures.items()
            }
            label = name.replace("_", " ")
            direction = "higher" if HIGHER_IS_BETTER[name] else "lower"
            bars[f"{label}: {direction} is better"] = plot_points(
                values, label, run.path(f"plots/{name}.png")
            )
    return write_report(
        run,
        "Fine-tuning",
        [
            comparison(
                "Before and after",
                "Test rows of the segment. From scratch: a new model that sees only the few rows of the "
                "segment, for as many epochs. Means over the seeds. Gradient boosting with all rows has seen "
                "the training rows of the other segments as well.",
                figures,
            ),
            Section(title="Every seed", text="A dot is one seed, a line their mean.", figures=bars),
            Section(
                title="Curves",
                text="First the last layer alone, then all layers.",
                figures={"Loss per epoch": plot_curves(run.history(), run.path("plots/curves.png"))},
            ),
            *profile_sections(run),
        ],
    )


def comparison(title: str, text: str, figures: Mapping[str, Metrics]) -> Section:
    """A table with one row per model, the best figure of each kind marked."""
    rows = [
        {"model": name, **{key.replace("_", " "): value for key, value in one.items()}}
        for name, one in figures.items()
    ]
    better = {key.replace("_", " "): higher for key, higher in HIGHER_IS_BETTER.items()}
    return Section(title=title, text=text, rows=rows, higher_is_better=better)
