"""A model with its tokenizer, to be evaluated and used: losses of tokens, answers to prompts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .base_models import load_in_use, load_tokenizer
from .base_tokenizer import check_tokens, start_tokens
from .bases import short_name
from .chat_template import ChatTemplate, Message, Tool
from .config import SamplingConfig
from .errors import UserError
from .examples import Encoded, Example
from .generation import accepted_arguments, evaluating, new_tokens
from .methods import count_weights
from .model_folder import find_model
from .packing import alike
from .text_generator import TextGenerator
from .text_pieces import batches_of_text

TOKENS_AT_ONCE = 1 << 12  # read together for their losses: more would be no faster, and take memory
LOGITS_AT_ONCE = 1 << 27  # numbers: 512 MiB in float32


class TextModel(TextGenerator):
    """A causal language model of transformers and its tokenizer.

    Args:
        model: In the state that it is to be used in; a model that is being trained stays so.
        tokenizer: Of transformers, with a chat template where the model chats.
        name: How it is called in tables and messages.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        self.model, self.tokenizer, self.name = model, tokenizer, name
        settings = model.config.get_text_config()
        self.context = int(getattr(settings, "max_position_embeddings", 0) or tokenizer.model_max_length)
        self.parameters = count_weights(model)[1]
        self.rows: int = model.get_input_embeddings().num_embeddings
        self.stops = stop_tokens(model, tokenizer)
        self.start = start_tokens(tokenizer)  # what the tokenizer puts before a text; often nothing
        self.end = int(min(self.stops) if tokenizer.eos_token_id is None else tokenizer.eos_token_id)
        self.has_chat_template = bool(tokenizer.chat_template)
        self.render: Callable[..., str] = self._no_template
        """Writes messages as the model was taught to read them; raises UserError without a chat template."""
        if self.has_chat_template:
            self.render = ChatTemplate(
                tokenizer.get_chat_template(), tokenizer.special_tokens_map, f"the chat template of {name}"
            )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(iter(self.model.parameters())).device

    def encode(self, text: str) -> Encoded:
        """The tokens of a text and where they stand in it; none are added at its ends.

        Raises UserError for a text with a token that the model has no embedding for.
        """
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        check_tokens(found["input_ids"], self.rows, self.tokenizer, self.name)
        return Encoded(found["input_ids"], [tuple(pair) for pair in found["offset_mapping"]])

    def encode_many(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The tokens of each text, on all cores; none are added at their ends."""
        for batch in batches_of_text(texts):
            found = self.tokenizer(
                batch,
                add_special_tokens=False,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )
            for tokens in found["input_ids"]:
                check_tokens(tokens, self.rows, self.tokenizer, self.name)
                yield tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return self._decode(tokens, skip_special_tokens=False)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return self._decode(tokens, skip_special_tokens=True)

    def token_losses(self, examples: Sequence[Example], batch_size: int = 16) -> list[np.ndarray]:
        """Loss in nats of each target token of each example: (N_targets,) float32.

        Examples of like length are read together, at most `batch_size` and no more than fit
        TOKENS_AT_ONCE and LOGITS_AT_ONCE; logits are made for the targets only.
        """
        lengths = [len(example.tokens) for example in examples]
        allowed = min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // self.model.config.get_text_config().vocab_size)
        losses: list[np.ndarray] = [np.zeros(0, np.float32)] * len(examples)
        with evaluating(self.model), torch.no_grad():
            for batch in alike(lengths, most=batch_size, tokens=allowed):
                found = self._losses([examples[index] for index in batch])
                for index, values in zip(batch, found, strict=True):
                    losses[index] = values
        return losses

    def prompt_tokens(self, prompt: str) -> list[int]:
        """The tokens of a prompt, after the tokenizer's start tokens where no chat template writes them.

        Raises UserError for a token that the model has no embedding for.
        """
        tokens: list[int] = self.tokenizer(prompt, add_special_tokens=False, verbose=False)["input_ids"]
        if not self.has_chat_template and tokens[: len(self.start)] != self.start:
            tokens = [*self.start, *tokens]
        tokens = tokens or [self.end]
        check_tokens(tokens, self.rows, self.tokenizer, self.name)
        return tokens

    def new_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingConfig,
        *,
        numbers: Sequence[int],
        use_cache: bool = True,
    ) -> Generator[list[tuple[int, int]], None, None]:
        """Yield at each step the next token of each prompt that has not ended (`generation.new_tokens`)."""
        return new_tokens(
            self.model,
            prompts,
            sampling,
            numbers=numbers,
            stops=self.stops,
            context=self.context,
            use_cache=use_cache,
        )

    def _no_template(
        self, messages: list[Message], add_generation_prompt: bool, tools: Sequence[Tool] = ()
    ) -> str:
        raise UserError(
            f"{self.name} has no chat template: it continues text, but was not taught to chat; "
            "fine-tune it on chats first (finetune.py)."
        )

    def _decode(self, tokens: Sequence[int], skip_special_tokens: bool) -> str:
        text: str = self.tokenizer.decode(
            tokens, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False
        )
        return text

    def _losses(self, examples: Sequence[Example]) -> list[np.ndarray]:
        """Losses of one batch, padded on the right, which no earlier token sees."""
        length = max(len(example.tokens) for example in examples)
        ids = np.zeros((len(examples), length), np.int64)  # (B, T)
        targets = np.zeros((len(examples), length), bool)
        for row, example in enumerate(examples):
            ids[row, : len(example.tokens)] = example.tokens
            targets[row, : len(example.tokens)] = example.targets
        counts = targets.sum(1)
        if not counts.any():
            return [np.zeros(0, np.float32) for _ in examples]
        tokens, wanted = torch.from_numpy(ids).to(self.device), torch.from_numpy(targets).to(self.device)
        logits = self._logits(tokens[:, :-1], wanted[:, 1:])  # (N, V)
        chosen = tokens[wanted]  # (N,)
        losses = [
            nn.functional.cross_entropy(part.float(), target, reduction="none")
            for part, target in zip(logits.split(1024), chosen.split(1024), strict=True)
        ]
        return np.split(torch.cat(losses).float().cpu().numpy(), counts.cumsum()[:-1])

    def _logits(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Logits at the places where `places` (B, T) is true, in order: (N, V)."""
        if "logits_to_keep" in accepted_arguments(self.model):
            logits: Tensor = self.model(input_ids=tokens, use_cache=False, logits_to_keep=places).logits
            return logits
        logits = self.model(input_ids=tokens, use_cache=False).logits
        return logits[places]


def stop_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Tokens that end an answer: the model's, the tokenizer's, and what closes an assistant's turn."""
    found: list[int | None] = [tokenizer.eos_token_id, end_of_turn(tokenizer)]
    for settings in (getattr(model, "generation_config", None), model.config.get_text_config()):
        named = getattr(settings, "eos_token_id", None)  # one token or several
        found += named if isinstance(named, list | tuple) else [named]
    return {int(token) for token in found if token is not None}


def end_of_turn(tokenizer: Any) -> int | None:
    """The special token that the chat template writes right after an answer; None where there is none.

    Where it writes nothing there, as GLM's does, it is what begins the next question.
    """
    if not tokenizer.chat_template:
        return None
    try:
        template = ChatTemplate(tokenizer.get_chat_template(), tokenizer.special_tokens_map)
    except (UserError, ValueError):  # no valid template, or several without a name
        return None
    after = tokenizer(template.after_answer(), add_special_tokens=False)["input_ids"]
    return after[0] if after and after[0] in tokenizer.added_tokens_decoder else None


def open_text_model(name: str | Path, *, hub: str = "huggingface") -> TextModel:
    """Open a run's model folder, a local folder or a name on the hub; adapters are put on their base.

    What learned by qlora keeps its weights of 4 bits, with the adapter beside them; other weights have 16
    bits on a GPU and 32 on a CPU. Raises UserError for what cannot be opened.
    """
    folder = find_model(name, hub=hub)
    tokenizer = load_tokenizer(folder, hub=hub)
    return TextModel(load_in_use(folder, hub=hub), tokenizer, name=short_name(str(name)))
