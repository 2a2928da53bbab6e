"""The formats that conversations are kept in: which one a file has, and how each is read and written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .chat_template import (
    THOUGHT_END,
    THOUGHT_FIELDS,
    Message,
    Role,
    Tool,
    thinking,
    without_thoughts,
)
from .data_files import BadLine
from .tool_calls import (
    as_call,
    as_text,
    called,
    calls_of,
    decoded,
    link_answers,
    listed,
    refuse_calls,
    tools_of,
)

ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model", "ai", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
}
SHAREGPT_ROLES: dict[Role, str] = {
    "system": "system",
    "user": "human",
    "assistant": "gpt",
    "tool": "observation",
}
LISTS = ("messages", "conversations", "conversation")
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "answer"),
    ("query", "response"),
    ("instruction", "response"),
    ("input", "output"),
    ("prompt", "answer"),
    ("问题", "回答"),
    ("问题", "答案"),
    ("提问", "回答"),
    ("问题", "回复"),
    ("问", "答"),
    ("指令", "输出"),
    ("指令", "回答"),
    ("提示词", "回答"),
    ("输入", "输出"),
)
BELOW = {"instruction": ("input", "context"), "指令": ("输入",)}  # what an instruction is about
PROMPTS = ("prompt", "question", "query", "instruction")
TEXTS = ("text", "content")
LABELS = ("label", "kto_tag")
LABEL_VALUES = {"true": True, "1": True, "false": False, "0": False}
TOOLS_LEFT_OUT = (
    "preferences whose definitions of tools were left out: what the model shall know of them must be in the "
    "system message"
)
UNDECLARED = "conversations that call a tool which is not among their tools: the model is not told of it"
THOUGHTS_MOVED = (
    "conversations whose thoughts (reasoning_content) were put before the answer, in <think> and </think>"
)
KNOWN = (
    "messages (role, content), conversations (from, value), instruction and output, prompt and completion, "
    "question and answer, 问题 and 回答, 指令 and 输出, chosen and rejected, "
    "prompt and completion and label, text"
)


class UnknownFormat(ValueError):  # noqa: N818 - the text is one sentence for the person
    """Records of which none of the formats is recognised."""


def detect_format(records: Sequence[Any]) -> tuple[str, str]:
    """Tell the format from the first records.

    Returns:
        Its name, as in `chats.format`, and the reason in a few words.

    Raises:
        UnknownFormat: with the keys that were seen and those that are known.
    """
    found = [form for record in records if (form := format_of(record))]
    if found:  # where one answer has a label, those without are mistakes
        return next((form for form in found if form[0] == "unpaired_preference"), found[0])
    keys = list(dict.fromkeys(key for record in records if isinstance(record, Mapping) for key in record))
    seen = f"it has the fields {', '.join(map(str, keys[:12]))}" if keys else "its records have no fields"
    raise UnknownFormat(f"the format is not recognised: {seen}; known are {KNOWN}")


def format_of(record: Any) -> tuple[str, str] | None:
    """Format and reason of one record; None where it fits none."""
    if isinstance(record, list) and record and isinstance(record[0], Mapping):
        return (
            ("sharegpt", "lists of from and value")
            if "from" in record[0]
            else ("messages", "lists of messages")
        )
    if not isinstance(record, Mapping):
        return None
    if "chosen" in record and "rejected" in record:
        return "preference", "fields chosen and rejected"
    found = answered_format_of(record)
    label = next((name for name in LABELS if label_of(record.get(name)) is not None), "")
    if found and label:
        return "unpaired_preference", f"{found[1]}, with {label}"
    if found:
        return found
    for name in TEXTS:
        if isinstance(record.get(name), str):
            return "text", f"field {name}"
    return None


def answered_format_of(record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Format and reason of a record with questions and answers, be they good or bad."""
    for name in LISTS:
        turns = record.get(name)
        if isinstance(turns, list):
            if turns and isinstance(turns[0], Mapping) and "from" in turns[0]:
                return "sharegpt", f"field {name} with from and value"
            return "messages", f"field {name} with role and content"
    if "instruction" in record and "output" in record:
        return "alpaca", "fields instruction and output"
    for prompt, completion in PAIRS:
        if prompt in record and completion in record:
            return "prompt_completion", f"fields {prompt} and {completion}"
    return None


