"""Text in pieces: from tokens that come one by one, and so much at once as a tokenizer should be given."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from .chat_template import THOUGHT, THOUGHT_END, Call

CHARACTERS_AT_ONCE = 1 << 22  # tokenised together: what a tokenizer says of their tokens takes some 200 MB
EMPTY = "(empty)"  # shown to people in place of an answer without a word
UNFINISHED = "\ufffd"  # what a decoder writes for bytes that are not yet a whole character
Result = TypeVar("Result")


@dataclass(frozen=True)
class Written:
    """A text that a model has written.

    Attributes:
        text: Without special tokens.
        tokens: How many it has.
        cut: Whether it ends where no more was allowed, rather than where the model ended it.
    """

    text: str
    tokens: int
    cut: bool

    @property
    def finish_reason(self) -> str:
        """Why it ends, in the words of OpenAI's protocol."""
        return "length" if self.cut else "stop"


class Piece(NamedTuple):
    """The next characters of an answer, or of the thought before it; or the calls of tools at its end."""

    text: str
    thought: bool = False
    calls: tuple[Call, ...] = ()


def text_pieces(tokens: Iterable[int], decode: Callable[[list[int]], str]) -> Iterator[str]:
    """Turn tokens into pieces of text as they come; joined, they are the text of all tokens.

    A character of Chinese, or an emoji, can be spread over several tokens: it is held back until it is whole.
    Some tokenizers write a token differently after another one, so those before it are decoded with it.
    """
    held: list[int] = []  # the tokens of the last piece, then those not yet shown
    shown = 0  # how many of `held` belong to the last piece
    for token in tokens:
        held.append(token)
        before, text = decode(held[:shown]), decode(held)
        if len(text) > len(before) and not text.endswith(UNFINISHED):
            yield text[len(before) :]
            held, shown = held[shown:], len(held) - shown
    rest = decode(held)[len(decode(held[:shown])) :]
    if rest:
        yield rest


def batches_of_text(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of at most CHARACTERS_AT_ONCE altogether; a longer one is alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > CHARACTERS_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def divide(pieces: Generator[str, None, Result], prompt: str) -> Generator[Piece, None, Result]:
    """Tell the thought from the answer as a text comes, without the marks and the white space around them.

    A thought begins where the prompt ends, if that opens it as DeepSeek R1's does, or with a `<think>` that
    the model writes first, as Qwen 3 does; it ends at `</think>`. What may become a mark is held back.
    """
    ended: list[Result] = []

    def given() -> Generator[str, None, None]:
        ended.append((yield from pieces))

    thought = prompt.rstrip().endswith(THOUGHT)
    begun = trimmed = False
    held = ""
    with closing(given()) as texts:
        for text in texts:
            held += text
            if not begun:
                start = held.lstrip()
                if THOUGHT.startswith(start):
                    continue
                begun = True
                if start.startswith(THOUGHT):
                    thought, held = True, start.removeprefix(THOUGHT)
                trimmed = thought
            if trimmed:
                held = held.lstrip()
            if thought and THOUGHT_END in held:
                rest, _, held = held.partition(THOUGHT_END)
                if rest.strip():
                    yield Piece(rest.rstrip(), True)
                thought, trimmed, held = False, True, held.lstrip()
            clear = held
            if thought:
                clear = held[: len(held) - unclear(held, [THOUGHT_END])].rstrip()
            if clear:
                yield Piece(clear, thought)
                held, trimmed = held[len(clear) :], False
    if rest := held.rstrip() if thought else held:
        yield Piece(rest, thought)
    return ended[0]


def divided(text: str, prompt: str) -> tuple[str, str]:
    """The thought and the answer of a whole text; see `divide`."""

    def whole() -> Generator[str, None, None]:
        yield text

    return joined(list(divide(whole(), prompt)))


def joined(pieces: Sequence[Piece]) -> tuple[str, str]:
    """The thought and the answer of which these are pieces."""
    thought, said = ("".join(one.text for one in pieces if one.thought is kind) for kind in (True, False))
    return thought, said


def unclear(text: str, marks: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of one of the marks."""
    most = max(map(len, marks), default=1) - 1
    sizes = range(min(most, len(text)), 0, -1)
    return next((size for size in sizes if any(mark.startswith(text[-size:]) for mark in marks)), 0)
