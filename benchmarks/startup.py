"""How fast newmodel starts and generates, beside what it is built on: `python benchmarks/startup.py`.

Prints one ratio a line:
- `newmodel --help` over `python -c "import typer, rich.console"` (aim: 1.5 at most), both from compiled files;
- `generate` over copier's `run_copy` of the same tree in one process, probes and consent left out (aim: 1.3 at most).
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def medians(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median times of two works, taken in turns, so that a busy machine is as unfair to both."""
    first(), second()
    times = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return statistics.median(one for one, _ in times), statistics.median(two for _, two in times)


def start_up(rounds: int) -> tuple[float, float]:
    """Seconds of `newmodel --help` and of the imports alone."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(ROOT),
    }

    def python(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, *arguments]
        return lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    compileall.compile_dir(ROOT / "scaffolder", quiet=1, maxlevels=3)
    return medians(
        python("-c", "from scaffolder.cli import main; raise SystemExit(main(['--help']))"),
        python("-c", "import typer, rich.console"),
        rounds,
    )


def generating(rounds: int) -> tuple[float, float]:
    """Seconds of our generation and of copier's `run_copy`, of the same project."""
    from copier import run_copy

    from scaffolder.generate import render, write
    from scaffolder.staging import staging
    from scaffolder.template_source import templates_folder

    answers = {"project_name": "demo", "framework": "pytorch", "task": "tabular"}
    with tempfile.TemporaryDirectory() as scratch:
        counter = iter(range(10_000))

        def ours() -> None:
            target = Path(scratch, f"ours-{next(counter)}")
            rendering = render(answers, target)
            with staging(target) as stage:
                write(rendering, stage.project)
                stage.commit()

        def copiers() -> None:
            target = Path(scratch, f"copiers-{next(counter)}")
            run_copy(str(templates_folder()), target, data=answers, defaults=True, quiet=True)

        return medians(ours, copiers, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    for title, (ours, theirs) in (
        ("newmodel --help / import typer, rich.console", start_up(rounds)),
        ("generate / copier run_copy", generating(max(3, rounds // 3))),
    ):
        print(f"{title}: {ours * 1000:.0f} ms / {theirs * 1000:.0f} ms = {ours / theirs:.2f}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
