"""Conflicts as a person sees them: file, line, and both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.merging.checks import is_text
from scaffolder.messages import _, ngettext
from scaffolder.updating.conflicts import Conflict, Hunk, lines_of
from scaffolder.updating.rejected import SUFFIX

if TYPE_CHECKING:
    from rich.text import Text

#: A list longer than this is read in the files, not in the terminal.
_MOST_SHOWN = 12

YOURS_STYLE, TEMPLATE_STYLE = "cyan", "magenta"


def say_all(conflicts: Sequence[Conflict]) -> None:
    """List every conflict, shortened."""
    count = sum(max(1, len(conflict.hunks)) for conflict in conflicts)
    console.say(
        ngettext(
            "One conflict: you and the template changed the same lines.",
            "{count} conflicts: you and the template changed the same lines.",
            count,
        ).format(count=count),
        style="bold yellow",
    )
    shown = 0
    for conflict in conflicts:
        for hunk in conflict.hunks or (None,):
            if shown == _MOST_SHOWN:
                console.say(ngettext("… and one more", "… and {count} more", count - shown).format(count=count - shown))
                return
            say_one(conflict, hunk, most_lines=4)
            shown += 1


def say_one(conflict: Conflict, hunk: Hunk | None, *, most_lines: int, title: str = "") -> None:
    """Show both sides of one place, or of a whole file.

    Args:
        most_lines: How many lines of a side are shown.
        title: Instead of the file and the line.
    """
    from rich.table import Table
    from rich.text import Text

    console.say(Text(title or place(conflict, hunk), style="bold"))
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    if hunk is not None:
        sides = (_lines(hunk.yours, most_lines), _lines(hunk.template, most_lines))
    elif conflict.rejected:
        sides = (_note(_("the file as it is")), _note(_("another file, in the .rej")))
    elif conflict.settled_by_hand:
        sides = (_note(_("there are no markers left in it")),) * 2
    else:
        sides = (_whole(conflict.yours), _whole(conflict.template))
    for name, side, style in (
        (_("yours"), sides[0], YOURS_STYLE),
        (_("template"), sides[1], TEMPLATE_STYLE),
    ):
        for number, line in enumerate(side):
            # spaces at the front stay: a table would take them for layout
            table.add_row(
                Text(f"  {name if number == 0 else ''}", style=style), Text.assemble(("│ ", style), line, style=style)
            )
    console.say(table)


def place(conflict: Conflict, hunk: Hunk | None) -> str:
    """The file and the line, as a terminal makes a link of it."""
    name = conflict.path if hunk is None else f"{conflict.path}:{hunk.line}"
    return f"{name}  ({conflict.path}{SUFFIX})" if conflict.rejected else name


def as_json(conflict: Conflict) -> dict[str, Any]:
    """One conflict for programs; the sides of a file that is no text are left out."""
    return {
        "path": conflict.path,
        "rejected": conflict.path + SUFFIX if conflict.rejected else None,
        "places": [
            {"line": hunk.line, "yours": _decoded(hunk.yours), "template": _decoded(hunk.template)}
            for hunk in conflict.hunks
        ],
    }


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _lines(content: bytes, most: int) -> list[Text]:
    lines = [_readable(line) for line in lines_of(content)]
    if not lines:
        return _note(_("(these lines are taken out)"))
    if len(lines) > most:
        more = len(lines) - most + 1
        return [
            *lines[: most - 1],
            *_note(ngettext("… one more line", "… {count} more lines", more).format(count=more)),
        ]
    return lines


def _readable(line: bytes) -> Text:
    from rich.text import Text

    text = _decoded(line).rstrip("\r\n").expandtabs(4)
    return Text("".join(character if character.isprintable() else "�" for character in text))


def _note(text: str) -> list[Text]:
    from rich.text import Text

    return [Text(text, style="italic")]


def _whole(content: bytes | None) -> list[Text]:
    if content is None:
        return _note(_("the file is deleted"))
    size = _("{size} bytes").format(size=f"{len(content):,}")
    return _note(size if is_text(content) else _("a file that is no text, {size}").format(size=size))
