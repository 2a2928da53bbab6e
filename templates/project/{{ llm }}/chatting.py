"""Chat in the terminal: answers come piece by piece, and what was said is remembered while it fits."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from .chat_template import Message, thinking
from .commands import command
from .config import ChatConfig, SamplingConfig
from .config_file import nearest
from .console import say
from .errors import UserError
from .opened_model import OpenedModel, check_length, conversation, cut_by, open_model
from .predicting import show
from .text_pieces import Piece, Written, joined

COMMANDS = {
    "/help": "these lines",
    "/retry": "another answer to the last question",
    "/reset": "forget the conversation",
    "/system TEXT": "set the system message and forget the conversation; without TEXT: none",
    "/save FILE": "append the conversation to a JSONL file, in the format that finetune.py reads",
    "/exit": "end; so do Ctrl-D, and Ctrl-C twice",
}
ROOM = 4  # at least this part of the context is left free for an answer, unless max_new_tokens is smaller
Ask = Callable[[], str]
"""Asks for a line; raises EOFError at the end of the input, KeyboardInterrupt at Ctrl-C."""


class Conversation:
    """What was said so far, and the model that answers."""

    def __init__(self, opened: OpenedModel, sampling: SamplingConfig, system: str = "") -> None:
        self.opened, self.sampling = opened, sampling
        self.seeds = random.Random(sampling.seed)  # each answer has its own: asking again gives another
        self.restart(system)

    def restart(self, system: str) -> None:
        """Forget everything, with another system message."""
        self.system = system
        self.messages: list[Message] = conversation("", system)[:-1]

    def answer(self, text: str) -> Generator[Piece, None, Written]:
        """Yield the answer piece by piece; it is remembered as far as it came, with the question.

        The thought before it is remembered, too: the chat template leaves out what the model is not to read
        again. A thought without an answer is forgotten.

        Raises UserError for a question that does not fit the context.
        """
        question: Message = {"role": "user", "content": text}
        if not self.opened.chats:
            self.restart(self.system)  # each text is continued for itself
        check_length(self.opened, [*conversation("", self.system)[:-1], question], "What you wrote")
        self.forget_oldest(question)
        self.messages.append(question)
        so_far: list[Piece] = []
        sampling = replace(self.sampling, seed=self.seeds.getrandbits(32))
        try:
            with closing(self.opened.stream(self.messages, sampling)) as pieces:
                while True:
                    try:
                        piece = next(pieces)
                    except StopIteration as end:
                        written: Written = end.value
                        return written
                    so_far.append(piece)
                    yield piece
        finally:
            thought, said = joined(so_far)
            if said.strip():
                content = thinking(thought, said.strip()) if thought else said.strip()
                self.messages.append({"role": "assistant", "content": content})
            else:
                self.messages.pop()  # nothing was answered: the next question takes its place

    def take_back(self) -> str:
        """Forget the last question and its answer; gives the question. Raises UserError."""
        if self.sampling.temperature == 0:
            raise UserError(
                "At temperature 0 there is one answer only: start again with --sampling.temperature 0.7."
            )
        asked = [place for place, message in enumerate(self.messages) if message["role"] == "user"]
        if not asked:
            raise UserError("Nothing was answered yet, so there is nothing to try again.")
        question = self.messages[asked[-1]]["content"]
        del self.messages[asked[-1] :]
        return question

    def forget_oldest(self, question: Message) -> None:
        """Leave out the oldest turns, but the system message, until there is room for an answer."""
        context = self.opened.model.context
        room = self.sampling.longest(context // ROOM)
        first = 1 if self.system else 0
        forgotten = 0
        while len(self.messages) > first and self.opened.length([*self.messages, question]) + room > context:
            stop = first + 1
            while stop < len(self.messages) and self.messages[stop]["role"] != "user":
                stop += 1
            del self.messages[first:stop]
            forgotten += 1
        if forgotten:
            what = "question is" if forgotten == 1 else f"{forgotten} questions are"
            say(f"(The context of {context:,} tokens is full: the oldest {what} forgotten.)")

    def save(self, file: Path) -> None:
        """Append the conversation as one line of JSON. Raises UserError."""
        if not any(message["role"] == "assistant" for message in self.messages):
            raise UserError("Nothing was answered yet, so there is nothing to save.")
        line = json.dumps({"messages": self.messages}, ensure_ascii=False)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8", newline="\n") as lines:
                lines.write(line + "\n")
        except OSError as error:
            raise UserError(f"{file} cannot be written: {error.strerror}.") from None


def chat(config: ChatConfig) -> None:
    """Talk to a model until /exit or the end of the input."""
    opened = open_model(config.run)
    say(f"{opened.model.name}: {opened.model.parameters:,} weights, context {opened.model.context:,} tokens.")
    if not opened.chats:
        say("It was not taught to chat: it continues each text that you write (finetune.py teaches it).")
    say("Write and press Enter. /help lists the commands, Ctrl-C stops an answer, /exit ends.")
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    system = config.system or opened.system
    if system and opened.chats:
        say(f"System message: {system}")
    talk(Conversation(opened, config.sampling, system), ask_at(in_terminal))


def talk(now: Conversation, ask: Ask) -> None:
    """Ask, answer, and so on."""
    interrupted = False
    while True:
        try:
            text = ask().strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            if interrupted:
                return
            interrupted = True
            say("(Ctrl-C once more ends.)")
            continue
        interrupted = False
        try:
            if text == "/retry":
                text = now.take_back()
            if text.startswith("/"):
                if not obey(text, now):
                    return
            elif text:
                with closing(now.answer(text)) as pieces:
                    written = show(pieces)
                if written.cut and now.opened.chats:
                    say(f"(The answer is {cut_by(written, now.sampling)}.)")
        except KeyboardInterrupt:
            say("\n(Stopped.)")
        except UserError as error:
            say(f"({error})")


def obey(text: str, now: Conversation) -> bool:
    """Carry out a command; False where it ends the chat."""
    name, _, rest = text.partition(" ")
    rest = rest.strip()
    if name in ("/exit", "/quit"):
        return False
    if name == "/help":
        for usage, meaning in COMMANDS.items():
            say(f"{usage:14}{meaning}")
    elif name == "/reset":
        now.restart(now.system)
        say("(A new conversation.)")
    elif name == "/system":
        now.restart(rest)
        say(f"(A new conversation, with the system message: {rest})" if rest else "(A new conversation.)")
    elif name == "/save":
        file = Path(rest or "data/my_chats.jsonl")
        now.save(file)
        say(f"(Appended to {file}.)")
    else:
        near = nearest(name, [usage.split()[0] for usage in COMMANDS])
        say(f"(There is no command {name}{near}; see /help.)")
    return True


def ask_at(terminal: bool) -> Ask:
    """How to ask for a line: with editing and history in a terminal, plainly where the input is a pipe."""
    if not terminal:
        return lambda: input("> ")
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    return lambda: session.prompt("> ")


chat_command = command(chat, ChatConfig, "chat")
