"""What a developer of newmodel does, as one command each; the same on Linux, macOS and Windows.

    python tasks.py demo            a project from this checkout: made, trained, fine-tuned, compared
    python tasks.py test [...]      every test; further arguments go to pytest
    python tasks.py test-fast [...] the tests that need no framework and no minutes
    python tasks.py lint            style and types
    python tasks.py docs            the documentation, into site/
    python tasks.py soak [CASES]    random projects updated end to end, 2000 by default
    python tasks.py release VERSION a new version of the templates

Each of them first brings the checkout's own environment, .venv, up to date. Standard library only: this runs before
anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
DEMO = ROOT / "demo"
DEMO_RECORD = ROOT / ".cache" / "demo.json"
# What using a project leaves in it, not its person.
TRACES = {".venv", ".git", "runs", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".DS_Store"}
TRACES |= {"workspace.xml", "misc.xml", "uv.lock", "uv.toml"}


class TaskFailed(Exception):  # noqa: N818 - ends the program, with an exit code
    """A command did not succeed."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["demo", "test", "test-fast", "lint", "docs", "soak", "release"])
    chosen, rest = parser.parse_known_args(arguments)
    try:
        if chosen.task == "demo":
            demo()
        elif chosen.task == "test":
            test(rest)
        elif chosen.task == "test-fast":
            test(["-m", "not full", *rest])
        elif chosen.task == "lint":
            lint()
        elif chosen.task == "docs":
            docs()
        elif chosen.task == "soak":
            soak(rest)
        else:
            release(rest)
    except TaskFailed as failure:
        print(f"\n{failure}" if str(failure) else "", file=sys.stderr)
        return failure.code
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


# --- the checkout's own environment -------------------------------------------------------------------------


def set_up(*groups: str) -> None:
    """Bring .venv up to date: newmodel itself, editable, with dependency groups of pyproject.toml."""
    stamp = ENVIRONMENT / "newmodel-tasks.json"
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    installed: dict[str, str] = read_json(stamp)
    if installed.get("python") != sys.version or not works(PYTHON):
        if installed or not works(PYTHON):
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        say("Making .venv")
        if not works(PYTHON):
            run([sys.executable, "-m", "venv", ENVIRONMENT], quiet=True)
        if not list(ENVIRONMENT.glob("[Ll]ib/**/site-packages/pip")):
            run([PYTHON, "-m", "ensurepip"], quiet=True)  # an environment that uv made has no pip
        installed = {"python": sys.version}
    missing = [name for name in ("", *groups) if installed.get(name) != wanted]
    if missing:
        say("Installing newmodel" + "".join(f" and what it takes to {name}" for name in missing if name))
        # Dependency groups came with pip 25.1, and a fresh environment holds the pip of its Python's release.
        install("--upgrade", "pip>=25.1")
        words = [word for name in groups for word in ("--group", name)]
        install("--editable", ".", *words)
        installed.update(dict.fromkeys(missing, wanted))
        stamp.write_text(json.dumps(installed), encoding="utf-8")


