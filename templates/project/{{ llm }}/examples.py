"""Examples: tokens, and which of them the model is to predict.

Everything the models learn from is made here, as plain NumPy: blocks of text for pretraining, conversations
with the loss on the assistant's turns only, windows for evaluation.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

from .chat_template import (
    ANSWER,
    THOUGHT_END,
    Message,
    Span,
    answer,
    is_learned,
    thinking,
    thought_of,
    without_thoughts,
)
from .errors import UserError

MARKED_SYSTEM: Message = {"role": "system", "content": ANSWER}


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


Render = Callable[[list[Message], bool], str]
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
    max_length: int,
    too_long: Literal["drop", "cut_end", "cut_start"],
    end: int | None = None,
) -> Example | None:
    """Turn a conversation into tokens, with the loss on the assistant's turns only.

    The text is tokenised in one piece, as the model will see it. A token is learned when it holds a character
    of an assistant's turn; the token that ends the turn belongs to it, since the model must learn to stop.

    Args:
        messages: with at least one turn of the assistant.
        render: the chat template, called with the messages and whether to add the assistant's header.
        encode: the tokenizer, which must add no special tokens: the template has them.
        max_length: most tokens of an example.
        too_long: what becomes of longer ones. `drop`: left out. `cut_end`: the end is cut off. `cut_start`:
            the oldest turns are left out until the rest fits; it begins with the user's turn, after the
            system message, which is kept.
        end: token that is learned after the last answer where the template, as GLM's, writes nothing there:
            the model would never learn to stop.

    Returns:
        The example; None where it is left out or nothing to learn remains.

    Raises:
        UserError: the template refuses the conversation, or its assistant turns cannot be found.
    """
    messages = list(messages)
    example = whole_conversation(messages, render, encode, end)
    if len(example.tokens) > max_length:
        if too_long == "drop":
            return None
        if too_long == "cut_end":
            example = Example(example.tokens[:max_length], example.targets[:max_length])
        else:
            shorter = newest_turns(messages, render, encode, max_length, end)
            if shorter is None:
                return None
            example = shorter
    return example if example.targets.any() else None


def newest_turns(
    messages: list[Message], render: Render, encode: Encode, max_length: int, end: int | None = None
) -> Example | None:
    """The most turns up to the end, from one of the user on, that fit; None if the last do not."""
    system = [message for message in messages[:1] if message["role"] == "system"]
    starts = [place for place, message in enumerate(messages) if message["role"] == "user"][1:]

    def rest(place: int) -> Example:
        return whole_conversation(system + messages[place:], render, encode, end)

    found = bisect_left(starts, True, key=lambda place: len(rest(place).tokens) <= max_length)
    return rest(starts[found]) if found < len(starts) else None


def whole_conversation(
    messages: list[Message], render: Render, encode: Encode, end: int | None = None
) -> Example:
    """Tokens and targets of a conversation, however long; `end` as `encode_conversation` says."""
    text, spans = learned_text(messages, render)
    assistants = np.zeros(len(text) + 1, dtype=bool)  # of each character; the last place is for empty tokens
    for start, stop in spans:
        assistants[start:stop] = True
    encoded = encode(text)
    tokens = np.asarray(encoded.tokens, dtype=np.int32)
    offsets = np.fromiter(chain.from_iterable(encoded.offsets), np.int64, 2 * len(tokens))
    starts, stops = offsets[0::2], offsets[1::2]
    targets = assistants[stops - 1] & (stops > starts)  # a token belongs to whom its last character belongs
    targets[:1] = False
    if end is not None and ends_bare(messages, text, spans):
        tokens, targets = np.append(tokens, np.int32(end)), np.append(targets, True)
    return Example(tokens, targets)


def ends_bare(messages: list[Message], text: str, spans: list[Span]) -> bool:
    """Whether the rendered text ends with the words of an answer that is learned, and nothing after them."""
    said = without_thoughts(messages[-1]["content"])
    if not spans or not said or not is_learned(messages[-1]):
        return False
    start, stop = spans[-1]
    return not text[stop:].strip() and text[start:stop].rstrip().endswith(said)


def learned_text(messages: list[Message], render: Render) -> tuple[str, list[Span]]:
    """The text of a finished conversation, and the characters of it that the model learns to write.

    Raises:
        UserError: the template refuses the conversation, or its assistant turns cannot be found.
    """
    messages = system_kept(messages, render)
    text = render_whole(messages, render)
    return text, assistant_spans(messages, text, render)


def system_kept(messages: list[Message], render: Render) -> list[Message]:
    """The conversation such that its text has the system message that the model is given.

    Mistral's template puts the system message before the last question when it asks for an answer, and leaves
    it out once the answer is there. In training the question has it before it, too.

    Raises:
        UserError: the two cannot be made equal.
    """
    if messages[0]["role"] != "system" or ANSWER in render([MARKED_SYSTEM, *messages[1:]], False):
        return messages
    pieces = render([MARKED_SYSTEM, {"role": "user", "content": ANSWER}], True).split(ANSWER)
    if len(pieces) == 2:  # the model is not given it either
        return messages
    between = "".join(pieces[1:2])
    last = max(place for place, one in enumerate(messages) if one["role"] == "user")
    joined = f"{messages[0]['content']}{between}{messages[last]['content']}"
    question: Message = {"role": "user", "content": joined}
    kept = [*messages[1:last], question, *messages[last + 1 :]]
    if render(kept[:-1], True) != render(messages[:-1], True):
        raise UserError(
            "The chat template leaves out the system message of a finished conversation: name one that keeps "
            "it in chats.chat_template, or take the system messages out of the data."
        )
    return kept


def render_whole(messages: list[Message], render: Render) -> str:
    """The text of a finished conversation, with the thoughts of its last answer.

    DeepSeek R1's template leaves them out, as older answers need none; but an answer that it asks for begins
    with a thought. They are put back in.
    """
    content = messages[-1]["content"]
    thought, said = thought_of(content), without_thoughts(content)
    if not thought or ANSWER in render([*messages[:-1], answer(thinking(ANSWER, said))], False):
        return render(messages, False)
    return render([*messages[:-1], answer(ANSWER)], False).replace(ANSWER, thinking(thought, said))


def hold_thoughts(answers: Iterable[str]) -> bool:
    """Whether the model shall learn to think before it answers: where any of the answers does."""
    return any(THOUGHT_END in answer for answer in answers)


def assistant_spans(messages: list[Message], text: str, render: Render) -> list[Span]:
    """Find the characters of `text`, the rendered conversation, that the assistant writes.

    A template with `{% generation %}` tags says so itself. For any other, the conversation is rendered up to
    the assistant's turn, with its header: that is what the model will be given, and what follows in `text` is
    what it must write. Where the turn ends is known from the conversation rendered up to and with the turn.
    The end-of-turn token is part of it; white space that follows this token is not.

    Answers of weight 0 are not among them, nor those whose thoughts the template leaves out, as Qwen 3's does
    with older answers: the model is to think before it answers.

    Raises:
        UserError: the template renders a turn so differently within the conversation that it is not found.
    """
    answers = [message for message in messages if message["role"] == "assistant"]
    tagged = getattr(render, "assistant_spans", lambda _: None)(messages)
    if tagged is not None:
        if all(is_learned(message) for message in answers):
            return tagged
        if len(tagged) != len(answers):
            raise cannot_mark("its tags are not one pair for each answer, and some answers have weight 0")
        return [span for span, message in zip(tagged, answers, strict=True) if is_learned(message)]
    spans = []
    for place, message in enumerate(messages):
        if not is_learned(message):
            continue
        content = message["content"].strip()
        said = without_thoughts(content)
        start = start_of_turn(text, render, messages[:place], content)
        last = place == len(messages) - 1
        stop = len(text) if last else end_of_turn(text, start, render(messages[: place + 1], False), said)
        turn = text[start:stop].rstrip()
        if content and content.split()[-1] not in turn:
            raise cannot_mark("the text that it renders lacks what the assistant said")
        if thought_of(content) not in turn:
            continue
        if said and not turn.endswith(said):  # something visible ends the turn
            stop = start + len(turn)
        spans.append((start, stop))
    return spans


def start_of_turn(text: str, render: Render, before: list[Message], content: str) -> int:
    """Where the assistant begins to write, after the header of its turn."""
    prompt = render(before, True)
    if text.startswith(prompt):
        return len(prompt)
    # Some headers begin a thought ("<think>") that the finished turn lacks: what both have is the header.
    start = common_start(text, prompt)
    if start < len(render(before, False)):
        raise cannot_mark("the text before a turn changes when the turn is added")
    written = text.find(content, len(render(before, False)))
    return min(start, written) if written >= 0 else start


def end_of_turn(text: str, start: int, with_turn: str, said: str) -> int:
    """Where the assistant stops to write; `with_turn` is the conversation up to and with its turn."""
    if text.startswith(with_turn):
        return len(with_turn)
    turn = with_turn[start:]
    # Thoughts of older turns may be left out, as in Qwen 3: then `text` has the end of the turn only.
    beginning = text[start : start + 12]
    at = turn.find(beginning) if with_turn.startswith(text[:start]) else -1
    while at >= 0:
        if text.startswith(turn[at:], start):
            return start + len(turn) - at
        at = turn.find(beginning, at + 1)
    # Or something ends the conversation as a whole, after its last turn, as in Phi 3. Where that and the next
    # header begin with the same bracket the bracket is not the turn's.
    stop = start + len(text[start : common_start(text, with_turn)].rstrip("<|["))
    written = text.find(said, start)
    if written < 0 or stop < written + len(said):
        raise cannot_mark("the text of a turn changes when further turns follow")
    return stop


def common_start(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def cannot_mark(reason: str) -> UserError:
    """The error for a template that this way of finding turns does not suit."""
    return UserError(
        f"The chat template cannot mark assistant turns: {reason}; "
        "put {% generation %} and {% endgeneration %} around what the assistant writes, in a copy of it "
        "that chats.chat_template names."
    )
