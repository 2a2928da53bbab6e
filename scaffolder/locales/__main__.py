"""Bring the catalogs up to date: `python -m scaffolder.locales` after texts were changed, then translate the new ones
in `zh_CN/LC_MESSAGES/newmodel.po` and run it again. Needs Babel.
"""

from __future__ import annotations

import datetime
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

from scaffolder.messages import DOMAIN, LANGUAGES, LOCALES
from scaffolder.table_errors import CONVERSATIONS, phrases, sentences
from scaffolder.template_source import templates_folder
from scaffolder.things import texts

_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def extract() -> Catalog:
    """Every text of the sources, of copier.yml and of things.yml."""
    catalog = Catalog(project="newmodel", version="", charset="utf-8")
    package = LOCALES.parent
    for path in sorted(package.rglob("*.py")):
        if "templates" in path.relative_to(package).parts:
            continue
        name = f"scaffolder/{path.relative_to(package).as_posix()}"
        for _line, message, comments, context in extract_from_file("python", path, keywords=_KEYWORDS):
            catalog.add(message, None, [(name, 1)], auto_comments=comments, context=context)
    for message in questions(templates_folder() / "copier.yml"):
        catalog.add(message, None, [("templates/copier.yml", 1)])
    for message in texts(templates_folder() / "things.yml"):
        catalog.add(message, None, [("templates/things.yml", 1)])
    reader = templates_folder() / "project" / "{{ tabular }}" / "table_format.py"
    for message in [*(sentence.text for sentence in sentences(reader)), *phrases(reader)]:
        catalog.add(message, None, [("table_format.py", 1)])
    for name in CONVERSATIONS:
        reader = templates_folder() / "project" / name
        for message in [*(sentence.text for sentence in sentences(reader)), *phrases(reader)]:
            catalog.add(message, None, [(reader.name, 1)])
    return catalog


def questions(path: Path) -> Iterator[str]:
    """The texts of copier.yml that a person sees: questions, choices, and what its checks answer."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, details in content.items():
        if name.startswith("_") or details.get("when", True) is False:
            continue
        yield from filter(None, [details.get("help"), details.get("placeholder")])
        yield from _check_texts(details.get("validator", ""))
        choices = details.get("choices", {})
        if isinstance(choices, dict):
            for label, value in choices.items():
                yield str(label)
                if isinstance(value, dict):
                    yield from _check_texts(value.get("validator", ""))


def _check_texts(template: str) -> Iterator[str]:
    """The sentences in a check: plain text between Jinja's tags, and strings inside them that have a space."""
    for _line, kind, text in Environment(autoescape=False).lex(template):  # noqa: S701 - it is only taken apart
        if kind == "data" and text.strip():
            yield text.strip()
        elif kind == "string" and " " in text:
            yield text[1:-1]


def po_file(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def read(language: str) -> Catalog:
    """The catalog of a language as it is on disk."""
    with po_file(language).open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalog: Catalog) -> bytes:
    """The binary form that gettext reads."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """The texts that have no translation, or one that nobody looked at."""
    found = []
    for message in catalog:
        parts = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.id and (message.fuzzy or not all(parts)):
            found.append(message.id if isinstance(message.id, str) else message.id[0])
    return found


def update(language: str) -> list[str]:
    """Bring one catalog up to date and compile it; the texts that remain to be translated."""
    template = extract()
    path = po_file(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    catalog = read(language) if path.exists() else Catalog(locale=language, project="newmodel", charset="utf-8")
    catalog.update(template, no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.project, catalog.version, catalog.fuzzy = "newmodel", "", False
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = "newmodel"
    catalog.header_comment = f"# newmodel's texts in {LANGUAGES[language]}. Made by `python -m scaffolder.locales`."
    # dates would make every run a change
    catalog.creation_date = catalog.revision_date = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    with path.open("wb") as file:
        write_po(file, catalog, width=120, sort_output=True, include_lineno=False, omit_header=False)
    path.with_suffix(".mo").write_bytes(compiled(read(language)))
    return untranslated(read(language))


def main() -> int:
    missing = 0
    for language in LANGUAGES:
        if language == "en":
            continue
        for text in update(language):
            missing += 1
            sys.stdout.write(f"{language}: not translated: {text}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
