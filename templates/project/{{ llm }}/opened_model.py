"""A trained model opened to be used: by predict, chat and serve alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .bases import resolve_model
from .chat_template import Message
from .config import TrainConfig
from .errors import UserError
from .run_selection import MODEL
from .runs import open_run

if TYPE_CHECKING:
    from .text_model import TextModel


@dataclass(frozen=True)
class OpenedModel:
    """A model, and whether it was taught to chat."""

    model: TextModel
    chats: bool

    def prompt(self, messages: Sequence[Message]) -> str:
        """What the model reads: the messages in its chat template; else the last one, which it continues."""
        return self.model.render(list(messages), True) if self.chats else messages[-1]["content"]

    def length(self, messages: Sequence[Message]) -> int:
        """Tokens of `prompt`."""
        return len(self.model.encode(self.prompt(messages)).tokens)


def open_model(run: str) -> OpenedModel:
    """Open what `run` means: `latest`, a run, a model's folder, or a name on the hub. Raises UserError."""
    from .text_model import open_text_model  # imports the framework, which --help does without

    folder = resolve_model(run, "train", "finetune", "align")
    model = open_text_model(folder)
    return OpenedModel(model, model.has_chat_template and not only_pretrained(Path(folder)))


def only_pretrained(model: Path) -> bool:
    """Whether a model comes from train.py, from nothing: it has a chat template, but has seen no chats."""
    if model.name != MODEL or not (model.parent / "config.yaml").is_file():
        return False
    run = open_run(model.parent)
    return run.stage == "train" and not run.read_config(TrainConfig).base


def conversation(text: str, system: str = "") -> list[Message]:
    """One question of the user, after a system message where there is one."""
    before: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*before, {"role": "user", "content": text}]


def check_length(opened: OpenedModel, messages: Sequence[Message], what: str) -> None:
    """Raise UserError, about `what`, where the messages leave no room for an answer."""
    length, context = opened.length(messages), opened.model.context
    if length >= context:
        raise UserError(
            f"{what} has {length:,} tokens, but {opened.model.name} reads at most {context:,}, its answer "
            "included: shorten it."
        )
