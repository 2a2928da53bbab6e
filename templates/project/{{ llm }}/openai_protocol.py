"""OpenAI's protocol for chats and completions: requests, answers, errors, and answers in pieces.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from .chat_formats import parse_turn
from .chat_template import Message, Tool
from .config import SamplingConfig
from .data_files import BadLine
from .text_pieces import Piece, joined
from .tool_calls import as_text, tools_of

SAMPLED = ("temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "seed")
NOT_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "tool_choice": ("none", "auto"), "functions": (), "function_call": ("none", "auto"),
    "logprobs": (), "top_logprobs": (), "logit_bias": (), "response_format": ({"type": "text"},), "audio": (),
    "modalities": (["text"],), "prediction": (), "reasoning_effort": (), "verbosity": ("medium",),
    "web_search_options": (), "echo": (), "suffix": ("",),
    # of vLLM and llama.cpp
    "repetition_penalty": (1,), "repeat_penalty": (1,), "typical_p": (1,), "mirostat": (), "min_tokens": (),
    "dry_multiplier": (), "xtc_probability": (), "ignore_eos": (), "stop_token_ids": (), "grammar": ("",),
    "json_schema": (), "structured_outputs": (), "guided_json": (), "guided_regex": (), "guided_choice": (),
    "guided_grammar": (), "chat_template": (), "chat_template_kwargs": (), "continue_final_message": (),
    "add_generation_prompt": (True,),
}  # fmt: skip
"""Fields that would change the answer, each with values that ask for nothing; some programs always send them.
Fields that would not, such as `user` or `store`, are ignored."""
WITHOUT_EFFECT: tuple[Any, ...] = (None, False, 0, [], {})


class ApiError(Exception):
    """An error in the form that OpenAI's clients understand."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code

    def body(self) -> dict[str, Any]:
        """The answer's content."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


class StreamOptions(BaseModel):
    """What an answer in pieces holds besides."""

    include_usage: bool | None = None


class Request(BaseModel):
    """What chats and completions have in common; `null` means the same as a missing field."""

    model_config = ConfigDict(extra="allow")

    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    best_of: int | None = None
    stop: str | list[str] | None = None

    def stops(self) -> list[str]:
        """Texts that end the answer."""
        return [text for text in ([self.stop] if isinstance(self.stop, str) else self.stop or []) if text]

    def longest(self) -> tuple[str, int | None]:
        """The field that limits the answer, and its value in tokens."""
        return "max_tokens", self.max_tokens

    def sampling(self, default: SamplingConfig) -> SamplingConfig:
        """How to choose tokens: `default` where the request says nothing. Raises ApiError."""
        limit, most = self.longest()
        if most == 0:  # which would mean the rest of the context
            raise ApiError(400, f"{limit} is 0: it must be 1 or more.", param=limit)
        asked: dict[str, Any] = {name: getattr(self, name) for name in SAMPLED}
        if self.top_p == 0:  # the likeliest token
            asked |= {"top_p": None, "temperature": 0.0}
        if self.top_k == -1:  # vLLM's word for all tokens
            asked["top_k"] = 0
        sampling = default
        for name, value in {**asked, "max_new_tokens": most}.items():
            if value is None:
                continue
            try:
                sampling = replace(sampling, **{name: value})
            except ValueError as error:
                public = limit if name == "max_new_tokens" else name
                raise ApiError(400, f"{str(error).replace(name, public)}.", param=public) from None
        return sampling

    def refuse_what_is_not_supported(self) -> None:
        """Raise ApiError for a wish that would not be met, rather than ignore it."""
        for name in ("n", "best_of"):
            if getattr(self, name) not in (None, 1):
                raise ApiError(400, f"{name} must be 1: this server gives one answer.", param=name)
        for name, value in (self.model_extra or {}).items():
            if name in NOT_SUPPORTED and value not in (*WITHOUT_EFFECT, *NOT_SUPPORTED[name]):
                raise ApiError(400, f"{name} is not supported by this server.", param=name)


class ChatRequest(Request):
    """POST /v1/chat/completions."""

    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None

    def longest(self) -> tuple[str, int | None]:
        """`max_completion_tokens` is the newer name of `max_tokens`, and goes before it."""
        if self.max_completion_tokens is not None:
            return "max_completion_tokens", self.max_completion_tokens
        return super().longest()

    def conversation(self) -> list[Message]:
        """The messages. Raises ApiError, naming the one that is wrong."""
        if not self.messages:
            raise ApiError(400, "messages is empty: it needs at least one message.", param="messages")
        try:
            return [parse_turn(message, place) for place, message in enumerate(self.messages, start=1)]
        except BadLine as mistake:
            raise ApiError(400, f"messages: {mistake}.", param="messages") from None

    def tools_to_call(self) -> list[Tool]:
        """The tools that the model may call. Raises ApiError."""
        if (self.model_extra or {}).get("tool_choice") == "none":
            return []
        try:
            return tools_of({"tools": self.tools})
        except BadLine as mistake:
            raise ApiError(400, f"The request {mistake}.", param="tools") from None


class CompletionRequest(Request):
    """POST /v1/completions."""

    prompt: str | list[str]

    def text(self) -> str:
        """The prompt. Raises ApiError for several."""
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if len(prompts) != 1:
            message = f"prompt has {len(prompts)} texts: this server takes one at a time."
            raise ApiError(400, message, param="prompt")
        return prompts[0]


class Answers:
    """Writes what goes back to the client for one request."""

    def __init__(self, model: str, *, chat: bool) -> None:
        self.chat = chat
        self.head = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, pieces: Sequence[Piece], finish_reason: str, usage: Mapping[str, int]) -> dict[str, Any]:
        """The answer at once; a thought before it stands in `reasoning_content`, as DeepSeek and vLLM do."""
        thought, text = joined(pieces)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls := [as_text(call) for piece in pieces for call in piece.calls]:
            message |= {"content": text or None, "tool_calls": calls}
        if thought:
            message["reasoning_content"] = thought
        content: dict[str, Any] = {"message": message} if self.chat else {"text": text}
        kind = "chat.completion" if self.chat else "text_completion"
        choices = [choice(content, finish_reason)]
        return {**self.head, "object": kind, "choices": choices, "usage": dict(usage)}

    def first(self) -> str:
        """The event before the pieces of a chat's answer."""
        return self.event([choice({"delta": {"role": "assistant", "content": ""}}, None)])

    def piece(self, piece: Piece) -> str:
        """An event with the next piece of text."""
        if not self.chat:
            return self.event([choice({"text": piece.text}, None)])
        if piece.calls:
            calls = [{"index": place, **as_text(call)} for place, call in enumerate(piece.calls)]
            return self.event([choice({"delta": {"tool_calls": calls}}, None)])
        name = "reasoning_content" if piece.thought else "content"
        return self.event([choice({"delta": {name: piece.text}}, None)])

    def last(self, finish_reason: str) -> str:
        """The event after the pieces."""
        return self.event([choice({"delta": {}} if self.chat else {"text": ""}, finish_reason)])

    def usage(self, usage: Mapping[str, int]) -> str:
        """The event with the numbers of tokens, after the last piece."""
        return self.event([], usage=dict(usage))

    def event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        """One server-sent event."""
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return sent({**self.head, "object": kind, "choices": choices, **more})


def choice(content: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    """The one choice of an answer."""
    return {"index": 0, **content, "logprobs": None, "finish_reason": finish_reason}


def sent(content: Mapping[str, Any]) -> str:
    """A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


DONE = "data: [DONE]\n\n"


def usage_of(prompt: int, completion: int) -> dict[str, int]:
    """Numbers of tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def describe_model(name: str, created: int) -> dict[str, Any]:
    """An entry of GET /v1/models."""
    return {"id": name, "object": "model", "created": created, "owned_by": "local"}
