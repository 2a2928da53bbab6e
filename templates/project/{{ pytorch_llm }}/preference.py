"""Preference tuning with trl: pairs of a better and a worse answer, and the trainer that learns from them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from .align_config import AlignConfig
from .base_models import Base
from .chat_template import ChatTemplate, Message, answer, thought_of, without_thoughts
from .config import ChatDataConfig
from .conversations import Preference
from .device import uses_gpu
from .errors import UserError
from .evaluating import answer_ending
from .examples import Example, encode_conversation
from .learned_text import Render, render_whole, system_kept
from .method_config import LORA_METHODS
from .methods import apply_method, is_peft, lora_config

if TYPE_CHECKING:
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback

    from .text_model import TextModel

FEWEST = 4  # pairs: two to learn from, one to validate, one to test


@dataclass(frozen=True)
class PairSplits:
    """Pairs to learn from, to choose the best epoch by, and for the final figures."""

    train: list[Preference]
    validation: list[Preference]
    test: list[Preference]


def split_pairs(pairs: Sequence[Preference], config: ChatDataConfig) -> PairSplits:
    """Divide pairs at random, those with the same prompt together. Raises UserError for too few."""
    prompts = sorted({prompt_key(pair) for pair in pairs})
    if len(prompts) < FEWEST:
        raise UserError(
            f"{config.file} has {len(prompts)} prompts that can be used: {FEWEST} or more are needed to "
            "learn, validate and test."
        )
    order = np.random.default_rng(config.seed).permutation(len(prompts))
    validation, test = (max(round(len(prompts) * share), 1) for share in (config.validation, config.test))
    names = [prompts[place] for place in order]
    parts = (
        set(names[validation + test :]),
        set(names[:validation]),
        set(names[validation : validation + test]),
    )
    return PairSplits(*([pair for pair in pairs if prompt_key(pair) in part] for part in parts))


def prompt_key(pair: Preference) -> str:
    return repr([(message["role"], message["content"].strip()) for message in pair.prompt])


def encode_pair(pair: Preference, model: TextModel, longest: int) -> tuple[Example, Example] | None:
    """The pair as tokens, the better answer first; None where one of them is longer than `longest` tokens."""
    ending = answer_ending(model)
    read: list[Message] = [{**one, "weight": 0} for one in pair.prompt]  # its answers are not compared
    chosen, rejected = (
        encode_conversation(
            [*read, answer(text)],
            model.render,
            model.encode,
            ending=ending,
            max_length=longest,
            too_long="drop",
        )
        for text in (pair.chosen, pair.rejected)
    )
    return (chosen[0], rejected[0]) if chosen and rejected else None


def as_asked(pair: Preference, render: Render) -> Preference:
    """The pair with the prompt as the model is given it, also where the template loses its system message.

    Raises UserError where the template loses the thoughts of answers: trl renders them by itself.
    """
    for text in (pair.chosen, pair.rejected):
        chat = system_kept([*pair.prompt, answer(text)], render)
        if thought_of(text) and render_whole(chat, render, render(chat[:-1], True)) != render(chat, False):
            raise UserError(
                "The chat template leaves out the thoughts (<think>) of answers: name one that keeps them "
                "in pairs.chat_template."
            )
    return replace(pair, prompt=tuple(chat[:-1]))


def fitting(pairs: Sequence[Preference], model: TextModel, longest: int) -> list[Preference]:
    """The pairs whose answers are both short enough, with what is before them."""
    texts = (
        model.render([*pair.prompt, answer(text)], False)
        for pair in pairs
        for text in (pair.chosen, pair.rejected)
    )
    lengths = [len(tokens) for tokens in model.encode_many(texts)]
    both = zip(lengths[::2], lengths[1::2], strict=True)
    return [pair for pair, length in zip(pairs, both, strict=True) if max(length) <= longest]


def measure_pairs(model: TextModel, pairs: Sequence[Preference], longest: int) -> dict[str, float]:
    """How well `model` tells the better answers from the worse ones.

    `reward_accuracy` is the share of pairs whose better answer is likelier; `margin` the mean of
    log p(better) - log p(worse), in nats; `chosen_loss` the mean loss of the better answers' tokens, in nats:
    it rises when the model forgets how to speak.
    """
    encoded = [one for pair in pairs if (one := encode_pair(pair, model, longest)) is not None]
    losses = model.token_losses([example for pair in encoded for example in pair])
    chosen, rejected = (np.array([part.sum() for part in losses[first::2]]) for first in (0, 1))
    tokens = sum(len(part) for part in losses[::2])
    return {
        "reward_accuracy": float((chosen < rejected).mean()),
        "margin": float((rejected - chosen).mean()),
        "chosen_loss": float(chosen.sum() / tokens),
    }


def make_trainer(
    base: Base,
    splits: PairSplits,
    config: AlignConfig,
    folder: Path,
    longest: int,
    accelerator: Accelerator,
    callbacks: list[TrainerCallback],
) -> Trainer:
    """The trainer of trl for `config.loss`, with its checkpoints in `folder`.

    What dpo and kto compare with is the model before training. Its log-probabilities are computed once
    beforehand, so that no second model lies in memory.
    """
    from transformers import PrinterCallback

    trainer_class, settings_class = classes(config.loss)
    lora = config.method.name in LORA_METHODS and not is_peft(base.model)
    model = base.model if lora else apply_method(base.model, config.method)
    adapters = {name: weight.detach().clone() for name, weight in learning(model)} if is_peft(model) else {}
    if base.tokenizer.pad_token is None:
        base.tokenizer.pad_token = base.tokenizer.eos_token
    settings = arguments(config, folder)
    if config.loss != "orpo":
        settings["precompute_ref_log_probs"] = True
    options = settings_class(**settings, max_length=longest, beta=config.beta)
    options._n_gpu = min(options.n_gpu, 1)  # several GPUs are for torchrun, not for threads of one process
    seed = config.training.seed
    to_rows = answer_rows if config.loss == "kto" else pair_rows
    template = ChatTemplate(base.tokenizer.get_chat_template(), base.tokenizer.special_tokens_map)
    train, validation = (
        as_given(to_rows(part, seed), template) for part in (splits.train, splits.validation)
    )
    trainer: Trainer = trainer_class(
        model=model,
        args=options,
        train_dataset=on_disk(train, folder / "pairs" / "train", accelerator),
        eval_dataset=on_disk(validation, folder / "pairs" / "validation", accelerator),
        processing_class=base.tokenizer,
        peft_config=lora_config(model, config.method) if lora else None,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    for name, weight in learning(trainer.model):
        # trl makes adapters on 4 bits bfloat16, in which the small steps of preference tuning are lost.
        weight.data = adapters.get(name, weight.detach().float())
    return trainer


def learning(model: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """The weights that learn, by name."""
    return ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)


def on_disk(rows: list[dict[str, Any]], folder: Path, accelerator: Accelerator) -> Dataset:
    """Rows as a data set in a folder, where each process finds what another has computed from it."""
    from datasets import Dataset, load_from_disk

    if accelerator.is_main_process:
        Dataset.from_list(rows).save_to_disk(folder)
    accelerator.wait_for_everyone()
    return load_from_disk(folder)


def classes(loss: str) -> tuple[Any, Any]:
    """The classes of trl that train with a loss, and that hold its settings."""
    if loss == "orpo":
        os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

        return ORPOTrainer, ORPOConfig
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

    return (DPOTrainer, DPOConfig) if loss == "dpo" else (KTOTrainer, KTOConfig)


def arguments(config: AlignConfig, folder: Path) -> dict[str, Any]:
    """Our settings under transformers' names."""
    training = config.training
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    rows = max(training.batch_size // processes, 1)
    return {
        "output_dir": str(folder),
        "num_train_epochs": training.epochs,
        "max_steps": training.max_steps or -1,
        "per_device_train_batch_size": rows,
        "per_device_eval_batch_size": rows,
        "gradient_accumulation_steps": training.accumulation_steps,
        **({"optim": "adamw_8bit"} if training.optimizer == "adamw_8bit" else {}),
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": training.warmup_fraction,
        "weight_decay": training.weight_decay,
        "max_grad_norm": training.clip_norm,
        "bf16": training.precision == "bfloat16",
        "fp16": training.precision == "float16",
        "tf32": training.tf32 or None,
        "use_cpu": not uses_gpu(training),
        "gradient_checkpointing": config.method.gradient_checkpointing,
        "dataloader_num_workers": training.num_workers,
        "seed": training.seed,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "save_total_limit": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is no number shall be seen
        "report_to": "none",
        "disable_tqdm": True,
    }


def as_given(rows: list[dict[str, Any]], template: ChatTemplate) -> list[dict[str, Any]]:
    """Rows of trl with the thoughts in the field of a message that the chat template reads, if it reads one.

    Then all answers have this field: a data set has the same fields in all rows.
    """
    field = template.thought_field
    answers = [name for name in ("chosen", "rejected", "completion") if rows and name in rows[0]]
    rows = [{**row, "prompt": template.given(row["prompt"])} for row in rows]
    if not field or not any(thought_of(row[name][0]["content"]) for row in rows for name in answers):
        return rows

    def given(text: str) -> dict[str, str]:
        return {"role": "assistant", "content": without_thoughts(text), field: thought_of(text)}

    return [{**row, **{name: [given(row[name][0]["content"])] for name in answers}} for row in rows]


def pair_rows(pairs: Sequence[Preference], seed: int) -> list[dict[str, Any]]:
    """Pairs as trl's conversational format; the trainer shuffles them."""
    return [
        {
            "prompt": [dict(message) for message in pair.prompt],
            "chosen": [answer(pair.chosen)],
            "rejected": [answer(pair.rejected)],
        }
        for pair in pairs
    ]


def answer_rows(pairs: Sequence[Preference], seed: int) -> list[dict[str, Any]]:
    """Each answer alone, good or bad, in an order of `seed`: for kto, whose trainer does not shuffle."""
    rows = [
        {"prompt": [dict(message) for message in pair.prompt], "completion": [answer(text)], "label": label}
        for pair in pairs
        for text, label in ((pair.chosen, True), (pair.rejected, False))
    ]
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
