"""The report of the data check: the table, the lengths as a picture, the mistakes, some conversations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .config import ChatDataConfig
from .conversations import Reading
from .data_files import file_names
from .plots import COLOURS, finish, new_figure, save
from .report import Section, write_report
from .runs import Run

Pieces = Sequence[tuple[str, bool]]  # of a rendered conversation, each with whether it is learned
MISTAKES_SHOWN = 200
WIDTH = 100  # characters of a line in the table of a conversation
LINES_SHOWN = 60


def check_page(
    run: Run,
    config: ChatDataConfig,
    reading: Reading,
    files: Sequence[Mapping[str, object]],
    rows: Sequence[Mapping[str, object]],
    mistakes: Sequence[tuple[str, str]],
    examples: Sequence[Pieces],
    lengths: Sequence[int],
    unit: str,
) -> Path:
    """Write report.html of a check; `lengths` are counted in `unit`, tokens or characters."""
    found = Section(
        title="What was found",
        text=f"{file_names(config.file)}, format {reading.form}: {reading.reason}.",
        rows=rows,
    )
    sections = [Section(title="Files", rows=files), found] if len(files) > 1 else [found]
    if lengths:
        limit = config.max_length if unit == "tokens" else None
        picture = plot_lengths(lengths, limit, unit, run.path("plots/lengths.png"))
        sections.append(
            Section(title="Lengths", figures={f"Conversations by their length in {unit}": picture})
        )
    if reading.wrong:
        kinds = [{"mistake": kind, "records": times} for kind, times in reading.kinds.most_common(20)]
        sections.append(Section(title="Mistakes", text="N stands for a number.", rows=kinds))
        lines = [
            {"where": place, "mistake": shorten(reason, 140)} for place, reason in mistakes[:MISTAKES_SHOWN]
        ]
        shown = f"The first {len(lines):,} of {reading.wrong:,}."
        sections.append(Section(title="Where they are", text=shown, rows=lines))
    for number, pieces in enumerate(examples, start=1):
        sections.append(
            Section(
                title=f"As the model will see it, {number} of {len(examples)}",
                text="Only what is learned counts in the loss.",
                rows=lines_of(pieces),
            )
        )
    return write_report(run, "Conversations", sections)


def plot_lengths(lengths: Sequence[int], limit: int | None, unit: str, path: Path) -> Path:
    """Draw how many conversations have which length, with a line at the limit; return `path`.

    The lengths are drawn on a logarithmic axis where the longest is far from the usual one.
    """
    figure, ax = new_figure(height=3.4)
    values = np.asarray(lengths)
    wide = values.max() > 8 * max(float(np.median(values)), 1)
    ends = max(values.min(), 1), max(values.max(), limit or 0, 2)
    bins = np.geomspace(*ends, 41) if wide else np.linspace(0, ends[1], 41)
    ax.hist(values, bins=bins, color=COLOURS[0])
    if wide:
        ax.set_xscale("log")
    if limit:
        ax.axvline(limit, color=COLOURS[1], linewidth=1.8)
        note = f"max_length {limit:,}"
        ax.annotate(note, (limit, 0.97), (-5, 0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="right", va="top", color=COLOURS[1])  # fmt: skip
    ax.set_ylabel("conversations")
    finish(ax, "", unit, legend=False)
    return save(figure, path)


def lines_of(pieces: Pieces) -> list[dict[str, object]]:
    """A rendered conversation as rows of a table; the end of a line is drawn as ↵."""
    rows: list[dict[str, object]] = []
    for text, learned in pieces:
        for line in text.replace("\n", "↵\n").splitlines():
            for start in range(0, len(line), WIDTH):
                rows.append({"text": line[start : start + WIDTH], "learned": "learned" if learned else ""})
    if len(rows) > LINES_SHOWN:
        rows = [*rows[:LINES_SHOWN], {"text": f"… and {len(rows) - LINES_SHOWN:,} more lines", "learned": ""}]
    return rows


def shorten(text: str, most: int = 100) -> str:
    """A text of at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
