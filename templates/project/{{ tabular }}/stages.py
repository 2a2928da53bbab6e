"""The stages, each a command: train, fine-tune, evaluate, predict, and all of them in a row.

read → split → decide what the columns are → train → evaluate → fine-tune to the segment → evaluate → report
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from .baseline import baseline_metrics, guess_metrics
from .columns import Columns, convert, fit_target, show_decisions
from .commands import AFTER, BEFORE, command, whole_flow
from .config import EvalConfig, FinetuneConfig, PredictConfig, TrainConfig
from .console import print_table, say
from .data import load_data
from .device import prepare as prepare_device
from .errors import UserError
from .finetuning import fine_tune, train_from_scratch
from .importance import permutation_importance
from .metrics import HIGHER_IS_BETTER, Metrics, main_metric, mean_of, measure
from .model import build_model, loss, save_model
from .pages import evaluation_page, finetuning_page, training_page
from .preparation import Prepared, choose_columns, convert_all, fingerprint, prepare
from .run_selection import MODEL, find_run, run_to_resume, start
from .runs import Run, new_run, write_atomically
from .split import Splits
from .table import read_table
from .trained import (
    Trained,
    check_table,
    few_rows,
    first_run,
    open_model,
    rows_of,
    training_config,
)
from .training import fit

NETWORK, TREES, GUESS = "network", "gradient boosting", "always the same"
SCRATCH = "from scratch, same rows"
TREES_SAME, TREES_ALL = "gradient boosting, same rows", "gradient boosting, all rows"


def train(config: TrainConfig) -> Run:
    """Train on the rows outside the segment, and compare with gradient boosting and with a guess."""
    prepared = prepare(config)
    columns = choose_columns(prepared, config)
    show(prepared, columns)
    this_run = start("train", config, config.training.resume)
    if config.training.resume:
        check_table(this_run, config)
    this_run.record_data(fingerprint(config.data.file))

    splits = convert_all(prepared.splits, columns)
    prepare_device(config.training)
    data = load_data(splits, columns)
    model = build_model(config.model, columns, data)
    fit(model, data.train, data.validation, config.training, this_run, loss=loss(columns))
    save_model(model, this_run.path(MODEL), columns, data.preprocessing)

    trained = Trained(model=model, columns=columns, preprocessing=data.preprocessing)
    figures = {
        NETWORK: trained.measure(splits.test),
        TREES: baseline_metrics(splits, columns),
        GUESS: guess_metrics(splits, columns),
    }
    this_run.save_metrics(
        {
            "stage": "train",
            "problem": columns.problem,
            "rows": count(splits),
            "test": figures[NETWORK],
            "baseline": figures[TREES],
            "guess": figures[GUESS],
        }
    )
    print_figures(f"{len(splits.test):,} test rows", figures)
    say(f"Report: {training_page(this_run, figures, show_decisions(columns, prepared.splits.train))}")
    return this_run


def finetune(config: FinetuneConfig) -> Run:
    """Adapt a trained model to the segment with few of its rows; compare with training on these alone."""
    prepare_device(config.training)  # before a model is loaded: it lies on the device from then on
    pretrained = find_pretrained(config)
    base = training_config(pretrained)
    check_table(pretrained, base)
    trained = open_model(pretrained)
    columns = trained.columns
    prepared = prepare(base)
    splits = few_rows(prepared, base, config, columns)
    say(
        f"{prepared.segment.name}: {', '.join(f'{rows:,} {part}' for part, rows in count(splits).items())} "
        "rows."
    )
    this_run = start("finetune", replace(config, pretrained=str(pretrained.folder)), config.training.resume)
    this_run.record_data(fingerprint(base.data.file))

    before = trained.measure(splits.test)
    seeds = range(config.seeds)
    tuned = [fine_tune(pretrained, splits, config, seed, this_run) for seed in seeds]
    scratch = [train_from_scratch(splits, columns, base, config, seed, this_run) for seed in seeds]
    others = convert(prepared.splits.train, columns)
    figures = {
        BEFORE: before,
        AFTER: mean_of(tuned),
        SCRATCH: mean_of(scratch),
        TREES_SAME: baseline_metrics(
            splits, fit_target(columns, splits.train[columns.target].to_numpy(), base.data.class_weights)
        ),
        TREES_ALL: baseline_metrics(replace(splits, train=pd.concat([others, splits.train])), columns),
    }
    main = main_metric(before)
    this_run.save_metrics(
        {
            "stage": "finetune",
            "problem": columns.problem,
            "segment": prepared.segment.name,
            "rows": count(splits),
            "before": before,
            "after": figures[AFTER],
            "after_values": {main: [one[main] for one in tuned]},
            "from_scratch": {"mean": figures[SCRATCH], "values": {main: [one[main] for one in scratch]}},
            "baseline": figures[TREES_SAME],
            "baseline_all_rows": figures[TREES_ALL],
            "better": {"metric": main, "higher_is_better": HIGHER_IS_BETTER[main]},
        }
    )
    print_figures(f"{len(splits.test):,} test rows of {prepared.segment.name}", figures)
    say(verdict(figures, main))
    say(f"Report: {finetuning_page(this_run, figures, {AFTER: tuned, SCRATCH: scratch})}")
    return this_run


def evaluate(config: EvalConfig) -> Run:
    """Measure a model on rows that it has not learned from, and say which columns matter to it."""
    evaluated = find_run(config.run, "train", "finetune")
    trained = open_model(evaluated)
    rows: pd.DataFrame = getattr(rows_of(evaluated, trained.columns), config.part)
    target, predictions = rows[trained.columns.target].to_numpy(), trained.predict(rows, config.batch_size)
    figures = measure(target, predictions, trained.columns)
    importance = permutation_importance(trained.predict, rows, trained.columns)
    this_run = new_run("evaluate", replace(config, run=str(evaluated.folder)))
    this_run.save_metrics(
        {
            "stage": "evaluate",
            "run": str(evaluated.folder),
            "problem": trained.columns.problem,
            "rows": len(rows),
            config.part: figures,
            "importance": {str(entry["column"]): entry["loss"] for entry in importance},
        }
    )
    print_figures(f"{len(rows):,} {config.part} rows of {evaluated.folder}", {NETWORK: figures})
    main = main_metric(figures)
    print_table(f"How much worse {main} becomes when a column is shuffled", importance[:10])
    page = evaluation_page(this_run, trained.columns, target, predictions, figures, importance)
    say(f"Report: {page}")
    return this_run


def predict(config: PredictConfig) -> Path:
    """Write a copy of a table with predictions, and for classes the probability of each."""
    used = find_run(config.run, "train", "finetune")
    trained = open_model(used)
    columns = trained.columns
    table = read_table(config.input, training_config(used).data)
    predictions = trained.predict(convert(table, columns, with_target=False), config.batch_size)
    if columns.problem == "regression":
        table["prediction"] = predictions
    else:
        table["prediction"] = [columns.classes[code] for code in predictions.argmax(axis=1)]
        for code, name in enumerate(columns.classes):
            table[f"probability {name}"] = predictions[:, code].round(6)
    output = Path(config.output) if config.output else new_run("predict", config).path("predictions.csv")
    if output.is_dir():
        output /= "predictions.csv"
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        text = table.to_csv(index=False, lineterminator="\n")
        write_atomically(output, text, encoding="utf-8-sig")  # with a mark for Excel
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
    say(f"{len(table):,} predictions of {columns.target!r} by {used.folder}: {output}")
    return output


def find_pretrained(config: FinetuneConfig) -> Run:
    """The run to start from; `latest` of a resumed run is what it was then."""
    if config.pretrained == "latest" and config.training.resume:
        return first_run(run_to_resume("finetune", config.training.resume))
    return find_run(config.pretrained, "train")


def count(splits: Splits) -> dict[str, int]:
    return {"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}


def show(prepared: Prepared, columns: Columns) -> None:
    """Say what was found out about the table, and where to correct it."""
    say(
        ", ".join(f"{rows:,} {part}" for part, rows in count(prepared.splits).items())
        + f" rows; {len(prepared.segment.rows):,} kept for fine-tuning ({prepared.segment.name})."
    )
    decisions = show_decisions(columns, prepared.splits.train)
    print_table("Columns (to change one: data in configs/train.yaml)", decisions[:60])
    if len(decisions) > 60:
        say(f"… and {len(decisions) - 60:,} more.")
    if columns.class_weights:
        say("A class is rare, so the loss weighs the classes (data.class_weights in configs/train.yaml).")


def verdict(figures: Mapping[str, Metrics], main: str) -> str:
    """Say whether fine-tuning was worth it."""
    after, scratch = figures[AFTER][main], figures[SCRATCH][main]
    better = after > scratch if HIGHER_IS_BETTER[main] else after < scratch
    return (
        f"Fine-tuning is {'better' if better else 'not better'} than training from scratch on the same rows: "
        f"{main.replace('_', ' ')} {after:,.4g} against {scratch:,.4g}."
    )


def print_figures(title: str, figures: Mapping[str, Metrics]) -> None:
    """One row per model."""
    names = {name: name.replace("_", " ") for one in figures.values() for name in one}
    print_table(
        title,
        [{"model": model, **{names[name]: one[name] for name in one}} for model, one in figures.items()],
    )


train_command = command(train, TrainConfig, "train")
finetune_command = command(finetune, FinetuneConfig, "finetune")
evaluate_command = command(evaluate, EvalConfig, "eval")
predict_command = command(predict, PredictConfig, "predict")
flow_command = whole_flow(train=train, evaluate=evaluate, finetune=finetune, show=print_figures)
