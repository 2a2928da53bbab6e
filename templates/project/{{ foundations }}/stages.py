"""The stages, each a command: train, fine-tune, evaluate, predict, and all of them in a row.

XOR in NumPy → split → scale → the network in NumPy and in the framework → fine-tune with few labels → report
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .agreement import compare_with_numpy
from .baseline import baseline_probabilities, guess_probabilities
from .commands import AFTER, BEFORE, command, whole_flow
from .config import EvalConfig, FinetuneConfig, ModelConfig, PredictConfig, TrainConfig
from .console import print_table, say
from .data import load_data, make_dataset
from .device import prepare
from .errors import UserError
from .experiments import (
    FINE_TUNED,
    SCRATCH,
    check_gradients,
    compare_choices,
    compare_on_xor,
    compare_with_scratch,
    draw,
)
from .metrics import Metrics, mean_of, values_of
from .metrics import evaluate as measure
from .model import FRAMEWORK, build_model, freeze_backbone, loss, save_model, to_numpy, unfreeze
from .pages import Experiments, evaluation_page, finetuning_page, training_page
from .problems import Rows, Scaling, Splits
from .rows_file import read_rows, write_predictions
from .run_selection import MODEL, find_run, run_to_resume, start
from .runs import Run, new_run, open_run
from .trained import Trained, first_task, open_model, second_task, task_of
from .training import fit

GUESS, STRAIGHT, BEST = "without looking at X", "straight boundary", "best possible"
IN_NUMPY, IN_FRAMEWORK = "network in NumPy", f"network in {FRAMEWORK}"


def train(config: TrainConfig) -> Run:
    """Train a network with two layers: written out in NumPy, then the same one in the framework."""
    this_run = start("train", config, config.training.resume)
    task = first_task(config.data)
    this_run.record_data(task.fingerprint)
    splits, test = task.splits, task.splits.test
    scaling = Scaling.fit(splits.train.X)  # after the split, on the training rows alone
    experiments = experiment(config, splits, scaling)

    prepare(config.training)
    data = load_data(splits)
    model = build_model(config.model, scaling)
    fit(model, data.train, data.validation, config.training, this_run, loss=loss(config.model))
    save_model(model, this_run.path(MODEL))

    trained = Trained(model)
    results = {
        GUESS: measure(guess_probabilities(splits.train, test.X), test),
        STRAIGHT: measure(baseline_probabilities(splits.train, test.X), test),
        IN_NUMPY: measure(experiments.network.probabilities(scaling(test.X)), test),
        IN_FRAMEWORK: trained.measure(test),
        BEST: measure(task.problem.best_probabilities(test.X), test),
    }
    this_run.save_metrics(
        {
            "stage": "train",
            "problem": "classification",
            "rows": count(splits),
            "test": results[IN_FRAMEWORK],
            "numpy": results[IN_NUMPY],
            "baseline": results[STRAIGHT],
            "guess": results[GUESS],
            "best_possible": results[BEST],
            "agreement": asdict(experiments.agreement),
            "xor": experiments.xor,
        }
    )
    print_results(f"{len(test):,} test rows", results)
    say(f"Report: {training_page(this_run, config, task, scaling, experiments, trained, results)}")
    return this_run


def experiment(config: TrainConfig, splits: Splits, scaling: Scaling) -> Experiments:
    """What can be seen in NumPy, and whether the framework's network is the same."""
    gradients = check_gradients()
    print_table("Backward pass against central differences: relative error", gradients)
    xor = compare_on_xor(config.xor)
    print_table("XOR in NumPy", xor)
    say("The four groups in NumPy, with every activation and loss …")
    choices = compare_choices(scaling.apply(splits), config.model, config.numpy)
    agreement = compare_with_numpy(splits.train, scaling, config.model)
    say(f"{FRAMEWORK} against NumPy: {agreement}")
    chosen = choices[config.model.activation, config.model.loss]
    return Experiments(gradients, xor, choices, agreement, chosen.network)


