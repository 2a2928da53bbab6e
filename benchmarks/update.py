"""How fast a project is updated, beside copier: `python benchmarks/update.py`.

Prints one ratio a line, and a time:
- an update of a real project of about 100 files from the last release but one to the last, prepared, merged and written
  (`prepare` and `apply`), over copier's `run_update` of the same project between the same versions (aim: 1.3 at most).
  Both in one process, in turns, from templates that are unpacked already; the person has edited three files;
- `newmodel update --check`, without the time that Python itself takes to start (aim: less than 300 ms), from compiled
  files.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.startup import seconds  # noqa: E402

#: What every release has.
ANSWERS = {"project_name": "demo", "framework": "pytorch", "task": "tabular"}
EDITS = {"train.py": '\n\nEDITED = "by the person"\n', "README.md": "\nMy own notes.\n"}


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "gc.auto=0")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def make_project(folder: Path, old: str) -> None:
    """A committed project of release `old`, edited by a person."""
    from scaffolder.generate import Source, render, write
    from scaffolder.template_source import releases

    folder.mkdir(parents=True)
    release = releases().find(old)
    write(render(ANSWERS, folder, Source(releases().unpack(release), release.tag)), folder)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "made")
    for name, text in EDITS.items():
        file = folder / name
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    git(folder, "commit", "-qam", "edited")


def updating(old: str, new: str, rounds: int) -> tuple[float, float, int]:
    """Median seconds of our update and of copier's, and how many files the project has."""
    from copier import run_update
    from plumbum import local

    from scaffolder.project import open_project
    from scaffolder.template_source import TEMPLATE_URL, releases
    from scaffolder.updating.update import apply, available, prepare

    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        os.environ["XDG_CACHE_HOME"] = str(top / "cache")  # both unpack the templates in the first, untimed round
        make_project(top / "original", old)
        templates = top / "templates"
        git(top, "clone", "-q", "--mirror", str(releases().bundle), f"{templates}.git")
        # copier takes the address from the project's answers; git finds the clone under it
        found_there = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{templates}.insteadOf",
            "GIT_CONFIG_VALUE_0": TEMPLATE_URL,
        }

        def ours(folder: Path) -> None:
            project = open_project(folder)
            versions = available(project, releases(), new)
            assert versions is not None
            with prepare(project, releases(), versions) as update:
                apply(update)

        def copiers(folder: Path) -> None:
            with local.env(**found_there):
                run_update(folder, vcs_ref=new, defaults=True, overwrite=True, quiet=True)

        def timed(work: Callable[[Path], None], name: str) -> float:
            folder = top / name
            shutil.copytree(top / "original", folder)
            taken = seconds(lambda: work(folder))
            assert new in (folder / ".copier-answers.yml").read_text(encoding="utf-8")
            shutil.rmtree(folder)
            return taken

        timed(ours, "warm-up"), timed(copiers, "warm-up")
        times = [(timed(ours, "demo"), timed(copiers, "demo")) for _ in range(rounds)]
        files = sum(1 for path in (top / "original").rglob("*") if path.is_file() and ".git" not in path.parts)
    return statistics.median(one for one, _ in times), statistics.median(two for _, two in times), files


def checking(old: str, rounds: int) -> tuple[float, float]:
    """Median seconds of `newmodel update --check` and of Python alone."""
    variables = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(ROOT),
    }
    compileall.compile_dir(ROOT / "scaffolder", quiet=1, maxlevels=3)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "demo")
        variables["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"] = str(Path(scratch, "cache"))
        make_project(folder, old)
        program = "from scaffolder.cli import main; raise SystemExit(main(['update', '--check']))"

        def run(program: str, code: int) -> float:
            command = [sys.executable, "-c", program]

            def work() -> None:
                done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, check=False)
                assert done.returncode == code, done.stderr

            return seconds(work)

        run(program, 1), run("pass", 0)
        times = [(run(program, 1), run("pass", 0)) for _ in range(rounds)]
    return statistics.median(one for one, _ in times), statistics.median(two for _, two in times)


def main() -> None:
    from scaffolder.template_source import releases

    tags = [release.tag for release in releases().all()]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--old", default=tags[-2])
    parser.add_argument("--new", default=tags[-1])
    options = parser.parse_args()
    ours, copiers, files = updating(options.old, options.new, options.rounds)
    print(
        f"update of {files} files, {options.old} to {options.new} / copier run_update: "
        f"{ours * 1000:.0f} ms / {copiers * 1000:.0f} ms = {ours / copiers:.2f}"
    )
    whole, python = checking(options.old, 2 * options.rounds)
    print(
        f"newmodel update --check: {whole * 1000:.0f} ms - {python * 1000:.0f} ms of Python "
        f"= {(whole - python) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
