"""What a straight boundary can do: logistic regression, which is the network without its hidden layer."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from .problems import Rows


def train_baseline(rows: Rows) -> Pipeline:
    """Scale and fit, both on `rows` only; `predict_proba(X)[:, 1]` is then the probability of class 1."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(rows.X, rows.y)
