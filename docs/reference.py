"""Write docs/commands.md from the commands and questions themselves.

python docs/reference.py            write it
python docs/reference.py --check    exit code 1 if it is not current
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scaffolder.catalog import Question, catalog

TARGET = Path(__file__).with_name("commands.md")
COMMANDS = ("", "init", "update")


def reference() -> str:
    """The whole page."""
    parts = [
        "# Commands\n",
        "Made by `python docs/reference.py` from the program itself.\n",
        "Exit codes: 0 fine · 1 something needs you (a conflict, an update, an installation that failed) · "
        "2 bad input, nothing was done · 70 a mistake in newmodel · 130 interrupted.\n",
    ]
    for command in COMMANDS:
        parts.append(f"## newmodel {command}".rstrip() + "\n")
        parts.append(f"```\n{help_of(command)}\n```\n")
    parts.append("## Questions\n")
    parts.append("For `--set KEY=VALUE` and `--answers FILE`, in the order in which they are asked.\n")
    parts.append("| key | question | values | |\n|---|---|---|---|")
    parts += [row(question) for question in catalog().questions.values()]
    return "\n".join(parts) + "\n"


def help_of(command: str) -> str:
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "LC_ALL": "C"}
    words = [sys.executable, "-m", "scaffolder", *command.split(), "--help"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, encoding="utf-8", check=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def row(question: Question) -> str:
    if question.kind == "bool":
        values = "`true` `false`"
    else:
        values = " ".join(f"`{choice.value}`" for choice in question.choices) or "text"
    note = "not recorded" if question.secret else ""
    return f"| `{question.name}` | {question.help} | {values} | {note} |"


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return 0 if TARGET.read_text(encoding="utf-8") == reference() else 1
    TARGET.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
