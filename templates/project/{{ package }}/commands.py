"""The commands behind the scripts: a stage with its file in configs/, and all stages in a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .command_line import parse, run
from .config import EvalConfig, FinetuneConfig, TrainConfig
from .console import say
from .runs import Run

Arguments = Sequence[str] | None
Config = TypeVar("Config")
BEFORE, AFTER = "before fine-tuning", "after fine-tuning"


def settings(config_class: type[Config], name: str, argv: Arguments) -> Config:
    """The settings of a stage, from configs/NAME.yaml (or the run that is resumed) and the command line."""
    description = (config_class.__doc__ or "").strip()
    files = [f"configs/{name}.yaml"]
    return parse(config_class, description=description, config_files=files, argv=argv, stage=name)


def command(stage: Callable[[Config], object], config_class: type[Config], name: str) -> Callable[..., int]:
    """The command of one stage: takes the options (none: those of the command line), gives the exit code."""

    def start(argv: Arguments = None) -> int:
        return run(lambda: stage(settings(config_class, name, argv)))

    return start


def whole_flow(
    *,
    train: Callable[[TrainConfig], Run],
    evaluate: Callable[[EvalConfig], object],
    finetune: Callable[[FinetuneConfig], Run],
    show: Callable[[str, Mapping[str, Any]], None],
) -> Callable[..., int]:
    """The command of all stages: train → evaluate → fine-tune → evaluate, each with its own file in configs/.

    The options go to the first stage; `show` prints the figures before and after, below a title.
    """

    def flow(config: TrainConfig) -> None:
        say("\n1 of 4: train")
        trained = train(config)
        say("\n2 of 4: evaluate")
        evaluate(settings(EvalConfig, "eval", ["--run", str(trained.folder)]))
        say("\n3 of 4: fine-tune")
        finetuned = finetune(settings(FinetuneConfig, "finetune", ["--pretrained", str(trained.folder)]))
        say("\n4 of 4: evaluate")
        evaluate(settings(EvalConfig, "eval", ["--run", str(finetuned.folder)]))
        metrics = finetuned.metrics()
        show("Before and after fine-tuning", {BEFORE: metrics["before"], AFTER: metrics["after"]})
        say(f"Report: {finetuned.path('report.html')}")

    return command(flow, TrainConfig, "train")
