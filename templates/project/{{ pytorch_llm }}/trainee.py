"""A language model that learns: a new one from nothing, or one that others have trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .base_models import Base, load_base, load_tokenizer
from .config import ModelConfig
from .decoder import Decoder, DecoderConfig
from .decoder_files import Ends, save_decoder, to_transformers
from .decoder_presets import sized
from .device import uses_gpu
from .examples import Example
from .language_model import LanguageModel
from .method_config import ALL_WEIGHTS, LORA_METHODS, MethodConfig
from .methods import apply_method, count_weights, lean_adapters, save_model
from .methods import merge as merge_adapters
from .packed_data import PackedData
from .processor import fast_products
from .randomness import seed_everything
from .runs import Run
from .schedule import make_optimizer
from .sharding import check_sharding, find_saved, one_after_another, shard_learner, shard_writer
from .shares import is_sharded
from .tokenizer import START_OF_TURN, TextTokenizer
from .training import fit
from .training_config import TrainingConfig
from .unseen_tokens import renew_unseen

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .text_model import TextModel


class Trainee:
    """What `new_trainee` and `open_trainee` give.

    Attributes:
        learner: The model with its loss, as the training loop takes it.
        context: Longest sequence that it reads, in tokens.
        trainable: Number of weights that learn.
        parameters: Number of all weights.
    """

    def __init__(
        self, model: nn.Module, context: int, *, betas: tuple[float, float], savings: Sequence[str]
    ) -> None:
        self.learner = LanguageModel(model)
        self.context = context
        self.betas = betas
        self.savings = savings
        self.trainable, self.parameters = count_weights(model)

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
            train: Examples, packed into rows of at most `capacity` tokens; `config.batch_size` counts rows.
            validation: Likewise.
            config: How to train.
            run: Where checkpoints and history are kept.
            phase: Name of a part of a training in several parts.
            capacity: At least as many tokens as the longest example; 0: just as many.

        Raises:
            UserError: As `training.fit` does.
        """
        train_data = PackedData(train, capacity)
        longest = int(train_data.lengths.max())
        optimizer = make_optimizer(
            self.learner,
            config,
            output=self.learner.output_layer,
            betas=self.betas,
            fused=has_fused(config),
        )
        tokens = config.batch_size * int(train_data.tokens.mean())
        with (
            nullcontext() if uses_gpu(config) else fast_products(self.learner, tokens),
            lean_adapters(self.learner.model),
        ):
            fit(
                self.learner,
                train_data,
                PackedData(validation, max(capacity, longest)),
                config,
                run,
                loss=mean_of_losses,
                optimizer=optimizer,
                phase=phase,
                savings=[f"shorter examples (the longest has {longest:,} tokens)", *self.savings],
            )

    def text_model(self) -> TextModel:
        """The model to evaluate and to write with, over the very same weights."""
        raise NotImplementedError

    def save(self, folder: Path, *, merge: bool = False) -> None:
        """Write model and tokenizer in Hugging Face's format; adapters alone, unless `merge` is set."""
        raise NotImplementedError


class NewTrainee(Trainee):
    """Our own decoder, with a tokenizer trained on the corpus."""

    def __init__(self, decoder: Decoder, method: MethodConfig, tokenizer: Path) -> None:
        super().__init__(
            decoder,
            decoder.config.max_position_embeddings,
            betas=(0.9, 0.95),  # as GPT-3 and Llama were pretrained: noisy gradients, forgotten sooner
            savings=[*checkpointing(method), "a smaller model.preset"],
        )
        decoder.model.gradient_checkpointing = method.gradient_checkpointing
        self.decoder = decoder
        self.method = method
        self.shard: Callable[[PreTrainedModel], None] | None = None  # after a training with FSDP
        self.tokenizer = tokenizer
        tokens = TextTokenizer(tokenizer)
        self.ends = Ends(tokens.end, tokens.end_of_turn)
        self.chat_tokens = [*tokens.encode(START_OF_TURN).tokens, tokens.end_of_turn]

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
        if self.method.fsdp:
            check_sharding(self.method, config)
            shard_learner(self.learner, config)
            self.shard = partial(shard_writer, training=config)
        super().fit(train, validation, config, run, phase=phase, capacity=capacity)
        renew_unseen(self.decoder, self.chat_tokens, train, config.seed)

    def text_model(self) -> TextModel:
        from .text_model import TextModel

        model = to_transformers(self.decoder, self.ends, shard=self.shard)
        return TextModel(model, load_tokenizer(self.tokenizer), name="the new model")

    def save(self, folder: Path, *, merge: bool = False) -> None:
        save_decoder(self.decoder, folder, self.ends)
        for file in self.tokenizer.iterdir():
            shutil.copy(file, folder / file.name)
        if self.shard:
            find_saved(folder)


