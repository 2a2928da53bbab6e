"""The one console: messages, tables and the progress bar, in PyCharm's console and in a terminal alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from .processes import FIRST_PROCESS

# A log file or a pipe has no width of its own.
console = Console(quiet=not FIRST_PROCESS, width=None if sys.stdout.isatty() else 120, emoji=False)
error_console = Console(stderr=True, emoji=False)


class Throughput(ProgressColumn):
    """Steps per second, averaged over the last 30 s."""

    def render(self, task: Task) -> Text:
        """Show the speed, or nothing before the second step."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s", style="progress.data.speed")


def progress() -> Progress:
    """Make a progress bar: `with progress() as bar: task = bar.add_task("epoch 1/20", total=steps)`.

    `bar.advance(task)` after each step; `bar.update(task, description=…)` to say more. Where the output is no
    terminal (a log file, a pipe) nothing is animated and one line is printed at the end.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Throughput(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
    )


def say(message: str) -> None:
    """Print one line as it is: no markup, no wrapping, no colours guessed from the words."""
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def print_error(message: str) -> None:
    """Print one red line on standard error."""
    error_console.print(message, style="bold red", markup=False, highlight=False, soft_wrap=True)


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a table; the columns are the keys, in the order of their first appearance."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        numeric = all(isinstance(row[column], int | float) for row in rows if row.get(column) is not None)
        table.add_column(Text(column.replace("_", " ")), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(format_value(row.get(column))) for column in columns))
    console.print(table)


def format_value(value: object) -> str:
    """Write a value for people: four significant digits, thousands separated, a dash for what is missing."""
    if value is None or (
        isinstance(value, float) and value != value
    ):  # NaN is the one value unequal to itself
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value)