def install(*arguments: str) -> None:
    """Let pip install into .venv: one line that tells how it goes on, and all of it if it fails."""
    command = [str(PYTHON), "-m", "pip", "install", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    lines: list[str] = []
    shown = started = time.monotonic()
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.startswith(("WARNING", "Looking in", "Requirement already")):
            continue
        now = time.monotonic()
        news = f"{int(now - started):4d} s  {line.split('(from')[0].strip()}"
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns - 1
            print("\r" + news[:width].ljust(width), end="", flush=True)
        elif now - shown > 10:
            shown = now
            print(news, flush=True)
    if sys.stdout.isatty():
        print("\r" + " " * (shutil.get_terminal_size().columns - 1), end="\r", flush=True)
    if process.wait():
        raise TaskFailed("".join(lines[-40:]) + "\nInstalling into .venv failed: pip says above why.")


def works(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


# --- demo ---------------------------------------------------------------------------------------------------


def demo() -> None:
    """Make ./demo with newmodel, run its whole flow and show what fine-tuning gained."""
    started = time.monotonic()
    set_up()
    state = demo_state()
    if state == "absent":
        make_demo()
    elif state == "same":
        say("demo/ is as newmodel makes it: going on with it")
        finish_demo()
    else:
        place = free_name()
        DEMO.rename(place)
        reason = "was changed" if state == "changed" else "is of other templates"
        say(f"demo/ {reason}: it is now {place.name}/")
        make_demo()
    say("Training, evaluating, fine-tuning, evaluating again")
    run([project_python(), "flow.py"], folder=DEMO)
    print(before_and_after(DEMO))
    print(f"\nReady in {clock(time.monotonic() - started)}. Open the folder demo in PyCharm and press Run.")


def make_demo() -> None:
    say("newmodel init demo --defaults")
    try:
        run([PYTHON, "-m", "scaffolder", "init", "demo", "--defaults"])
    finally:
        if (DEMO / ".copier-answers.yml").exists():
            DEMO_RECORD.parent.mkdir(exist_ok=True)
            record = {"templates": templates_fingerprint(), "files": fingerprints(DEMO)}
            DEMO_RECORD.write_text(json.dumps(record, indent=1), encoding="utf-8")
    finish_demo()


def finish_demo() -> None:
    """Install what is missing, after an installation that failed or was interrupted."""
    if works(project_python()) and not (DEMO / ".venv" / "newmodel-unfinished").exists():
        return
    say("Installing the project's packages")
    run([PYTHON, "-m", "scaffolder.install", "demo"])


def demo_state() -> str:
    """`absent`, `same` (as it was made, by these templates), `outdated` (by others) or `changed` (by a person)."""
    if not DEMO.exists() or not any(DEMO.iterdir()):
        return "absent"
    record = read_json(DEMO_RECORD)
    if record.get("files") != fingerprints(DEMO):
        return "changed"
    return "same" if record.get("templates") == templates_fingerprint() else "outdated"


def free_name() -> Path:
    name = f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    names = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(ROOT / name for name in names if not (ROOT / name).exists())


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that is not a trace of use, by its path."""
    found = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in TRACES and not name.endswith(".egg-info")]
        for name in files:
            if name not in TRACES and not name.endswith(".pyc"):
                path = Path(place, name)
                found[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(found.items()))


def templates_fingerprint() -> str:
    return hashlib.sha256(json.dumps(fingerprints(ROOT / "templates")).encode()).hexdigest()


def project_python() -> Path:
    return DEMO / ".venv" / PYTHON.relative_to(ENVIRONMENT)


def before_and_after(project: Path) -> str:
    """The table of the newest fine-tuning run, and where its report is."""
    runs = sorted((project / "runs").glob("finetune-*/metrics.json"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise TaskFailed(f"No fine-tuning run was found in {project / 'runs'}.")
    metrics = read_json(runs[-1])
    better = metrics.get("better", {})
    columns = {
        "before": metrics.get("before", {}),
        "after": metrics.get("after", {}),
        "from scratch": metrics.get("from_scratch", {}).get("mean", {}),
        "baseline": metrics.get("baseline", {}),
    }
    columns = {name: values for name, values in columns.items() if isinstance(values, dict) and values}
    # the metric that decides comes first
    names = sorted(columns.get("after", {}), key=lambda name: (name != better.get("metric"), name))
    rows = [["", *columns]]
    rows += [[name.replace("_", " "), *(number(values.get(name)) for values in columns.values())] for name in names]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    title = "Fine-tuning, before and after:"
    return "\n".join(["", title, "", *lines, "", verdict(metrics), f"Report: {runs[-1].with_name('report.html')}"])


def verdict(metrics: dict[str, Any]) -> str:
    better = metrics.get("better", {})
    name = better.get("metric")
    before, after = metrics.get("before", {}).get(name), metrics.get("after", {}).get(name)
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)):
        return ""
    gained = after > before if better.get("higher_is_better", True) else after < before
    word = "better" if gained else "no better"
    return f"{name.replace('_', ' ')} is {word} after fine-tuning: {number(before)} -> {number(after)}"


def number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


# --- tests, style, docs, release ----------------------------------------------------------------------------


def test(arguments: list[str]) -> None:
    set_up("test")
    # brings JetBrains' own project loader, where it can; its tests say what is missing
    if sys.platform == "linux" and "not full" not in arguments and shutil.which("apt-get"):
        run(["sh", "tests/jetbrains/install.sh"], check=False)
    # worksteal: the long tests of the cells lie together, and one process must not be left with all of them
    parallel = ["-n", "2", "--dist", "worksteal"]
    processes = [] if any(word.startswith(("-n", "--pdb")) for word in arguments) else parallel
    coverage = ["--cov=scaffolder", "--cov-report=term:skip-covered"]
    run([PYTHON, "-m", "pytest", *processes, *coverage, *arguments], quiet=True)


def lint() -> None:
    set_up("test")
    run([PYTHON, "-m", "ruff", "check", "."])
    run([PYTHON, "-m", "ruff", "format", "--check", "."])
    run([PYTHON, "-m", "mypy"])


def docs() -> None:
    set_up("docs")
    run([PYTHON, "-m", "mkdocs", "build", "--strict"])


def soak(arguments: list[str]) -> None:
    set_up("test")
    run([PYTHON, "tests/soak.py", *arguments], quiet=True)


def release(arguments: list[str]) -> None:
    if len(arguments) != 1:
        raise TaskFailed("Which version? make release VERSION=0.3.0, or: python tasks.py release 0.3.0", 2)
    set_up()
    run([PYTHON, "-m", "scaffolder.template_source", "release", arguments[0]])


# --- small things -------------------------------------------------------------------------------------------


def run(command: list[Any], *, folder: Path = ROOT, check: bool = True, quiet: bool = False) -> None:
    """Run a command, its output going where ours goes.

    Args:
        quiet: A failure was explained by the command itself.
    """
    words = [str(word) for word in command]
    sys.stdout.flush()
    code = subprocess.run(words, cwd=folder, env=environment(), check=False).returncode
    if code and check:
        shown = " ".join(word.replace(str(ROOT) + os.sep, "") for word in words)
        # what a signal ended has no exit code of its own
        message = "" if quiet else f"This failed (exit code {code}): {shown}"
        raise TaskFailed(message, code if code > 0 else 128 - code)


def environment() -> dict[str, str]:
    """Our environment variables, without those of another Python environment."""
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**environ, "PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def say(message: str) -> None:
    print(f"\n== {message}", flush=True)


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    raise SystemExit(main())
