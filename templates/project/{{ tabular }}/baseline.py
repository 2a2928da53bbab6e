"""What the network has to beat: gradient-boosted trees, which are hard to beat on tables, and a guess."""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline, make_pipeline
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
    target = splits.test[columns.target].to_numpy()
    if splits.train[columns.target].nunique() < 2:
        return guess_metrics(splits, columns)
    trees = best_number_of_trees(splits, columns)
    model = make_trees(splits.train, columns, trees).fit(splits.train, splits.train[columns.target])
    return measure(target, predict(model, splits.test, columns), columns)


def guess_metrics(splits: Splits, columns: Columns) -> Metrics:
    """Predict the same for every row: the shares of the classes, or the mean, of the training rows."""
    target, rows = splits.train[columns.target].to_numpy(), len(splits.test)
    if columns.problem == "regression":
        guesses = np.full(rows, target.mean())
    else:
        guesses = np.tile(np.bincount(target, minlength=columns.outputs) / len(target), (rows, 1))
    return measure(splits.test[columns.target].to_numpy(), guesses, columns)


def best_number_of_trees(splits: Splits, columns: Columns) -> int:
    """The number of trees with the smallest loss on the validation rows."""
    model = make_trees(splits.train, columns, MOST_TREES).fit(splits.train, splits.train[columns.target])
    inputs, target = model[:-1].transform(splits.validation), splits.validation[columns.target].to_numpy()
    if columns.problem == "regression":
        losses = [np.mean((target - values) ** 2) for values in model[-1].staged_predict(inputs)]
    else:
        stages = model[-1].staged_predict_proba(inputs)
        losses = [measure(target, all_classes(p, model, columns), columns)["log_loss"] for p in stages]
    return int(np.argmin(losses)) + 1


def make_trees(train: pd.DataFrame, columns: Columns, trees: int) -> Pipeline:
    """Boosted trees over numbers (missing ones included) and categories. A column without any value is left out."""
    numeric = [name for name in columns.numeric if train[name].notna().any()]
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan, max_categories=MOST_CATEGORIES
    )
    inputs = make_column_transformer((encoder, columns.categorical), ("passthrough", numeric))
    categorical = np.arange(len(columns.categorical) + len(numeric)) < len(columns.categorical)
    settings = {
        "max_iter": trees,
        "learning_rate": 0.05,
        "early_stopping": False,
        "categorical_features": categorical,
        "random_state": 0,
    }
    if columns.problem == "regression":
        return make_pipeline(inputs, HistGradientBoostingRegressor(**settings))
    weights = dict(enumerate(columns.class_weights)) or None
    present = set(train[columns.target])
    if weights:
        weights = {code: weight for code, weight in weights.items() if code in present}
    return make_pipeline(inputs, HistGradientBoostingClassifier(class_weight=weights, **settings))


def predict(model: Pipeline, rows: pd.DataFrame, columns: Columns) -> np.ndarray:
    """Probabilities (N, classes), or numbers (N,)."""
    if columns.problem == "regression":
        return model.predict(rows)
    return all_classes(model.predict_proba(rows), model, columns)


def all_classes(probabilities: np.ndarray, model: Pipeline, columns: Columns) -> np.ndarray:
    """Add a column of zeros for each class that the training rows did not have."""
    full = np.zeros((len(probabilities), columns.outputs))
    full[:, model[-1].classes_] = probabilities
    return full
