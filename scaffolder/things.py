"""What can be added to a project later: read from the templates' `things.yml`, judged by their `copier.yml`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.answers import Answer
    from scaffolder.generate import Source
    from scaffolder.updating.changed_answers import Changed

FILE = "things.yml"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One entry of `things.yml`.

    Attributes:
        help: What it is, in English; show `_(help)`.
        answers: What adding it answers to copier.yml's questions.
        needs: Names of the things that are added along with it.
        only: Which projects it is for, in English, where its question is not asked in all.
    """

    name: str
    help: str
    answers: Mapping[str, Answer]
    needs: tuple[str, ...] = ()
    only: str = ""


def read_things(templates: Path) -> dict[str, Thing]:
    """The things by their names, in the file's order; none for templates that are older than the file."""
    import yaml

    file = templates / FILE
    if not file.is_file():
        return {}
    content: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {
        name: Thing(
            name=name,
            help=details["help"],
            answers=details["answers"],
            needs=tuple(details.get("with", ())),
            only=details.get("only", ""),
        )
        for name, details in content.items()
    }


def texts(file: Path) -> Iterator[str]:
    """The texts of a `things.yml` that a person sees, for the catalogs."""
    for thing in read_things(file.parent).values():
        yield from filter(None, [thing.help, thing.only])


class Offered:
    """What one version of the templates offers to one project."""

    def __init__(self, answers: Mapping[str, Any], source: Source) -> None:
        """
        Args:
            answers: The project's, by that version's names.
            source: That version's templates, with the project's overlays.
        """
        self._answers = answers
        self._source = source
        self.things = read_things(source.folder)

    @cached_property
    def _values(self) -> Mapping[str, Answer]:
        """The project's answers in this version: to questions that it does not know yet, the defaults."""
        return self._changed({}).values

    def has(self, thing: Thing) -> bool:
        """Whether the project has it."""
        return all(self._values.get(key) == value for key, value in thing.answers.items())

    def missing(self, thing: Thing) -> list[Thing]:
        """What it needs and the project has not."""
        return [self.things[name] for name in thing.needs if not self.has(self.things[name])]

    def settings(self, thing: Thing) -> dict[str, Answer]:
        """The answers that adding it sets, those of what it needs included."""
        needed = {key: value for other in self.missing(thing) for key, value in other.answers.items()}
        return {**needed, **thing.answers}

    def obstacle(self, thing: Thing) -> str:
        """Why it cannot be added, in a few words; empty if it can."""
        for key in thing.answers:
            if key not in self._values:
                return _(thing.only) if thing.only else _("not for this kind of project")
        settings = self.settings(thing)
        try:
            self._changed(settings)
        except NewmodelError as error:
            text = str(error)
            for key in settings:
                text = text.removeprefix(f"{key}: ")
            return text.rstrip(".")
        return ""

    def defaults(self, thing: Thing) -> dict[str, Answer]:
        """What its questions are answered with where nobody chooses."""
        others = {key: value for key, value in self._answers.items() if key not in thing.answers}
        values = self._changed({}, others).values
        return {key: values[key] for key in thing.answers}

    def in_need_of(self, settings: Mapping[str, Answer]) -> list[str]:
        """What the project has and could not keep with these answers: things by name, other answers as key=value."""
        names = []
        for key in self._changed(settings).reset:
            value = self._values[key]
            owners = [thing.name for thing in self.things.values() if thing.answers.get(key) == value]
            names.append(owners[0] if owners else f"{key}={value}")
        return names

    def _changed(self, settings: Mapping[str, Answer], answers: Mapping[str, Any] | None = None) -> Changed:
        from scaffolder.updating.changed_answers import changed_answers

        return changed_answers(self._source, self._answers if answers is None else answers, settings)
