"""Tools that a model may call: their definitions, the calls of them, and the calls in what a model writes."""

import json
import re
import uuid
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .chat_template import Call, Message, Tool
from .data_files import BadLine
from .text_pieces import Piece, unclear

TOOLS = ("tools", "functions")  # the second is OpenAI's former name
CALL = "<tool_call>"
CALLS = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
TAGS = re.compile(r"<function=([^>\n]+)>(.*)</function>", re.DOTALL)
ARGUMENT = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
PYTHON = {"True": "true", "False": "false", "None": "null"}  # as some templates write them


def tools_of(record: Any) -> list[Tool]:
    """The tools that a record declares, as OpenAI has them; also as JSON text, and without their wrapper.

    Raises:
        BadLine: what is wrong, as the rest of a sentence.
    """
    declared = record if isinstance(record, Mapping) else {}
    found: Any = next((declared[name] for name in TOOLS if declared.get(name)), [])
    if isinstance(found, str):
        found = decoded(found)
    if not isinstance(found, list):
        raise BadLine("has tools that are no JSON list")
    tools = []
    for place, tool in enumerate(found, start=1):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadLine(f"has tools of which number {place} has no name")
        tools.append(dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)})
    return tools


def calls_of(turn: Mapping[str, Any], place: int) -> list[Call]:
    """The calls in a turn: OpenAI's `tool_calls`, or its former `function_call`. Raises BadLine."""
    found = turn.get("tool_calls") or turn.get("function_call") or []
    return [as_call(one, place) for one in listed(found)]


def as_call(found: Any, place: int = 0) -> Call:
    """One call, from OpenAI's form or from a name with arguments or parameters, as chat templates read it.

    Raises:
        BadLine: what is wrong with it, in turn `place`.
    """
    function = found.get("function", found) if isinstance(found, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name, str):
        raise BadLine(f"turn {place} has a call that is no JSON object with a name")
    arguments = function.get("arguments", function.get("parameters")) or {}
    if isinstance(arguments, str):
        arguments = decoded(arguments)
    if not isinstance(arguments, Mapping):
        raise BadLine(f"turn {place} has arguments of {name} that are no JSON object")
    call: Call = {"type": "function", "function": {"name": name, "arguments": dict(arguments)}}
    return {"id": str(found["id"]), **call} if found.get("id") else call


