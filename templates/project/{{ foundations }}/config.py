"""Every setting of the stages, with its unit and its allowed range.

The values themselves stand in configs/*.yaml; any of them can be overridden on the command line
(`python train.py --model.activation relu`). A value out of range is refused in one sentence that names it.
"""

from dataclasses import dataclass, field
from typing import Literal

from .training_config import TrainingConfig

ActivationName = Literal["sigmoid", "tanh", "relu"]
LossName = Literal["cross_entropy", "mean_squared_error"]


def _check(name: str, value: float, fine: bool, allowed: str) -> None:
    if not fine:
        raise ValueError(f"{name} must be {allowed}, not {value}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The four groups (see problems.py), and how their rows are divided.

    Attributes:
        rows: Number of rows, 50 or more.
        features: Number of measured features, 2 or more. Only a plane among them means something.
        noise: Spread of each group (standard deviation), above 0; the centres of the groups lie 2 apart.
        validation: Share of the rows for early stopping and for choosing settings, above 0 and below 1.
        test: Share of the rows for the final figures, above 0 and below 1.
        seed: Of the rows and of their division; the same seed gives the same data. 0 or more.
    """

    rows: int = 1000
    features: int = 10
    noise: float = 0.4
    validation: float = 0.2
    test: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        _check("rows", self.rows, self.rows >= 50, "50 or more")
        _check("features", self.features, self.features >= 2, "2 or more")
        _check("noise", self.noise, self.noise > 0, "above 0")
        _check("validation", self.validation, 0 < self.validation < 1, "above 0 and below 1")
        _check("test", self.test, 0 < self.test < 1 - self.validation, "above 0 and leave rows to train on")
        _check("seed", self.seed, self.seed >= 0, "0 or more")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network with two layers, the same in NumPy and in the framework.

    Attributes:
        hidden: Number of hidden units, 1 or more.
        activation: Of the hidden units.
        loss: What training makes small; of the probability of class 1 in both cases.
    """

    hidden: int = 16
    activation: ActivationName = "tanh"
    loss: LossName = "cross_entropy"

    def __post_init__(self) -> None:
        _check("hidden", self.hidden, self.hidden >= 1, "1 or more")


@dataclass(frozen=True, kw_only=True)
class XorConfig:
    """XOR in NumPy: all four rows in each step, from many starting points.

    Attributes:
        hidden: Number of hidden units, 1 or more. Two can be enough, but seldom are.
        learning_rate: Step size of gradient descent, above 0.
        steps: Most steps for one starting point, 1 or more; it ends earlier when all four rows are right.
        seeds: Number of starting points, 1 or more.
    """

    hidden: int = 8
    learning_rate: float = 1.0
    steps: int = 5000
    seeds: int = 20

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "above 0")
        for name in ("hidden", "steps", "seeds"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")


@dataclass(frozen=True, kw_only=True)
class NumpyConfig:
    """Training of the NumPy network on the four groups: plain gradient descent.

    Attributes:
        epochs: Passes over the training rows, 1 or more.
        batch_size: Rows per step, 1 or more.
        learning_rate: Step size, above 0.
        seed: Of the first weights and of the order of the rows, 0 or more.
    """

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "above 0")
        _check("seed", self.seed, self.seed >= 0, "0 or more")
        for name in ("epochs", "batch_size"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of train.py; `training` is that of the framework's network."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    xor: XorConfig = field(default_factory=XorConfig)
    numpy: NumpyConfig = field(default_factory=NumpyConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """Fine-tuning against training from scratch, in NumPy: the same few rows, the same steps, many seeds.

    Attributes:
        seeds: How often both are done, each time with other labelled rows and other first weights, 1 or more.
        frozen_steps: Steps of fine-tuning in which only the second layer learns, 0 or more.
        steps: Steps in all, for both; 1 or more.
        learning_rate: Step size for both, above 0.
    """

    seeds: int = 10
    frozen_steps: int = 100
    steps: int = 300
    learning_rate: float = 0.3

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "above 0")
        _check("seeds", self.seeds, self.seeds >= 1, "1 or more")
        _check("steps", self.steps, self.steps >= 1, "1 or more")
        _check("frozen_steps", self.frozen_steps, 0 <= self.frozen_steps <= self.steps, "between 0 and steps")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Settings of finetune.py. Model and loss are those of the run that is fine-tuned.

    Attributes:
        pretrained: Folder of the training run to start from, or `latest`.
        labels: Number of labelled rows of the second problem to learn from, 2 or more.
        turned: Angle between the first and the second problem, in degrees.
        frozen_epochs: Epochs in which only the second layer learns, before both do; 0 skips this.
        frozen_learning_rate: Step size in these epochs, above 0. Then training.learning_rate, a lower one.
        comparison: Fine-tuning against training from scratch.
        training: The second part, with both layers learning.
    """

    pretrained: str = "latest"
    labels: int = 20
    turned: float = 15.0
    frozen_epochs: int = 20
    frozen_learning_rate: float = 0.1
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        _check("labels", self.labels, self.labels >= 2, "2 or more")
        _check("frozen_epochs", self.frozen_epochs, self.frozen_epochs >= 0, "0 or more")
        _check("frozen_learning_rate", self.frozen_learning_rate, self.frozen_learning_rate > 0, "above 0")


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Settings of eval.py.

    Attributes:
        run: Folder of a training or fine-tuning run, or `latest`.
        part: Which rows to evaluate on.
        batch_size: Rows per step, 1 or more.
    """

    run: str = "latest"
    part: Literal["train", "validation", "test"] = "test"
    batch_size: int = 1024

    def __post_init__(self) -> None:
        _check("batch_size", self.batch_size, self.batch_size >= 1, "1 or more")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Settings of predict.py.

    Attributes:
        run: Folder of a training or fine-tuning run, or `latest`.
        input: CSV file with the columns x1, x2, … that the model was trained on; others are kept as they are.
        output: CSV file to write; empty: `predictions.csv` in a new folder of runs/.
        batch_size: Rows per step, 1 or more.
    """

    input: str
    run: str = "latest"
    output: str = ""
    batch_size: int = 1024

    def __post_init__(self) -> None:
        _check("batch_size", self.batch_size, self.batch_size >= 1, "1 or more")