def label_of(value: Any) -> bool | None:
    """Whether an answer is labelled good; None where the value is no label."""
    return LABEL_VALUES.get(str(value).strip().lower()) if isinstance(value, bool | int | str) else None


def parse(record: Any, form: str) -> list[Message]:
    """Read the messages of one record; nothing is checked about their order yet.

    A system message that stands beside the turns, in a field of its own, is not among them: see `system_of`.

    Raises:
        BadLine: what is wrong with the record, as the rest of a sentence that begins with its line.
    """
    if isinstance(record, list) and form in ("messages", "sharegpt"):
        record = {"messages": record}
    if not isinstance(record, Mapping):
        raise BadLine(f"is no JSON object but {shorten(record)}")
    if form in ("messages", "sharegpt"):
        return parse_turns(record)
    if form == "alpaca":
        return parse_alpaca(record)
    if form == "preference":
        prompt, chosen, _ = parse_preference(record)
        return [*prompt, {"role": "assistant", "content": chosen}]
    if form == "unpaired_preference":
        prompt, completion, _ = parse_labelled(record)
        return [*prompt, {"role": "assistant", "content": completion}]
    if form == "prompt_completion":
        return parse_pair(record)
    raise BadLine("holds plain text, without turns")


def system_of(record: Any) -> str:
    """The system message in a field of its own, as ShareGPT and Alpaca have it; empty where there is none."""
    system = (record.get("system") or record.get("system_prompt")) if isinstance(record, Mapping) else ""
    return system.strip() if isinstance(system, str) else ""


def parse_turns(record: Mapping[str, Any]) -> list[Message]:
    """OpenAI's messages and ShareGPT's conversations."""
    name = next((name for name in LISTS if name in record), None)
    if name is None:
        raise BadLine(f"has no field messages or conversations; its fields are {fields(record)}")
    if not isinstance(record[name], list):
        raise BadLine(f"has {shorten(record[name])} in {name} instead of a list")
    if not record[name]:
        raise BadLine("is an empty conversation")
    messages = [parse_turn(turn, place) for place, turn in enumerate(record[name], start=1)]
    link_answers(messages, tools_of(record))
    return messages


def parse_turn(turn: Any, place: int) -> Message:
    """One turn: role and content, or from and value."""
    if not isinstance(turn, Mapping):
        raise BadLine(f"turn {place} is no object with a role but {shorten(turn)}")
    role = turn.get("role", turn.get("from"))
    if role is None:
        raise BadLine(f"turn {place} has no role; its fields are {fields(turn)}")
    if not isinstance(role, str) or role.strip().lower() not in ROLES:
        raise BadLine(f"turn {place} has the role {shorten(role)}; known are {', '.join(ROLES)}")
    calls = calls_of(turn, place)
    name = "content" if "content" in turn else "value"
    if name not in turn and not calls:
        raise BadLine(f"turn {place} has no content; its fields are {fields(turn)}")
    weight = turn.get("weight")
    if weight not in (None, 0, 1):
        raise BadLine(f"turn {place} has the weight {shorten(weight)}; known are 0 (read) and 1 (learned)")
    message: Message = {
        "role": ROLES[role.strip().lower()],
        "content": text_of(turn.get(name), f"turn {place}"),
    }
    if role.strip().lower() == "function_call":  # of ShareGPT: JSON, perhaps after a thought
        thought, end, call = message["content"].rpartition(THOUGHT_END)
        calls = [as_call(one, place) for one in listed(decoded(call))]
        message["content"] = thought + end
    if calls and message["role"] != "assistant":
        raise BadLine(f"turn {place} has calls of tools, but is the {message['role']}'s")
    if calls:
        message["tool_calls"] = calls
    if message["role"] == "tool":
        if turn.get("tool_call_id"):
            message["tool_call_id"] = str(turn["tool_call_id"])
        if turn.get("name"):
            message["name"] = str(turn["name"])
    if message["role"] == "assistant":
        message["content"] = with_thoughts(message["content"], thoughts_of(turn))
        if weight == 0:
            message["weight"] = 0
    return message


def thoughts_of(turn: Mapping[str, Any]) -> str:
    """What the assistant thinks, where it stands in a field of its own; empty where there is none."""
    found = next((turn[name] for name in THOUGHT_FIELDS if isinstance(turn.get(name), str)), "")
    return found.strip()


