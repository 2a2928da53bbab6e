"""Chat templates: how a conversation becomes the one text that the model sees.

A template is written in Jinja and comes with the tokenizer, so it is rendered in a sandbox, with the same
extensions and functions as in transformers' `apply_chat_template`.
"""

import json
from collections.abc import Mapping, Sequence
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


Tool = dict[str, Any]  # {"type": "function", "function": {"name": …, "description": …, "parameters": …}}


class Function(TypedDict):
    """What is called: a tool's name, and the arguments for it."""

    name: str
    arguments: dict[str, Any]


class Call(TypedDict):
    """The call of a tool."""

    type: Literal["function"]
    function: Function
    id: NotRequired[str]


class Message(TypedDict):
    """One turn of a conversation; an answer of weight 0 is read, but not learned.

    An answer may have calls of tools (`tool_calls`); a tool's answer says which of them it answers.
    """

    role: Role
    content: str
    weight: NotRequired[int]
    tool_calls: NotRequired[list[Call]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


Span = tuple[int, int]  # characters from, up to but not with

END_OF_TURN = "<|im_end|>"
CHATML = """\
{%- if tools -%}
    {{- '<|im_start|>system\\n' -}}
    {%- if messages[0]['role'] == 'system' -%}{{- messages[0]['content'] + '\\n\\n' -}}{%- endif -%}
    {{- 'Tools that can be called:\\n<tools>\\n' -}}
    {%- for tool in tools -%}{{- tool | tojson + '\\n' -}}{%- endfor -%}
    {{- '</tools>\\nA call is written so:\\n<tool_call>\\n{"name": NAME, "arguments": OBJECT}\\n' -}}
    {{- '</tool_call><|im_end|>\\n' -}}
{%- endif -%}
{%- for message in (messages[1:] if tools and messages[0]['role'] == 'system' else messages) -%}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] -}}
    {%- for call in message['tool_calls'] or [] -%}
        {{- '\\n' if message['content'] or not loop.first -}}
        {{- '<tool_call>\\n{"name": ' + call['function']['name'] | tojson -}}
        {{- ', "arguments": ' + call['function']['arguments'] | tojson + '}\\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
THOUGHT, THOUGHT_END = "<think>", "</think>"
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")  # of messages, in templates that read one
ANSWER, TOOL = "\ufdd2", "\ufdd3"  # Unicode keeps them out of texts: they may mark places in one

# What `ChatTemplate.suited` puts around a template.
OWN, OWN_END = "{# The model's own template: #}\n", "{# How it asks for an answer: #}"
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


class GenerationTag(Extension):
    """`{% generation %}` … `{% endgeneration %}`, around what the assistant writes.

    trl reads them. Here nothing is learned that the template does not ask for, with such tags or without.
    """

    tags = {"generation"}  # noqa: RUF012 - the name and type that Jinja asks for

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Leave the tags out."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


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

    def __call__(
        self, messages: Sequence[Message], add_generation_prompt: bool = False, tools: Sequence[Tool] = ()
    ) -> str:
        """Render a conversation, and at its end the header of the assistant's turn where asked for.

        Args:
            messages: The conversation.
            add_generation_prompt: Whether to add that header.
            tools: What the model may call.

        Raises:
            UserError: the template refuses the conversation, such as one with a system message, or writes no
                tools.
        """
        if (tools or any(one.get("tool_calls") for one in messages)) and not self.knows_tools:
            raise UserError(
                f"{self.name} does not write tools and their calls: name one that does in "
                "chats.chat_template, or take them out (tools, tool_calls)."
            )
        return self.write(self.given(messages), add_generation_prompt, tools)

    def given(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The messages as the template is given them.

        Thoughts stand in the field that it reads, or else before what is said. Those of answers before the
        last question are left out: few who chat give them back to a model, and most templates drop them.
        """
        question = max((place for place, one in enumerate(messages) if one["role"] == "user"), default=-1)
        found = []
        for place, one in enumerate(messages):
            message: dict[str, Any] = {name: value for name, value in one.items() if name != "weight"}
            if one["role"] == "assistant" and THOUGHT_END in one["content"]:
                thought = thought_of(one["content"]) if place > question else ""
                if not thought or self.thought_field:
                    message["content"] = without_thoughts(one["content"])
                if thought and self.thought_field:
                    message[self.thought_field] = thought
            found.append(message)
        return found

    @cached_property
    def thought_field(self) -> str:
        """The field of a message from which it writes thoughts, before `</think>`; empty: it has none.

        Newer templates, as Qwen 3.8's, look for a thought there alone. Those that mark thoughts otherwise, as
        gpt-oss's, get them within the answer, as those that know none: in use `<think>` alone is known.
        """
        for field in THOUGHT_FIELDS:
            messages = [
                {"role": "user", "content": "Hi."},
                {"role": "assistant", "content": "So.", field: ANSWER},
            ]
            try:
                text = self.write(messages, False)
            except UserError:
                continue
            _, found, after = text.partition(ANSWER)
            if found and ANSWER not in after and THOUGHT_END in after.partition("So.")[0]:
                return field
        return ""

    @cached_property
    def knows_tools(self) -> bool:
        """Whether it writes the tools that there are, and the calls of them."""
        call = {"id": "call00001", "type": "function", "function": {"name": ANSWER, "arguments": {}}}
        messages: list[dict[str, Any]] = [
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ]
        tool = {"name": TOOL, "description": "", "parameters": {"type": "object", "properties": {}}}
        try:
            text = self.write(messages, False, [{"type": "function", "function": tool}])
        except UserError:
            return False
        return ANSWER in text and TOOL in text

    def suited(self, thoughts: bool) -> "ChatTemplate":
        """The template for a model that is taught answers with or without thoughts (`<think>`).

        Where what stands before a finished answer, after which it is learned, is not what asks for an answer,
        the template is changed, for every program that reads it. If it knows `enable_thinking` it is told
        that none are wanted, or, where it asks for none by itself, that they are. The header becomes what
        stands before a finished answer; with thoughts, which the model shall learn to write, what stands
        before them: DeepSeek R1's template has `<think>\\n` only in the header. An older answer gets the same
        header as the last: Qwen 3's template has `<think>\\n\\n</think>\\n\\n` before the last one only.
        Where all agrees it stays as it is.
        """
        own = ChatTemplate(own_source(self.source), self.special_tokens, self.name)
        told = "enable_thinking" in own.source and (not thoughts or THOUGHT_END in own.asked_header())
        direct = f"{{% set enable_thinking = {str(thoughts).lower()} %}}\n" if told else ""
        template = own.wrapped(direct) if direct else own
        header = template.taught_header(thoughts)
        older = "" if thoughts else template.older_header(header)
        if header or older:
            return own.wrapped(direct, header or template.asked_header(), older)
        return template

    def wrapped(self, before: str, header: str = "", older: str = "") -> "ChatTemplate":
        """This template with settings before it, and after it the header that asks for an answer.

        `older` is the header that it writes before older answers, if that shall be `header`, too.
        """
        text = self.source.removesuffix("\n")  # as Jinja does at the end of a template
        if header:
            after = f"{AFTER_OWN}{{{{ {header!r} }}}}{{% endif %}}"
            before += BEFORE_OWN
            if older:
                # The header of the last answer becomes too long by that, and is set right again.
                longer = header + header.removeprefix(older)
                before += "{% set chat %}\n"
                replaced = f"chat.replace({older!r}, {header!r}).replace({longer!r}, {header!r})"
                after = f"{{% endset %}}{{{{ {replaced} }}}}{after}"
            text = f"{text}{OWN_END}{after}"
        else:
            text += OWN_END
        return ChatTemplate(f"{before}{OWN}{text}", self.special_tokens, self.name)

    def taught_header(self, thoughts: bool) -> str:
        """What stands before the answer in a finished conversation; empty where it is as when asked for."""
        content = thinking(ANSWER, "So.") if thoughts else ANSWER
        headers = set()
        for roles in PROBES:
            before: list[Message] = [{"role": role, "content": "Hi."} for role in roles]
            try:
                asked, silent = self(before, True), self(before, False)
                finished = self([*before, answer(content)], False)
            except UserError:  # such as a template that takes no system message
                continue
            taught, found, _ = finished.partition(ANSWER)
            if not found or not taught.startswith(silent):
                return ""
            same = taught.startswith(asked)
            if thoughts:
                taught = taught.rstrip().removesuffix(THOUGHT)
            else:
                same = same and not taught.removeprefix(asked).strip()
            # A space before an answer is no part of the header: it is in one token with the first word.
            same = same and not asked.endswith(" ")
            headers.add("" if same else taught.removeprefix(silent).rstrip(" "))
        return headers.pop() if len(headers) == 1 else ""

    def asked_header(self) -> str:
        """What it writes to ask for an answer; empty for a template that wants other messages."""
        question: list[Message] = [{"role": "user", "content": "Hi."}]
        try:
            asked, silent = self(question, True), self(question, False)
        except UserError:
            return ""
        return asked.removeprefix(silent) if asked.startswith(silent) else ""

    def older_header(self, header: str) -> str:
        """What it writes before an answer that is not the last, where that is the beginning of the header.

        The header is `header`, or else the template's own. Empty where older answers have the same one.
        """
        header = header or self.asked_header()
        question: list[Message] = [{"role": "user", "content": "Hi."}]
        try:
            text = self([*question, answer(ANSWER), {"role": "user", "content": "And?"}], False)
            silent = self(question, False)
        except UserError:
            return ""
        written, found, _ = text.partition(ANSWER)
        older = written.removeprefix(silent)
        fits = found and written.startswith(silent) and older.strip() and header.startswith(older)
        return older if fits and header.removeprefix(older).strip() else ""

    def after_answer(self) -> str:
        """What it writes after an answer, or else, where it writes nothing, before the next question.

        Empty for a template that wants other messages than questions and answers.
        """
        question: list[Message] = [{"role": "user", "content": "Say it."}]
        try:
            text = self([*question, answer(ANSWER)])
            if after := text.rpartition(ANSWER)[2].lstrip():
                return after
            text = self([*question, answer(ANSWER), {"role": "user", "content": "Again."}])
        except UserError:
            return ""
        return text.rpartition(ANSWER)[2].partition("Again.")[0].lstrip()

    def write(
        self, messages: Sequence[Mapping[str, Any]], add_generation_prompt: bool, tools: Sequence[Tool] = ()
    ) -> str:
        """Render messages as they are. Raises UserError."""
        try:
            return self.template.render(
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                tools=list(tools) or None,
                documents=None,
                **self.special_tokens,
            )
        except jinja2.TemplateError as error:
            raise UserError(f"{self.name} refuses a conversation: {error}.") from None
        except (TypeError, KeyError, ValueError, IndexError) as error:
            raise UserError(f"{self.name} fails on a conversation: {error!r}.") from None


def own_source(source: str) -> str:
    """A template without what `ChatTemplate.suited` has put around it."""
    if OWN in source:
        return source.partition(OWN)[2].rpartition(OWN_END)[0]
    if source.startswith(BEFORE_OWN):  # as it was written by projects of templates before 0.8.0
        return source.removeprefix(BEFORE_OWN).rpartition(AFTER_OWN)[0]
    return source


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
