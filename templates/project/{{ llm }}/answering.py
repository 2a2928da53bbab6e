"""Answers as the server gives them: piece by piece, until a stop text, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from .chat_template import Tool
from .config import SamplingConfig
from .openai_protocol import ApiError, usage_of
from .opened_model import OpenedModel
from .text_pieces import Piece, divide, unclear
from .tool_calls import divide_calls


class Answer:
    """One answer as it is written; in a chat the thought before it, and calls of its tools, are told apart.

    Attributes:
        finish_reason: `stop` for an answer that has ended, `tool_calls` for one that has ended with calls,
            `length` for one that was cut off.
        tokens: How many were written.
    """

    def __init__(
        self,
        opened: OpenedModel,
        prompt: str,
        sampling: SamplingConfig,
        stops: list[str],
        *,
        chat: bool,
        tools: Sequence[Tool] = (),
    ) -> None:
        self.model, self.prompt, self.sampling, self.stops = opened.model, prompt, sampling, stops
        self.chat, self.tools = chat, tools
        self.finish_reason, self.tokens = "stop", 0
        self.prompt_tokens = len(self.model.encode(prompt).tokens)
        if self.prompt_tokens >= self.model.context:
            message = (
                f"This model's maximum context length is {self.model.context} tokens, the answer included; "
                f"the prompt has {self.prompt_tokens}."
            )
            raise ApiError(400, message, code="context_length_exceeded")

    def pieces(self) -> Generator[Piece, None, None]:
        """Yield what is written, piece by piece."""
        if not self.chat:
            yield from map(Piece, self.texts())
            return
        with closing(divide(self.texts(), self.prompt)) as pieces:
            for piece in divide_calls(pieces, self.tools) if self.tools else pieces:
                if piece.calls and self.finish_reason == "stop":
                    self.finish_reason = "tool_calls"
                yield piece

    def texts(self) -> Generator[str, None, None]:
        """Yield the text up to a stop text; what may become a stop text is held back until it is clear."""
        text = held = ""
        with closing(self.model.stream(self.prompt, self.sampling)) as stream:
            while True:
                try:
                    piece = next(stream)
                except StopIteration as end:
                    self.tokens, self.finish_reason = end.value.tokens, end.value.finish_reason
                    break
                text, held = text + piece, held + piece
                found = min((at for stop in self.stops if (at := held.find(stop)) >= 0), default=-1)
                if found >= 0:
                    self.tokens = len(self.model.encode(text).tokens)
                    yield held[:found]
                    return
                clear = len(held) - unclear(held, self.stops)
                if clear:
                    yield held[:clear]
                    held = held[clear:]
        if held:
            yield held

    def usage(self) -> dict[str, int]:
        """Numbers of tokens."""
        return usage_of(self.prompt_tokens, self.tokens)


class Writer:
    """Lets the model write one answer at a time, in a thread of its own; the other requests wait."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.turn = asyncio.Lock()
        self.ended = asyncio.Event()  # set when the server is stopped

    async def write(self, answer: Answer) -> AsyncGenerator[Piece, None]:
        """Yield the pieces of an answer; writing stops when this generator is closed or cancelled.

        Raises ApiError when the server is stopped.
        """
        async with self.turn:
            pieces = answer.pieces()
            loop, ended = asyncio.get_running_loop(), asyncio.create_task(self.ended.wait())
            try:
                while True:
                    step = loop.run_in_executor(self.thread, next, pieces, None)
                    either: set[asyncio.Future[Any]] = {step, ended}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    if self.ended.is_set():
                        raise ApiError(503, "The server is being stopped.")
                    if (piece := step.result()) is None:
                        return
                    yield piece
            finally:
                ended.cancel()
                self.thread.submit(pieces.close)  # after the step that may still run there
