"""Answers given without a terminal: `--set key=value` and `--answers FILE`, checked against the questions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from scaffolder.catalog import Catalog, Question
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _

Answer: TypeAlias = str | bool

#: An answers file is a page of text; a larger one is something else.
MAX_ANSWERS_BYTES = 1_000_000

_TRUE = {"true", "yes", "on", "1", "y"}
_FALSE = {"false", "no", "off", "0", "n"}


def from_settings(settings: Iterable[str], catalog: Catalog) -> dict[str, Answer]:
    """The answers in `key=value` texts; a later one wins.

    Raises:
        NewmodelError: If one has no `=`, names no question, or has a value that the question does not take.
    """
    return {key: check(key, value, catalog) for key, value in pairs(settings)}


def pairs(settings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Key and value of each `key=value` text.

    Raises:
        NewmodelError: If one has no `=`.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise NewmodelError(
                _("--set {setting} has no “=”; write --set key=value, for example --set framework=pytorch.").format(
                    setting=shown(setting)
                )
            )
        yield key.strip(), value


def from_file(path: Path, catalog: Catalog) -> dict[str, Answer]:
    """The answers in a YAML or JSON file.

    Raises:
        NewmodelError: If it cannot be read, is no such file, or holds a wrong key or value.
    """
    return {key: check(key, value, catalog) for key, value in read_file(path).items()}


def read_file(path: Path) -> dict[str, object]:
    """What a YAML or JSON file answers. Keys that begin with `_`, which copier and cookiecutter write, are passed over.

    Raises:
        NewmodelError: If it cannot be read or is no such file.
    """
    import yaml

    text = _read(path)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = _(" (line {line})").format(line=mark.line + 1) if mark else ""
        raise NewmodelError(
            _("The answers file {path} is neither YAML nor JSON{where}.").format(path=path, where=where)
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise NewmodelError(
            _("The answers file {path} must hold “key: value” lines, not {kind}.").format(
                path=path, kind=_kind(content)
            )
        )
    return {str(key): value for key, value in content.items() if not str(key).startswith("_")}


def check(key: str, value: object, catalog: Catalog) -> Answer:
    """The answer as its question's type.

    Raises:
        NewmodelError: If there is no such question or it does not take this value; the nearest names are given.
    """
    question = catalog.questions.get(key)
    if question is None:
        raise NewmodelError(
            _("There is no question “{key}”{nearest}").format(key=shown(key), nearest=nearest(key, catalog.questions))
        )
    if question.kind == "bool":
        return _bool(question, value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise NewmodelError(_("{key} must be a text, not {kind}.").format(key=key, kind=_kind(value)))
    text = str(value)
    if not _is_printable(text):
        raise NewmodelError(_("{key} contains characters that cannot be written.").format(key=key))
    return _choice(question, text) if question.choices else text


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error's sentence: `; did you mean “a” or “b”?`, or the whole list where nothing is near."""
    names = list(known)
    lower = {name.lower(): name for name in names}
    near = [lower[match] for match in difflib.get_close_matches(word.lower()[:80], lower, n=2, cutoff=0.6)]
    if near:
        return _("; did you mean {names}?").format(names=_(" or ").join(f"“{name}”" for name in near))
    return _("; there are: {names}.").format(names=", ".join(names))


def shown(text: str, limit: int = 60) -> str:
    """A person's text inside an error: on one line and not longer than `limit` characters."""
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def typed_path(text: str) -> str:
    """A path without what comes with it when it is pasted: quotes around it, or `file://` before it."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if text.lower().startswith("file://"):
        from urllib.request import url2pathname

        return url2pathname(text[len("file://") :])
    return text


def missing(catalog: Catalog, given: Mapping[str, Answer]) -> list[Question]:
    """The questions that would be asked in a terminal and have no answer yet."""
    return [question for question in catalog.questions.values() if question.asked and question.name not in given]


def incomplete(names: Iterable[str]) -> NewmodelError:
    """What to say where these questions have no answer, and nobody can be asked."""
    return NewmodelError(
        _(
            "There is no terminal to ask in, and these have no answer: {names}. "
            "Take the defaults with --defaults, or give answers with --set key=value or --answers FILE."
        ).format(names=", ".join(names))
    )


def _read(path: Path) -> str:
    if path.is_dir():
        raise NewmodelError(_("The answers file {path} is a folder; give a YAML or JSON file.").format(path=path))
    try:
        size = path.stat().st_size
        if size > MAX_ANSWERS_BYTES:
            raise NewmodelError(
                _("The answers file {path} has {size} MB; answers need less than 1 MB.").format(
                    path=path, size=size // 1_000_000
                )
            )
        # one byte more than allowed, so that a device that never ends is found out too
        with path.open("rb") as file:
            content = file.read(MAX_ANSWERS_BYTES + 1)
    except FileNotFoundError:
        raise NewmodelError(_("There is no answers file {path}.").format(path=path)) from None
    except PermissionError:
        raise NewmodelError(_("You may not read the answers file {path}.").format(path=path)) from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise os_error(error, path) from None
        raise NewmodelError(_("There is no answers file {path}.").format(path=shown(str(path)))) from None
    if len(content) > MAX_ANSWERS_BYTES:
        raise NewmodelError(_("The answers file {path} is larger than 1 MB.").format(path=path))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NewmodelError(_("The answers file {path} is not UTF-8 text.").format(path=path)) from None


def _bool(question: Question, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if isinstance(value, (str, int)) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise NewmodelError(
        _("{key} must be yes or no, not “{value}”.").format(key=question.name, value=shown(str(value)))
        if isinstance(value, (str, int, float))
        else _("{key} must be yes or no, not {kind}.").format(key=question.name, kind=_kind(value))
    )


def _choice(question: Question, text: str) -> str:
    for choice in question.choices:
        if text.strip().lower() in (choice.value.lower(), choice.label.lower(), _(choice.label).lower()):
            return choice.value
    raise NewmodelError(
        _("{key} cannot be “{value}”{nearest}").format(
            key=question.name,
            value=shown(text),
            nearest=nearest(text, [choice.value for choice in question.choices]),
        )
    )


def _kind(value: object) -> str:
    names = {
        list: _("a list"),
        dict: _("a mapping"),
        bool: _("yes or no"),
        int: _("a number"),
        float: _("a number"),
        str: _("a text"),
        type(None): _("nothing"),
    }
    return names.get(type(value), _("a date or another kind of value"))


def _is_printable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which YAML's escapes can make
        return False
    return "\x00" not in text
