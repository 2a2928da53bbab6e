"""The answers of a project for another template version, or with some of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaffolder.answers import Answer, check, from_settings
from scaffolder.catalog import Catalog, Question
from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.questions import Interview

if TYPE_CHECKING:
    from scaffolder.generate import Source


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The answers for the new rendering.

    Attributes:
        values: All of them.
        reset: Names of recorded answers that the others make impossible; they have their default again.
    """

    values: dict[str, Answer]
    reset: tuple[str, ...]


def changed_answers(
    source: Source, recorded: Mapping[str, Any], settings: Iterable[str] | Mapping[str, Any] = (), *, ask: bool = False
) -> Changed:
    """Answer the questions of `source` with what a project has recorded and what is to be different.

    Args:
        source: The templates whose questions these are.
        recorded: The project's answers; those that `source` does not ask for are passed over.
        settings: What is to be different: `key=value` texts, or values by key.
        ask: Whether questions without an answer are asked in the terminal; otherwise they get their defaults.

    Raises:
        NewmodelError: If a setting names no question, or has a value that does not go with the other answers.
    """
    catalog = Catalog(source.folder)
    given = checked(settings, catalog)
    known = {name: value for name, value in recorded.items() if name in catalog.questions}
    interview = _Interview(catalog, {**known, **given}, given, ask=ask, source=source)
    return Changed(values=interview.run().values, reset=tuple(interview.reset))


def checked(settings: Iterable[str] | Mapping[str, Any], catalog: Catalog) -> dict[str, Answer]:
    """The settings as answers.

    Raises:
        NewmodelError: If one names no question (with the nearest names) or has a value that its question does not take.
    """
    if isinstance(settings, Mapping):
        given = {key: check(key, value, catalog) for key, value in settings.items()}
    else:
        given = from_settings(settings, catalog)
    for name in given:
        if catalog.questions[name].secret:
            raise NewmodelError(
                _("{key} was about the day on which the project was made; there is nothing to change now.").format(
                    key=name
                )
            )
    return given


class _Interview(Interview):
    """A conversation in which recorded answers give way to what was set by name."""

    def __init__(
        self,
        catalog: Catalog,
        known: Mapping[str, Answer],
        settings: Mapping[str, Answer],
        *,
        ask: bool,
        source: Source,
    ) -> None:
        super().__init__(catalog, None, known, ask=ask, source=source)
        self._settings = settings
        self.reset: list[str] = []

    def _take(self, question: Question, copier_question: Any) -> Answer:
        if question.name in self._settings:
            return super()._take(question, copier_question)
        try:
            return super()._take(question, copier_question)
        except NewmodelError:
            default = self._validated(question, copier_question, self._default(question, copier_question))
            self.reset.append(question.name)
            return default

    def _not_asked(self, question: Question) -> None:
        if question.name in self._settings:
            raise NewmodelError(_("{key} means nothing with this project's other answers.").format(key=question.name))
