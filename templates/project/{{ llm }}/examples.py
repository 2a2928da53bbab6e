"""Examples: tokens, and which of them the model is to predict.

Everything the models learn from is made here, as plain NumPy: blocks of text for pretraining, conversations
with the loss on the assistant's turns only, windows for evaluation.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

from .chat_template import Message, Span, thought_of
from .learned_text import LONGEST_STOP, Ending, Part, Render, parts_of


@dataclass(frozen=True)
class Example:
    """One sequence.

    Attributes:
        tokens: shape (T,), int32.
        targets: shape (T,), bool: whether token t is to be predicted from the tokens before it. The first
            never is.
    """

    tokens: np.ndarray
    targets: np.ndarray


class Encoded(NamedTuple):
    """A text as tokens, and for each token the characters [from, up to) of the text that it stands for.

    Where a character needs several tokens (as an emoji does) each of them has that character's place.
    """

    tokens: list[int]
    offsets: list[Span]


Encode = Callable[[str], Encoded]


def text_blocks(
    documents: Iterable[Sequence[int]], context: int, end: int, start: Sequence[int] = ()
) -> list[Example]:
    """Join documents, each between the tokens `start` and `end`, and cut them into blocks for pretraining.

    A block has `context` + 1 tokens, the last may have fewer. Blocks overlap by one token, the last of one is
    the first of the next, so that every token but the very first is predicted once. They are views of one
    array, 4 bytes a token: a corpus may have billions of them. Documents may be made one by one meanwhile.
    """
    joined = array("i")  # grows in place, where joining a list of arrays would need twice the room
    for document in documents:
        joined.frombytes(np.asarray([*start, *document, end], np.int32).tobytes())
    tokens = np.frombuffer(joined, np.int32)
    targets = np.arange(context + 1) > 0
    pieces = (tokens[place : place + context + 1] for place in range(0, len(tokens) - 1, context))
    return [Example(piece, targets[: len(piece)]) for piece in pieces]


def evaluation_windows(tokens: Sequence[int] | np.ndarray, context: int, stride: int) -> list[Example]:
    """Cut a long text into overlapping windows for evaluation.

    Every token but the first is predicted exactly once, with at least `context` - `stride` tokens before it
    (fewer only at the start of the text). A window has at most `context` + 1 tokens, of which the model reads
    `context`. A smaller stride is a fairer measure of the model and costs more windows.
    """
    if not 1 <= stride <= context:
        raise ValueError(f"stride is {stride}: it must be from 1 to context ({context})")
    text = np.asarray(tokens, dtype=np.int32)
    windows: list[Example] = []
    done = 1  # tokens before this place are predicted already, or never are
    while done < len(text):
        stop = min(len(text), done + (stride if windows else context))
        start = max(0, stop - context - 1)
        windows.append(example_of(text[start:stop], done - start))
        done = stop
    return windows


def example_of(tokens: np.ndarray, first: int) -> Example:
    """An example in which all tokens from place `first` on are predicted."""
    targets = np.ones(len(tokens), dtype=bool)
    targets[:first] = False
    return Example(tokens, targets)


def encode_conversation(
    messages: Sequence[Message],
    render: Render,
    encode: Encode,
    *,
    ending: Ending | None = None,
    max_length: int,
    too_long: Literal["drop", "cut_end", "cut_start"],
) -> list[Example]:
    """Turn a conversation into tokens, with the loss on the assistant's turns only.

    A text is tokenised in one piece, as the model will see it. A token is learned when it holds a character
    of an answer; the token that ends the turn belongs to it, since the model must learn to stop.

    Args:
        messages: with at least one turn of the assistant.
        render: the chat template, called with the messages and whether to add the assistant's header.
        encode: the tokenizer, which must add no special tokens: the template has them.
        ending: what the model stops at (`ending_of`); it is put where the template does not write it. None:
            not known, what the template writes after an answer is taken for its end.
        max_length: most tokens of an example.
        too_long: what becomes of longer ones. `drop`: the conversation is left out. `cut_end`: the end is cut
            off. `cut_start`: the oldest turns are left out until the rest fits; it begins with the user's
            turn, after the system message, which is kept.

    Returns:
        The examples: one, or several where answers have to be asked for one by one (`parts_of`); none where
        it is left out or nothing to learn remains.

    Raises:
        UserError: the template refuses the conversation, or its answers cannot be learned.
    """
    examples = []
    for part in parts_of(messages, render, ending):
        example: Example | None = example_of_part(part, encode)
        if example and len(example.tokens) > max_length:
            if too_long == "drop":
                return []
            if too_long == "cut_end":
                example = Example(example.tokens[:max_length], example.targets[:max_length])
            else:
                example = newest_turns(part.messages, render, encode, ending, max_length)
        if example and example.targets.any():
            examples.append(example)
    return examples


def ending_of(encode: Encode, stops: Collection[int], text: str) -> Ending:
    """What ends an answer: one of the tokens `stops`; `text` is that which ends a text, or empty."""

    @lru_cache(1 << 10)
    def length(beginning: str) -> int:
        tokens, offsets = encode(beginning)
        return offsets[0][1] if tokens and tokens[0] in stops else 0

    return Ending(lambda after: length(after[:LONGEST_STOP]), text)


def newest_turns(
    messages: list[Message], render: Render, encode: Encode, ending: Ending | None, max_length: int
) -> Example | None:
    """The most turns up to the end, from one of the user on, that fit; None if the last do not."""
    system = [message for message in messages[:1] if message["role"] == "system"]
    starts = [place for place, message in enumerate(messages) if message["role"] == "user"][1:]

    def rest(place: int) -> Example:
        return example_of_part(parts_of(system + messages[place:], render, ending)[-1], encode)

    found = bisect_left(starts, True, key=lambda place: len(rest(place).tokens) <= max_length)
    return rest(starts[found]) if found < len(starts) else None


def example_of_part(part: Part, encode: Encode) -> Example:
    """Tokens and targets of a text, however long."""
    learned = np.zeros(len(part.text) + 1, dtype=bool)  # each character; the last place is for empty tokens
    for start, stop in part.spans:
        learned[start:stop] = True
    encoded = encode_part(part, encode)
    tokens = np.asarray(encoded.tokens, dtype=np.int32)
    offsets = np.fromiter(chain.from_iterable(encoded.offsets), np.int64, 2 * len(tokens))
    starts, stops = offsets[0::2], offsets[1::2]
    targets = learned[stops - 1] & (stops > starts)  # a token belongs to whom its last character belongs
    targets[:1] = False
    return Example(tokens, targets)


def encode_part(part: Part, encode: Encode) -> Encoded:
    """The tokens of a text: those that ask for its last answer are the same as in use.

    Where one token would hold the end of what asks and the beginning of the answer, the two are tokenised
    apart. So it is with `<think>\\n` before an answer without a thought, which goes on with `\\n</think>`.
    """
    encoded, begin = encode(part.text), part.spans[-1][0]
    if not any(start < begin < stop for start, stop in encoded.offsets):
        return encoded
    asked, rest = encode(part.text[:begin]), encode(part.text[begin:])
    offsets = [(start + begin, stop + begin) for start, stop in rest.offsets]
    return Encoded(asked.tokens + rest.tokens, asked.offsets + offsets)


def hold_thoughts(answers: Iterable[str]) -> bool:
    """Whether the model shall learn to think before it answers: where any of the answers does."""
    return any(thought_of(answer) for answer in answers)
