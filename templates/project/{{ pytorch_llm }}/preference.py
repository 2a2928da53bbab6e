"""Preference tuning with trl: pairs of answers, or good and bad ones, and the trainer that learns them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from .align_config import AlignConfig
from .base_models import Base
from .chat_template import ChatTemplate, answer, thought_of, without_thoughts
from .conversations import Preference
from .device import uses_gpu
from .errors import UserError
from .method_config import LORA_METHODS
from .methods import apply_method, is_peft, lora_config
from .pairs import PairSplits

if TYPE_CHECKING:
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback

SURPLUS = 4 / 3  # by which all good answers together may outweigh all bad ones


def advice_on_weights(answers: Sequence[Preference], config: AlignConfig) -> str:
    """What to set where good answers weigh less than bad ones, or more than 4/3 as much; empty elsewhere.

    Source: Ethayarajh et al., KTO, 2024, equation 8; trl gives the same advice.
    """
    kinds = [good for pair in answers for _, good in pair.answers]
    good, bad = kinds.count(True), kinds.count(False)
    least = good * config.desirable_weight / bad / SURPLUS
    if least * 0.99 <= config.undesirable_weight <= least * SURPLUS * 1.01:  # what is said is rounded
        return ""
    return (
        f"{good:,} good answers and {bad:,} bad ones to learn from: trl recommends an undesirable_weight "
        f"from {least:.3g} to {least * SURPLUS:.3g} (now {config.undesirable_weight:g}), so that neither "
        "outweighs the other."
    )


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
    if config.loss == "kto":
        settings["desirable_weight"] = config.desirable_weight
        settings["undesirable_weight"] = config.undesirable_weight
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
    """Our settings under transformers' names. Raises UserError for a batch that processes cannot share."""
    training, rows = config.training, share_of_batch(config)
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


def share_of_batch(config: AlignConfig) -> int:
    """Rows of each process, where a batch is that of all processes together. Raises UserError."""
    batch_size, processes = config.training.batch_size, int(os.environ.get("WORLD_SIZE", "1"))
    if config.loss == "kto" and batch_size < 2 * processes:
        raise UserError(
            f"training.batch_size is {batch_size} for {processes} processes: kto compares the answers of a "
            f"batch of each, set it to {2 * processes} or more."
        )
    if batch_size % processes:
        nearest = max(batch_size // processes, 1) * processes
        raise UserError(
            f"training.batch_size is {batch_size}, which is of all {processes} processes together and cannot "
            f"be shared equally: set it to a multiple of {processes}, such as {nearest}."
        )
    return batch_size // processes


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
        for text, label in pair.answers
    ]
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
