"""What the network has to beat: gradient-boosted trees, which are hard to beat on tables, and a guess."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from .columns import Columns
from .metrics import Metrics, measure
from .split import Splits

MOST_TREES = 200
MOST_CATEGORIES = 250  # of one column; the rarest others are taken together. The trees allow 255.


def baseline_metrics(splits: Splits, columns: Columns) -> Metrics:
    """Train gradient boosting on the training rows and measure it on the test rows.

    The validation rows choose the number of trees, as they choose the epoch of the network.
    """
    if splits.train[columns.target].nunique() < 2:
        return guess_metrics(splits, columns)
    answers = splits.train[columns.target]
    weights = row_weights(answers, columns)
    model = make_trees(splits.train, columns).fit(splits.train, answers, trees__sample_weight=weights)
    target = splits.validation[columns.target].to_numpy()
    losses = [mean_loss(target, guesses, columns) for guesses in staged(model, splits.validation, columns)]
    best = staged(model, splits.test, columns)[int(np.argmin(losses))]
    return measure(splits.test[columns.target].to_numpy(), best, columns)


def guess_metrics(splits: Splits, columns: Columns) -> Metrics:
    """Predict the same for every row: the shares of the classes, or the mean, of the training rows."""
    target, rows = splits.train[columns.target].to_numpy(), len(splits.test)
    if columns.problem == "regression":
        guesses = np.full(rows, target.mean())
    else:
        guesses = np.tile(np.bincount(target, minlength=columns.outputs) / len(target), (rows, 1))
    return measure(splits.test[columns.target].to_numpy(), guesses, columns)


def make_trees(train: pd.DataFrame, columns: Columns) -> Pipeline:
    """Boosted trees over numbers, missing ones included, and categories; without columns that are empty."""
    numeric = [name for name in columns.numeric if train[name].notna().any()]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MOST_CATEGORIES,
    )
    inputs = make_column_transformer((encoder, columns.categorical), ("passthrough", numeric))
    categorical = np.arange(len(columns.categorical) + len(numeric)) < len(columns.categorical)
    settings = {
        "max_iter": MOST_TREES,
        "learning_rate": 0.05,
        "min_samples_leaf": max(
            1, min(20, len(train) // 10)
        ),  # 20 is the default: too many for a small table
        "early_stopping": False,
        "categorical_features": categorical,
        "random_state": 0,
    }
    kind = (
        HistGradientBoostingRegressor if columns.problem == "regression" else HistGradientBoostingClassifier
    )
    return Pipeline([("inputs", inputs), ("trees", kind(**settings))])


def row_weights(target: pd.Series, columns: Columns) -> np.ndarray | None:
    """The weight of each row: that of its class, as in the network's loss."""
    return np.array(columns.class_weights)[target] if columns.class_weights else None


def staged(model: Pipeline, rows: pd.DataFrame, columns: Columns) -> list[np.ndarray]:
    """The predictions after each tree: probabilities (N, classes), or numbers (N,)."""
    inputs = model[:-1].transform(rows)
    if columns.problem == "regression":
        return list(model[-1].staged_predict(inputs))
    full = np.zeros((len(rows), columns.outputs))  # 0 for a class that the training rows did not have
    return [
        with_columns(full, model[-1].classes_, guesses) for guesses in model[-1].staged_predict_proba(inputs)
    ]


def with_columns(full: np.ndarray, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    full = full.copy()
    full[:, places] = values
    return full


def mean_loss(target: np.ndarray, predictions: np.ndarray, columns: Columns) -> float:
    """Squared error, or -ln p of the true class; mean over the rows."""
    if columns.problem == "regression":
        return float(np.mean((target - predictions) ** 2))
    return float(-np.log(np.clip(predictions[np.arange(len(target)), target], 1e-7, 1)).mean())
