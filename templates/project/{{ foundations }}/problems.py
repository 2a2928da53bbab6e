"""The data, and how it is divided and scaled.

The data is made here, so that everything about it is known: also what is usually never known, how well the
best of all classifiers would do.

    XOR               four rows: the smallest problem that no straight line can solve
    four groups       XOR grown up, with 1000 rows, ten measured features and noise: to train on
    a second problem  the groups at another angle, and one of them has changed its class: to fine-tune on
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .numpy_network import Array, Indices


@dataclass(frozen=True)
class Rows:
    """Features X (N, D) as measured, each in its own unit, and labels y (N,), 0 or 1."""

    X: Array
    y: Indices

    def __post_init__(self) -> None:
        # Features are scaled, labels never: a label 0.5 gives a loss, too, and nothing would look wrong.
        if not np.isin(self.y, (0, 1)).all():
            raise ValueError(f"Labels must be 0 or 1, not {self.y[~np.isin(self.y, (0, 1))][0]}.")
        if self.X.shape[:1] != self.y.shape:
            raise ValueError(f"{len(self.X)} rows of features need as many labels, not {self.y.shape}.")

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Indices | slice) -> Rows:
        return Rows(self.X[rows], self.y[rows])


def xor() -> Rows:
    """0 xor 0 = 0, 0 xor 1 = 1, 1 xor 0 = 1, 1 xor 1 = 0."""
    return Rows(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0]))


# --- Four groups --------------------------------------------------------------------------------------------

CENTRES = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
XOR_CLASSES = (0, 0, 1, 1)
SECOND_CLASSES = (0, 1, 1, 1)


@dataclass(frozen=True)
class FourGroups:
    """A problem with two classes: four round groups in a plane, hidden among many measured features.

    Each row belongs to one of four groups around `CENTRES`, spread by `noise` in both directions of a plane.
    What is measured are `features` mixtures of these two numbers and of `features - 2` others that mean
    nothing, each in a unit and with a zero point of its own, as sensors have them. A network must find the
    plane, and in it a boundary that is not straight.

    Attributes:
        features: Number of measured features, D.
        noise: Standard deviation of each group; the centres lie 2 apart.
        classes: Class of each group.
        turned: Angle by which the groups are turned within the plane, in degrees.
    """

    features: int
    noise: float
    classes: tuple[int, int, int, int] = XOR_CLASSES
    turned: float = 0.0

    def sample(self, rows: int, seed: int) -> Rows:
        """Draw `rows` rows, each group with probability 1/4."""
        random = np.random.default_rng(seed)
        group = random.integers(len(CENTRES), size=rows)
        in_plane = self._centres()[group] + self.noise * random.normal(size=(rows, 2))
        beside_it = random.normal(size=(rows, self.features - 2))
        return Rows(self.measure(np.hstack([in_plane, beside_it])), np.array(self.classes)[group])

    def measure(self, hidden: Array) -> Array:
        """Measured features (N, D) of hidden numbers (N, D): first the two in the plane, then the others."""
        directions, units, zeros = self._sensors()
        return hidden @ directions * units + zeros

    def place_in_plane(self, X: Array) -> Array:
        """Undo `measure` and keep the first two numbers, (N, 2)."""
        directions, units, zeros = self._sensors()
        return ((X - zeros) / units @ directions.T)[:, :2]

    def best_probabilities(self, X: Array) -> Array:
        """Probability of class 1 for somebody who knows this recipe, (N,): Bayes' theorem, normal groups.

        No classifier is right more often on average, because the groups overlap. A test result clearly above
        it, such as an error of 0.0, means no wonderful network but test rows that leaked into the training.
        """
        differences = self.place_in_plane(X)[:, None, :] - self._centres()  # (N, 4, 2)
        exponents = -(differences**2).sum(axis=2) / (2.0 * self.noise**2)  # (N, 4)
        exponents -= exponents.max(axis=1, keepdims=True)  # cancels below; far away all would become 0
        density = np.exp(exponents)
        return density @ np.array(self.classes) / density.sum(axis=1)

    def _centres(self) -> Array:
        angle = np.deg2rad(self.turned)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        return CENTRES @ turn

    def _sensors(self) -> tuple[Array, Array, Array]:
        """Directions (D, D) at right angles, units (D,) and zero points (D,): always the same ones."""
        random = np.random.default_rng(0)
        directions, _ = np.linalg.qr(random.normal(size=(self.features, self.features)))
        units = 10.0 ** random.uniform(-1.0, 1.0, size=self.features)
        return directions, units, random.uniform(-3.0, 3.0, size=self.features) * units


# --- Split first, then scale --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Splits:
    """Rows to learn from, rows to choose settings with, and rows that are looked at once, at the end."""

    train: Rows
    validation: Rows
    test: Rows


def split(rows: Rows, *, validation: float, test: float, seed: int) -> Splits:
    """Divide at random: shares `validation` and `test` of the rows, the others are for training."""
    order = np.random.default_rng(seed).permutation(len(rows))
    first = round(len(rows) * test)
    second = first + round(len(rows) * validation)
    return Splits(train=rows[order[second:]], validation=rows[order[first:second]], test=rows[order[:first]])


@dataclass(frozen=True)
class Scaling:
    """Brings each feature to mean 0 and standard deviation 1, with numbers fitted once and then kept.

    Without it a feature measured in thousandths would hardly count beside one in thousands.
    """

    mean: Array  # (D,)
    deviation: Array  # (D,)

    @classmethod
    def fit(cls, X: Array) -> Scaling:
        """Fit on training rows only: mean and deviation of all rows would tell training about test rows."""
        deviation = X.std(axis=0)
        return cls(X.mean(axis=0), np.where(deviation > 0.0, deviation, 1.0))

    def __call__(self, X: Array) -> Array:
        """Scale features (N, D)."""
        return (X - self.mean) / self.deviation

    def apply(self, splits: Splits) -> Splits:
        """Scale the features of all parts alike, and the labels of none."""
        parts = (splits.train, splits.validation, splits.test)
        return Splits(*(Rows(self(part.X), part.y) for part in parts))
