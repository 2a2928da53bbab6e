"""The next token, again and again: prompts side by side, the keys and values of earlier tokens kept.

KerasHub's own `generate` gives the whole text at its end, and compiles anew for every length. The loop here
takes the same two steps of its models, `_build_cache` and `call_with_cache`, but hands out each token as it
comes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from collections.abc import Set as AbstractSet
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras import ops

from .config import SamplingConfig

if TYPE_CHECKING:
    from keras_hub.models import CausalLM

STEP = 64  # the cache begins with so many places, or a multiple


class Writer:
    """Lets a KerasHub model continue prompts.

    Args:
        model: Its weights are read anew at each step: it may learn in between.
        context: Most tokens of a prompt and its continuation together.
    """

    def __init__(self, model: CausalLM, context: int) -> None:
        self.model = model
        self.context = context
        self.builds_cache_from = list(signature(model._build_cache).parameters)
        tokens = tf.TensorSpec((None, None), tf.int32)
        self.read = tf.function(self._read, input_signature=[tokens, tf.TensorSpec((), tf.int32)])
        self.logits_of = tf.function(self._logits_of, input_signature=[tokens])
        self.step = tf.function(self._step, reduce_retracing=True)
        self.pad = tf.function(self._pad, reduce_retracing=True)

    def new_tokens(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: SamplingConfig,
        *,
        stops: AbstractSet[int],
        numbers: Sequence[int],
        use_cache: bool = True,
    ) -> Generator[list[tuple[int, int]], None, None]:
        """Yield at each step the pairs (number of the prompt, its next token) of those that have not ended.

        A prompt ends at a token of `stops` (not yielded), after `sampling.max_new_tokens`, or when it fills
        the context. All rows stand at the same place; the longer prompts are still being read when the
        shorter are continued. Each has random numbers of its own: its text does not depend on its neighbours.

        Args:
            prompts: Tokens of each prompt, at least one each, fewer than the context.
            numbers: Of the prompts: their random numbers come from the seed and these.
            use_cache: Whether to keep keys and values; without it each step reads everything again.
        """
        lengths = [len(prompt) for prompt in prompts]
        limits = [length + sampling.longest(self.context - length) for length in lengths]
        tokens = np.zeros((len(prompts), max(limits)), np.int32)  # (B, L)
        for row, prompt in enumerate(prompts):
            tokens[row, : len(prompt)] = prompt
        dice = [sampling.dice(number) for number in numbers]
        writing = set(range(len(prompts)))
        cache = None
        if use_cache:
            places = -(-max(lengths) // STEP) * STEP
            cache = self.read(tf.constant(tokens[:, : max(lengths)]), tf.constant(places))
        for place in range(min(lengths), max(limits)):
            if cache is None:
                logits = self.logits_of(tf.constant(tokens[:, :place]))
            else:
                if place > places:  # grown as it fills: with a long context, most of it is never used
                    cache, places = self.pad(cache, tf.constant(places)), 2 * places
                logits, cache = self.step(
                    tf.constant(tokens[:, place - 1 : place]), cache, tf.constant(place - 1)
                )
            rows = sorted(row for row in writing if lengths[row] <= place)
            if rows:
                draws = [dice[row].random() for row in rows]
                written = [tokens[row, lengths[row] : place] for row in rows]
                chosen = choose(penalize(logits.numpy()[rows], sampling, written), sampling, draws).tolist()
                tokens[rows, place] = chosen
                writing -= {row for row, token in zip(rows, chosen, strict=True) if token in stops}
                yield [(row, token) for row, token in zip(rows, chosen, strict=True) if row in writing]
            writing -= {row for row in rows if place + 1 >= limits[row]}
            if not writing:
                return

    def _read(self, tokens: Any, places: Any) -> Any:
        """Keys and values of prompts (B, P), with room for more places.

        One tensor (B, layers, 2, places, heads, D), or in some models (Gemma 3) one (B, places, heads, D)
        each of keys and of values, for each layer.
        """
        given = {"token_ids": tokens, "padding_mask": tf.ones_like(tokens)}  # the others are for pictures
        _, cache = self.model._build_cache(**{name: given.get(name) for name in self.builds_cache_from})
        return self._pad(cache, places - tf.shape(tokens)[1])

    def _pad(self, cache: Any, room: Any) -> Any:
        """The cache with room for so many more places."""

        def pad(kept: Any) -> Any:
            return tf.pad(kept, [[0, 0]] * (kept.shape.rank - 3) + [[0, room], [0, 0], [0, 0]])

        return tf.nest.map_structure(pad, cache)

    def _step(self, tokens: Any, cache: Any, place: Any) -> tuple[Any, Any]:
        """Logits (B, V) after the tokens (B, 1) at `place`, and the cache with them."""
        logits, _, cache = self.model.call_with_cache(tokens, cache, place)
        return ops.cast(logits[:, 0], "float32"), cache

    def _logits_of(self, tokens: Any) -> Any:
        """Logits (B, V) after tokens (B, T), without a cache."""
        logits = self.model({"token_ids": tokens, "padding_mask": ops.ones_like(tokens)})
        return ops.cast(logits[:, -1], "float32")


def penalize(logits: np.ndarray, sampling: SamplingConfig, written: Sequence[np.ndarray]) -> np.ndarray:
    """Logits (B, V) less the penalties for tokens that each answer has already, as OpenAI defines them."""
    if sampling.presence_penalty or sampling.frequency_penalty:
        logits = logits.copy()
        for row, answer in zip(logits, written, strict=True):
            tokens, counts = np.unique(answer, return_counts=True)
            row[tokens] -= sampling.presence_penalty + sampling.frequency_penalty * counts
    return logits


def choose(logits: np.ndarray, sampling: SamplingConfig, draws: Sequence[float]) -> np.ndarray:
    """The next token of each row.

    Args:
        logits: (B, V), float32.
        draws: One number of [0, 1) per row: where in the distribution to look.

    Returns:
        (B,) tokens: the likeliest at temperature 0, otherwise one of the likeliest: at most `top_k`, no less
        likely than `min_p` times the likeliest, and those that together have the probability `top_p` (nucleus
        sampling, Holtzman et al. 2020), the token that crosses it included.
    """
    if sampling.temperature == 0:
        return logits.argmax(axis=-1)
    scaled = (logits - logits.max(axis=-1, keepdims=True)).astype(np.float64) / sampling.temperature
    probabilities = np.exp(scaled) / np.exp(scaled).sum(axis=-1, keepdims=True)
    order = np.argsort(-probabilities, axis=-1, kind="stable")
    likely = np.take_along_axis(probabilities, order, axis=-1)
    if sampling.top_k:
        likely = likely[:, : sampling.top_k] / likely[:, : sampling.top_k].sum(axis=-1, keepdims=True)
    before = likely.cumsum(axis=-1) - likely  # (B, V); the likeliest token is always kept
    kept = (before < sampling.top_p) & (likely >= sampling.min_p * likely[:, :1])
    nucleus = np.where(kept, likely, 0).cumsum(axis=-1)
    wanted = np.asarray(draws)[:, None] * nucleus[:, -1:]
    places = np.minimum((nucleus <= wanted).sum(axis=-1), kept.sum(axis=-1) - 1)
    return np.take_along_axis(order, places[:, None], axis=-1)[:, 0]
