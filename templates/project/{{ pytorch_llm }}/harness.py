"""Public benchmarks through lm-evaluation-harness, an optional package.

https://github.com/EleutherAI/lm-evaluation-harness
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .config_file import nearest
from .console import say
from .errors import UserError
from .metrics import Metrics
from .out_of_memory import is_out_of_memory
from .quiet import one_line
from .text_model import TextModel

BATCHES = (16, 4, 1)  # questions side by side: fewer where they need more memory than there is


def evaluate_with_harness(model: TextModel, tasks: Sequence[str], *, include: str = "") -> dict[str, Metrics]:
    """The figures of each task, as its authors define them.

    Args:
        model: Its adapters, if any, merged into it.
        tasks: Names, such as hellaswag or arc_easy; `lm-eval ls tasks` lists them.
        include: Folder with tasks of one's own (YAML); empty: none.

    Raises:
        UserError: Where the package or the folder is missing, a task is unknown, or its questions cannot be
            fetched.
    """
    if include and not Path(include).is_dir():
        raise UserError(f"harness_include: {include} is not a folder; give the one that holds your tasks.")
    try:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager
    except ModuleNotFoundError as error:
        raise UserError(
            f"Benchmarks need lm-evaluation-harness ({error.name} is missing): "
            "install it with `pip install lm-eval`."
        ) from None
    manager = TaskManager(include_path=include or None)
    for task in tasks:
        if task not in manager.all_tasks:
            raise UserError(
                f"lm-evaluation-harness has no task {task}{nearest(task, manager.all_tasks)}; "
                "`lm-eval ls tasks` lists them."
            )
    say(f"{', '.join(tasks)}: the questions are downloaded from Hugging Face, unless they are here already.")

    def run(batch: int) -> dict[str, Metrics]:
        adapted = HFLM(pretrained=model.model, tokenizer=model.tokenizer, batch_size=batch)
        found = simple_evaluate(
            model=adapted, tasks=list(tasks), task_manager=manager, log_samples=False, bootstrap_iters=0
        )
        return {task: figures_of(values) for task, values in found["results"].items()}

    try:
        return with_less_memory(run)
    except OSError as error:  # huggingface_hub's and datasets' errors of the network are such
        raise UserError(
            f"The questions of {', '.join(tasks)} cannot be had from Hugging Face: {one_line(error)}"
        ) from error


def with_less_memory(run: Callable[[int], dict[str, Metrics]]) -> dict[str, Metrics]:
    """What `run` gives for so many questions at a time as memory allows; raises UserError for one.

    Logits of all places and words are made, gigabytes for long questions. The harness begins with the longest
    of a kind, so that too many are seen at once.
    """
    for batch in BATCHES:
        try:
            return run(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    raise UserError("Benchmarks need more memory than there is, even for one question at a time.")


def figures_of(values: Mapping[str, Any]) -> Metrics:
    """Turn `{"acc,none": 0.5, "exact_match,strict-match": …}` into figures with plain names."""
    figures: Metrics = {}
    for name, value in values.items():
        metric, comma, chosen = name.partition(",")
        if comma and isinstance(value, int | float) and not metric.endswith("_stderr"):
            figures[metric if chosen == "none" else f"{metric} ({chosen})"] = float(value)
    return figures
