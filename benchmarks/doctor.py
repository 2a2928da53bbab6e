"""What `newmodel doctor` costs: `python benchmarks/doctor.py [--python PROJECT_PYTHON]`.

Prints, as medians:
- seconds and peak memory of the report without frameworks and without network (aims: 1 s, 120 MiB);
- with `--python`, seconds of the whole report over those of importing the same frameworks side by side, the difference
  being what the report itself adds (aim: 1 s at most).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def environment(python: Path | None) -> dict[str, str]:
    """Compiled files are allowed, as on any user's machine; the interpreter to ask is the active one."""
    names = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    names |= {"PYTHONPATH": str(ROOT)} if python is None else {"VIRTUAL_ENV": str(python.parent.parent)}
    return names


def doctor(arguments: list[str], variables: dict[str, str], folder: str) -> tuple[float, float]:
    """Seconds, and MiB of resident memory at the peak."""
    words = [sys.executable, "-m", "scaffolder", "doctor", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _pid, _status, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def importing(python: Path, modules: list[str], variables: dict[str, str]) -> float:
    """Seconds of importing these side by side, each in a process of its own."""
    began = time.perf_counter()
    processes = [
        subprocess.Popen([python, "-c", f"import {name}"], env=variables, stderr=subprocess.DEVNULL) for name in modules
    ]
    for process in processes:
        process.wait()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", type=Path, help="an interpreter that has torch or TensorFlow")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        doctor(["--quick"], environment(None), folder)  # compiles what is not compiled yet
        quick = [doctor(["--quick"], environment(None), folder) for _ in range(options.rounds)]
        seconds, memory = statistics.median(one for one, _ in quick), max(two for _, two in quick)
        print(f"without frameworks: {seconds:.2f} s, {memory:.0f} MiB")
        if options.python is None:
            return
        variables = environment(options.python)
        probe = "import importlib.util as u; print(*(n for n in ('torch', 'tensorflow') if u.find_spec(n)))"
        modules = subprocess.run(
            [options.python, "-c", probe], capture_output=True, text=True, check=True
        ).stdout.split()
        pairs = []
        variables["PYTHONPATH"] = str(ROOT)
        for _ in range(options.rounds):
            alone = importing(options.python, modules, environment(options.python))
            pairs.append((doctor([], variables, folder)[0], alone))
        whole, alone = (statistics.median(values) for values in zip(*pairs, strict=True))
        figures = f"{whole:.2f} s, importing alone {alone:.2f} s, ratio {whole / alone:.2f}, {whole - alone:+.2f} s"
        print(f"with {' and '.join(modules)}: {figures}")


if __name__ == "__main__":
    main()
