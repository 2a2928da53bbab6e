"""The stage of align.py: preference tuning of a model that was fine-tuned, with figures before and after."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .align_config import AlignConfig
from .base_models import Base, load_base
from .bases import base_of, short_name
from .commands import command
from .console import print_table, say
from .conversations import Preference, chat_files, read_preferences
from .data_files import file_names
from .device import make_accelerator
from .device import prepare as prepare_device
from .errors import UserError
from .evaluating import greedy
from .examples import hold_thoughts
from .fingerprints import start_with
from .methods import count_weights, save_model
from .pages import PAIRED, UNPAIRED, texts
from .pairs import PairSplits, all_paired, as_asked, fitting, kind_of, measure_preferences, split_pairs
from .plots import plot_curves
from .preference import advice_on_weights, make_trainer, share_of_batch
from .report import Section, write_report
from .run_selection import MODEL
from .runs import Run
from .training import first_process_path

BEFORE, AFTER = "before", "after"
HIGHER_IS_BETTER = {
    "reward accuracy": True,
    "margin": True,
    "chosen loss": False,
    "margin per token": True,
    "good loss": False,
    "bad loss": True,
    "validation loss": False,
}
FORGETS = (
    "Where the loss of the better answers rises, the model forgets how to speak: fewer epochs, a lower "
    "learning rate or a higher beta keep it nearer to the base. "
)


def align(config: AlignConfig) -> Run:
    """Learn which answers are better, from pairs or from labels, and compare before and after."""
    pairs = read_preferences(config.pairs)
    share_of_batch(config)  # refused before a model is loaded
    if config.method.fsdp:
        raise UserError("method.fsdp is true, which align.py cannot do: set it to false.")
    if config.loss != "kto" and not all_paired(pairs):
        raise UserError(
            f"{file_names(config.pairs.file)} holds answers that are labelled good or bad, and {config.loss} "
            "needs pairs (prompt, chosen, rejected): learn from them with --loss kto."
        )
    prepare_device(config.training)
    config = replace(config, base=base_of("align", config, "finetune", "train"))
    if not config.training.resume:
        say(f"{config.loss.upper()} on {short_name(config.base)}.")
    from .text_model import TextModel  # imports PyTorch's libraries, which --help does without

    base = load_base(
        config.base,
        config.method,
        config.training,
        hub=config.hub,
        chat_template=config.pairs.chat_template,
        thoughts=hold_thoughts(text for pair in pairs for text, _ in pair.answers),
    )
    model = TextModel(base.model, base.tokenizer, name=base.source)
    longest = min(config.pairs.max_length, model.context)
    splits = choose([as_asked(pair, model.render) for pair in pairs], model, config, longest)
    this_run = start_with(chat_files(config.pairs), "align", config, config.training.resume)

    paired = all_paired(splits.test)
    shown = splits.test[: config.answers]
    before = measure_preferences(model, splits.test, longest)
    said_before = answer_all(model, shown, config)
    trained, losses = train(base, splits, config, this_run, longest)
    save_model(trained, this_run.path(MODEL), base.source, stops=model.stops)
    base.tokenizer.save_pretrained(this_run.path(MODEL))

    model = TextModel(trained, base.tokenizer, name=this_run.folder.as_posix())
    after = measure_preferences(model, splits.test, longest)
    figures = {
        BEFORE: {**before, "validation_loss": losses[0]},
        AFTER: {**after, "validation_loss": losses[1]},
    }
    sides = [
        {"prompt": pair.prompt[-1]["content"], BEFORE: old, AFTER: new, **known_answer(pair)}
        for pair, old, new in zip(shown, said_before, answer_all(model, shown, config), strict=True)
    ]
    this_run.save_metrics(
        {
            "stage": "align",
            "base": config.base,
            "loss": config.loss,
            "method": config.method.name,
            "pairs": {name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
            "before": figures[BEFORE],
            "after": figures[AFTER],
            "answers": sides,
            "better": {
                "metric": "reward_accuracy" if paired else "margin_per_token",
                "higher_is_better": True,
            },
        }
    )
    title = f"{len(splits.test):,} test {kind_of(splits.test)}"
    print_table(title, [{"model": name, **one} for name, one in figures.items()])
    say(f"Report: {alignment_page(this_run, figures, sides, PAIRED if paired else UNPAIRED)}")
    return this_run


def choose(pairs: list[Preference], model: Any, config: AlignConfig, longest: int) -> PairSplits:
    """The pairs or answers that are short enough, divided; and say how many there are."""
    usable = fitting(pairs, model, longest)
    kind = kind_of(pairs)
    if len(usable) < len(pairs):
        say(f"{len(pairs) - len(usable):,} of {len(pairs):,} {kind} are left out: over {longest:,} tokens.")
    splits = split_pairs(usable, config.pairs)
    say(
        f"{kind.capitalize()}: {len(splits.train):,} to learn from, "
        f"{len(splits.validation):,} to validate, {len(splits.test):,} to test."
    )
    if config.loss == "kto" and (advice := advice_on_weights(splits.train, config)):
        say(advice)
    return splits


def known_answer(pair: Preference) -> dict[str, str]:
    """The better answer, or the one with its label, for the report."""
    if pair.paired:
        return {"better answer": pair.chosen}
    return {"labelled answer": pair.answers[0][0], "label": "good" if pair.chosen else "bad"}


def train(
    base: Base, splits: PairSplits, config: AlignConfig, run: Run, longest: int
) -> tuple[Any, tuple[float, float]]:
    """Train; gives the model of the best epoch, and its validation loss before and after.

    Raises KeyboardInterrupt after Ctrl-C, with a message on how to go on.
    """
    from .align_log import AlignLog, quiet_trl
    from .out_of_memory import explain_out_of_memory, smaller_batches
    from .trainee import less_memory

    accelerator = make_accelerator(config.training)
    folder = first_process_path(accelerator, run.path("checkpoints"))
    log = AlignLog(
        run,
        accelerator.is_main_process,
        checkpoint_steps=config.training.checkpoint_steps,
        patience=config.training.patience,
    )
    shorter = f"a smaller pairs.max_length (now {config.pairs.max_length})"
    savings = [*smaller_batches(config.training), *less_memory(config.method), shorter]
    with quiet_trl(), explain_out_of_memory(savings):
        trainer = make_trainer(base, splits, config, folder, longest, accelerator, [log])
        policy: Any = trainer.model
        learning, weights = count_weights(policy)
        say(f"{config.method.name}: {learning:,} of {weights:,} weights learn.")
        resumed = any(folder.glob("checkpoint-*"))
        before = trainer.evaluate()["eval_loss"] if not resumed else run.history()[0]["validation_loss"]
        try:
            trainer.train(resume_from_checkpoint=resumed)
        except KeyboardInterrupt:
            saved = any(folder.glob("checkpoint-*"))
            words = (
                f"Go on with: {run.resume_command()}"
                if saved
                else "No epoch had ended: nothing is saved. For long epochs set training.checkpoint_steps."
            )
            raise KeyboardInterrupt(words) from None
        finally:
            log.bar.stop()
        if accelerator.is_main_process:
            shutil.rmtree(folder / "pairs", ignore_errors=True)  # only of use to the trainer
        model = trainer.accelerator.unwrap_model(trainer.model_wrapped, keep_fp32_wrapper=False)
    return model.eval(), (before, trainer.state.best_metric or before)


def answer_all(model: Any, pairs: list[Preference], config: AlignConfig) -> list[str]:
    """What the model answers to the prompts of pairs, always the likeliest token."""
    if not pairs:
        return []
    prompts = [model.render(list(pair.prompt), True) for pair in pairs]
    return [text.strip() for text in model.generate(prompts, greedy(config.answer_tokens))]


def alignment_page(
    run: Run, figures: Mapping[str, Mapping[str, float]], sides: list[dict[str, str]], words: str
) -> Path:
    """Before and after, which `words` explain, the answers side by side, curves."""
    rows = [
        {"model": name, **{key.replace("_", " "): value for key, value in one.items()}}
        for name, one in figures.items()
    ]
    curves = plot_curves(run.history(), run.path("plots/curves.png"))
    return write_report(
        run,
        "Preference tuning",
        [
            Section(
                title="Before and after",
                text=f"Those of the test part, which training has not seen. {words}{FORGETS}The validation "
                "loss is that of preference tuning, on the part of the data by which the best epoch was "
                "chosen.",
                rows=rows,
                higher_is_better=HIGHER_IS_BETTER,
            ),
            *texts("The same questions before and after", sides),
            Section(
                title="Curves",
                text="The loss of preference tuning; the model of the best epoch was kept. Epoch 0 "
                "is the base.",
                figures={"Loss per epoch": curves},
            ),
        ],
    )


align_command = command(align, AlignConfig, "align")
