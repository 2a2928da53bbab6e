"""What a project's readers of tables and conversations say, in the person's language.

They are files of the generated project: plain Python without a catalog. So their sentences are taken from their
source, as patterns for what they say and as texts for the catalog.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scaffolder import messages
from scaffolder.messages import N_
from scaffolder.template_source import templates_folder

_ERRORS = {"TableError", "ParquetReaderMissing", "UserError", "BadLine", "UnknownFormat", "Unreadable"}
#: The reader of conversations, below `templates/project`.
CONVERSATIONS = tuple(
    f"{{{{ llm }}}}/{name}.py" for name in ("data_files", "chat_formats", "tool_calls", "conversations")
)
_PHRASES = {"NOT_A_TEXT_FILE", "NOT_TEXT", "JSON_MISTAKES"}  # parts of sentences, kept in a table


@dataclass(frozen=True)
class Sentence:
    """One sentence that the reader can say.

    Attributes:
        text: With named fields, as the catalog has it.
        pattern: Matches what the reader says.
    """

    text: str
    pattern: re.Pattern[str]


def _part(text: str) -> Sentence:
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(text))
    return Sentence(text, re.compile(pattern, re.DOTALL))


#: Parts of sentences that the reader of conversations computes.
_PARTS = [
    _part(N_("it has the fields {names}")),
    _part(N_("its records have no fields")),
    _part(N_(" (nearest: {name})")),
]


def translated(said: str, *readers: str) -> str:
    """A sentence of a reader in the language in use; as it is where it is not known.

    Args:
        readers: Files of the reader, below `templates/project`; the reader of tables if none.
    """
    if messages.language() == "en":
        return said
    files = [templates_folder() / "project" / reader for reader in readers] or [_reader()]
    return _match(said, [sentence for file in files for sentence in sentences(file)])


def _match(said: str, known: list[Sentence]) -> str:
    """What is said, by the sentence that it is; its fields may be such as the reader puts into sentences."""
    for sentence in known:
        match = sentence.pattern.fullmatch(said)
        if match:
            fields = {name: _match(messages.translate(value), _PARTS) for name, value in match.groupdict().items()}
            return messages.translate(sentence.text).format(**fields)
    return said


@lru_cache(maxsize=8)
def sentences(source: Path) -> tuple[Sentence, ...]:
    """Every sentence that `source` raises, the most particular first; none that has no words of its own."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    found = [
        _sentence(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS and node.args
    ]
    found = [sentence for sentence in found if re.search("[A-Za-z]", _words(sentence))]
    return tuple(sorted(found, key=lambda sentence: -len(_words(sentence))))


def _words(sentence: Sentence) -> str:
    return re.sub(r"\{\w+\}", "", sentence.text)


def phrases(source: Path) -> list[str]:
    """The parts of sentences that `source` keeps in a table."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    tables = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in _PHRASES for target in node.targets)
    ]
    return [
        node.value
        for table in tables
        for part in (table.values if isinstance(table, ast.Dict) else [table])
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def _reader() -> Path:
    return templates_folder() / "project" / "{{ tabular }}" / "table_format.py"


def _sentence(argument: ast.expr) -> Sentence:
    """A text or an f-string: its expressions become fields, named after what they compute."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    text, pattern, seen = "", "", set()
    for part in parts:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            pattern += re.escape(str(part.value))
        elif isinstance(part, ast.FormattedValue):
            name = re.sub(r"\W+", "_", ast.unparse(part.value)).strip("_")
            text += f"{{{name}}}"
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"
            seen.add(name)
    return Sentence(text, re.compile(pattern, re.DOTALL))
