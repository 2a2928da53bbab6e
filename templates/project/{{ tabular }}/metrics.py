"""How good predictions are, in figures that people can read: shares, or the target's own unit."""

import numpy as np
from sklearn import metrics as sk

from .columns import Columns

HIGHER_IS_BETTER = {
    "accuracy": True,
    "balanced_accuracy": True,
    "f1_macro": True,
    "roc_auc": True,
    "log_loss": False,
    "mean_absolute_error": False,
    "root_mean_squared_error": False,
    "r2": True,
}
Metrics = dict[str, float]


def measure(target: np.ndarray, predictions: np.ndarray, columns: Columns) -> Metrics:
    """Compare predictions with the truth.

    Args:
        target: Class indices (N,) int64, or numbers (N,).
        predictions: Probabilities (N, classes), or numbers (N,) in the target's own unit.
        columns: Says which of the two it is.

    Returns:
        Classification: accuracy; balanced accuracy (mean over the classes of the share found, 1 / classes by
        guessing); macro F1; area under the ROC curve (the chance that a random row of the class gets a higher
        probability than one of another class; mean over the classes; left out where only one class occurs);
        log loss (mean of -ln p of the true class). Regression: mean absolute error, root mean squared error,
        R² (share of the variance explained; 0 for predicting the mean).
    """
    if columns.problem == "regression":
        return {
            "mean_absolute_error": float(sk.mean_absolute_error(target, predictions)),
            "root_mean_squared_error": float(sk.root_mean_squared_error(target, predictions)),
            "r2": float(sk.r2_score(target, predictions)) if len(target) > 1 else float("nan"),
        }
    chosen = predictions.argmax(axis=1)
    present = np.unique(target)
    figures = {
        "accuracy": float((chosen == target).mean()),
        "balanced_accuracy": float(np.mean([(chosen[target == code] == code).mean() for code in present])),
        "f1_macro": float(sk.f1_score(target, chosen, average="macro", zero_division=0)),
        "log_loss": float(-np.log(np.clip(predictions[np.arange(len(target)), target], 1e-7, 1)).mean()),
    }
    if len(present) > 1:
        areas = [sk.roc_auc_score(target == code, predictions[:, code]) for code in present]
        figures["roc_auc"] = float(np.mean(areas))
    return figures


def main_metric(figures: Metrics) -> str:
    """The one figure to compare models by; no threshold and no frequency of a class enters roc_auc."""
    return next(name for name in ("roc_auc", "accuracy", "mean_absolute_error") if name in figures)


def mean_of(all_figures: list[Metrics]) -> Metrics:
    """The mean of each figure, over several seeds say."""
    return {name: float(np.mean([figures[name] for figures in all_figures])) for name in all_figures[0]}
