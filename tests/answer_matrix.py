"""Which projects the tests render: derived from copier.yml, so that a new choice is covered without being listed.

Every combination of framework and task is there; of the other answers every pair that copier.yml allows.
"""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from scaffolder.generate import Source, render, write

REPOSITORY = Path(__file__).resolve().parent.parent
TEMPLATES = REPOSITORY / "templates"
VERSION = "v9999.0.0"
SOURCE = Source(TEMPLATES, VERSION)

#: The two questions whose product is a cell.
CELL = ("framework", "task")
#: What a question without choices is answered with where it is asked.
TEXTS = {"data_file": "table.csv", "target_column": "target", "base_model_name": "me/mine"}

#: Questions whose answers differ in a name alone: only these are paired with every other answer, the others are shown.
SOME_OF = {"base_model": {"own", "qwen3-0.6b", "llama-3.2-1b", "other"}}

#: Asked for a language model alone: with another task they have their defaults, whatever is given.
LLM = {"base_model", "hub", "method", "llm_checkpointing"}

Answers = dict[str, Any]
Pair = tuple[str, Any, str, Any]


@cache
def choices() -> dict[str, dict[Any, str]]:
    """For each question with a finite set of answers: the answers, each with the template that refuses it."""
    found: dict[str, dict[Any, str]] = {}
    for name, details in _copier_yml().items():
        if details.get("when") is False:
            continue
        if details["type"] == "bool":
            found[name] = {True: "", False: ""}
        elif "choices" in details:
            values = (
                choice if isinstance(choice, dict) else {"value": choice}
                for choice in (
                    details["choices"].values() if isinstance(details["choices"], dict) else details["choices"]
                )
            )
            found[name] = {choice["value"]: choice.get("validator", "") for choice in values}
    return found


def cells() -> list[Answers]:
    """Every combination of framework and task."""
    return [dict(zip(CELL, values, strict=True)) for values in itertools.product(*(choices()[name] for name in CELL))]


def complete(answers: Answers) -> Answers | None:
    """The answers with copier.yml's defaults for the rest; None where a choice is refused.

    A question that is not asked gets its default, whatever `answers` says: so does copier.
    """
    row: Answers = {"unavailable": {}}
    for name, details in _copier_yml().items():
        if details.get("when") is False:
            continue
        default = _render(details.get("default", ""), row)
        if details["type"] == "bool" and isinstance(default, str):
            default = default == "True"
        asked = _render(details.get("when", True), row)
        row[name] = answers.get(name, default) if asked not in (False, "False") else default
        if name in choices() and _render(choices()[name].get(row[name], "no such choice"), row).strip():
            return None
    return {name: row[name] for name in choices()}


@cache
def matrix() -> list[Answers]:
    """Answers whose projects together show every cell and every allowed pair of answers; always the same."""
    rows = [row for cell in cells() if (row := complete(cell)) is not None]
    missing = _allowed_pairs() - set().union(*map(_pairs, rows))
    while missing:
        row = _row_with(min(missing, key=repr), missing)
        missing -= _pairs(row)
        rows.append(row)
    return rows


def render_project(target: Path, **answers: Any) -> Path:
    """Render the working tree's templates with these answers; returns `target`."""
    rendering = render({**TEXTS, **answers}, target, SOURCE)
    target.mkdir(parents=True, exist_ok=True)
    write(rendering, target)
    return target


@cache
def rendered(name: str) -> Path:
    """The project of the matrix row with this label, rendered once a test run. Tests leave it as it is."""
    (answers,) = (row for row in matrix() if label(row) == name)
    return render_project(_scratch() / "demo", project_name="demo", **answers)


@cache
def rendered_as(project_name: str, **answers: Any) -> Path:
    """A project of this name in a folder of this name, all else as given or by default. Tests leave it as it is."""
    return render_project(_scratch() / project_name, project_name=project_name, **answers)


def label(answers: Answers) -> str:
    """A short name for a test's parameter: the cell, then the answers that differ from its defaults."""
    defaults = complete({name: answers[name] for name in CELL}) or {}
    rest = [
        value if isinstance(value, str) else name if value else f"no-{name}"
        for name, value in answers.items()
        if value != defaults.get(name)
    ]
    return "-".join([*(answers[name] for name in CELL), *rest])


def every_project() -> pytest.MarkDecorator:
    """Runs a test with the `name` of each project: cells with their defaults, in the full layer the whole matrix."""
    names = [label(answers) for answers in matrix()]
    rows = [pytest.param(name, marks=[] if row < len(cells()) else pytest.mark.full) for row, name in enumerate(names)]
    return pytest.mark.parametrize("name", rows)


def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="newmodel-matrix-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _allowed_pairs() -> set[Pair]:
    """Every pair of answers that some project can have, whichever the cell."""
    allowed: set[Pair] = set()
    for first, second in itertools.combinations(choices(), 2):
        for left, right, cell in itertools.product(choices()[first], choices()[second], cells()):
            if cell["task"] != "llm" and {first, second} & LLM:
                continue
            row = complete({**cell, first: left, second: right})
            if row is not None:
                allowed |= _pairs(row)
    return allowed


def _row_with(pair: Pair, missing: set[Pair]) -> Answers:
    """A row with the given pair, grown greedily: each answer is the one that covers most of what is missing."""
    first, left, second, right = pair
    # some answers need a third one that is no default: a build needs its accelerator
    thirds: list[Answers] = [{}, *({name: value} for name in choices() for value in choices()[name])]
    row = next(
        row
        for cell, third in itertools.product(cells(), thirds)
        if (row := complete({**cell, **third, first: left, second: right})) is not None and pair in _pairs(row)
    )
    for name in choices():
        if name not in (first, second):
            options = (complete({**row, name: value}) for value in choices()[name])
            fitting = [option for option in options if option is not None and pair in _pairs(option)]
            row = max(fitting, key=lambda option: len(_pairs(option) & missing))
    return row


def _pairs(row: Answers) -> set[Pair]:
    alike = {name for name, some in SOME_OF.items() if row[name] not in some}
    return {
        (first, left, second, right)
        for (first, left), (second, right) in itertools.combinations(row.items(), 2)
        # an answer that is like others counts with its task alone
        if not (alike and (first in alike or second in alike) and "task" not in (first, second))
    }


@cache
def _copier_yml() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((TEMPLATES / "copier.yml").read_text(encoding="utf-8"))
    return {name: details for name, details in content.items() if not name.startswith("_")}


def _render(value: Any, context: Answers) -> Any:
    if not (isinstance(value, str) and "{" in value):
        return value
    return _rendered(value, tuple((name, context[name]) for name in _names(value) if name in context))


@cache
def _rendered(text: str, context: tuple[tuple[str, Any], ...]) -> str:
    """The same few texts are rendered for thousands of rows, with the same few values of what they name."""
    return _environment().from_string(text).render(dict(context), unavailable={})


@cache
def _names(text: str) -> tuple[str, ...]:
    from jinja2.meta import find_undeclared_variables

    return tuple(sorted(find_undeclared_variables(_environment().parse(text)) - {"unavailable"}))


@cache
def _environment() -> jinja2.Environment:
    from jinja2_ansible_filters import AnsibleCoreFiltersExtension

    return jinja2.Environment(extensions=[AnsibleCoreFiltersExtension])