def finetune(config: FinetuneConfig) -> Run:
    """Adapt a trained network to a related problem with few labels; compare with learning from scratch."""
    pretrained = find_pretrained(config)
    config = replace(config, pretrained=str(pretrained.folder))
    base = pretrained.read_config(TrainConfig)
    task = second_task(base.data, config.turned)
    splits, test = task.splits, task.splits.test
    if config.labels > len(splits.train):
        raise UserError(f"labels is {config.labels}, but only {len(splits.train)} rows could be labelled.")
    this_run = start("finetune", config, config.training.resume)
    this_run.record_data(task.fingerprint)

    prepare(config.training)
    trained = open_model(pretrained)
    before = trained.measure(test)
    few = draw(splits.train, config.labels, seed=0)
    fine_tune(trained.model, few, config, base.model, this_run)
    save_model(trained.model, this_run.path(MODEL))

    say(f"Fine-tuned and from scratch, {config.comparison.seeds} seeds each, in NumPy …")
    network, scaling = to_numpy(open_model(pretrained).model)
    scaled = scaling.apply(splits)  # the scaling belongs to the pretrained weights; it is not fitted anew
    learned = compare_with_scratch(network, scaled, config.labels, base.model.loss, config.comparison)
    results = {
        BEFORE: before,
        AFTER: trained.measure(test),
        FINE_TUNED: mean_of(learned[FINE_TUNED].results),
        SCRATCH: mean_of(learned[SCRATCH].results),
        STRAIGHT: measure(baseline_probabilities(few, test.X), test),
        GUESS: measure(guess_probabilities(few, test.X), test),
        BEST: measure(task.problem.best_probabilities(test.X), test),
    }
    this_run.save_metrics(
        {
            "stage": "finetune",
            "problem": "classification",
            "rows": {"train": config.labels, "test": len(test)},
            "before": results[BEFORE],
            "after": results[AFTER],
            "fine_tuned": {"mean": results[FINE_TUNED], "values": values_of(learned[FINE_TUNED].results)},
            "from_scratch": {"mean": results[SCRATCH], "values": values_of(learned[SCRATCH].results)},
            "baseline": results[STRAIGHT],
            "guess": results[GUESS],
            "best_possible": results[BEST],
            "better": {"metric": "accuracy", "higher_is_better": True},
        }
    )
    print_results(f"{len(test):,} test rows of the second problem, {config.labels} labels", results)
    page = finetuning_page(this_run, task, scaling, open_model(pretrained), trained, learned, results)
    say(f"Report: {page}")
    return this_run


def find_pretrained(config: FinetuneConfig) -> Run:
    """The run to start from; `latest` of a resumed run is what it was then."""
    if config.pretrained == "latest" and config.training.resume:
        resumed = run_to_resume("finetune", config.training.resume)
        return open_run(resumed.read_config(FinetuneConfig).pretrained)
    return find_run(config.pretrained, "train")


def fine_tune(model: Any, few: Rows, config: FinetuneConfig, network: ModelConfig, this_run: Run) -> None:
    """Learn from few rows: first the second layer alone, then both layers in smaller steps.

    So few rows leave none for validation: all are learned from, for as many epochs as decided beforehand.
    """
    rows, measure_loss = make_dataset(few.X, few), loss(network)
    if config.frozen_epochs:
        rate = config.frozen_learning_rate
        frozen = replace(config.training, epochs=config.frozen_epochs, learning_rate=rate)
        freeze_backbone(model)
        fit(model, rows, None, frozen, this_run, loss=measure_loss, phase="frozen")
        unfreeze(model)
    fit(model, rows, None, config.training, this_run, loss=measure_loss)


def evaluate(config: EvalConfig) -> Run:
    """Measure a model on rows that it has not learned from."""
    evaluated = find_run(config.run, "train", "finetune")
    trained, task = open_model(evaluated), task_of(evaluated)
    rows: Rows = getattr(task.splits, config.part)
    results = {
        IN_FRAMEWORK: trained.measure(rows, config.batch_size),
        BEST: measure(task.problem.best_probabilities(rows.X), rows),
    }
    this_run = new_run("evaluate", replace(config, run=str(evaluated.folder)))
    this_run.record_data(task.fingerprint)
    this_run.save_metrics(
        {
            "stage": "evaluate",
            "run": str(evaluated.folder),
            "problem": "classification",
            "rows": len(rows),
            config.part: results[IN_FRAMEWORK],
            "best_possible": results[BEST],
        }
    )
    print_results(f"{len(rows):,} {config.part} rows of {evaluated.folder}", results)
    say(f"Report: {evaluation_page(this_run, task, trained, rows, results)}")
    return this_run


def predict(config: PredictConfig) -> Path:
    """Write a copy of a CSV file with the likelier class, and the probability of each."""
    used = find_run(config.run, "train", "finetune")
    trained = open_model(used)
    table = read_rows(Path(config.input), features=task_of(used).problem.features)
    probabilities = trained.probabilities(table.X, config.batch_size)
    output = Path(config.output) if config.output else new_run("predict", config).path("predictions.csv")
    write_predictions(table, probabilities, output)
    say(f"{len(table.X):,} predictions by {used.folder}: {output}")
    return output


def count(splits: Splits) -> dict[str, int]:
    return {"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}


def print_results(title: str, results: Mapping[str, Metrics]) -> None:
    """One row per model."""
    print_table(title, [{"": name, **result} for name, result in results.items()])


train_command = command(train, TrainConfig, "train")
finetune_command = command(finetune, FinetuneConfig, "finetune")
evaluate_command = command(evaluate, EvalConfig, "eval")
predict_command = command(predict, PredictConfig, "predict")
flow_command = whole_flow(train=train, evaluate=evaluate, finetune=finetune, show=print_results)
