"""Answers to a foreign template's questions that need no terminal: `--set` and `--answers`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scaffolder.answers import MAX_ANSWERS_BYTES, nearest, shown
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
    given = {} if file is None else _from_file(file)
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise NewmodelError(
                _("--set {setting} has no “=”; write --set key=value, for example --set framework=pytorch.").format(
                    setting=shown(setting)
                )
            )
        given[key.strip()] = value
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
        raise NewmodelError(
            _(
                "There is no terminal to ask in, and these have no answer: {names}. "
                "Take the defaults with --defaults, or give answers with --set key=value or --answers FILE."
            ).format(names=", ".join(names))
        )


def _from_file(path: Path) -> dict[str, Any]:
    import yaml

    try:
        with path.open("rb") as file:
            content = file.read(MAX_ANSWERS_BYTES + 1)
        if len(content) > MAX_ANSWERS_BYTES:
            raise NewmodelError(_("The answers file {path} is larger than 1 MB.").format(path=path))
        answers = yaml.safe_load(content.decode("utf-8-sig"))
    except FileNotFoundError:
        raise NewmodelError(_("There is no answers file {path}.").format(path=path)) from None
    except OSError as error:
        raise NewmodelError(_("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise NewmodelError(
            _("The answers file {path} is neither YAML nor JSON{where}.").format(path=path, where="")
        ) from None
    if answers is None:
        return {}
    if not isinstance(answers, dict):
        raise NewmodelError(
            _("The answers file {path} must hold “key: value” lines, not {kind}.").format(
                path=path, kind=type(answers).__name__
            )
        )
    # what begins with _ was written by copier or cookiecutter themselves
    return {str(key): value for key, value in answers.items() if not str(key).startswith("_")}


def _mapping(key: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise NewmodelError(_("{key} must be a JSON object in {{…}}.").format(key=shown(key)))
    return value
