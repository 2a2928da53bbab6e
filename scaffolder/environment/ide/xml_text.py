"""XML files of PyCharm, read with care: they may be damaged, or come from a stranger's project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffolder.messages import _

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def element(text: str) -> Element | None:
    """The root of a well-formed text; None for any other."""
    from xml.etree import ElementTree  # entities, the dangerous part, are refused before it sees them

    try:
        # PyCharm writes no entities of its own: such a file is not PyCharm's, and could fill all memory
        return None if "<!ENTITY" in text or "<!DOCTYPE" in text else ElementTree.fromstring(_without_encoding(text))  # noqa: S314
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def problem_of(text: str) -> str:
    """Why a text is no XML, in a few words; empty where it is."""
    from xml.etree import ElementTree

    if not text.strip():
        return _("it is empty")
    if "\n<<<<<<< " in f"\n{text}" and "\n>>>>>>> " in text:
        return _("a merge left its marks in it")
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        return _("it holds what PyCharm never writes")
    try:
        ElementTree.fromstring(_without_encoding(text))  # noqa: S314
    except ElementTree.ParseError as error:
        return _("line {number} is no XML").format(number=error.position[0])
    except (ValueError, RecursionError):
        return _("it is no XML")
    return ""


def _without_encoding(text: str) -> bytes:
    # the text is decoded already, whatever encoding its first line names
    first, separator, rest = text.partition("?>")
    if separator and first.lstrip("\ufeff").lstrip().startswith("<?xml"):
        text = "\n" * first.count("\n") + rest
    return text.lstrip("\ufeff").encode("utf-8", errors="replace")