def with_thoughts(content: str, thoughts: str) -> str:
    """An answer with the thoughts before it, as models that think write them."""
    if not thoughts or THOUGHT_END in content:  # it has them already
        return content
    return thinking(thoughts, content.lstrip())


def remarks(record: Any) -> Iterator[str]:
    """What is not taken from a record as it stands: each remark once."""
    if not isinstance(record, Mapping):
        return
    turns: list[Any] = next((record[name] for name in LISTS if isinstance(record.get(name), list)), [])
    if any(isinstance(turn, Mapping) and thoughts_of(turn) for turn in turns):
        yield THOUGHTS_MOVED


def text_of(content: Any, where: str) -> str:
    """A turn's text, also where it comes as a list of parts."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [part if isinstance(part, str) else part_text(part, where) for part in content]
        return "".join(parts)
    raise BadLine(f"{where} has {shorten(content)} as its content instead of text")


def part_text(part: Any, where: str) -> str:
    """The text of one part of a content list."""
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, Mapping) else part
    raise BadLine(f"{where} has a part that is not text: {shorten(kind)}")


def parse_alpaca(record: Mapping[str, Any]) -> list[Message]:
    """Instruction, with or without an input below it, earlier rounds in `history`, and the output."""
    messages: list[Message] = []
    for name in ("instruction", "output"):
        if not isinstance(record.get(name), str):
            raise BadLine(f"has no text in {name}; its fields are {fields(record)}")
    for pair in record.get("history") or []:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadLine(f"has {shorten(pair)} in history instead of pairs of question and answer")
        messages += exchange(text_of(pair[0], "history"), text_of(pair[1], "history"))
    given = text_of(record.get("input"), "input")
    question = "\n".join(text for text in (record["instruction"], given) if text.strip())
    return messages + exchange(question, record["output"])


def parse_pair(record: Mapping[str, Any]) -> list[Message]:
    """A prompt and its completion, each text or a list of messages."""
    for prompt, completion in (*PAIRS, ("instruction", "output")):
        if prompt in record and completion in record:
            break
    else:
        raise BadLine(f"has no prompt and completion; its fields are {fields(record)}")
    messages = as_messages(record[prompt], "user")
    for name in BELOW.get(prompt, ()):
        if isinstance(record.get(name), str) and record[name].strip():
            messages[-1]["content"] += f"\n{record[name]}"
    messages += as_messages(record[completion], "assistant")
    link_answers(messages, tools_of(record))
    return messages


def parse_preference(record: Any) -> tuple[list[Message], str, str]:
    """The prompt's messages, the better and the worse answer. Raises BadLine."""
    if not isinstance(record, Mapping):
        raise BadLine(f"is no JSON object but {shorten(record)}")
    for name in ("chosen", "rejected"):
        if record.get(name) in (None, "", []):
            raise BadLine(f"has nothing in {name}; its fields are {fields(record)}")
    chosen = as_messages(record["chosen"], "assistant")
    rejected = as_messages(record["rejected"], "assistant")
    asked = next((name for name in PROMPTS if record.get(name)), "")
    prompt = as_messages(record[asked], "user") if asked else []
    refuse_calls([*prompt, *chosen, *rejected])
    if len(chosen) > 1 or len(rejected) > 1:  # whole conversations that differ in the last turn
        if chosen[:-1] != rejected[:-1]:
            raise BadLine("chosen and rejected differ before the last turn")
        begun = [] if chosen[: len(prompt)] == prompt else prompt
        prompt = begun + chosen[:-1]
    if not prompt:
        raise BadLine(f"has no prompt; its fields are {fields(record)}")
    for name, messages in (("chosen", chosen), ("rejected", rejected)):
        if messages[-1]["role"] != "assistant":
            raise BadLine(f"the last turn of {name} is the {messages[-1]['role']}'s, not the assistant's")
        if not without_thoughts(messages[-1]["content"]):
            raise BadLine(f"the answer in {name} is empty")
    return prompt, chosen[-1]["content"], rejected[-1]["content"]


