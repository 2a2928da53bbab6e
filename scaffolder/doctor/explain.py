"""The page behind a finding's code.

The pages are the files of `scaffolder/explanations/`, one a code and language; the documentation shows the same ones.
"""

from __future__ import annotations

import re
from pathlib import Path

from scaffolder import messages
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

FOLDER = Path(__file__).parent.parent / "explanations"


def codes() -> list[str]:
    """Every code that has a page."""
    return sorted(path.stem for path in (FOLDER / "en").glob("NM*.md"))


def page(code: str, language: str | None = None) -> str:
    """The page of `code` as Markdown, in the person's language where there is a translation.

    Raises:
        NewmodelError: If there is no such code.
    """
    known = codes()
    name = code.strip().upper()
    if re.fullmatch(r"\d{3}", name):
        name = f"NM{name}"
    if name not in known:
        from scaffolder.answers import shown

        raise NewmodelError(
            _("There is no finding “{code}”; a code stands before each thing that “newmodel doctor” says.").format(
                code=shown(code)
            )
        )
    path = FOLDER / (language or messages.language()) / f"{name}.md"
    return (path if path.exists() else FOLDER / "en" / f"{name}.md").read_text(encoding="utf-8")


def title(code: str, language: str | None = None) -> str:
    """The heading of a code's page, without the code."""
    return page(code, language).splitlines()[0].removeprefix("# ").removeprefix(code).lstrip(" :·-")


def show(code: str) -> None:
    """Print the page."""
    from rich.markdown import Markdown

    from scaffolder import console

    text = page(code)
    # a pipe gets the Markdown itself
    console.out().print(Markdown(text, hyperlinks=False) if console.out().is_terminal else text)
