"""What newmodel offers, read from `templates/`: the questions, their choices, the versions. Nothing is listed twice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from scaffolder.messages import _


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One answer that a question offers.

    Attributes:
        label: The English text that copier.yml gives it; show `_(label)`.
        value: What the answers record.
    """

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of copier.yml that a person can answer.

    Attributes:
        kind: `str` or `bool`.
        asked: Whether the terminal asks it; the others have flags only.
        secret: Whether it is about this machine and this day, so that the project does not record it.
    """

    name: str
    kind: str
    help: str
    choices: tuple[Choice, ...]
    asked: bool
    secret: bool

    @property
    def title(self) -> str:
        return _(self.help)

    def label(self, value: object) -> str:
        """How an answer is shown to a person."""
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        return next((_(choice.label) for choice in self.choices if choice.value == value), str(value))


@dataclass(frozen=True)
class Catalog:
    """The content of one templates folder."""

    folder: Path

    @cached_property
    def raw(self) -> dict[str, Any]:
        """copier.yml as it is."""
        content: dict[str, Any] = yaml.safe_load((self.folder / "copier.yml").read_text(encoding="utf-8"))
        return content

    @cached_property
    def questions(self) -> dict[str, Question]:
        """The questions in the order in which they are asked; computed answers are not among them."""
        return {
            name: Question(
                name=name,
                kind=details["type"],
                help=details.get("help", name),
                choices=_choices(details.get("choices", {})),
                asked=details.get("ask", True) is not False,
                secret=bool(details.get("secret", False)),
            )
            for name, details in self.raw.items()
            if not name.startswith("_") and details.get("when", True) is not False
        }

    @cached_property
    def settled(self) -> frozenset[str]:
        """Questions whose default an overlay has chosen, whatever the machine suggests."""
        return frozenset(self.raw.get("_overlay_settled", ()))

    @cached_property
    def versions(self) -> Any:
        """The table of tested versions, `macros/versions.jinja`: `versions.torch`, `versions.python` and so on."""
        return self._macros("versions")

    def _macros(self, name: str) -> Any:
        from jinja2 import Environment, FileSystemLoader

        environment = Environment(loader=FileSystemLoader(self.folder), autoescape=False)  # noqa: S701 - no HTML
        return environment.get_template(f"macros/{name}.jinja").module

    @cached_property
    def base_models(self) -> dict[str, dict[str, Any]]:
        """`macros/base_models.jinja`: names of the models that can be fine-tuned, by the answer `base_model`."""
        return dict(self._macros("base_models").known)

    def python_range(self, framework: str, task: str = "") -> tuple[tuple[int, int], tuple[int, int]]:
        """Lowest Python version that the framework, and what the task needs beside it, has wheels for, and the first
        that is too new.
        """
        python = self.versions.python
        oldest, too_new = python.get(f"{framework}-{task}", python[framework])
        return _version(oldest), _version(too_new)

    @cached_property
    def project_modules(self) -> frozenset[str]:
        """Names at the root of a generated project that Python could import: scripts and folders."""
        return frozenset(
            re.sub(r"\{%.*?%\}", "", path.name).split(".")[0]
            for path in (self.folder / "project").iterdir()
            if not path.name.startswith((".", "{{"))
        ) | {"configs", "data", "launch", "notebooks", "runs", "tests"}

    @cached_property
    def imported_modules(self) -> frozenset[str]:
        """Top-level names that the generated code imports."""
        # not every line that begins with "from": docstrings have such lines, too
        pattern = re.compile(
            r"^\s*(?:from\s+([A-Za-z_]\w*)[\w.]*\s+import\b|import\s+([A-Za-z_]\w*)[\w.]*\s*(?:,|as\b|$))", re.MULTILINE
        )
        found: set[str] = set()
        for path in [*self.folder.glob("project/**/*.py"), *self.folder.glob("project/**/*.py.jinja")]:
            found.update(name for pair in pattern.findall(path.read_text(encoding="utf-8")) for name in pair if name)
        return frozenset(found)


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """The catalog of the templates that new projects are made from."""
    from scaffolder.template_source import templates_folder

    return Catalog(templates_folder())


def _choices(raw: Any) -> tuple[Choice, ...]:
    items = raw.items() if isinstance(raw, dict) else [(value, value) for value in raw]
    return tuple(
        Choice(label=str(label), value=str(value["value"] if isinstance(value, dict) else value))
        for label, value in items
    )


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
