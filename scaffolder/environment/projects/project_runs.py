"""A project's newest profiled training: where its time went, and which setting would change it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from scaffolder.environment.facts import Finding, LastRun, Report
from scaffolder.environment.system import System
from scaffolder.messages import _

#: From this share of the time on a part is what holds training up.
_MUCH = 0.3

_TIME = re.compile(r"(\d{8}-\d{6})(?:-(\d+))?$")


def last_run(system: System, folder: Path) -> LastRun | None:
    """The newest run with a profile."""
    paths = [
        path
        for name in ("summary.json", "summary.txt")
        for path in system.glob(str(folder / "runs" / "*" / "profile" / name))
    ]
    # the JSON first: the text beside it is the older form
    for path in sorted(paths, key=lambda path: (_age(path), path.endswith(".json")), reverse=True):
        text = system.read_text(path) or ""
        run = PurePath(path).parents[1]
        shares = _from_json(text) if path.endswith(".json") else _from_text(text)
        if shares is not None:
            return LastRun(**{"name": run.name, **shares, "batch_size": shares.get("batch_size") or _rows(system, run)})
    return None


def _age(path: str) -> tuple[str, int]:
    found = _TIME.search(PurePath(path).parents[1].name)
    return (found.group(1), int(found.group(2) or 1)) if found else ("", 0)


def _from_json(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    shares = content.get("shares") if isinstance(content, dict) else None
    if not isinstance(shares, dict):
        return None
    found = {name: _number(shares.get(name)) for name in ("data", "host", "device")}
    # percent; a profile of another make may write fractions
    scale = 100 if sum(one or 0.0 for one in found.values()) > 1.5 else 1
    advice = content.get("advice")
    first = advice[0] if isinstance(advice, list) and advice else advice
    return {
        **{name: None if one is None else min(one / scale, 1.0) for name, one in found.items()},
        "cause": _text(content.get("cause"), 40),
        "advice": _text(first, 400),
        "batch_size": _whole(content.get("rows_per_step")),
    }


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        return None
    return float(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    return " ".join("".join(one if one.isprintable() else " " for one in value).split())[:limit]


def _from_text(text: str) -> dict[str, Any] | None:
    """Projects of newmodel 0.2 have a text alone: `waiting for data   1.20 ms   12 %`."""
    found = re.search(r"(?m)^\s*waiting for data\s+[\d.]+ ms\s+(\d{1,3}) %", text)
    return {"data": int(found.group(1)) / 100} if found else None


def _rows(system: System, run: PurePath) -> int | None:
    text = system.read_text(str(run / "config.yaml")) or ""
    found = re.search(r"(?m)^\s+batch_size:\s*(\d{1,9})\b", text)
    return int(found.group(1)) if found else None


def judge_run(report: Report) -> Iterator[Finding]:
    """What held the training up: by the profile's own verdict, otherwise by the shares."""
    run = report.project.run
    if run is None:
        return
    cause = run.cause or _by_shares(run, gpu=bool(report.accelerators.gpus))
    if cause in ("data_loading", "single_worker", "data"):
        yield _waited_for_data(report, run)
    elif cause in ("logging", "host"):
        yield _held_up_by_host(run)
    elif cause == "small_batch":
        yield _small_batch(run)
    elif cause == "precision":
        yield _full_precision(run)


def _by_shares(run: LastRun, *, gpu: bool) -> str:
    if (run.data or 0.0) >= _MUCH:
        return "data"
    return "host" if gpu and (run.host or 0.0) >= _MUCH else ""


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} %"


def _waited_for_data(report: Report, run: LastRun) -> Finding:
    workers = max(1, min(8, report.hardware.cores - 1))
    return Finding(
        code="NM614",
        severity="slows",
        what=_("The training {run} waited for data in {share} of its time.").format(
            run=run.name, share=_percent(run.data)
        ),
        meaning=_("The device idles meanwhile; a faster one would change nothing."),
        advice=run.advice
        or _(
            "Set training.num_workers to {count} in configs/train.yaml (PyTorch), keep the data on a local disk, "
            "and prepare it once instead of in every epoch."
        ).format(count=workers),
    )


def _held_up_by_host(run: LastRun) -> Finding:
    return Finding(
        code="NM615",
        severity="slows",
        what=_("The training {run} was held up by the processor in {share} of its time.").format(
            run=run.name, share=_percent(run.host)
        ),
        meaning=_("The device waits for its next piece of work: many small steps, or values read back in each step."),
        advice=run.advice
        or _("Log less often, do not read the loss in every step, and take a larger training.batch_size."),
    )


def _small_batch(run: LastRun) -> Finding:
    if run.batch_size:
        what = _("The batch of {count} rows in the training {run} is small for this device.").format(
            count=run.batch_size, run=run.name
        )
    else:
        what = _("The batch in the training {run} is small for this device.").format(run=run.name)
    return Finding(
        code="NM616",
        severity="note",
        what=what,
        meaning=_("Most of a step is overhead: the same work with larger batches takes less time."),
        advice=run.advice
        or _(
            "Double training.batch_size in configs/train.yaml while it fits into memory; raise the learning rate "
            "with it."
        ),
    )


def _full_precision(run: LastRun) -> Finding:
    return Finding(
        code="NM621",
        severity="slows",
        what=_("The training {run} computed in full precision on a device that is faster in bfloat16.").format(
            run=run.name
        ),
        meaning=_("With mixed precision the same steps take about half the time and memory."),
        advice=run.advice or _("Set training.precision to bfloat16 in configs/train.yaml."),
    )
