"""Which columns matter: how much worse the predictions become when the values of one are shuffled.

Breiman, "Random Forests", 2001, section 10. Columns that tell nearly the same share their importance: each
of them can be shuffled without much loss while the other is there. It says what the model uses, not what
causes what.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from .columns import Columns
from .metrics import HIGHER_IS_BETTER, main_metric, measure

MOST_ROWS = 2000
MOST_REPETITIONS = 5
MOST_SHUFFLES = 200  # with many columns there are fewer repetitions
MOST_CELLS = 500_000_000  # of all shuffled copies together: a wide table gets fewer rows
ROWS_AT_ONCE = 20_000  # one prediction of many rows is much faster than many of a few


def permutation_importance(
    predict: Callable[[pd.DataFrame], np.ndarray], rows: pd.DataFrame, columns: Columns, *, seed: int = 0
) -> list[dict[str, object]]:
    """Return one entry per column of the table, the most important first.

    Args:
        predict: Takes converted rows, gives probabilities (N, classes) or numbers (N,).
        rows: Converted rows with the target, which the model was not trained on.
        columns: What the rows hold.
        seed: Of the shuffling.

    Returns:
        `column`; `loss`: how much worse the main figure becomes, mean over the repetitions; `spread`: their
        standard deviation.
    """
    cells = len(columns.inputs) * len(rows.columns)  # of one row, shuffled once for each column
    rows = rows.sample(min(len(rows), MOST_ROWS, max(MOST_CELLS // cells, 100)), random_state=seed)
    repetitions = max(1, min(MOST_REPETITIONS, MOST_SHUFFLES // len(columns.inputs)))
    target = rows[columns.target].to_numpy()
    before = measure(target, predict(rows), columns)
    name = main_metric(before)
    sign = 1 if HIGHER_IS_BETTER[name] else -1
    losses: dict[str, list[float]] = {column: [] for column in columns.inputs}
    shuffles = [column for column in columns.inputs for _ in range(repetitions)]
    for column, predictions in predict_shuffled(predict, rows, columns, shuffles, seed):
        losses[column].append(sign * (before[name] - measure(target, predictions, columns)[name]))
    ordered = sorted(losses, key=lambda column: -np.mean(losses[column]))
    return [
        {"column": column, "loss": float(np.mean(losses[column])), "spread": float(np.std(losses[column]))}
        for column in ordered
    ]


def predict_shuffled(
    predict: Callable[[pd.DataFrame], np.ndarray],
    rows: pd.DataFrame,
    columns: Columns,
    shuffles: list[str],
    seed: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """For each column in `shuffles`, the predictions for the rows with its values in a random order."""
    random = np.random.default_rng(seed)
    at_once = max(1, ROWS_AT_ONCE // len(rows))
    for start in range(0, len(shuffles), at_once):
        copies = []
        for column in shuffles[start : start + at_once]:
            inputs = columns.inputs[column]
            copy = rows.copy()
            copy[inputs] = rows[inputs].to_numpy()[random.permutation(len(rows))]
            copies.append(copy)
        predictions = predict(pd.concat(copies))
        yield from zip(shuffles[start : start + at_once], np.split(predictions, len(copies)), strict=True)
