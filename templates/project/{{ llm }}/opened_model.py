"""A trained model opened to be used: by predict, chat and serve alike."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .bases import lineage, resolve_model
from .chat_template import Message, Tool
from .config import SamplingConfig, TrainConfig
from .errors import UserError
from .run_selection import MODEL
from .runs import open_run
from .text_pieces import Piece, Written, divide

if TYPE_CHECKING:
    from .text_model import TextModel


@dataclass(frozen=True)
class OpenedModel:
    """A model, whether it was taught to chat, and the system message that it was taught with."""

    model: TextModel
    chats: bool
    system: str = ""

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
        """What the model reads: the messages in its chat template; else the last one, which it continues.

        Raises UserError where it can call no tools, or its template refuses the messages.
        """
        if tools and not self.chats:
            raise UserError(f"{self.model.name} was not taught to chat: it can call no tools.")
        if not self.chats:
            return messages[-1]["content"]
        return self.model.render(list(messages), True, tools)

    def stream(
        self, messages: Sequence[Message], sampling: SamplingConfig
    ) -> Generator[Piece, None, Written]:
        """Yield what the model answers piece by piece, and return the whole as it was written."""
        prompt = self.prompt(messages)
        return divide(self.model.stream(prompt, sampling), prompt)

    def length(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> int:
        """Tokens of `prompt`."""
        return len(self.model.encode(self.prompt(messages, tools)).tokens)


def open_model(run: str) -> OpenedModel:
    """Open what `run` means: `latest`, a run, a model's folder, or a name on the hub. Raises UserError."""
    from .text_model import open_text_model  # imports the framework, which --help does without

    folder = resolve_model(run, "train", "finetune", "align")
    model = open_text_model(folder)
    chats = model.has_chat_template and not only_pretrained(Path(folder))
    return OpenedModel(model, chats, taught_system(Path(folder)))


def only_pretrained(model: Path) -> bool:
    """Whether a model comes from train.py, from nothing: it has a chat template, but has seen no chats."""
    if model.name != MODEL or not (model.parent / "config.yaml").is_file():
        return False
    run = open_run(model.parent)
    return run.stage == "train" and not run.read_config(TrainConfig).base


def taught_system(model: Path) -> str:
    """The system message that conversations without one were learned with; empty: none.

    That of the run that the model lies in, or of the nearest one before it that had any: it may have been
    aligned or exported since.
    """
    for _, settings in lineage(model):
        data = settings.get("chats") or settings.get("pairs") or {}
        if data.get("system"):
            return str(data["system"])
    return ""


def with_system(messages: Sequence[Message], system: str) -> list[Message]:
    """The messages after a system message, where they have none of their own."""
    if not system or messages[0]["role"] == "system":
        return list(messages)
    return [{"role": "system", "content": system}, *messages]


def conversation(text: str, system: str = "") -> list[Message]:
    """One question of the user, after a system message where there is one."""
    return with_system([{"role": "user", "content": text}], system)


def cut_by(written: Written, sampling: SamplingConfig) -> str:
    """What cut a text short, in words."""
    if written.tokens == sampling.max_new_tokens:
        return f"cut at {written.tokens:,} tokens (sampling.max_new_tokens)"
    return f"cut after {written.tokens:,} tokens, where the context is full"


def check_length(
    opened: OpenedModel, messages: Sequence[Message], what: str, tools: Sequence[Tool] = ()
) -> None:
    """Raise UserError, about `what`, where the messages leave no room for an answer."""
    length, context = opened.length(messages, tools), opened.model.context
    if length >= context:
        raise UserError(
            f"{what} has {length:,} tokens, but {opened.model.name} reads at most {context:,}, its answer "
            "included: shorten it."
        )
