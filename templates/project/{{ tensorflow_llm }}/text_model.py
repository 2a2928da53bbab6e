"""A model with its tokenizer, to be evaluated and used: losses of tokens, answers to prompts."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from .bases import short_name
from .chat_template import ChatTemplate
from .config import SamplingConfig
from .data import Rows, make_rows
from .examples import Encoded, Example
from .generation import Writer
from .language_model import build_language_model
from .packing import alike
from .presets import Opened, open_preset
from .text_generator import TextGenerator
from .text_pieces import batches_of_text

TOKENS_AT_ONCE = 1 << 12  # read together for their losses: more would be no faster, and take memory
LOGITS_AT_ONCE = 1 << 27  # numbers: 512 MiB in float32


class TextModel(TextGenerator):
    """A causal language model of KerasHub and its tokenizer.

    Attributes:
        name: How it is called in tables and messages.
        context: Longest sequence in tokens.
        parameters: Number of weights.
        start: Tokens that the tokenizer puts before a text; most have none.
        end: The token between two documents.
        render: Writes messages as the model was taught to read them.
        has_chat_template: Whether it can chat; a preset without a template of its own is given ChatML.
    """

    def __init__(self, opened: Opened, *, name: str) -> None:
        self.model, self.tokenizer, self.name = opened.model, opened.tokenizer, name
        self.context = opened.context
        self.parameters = int(self.model.backbone.count_params())
        self.start, self.end = self.tokenizer.start, self.tokenizer.end
        self.stops = {self.tokenizer.end, self.tokenizer.end_of_turn}
        self.render: ChatTemplate = self.tokenizer.render
        self.has_chat_template = True
        self.writer = Writer(self.model, self.context)
        losses = build_language_model(self.model, packed=False, dense=False)
        self.losses_of = tf.function(losses, reduce_retracing=True)

    def encode(self, text: str) -> Encoded:
        """The tokens of a text and where they stand in it; none are added at its ends."""
        return self.tokenizer.encode(text)

    def encode_many(self, texts: Iterable[str]) -> Iterator[list[int]]:
        """The tokens of each text, on all cores; none are added at their ends."""
        for batch in batches_of_text(texts):
            yield from self.tokenizer.encode_batch(batch)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        return self.tokenizer.decode(tokens)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return self.tokenizer.decode(tokens, skip_special=True)

    def token_losses(self, examples: Sequence[Example], batch_size: int = 16) -> list[np.ndarray]:
        """Loss in nats of each target token of each example: (N_targets,) float32.

        Examples of like length are read together, at most `batch_size` and no more than fit
        TOKENS_AT_ONCE and LOGITS_AT_ONCE; logits are made for the targets only.
        """
        chosen = [place for place, example in enumerate(examples) if example.targets.any()]
        lengths = [len(examples[place].tokens) for place in chosen]
        allowed = min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // self.model.backbone.vocabulary_size)
        losses: list[np.ndarray] = [np.zeros(0, np.float32)] * len(examples)
        for group in alike(lengths, most=batch_size, tokens=allowed):
            batch = [chosen[index] for index in group]
            rows = make_rows([examples[place] for place in batch], packed=False, dense=False)
            found = self._losses(rows)
            for row, (place,) in enumerate(rows.owners):
                losses[batch[place]] = found[row][rows.learned[row]]
        return losses

    def prompt_tokens(self, prompt: str) -> list[int]:
        """The tokens of a prompt, or of an empty one the token between two documents."""
        return self.tokenizer.encode(prompt).tokens or [self.end]

    def new_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingConfig,
        *,
        numbers: Sequence[int],
        use_cache: bool = True,
    ) -> Generator[list[tuple[int, int]], None, None]:
        """Yield at each step the next token of each prompt that has not ended (`generation.Writer`)."""
        return self.writer.new_tokens(
            prompts, sampling, numbers=numbers, stops=self.stops, use_cache=use_cache
        )

    def _losses(self, rows: Rows) -> np.ndarray:
        """Losses of one batch, (B, K)."""
        inputs = {name: tf.constant(array) for name, array in rows.inputs.items()}
        return np.asarray(self.losses_of(inputs, training=False), np.float32)


def open_text_model(name: str | Path, *, hub: str = "huggingface") -> TextModel:
    """Open a run's model folder, a preset or a name on the hub; adapters are put on their base.

    Raises UserError for what cannot be opened.
    """
    return TextModel(open_preset(name, hub=hub), name=short_name(str(name)))
