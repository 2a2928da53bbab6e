"""What an overlay says: its `overlay.yml`, read, checked, and put together with the templates' questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scaffolder.answers import check, nearest, shown
from scaffolder.catalog import Catalog
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.generate import Source

NAME = "overlay.yml"
#: Where in the composed templates the overlays are, each in a folder of its own.
LAYERS = "overlays"
#: copier's own settings begin with `_`; it passes over those that it does not know.
SETTLED = "_overlay_settled"

_KEYS = ("name", "description", "requires", "questions", "defaults", "answers", "header")
_QUESTION_KEYS = ("type", "help", "choices", "default", "when", "ask", "secret", "validator", "placeholder")
_KINDS = ("str", "bool")


@dataclass(frozen=True, kw_only=True)
class OverlayFile:
    """One overlay.yml.

    Attributes:
        requires: For which template versions it is, a specifier such as `>=0.5`.
        questions: Further questions, in copier.yml's syntax.
        defaults: Other defaults for the templates' questions.
        answers: Answers to the templates' questions that nobody is asked for and nobody can change.
        header: By pattern, text to put at the top of files.
    """

    source: str
    folder: Path
    name: str
    requires: str
    questions: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any]
    answers: Mapping[str, Any]
    header: Mapping[str, str]


def read(folder: Path, source: str) -> OverlayFile:
    """The overlay in `folder`.

    Args:
        source: What to call it in errors.

    Raises:
        NewmodelError: If the file is wrong.
    """
    try:
        content = yaml.safe_load((folder / NAME).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NewmodelError(_("{source} is no overlay: it has no {file}.").format(source=source, file=NAME)) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = _(" (line {line})").format(line=mark.line + 1) if mark else ""
        raise wrong(source, _("{file} is no YAML{where}.").format(file=NAME, where=where)) from None
    if not isinstance(content, dict):
        raise wrong(source, _("{file} must hold “key: value” lines.").format(file=NAME))
    for key in content:
        if key not in _KEYS:
            raise wrong(
                source,
                _("{file} has no setting “{key}”{nearest}").format(
                    file=NAME, key=shown(str(key)), nearest=nearest(str(key), _KEYS)
                ),
            )
    name = content.get("name")
    if not isinstance(name, str) or not name.strip():
        raise wrong(source, _("{file} needs a name.").format(file=NAME))
    for key in ("description", "requires"):
        if not isinstance(content.get(key, ""), str):
            raise wrong(source, _("{key} must be a text.").format(key=key))
    header = _mapping(content, "header", source)
    for pattern, text in header.items():
        if not isinstance(text, str):
            raise wrong(source, _("header: {pattern} must be a text.").format(pattern=pattern))
        _check_jinja(text, source, f"header: {pattern}")
    questions = _mapping(content, "questions", source)
    for question, details in questions.items():
        _check_question(question, details, source)
    _check_files(folder, source)
    return OverlayFile(
        source=source,
        folder=folder,
        name=name.strip(),
        requires=content.get("requires", ""),
        questions=questions,
        defaults=_mapping(content, "defaults", source),
        answers=_mapping(content, "answers", source),
        header=header,
    )


def composed(source: Source, files: Sequence[OverlayFile]) -> dict[str, Any]:
    """The content of copier.yml with what the overlays say, checked against each other.

    Raises:
        NewmodelError: If an overlay is not for these templates, or asks or answers what it cannot.
    """
    catalog = Catalog(source.folder)
    result: dict[str, Any] = dict(catalog.raw)
    settled: list[str] = []
    added: dict[str, dict[str, Any]] = {}
    for file in files:
        _check_version(file, source.version)
        for name, details in file.questions.items():
            if name in result or name in added:
                raise wrong(
                    file.source,
                    _("there is a question “{name}” already; give yours another name.").format(name=name),
                )
            added[name] = dict(details)
            _check_names(name, details, {*catalog.raw, *added}, file.source)
        for key, values in (("defaults", file.defaults), ("answers", file.answers)):
            for name, value in values.items():
                try:
                    answer = check(name, value, catalog)
                except NewmodelError as error:
                    raise wrong(file.source, f"{key}: {error}") from None
                result[name] = {**result[name], "default": _literal(answer)}
                if key == "answers":
                    result[name] = _fixed(result[name], name, answer, file.name)
                settled.append(name)
    return {**result, **added, SETTLED: sorted({*catalog.raw.get(SETTLED, []), *settled})}


def as_yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False, width=10_000)


def headers(folder: Path) -> Mapping[str, str]:
    """The headers of an overlay that has been checked."""
    content = yaml.safe_load((folder / NAME).read_text(encoding="utf-8-sig"))
    return dict(content.get("header") or {})


def wrong(source: str, reason: str) -> NewmodelError:
    """What is wrong with an overlay, in one sentence."""
    return NewmodelError(_("The overlay {source}: {reason}").format(source=source, reason=reason))


def _mapping(content: Mapping[str, Any], key: str, source: str) -> dict[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise wrong(source, _("{key} must hold “key: value” lines.").format(key=key))
    return value


def _check_version(file: OverlayFile, version: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import Version

    try:
        fits = SpecifierSet(file.requires).contains(Version(version), prereleases=True)
    except InvalidSpecifier:
        raise wrong(
            file.source,
            _("requires: “{text}” is no range of versions; write for example “>=0.5”.").format(
                text=shown(file.requires)
            ),
        ) from None
    if not fits:
        raise wrong(
            file.source,
            _("it is for the template versions {requires}, and these are {version}.").format(
                requires=file.requires, version=version
            ),
        )


def _check_question(name: str, details: object, source: str) -> None:
    if not name.isascii() or not name.isidentifier() or name.startswith("_"):
        raise wrong(source, _("“{name}” is no name for a question; use letters and _.").format(name=shown(name)))
    if not isinstance(details, dict):
        raise wrong(source, _("the question {name} must hold “key: value” lines.").format(name=name))
    for key in details:
        if key not in _QUESTION_KEYS:
            raise wrong(
                source,
                _("the question {name} has no setting “{key}”{nearest}").format(
                    name=name, key=shown(str(key)), nearest=nearest(str(key), _QUESTION_KEYS)
                ),
            )
    if details.get("type") not in _KINDS:
        raise wrong(source, _("the question {name} needs a type: str or bool.").format(name=name))
    if "default" not in details and details.get("when") is not False:
        # else an update could not go on where nobody can be asked
        raise wrong(source, _("the question {name} needs a default.").format(name=name))
    choices = details.get("choices", {})
    values = list(choices.values()) if isinstance(choices, dict) else choices
    if not isinstance(values, list) or not all(
        isinstance(one, str) or (isinstance(one, dict) and isinstance(one.get("value"), str)) for one in values
    ):
        raise wrong(source, _("the choices of {name} must be texts, or labels with texts.").format(name=name))
    for text in _texts(details):
        _check_jinja(text, source, name)


def _texts(details: object) -> Iterable[str]:
    if isinstance(details, str):
        yield details
    elif isinstance(details, Mapping):
        for value in details.values():
            yield from _texts(value)
    elif isinstance(details, list):
        for value in details:
            yield from _texts(value)


def _check_names(question: str, details: Mapping[str, Any], known: set[str], source: str) -> None:
    """A question may use the answers to itself and to those before it."""
    from jinja2 import Environment
    from jinja2.exceptions import TemplateAssertionError
    from jinja2.meta import find_undeclared_variables
    from jinja2_ansible_filters import AnsibleCoreFiltersExtension  # type: ignore[import-untyped]

    environment = Environment(autoescape=True, extensions=[AnsibleCoreFiltersExtension])
    for text in _texts(details):
        try:
            used = find_undeclared_variables(environment.parse(text))
        except TemplateAssertionError as error:  # a filter that there is not
            raise wrong(source, f"{question}: {error.message}") from None
        for name in sorted(used - known):
            if not name.startswith("_copier") and name not in environment.globals:
                raise wrong(
                    source,
                    _("the question {question} uses “{name}”, which is no question before it{nearest}").format(
                        question=question, name=name, nearest=nearest(name, known - {SETTLED})
                    ),
                )


def _check_jinja(text: str, source: str, where: str) -> None:
    from jinja2 import Environment
    from jinja2.exceptions import TemplateSyntaxError

    try:
        Environment(autoescape=True).parse(text)
    except TemplateSyntaxError as error:
        raise wrong(
            source, _("{file}, line {line}: {reason}").format(file=where, line=error.lineno, reason=error.message)
        ) from None


def _check_files(folder: Path, source: str) -> None:
    """The files' Jinja, and their paths'; `check_tree` has looked at the rest when they were fetched."""
    for kind in ("project", "append"):
        for path in sorted((folder / kind).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise wrong(source, _("{file} is a link; Windows has none.").format(file=name))
            _check_jinja(name, source, name)
            if path.is_file() and path.suffix == ".jinja":
                try:
                    _check_jinja(path.read_text(encoding="utf-8"), source, name)
                except UnicodeDecodeError:
                    raise wrong(source, _("{file} is not UTF-8 text.").format(file=name)) from None


def _literal(answer: str | bool) -> str | bool:
    """A default that Jinja gives back as it is."""
    return f"{{{{ {answer!r} }}}}" if isinstance(answer, str) and "{" in answer else answer


def _fixed(details: Mapping[str, Any], name: str, answer: str | bool, overlay: str) -> dict[str, Any]:
    """A question whose answer the overlay has given: not asked, and nothing else can be answered."""
    result = {**details, "ask": False}
    if "choices" in details:
        choices = details["choices"]
        items = choices.items() if isinstance(choices, dict) else [(value, value) for value in choices]
        result["choices"] = {
            label: value for label, value in items if (value["value"] if isinstance(value, dict) else value) == answer
        }
        return result
    reason = _("the overlay {overlay} has set it to {answer}").format(overlay=overlay, answer=answer)
    condition = f"{{% if {name} != {answer!r} %}}{{{{ {reason!r} }}}}{{% endif %}}"
    return {**result, "validator": condition + str(details.get("validator", ""))}
