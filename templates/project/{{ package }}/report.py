"""`report.html`: the result of a run on one page that needs no other file, to keep, to print or to send."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from .console import format_value
from .runs import Run, write_atomically

Rows = Sequence[Mapping[str, object]]


@dataclass(kw_only=True, frozen=True)
class Section:
    """One part of the report: a heading, then what it has of text, table and figures, in that order."""

    title: str

    text: str = ""
    """Plain text; an empty line begins a new paragraph."""

    rows: Rows = ()
    """A table: one mapping per row, whose keys are the columns. The first column names the row."""

    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    """For each column in which the best value is to be marked: whether that is the highest or the lowest."""

    figures: Mapping[str, Path] = field(default_factory=dict)
    """PNG files by their captions; they are copied into the page."""


def write_report(run: Run, title: str, sections: Sequence[Section]) -> Path:
    """Write `report.html` into the run's folder and return its path.

    After the sections come the configuration and the environment of the run, folded up.
    """
    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("report_template.html").render(
        title=title,
        run=run,
        environment=run.environment(),
        sections=[prepare(section) for section in sections],
        configuration=(run.folder / "config.yaml").read_text(encoding="utf-8"),
        surroundings=json.dumps(run.environment(), indent=2, ensure_ascii=False),
    )
    path = run.path("report.html")
    write_atomically(path, page)
    return path


def prepare(section: Section) -> dict[str, Any]:
    """Turn a section into what the page shows: paragraphs, cells with a mark on the best, images as data."""
    columns = list(dict.fromkeys(name for row in section.rows for name in row))
    numbers = {name for name in columns if all(is_number(row.get(name)) for row in section.rows)}
    best = {name: best_value(section.rows, name, higher) for name, higher in section.higher_is_better.items()}
    return {
        "title": section.title,
        "paragraphs": [part.strip() for part in section.text.split("\n\n") if part.strip()],
        "columns": columns,
        "cells": [
            [
                {
                    "text": format_value(row.get(name)),
                    "number": name in numbers,
                    "best": best.get(name) is not None and row.get(name) == best[name],
                }
                for name in columns
            ]
            for row in section.rows
        ],
        "figures": [
            {
                "caption": caption,
                "data": base64.b64encode(path.read_bytes()).decode(),
                "width": png_width(path) // 2,
            }
            for caption, path in section.figures.items()
        ],
    }


def is_number(value: object) -> bool:
    """Whether a cell holds a number or nothing, so that its column is aligned to the right."""
    return value is None or isinstance(value, int | float)


def best_value(rows: Rows, column: str, higher_is_better: bool) -> float | None:
    """Return the best number of a column; None where fewer than two rows have one, or all have the same."""
    numbers = [value for row in rows if isinstance(value := row.get(column), int | float) and value == value]
    if len(set(numbers)) < 2:
        return None
    return max(numbers) if higher_is_better else min(numbers)


def png_width(path: Path) -> int:
    """Read the width in pixels from a PNG's header."""
    return int(struct.unpack(">I", path.read_bytes()[16:20])[0])
