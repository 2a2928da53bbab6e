"""What a merge by lines cannot know: whether its result still means something, and how to show both sides of it."""

from __future__ import annotations

import difflib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

#: Names in the conflict markers, also shown by PyCharm's merge tool.
OURS_LABEL = "yours"
THEIRS_LABEL = "template"

_ENCODING_MARKS = (b"\xff\xfe", b"\xfe\xff")
#: Beyond so many pairs of lines, the lines between the first and the last difference are shown as one.
_MAX_PAIRS = 4_000_000


def broken_by_merge(path: str, ours: bytes, theirs: bytes, merged: bytes) -> bool:
    """Whether a file that merged cleanly by lines is not what both sides were.

    Python, YAML, JSON (notebooks too), TOML and XML that parsed on both sides must parse. A key that both sides added,
    each at its place, counts as an error: YAML and JSON parsers take the last one without a word. So do two encodings.
    """
    if different_encodings(ours, theirs):
        return True
    return not parses(path, merged) and parses(path, ours) and parses(path, theirs)


def different_encodings(ours: bytes, theirs: bytes) -> bool:
    """Whether lines of the two in one file would be readable in no encoding."""
    if any(side.startswith(_ENCODING_MARKS) for side in (ours, theirs)):
        return True
    if ours.isascii() or theirs.isascii():
        return False
    return _is_utf8(ours) != _is_utf8(theirs)


def is_text(content: bytes) -> bool:
    """Whether git merges such a file by its lines."""
    return b"\0" not in content[:8000]


def parses(path: str, content: bytes) -> bool:
    """Whether the content is what the file's name says; yes for every name that says nothing here."""
    check = _CHECKS.get(PurePosixPath(path).suffix.lower())
    if check is None:
        return True
    try:
        check(content)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def two_sides(ours: bytes, theirs: bytes) -> bytes:
    """Both versions in one file: what is the same once, everything else between markers."""
    mine, other = _lines(ours), _lines(theirs)
    end = b"\r\n" if ours.count(b"\r\n") * 2 > ours.count(b"\n") else b"\n"
    result: list[bytes] = []
    for same, left, right in _differences(mine, other):
        if same:
            result += left
            continue
        result += [b"<<<<<<< " + OURS_LABEL.encode() + end, *_ended(left, end), b"=======" + end]
        result += [*_ended(right, end), b">>>>>>> " + THEIRS_LABEL.encode() + end]
    return b"".join(result)


def _differences(mine: list[bytes], other: list[bytes]) -> Iterator[tuple[bool, list[bytes], list[bytes]]]:
    first = 0
    while first < min(len(mine), len(other)) and mine[first] == other[first]:
        first += 1
    last = 0
    while last < min(len(mine), len(other)) - first and mine[-1 - last] == other[-1 - last]:
        last += 1
    if first:
        yield True, mine[:first], []
    left, right = mine[first : len(mine) - last], other[first : len(other) - last]
    if len(left) * len(right) > _MAX_PAIRS:
        yield False, left, right
    else:
        for kind, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
            yield kind == "equal", left[a:b], right[c:d]
    if last:
        yield True, mine[len(mine) - last :], []


def _lines(content: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in content.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _ended(lines: list[bytes], end: bytes) -> list[bytes]:
    if lines and not lines[-1].endswith(b"\n"):
        return [*lines[:-1], lines[-1] + end]
    return lines


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _python(content: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(content, "", "exec", dont_inherit=True)


def _json(content: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key twice")
        return found

    json.loads(content, object_pairs_hook=unique)


def _yaml(content: bytes) -> None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Composed, not constructed: tags of other programs are no errors.
        nodes = [node for node in yaml.compose_all(content, Loader=loader) if node is not None]
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    seen = set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            keys = [(key.tag, key.value) for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
            keys = [key for key in keys if key[1] != "<<"]
            if len(set(keys)) < len(keys):
                raise ValueError("a key twice")
            nodes += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value


def _toml(content: bytes) -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    tomllib.loads(content.decode("utf-8"))


def _xml(content: bytes) -> None:
    # The person's own file; what is asked is only whether it is one.
    ElementTree.fromstring(content)  # noqa: S314


_CHECKS: dict[str, Callable[[bytes], None]] = {
    ".py": _python,
    ".pyi": _python,
    ".json": _json,
    ".ipynb": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".toml": _toml,
    ".xml": _xml,
    ".iml": _xml,
    ".svg": _xml,
}
