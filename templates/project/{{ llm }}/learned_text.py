"""Which characters of a rendered conversation the model learns to write.

An answer is learned as it will be asked for: after exactly the text with which the chat template asks for it
at that point of the chat, and up to a token at which the model stops.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from .chat_template import (
    ANSWER,
    THOUGHT,
    THOUGHT_END,
    Call,
    Message,
    Span,
    answer,
    is_learned,
    thinking,
    thought_of,
    without_thoughts,
)
from .errors import UserError

Render = Callable[[list[Message], bool], str]
LONGEST_STOP = 64  # characters of a token at which a model stops
MARKED_SYSTEM: Message = {"role": "system", "content": ANSWER}


@dataclass(frozen=True)
class Ending:
    """What ends an answer.

    Attributes:
        length: how many characters the token has that a text begins with, if the model stops at it; else 0.
        text: of the token that ends a text; it is put where a template writes nothing to stop at.
    """

    length: Callable[[str], int]
    text: str


@dataclass(frozen=True)
class Part:
    """A text to learn from.

    Attributes:
        messages: up to the last answer that is learned from this text; answers that are not have weight 0.
        text: as the chat template renders them.
        spans: the characters that are learned, one span for each answer.
    """

    messages: list[Message]
    text: str
    spans: list[Span]


def parts_of(messages: Sequence[Message], render: Render, ending: Ending | None = None) -> list[Part]:
    """The texts from which each answer of a conversation is learned once, in order; mostly it is one.

    Where the text up to an answer changes when the chat goes on, as that of thoughts does, which are not read
    again, the answer is learned from a text that ends with it.

    Raises:
        UserError: the template refuses the conversation, or what it asks with does not lead to the answer.
    """
    messages = list(messages)
    turn = cache(lambda place: Turn(messages, place, render, ending))
    places = [place for place, message in enumerate(messages) if is_learned(message)]
    parts = []
    while places:
        part, learned = read_part(messages[: places[-1] + 1], places, turn, render, ending)
        parts.append(part)
        places = [place for place in places if place not in learned]
    return parts[::-1]


def read_part(
    messages: list[Message],
    places: Sequence[int],
    turn: Callable[[int], "Turn"],
    render: Render,
    ending: Ending | None,
) -> tuple[Part, set[int]]:
    """The text of `messages` and the answers at those `places`, the last among them, that it teaches."""
    *older, last = places
    text, said = turn(last).finished, turn(last).said
    found = turn(last).find(text) or turn(last).refuse()
    same = turns_like_the_last(messages, older, found, text, render)
    spans = {}
    for place in older:
        span = same.get(place) or turn(place).find(text)
        if not span or text[: span[0]].rstrip().endswith(THOUGHT):
            continue  # an empty thought may be one token there, where the model is asked with its beginning
        older_said = without_thoughts(messages[place]["content"]) if place in same else turn(place).said
        if span := ended(span, text, older_said, ending):
            spans[place] = span
    start, stop = found
    if closed := ended(found, text, said, ending):
        stop = closed[1]
    elif ending:
        text = text[:stop].rstrip() + stop_text(messages, said, render, ending)
        stop = len(text)
    spans[last] = start, stop
    unlearned = [
        one if place in spans or one["role"] != "assistant" else only_read(one)
        for place, one in enumerate(messages)
    ]
    return Part(unlearned, text, [spans[place] for place in sorted(spans)]), set(spans)


class Turn:
    """An answer, as the template asks for it and as it writes it at the end of a conversation.

    What is said has the calls of tools with it, as the template writes them.
    """

    def __init__(self, messages: list[Message], place: int, render: Render, ending: Ending | None) -> None:
        content, calls = messages[place]["content"], messages[place].get("tool_calls", [])
        self.said, self.thought = without_thoughts(content), thought_of(content)
        self.words = [self.said, self.thought, *words_of(calls)]
        self.asked = render(messages[:place], True)
        self.finished = render_whole(messages[: place + 1], render, self.asked)
        if calls:
            self.said = without_end(without_thoughts(self.finished[len(self.asked) :]), ending)

    def find(self, text: str) -> Span | None:
        """Where it stands in a text of the conversation; None where the model will not be asked with that."""
        start = len(self.asked)
        if not (text.startswith(self.asked) and self.finished.startswith(self.asked)):
            return None
        whole = text.startswith(self.finished)
        stop = len(self.finished) if whole else start + common_turn(text[start:], self.finished[start:])
        written = text[start:stop].rstrip()
        if not self.said or not has_all(written, self.said, self.thought):
            return None
        if not all(holds(written, words) for words in self.words):
            return None
        return start, stop if written.endswith(self.said) else start + len(written)

    def refuse(self) -> Span:
        """Raise UserError for an answer that cannot be learned from the conversation which it ends."""
        said, thought, *called = (holds(self.finished, words) for words in self.words)
        if not said:
            raise cannot_teach("the text that it renders lacks what the assistant said")
        if not thought or not has_all(self.finished, self.said, self.thought):
            raise cannot_teach("the text that it renders lacks the thoughts of the assistant")
        if not all(called):
            raise cannot_teach("the text that it renders lacks the tools that the assistant called")
        raise cannot_teach("the text before an answer is another one than that which asks for it")


def turns_like_the_last(
    messages: list[Message], older: Sequence[int], last: Span, text: str, render: Render
) -> dict[int, Span]:
    """Where the `older` answers stand in `text`, if all are written as the last one, which stands at `last`.

    They are found in one rendering, with marks around all answers, instead of two for each answer. Empty
    where they differ, or the first is not asked for so.
    """
    content = messages[-1]["content"]
    other = any(THOUGHT_END in one["content"] or "tool_calls" in one for one in messages)
    if len(older) < 2 or content != content.strip() or other:
        return {}
    marked = [mark(one) if one["role"] == "assistant" else one for one in messages]
    pieces = render(marked, False).split(ANSWER)  # before an answer, the answer, before the next …
    answers = [place for place, one in enumerate(messages) if one["role"] == "assistant"]
    if len(pieces) != 2 * len(answers) + 1 or "".join(pieces) != text:
        return {}
    asked, silent = (render(messages[: older[0]], wanted) for wanted in (True, False))
    borders = [0, *accumulate(map(len, pieces))]
    gap = text[last[0] : borders[-3]]  # such as a space, between the header and the answer
    header = asked[common_turn(asked, silent) :] + gap
    spans = {}
    for place, start, stop, after in zip(answers, borders[1::2], borders[2::2], pieces[2::2], strict=False):
        content = messages[place]["content"]
        if content != content.strip():  # templates may take white space off the last answer only
            continue
        if not text[:start].endswith(header):
            return {}
        same = len(pieces[-1]) if after.startswith(pieces[-1]) else common_turn(after, pieces[-1])
        visible = len(after[:same].rstrip())
        spans[place] = start - len(gap), stop + (visible or same)
    first = spans.get(older[0])
    return spans if first and first[0] == len(asked) and text.startswith(asked) else {}


def mark(message: Message) -> Message:
    """An answer with a mark before and after it, within the white space around it."""
    content = message["content"]
    said = content.strip()
    return answer(content.replace(said, f"{ANSWER}{said}{ANSWER}", 1))


def only_read(message: Message) -> Message:
    """An answer that is not learned."""
    return {**message, "weight": 0}


def ended(span: Span, text: str, said: str, ending: Ending | None) -> Span | None:
    """The span up to and with what the model stops at; None where the text has nothing of the kind there.

    That may be what the next turn begins with, as in GLM.
    """
    start, stop = span
    if ending is None:
        return span
    place = text.find(said, start, stop)
    while place >= 0:  # a thought may have the words of the answer, too
        rest = text[place + len(said) :].lstrip()
        if length := ending.length(rest):
            return start, len(text) - len(rest) + length
        place = text.find(said, place + 1, stop)
    return None


def words_of(calls: Sequence[Call]) -> list[str]:
    """What a template writes of calls, whatever its form for them: the names, and those of the arguments."""
    functions = [call["function"] for call in calls]
    return [word for one in functions for word in (one["name"], *one["arguments"])]


def without_end(written: str, ending: Ending | None) -> str:
    """What a template writes of calls, without the token after them at which the model stops."""
    written = written.rstrip()
    sizes = range(1, min(LONGEST_STOP, len(written)) + 1) if ending else ()
    size = next((size for size in sizes if ending and ending.length(written[-size:]) == size), 0)
    return written[: len(written) - size].rstrip()


def stop_text(messages: list[Message], said: str, render: Render, ending: Ending) -> str:
    """What is put after the last answer: what begins the next question, if the model stops at it.

    Raises UserError where nothing stops the model.
    """
    further, _, _ = render([*messages, {"role": "user", "content": ANSWER}], False).partition(ANSWER)
    header = further.rpartition(said)[2].lstrip()
    if length := ending.length(header):
        return header[:length]
    if not ending.text:
        raise cannot_teach("it writes nothing after an answer that a model can stop at")
    return ending.text


def holds(text: str, words: str) -> bool:
    """Whether a text has these words, apart from case and white space, which templates may change."""
    return words in text or " ".join(words.split()).casefold() in " ".join(text.split()).casefold()


def has_all(text: str, said: str, thought: str) -> bool:
    """Whether a text has an answer, and beside it the thought."""
    return holds(text, said) and holds("".join(text.rsplit(said, 1)) if said else text, thought)


def render_whole(messages: list[Message], render: Render, asked: str) -> str:
    """The text of a finished conversation, which begins as its last answer is `asked` for, where it can.

    That is with the system message, and with the thoughts of the last answer. DeepSeek R1's template leaves
    these out, as older answers need none; but an answer that it asks for begins with a thought. They are put
    back in. An answer without a thought gets an empty one where the template asks for a thought.
    """
    thought, said = thought_of(messages[-1]["content"]), without_thoughts(messages[-1]["content"])
    text = render(messages, False)
    if not text.startswith(asked):
        messages = system_kept(messages, render)
        text = render(messages, False)
    kept = text.startswith(asked) and has_all(text[len(asked) :], said, thought)
    if kept or messages[-1].get("tool_calls"):
        return text
    marked = render([*messages[:-1], answer(thinking(ANSWER, said))], False)
    before, found, after = marked.partition(ANSWER)
    if found and before.startswith(asked):
        return f"{before}{thought}{after}"
    before, found, after = render([*messages[:-1], answer(ANSWER)], False).partition(ANSWER)
    with_thought = f"{before}{thinking(thought, said)}{after}"
    return with_thought if found and with_thought.startswith(asked) else text


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


def common_turn(text: str, finished: str) -> int:
    """How much of a finished turn two texts have in common.

    Something may end a conversation as a whole, after its last turn, as in Phi 3. Where that and the next
    header begin with the same bracket the bracket is not the turn's.
    """
    pairs = enumerate(zip(text, finished, strict=False))
    same = next((place for place, (left, right) in pairs if left != right), min(len(text), len(finished)))
    return len(text[:same].rstrip("<|["))


def cannot_teach(reason: str) -> UserError:
    """The error for a template from which an answer cannot be learned."""
    return UserError(
        f"The chat template cannot teach answers: {reason}; name another one in chats.chat_template."
    )
