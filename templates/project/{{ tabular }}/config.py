"""Every setting of the stages, with its unit and its allowed range.

The values themselves stand in configs/*.yaml; any of them can be overridden on the command line
(`python train.py --model.dropout 0.2`). A value out of range is refused with one sentence that names the
field.
"""

from dataclasses import dataclass, field
from typing import Literal

from .training_config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which table, which column to predict, and corrections to what was found out about the columns."""

    file: str
    """The table: CSV, TSV or Parquet (`.parquet`); a relative path begins at the project's folder."""

    target: str
    """Name of the column to predict."""

    problem: Literal["auto", "classification", "regression"] = "auto"
    """`classification` predicts one of a few classes, `regression` a number; `auto` looks at the target."""

    encoding: str = "auto"
    """Of a text file, for example `utf-8`, `gb18030`, `latin-1`; `auto` finds it."""

    delimiter: str = "auto"
    """Between the columns of a text file, one character or `tab`; `auto` finds it."""

    decimal: Literal["auto", ".", ","] = "auto"
    """Character before the decimals, `.` or `,`; `auto` finds it. The other one may group thousands."""

    missing_values: list[str] = field(default_factory=list)
    """What else means "missing" besides an empty cell, NA, N/A, null, none, nan, - and ?."""

    numeric: list[str] = field(default_factory=list)
    """Columns to read as numbers, whatever they look like."""

    categorical: list[str] = field(default_factory=list)
    """Columns to read as categories, also when they hold numbers (codes such as postcodes)."""

    dates: dict[str, str] = field(default_factory=dict)
    """Columns to read as dates or times, each with its format, such as `%d/%m/%Y`, or `auto`."""

    drop: list[str] = field(default_factory=list)
    """Columns that the model must not see: what is only known after the outcome, say."""

    class_weights: Literal["auto", "none", "balanced"] = "auto"
    """`balanced` weighs rare classes up in the loss, `none` does not; `auto` does so when the rarest class
    has less than 10 % of the rows."""

    def __post_init__(self) -> None:
        if not self.file.strip():
            raise ValueError("file is empty: give the path of the table")
        if not self.target.strip():
            raise ValueError("target is empty: give the name of the column to predict")
        if self.delimiter not in ("auto", "tab") and len(self.delimiter) != 1:
            raise ValueError(f"delimiter is {self.delimiter!r}: it must be one character, 'tab' or 'auto'")


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How the rows are divided into training, validation and test rows, before anything is fitted."""

    method: Literal["auto", "random", "stratified", "grouped", "time"] = "auto"
    """`random`; `stratified` keeps the shares of the classes equal in all parts; `grouped` keeps all rows
    of one group (a person, say) in one part; `time` trains on the past and tests on the future; `auto`
    is grouped or time where such a column is named, else stratified for classes, else random."""

    group_column: str = ""
    """Rows with the same value here stay together; needed by `grouped`. The model never sees it."""

    time_column: str = ""
    """Dates, times or numbers that order the rows; needed by `time`."""

    validation: float = 0.15
    """Share of the rows for early stopping and for choosing settings, above 0 and below 1."""

    test: float = 0.15
    """Share of the rows for the final figures, looked at by nothing before, above 0 and below 1."""

    seed: int = 0
    """Of the shuffling; the same seed gives the same parts."""

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0 and below 1")
        if self.validation + self.test >= 1:
            raise ValueError("validation and split.test together leave no rows to train on")
        if self.method == "grouped" and not self.group_column:
            raise ValueError("group_column is empty, but split.method is 'grouped'")
        if self.method == "time" and not self.time_column:
            raise ValueError("time_column is empty, but split.method is 'time'")


@dataclass(frozen=True, kw_only=True)
class SegmentConfig:
    """Which rows are kept out of training, so that the trained model can later be fine-tuned to them."""

    column: str = "auto"
    """Column whose values name segments (a site, a country, a product). `auto` looks for one with such a
    name and otherwise takes a random part of the rows; `none` takes a random part."""

    values: list[str] = field(default_factory=list)
    """Values of that column that make up the segment; empty: the smallest value that has enough rows."""

    hidden: bool = False
    """Whether the model must not see the column. If it sees it, it learns how the other segments differ, and
    meets an unknown value in this one; if not, it starts there from what all of them have in common."""

    share: float = 0.15
    """Share of the rows in a random part, above 0 and below 1; not used where a column gives the segment."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}: it must be above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A network over numbers and embedded categories."""

    embedding_size: int = 8
    """Largest width of a category's embedding; a column with few categories gets a narrower one."""

    hidden_sizes: list[int] = field(default_factory=lambda: [128, 64])
    """Width of each hidden layer, first to last."""

    dropout: float = 0.1
    """Share of hidden units switched off at random in each training step, 0 or more and below 1."""

    def __post_init__(self) -> None:
        if self.embedding_size < 1:
            raise ValueError(f"embedding_size is {self.embedding_size}: it must be 1 or more")
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise ValueError(f"hidden_sizes is {self.hidden_sizes}: give one or more widths of 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}: it must be 0 or more and below 1")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of train.py."""

    data: DataConfig
    split: SplitConfig = field(default_factory=SplitConfig)
    segment: SegmentConfig = field(default_factory=SegmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Settings of finetune.py. Table, split, segment and model are those of the run that is fine-tuned."""

    pretrained: str = "latest"
    """Folder of the training run to start from, or `latest`."""

    rows: int = 200
    """Rows of the segment to train on; the model has seen none of them. 10 or more."""

    validation_rows: int = 100
    """Further rows of the segment for early stopping. 10 or more. All the others are test rows."""

    frozen_epochs: int = 5
    """Epochs in which only the last layer learns, before all layers do; 0 skips this."""

    frozen_learning_rate: float = 1e-3
    """Step size in these epochs, above 0. Afterwards training.learning_rate, a lower one."""

    seeds: int = 5
    """With how many seeds fine-tuning and training from scratch are repeated, on the same rows, to compare
    them; 1 or more."""

    training: TrainingConfig = field(default_factory=TrainingConfig)
    """The second part, with all layers learning."""

    def __post_init__(self) -> None:
        for name, least in (("rows", 10), ("validation_rows", 10), ("frozen_epochs", 0), ("seeds", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be {least} or more")
        if self.frozen_learning_rate <= 0:
            raise ValueError(f"frozen_learning_rate is {self.frozen_learning_rate}: it must be above 0")


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Settings of eval.py."""

    run: str = "latest"
    """Folder of a training or fine-tuning run, or `latest`."""

    part: Literal["train", "validation", "test"] = "test"
    """Which rows to evaluate on."""

    batch_size: int = 1024
    """Rows per step, 1 or more; more is faster and needs more memory."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: it must be 1 or more")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Settings of predict.py."""

    input: str
    """Table with the columns that the model was trained on; the target is not needed."""

    run: str = "latest"
    """Folder of a training or fine-tuning run, or `latest`."""

    output: str = ""
    """CSV file to write; empty: `predictions.csv` in a new folder of runs/."""

    batch_size: int = 1024
    """Rows per step, 1 or more."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}: it must be 1 or more")
