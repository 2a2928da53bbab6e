"""Text in pieces: from tokens that come one by one, and so much at once as a tokenizer should be given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

CHARACTERS_AT_ONCE = 1 << 22  # tokenised together: what a tokenizer says of their tokens takes some 200 MB
UNFINISHED = "\ufffd"  # what a decoder writes for bytes that are not yet a whole character


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
