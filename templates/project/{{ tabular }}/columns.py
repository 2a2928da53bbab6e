"""What each column of the table is, decided from the training rows alone, and the conversion to that."""

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, Literal

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype

from .config import DataConfig
from .errors import UserError
from .table_format import find_date_format, find_kind, parse_date, parse_number
from .target import Target, class_name, class_names, is_number_column

MOST_ROWS = 100_000  # enough to tell what a column is; the conversion complains about a cell that differs
MISSING = ""  # a missing category is a category of its own


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the model sees and what it predicts.

    A table that was converted (`convert`) holds the columns `numeric` as float64 with NaN where a value is
    missing, `categorical` as str with `MISSING` where it is missing, and `target`: for classification the
    index into `classes` (int64), for regression the number itself (float64).

    Attributes:
        target: Column to predict.
        problem: `classification` or `regression`.
        numeric: Number inputs, those made from dates included.
        categorical: Category inputs.
        dates: Date columns with their format; their parts (`<column> month sin`, …) stand in `numeric`.
        dropped: Columns that the model does not see, with the reason.
        classes: Names of the classes in index order; empty for regression.
        class_weights: Weight of each class in the loss, mean 1 over the training rows; empty: all weigh the
            same.
        target_mean: Mean of the target over the training rows (regression; else 0).
        target_scale: Standard deviation of the target over the training rows (regression; else 1).
        decimal: Character before the decimals in text.
    """

    target: str
    problem: Literal["classification", "regression"]
    numeric: list[str]
    categorical: list[str]
    dates: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    class_weights: list[float] = field(default_factory=list)
    target_mean: float = 0.0
    target_scale: float = 1.0
    decimal: str = "."

    @property
    def inputs(self) -> dict[str, list[str]]:
        """Each column of the table that the model uses, and the inputs that are made from it."""
        parts = {name: [part for part in self.numeric if is_part_of(part, name)] for name in self.dates}
        made = {part for inputs in parts.values() for part in inputs}
        return {name: [name] for name in (*self.numeric, *self.categorical) if name not in made} | parts

    @property
    def outputs(self) -> int:
        """Number of outputs of the model: one per class (also for two classes), or one number."""
        return len(self.classes) or 1

    def encode_target(self, table: pd.DataFrame) -> np.ndarray:
        """What the loss compares with: class indices (N,) int64, or standardised numbers (N,) float32."""
        values = table[self.target].to_numpy()
        if self.problem == "classification":
            return values.astype(np.int64)
        return ((values - self.target_mean) / self.target_scale).astype(np.float32)

    def decode_target(self, outputs: np.ndarray) -> np.ndarray:
        """Regression outputs (N,) or (N, 1) back in the target's own unit, (N,) float64."""
        return outputs.astype(np.float64).reshape(len(outputs)) * self.target_scale + self.target_mean

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Columns":
        values: dict[str, Any] = json.loads(text)
        return cls(**values)


# --- deciding ---


def decide_columns(
    train: pd.DataFrame, target: Target, data: DataConfig, set_aside: dict[str, str]
) -> Columns:
    """Decide from the training rows what each column is.

    Args:
        train: Training rows as they were read.
        target: What is predicted.
        data: Corrections by the person: they come before anything found.
        set_aside: Columns that the model must not see, with the reason.

    Raises:
        UserError: No column is left to predict from.
    """
    dropped = dict.fromkeys(data.drop, "listed in data.drop") | set_aside
    numeric: list[str] = []
    categorical: list[str] = []
    dates: dict[str, str] = {}
    rows = train if len(train) <= MOST_ROWS else train.sample(MOST_ROWS, random_state=0)
    for name in rows.columns.drop(target.column):
        if name in dropped:
            continue
        kind, detail = decide_kind(rows[name], target.decimal, data)
        if kind == "number":
            numeric.append(name)
        elif kind == "category":
            categorical.append(name)
        elif kind == "date":
            dates[name] = detail
            numeric += date_parts(name, detail)
        else:
            dropped[name] = detail
    if not numeric and not categorical:
        raise UserError(
            f"{data.file} has no column to predict {target.column!r} from: " + join_reasons(dropped)
        )
    columns = Columns(
        target=target.column,
        problem=target.problem,
        numeric=numeric,
        categorical=categorical,
        dates=dates,
        dropped=dropped,
        classes=target.classes,
        decimal=target.decimal,
    )
    return fit_target(columns, encode(train[target.column], columns), data.class_weights)


