"""Answers to a foreign template's questions that need no terminal: `--set` and `--answers`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaffolder.answers import incomplete, nearest, pairs, read_file, shown
from scaffolder.errors import NewmodelError
from scaffolder.messages import _


def given_answers(
    questions: Mapping[str, Mapping[str, Any]], settings: Sequence[str], file: Path | None
) -> dict[str, Any]:
    """The answers of the file, and over them those of the settings.

    Args:
        questions: By name, each with `default`.

    Raises:
        NewmodelError: If one is for no question of the template, or the file cannot be read.
    """
    given: dict[str, Any] = {**({} if file is None else read_file(file)), **dict(pairs(settings))}
    for key, value in given.items():
        if key not in questions:
            end = nearest(key, questions) if questions else _("; the template asks nothing.")
            raise NewmodelError(_("The template has no question “{key}”{nearest}").format(key=shown(key), nearest=end))
        if isinstance(questions[key].get("default"), dict) and isinstance(value, str):
            given[key] = _mapping(key, value)
    return given


def check_complete(questions: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> None:
    """Without a terminal, say what is missing instead of waiting for it.

    Raises:
        NewmodelError: If a question that is always asked has no answer.
    """
    names = [name for name, question in questions.items() if question.get("asked") and name not in given]
    if names:
        raise incomplete(names)


def _mapping(key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NewmodelError(_("{key} must be a JSON object in {{…}}.").format(key=shown(key)))
    return value
