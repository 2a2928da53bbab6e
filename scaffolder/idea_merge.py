"""Merge driver for the XML files in `.idea`: by meaning, because PyCharm rewrites them in its own way.

git calls `python idea_merge.py BASE OURS THEIRS` and takes what is left in OURS; exit code 1 says that there
is a conflict. Elements are matched by what identifies them to PyCharm (an option by its name, a folder by its URL), not
by their line, so a field that a newer PyCharm added, or a changed order, is no conflict.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

#: The attribute that tells an element from its siblings of the same tag, the first that is there.
_IDENTITY = ("name", "key", "url", "fileurl", "directory", "ID", "path", "run_configuration_name")


class ConflictError(Exception):
    """Both sides gave one attribute or text different values."""


def merge_xml(base: str, ours: str, theirs: str) -> str:
    """Merge three versions of one file; the layout is the one that PyCharm writes.

    Raises:
        ConflictError: If both sides changed the same value.
        ElementTree.ParseError: If one of them is not XML.
    """
    # These are the person's own project files, which PyCharm parses as well.
    trees = [ElementTree.fromstring(text) for text in (base, ours, theirs)]  # noqa: S314
    for tree in trees:
        _drop_layout(tree)
    base_tree, our_tree, their_tree = trees
    if base_tree.tag != our_tree.tag or our_tree.tag != their_tree.tag:
        raise ConflictError(our_tree.tag)
    merged = _merge(base_tree, our_tree, their_tree)
    ElementTree.indent(merged, space="  ")
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n' if ours.lstrip().startswith("<?xml") else ""
    ending = "\n" if ours.endswith("\n") else ""
    return declaration + ElementTree.tostring(merged, encoding="unicode") + ending


def _drop_layout(element: ElementTree.Element) -> None:
    for part in element.iter():
        if part.text is not None and not part.text.strip():
            part.text = None
        part.tail = None


def _merge(
    base: ElementTree.Element | None, ours: ElementTree.Element, theirs: ElementTree.Element
) -> ElementTree.Element:
    merged = ElementTree.Element(ours.tag)
    base_attributes = {} if base is None else base.attrib
    for name in [*ours.attrib, *(name for name in theirs.attrib if name not in ours.attrib)]:
        value = _pick(base_attributes.get(name), ours.get(name), theirs.get(name), name)
        if value is not None:
            merged.set(name, value)
    merged.text = _pick(None if base is None else base.text, ours.text, theirs.text, ours.tag)
    base_children = {} if base is None else _children(base)
    our_children, their_children = _children(ours), _children(theirs)
    for identity in _order(list(our_children), list(their_children)):
        child = _merge_child(base_children.get(identity), our_children.get(identity), their_children.get(identity))
        if child is not None:
            merged.append(child)
    return merged


def _merge_child(
    base: ElementTree.Element | None, ours: ElementTree.Element | None, theirs: ElementTree.Element | None
) -> ElementTree.Element | None:
    if ours is not None and theirs is not None:
        return _merge(base, ours, theirs)
    kept = ours if ours is not None else theirs
    if base is None or kept is None:
        return kept
    # One side removed it. If the other left it alone it goes; if the other changed it, somebody must decide.
    if _same(base, kept):
        return None
    raise ConflictError(kept.tag)


def _pick(base: str | None, ours: str | None, theirs: str | None, what: str) -> str | None:
    if ours in (theirs, base):
        return theirs
    if theirs == base:
        return ours
    raise ConflictError(what)


def _children(element: ElementTree.Element) -> dict[tuple[str, str, int], ElementTree.Element]:
    found: dict[tuple[str, str, int], ElementTree.Element] = {}
    for child in element:
        name = next((child.get(attribute, "") for attribute in _IDENTITY if attribute in child.attrib), "")
        count = 0
        while (child.tag, name, count) in found:
            count += 1
        found[(child.tag, name, count)] = child
    return found


def _order(ours: list[tuple[str, str, int]], theirs: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Our order, with what only they have behind the sibling that precedes it in theirs."""
    order = list(ours)
    for index, identity in enumerate(theirs):
        if identity not in order:
            before = theirs[index - 1] if index else None
            order.insert(order.index(before) + 1 if before is not None else 0, identity)
    return order


def _same(left: ElementTree.Element, right: ElementTree.Element) -> bool:
    return (
        left.tag == right.tag
        and left.attrib == right.attrib
        and left.text == right.text
        and len(left) == len(right)
        and all(_same(*pair) for pair in zip(left, right, strict=True))
    )


def main(base: str, ours: str, theirs: str) -> int:
    """Merge the three files into `ours`; a real conflict is left there with git's markers."""
    try:
        texts = [Path(name).read_text(encoding="utf-8") for name in (base, ours, theirs)]
        Path(ours).write_text(merge_xml(*texts), encoding="utf-8", newline="")
    except (ConflictError, ElementTree.ParseError, UnicodeDecodeError):
        labels = ("-L", "yours", "-L", "before", "-L", "template")
        subprocess.run(["git", "merge-file", *labels, ours, base, theirs], check=False)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:4]))
