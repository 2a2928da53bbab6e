"""A language model that learns: a new one from nothing, or one that others have trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from .chat_template import read_template, suit
from .config import ModelConfig
from .data import make_dataset, make_rows
from .decoder_presets import sized
from .device import seed_everything
from .errors import UserError
from .examples import Example
from .language_model import build_language_model, can_pack, weighted_sum
from .method_config import ALL_WEIGHTS, MethodConfig
from .presets import Opened, enable_lora, lora_layers, merge, open_preset, save_adapter, save_preset
from .runs import Run
from .schedule import make_optimizer
from .tokenizer import END_OF_TURN, START_OF_TURN, TextTokenizer, vocabulary_and_merges
from .training import fit
from .training_config import TrainingConfig

if TYPE_CHECKING:
    from keras_hub.models import Backbone

    from .text_model import TextModel


BETA_2 = {True: 0.95, False: 0.999}
"""For a new model as GPT-3 and Llama were pretrained: its gradients are noisy, and forgotten sooner."""


class Trainee:
    """What `new_trainee` and `open_trainee` give.

    Attributes:
        opened: The model and its tokenizer.
        context: Longest sequence that it reads, in tokens.
        trainable: Number of weights that learn.
        parameters: Number of all weights.
    """

    def __init__(self, opened: Opened, method: MethodConfig, *, new: bool) -> None:
        self.opened = opened
        self.new = new
        self.context = opened.context
        self.lora = method if method.name == "lora" else None
        backbone = opened.model.backbone
        self.trainable = sum(variable.shape.num_elements() for variable in backbone.trainable_variables)
        self.parameters = int(backbone.count_params())

    def fit(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        config: TrainingConfig,
        run: Run,
        *,
        phase: str = "",
        capacity: int = 0,
    ) -> None:
        """Learn from `train`, and keep the weights of the epoch that predicts `validation` best.

        Args:
            train: Examples, packed into rows where the architecture allows; `config.batch_size` counts rows.
            validation: Likewise.
            config: How to train.
            run: Where checkpoints and history are kept.
            phase: Name of a part of a training in several parts.
            capacity: Tokens of a row; at least as many as the longest example has; 0: just as many.

        Raises:
            UserError: As `training.fit` does, and when memory does not suffice.
        """
        packed = can_pack(self.opened.model.backbone)
        rows = make_rows(train, packed=packed, length=capacity)
        if config.overfit_batches:
            rows = rows.first(config.overfit_batches * config.batch_size)
        others = make_rows(validation, packed=packed, length=rows.tokens.shape[1], dense=rows.dense)
        dropout = self.opened.model.backbone.dropout if self.new else 0.0
        model = build_language_model(self.opened.model, packed=packed, dense=rows.dense, dropout=dropout)
        data = make_dataset(rows, whole_batches_of=config.batch_size)
        longest, seen = rows.tokens.shape[1], np.unique(rows.tokens)
        held_out = make_dataset(others)
        del rows, others  # of a large corpus gigabytes, which the data sets have their own copy of
        steps = len(data) // config.batch_size * config.epochs // config.accumulation_steps
        try:
            fit(
                model,
                data,
                held_out,
                config,
                run,
                loss=weighted_sum,
                optimizer=make_optimizer(config, steps, beta_2=BETA_2[self.new]),
                phase=phase,
                kept=changing(model),
            )
        except (tf.errors.ResourceExhaustedError, MemoryError):
            raise UserError(self.too_large(config, longest)) from None
        if self.new:
            tell_apart(self.opened, seen=seen, seed=config.seed)

    def text_model(self) -> TextModel:
        """The model to evaluate and to write with, over the very same weights."""
        from .text_model import TextModel

        return TextModel(self.opened, name=self.opened.source)

    def save(self, folder: Path, *, merge: bool = False) -> None:
        """Write model and tokenizer as a preset; of LoRA its matrices alone, unless `merge` is set."""
        if self.lora and not merge:
            save_adapter(self.opened, folder, self.lora.rank, lora_layers(self.opened.model))
        else:
            save_preset(self.opened, folder)

    def too_large(self, config: TrainingConfig, length: int) -> str:
        """What to do where memory does not suffice."""
        smaller = max(config.batch_size // 2, 1)
        ways = [
            f"training.batch_size {smaller} and training.accumulation_steps "
            f"{config.accumulation_steps * config.batch_size // smaller}"
        ] * (config.batch_size > 1)
        ways += ["training.precision bfloat16"] * (config.precision == "float32")
        ways += ["method.name lora"] * (self.lora is None and not self.new)
        ways += [f"shorter examples (the longest needs {length:,} tokens)"]
        return f"Memory does not suffice for this training: try {', or '.join(ways)}."


def new_trainee(
    config: ModelConfig, tokenizer: Path, seed: int, method: MethodConfig = ALL_WEIGHTS
) -> Trainee:
    """A Qwen 3 of KerasHub with new random weights, which all learn, for the tokenizer in `tokenizer`.

    RMSNorm, also of queries and keys, rotary embeddings, grouped-query attention, SwiGLU. Raises UserError
    for what that architecture has not.
    """
    from keras_hub.models import Qwen3Backbone, Qwen3CausalLM, Qwen3CausalLMPreprocessor, Qwen3Tokenizer

    config = sized(config)
    if not config.qk_norm:
        raise UserError(
            "model.qk_norm is false, but the Qwen 3 of KerasHub always normalises queries and keys."
        )
    seed_everything(seed)
    text_tokenizer = TextTokenizer(tokenizer)
    backbone = Qwen3Backbone(
        vocabulary_size=text_tokenizer.vocabulary,  # a small corpus gives fewer tokens than asked for
        hidden_dim=config.hidden_size,
        num_layers=config.layers,
        num_query_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.hidden_size // config.heads,
        intermediate_dim=config.intermediate_size,
        rope_max_wavelength=config.rope_theta,
        tie_word_embeddings=config.tied_embeddings,
        dropout=config.dropout,
        sliding_window_size=None,
    )
    start_as_gpt_2(backbone)
    for layer in backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout) and layer.name != "self_attention_dropout":
            layer.rate = 0.0  # before attention's output layer, when what comes out of it is dropped as well
    vocabulary, merges = vocabulary_and_merges(tokenizer)
    preprocessor = Qwen3CausalLMPreprocessor(
        Qwen3Tokenizer(vocabulary, merges), sequence_length=config.context
    )
    opened = Opened(Qwen3CausalLM(backbone, preprocessor), text_tokenizer, config.context, "the new model")
    return Trainee(opened, method, new=True)


def start_as_gpt_2(backbone: Backbone) -> None:
    """Initial weights of one length; those that add to the residual stream are smaller, the more layers do.

    KerasHub's have a deviation of 0.02, but embeddings 0.01: of what the first blocks read, more would be
    what their neighbours add than the tokens themselves.
    """
    for layer in backbone._flatten_layers():
        if layer.name in ("attention_output", "feedforward_output_dense"):
            layer.kernel.assign(layer.kernel / (2 * backbone.num_layers) ** 0.5)
    for table in backbone.token_embedding.trainable_variables:
        table.assign(2 * table)


def open_trainee(
    base: str | Path,
    method: MethodConfig,
    training: TrainingConfig,
    *,
    hub: str = "huggingface",
    chat_template: str = "",
    thoughts: bool | None = None,
) -> Trainee:
    """A run's model, a preset or one on a hub, ready to learn with `method`.

    `thoughts` says whether the answers that it learns hold any (`ChatTemplate.suited`); None: it learns none.
    `training.precision` is that of `device.prepare`, which is called before. Raises UserError when the model
    cannot be had.
    """
    seed_everything(training.seed)  # of dropout, and of LoRA's matrices
    opened = merge(open_preset(base, hub=hub))
    if chat_template:
        opened.tokenizer.write_chats_with(read_template(chat_template, opened.tokenizer.special_tokens))
    if thoughts is not None:
        opened.tokenizer.write_chats_with(suit(opened.tokenizer.render, thoughts, str(base)))
    if method.name == "lora":
        enable_lora(opened.model, method.rank, lora_layers(opened.model))
    elif method.name == "frozen_embeddings":
        opened.model.backbone.token_embedding.trainable = False
    for layer in opened.model.backbone._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # a help where text is read many times; a conversation is learned in few epochs
    return Trainee(replace(opened, source=str(base)), method, new=False)


def changing(model: keras.Model) -> list[keras.Variable]:
    """What training changes: the weights that learn, and what dropout draws from next."""
    return [one for one in model.variables if one.trainable or not keras.backend.is_float_dtype(one.dtype)]


def tell_apart(opened: Opened, *, seen: np.ndarray, seed: int) -> None:
    """Give the marks of a chat, where the text did not hold them, random vectors as long as those of other
    tokens.

    Training pushes all tokens that it never sees to the same place, away from those that it sees. With frozen
    embeddings, as in LoRA, the marks could hardly be told from them, and the end of a turn not be learned.
    """
    marks = [opened.tokenizer.find(text) for text in (START_OF_TURN, END_OF_TURN)]
    unseen = [mark for mark in marks if mark not in seen]
    embedding = opened.model.backbone.token_embedding
    random = np.random.default_rng(seed)
    for name in ("embeddings", "reverse_embeddings"):
        table = getattr(embedding, name, None)
        if table is None:  # one table for both ends of the model
            continue
        vectors = np.array(table) if name == "embeddings" else np.array(table).T  # (V, H)
        fresh = random.normal(size=(len(unseen), vectors.shape[1]))
        length = np.median(np.linalg.norm(vectors, axis=1))
        vectors[unseen] = length * fresh / np.linalg.norm(fresh, axis=1, keepdims=True)
        table.assign(vectors if name == "embeddings" else vectors.T)