class OpenedTrainee(Trainee):
    """A model of transformers, of which `method` says what learns."""

    def __init__(self, base: Base, method: MethodConfig) -> None:
        self.model = apply_method(base.model, method)
        settings = base.model.config.get_text_config()
        context = getattr(settings, "max_position_embeddings", None) or base.tokenizer.model_max_length
        super().__init__(self.model, int(context), betas=(0.9, 0.999), savings=less_memory(method))
        self.tokenizer = base.tokenizer
        self.source = base.source

    def text_model(self) -> TextModel:
        from .text_model import TextModel

        return TextModel(self.model, self.tokenizer, name=self.source)

    def save(self, folder: Path, *, merge: bool = False) -> None:
        if merge:
            self.model = merge_adapters(self.model)
        save_model(self.model, folder, self.source, stops=self.text_model().stops)
        self.tokenizer.save_pretrained(folder)
        if is_sharded(self.model):
            find_saved(folder)


def new_trainee(
    config: ModelConfig, tokenizer: Path, seed: int, method: MethodConfig = ALL_WEIGHTS
) -> Trainee:
    """A decoder with new random weights, which all learn, for the tokenizer in the folder `tokenizer`."""
    config = sized(config)
    vocabulary = TextTokenizer(tokenizer).vocabulary  # a small corpus gives fewer tokens than asked for
    seed_everything(seed)
    decoder = Decoder(decoder_config(config, vocabulary), dropout=config.dropout)
    return NewTrainee(decoder, method, tokenizer)


def decoder_config(config: ModelConfig, vocabulary: int) -> DecoderConfig:
    """The sizes of `config` as the decoder names them."""
    return DecoderConfig(
        vocab_size=vocabulary,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.hidden_size // config.heads,
        max_position_embeddings=config.context,
        rope_theta=config.rope_theta,
        tie_word_embeddings=config.tied_embeddings,
        qk_norm=config.qk_norm,
    )


def open_trainee(
    base: str | Path,
    method: MethodConfig,
    training: TrainingConfig,
    *,
    hub: str = "huggingface",
    chat_template: str = "",
    thoughts: bool | None = None,
) -> Trainee:
    """A run's model, one in a folder or on a hub, ready to learn with `method`.

    `thoughts` says whether the answers that it learns hold any (`ChatTemplate.suited`); None: it learns none.
    Raises UserError when it cannot be had, or has no layers that `method` names.
    """
    if method.fsdp:
        check_sharding(method, training)
    with one_after_another(training) if method.fsdp else nullcontext():
        loaded = load_base(base, method, training, hub=hub, chat_template=chat_template, thoughts=thoughts)
        trainee = OpenedTrainee(loaded, method)
        if method.fsdp:
            shard_learner(trainee.learner, training)
    return trainee


def mean_of_losses(losses: Tensor, target: Tensor) -> Tensor:
    """The mean of what a `LanguageModel` gives, written so that all losses visibly have the same gradient."""
    return losses.sum() / len(losses)


def has_fused(config: TrainingConfig) -> bool:
    """Whether AdamW can take its step in one pass over the weights."""
    device = torch.accelerator.current_accelerator() if uses_gpu(config) else torch.device("cpu")
    # In float16 a fused step undoes the scaling of the loss itself, which Muon does not.
    unscaled = config.precision != "float16" or config.optimizer != "muon"
    return unscaled and device is not None and device.type in ("cpu", "cuda", "xpu", "mps")


def checkpointing(method: MethodConfig) -> list[str]:
    """Gradient checkpointing, where it is not on."""
    return [] if method.gradient_checkpointing else ["method.gradient_checkpointing true (now false)"]


def less_memory(method: MethodConfig) -> list[str]:
    """What takes less memory than training as `method` says."""
    savings = checkpointing(method)
    if method.name not in LORA_METHODS:
        savings.append(f"method.name lora (now {method.name})")
    elif method.name != "qlora":
        savings.append(f"method.name qlora (now {method.name})")
    return savings
