"""Chat templates: how a conversation becomes the one text that the model sees.

A template is written in Jinja and comes with the tokenizer, so it is rendered in a sandbox, with the same
extensions and functions as in transformers' `apply_chat_template`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .console import say
from .errors import UserError

Role = Literal["system", "user", "assistant", "tool"]


class Message(TypedDict):
    """One turn of a conversation; an answer of weight 0 is read, but not learned."""

    role: Role
    content: str
    weight: NotRequired[int]


Span = tuple[int, int]  # characters from, up to but not with

END_OF_TURN = "<|im_end|>"
CHATML = """\
{%- for message in messages -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
THOUGHT, THOUGHT_END = "<think>", "</think>"
# Unicode keeps these out of texts: they may mark places in one.
START, END, ANSWER = "\ufdd0", "\ufdd1", "\ufdd2"

# What `ChatTemplate.suited` puts around a template, to write another header of an answer than its own.
BEFORE_OWN = "{% set answer_wanted = add_generation_prompt %}{% set add_generation_prompt = false %}\n"
AFTER_OWN = "{% if answer_wanted %}"
PROBES: tuple[tuple[Role, ...], ...] = (("user",), ("user", "assistant", "user"), ("system", "user"))


def chatml(start: str = "", end: str = END_OF_TURN) -> str:
    """ChatML for a tokenizer that puts `start` before a text, and for a model that ends a turn with `end`."""
    opening = f"{{{{- {start!r} -}}}}\n" if start else ""
    return opening + CHATML.replace(END_OF_TURN, end)


def is_learned(message: Message) -> bool:
    """Whether a turn is an answer that the model learns to write."""
    return message["role"] == "assistant" and message.get("weight") != 0


def answer(content: str) -> Message:
    """A turn of the assistant."""
    return {"role": "assistant", "content": content}


def thinking(thought: str, said: str) -> str:
    """An answer with the thought before it, as models that think write it."""
    return f"{THOUGHT}\n{thought}\n{THOUGHT_END}\n\n{said}"


def thought_of(content: str) -> str:
    """What stands between `<think>` and `</think>` in an answer; empty where nothing does."""
    before, _, _ = content.rpartition(THOUGHT_END)
    return before.rpartition(THOUGHT)[2].strip()


def without_thoughts(content: str) -> str:
    """An answer without the thoughts before it."""
    return content.rpartition(THOUGHT_END)[2].strip()


def as_read(message: Message) -> dict[str, str]:
    """A turn as templates read it."""
    return {"role": message["role"], "content": message["content"]}


def with_field(thought: str, said: str) -> dict[str, str]:
    """An answer as templates read it, its thought in a field of its own, under each name that they know."""
    fields = dict.fromkeys(("reasoning_content", "reasoning", "thinking"), thought)
    return {"role": "assistant", "content": said, **fields}


class GenerationTag(Extension):
    """`{% generation %}` … `{% endgeneration %}`: what a template says that the assistant writes."""

    tags = {"generation"}  # noqa: RUF012 - the name and type that Jinja asks for

    def parse(self, parser: Parser) -> nodes.Node:
        """Turn the tag into a call of `mark` around its body."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("mark"), [], [], body).set_lineno(line)

    def mark(self, caller: Callable[[], str]) -> str:
        """Put the marks around what the body rendered."""
        return f"{START}{caller()}{END}"


class ChatTemplate:
    """A compiled template, called as a function: `template(messages, True)` is the text to be continued."""

    def __init__(self, source: str, special_tokens: Mapping[str, str] | None = None, name: str = "") -> None:
        """Compile a template.

        Args:
            source: the Jinja text.
            special_tokens: what the template knows as `bos_token`, `eos_token` and so on.
            name: of the file or model, for error messages.

        Raises:
            UserError: it is not valid Jinja.
        """
        self.source = source
        self.name = name or "the chat template"
        self.special_tokens = dict(special_tokens or {})
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, "jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
        try:
            self.template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise UserError(
                f"{self.name} is not a valid chat template, line {error.lineno}: {error.message}."
            ) from None

    def __call__(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        """Render a conversation, and at its end the header of the assistant's turn where asked for.

        Raises:
            UserError: the template refuses the conversation, such as one with a system message.
        """
        return self.render_marked(messages, add_generation_prompt).replace(START, "").replace(END, "")

    def assistant_spans(self, messages: Sequence[Message]) -> list[Span] | None:
        """Where the assistant writes in the rendered text, as the template's `generation` tags say.

        None where it has no such tags; then `examples.encode_conversation` finds the turns by itself.
        """
        marked = self.render_marked(messages, False)
        if START not in marked:
            return None
        spans, starts, place = [], [], 0
        for character in marked:
            if character == START:
                starts.append(place)
            elif character == END:
                spans.append((starts.pop(), place))
            else:
                place += 1
        return spans

    def suited(self, thoughts: bool) -> "ChatTemplate":
        """The template for a model that is taught answers with or without thoughts (`<think>`).

        What stands before a finished answer, after which it is learned, may be another thing than the header
        of an answer to be written: Qwen 3's template has `<think>\\n\\n</think>\\n\\n` only in the former,
        DeepSeek R1's `<think>\\n` only in the latter. The header becomes what stands before a finished
        answer, for every program that reads the template; with thoughts, which the model shall learn to
        write, what stands before them. It stays the template's own where that agrees, and where `generation`
        tags say what the model writes.
        """
        source = self.source
        if source.startswith(BEFORE_OWN):
            source = source.removeprefix(BEFORE_OWN).rpartition(AFTER_OWN)[0]
        own = ChatTemplate(source, self.special_tokens, self.name)
        header = own.taught_header(thoughts)
        if not header:
            return own
        own_text = source.removesuffix("\n")  # as Jinja does at the end of a template
        ending = f"{AFTER_OWN}{{{{ {header!r} }}}}{{% endif %}}"
        return ChatTemplate(f"{BEFORE_OWN}{own_text}{ending}", self.special_tokens, self.name)

    def taught_header(self, thoughts: bool) -> str:
        """What stands before the answer in a finished conversation; empty where it is as when asked for."""
        content = thinking(ANSWER, "So.") if thoughts else ANSWER
        headers = set()
        for roles in PROBES:
            before: list[Message] = [{"role": role, "content": "Hi."} for role in roles]
            try:
                asked, silent = self(before, True), self(before, False)
                finished = self.render_marked([*before, answer(content)], False)
            except UserError:  # such as a template that takes no system message
                continue
            taught, found, _ = finished.partition(ANSWER)
            if START in finished or not found or not taught.startswith(silent):
                return ""
            if thoughts:
                same = taught.startswith(asked)
                taught = taught.rstrip().removesuffix(THOUGHT)
            else:
                same = taught.rstrip() == asked.rstrip()
            # A space before an answer is no part of the header: it is in one token with the first word.
            same = same and not asked.endswith(" ")
            headers.add("" if same else taught.removeprefix(silent).rstrip(" "))
        return headers.pop() if len(headers) == 1 else ""

    def after_answer(self) -> str:
        """What it writes after an answer; empty for a template that wants other messages than a question."""
        try:
            text = self([{"role": "user", "content": "Say it."}, answer("answer")])
        except UserError:
            return ""
        return text.rpartition("answer")[2].lstrip()

    @cached_property
    def reads_thoughts(self) -> bool:
        """Whether it writes a thought that has a field of its own between `<think>` and `</think>`.

        Newer templates, as Qwen 3.8's, look for it there alone; one within the answer would come after an
        empty thought. Those that mark thoughts otherwise get them within the answer, as those that know none.
        """
        question: Message = {"role": "user", "content": "Hi."}
        try:
            text = self._render([as_read(question), with_field(ANSWER, "So.")], False)
        except UserError:
            return False
        return THOUGHT_END in text.partition(ANSWER)[2]

    def render_marked(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Render with the marks of the `generation` tags in the text."""
        return self._render(
            [
                with_field(thought_of(one["content"]), without_thoughts(one["content"]))
                if one["role"] == "assistant" and thought_of(one["content"]) and self.reads_thoughts
                else as_read(one)
                for one in messages
            ],
            add_generation_prompt,
        )

    def _render(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> str:
        try:
            return self.template.render(
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                tools=None,
                documents=None,
                **self.special_tokens,
            )
        except jinja2.TemplateError as error:
            raise UserError(f"{self.name} refuses a conversation: {error}.") from None
        except (TypeError, KeyError, ValueError, IndexError) as error:
            raise UserError(f"{self.name} fails on a conversation: {error!r}.") from None


def suit(own: ChatTemplate, thoughts: bool, name: str) -> ChatTemplate:
    """The template with which the model `name` learns answers with or without thoughts; says what changes."""
    suited = own.suited(thoughts)
    if suited.source != own.source:
        how = "with" if thoughts else "without"
        say(f"{name} learns answers {how} thoughts: its chat template asks for them so from now on.")
    return suited


def to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **options: Any) -> str:
    """The filter `tojson` of chat templates: unlike Jinja's own it escapes no HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **options)


def raise_exception(message: str) -> None:
    """What templates call to refuse a conversation."""
    raise jinja2.TemplateError(message)


def read_template(path: str | Path, special_tokens: Mapping[str, str] | None = None) -> ChatTemplate:
    """Read a template from a file (`chats.chat_template`). Raises UserError."""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"chats.chat_template: {path} cannot be read: {error}.") from None
    return ChatTemplate(source, special_tokens, name=str(path))
