"""Which model a stage starts from or uses: the newest run, a run, a local folder, or a name on the hub."""

from __future__ import annotations

from pathlib import Path

from .run_selection import MODEL, find_run
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


def short_name(model: str) -> str:
    """How a model is called in tables: the run's folder, or the hub name itself."""
    path = Path(model)
    return path.parent.as_posix() if path.name == MODEL and path.parent.name else model