def decide_kind(values: pd.Series, decimal: str, data: DataConfig) -> tuple[str, str]:
    """Return (kind, detail): `number`, `category`, `date` with its format, or `dropped` with the reason."""
    name, present = str(values.name), values.dropna()
    texts = present.astype("string")
    if name in data.categorical:
        return "category", ""
    if name in data.numeric:
        return "number", ""
    if name in data.dates:
        return "date", choose_date_format(values, data.dates[name])
    if present.empty:
        return "dropped", "no value in the training rows"
    if is_datetime64_any_dtype(values.dtype):
        return "date", ""
    kind = "number" if is_number_column(values) else find_kind(texts.tolist(), decimal)
    if kind == "date":
        return "date", choose_date_format(values, "auto")
    distinct = texts.nunique()
    if distinct == 1 and (kind == "number" or len(present) == len(values)):
        return "dropped", f"the same value everywhere: {texts.iloc[0]}"
    if kind == "text":
        return "dropped", f"identifier or free text: {distinct:,} different values in {len(values):,} rows"
    if kind == "number" and looks_like_identifier(values, texts, decimal):
        return "dropped", "identifier: another whole number in every row"
    return kind, ""


def looks_like_identifier(values: pd.Series, texts: pd.Series, decimal: str) -> bool:
    """Whether all numbers are different and whole, and are named as, or run like, the numbers of rows."""
    numbers = np.array([parse_number(text, decimal) or 0.0 for text in texts])
    if len(numbers) < len(values) or len(np.unique(numbers)) < len(numbers) or (numbers % 1 != 0).any():
        return False
    named = re.search(r"(^|[ _.-])(id|ids|index|idx|nr|no|key|row)$|编号|序号", str(values.name).lower())
    running = numbers.min() <= 0.1 * numbers.max() and np.ptp(numbers) <= 3 * len(numbers)
    return bool(named or str(values.name).startswith("column ") or running)


def choose_date_format(values: pd.Series, wanted: str) -> str:
    """Return the format of a date column; empty where the column came as dates (Parquet)."""
    if is_datetime64_any_dtype(values.dtype):
        return ""
    texts = values.dropna().astype("string").unique()
    form = find_date_format(texts) if wanted == "auto" else wanted
    if form is None:
        raise UserError(
            f"data.dates: no date format fits column {values.name!r}; give one, such as %d/%m/%Y."
        )
    return form


def fit_target(columns: Columns, values: np.ndarray, class_weights: str) -> Columns:
    """Return the columns with mean and scale, or class weights, of these converted values of the target."""
    if columns.problem == "regression":
        return replace(columns, target_mean=float(values.mean()), target_scale=float(values.std()) or 1.0)
    counts = np.bincount(values.astype(np.int64), minlength=len(columns.classes))
    rare = counts.min() < 0.1 * counts.sum()
    if class_weights == "none" or (class_weights == "auto" and not rare):
        return replace(columns, class_weights=[])
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 1.0)
    return replace(columns, class_weights=[round(float(weight), 6) for weight in weights])


def show_decisions(columns: Columns, train: pd.DataFrame) -> list[dict[str, object]]:
    """One row per column of the table, for printing: what it is used as, and why."""
    rows: list[dict[str, object]] = []
    for name in train.columns:
        values = train[name]
        share = values.isna().mean()
        missing = f"{share:.0%} missing" if share >= 0.005 else "under 1% missing" if share else ""
        if name == columns.target:
            used, note = (
                "target",
                columns.problem + (f": {', '.join(columns.classes[:8])}" if columns.classes else ""),
            )
        elif name in columns.dropped:
            used, note = "not used", columns.dropped[name]
        elif name in columns.categorical:
            used, note = "category", join(f"{values.nunique():,} values", missing)
        elif name in columns.dates:
            used, note = "date", join(columns.dates[name], missing)
        else:
            used, note = "number", missing
        rows.append({"column": name, "used as": used, "note": note})
    return rows


def join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def join_reasons(dropped: dict[str, str]) -> str:
    shown = "; ".join(f"{name} ({reason})" for name, reason in list(dropped.items())[:8])
    return shown + ("; …" if len(dropped) > 8 else ".")


# --- converting ---


def convert(table: pd.DataFrame, columns: Columns, *, with_target: bool = True) -> pd.DataFrame:
    """Return the inputs (and the target) as numbers and categories. Each row is converted by itself.

    Raises:
        UserError: A column is missing, or a cell is not what its column holds; with the line number.
    """
    missing = [name for name in columns.inputs if name not in table.columns]
    if missing:
        raise UserError(missing_columns(missing, table))
    converted: dict[str, Any] = {}
    for name, inputs in columns.inputs.items():
        if name in columns.dates:
            times = to_times(table[name], columns.dates[name])
            converted |= dict(zip(inputs, date_parts(name, columns.dates[name], times).values(), strict=True))
        elif name in columns.categorical:
            converted[name] = to_categories(table[name])
        else:
            converted[name] = to_numbers(table[name], columns.decimal)
    if with_target:
        converted[columns.target] = encode(table[columns.target], columns)
    return pd.DataFrame(converted, index=table.index)


