"""What a straight boundary can do: logistic regression, which is the network without its hidden layer."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .numpy_network import Array
from .problems import Rows


def baseline_probabilities(rows: Rows, X: Array) -> Array:
    """Fit scaling and regression on `rows`; return the probability of class 1 for each row of X, (N,)."""
    if len(np.unique(rows.y)) == 1:  # few rows may all be of one class, and then there is nothing to fit
        return guess_probabilities(rows, X)
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.X, rows.y).predict_proba(X)[:, 1]


def guess_probabilities(rows: Rows, X: Array) -> Array:
    """The share of class 1 among `rows`, for each row of X, (N,): what can be said without looking at X."""
    return np.full(len(X), rows.y.mean())
