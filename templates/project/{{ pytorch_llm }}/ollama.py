"""A Modelfile: what Ollama needs to know beside a GGUF file. https://docs.ollama.com/modelfile"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .chat_template import ChatTemplate, Message
from .errors import UserError
from .learned_text import Render

LONGEST = 8192  # tokens of context that are asked for: the memory for keys and values grows with it


@dataclass(frozen=True)
class Turns:
    """A chat template taken apart.

    Attributes:
        opening: What stands before the first turn.
        around: For each role what stands before and after its text.
        generation: What stands before the answer that is to be written.
        system: System message that the template adds where there is none.
    """

    opening: str
    around: Mapping[str, tuple[str, str]]
    generation: str
    system: str = ""

    def render(self, messages: Sequence[Message]) -> str:
        """Put the parts together again, for an answer to be written."""
        written = "".join(message["content"].join(self.around[message["role"]]) for message in messages)
        return self.opening + written + self.generation

    def go(self) -> str:
        """As a template of Go's, which Ollama uses."""
        branches = "".join(
            f'{{{{ {"else " if place else ""}if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}'
            for place, (role, (before, after)) in enumerate(self.around.items())
        )
        return f"{self.opening}{{{{ range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}{self.generation}"


def modelfile(
    tokenizer: Any,
    *,
    file: str,
    context: int,
    stops: Sequence[str],
    chats: bool,
    system: str = "",
    temperature: float = 0.7,
) -> tuple[str, str]:
    """The text of the Modelfile, and a remark for the person, which is often empty.

    Args:
        tokenizer: Of transformers.
        file: Name of the GGUF file beside it.
        context: Longest sequence of the model, in tokens.
        stops: Texts that end an answer.
        chats: Whether the model was taught to chat; otherwise it continues the prompt.
        system: System message; empty: that of the chat template, if it has one.
        temperature: 0 always takes the likeliest token.
    """
    lines, remark = [f"FROM ./{file}"], ""
    if not chats:
        lines.append("TEMPLATE {{ .Prompt }}")
    elif turns := take_apart(without_start(tokenizer)):
        lines.append(f"TEMPLATE {quoted(turns.go())}")
        system = system or turns.system
    else:
        remark = (
            "The chat template has no simple form, so Ollama takes the one it knows for this kind of model: "
            "compare an answer with chat.py's."
        )
    if system:
        lines.append(f"SYSTEM {quoted(system)}")
    lines += [f"PARAMETER stop {json.dumps(one, ensure_ascii=False)}" for one in stops]
    lines += [f"PARAMETER temperature {temperature:g}", f"PARAMETER num_ctx {min(context, LONGEST)}"]
    return "\n".join(lines) + "\n", remark


def without_start(tokenizer: Any) -> Render:
    """The chat template without the token that begins a text, which Ollama adds itself."""
    render = ChatTemplate(tokenizer.get_chat_template(), tokenizer.special_tokens_map)
    return lambda messages, answer: render(messages, answer).removeprefix(tokenizer.bos_token or "")


def quoted(text: str) -> str:
    """A text that may have several lines."""
    return f'"""{text}"""'


def take_apart(render: Render) -> Turns | None:
    """Find what a chat template writes around the turns of each role; None where it is not that simple.

    Looks at a few conversations whose texts are easy to find, then checks that for other ones the parts give
    the same text as the template.
    """
    try:
        turns = parts_of(render)
        test = chat(user="How?", assistant="So.") + chat(user="Why?", assistant="Hm.") + chat(user="Ah.")
        shown = [chat(system=turns.system) + test if turns.system else test]
        tests = [test]
        if "system" in turns.around:
            shown.append(chat(system="Be kind.") + test)
            tests.append(chat(system="Be kind.") + test)
        fits = all(render(one, True) == turns.render(other) for one, other in zip(tests, shown, strict=True))
    except (UserError, ValueError):
        return None
    return turns if fits else None


def parts_of(render: Render) -> Turns:
    """The parts of a template, not checked yet. Raises ValueError or UserError where they cannot be seen."""
    question, answer, further = (f"\ue000{number}\ue000" for number in range(3))
    whole = render(chat(user=question, assistant=answer) + chat(user=further), True)
    opened, first, middle, last = split(whole, question, answer, further)
    after_user = split(render(chat(user=question), False), question)[1]
    after_answer = split(render(chat(user=question, assistant=answer), False), answer)[1]
    before_user = middle.removeprefix(after_answer)
    around: dict[str, tuple[str, str]] = {
        "user": (before_user, after_user),
        "assistant": (first.removeprefix(after_user), after_answer),
    }
    opening, generation = opened.removesuffix(before_user), last.removeprefix(after_user)
    try:
        marked = render(chat(system=further, user=question), True)
    except UserError:  # a template that takes no system message
        return Turns(opening, around, generation)
    before, between, _ = split(marked, further, question)
    after = between.removesuffix(before_user)
    if before.startswith(opening):
        around = {"system": (before.removeprefix(opening), after), **around}
        return Turns(opening, around, generation)
    # The template has a system message of its own where there is none.
    around = {"system": (before, after), **around}
    return Turns("", around, generation, opening.removeprefix(before).removesuffix(after))


def split(text: str, *marks: str) -> list[str]:
    """What stands before, between and after the marks. Raises ValueError where one is missing."""
    parts = []
    for mark in marks:
        before, found, text = text.partition(mark)
        if not found:
            raise ValueError(f"{mark!r} is missing")
        parts.append(before)
    return [*parts, text]


def chat(**turns: str) -> list[Message]:
    """A conversation by roles."""
    return [{"role": role, "content": text} for role, text in turns.items()]  # type: ignore[typeddict-item]
