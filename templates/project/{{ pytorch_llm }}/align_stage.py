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
from .conversations import Preference, read_preferences
from .device import make_accelerator
from .device import prepare as prepare_device
from .evaluating import greedy
from .examples import hold_thoughts
from .fingerprints import fingerprint
from .methods import count_weights, save_model
from .pages import texts
from .plots import plot_curves
from .preference import PairSplits, as_asked, fitting, make_trainer, measure_pairs, split_pairs
from .report import Section, write_report
from .run_selection import MODEL, start
from .runs import Run
from .training import first_process_path

BEFORE, AFTER = "before", "after"
HIGHER_IS_BETTER = {"reward accuracy": True, "margin": True, "chosen loss": False, "validation loss": False}


def align(config: AlignConfig) -> Run:
    """Learn from pairs of a better and a worse answer, and compare before and after."""
    pairs = read_preferences(config.pairs)
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
        thoughts=hold_thoughts(text for pair in pairs for text in (pair.chosen, pair.rejected)),
    )
    model = TextModel(base.model, base.tokenizer, name=base.source)
    longest = min(config.pairs.max_length, model.context)
    splits = choose([as_asked(pair, model.render) for pair in pairs], model, config, longest)
    this_run = start("align", config, config.training.resume)
    this_run.record_data(fingerprint([Path(config.pairs.file)]))

    shown = splits.test[: config.answers]
    before, said_before = measure_pairs(model, splits.test, longest), answer_all(model, shown, config)
    trained, losses = train(base, splits, config, this_run, longest)
    save_model(trained, this_run.path(MODEL), base.source, stops=model.stops)
    base.tokenizer.save_pretrained(this_run.path(MODEL))

    model = TextModel(trained, base.tokenizer, name=this_run.folder.as_posix())
    after = measure_pairs(model, splits.test, longest)
    figures = {
        BEFORE: {**before, "validation_loss": losses[0]},
        AFTER: {**after, "validation_loss": losses[1]},
    }
    sides = [
        {"prompt": pair.prompt[-1]["content"], BEFORE: old, AFTER: new, "better answer": pair.chosen}
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
            "better": {"metric": "reward_accuracy", "higher_is_better": True},
        }
    )
    print_table(f"{len(splits.test):,} test pairs", [{"model": name, **one} for name, one in figures.items()])
    say(f"Report: {alignment_page(this_run, figures, sides)}")
    return this_run


def choose(pairs: list[Preference], model: Any, config: AlignConfig, longest: int) -> PairSplits:
    """The pairs that are short enough, divided; and say how many there are."""
    usable = fitting(pairs, model, longest)
    if len(usable) < len(pairs):
        say(f"{len(pairs) - len(usable):,} of {len(pairs):,} pairs are left out: over {longest:,} tokens.")
    splits = split_pairs(usable, config.pairs)
    say(
        f"Pairs: {len(splits.train):,} to learn from, {len(splits.validation):,} to validate, "
        f"{len(splits.test):,} to test."
    )
    return splits


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
    log = AlignLog(run, accelerator.is_main_process, config.training.checkpoint_steps)
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


def alignment_page(run: Run, figures: Mapping[str, Mapping[str, float]], sides: list[dict[str, str]]) -> Path:
    """Before and after, the answers side by side, curves."""
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
                text="Test pairs, which training has not seen. Reward accuracy is the share of pairs whose "
                "better answer is the likelier one; margin how much likelier, in nats. The chosen loss, that "
                "of the better answers in nats per token, rises where a model forgets how to speak: fewer "
                "epochs, a lower learning rate or a higher beta keep it nearer to the base. The validation "
                "loss is that of preference tuning, on the pairs by which the best epoch was chosen.",
                rows=rows,
                higher_is_better=HIGHER_IS_BETTER,
            ),
            *texts("The same questions before and after", sides),
            Section(
                title="Curves",
                text="The loss of preference tuning on pairs; the model of the best epoch was kept. Epoch 0 "
                "is the base.",
                figures={"Loss per epoch": curves},
            ),
        ],
    )


align_command = command(align, AlignConfig, "align")
