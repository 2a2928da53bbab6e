"""The reports: what was done, what came out, and what one can see in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .agreement import Agreement
from .baseline import baseline_probabilities
from .config import TrainConfig
from .experiments import FINE_TUNED, SCRATCH, Choice, Learned, Table, solve_xor
from .experiments import Trained as TrainedInNumpy
from .figures import plane_panel, plot_boundaries, plot_choices, plot_transfer, xor_panel
from .metrics import Metrics
from .model import FRAMEWORK
from .numpy_network import Array, Network
from .plots import plot_bars, plot_curves
from .problems import Rows, Scaling
from .report import Section, write_report
from .runs import Run
from .trained import Task, Trained

BETTER = {"accuracy": True, "cross_entropy": False}


@dataclass(frozen=True)
class Experiments:
    """What training found out in NumPy; `network` is the one with the activation and the loss that were chosen."""

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
    test, problem = task.splits.test, task.problem
    in_numpy = on_measured(experiments.network, scaling)
    boundaries = [
        plane_panel(
            "straight boundary", lambda X: baseline_probabilities(task.splits.train, X), problem, test
        ),
        plane_panel("network in NumPy", in_numpy, problem, test),
        plane_panel(f"network in {FRAMEWORK}", trained.probabilities, problem, test),
        plane_panel("best possible", problem.best_probabilities, problem, test),
    ]
    solution = solve_xor(config.xor, config.model.activation, config.model.loss, seed=0)
    curves = {
        f"Loss of the {FRAMEWORK} network over the epochs": plot_curves(
            run.history(), run.path("plots/curves.png")
        )
    }
    return write_report(
        run,
        "Training: what a network with two layers can do",
        [
            Section(
                title="Result",
                text=f"{len(test):,} test rows, which nothing was fitted on. A straight boundary does no better "
                "than a guess, for the two classes lie crosswise. Nobody can do better than the best possible "
                "boundary on average, because the groups overlap; an error of 0 would be a reason for doubt.",
                rows=table_of(results),
                higher_is_better=BETTER,
            ),
            Section(
                title="Where the boundary lies",
                text="The network sees ten measured features. The picture shows the plane that is hidden in "
                "them, with the test rows.",
                figures={
                    "Probability of class 1; the line is the boundary": plot_boundaries(
                        boundaries, run.path("plots/boundary.png")
                    )
                },
            ),
            Section(title="Learning curves", figures=curves),
            Section(
                title="The same network twice",
                text=f"{FRAMEWORK} against NumPy: {experiments.agreement}\n\nFor the result above each was "
                "trained in its own way, so there they differ a little more.",
            ),
            Section(
                title="Activation and loss",
                text="The NumPy network on the validation rows, all else being equal. Where the network is sure "
                "and wrong, the squared error is flat and the cross-entropy is steep; a sigmoid passes on a "
                "quarter of the gradient at most, tanh and ReLU pass on up to all of it.",
                rows=[
                    {
                        "network": f"{activation}, {loss.replace('_', ' ')}",
                        "accuracy": best_epoch(trained_choice)["validation_accuracy"],
                        "cross_entropy": best_epoch(trained_choice)["validation_cross_entropy"],
                        "best epoch": best_epoch(trained_choice)["epoch"],
                    }
                    for (activation, loss), trained_choice in experiments.choices.items()
                ],
                higher_is_better=BETTER,
                figures={
                    "Accuracy on the validation rows": plot_choices(
                        experiments.choices, run.path("plots/choices.png")
                    )
                },
            ),
            Section(
                title="XOR",
                text=f"Four rows, {config.xor.hidden} hidden units, from {config.xor.seeds} starting points.",
                rows=experiments.xor,
                higher_is_better={"median steps": False},
                figures={
                    f"XOR after {len(solution.losses)} steps": plot_boundaries(
                        [xor_panel("", solution.network.probabilities)], run.path("plots/xor.png")
                    )
                },
            ),
            Section(
                title="Are the gradients right?",
                text="Relative difference between the backward pass and central differences. A wrong formula "
                "gives more than 0.01; rounding gives about 0.000000001.",
                rows=experiments.gradients,
            ),
        ],
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
    test = task.splits.test
    from_scratch = on_measured(learned[SCRATCH].networks[0], scaling)
    boundaries = [
        plane_panel("before fine-tuning", before.probabilities, task.problem, test),
        plane_panel("after fine-tuning", after.probabilities, task.problem, test),
        plane_panel("from scratch", from_scratch, task.problem, test),
        plane_panel("best possible", task.problem.best_probabilities, task.problem, test),
    ]
    accuracies = {name: [result["accuracy"] for result in way.results] for name, way in learned.items()}
    wins = sum(a > b for a, b in zip(accuracies[FINE_TUNED], accuracies[SCRATCH], strict=True))
    gain = np.mean(accuracies[FINE_TUNED]) - np.mean(accuracies[SCRATCH])
    seeds = len(accuracies[SCRATCH])
    return write_report(
        run,
        "Fine-tuning: a related problem with few labels",
        [
            Section(
                title="Before and after",
                text=f"{len(test):,} test rows of the second problem. The groups were turned, and one of them "
                "has changed its class; the hidden layer still knows the plane in which they lie.\n\n"
                f"The first two rows are the {FRAMEWORK} network, which is kept in this run's folder. The next "
                f"two are means over {seeds} seeds in NumPy, each with other labelled rows: fine-tuning was "
                f"better than learning from scratch in {wins} of {seeds}, by {gain:+.1%} on average.",
                rows=table_of(results),
                higher_is_better=BETTER,
            ),
            Section(
                title="Where the boundary lies",
                figures={
                    "Probability of class 1 in the hidden plane, with the test rows": plot_boundaries(
                        boundaries, run.path("plots/boundary.png")
                    )
                },
            ),
            Section(
                title="Fine-tuned against from scratch",
                text="The same labelled rows, the same number and size of steps. The curves were drawn "
                "afterwards: nothing was chosen by them.",
                figures={
                    "Mean over the seeds, and range from worst to best": plot_transfer(
                        learned, run.path("plots/transfer.png")
                    ),
                    "Test accuracy; each dot is a seed": plot_bars(
                        accuracies, "accuracy", run.path("plots/seeds.png")
                    ),
                },
            ),
            Section(
                title="Learning curves",
                text="Loss on the labelled rows themselves: so few leave none for validation.",
                figures={
                    f"The {FRAMEWORK} network: first the second layer alone, then both": plot_curves(
                        run.history(), run.path("plots/curves.png")
                    )
                },
            ),
        ],
    )


def evaluation_page(
    run: Run, task: Task, trained: Trained, rows: Rows, results: Mapping[str, Metrics]
) -> Path:
    """Write the report of eval.py and return its path."""
    boundaries = [
        plane_panel(f"network in {FRAMEWORK}", trained.probabilities, task.problem, rows),
        plane_panel("best possible", task.problem.best_probabilities, task.problem, rows),
    ]
    return write_report(
        run,
        "Evaluation",
        [
            Section(title=f"{len(rows):,} rows", rows=table_of(results), higher_is_better=BETTER),
            Section(
                title="Where the boundary lies",
                figures={
                    "Probability of class 1 in the hidden plane": plot_boundaries(
                        boundaries, run.path("plots/boundary.png")
                    )
                },
            ),
        ],
    )


def table_of(results: Mapping[str, Metrics]) -> Table:
    """One row per model."""
    return [{"model": name, **result} for name, result in results.items()]


def on_measured(network: Network, scaling: Scaling) -> Callable[[Array], Array]:
    """Let a NumPy network, which takes scaled features, take features as measured."""
    return lambda X: network.probabilities(scaling(X))


def best_epoch(trained: TrainedInNumpy) -> dict[str, float]:
    """The row of the history whose weights were kept."""
    return min(trained.history, key=lambda row: row["validation_cross_entropy"])
