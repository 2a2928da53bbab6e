"""Merge the XML files in `.idea` by meaning, because PyCharm rewrites them in its own way.

Elements are matched by what identifies them to PyCharm (an option by its name, a folder by its URL, an interpreter by
being one), not by their line, so a field that a newer PyCharm added, another order of attributes or elements, another
layout or a missing `<?xml` line is no conflict. What both sides changed differently is one: both values then stand in
the file between git's markers, and nothing else does.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from scaffolder.merging.checks import two_sides

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: The attribute that tells an element from its siblings of the same tag, the first that is there.
_IDENTITY = ("name", "key", "url", "fileurl", "directory", "ID", "path", "class", "pattern")
#: Tasks before a launch and parts of a compound configuration share their name and differ in these.
_MORE = ("run_configuration_name", "run_configuration_type")
#: Where there is only one of them, it is the same one, whatever it is called now.
_ALONE = ("configuration", "module")
#: Their elements have no names: each stands for itself, and adding one here and one there is no conflict.
_LISTS = ("list", "set", "array")
#: The interpreter of a module is one entry, in one of these forms.
_INTERPRETER = ("inheritedJdk", "jdk")
_LIBRARY = ("name", "module-name", "level", "scope")

_DECLARATION = re.compile(r"\s*(<\?xml\b[^>]*\?>)?")

_Identity = tuple[str, str, int]


class ConflictError(Exception):
    """Both sides gave one attribute or text different values."""


class NoMeaningError(Exception):
    """A version that is no XML, or has something in it that this merge would not keep."""


def merge_idea(base: bytes | None, ours: bytes, theirs: bytes) -> tuple[bytes, bool]:
    """Merge three versions of one file.

    Args:
        base: What both come from; None where both sides added the file.

    Returns:
        What the file holds then, and whether that is without a conflict. What cannot be read as XML is a conflict of
        the whole file.
    """
    try:
        texts = [None if side is None else side.decode("utf-8-sig") for side in (base, ours, theirs)]
    except UnicodeDecodeError:
        return ours, False
    old, mine, new = texts
    assert mine is not None
    assert new is not None
    try:
        try:
            merged, clean = merge_xml(old, mine, new), True
        except ConflictError:
            # The two results differ exactly where somebody has to decide.
            versions = [merge_xml(old, mine, new, prefer=side) for side in ("ours", "theirs")]
            merged, clean = two_sides(*(version.encode() for version in versions)).decode(), False
        if clean and same_meaning(merged, mine):
            return ours, True
    except NoMeaningError:
        return two_sides(ours, theirs), False
    if b"\r\n" in ours:
        merged = merged.replace("\n", "\r\n")
    mark = b"\xef\xbb\xbf" if ours.startswith(b"\xef\xbb\xbf") else b""
    return mark + merged.encode(), clean


def merge_xml(base: str | None, ours: str, theirs: str, *, prefer: str = "") -> str:
    """Merge three versions of one file; the layout is the one that PyCharm writes.

    Args:
        prefer: `ours` or `theirs`: whose value is taken where both changed it; by default that is an error.

    Raises:
        ConflictError: If both sides changed the same value.
        NoMeaningError: If one of them cannot be merged by meaning.
    """
    documents = [None if text is None else _read(text) for text in (base, ours, theirs)]
    base_document, our_document, their_document = documents
    assert our_document is not None
    assert their_document is not None
    merge = _Merge(prefer)
    merged = merge.elements(
        None if base_document is None else base_document.root, our_document.root, their_document.root
    )
    if sum(_is_element(child) for child in merged) != 1:
        raise NoMeaningError("root")
    parts = []
    for child in merged:
        ElementTree.indent(child, space="  ")
        parts.append(ElementTree.tostring(child, encoding="unicode"))
    declaration = our_document.declaration
    if base_document is not None and declaration == base_document.declaration:
        declaration = their_document.declaration
    ending = "\n" if ours.endswith("\n") else ""
    return "\n".join([*([declaration] if declaration else []), *parts]) + ending


def same_meaning(left: str, right: str) -> bool:
    """Whether two texts differ in their layout and the order of attributes at most.

    Raises:
        NoMeaningError: If one of them cannot be merged by meaning.
    """
    return _exact(_read(left).root) == _exact(_read(right).root)


@dataclass(frozen=True)
class _Document:
    """A file: the root element, with the comments around it, inside an element that is not in the file."""

    declaration: str
    root: Element


def _read(text: str) -> _Document:
    head = _DECLARATION.match(text)
    assert head is not None
    # These are the person's own project files, which PyCharm parses as well.
    parser = ElementTree.XMLParser(  # noqa: S314
        target=ElementTree.TreeBuilder(insert_comments=True, insert_pis=True)
    )
    try:
        root = ElementTree.fromstring(f"<file>{text[head.end() :]}</file>", parser)  # noqa: S314
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise NoMeaningError(str(error)) from error
    if sum(_is_element(child) for child in root) != 1:
        raise NoMeaningError("root")
    for part in root.iter():
        _drop_layout(part)
    return _Document(head.group(1) or "", root)


def _drop_layout(element: Element) -> None:
    text = element.text
    if text is not None and not text.strip() and (len(element) or "\n" in text or not text):
        element.text = text = None
    if (element.tail or "").strip() or (text is not None and (len(element) or "\r" in text)):
        raise NoMeaningError("text between elements")
    element.tail = None
    if _is_element(element) and any(name.startswith("{") for name in (element.tag, *element.attrib)):
        raise NoMeaningError("namespaces")


class _Merge:
    def __init__(self, prefer: str) -> None:
        self.prefer = prefer

    def elements(self, base: Element | None, ours: Element, theirs: Element) -> Element:
        if ours.tag != theirs.tag:
            raise NoMeaningError(str(ours.tag))
        if not _is_element(ours):  # a comment: matched by its text, so it is the same on all sides
            return copy.copy(ours)
        merged = ElementTree.Element(ours.tag)
        before: Mapping[str, str] = {} if base is None else base.attrib
        for name in [*ours.attrib, *(name for name in theirs.attrib if name not in ours.attrib)]:
            value = self.value(before.get(name), ours.get(name), theirs.get(name), name)
            if value is not None:
                merged.set(name, value)
        merged.text = self.value(None if base is None else base.text, ours.text, theirs.text, ours.tag)
        base_children, our_children, their_children = _children(() if base is None else base, ours, theirs)
        for identity in _order(list(base_children), list(our_children), list(their_children)):
            child = self.child(base_children.get(identity), our_children.get(identity), their_children.get(identity))
            if child is not None:
                merged.append(child)
        if merged.text is not None and len(merged):
            raise NoMeaningError("text between elements")
        return merged

    def child(self, base: Element | None, ours: Element | None, theirs: Element | None) -> Element | None:
        if ours is not None and theirs is not None:
            return self.elements(base, ours, theirs)
        kept = ours if ours is not None else theirs
        if kept is None:
            return None
        if base is None:
            return copy.deepcopy(kept)
        # One side removed it. If the other left it alone it goes; if the other changed it, somebody must decide.
        if _loose(base) == _loose(kept):
            return None
        if not self.prefer:
            raise ConflictError(str(kept.tag))
        return copy.deepcopy(ours if self.prefer == "ours" else theirs)

    def value(self, base: str | None, ours: str | None, theirs: str | None, what: str) -> str | None:
        if ours in (theirs, base):
            return theirs
        if theirs == base:
            return ours
        if not self.prefer:
            raise ConflictError(what)
        return ours if self.prefer == "ours" else theirs


def _children(*versions: Iterable[Element]) -> list[dict[_Identity, Element]]:
    """The children of one element in each version, by what identifies them."""
    counts = [Counter(str(child.tag) for child in version) for version in versions]
    alone = {tag for tag in set().union(*counts) if all(count[tag] <= 1 for count in counts)}
    found = []
    for version in versions:
        parent = version.tag if isinstance(version, ElementTree.Element) else ""
        children: dict[_Identity, Element] = {}
        for child in version:
            name = _name(child, alone=str(child.tag) in alone and parent not in _LISTS, root=parent == "file")
            count = 0
            while (name[0], name[1], count) in children:
                count += 1
            children[(name[0], name[1], count)] = child
        found.append(children)
    return found


def _name(element: Element, *, alone: bool, root: bool) -> tuple[str, str]:
    tag = element.tag
    if not _is_element(element):
        return ("<!-- -->", element.text or "")
    if root:
        return ("root", "")
    if alone and tag in _ALONE:
        return (tag, "")
    if tag == "orderEntry":
        kind = element.get("type", "")
        return (tag, "jdk" if kind in _INTERPRETER else "\n".join([kind, *(element.get(key, "") for key in _LIBRARY)]))
    names = [element.get(attribute, "") for attribute in _IDENTITY if attribute in element.attrib][:1]
    names += [element.get(attribute, "") for attribute in _MORE if attribute in element.attrib]
    if tag == "toRun":
        names.append(element.get("type", ""))
    if names:
        return (tag, "\n".join(names))
    if alone:
        return (tag, "")
    inner = next((option.get("value", "") for option in element.iter("option") if option.get("name") == "path"), None)
    return (tag, f"path\n{inner}" if inner is not None else repr(_loose(element)))


def _is_element(element: Element) -> bool:
    """Whether it is no comment."""
    tag: object = element.tag
    return isinstance(tag, str)


def _order(base: Sequence[_Identity], ours: Sequence[_Identity], theirs: Sequence[_Identity]) -> list[_Identity]:
    """The order of the side that changed it (ours if both did), the other's additions behind what precedes them."""
    known, ours_known = set(base), set(ours)
    shared = [identity for identity in base if identity in ours_known]
    if [identity for identity in ours if identity in known] == shared:
        ours, theirs = theirs, ours
    order, placed = list(ours), set(ours)
    for index, identity in enumerate(theirs):
        if identity not in placed:
            order.insert(order.index(theirs[index - 1]) + 1 if index else 0, identity)
            placed.add(identity)
    return order


def _exact(element: Element) -> tuple[object, ...]:
    return (
        str(element.tag), element.text or "", tuple(sorted(element.attrib.items())),
        tuple(_exact(child) for child in element),
    )  # fmt: skip


def _loose(element: Element) -> tuple[object, ...]:
    """Equal for two elements that differ in the order of their parts at most."""
    return (
        str(element.tag) if _is_element(element) else "<!-- -->", element.text or "",
        tuple(sorted(element.attrib.items())), tuple(sorted((_loose(child) for child in element), key=repr)),
    )  # fmt: skip