def decoded(text: str) -> Any:
    """What a JSON text holds; None where it is none."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


def listed(found: Any) -> list[Any]:
    """A list, or one element as a list."""
    return found if isinstance(found, list) else [found]


def refuse_calls(messages: Iterable[Message]) -> None:
    """Raise BadLine for preferences with calls."""
    if any(called(messages)):
        raise BadLine("has calls of tools, which are learned from conversations (finetune.py) alone")


def link_answers(messages: Sequence[Message], tools: Sequence[Tool]) -> None:
    """Give each call an id, and each tool's answer the id and the name of the call that it answers.

    Where a record has neither tools nor calls, the latter are taken to be in the text.

    Raises:
        BadLine: an answer has no call before it.
    """
    structured = bool(tools) or any("tool_calls" in one for one in messages)
    waiting: list[Call] = []
    in_text, count = False, 0
    for place, message in enumerate(messages, start=1):
        if message["role"] != "tool":
            waiting = list(message.get("tool_calls", []))
            in_text = message["role"] == "assistant" and (not structured or CALL in message["content"])
            for call in waiting:
                count += 1
                call.setdefault("id", f"call{count:05}")  # nine signs, as Mistral's template wants
            continue
        wanted, name = message.get("tool_call_id"), message.get("name")
        fits = (one for one in waiting if (one["id"] == wanted if wanted else name in (None, name_of(one))))
        if found := next(fits, None):
            waiting.remove(found)
            message["tool_call_id"], message["name"] = found["id"], name_of(found)
        elif wanted or not in_text:
            what = f" ({wanted or name})" if wanted or name else ""
            raise BadLine(f"turn {place} is a tool's answer{what} without a call before it")


def called(messages: Iterable[Message]) -> Iterator[Call]:
    """All calls of a conversation."""
    for message in messages:
        yield from message.get("tool_calls", [])


def name_of(call: Call) -> str:
    """What is called."""
    return call["function"]["name"]


def names_of(some: Iterable[Mapping[str, Any]]) -> set[str]:
    """The names of tools, or of those that are called."""
    return {one["function"]["name"] for one in some}


def find_calls(text: str, tools: Sequence[Mapping[str, Any]]) -> tuple[str, list[Call]]:
    """What a model says, and the calls in it.

    Known are `<tool_call>{"name": …, "arguments": …}</tool_call>`, as Hermes and Qwen write, the same with
    Qwen 3.5's tags in it, and an answer that is JSON only, as Llama 3.1 and Mistral write; that may be
    something else, so it must name one of `tools`. Anything else stays text.
    """
    try:
        if marked := CALLS.findall(text):
            return CALLS.sub("", text).strip(), [read_marked(one, tools) for one in marked]
        if text.lstrip().startswith(("{", "[")):
            calls = [as_call(one) for one in listed(decoded(text))]
            if calls and names_of(calls) <= names_of(tools):
                return "", calls
    except BadLine:
        pass
    return text, []


def read_marked(text: str, tools: Sequence[Mapping[str, Any]]) -> Call:
    """What stands between `<tool_call>` and `</tool_call>`: JSON, or tags. Raises BadLine."""
    tags = TAGS.fullmatch(text)
    if not tags:
        return as_call(decoded(text))
    arguments = {name: typed(value, tools, tags[1], name) for name, value in ARGUMENT.findall(tags[2])}
    return as_call({"name": tags[1], "arguments": arguments})


def typed(value: str, tools: Sequence[Mapping[str, Any]], name: str, argument: str) -> Any:
    """An argument that was written without quotes, as its tool declares it: text, or else JSON."""
    declared: Any = next((tool for tool in tools if tool["function"]["name"] == name), None)
    for key in ("function", "parameters", "properties", argument, "type"):
        declared = declared.get(key) if isinstance(declared, Mapping) else None
    if declared != "string":
        with suppress(ValueError, RecursionError):
            return json.loads(PYTHON.get(value, value))
    return value


def divide_calls(pieces: Iterator[Piece], tools: Sequence[Tool]) -> Generator[Piece, None, None]:
    """Tell the calls from the rest of an answer: what may be one is held back, calls come last."""
    held, begun = "", False
    for piece in pieces:
        if piece.thought:
            yield piece
            continue
        held += piece.text
        if not begun and held.lstrip().startswith(("{", "[")):
            continue
        clear = held.find(CALL) if CALL in held else len(held) - unclear(held, [CALL])
        if clear and (begun := begun or bool(held[:clear].strip())):
            yield Piece(held[:clear])
            held = held[clear:]
    text, calls = find_calls(held, tools)
    if text:
        yield Piece(text)
    if calls:
        yield Piece("", calls=tuple({"id": new_id(), **call} for call in calls))


def new_id() -> str:
    """An id for a call; Mistral's template wants nine letters and digits."""
    return f"call{uuid.uuid4().hex[:5]}"


def as_text(call: Call) -> dict[str, Any]:
    """A call with its arguments as JSON text, as OpenAI's protocol and most files have them."""
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {"name": function["name"], "arguments": arguments}}


def comparable(said: str, calls: Iterable[Call]) -> str:
    """What was said and called, as a text that is the same whatever the order of the arguments."""
    written = [json.dumps(call["function"], ensure_ascii=False, sort_keys=True) for call in calls]
    return "\n".join(filter(None, [said.strip(), *(f"{CALL}{one}</tool_call>" for one in written)]))
