"""The reports: what was done, what came out, and what can be seen in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .agreement import Agreement
from .baseline import baseline_probabilities
from .config import TrainConfig
from .experiments import FINE_TUNED, SCRATCH, Choice, Learned, Table, share_in_plane, solve_xor
from .experiments import Trained as TrainedInNumpy
from .figures import plane_panel, plot_boundaries, plot_choices, plot_transfer, xor_panel
from .metrics import Metrics
from .model import FRAMEWORK
from .numpy_network import Array, Network
from .plots import plot_curves, plot_points
from .problems import Rows, Scaling
from .profile_report import profile_sections
from .report import Section, write_report
from .runs import Run
from .trained import Task, Trained

BETTER = {"accuracy": True, "cross_entropy": False}


@dataclass(frozen=True)
class Experiments:
    """What training found out in NumPy; `network` has the activation and the loss that were chosen."""

    gradients: Table
    xor: Table
    choices: Mapping[Choice, TrainedInNumpy]
    agreement: Agreement
    network: Network


def training_page(
    run: Run,
    config: TrainConfig,
    task: Task,
    scaling: Scaling,
    experiments: Experiments,
    trained: Trained,
    results: Mapping[str, Metrics],
) -> Path:
    """Write the report of train.py and return its path."""
    rows = task.splits.test
    maps = {
        "straight boundary": lambda X: baseline_probabilities(task.splits.train, X),
        "network in NumPy": on_measured(experiments.network, scaling),
        f"network in {FRAMEWORK}": trained.probabilities,
        "best possible": task.problem.best_probabilities,
    }
    result = Section(
        title="Result",
        text=f"{len(rows):,} test rows, on which nothing was fitted. A straight boundary does no better than "
        "a guess, for the classes lie crosswise. Nothing does better than the best possible boundary on "
        "average, because the groups overlap: an error of 0 would be a reason for doubt.",
        rows=table_of(results),
        higher_is_better=BETTER,
    )
    boundary = Section(
        title="Where the boundary lies",
        text="The network sees ten measured features. This is the plane that is hidden in them.",
        figures=boundaries(run, task, maps, rows),
    )
    curves = Section(
        title="Learning curves",
        figures={f"The network in {FRAMEWORK}": plot_curves(run.history(), run.path("plots/curves.png"))},
    )
    same = Section(
        title="The same network twice",
        text=f"{FRAMEWORK} against NumPy: {experiments.agreement}\n\n"
        "For the result above, each was trained in a way of its own: plain gradient descent in NumPy, AdamW "
        "with a schedule in the framework.",
    )
    sections = [result, boundary, curves, same, choices_section(run, experiments)]
    sections += [
        xor_section(run, config, experiments),
        gradients_section(experiments),
        *profile_sections(run),
    ]
    return write_report(run, "Training: what a network with two layers can do", sections)


def choices_section(run: Run, experiments: Experiments) -> Section:
    """Activations and losses side by side."""
    table: Table = []
    for (activation, loss), trained in experiments.choices.items():
        best = min(trained.history, key=lambda row: row["validation_cross_entropy"])
        table.append(
            {
                "network": f"{activation}, {loss.replace('_', ' ')}",
                "accuracy": best["validation_accuracy"],
                "cross_entropy": best["validation_cross_entropy"],
                "best epoch": best["epoch"],
            }
        )
    return Section(
        title="Activation and loss",
        text="The NumPy network on the validation rows, all else being equal. Where it is sure and wrong, "
        "the squared error is flat and the cross-entropy is steep; a sigmoid lets a quarter of the gradient "
        "through at most, tanh and ReLU up to all of it.",
        rows=table,
        higher_is_better=BETTER,
        figures={"Validation rows": plot_choices(experiments.choices, run.path("plots/choices.png"))},
    )


def xor_section(run: Run, config: TrainConfig, experiments: Experiments) -> Section:
    """XOR: how many starting points lead to a solution, and what one of the solutions looks like."""
    one = solve_xor(config.xor, config.model.activation, config.model.loss, seed=0)
    panel = xor_panel(f"after {len(one.losses)} steps", one.network.probabilities)
    return Section(
        title="XOR",
        text=f"Four rows, {config.xor.hidden} hidden units, from {config.xor.seeds} starting points.",
        rows=experiments.xor,
        higher_is_better={"median steps": False},
        figures={"Probability of class 1": plot_boundaries([panel], run.path("plots/xor.png"))},
    )


def gradients_section(experiments: Experiments) -> Section:
    """The gradient check."""
    return Section(
        title="Are the gradients right?",
        text="Relative difference between the backward pass and central differences. A wrong formula gives "
        "more than 0.01, rounding about 0.000000001.",
        rows=experiments.gradients,
    )


def finetuning_page(
    run: Run,
    task: Task,
    scaling: Scaling,
    before: Trained,
    after: Trained,
    learned: Mapping[str, Learned],
    results: Mapping[str, Metrics],
) -> Path:
    """Write the report of finetune.py and return its path."""
    rows = task.splits.test
    maps = {
        "before fine-tuning": before.probabilities,
        "after fine-tuning": after.probabilities,
        "from scratch": on_measured(learned[SCRATCH].networks[0], scaling),
        "best possible": task.problem.best_probabilities,
    }
    accuracies = {name: [result["accuracy"] for result in way.results] for name, way in learned.items()}
    seeds = len(accuracies[SCRATCH])
    wins = sum(a > b for a, b in zip(accuracies[FINE_TUNED], accuracies[SCRATCH], strict=True))
    gain = 100.0 * (np.mean(accuracies[FINE_TUNED]) - np.mean(accuracies[SCRATCH]))
    known, guessed = (
        np.mean([share_in_plane(network, scaling, task.problem) for network in learned[way].networks])
        for way in (FINE_TUNED, SCRATCH)
    )
    sections = [
        Section(
            title="Before and after",
            text=f"{len(rows):,} test rows of the second problem: the groups were turned, and one of them "
            f"has changed its class. The first two rows are the {FRAMEWORK} network that is kept in this "
            f"run's folder. The next two are means over {seeds} seeds in NumPy, each with other labelled "
            f"rows: fine-tuning was better than learning from scratch in {wins} of {seeds}, on average by "
            f"{gain:.1f} points of accuracy.",
            rows=table_of(results),
            higher_is_better=BETTER,
        ),
        Section(
            title="Where the boundary lies",
            text="What is kept is the view: pretraining has found the plane in which the groups lie. Of what "
            f"the hidden layer reacts to, {known:.0%} lies in this plane after fine-tuning, {guessed:.0%} "
            f"from scratch (in NumPy, mean of the seeds), {2 / task.problem.features:.0%} by chance. The "
            "rest is noise from other directions, which these pictures cannot show.",
            figures=boundaries(run, task, maps, rows),
        ),
        Section(
            title="Fine-tuned against from scratch",
            text="The same labelled rows, the same number and size of steps. The curves were drawn "
            "afterwards: nothing was chosen by them.",
            figures={
                "Mean, and range from worst to best": plot_transfer(learned, run.path("plots/transfer.png")),
                "Test rows, a dot per seed": plot_points(accuracies, "accuracy", run.path("plots/seeds.png")),
            },
        ),
        Section(
            title="Learning curves",
            text=f"The network in {FRAMEWORK}, first the second layer alone, then both. The loss is that of "
            "the labelled rows themselves, for so few leave none for validation.",
            figures={"Over the epochs": plot_curves(run.history(), run.path("plots/curves.png"))},
        ),
        *profile_sections(run),
    ]
    return write_report(run, "Fine-tuning: a related problem with few labels", sections)


def evaluation_page(
    run: Run, task: Task, trained: Trained, rows: Rows, results: Mapping[str, Metrics]
) -> Path:
    """Write the report of eval.py and return its path."""
    maps = {
        f"network in {FRAMEWORK}": trained.probabilities,
        "best possible": task.problem.best_probabilities,
    }
    sections = [
        Section(title=f"{len(rows):,} rows", rows=table_of(results), higher_is_better=BETTER),
        Section(title="Where the boundary lies", figures=boundaries(run, task, maps, rows)),
    ]
    return write_report(run, "Evaluation", sections)


def boundaries(
    run: Run, task: Task, maps: Mapping[str, Callable[[Array], Array]], rows: Rows
) -> dict[str, Path]:
    """Draw what several networks say about the hidden plane."""
    panels = [plane_panel(name, probabilities, task.problem, rows) for name, probabilities in maps.items()]
    caption = "Probability of class 1, with the boundary and the rows"
    return {caption: plot_boundaries(panels, run.path("plots/boundary.png"))}


def table_of(results: Mapping[str, Metrics]) -> Table:
    """One row per model."""
    return [{"model": name, **result} for name, result in results.items()]


def on_measured(network: Network, scaling: Scaling) -> Callable[[Array], Array]:
    """Let a NumPy network, which takes scaled features, take features as measured."""
    return lambda X: network.probabilities(scaling(X))
