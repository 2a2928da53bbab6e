"""Which model a stage starts from or uses: the newest run, a run, a local folder, or a name on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .run_selection import MODEL, find_run, run_to_resume
from .runs import RUNS


def resolve_model(name: str, *stages: str) -> str:
    """Return the folder or hub name that `name` means.

    Args:
        name: `latest` for the newest run of `stages`, a run's folder or its name in runs/, a model's folder,
            or a name on the hub such as `Qwen/Qwen3-0.6B`.
        stages: In which `latest` is looked for.

    Raises:
        UserError: When there is no such run.
    """
    if name == "latest":
        return (find_run(name, *stages).folder / MODEL).as_posix()
    for folder in (Path(name), RUNS / name):
        if (folder / "config.yaml").is_file():  # a run
            return (find_run(str(folder), *stages).folder / MODEL).as_posix()
    return name


def base_of(stage: str, config: Any, *stages: str) -> str:
    """Folder or hub name that `stage` starts from; `latest` of a resumed run is what it was then.

    Args:
        stage: Its name, as in the names of its runs.
        config: Its settings, with `base` and `training.resume`.
        stages: In which `latest` is looked for.

    Raises:
        UserError: When there is no such run.
    """
    if config.base == "latest" and config.training.resume:
        base: str = run_to_resume(stage, config.training.resume).read_config(type(config)).base
        return base
    return resolve_model(config.base, *stages) if config.base else ""


def short_name(model: str) -> str:
    """How a model is called in tables: the run's folder, or the hub name itself."""
    path = Path(model)
    return path.parent.as_posix() if path.name == MODEL and path.parent.name else model
