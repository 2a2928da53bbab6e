"""Fine-tuning to few rows, and training from scratch on the same rows to compare with."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace

from .columns import Columns, fit_target
from .config import FinetuneConfig, TrainConfig
from .console import say
from .data import load_data
from .device import seed_everything
from .metrics import Metrics, main_metric
from .model import build_model, freeze_backbone, loss, save_model, unfreeze
from .run_selection import MODEL
from .runs import Run
from .split import Splits
from .trained import Trained, open_model
from .training import fit


def fine_tune(pretrained: Run, splits: Splits, config: FinetuneConfig, seed: int, run: Run) -> Metrics:
    """Train the last layer, then all layers at a lower rate. The run keeps the model of the first seed."""
    trained = open_model(pretrained)
    data = load_data(splits, trained.columns, trained.preprocessing)
    training = replace(config.training, seed=config.training.seed + seed)
    where = part_of(run, f"other_seeds/{seed}") if seed else run
    seed_everything(training.seed)
    with silence(run) if seed else contextlib.nullcontext():
        if config.frozen_epochs:
            say("Training the last layer, all others frozen:")
            freeze_backbone(trained.model)
            head = replace(training, epochs=config.frozen_epochs, learning_rate=config.frozen_learning_rate)
            fit(
                trained.model,
                data.train,
                data.validation,
                head,
                where,
                loss=loss(trained.columns),
                phase="frozen",
            )
            unfreeze(trained.model)
        say("Training all layers:")
        fit(
            trained.model,
            data.train,
            data.validation,
            training,
            where,
            loss=loss(trained.columns),
            phase="unfrozen",
        )
    if not seed:
        save_model(trained.model, run.path(MODEL), trained.columns, trained.preprocessing)
    return say_result("Fine-tuned", seed, trained.measure(splits.test))


def train_from_scratch(
    splits: Splits, columns: Columns, base: TrainConfig, config: FinetuneConfig, seed: int, run: Run
) -> Metrics:
    """Train a new model on the few rows alone: as many epochs as fine-tuning, at the rate of train.py.

    Nothing comes from the rows outside the segment: the preprocessing is fitted anew, too.
    """
    columns = fit_target(columns, splits.train[columns.target].to_numpy(), base.data.class_weights)
    training = replace(
        config.training,
        epochs=config.frozen_epochs + config.training.epochs,
        learning_rate=base.training.learning_rate,
        seed=config.training.seed + seed,
    )
    seed_everything(training.seed)
    data = load_data(splits, columns)
    model = build_model(base.model, columns, data)
    with silence(run):
        where = part_of(run, f"from_scratch/{seed}")
        fit(model, data.train, data.validation, training, where, loss=loss(columns))
    trained = Trained(model=model, columns=columns, preprocessing=data.preprocessing)
    return say_result("From scratch", seed, trained.measure(splits.test))


def part_of(run: Run, name: str) -> Run:
    """A folder within a run for a training that is not its main one."""
    folder = run.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder, run.stage)


def say_result(what: str, seed: int, figures: Metrics) -> Metrics:
    """Print one line, and return the figures."""
    name = main_metric(figures)
    say(f"{what}, seed {seed}: {name} {figures[name]:.4f}")
    return figures


@contextlib.contextmanager
def silence(run: Run) -> Iterator[None]:
    """Print nothing of a training that is one of several in a run; what is gone on with is the whole run."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except KeyboardInterrupt:
        command = f"python finetune.py --training.resume {run.folder}"
        raise KeyboardInterrupt(f"Training is saved. Go on with: {command}") from None
