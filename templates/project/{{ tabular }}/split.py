"""Divides rows into training, validation and test rows. This comes before anything is computed from them."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Three tables with the same columns and no row in common."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
