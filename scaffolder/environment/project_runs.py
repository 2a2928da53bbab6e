"""A project's newest profiled training: where its time went, and which setting would change it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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
            return LastRun(name=run.name, batch_size=_batch_size(system, run), **shares)
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
    cause = content.get("cause")
    return {**{name: _share(shares, name) for name in ("data", "host", "device")}, "cause": _text(cause)}


def _share(shares: Mapping[str, Any], name: str) -> float | None:
    value = shares.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        return None
    return float(value) / 100 if value > 1 else float(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _from_text(text: str) -> dict[str, Any] | None:
    """Projects of newmodel 0.2 have a text alone: `waiting for data   1.20 ms   12 %`."""
    found = re.search(r"(?m)^\s*waiting for data\s+[\d.]+ ms\s+(\d{1,3}) %", text)
    return {"data": int(found.group(1)) / 100} if found else None


def _batch_size(system: System, run: PurePath) -> int | None:
    text = system.read_text(str(run / "config.yaml")) or ""
    found = re.search(r"(?m)^\s+batch_size:\s*(\d{1,9})\b", text)
    return int(found.group(1)) if found else None


def judge_run(report: Report) -> Iterator[Finding]:
    """Which part held the training up, by the profile's own verdict or by the shares."""
    run = report.project.run
    if run is None:
        return
    cause = run.cause.lower()
    if "batch" in cause:
        yield _small_batch(run)
    elif (run.data or 0.0) >= _MUCH:
        yield _waited_for_data(report, run)
    elif (run.host or 0.0) >= _MUCH and report.accelerators.gpus:
        yield _held_up_by_host(run)


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
        advice=_(
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
        meaning=_(
            "The GPU waits for its next piece of work: many small steps, or values that are read back each step."
        ),
        advice=_("Log less often, do not read the loss in every step, and take a larger training.batch_size."),
    )


def _small_batch(run: LastRun) -> Finding:
    size = f" ({run.batch_size})" if run.batch_size else ""
    return Finding(
        code="NM616",
        severity="note",
        what=_("The training {run} used a batch{size} that is small for this device.").format(run=run.name, size=size),
        meaning=_("Most of a step is overhead: the same work with larger batches takes less time."),
        advice=_(
            "Double training.batch_size in configs/train.yaml while it fits into memory; raise the learning rate "
            "with it."
        ),
    )
