"""Insert and remove elements of an XML file; every other character stays as it is.

PyCharm's files have fields that we do not know, and one person's formatting: they are never parsed and written anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape


class DamagedXmlError(ValueError):
    """The text is no XML that PyCharm could read."""


@dataclass(kw_only=True)
class Element:
    """An element and where it stands in the text.

    Attributes:
        start, end: Of the whole element.
        inner_end: Where its closing tag begins; None for `<element />`.
    """

    tag: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    inner_end: int | None = None
    children: list[Element] = field(default_factory=list)

    def all(self, tag: str) -> Iterator[Element]:
        """Every element of this name below this one."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def child(self, tag: str, **attributes: str) -> Element | None:
        """The first child of this name that has these attributes."""
        for child in self.children:
            if child.tag == tag and all(child.attributes.get(key) == value for key, value in attributes.items()):
                return child
        return None

    def value(self, tag: str) -> str:
        """The attribute `value` of a child, as in `<name value="…" />`."""
        child = self.child(tag)
        return "" if child is None else child.attributes.get("value", "")


def parse(text: str) -> Element:
    """The root element.

    Raises:
        DamagedXmlError: If the text is not well-formed, or defines entities, which PyCharm's files never do.
    """
    raw = text.encode("utf-8", errors="surrogatepass")
    parser = expat.ParserCreate("utf-8")
    offsets = _Offsets(text)
    roots: list[Element] = []
    stack: list[Element] = []
    holds_text: list[bool] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag=tag, attributes=attributes, start=parser.CurrentByteIndex)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)
        holds_text.append(False)

    def end(_tag: str) -> None:
        element, filled = stack.pop(), holds_text.pop()
        place = parser.CurrentByteIndex
        # expat stands behind an empty element's tag, and before a closing tag
        if not element.children and not filled and raw[element.start : place].endswith(b"/>"):
            element.end = place
        else:
            element.inner_end = place
            element.end = raw.index(b">", place) + 1

    def inside(_content: str) -> None:
        if holds_text:
            holds_text[-1] = True

    def refuse(*_anything: object) -> None:
        raise DamagedXmlError("entities")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = inside
    parser.CommentHandler = inside
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise DamagedXmlError(str(error)) from None
    _to_characters(roots[0], offsets)
    return roots[0]


def insert_child(text: str, parent: Element, child: str) -> str:
    """The text with one more child at the parent's end.

    Args:
        child: Whole lines with their indentation and a final newline, `\\n`.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    child = child.replace("\n", newline)
    if parent.inner_end is None:
        opened = text[: parent.end - 2].rstrip() + ">"
        return f"{opened}{newline}{child}{_indentation(text, parent.start)}</{parent.tag}>{text[parent.end :]}"
    line = max(text.rfind("\n", 0, parent.inner_end), text.rfind("\r", 0, parent.inner_end)) + 1
    # before the closing tag's indentation, where that tag has a line of its own
    if text[line : parent.inner_end].strip():
        before = newline if text[parent.inner_end - 1] not in "\r\n" else ""
        return f"{text[: parent.inner_end]}{before}{child}{_indentation(text, parent.start)}{text[parent.inner_end :]}"
    return text[:line] + child + text[line:]


def remove(text: str, element: Element) -> str:
    """The text without the element, and without its lines where nothing else stands on them."""
    start, end = element.start, element.end
    line = text.rfind("\n", 0, start) + 1
    following = re.compile(r"[ \t]*(\r\n|\n|\Z)").match(text, end)
    if not text[line:start].strip() and following:
        return text[:line] + text[following.end() :]
    return text[:start] + text[end:]


def set_attribute(text: str, element: Element, name: str, value: str) -> str:
    """The text with one attribute of an element changed, or added at its end."""
    tag = re.compile(r"""<[^\s/>]+(?:\s+[^\s=>/]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*""").match(text, element.start)
    assert tag is not None  # it was parsed
    existing = re.search(rf"""(\s){re.escape(name)}\s*=\s*("[^"]*"|'[^']*')""", tag[0])
    if existing:
        start = element.start + existing.start()
        return f"{text[:start]}{existing[1]}{name}={quoted(value)}{text[element.start + existing.end() :]}"
    place = element.start + len(tag[0].rstrip())
    return f"{text[:place]} {name}={quoted(value)}{text[place:]}"


def quoted(value: str) -> str:
    """An attribute's value as PyCharm writes it, always in double quotes."""
    return '"' + escape(value, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}) + '"'


def _indentation(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 : place]
    return line if not line.strip() else ""


class _Offsets:
    """From expat's positions in bytes to positions in the text."""

    def __init__(self, text: str) -> None:
        self._plain = text.isascii()
        self._places: list[int] = []
        if not self._plain:
            total = 0
            for character in text:
                self._places.append(total)
                total += len(character.encode("utf-8", errors="surrogatepass"))
            self._places.append(total)

    def __call__(self, place: int) -> int:
        from bisect import bisect_left

        return place if self._plain else bisect_left(self._places, place)


def _to_characters(element: Element, offsets: Callable[[int], int]) -> None:
    pending = [element]
    while pending:
        one = pending.pop()
        one.start, one.end = offsets(one.start), offsets(one.end)
        one.inner_end = None if one.inner_end is None else offsets(one.inner_end)
        pending += one.children
