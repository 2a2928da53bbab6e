"""The terminal: messages and progress on standard error, results on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_consoles: dict[str, Console] = {}


def _console(stream: str) -> Console:
    # rich decides about colour and width when a console is made; made late, it sees a test's streams as well
    from rich.console import Console

    file = sys.stderr if stream == "stderr" else sys.stdout
    console = _consoles.get(stream)
    if console is None or console.file is not file:
        console = Console(file=file, highlight=False, emoji=False, markup=False)
        _consoles[stream] = console
    return console


def err() -> Console:
    """Where messages, progress and questions go."""
    return _console("stderr")


def out() -> Console:
    """Where results go: what a pipe should get."""
    return _console("stdout")


def say(message: RenderableType = "", *, style: str | None = None) -> None:
    """Show one message."""
    # a long path must stay one line, or it cannot be copied from the terminal
    err().print(message, style=style, soft_wrap=isinstance(message, str))


def print_json(content: Any) -> None:
    """Print one JSON object on standard output, for programs."""
    import json

    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def warn(message: str) -> None:
    """Show something that is not as it should be, and lets the work go on."""
    say(message, style="yellow")


def fail(message: str) -> None:
    """Show why the command ends."""
    say(message, style="bold red")


def interactive() -> bool:
    """Whether there is a person at a terminal who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
