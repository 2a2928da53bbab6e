"""A model's `config.json`, read with care: every field has a kind and a range, and a bad one is named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

#: No published model is near these; what is beyond is a mistake, and would take for ever to count.
MOST_LAYERS = 2_000
MOST = 2**28


class Configuration:
    """The fields of one model's configuration.

    Attributes:
        name: What the person called the model: an id or a path.
        values: As in the file.
    """

    def __init__(self, values: Mapping[str, Any], name: str = "") -> None:
        self.values = dict(values)
        self.name = name

    @property
    def model_type(self) -> str:
        """The family's name, as transformers has it.

        Raises:
            NewmodelError: If there is none.
        """
        found = self.values.get("model_type")
        if not isinstance(found, str) or not found:
            raise NewmodelError(
                _(
                    "The configuration of {name} has no “model_type”, so its architecture is unknown; "
                    "a config.json of transformers has one."
                ).format(name=shown(self.name))
            )
        return found

    def has(self, *names: str) -> bool:
        return any(self.values.get(name) is not None for name in names)

    def integer(self, *names: str, default: int | None = None, least: int = 1, most: int = MOST) -> int:
        """A whole number under the first of `names` that is there.

        Raises:
            NewmodelError: If it is missing and there is no default, no whole number, or out of its range.
        """
        name, value = self._find(names)
        if value is None:
            if default is None:
                raise self._missing(names)
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(
                name, value, _("a whole number from {least} to {most}").format(least=f"{least:,}", most=f"{most:,}")
            )
        return value

    def layers(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """How often a block is repeated."""
        return self.integer(*names, default=default, least=least, most=MOST_LAYERS)

    def number(self, *names: str, default: float, least: float = 0.0, most: float = 1e6) -> float:
        name, value = self._find(names)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self._wrong(name, value, _("a number"))
        if not least <= value <= most:
            raise self._wrong(name, value, _("a number from {least} to {most}").format(least=least, most=most))
        return float(value)

    def flag(self, *names: str, default: bool) -> bool:
        name, value = self._find(names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(name, value, _("true or false"))
        return value

    def text(self, *names: str, default: str) -> str:
        name, value = self._find(names)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, value, _("a text"))
        return value

    def integers(self, name: str, *, default: list[int] | None = None, most: int = MOST) -> list[int]:
        """A list of whole numbers from 1."""
        value = self.values.get(name)
        if value is None:
            if default is None:
                raise self._missing((name,))
            return default
        good = isinstance(value, (list, tuple)) and 0 < len(value) <= MOST_LAYERS
        if not good or not all(
            isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= most for one in value
        ):
            raise self._wrong(name, value, _("a list of whole numbers from 1 to {most}").format(most=f"{most:,}"))
        return list(value)

    def texts(self, name: str, *, length: int) -> list[str] | None:
        """A list of `length` texts, None if there is none."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length or not all(isinstance(one, str) for one in value):
            raise self._wrong(name, value, _("a list of {count} texts").format(count=length))
        return value

    def part(self, *names: str) -> Configuration:
        """A configuration inside this one (a vision or a text tower)."""
        name, value = self._find(names)
        if value is None:
            raise self._missing(names)
        if not isinstance(value, dict):
            raise self._wrong(name, value, _("an object"))
        return Configuration(value, self.name)

    def labels(self) -> int:
        """How many classes a classifier tells apart."""
        mapping = self.values.get("id2label")
        if isinstance(mapping, dict) and mapping:
            return len(mapping)
        return self.integer("num_labels", default=2)

    def divided(self, whole: int, by: int, what: str) -> int:
        """`whole` / `by`, which must leave no rest."""
        if whole % by:
            raise NewmodelError(
                _("The configuration of {name} does not work: {what} ({whole} cannot be divided by {by}).").format(
                    name=shown(self.name), what=what, whole=whole, by=by
                )
            )
        return whole // by

    def _find(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            if self.values.get(name) is not None:
                return name, self.values[name]
        return names[0], None

    def _missing(self, names: tuple[str, ...]) -> NewmodelError:
        return NewmodelError(
            _("The configuration of {name} lacks “{field}”, which a model of type “{kind}” needs.").format(
                name=shown(self.name), field=names[0], kind=shown(str(self.values.get("model_type", "?")))
            )
        )

    def _wrong(self, name: str, value: Any, expected: str) -> NewmodelError:
        return NewmodelError(
            _("The configuration of {name} has {value} as “{field}”; expected is {expected}.").format(
                name=shown(self.name), value=shown(repr(value)), field=name, expected=expected
            )
        )


def shown(text: str, length: int = 80) -> str:
    """`text` on one line and not endless, fit to be part of a sentence."""
    line = "".join(character if character.isprintable() else "�" for character in text)
    return line if len(line) <= length else line[: length - 1] + "…"