def missing_columns(missing: list[str], table: pd.DataFrame) -> str:
    near = [(name, difflib.get_close_matches(name, table.columns, n=1)) for name in missing]
    hints = [f"{name!r}" + (f" (is it {close[0]!r}?)" if close else "") for name, close in near[:10]]
    return (
        f"{str(table.index.name).rsplit(',', 1)[0]} lacks columns that the model needs: {', '.join(hints)}."
    )


def to_numbers(values: pd.Series, decimal: str) -> np.ndarray:
    """float64 with NaN for missing."""
    if is_number_column(values) or is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, numbers = parse_each(values, lambda text: parse_number(text, decimal), "a number")
    return np.array([*numbers, np.nan], dtype=np.float64)[codes]


def to_categories(values: pd.Series) -> np.ndarray:
    """str objects with `MISSING` for missing; whole numbers that came as 1.0 read 1."""
    if is_number_column(values):
        texts = values.map(lambda number: class_name(repr(number), "."), na_action="ignore").astype("string")
    else:
        texts = values.astype("string")
    return texts.fillna(MISSING).to_numpy(dtype=object)


def to_times(values: pd.Series, form: str) -> pd.Series:
    """Times without time zone (UTC where there was one), NaT for missing."""
    if is_datetime64_any_dtype(values.dtype):
        return values.dt.tz_convert(None) if values.dt.tz is not None else values

    def parse(text: str) -> datetime | None:
        time = parse_date(text, form)
        return time.astimezone(timezone.utc).replace(tzinfo=None) if time and time.tzinfo else time

    codes, times = parse_each(values, parse, f"a date of the form {form}")
    return pd.Series(pd.to_datetime([*times, None]).take(codes), index=values.index)


def parse_each(values: pd.Series, parse: Callable[[str], Any], what: str) -> tuple[np.ndarray, list[Any]]:
    """Parse every different text once. The first that cannot be parsed becomes the error.

    Returns:
        For each row the place of its value in the list (N,), -1 where it is missing; and the parsed values.
    """
    codes, texts = pd.factorize(values.astype("string"))
    parsed = [parse(text) for text in texts]
    for code, value in enumerate(parsed):
        if value is None or value in (np.inf, -np.inf):
            line = values.index[codes == code][0]
            raise UserError(
                f"{values.index.name} {line}: {texts[code]!r} in column {values.name!r} is not {what} as the "
                "others are: correct it or leave it empty, or say under data: how to read it "
                "(missing_values, categorical)."
            )
    return codes, parsed


def date_parts(name: str, form: str, times: pd.Series | None = None) -> dict[str, Any]:
    """The inputs made from a date: days since 1970, and its place in the year, the week and the day.

    A place on a circle of n steps is the pair sin(2πk/n), cos(2πk/n), so that December lies beside January.
    """
    circles = {"month": ("month", 12), "weekday": ("day_of_week", 7)}
    if form == "" or "%H" in form or "%I" in form:
        circles["hour"] = ("hour", 24)
    if times is None:
        return dict.fromkeys(
            [f"{name} days", *(f"{name} {circle} {f}" for circle in circles for f in ("sin", "cos"))]
        )
    parts = {f"{name} days": ((times - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)).to_numpy(np.float64)}
    for circle, (attribute, steps) in circles.items():
        angle = 2 * np.pi * getattr(times.dt, attribute).to_numpy(np.float64, na_value=np.nan) / steps
        parts |= {f"{name} {circle} sin": np.sin(angle), f"{name} {circle} cos": np.cos(angle)}
    return parts


def is_part_of(part: str, date: str) -> bool:
    return bool(re.fullmatch(re.escape(date) + r" (days|(month|weekday|hour) (sin|cos))", part))


def encode(values: pd.Series, columns: Columns) -> np.ndarray:
    """The target as class indices (int64) or numbers (float64)."""
    if columns.problem == "regression":
        return to_numbers(values, columns.decimal)
    names = class_names(values, columns.decimal)
    codes = names.map({name: code for code, name in enumerate(columns.classes)})
    if codes.isna().any():
        line = values.index[codes.isna()][0]
        raise UserError(
            f"{values.index.name} {line}: {names[line]!r} is none of the classes of {columns.target!r}."
        )
    return codes.to_numpy(dtype=np.int64)