def parse_labelled(record: Any) -> tuple[list[Message], str, bool]:
    """The prompt's messages, the answer, and whether it is a good one. Raises BadLine."""
    if not isinstance(record, Mapping):
        raise BadLine(f"is no JSON object but {shorten(record)}")
    name = next((name for name in LABELS if name in record), None)
    if name is None:
        raise BadLine(f"has no label; its fields are {fields(record)}")
    label = label_of(record[name])
    if label is None:
        raise BadLine(f"has {shorten(record[name])} in {name}; known are true (good) and false (bad)")
    form, _ = answered_format_of(record) or ("prompt_completion", "")
    turns = parse(record, form)
    refuse_calls(turns)
    if turns[-1]["role"] != "assistant":
        raise BadLine(f"its last turn is the {turns[-1]['role']}'s, not the assistant's, which {name} is for")
    if not without_thoughts(turns[-1]["content"]):
        raise BadLine("its answer is empty")
    # A label is for the last answer, whatever weights there are.
    prompt: list[Message] = [{"role": turn["role"], "content": turn["content"]} for turn in turns[:-1]]
    return prompt, turns[-1]["content"], label


def as_messages(content: Any, role: Role) -> list[Message]:
    """A text as one message, or the messages of a list."""
    if isinstance(content, list) and content and isinstance(content[0], Mapping) and "type" not in content[0]:
        return [parse_turn(turn, place) for place, turn in enumerate(content, start=1)]
    return [{"role": role, "content": text_of(content, f"the {role}'s text")}]


def exchange(question: str, answer: str) -> list[Message]:
    """A question of the user and the assistant's answer."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write(messages: Sequence[Message], form: str, tools: Sequence[Tool] = ()) -> dict[str, Any]:
    """One record in a format: the opposite of `parse`.

    Raises:
        BadLine: the format cannot hold this conversation.
    """
    if form == "messages":
        declared: dict[str, Any] = {"tools": list(tools)} if tools else {}
        return {"messages": [openai_turn(message) for message in messages], **declared}
    if form == "sharegpt":
        functions = json.dumps([tool["function"] for tool in tools], ensure_ascii=False)
        declared = {"tools": functions} if tools else {}
        return {"conversations": [sharegpt_turn(message) for message in messages], **declared}
    if tools or any(called(messages)):
        raise BadLine(f"has tools, which {form} cannot hold")
    if any("weight" in one for one in messages):
        raise BadLine(f"has an answer of weight 0, which {form} cannot hold")
    system = [one["content"] for one in messages if one["role"] == "system"]
    turns = [one for one in messages if one["role"] != "system"]
    if form == "prompt_completion":
        if len(turns) != 2 or system:
            raise BadLine(
                "has a system message or more turns than two, which prompt and completion cannot hold"
            )
        return {"prompt": turns[0]["content"], "completion": turns[1]["content"]}
    roles = [one["role"] for one in turns]
    if roles != ["user", "assistant"] * (len(turns) // 2):
        raise BadLine("has turns that Alpaca cannot hold: only user and assistant in turn")
    texts = [one["content"] for one in turns]
    history = [texts[place : place + 2] for place in range(0, len(texts) - 2, 2)]
    record = {"instruction": texts[-2], "input": "", "output": texts[-1]}
    return {**record, "system": "\n".join(system), "history": history}


def openai_turn(message: Message) -> dict[str, Any]:
    """A turn in the format `messages`."""
    calls = [as_text(call) for call in message.get("tool_calls", [])]
    return {**message, "tool_calls": calls} if calls else dict(message)


def sharegpt_turn(message: Message) -> dict[str, Any]:
    """A turn in the format `sharegpt`. Raises BadLine."""
    turn: dict[str, Any] = {"from": SHAREGPT_ROLES[message["role"]], "value": message["content"]}
    if calls := [call["function"] for call in message.get("tool_calls", [])]:
        if without_thoughts(message["content"]):
            raise BadLine("has a turn that says something and calls a tool, which sharegpt cannot hold")
        called = json.dumps(calls if len(calls) > 1 else calls[0], ensure_ascii=False)
        turn = {"from": "function_call", "value": message["content"] + called}
    return {**turn, "weight": message["weight"]} if "weight" in message else turn


def write_labelled(prompt: Sequence[Message], completion: str, good: bool) -> dict[str, Any]:
    """One record of unpaired preferences, as trl has them: an answer that is good or bad."""
    answered: Message = {"role": "assistant", "content": completion}
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in prompt]
    return {"prompt": turns, "completion": [answered], "label": good}


def fields(record: Mapping[str, Any]) -> str:
    """A record's fields, for an error message."""
    return ", ".join(map(str, list(record)[:12])) or "none"


def shorten(value: Any) -> str:
    """A value as it would be written, not longer than a few words."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
