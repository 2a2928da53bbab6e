"""What a profile found, as text, as JSON for programs and as a picture: the `profile` folder of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .console import say
from .plots import COLOURS, finish, new_figure, save
from .report import Section
from .runs import Run, read_json, write_atomically, write_json
from .slow_causes import LARGER, Cause, StepCost, causes

MEANINGS = {
    "data": "waiting for the next batch",
    "host": "Python, starting operations, the optimizer's loop, logging",
    "device": "computing",
}


def write_profile(
    folder: Path,
    cost: StepCost,
    advise: Callable[[Cause, StepCost], str],
    *,
    steps: int,
    parts: Mapping[str, float],
    operations: str,
) -> None:
    """Write `summary.txt`, `summary.json` and `shares.png` to `folder`, and say the main thing.

    Args:
        folder: Made if it is missing.
        cost: Of a step.
        advise: Gives the sentence that says what to do about a cause.
        steps: How many steps `cost` is the mean of.
        parts: Milliseconds of a step by what the code was doing.
        operations: The costliest operations, as text.
    """
    found = causes(cost)
    advice = [advise(cause, cost) for cause in found]
    text = describe(cost, advice, steps)
    details = [f"  {name:12} {spent:9.3f} ms" for name, spent in parts.items()]
    blocks = [text, "A step by what the code does:\n" + "\n".join(details), operations.strip("\n")]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "summary.txt", "\n\n".join(blocks) + "\n")
    write_json(
        folder / "summary.json",
        {
            "shares": cost.shares,
            "step_ms": cost.step,
            "cause": found[0],
            "advice": advice,
            "samples_per_second": cost.samples_per_second,
            "rows_per_step": cost.rows,
            "steps": steps,
            "parts_ms": parts,
            "fetch_ms": cost.fetch,
            "fetch_computing_ms": cost.fetch_computing,
            "passes_ms": cost.passes,
            f"passes_growth_with_{LARGER}_times_the_rows": cost.growth,
            "precision": cost.precision,
        },
    )
    plot_shares(cost.shares, folder / "shares.png")
    say(f"\n{text}\n\nMore in {folder / 'summary.txt'}")


def describe(cost: StepCost, advice: list[str], steps: int) -> str:
    """The shares with a bar for each, then what to change first, and what else."""
    lines = [
        f"Where the time of a step goes: {cost.step:.2f} ms for {cost.rows:,} rows, "
        f"{cost.samples_per_second:,.0f} rows per second (mean of {steps} steps)"
    ]
    for name, share in cost.shares.items():
        lines.append(f"  {name:7} {share:3.0f} %  {'█' * round(share / 5):20}  {MEANINGS[name]}")
    lines += ["", f"Change first: {advice[0]}"]
    lines += [f"Then: {sentence}" for sentence in advice[1:]]
    return "\n".join(lines)


def plot_shares(shares: Mapping[str, float], path: Path) -> Path:
    """Draw one bar of 100 %, divided into data, host and device; return `path`."""
    figure, ax = new_figure(height=1.5)
    begin = 0.0
    for (name, share), colour in zip(shares.items(), COLOURS, strict=False):
        ax.barh([0], [share], left=begin, color=colour, label=f"{name} {share:.0f} %")
        begin += share
    ax.set_xlim(0, 100)
    ax.set_yticks([])
    finish(ax, "", "% of a step", legend=False)
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return save(figure, path)


def profile_sections(run: Run) -> list[Section]:
    """The profile as a part of the run's report; nothing where the run was not profiled."""
    profile = read_json(run.folder / "profile/summary.json")
    if not profile:
        return []
    rows = [
        {"part": name, "% of a step": share, "what it is": MEANINGS[name]}
        for name, share in profile["shares"].items()
    ]
    first, *others = profile["advice"]
    return [
        Section(
            title="Where the time goes",
            text="\n\n".join([f"Change first: {first}", *(f"Then: {one}" for one in others)]),
            rows=rows,
            figures={f"A step of {profile['step_ms']:.2f} ms": run.folder / "profile/shares.png"},
        )
    ]
