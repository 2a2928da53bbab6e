"""A causal language model as the training loop takes it: tokens in, losses out.

KerasHub's `CausalLM` gives logits of every place. Here the loss is part of the model, and where few tokens
are to be learned (the assistant's turns of a chat) logits are made for those alone: a vocabulary has up to
250,000 tokens, and the logits of a long batch would be its largest tensor by far.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from keras_hub.models import Backbone, CausalLM


def build_language_model(model: CausalLM, *, packed: bool, dense: bool, dropout: float = 0.0) -> keras.Model:
    """A model over the very same weights, from a batch of `data.Rows` to losses in nats, float32.

    tokens (B, T) ────→ hidden (B, T, H) ─→ those that predict (B, K, H) ─→ logits (B, K, V) ─→ losses (B, K)
    segments (B, T) ─↗   places (B, K) ───↗                         labels (B, K) ──↗

    Args:
        model: A KerasHub model.
        packed: Whether a row may hold several examples; see `can_pack`.
        dense: Whether every place predicts: then there are no `places`, and K = T.
        dropout: See `hidden_states`.
    """
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name) for name in ("tokens", "segments", "labels")
    }
    tokens, segments = inputs["tokens"], inputs["segments"]
    hidden = hidden_states(model.backbone, tokens, segments, packed=packed, dropout=dropout)
    if not dense:
        inputs["places"] = keras.Input((None,), dtype="int32", name="places")
        hidden = ops.take_along_axis(hidden, ops.expand_dims(inputs["places"], -1), axis=1)
    logits = model.backbone.token_embedding(hidden, reverse=True)
    # In float32 also under mixed precision: a softmax over bfloat16 numbers is too coarse.
    losses = keras.losses.sparse_categorical_crossentropy(
        inputs["labels"], ops.cast(logits, "float32"), from_logits=True
    )
    return keras.Model(inputs, losses, name="language_model")


def hidden_states(
    backbone: Backbone, tokens: Any, segments: Any, *, packed: bool, dropout: float = 0.0
) -> Any:
    """What the backbone makes of each place, (B, T, H); examples of a row do not see each other.

    `segments` (B, T) numbers the examples of each row from 1; 0 is empty. Rotary embeddings turn queries and
    keys by their places, and their product depends on the distance alone: an example need not begin at place
    0.

    `dropout` is the share of the embeddings' numbers switched off in training, where rows are packed:
    KerasHub's own is within its attention alone.
    """
    if not packed:
        return backbone({"token_ids": tokens, "padding_mask": ops.cast(segments > 0, "int32")})
    same = ops.equal(ops.expand_dims(segments, 2), ops.expand_dims(segments, 1))  # (B, T, T)
    mask = ops.cast(same, "int32")  # the layers add that none sees what comes later
    hidden = backbone.token_embedding(tokens)
    if dropout:
        hidden = keras.layers.Dropout(dropout)(hidden)
    for layer in backbone.transformer_layers:
        hidden = layer(hidden, decoder_attention_mask=mask)
    return backbone.layer_norm(hidden)


def can_pack(backbone: Backbone) -> bool:
    """Whether several examples may share a row: the architecture takes a mask, and its places are relative.

    A backbone itself takes a padding mask only, so its layers are called one by one; those of other
    architectures (Gemma, GPT-2, …) need more than that. Their examples get a row each.
    """
    from keras_hub.models import LlamaBackbone, MistralBackbone, Qwen3Backbone, QwenBackbone

    return isinstance(backbone, Qwen3Backbone | QwenBackbone | LlamaBackbone | MistralBackbone)


def weighted_sum(weights: Any, losses: Any) -> Any:
    """The loss of each row, (B,), of which Keras takes the mean; `make_dataset` has the weights (B, K)."""
    return ops.sum(weights * losses, axis=-1)
