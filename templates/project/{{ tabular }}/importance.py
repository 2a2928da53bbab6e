"""Which columns matter: how much worse the predictions become when the values of one are shuffled.

Breiman, "Random Forests", 2001, section 10. Columns that tell nearly the same share their importance: each of
them can be shuffled without much loss while the other is there. It says what the model uses, not what causes
what.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from .columns import Columns
from .metrics import HIGHER_IS_BETTER, main_metric, measure

MOST_ROWS = 2000
MOST_PREDICTIONS = 100


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
        standard deviation. Up to five repetitions on up to 2,000 rows; fewer where there are many columns.
    """
    random = np.random.default_rng(seed)
    repetitions = max(1, min(5, MOST_PREDICTIONS // len(columns.inputs)))
    rows = rows.sample(min(len(rows), MOST_ROWS), random_state=seed)
    target = rows[columns.target].to_numpy()
    before = measure(target, predict(rows), columns)
    name = main_metric(before)
    sign = 1 if HIGHER_IS_BETTER[name] else -1
    entries: list[dict[str, object]] = []
    for column, inputs in columns.inputs.items():
        losses = []
        for _ in range(repetitions):
            shuffled = rows.copy()
            shuffled[inputs] = rows[inputs].to_numpy()[random.permutation(len(rows))]
            losses.append(sign * (before[name] - measure(target, predict(shuffled), columns)[name]))
        entries.append({"column": column, "loss": float(np.mean(losses)), "spread": float(np.std(losses))})
    return sorted(entries, key=lambda entry: -float(str(entry["loss"])))
