"""Write the pages that are made from the program itself.

python docs/reference.py            write them
python docs/reference.py --check    exit code 1 if one is not current

commands.md from the commands and questions, findings.md from the pages of `newmodel doctor --explain`, and
doctor.schema.json, the promise of `newmodel doctor --json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from scaffolder.catalog import Question, catalog
from scaffolder.doctor import explain
from scaffolder.doctor.document import schema

FOLDER = Path(__file__).parent
COMMANDS = (
    "",
    "init",
    "doctor",
    "estimate",
    "update",
    "add",
    "remove",
    "adopt",
    "templates list",
    "templates add",
    "templates remove",
    "pycharm status",
    "pycharm install",
    "pycharm tune",
    "pycharm open",
    "pycharm interpreter",
    "mirrors",
)


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


def findings() -> str:
    """Every page of `newmodel doctor --explain`, with a table of them at the top."""
    parts = [
        "# Findings\n",
        "What `newmodel doctor` may say, by its code. `newmodel doctor --explain NM204` prints the same page in the "
        "terminal, in your language. Made by `python docs/reference.py`.\n",
        "| code | |\n|---|---|",
        *(f"| [{code}](#{code.lower()}) | {explain.title(code, 'en')} |" for code in explain.codes()),
        "",
    ]
    for code in explain.codes():
        heading, _, body = explain.page(code, "en").partition("\n")
        # a level down, with an anchor that is the code alone
        parts.append(f"#{heading} {{ #{code.lower()} }}\n{body.replace(chr(10) + '## ', chr(10) + '### ')}")
    return "\n".join(parts)


def pages() -> dict[Path, str]:
    """What each made file should hold."""
    return {
        FOLDER / "commands.md": reference(),
        FOLDER / "findings.md": findings(),
        FOLDER / "doctor.schema.json": json.dumps(schema(), indent=2, sort_keys=True) + "\n",
    }


def main(arguments: list[str]) -> int:
    made = pages()
    if "--check" in arguments:
        return int(any(not path.exists() or path.read_text(encoding="utf-8") != text for path, text in made.items()))
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
