"""What can be reached, how fast, and what stands in the way. Asked only on request: nothing but these pages is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timezone
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Finding, Network, Server
from scaffolder.environment.network.mirrors import HUB, HUB_MIRROR, MIRRORS, MODELSCOPE, PYPI, PYTORCH
from scaffolder.environment.network.network_findings import judge, unequal_settings
from scaffolder.environment.network.proxies import proxy, without_password
from scaffolder.environment.system import System, WebAnswer

__all__ = ["judge", "probe"]

#: Seconds that each server has; all are asked at once.
TIME_LIMIT = 3.0

#: Bytes of an index's page for torch that are read: enough to tell a fast line from a slow one.
_SAMPLE = 1 << 17


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Ask every server, side by side."""
    from scaffolder.install.settings import pip_settings, uv_default_index, uv_names_an_index

    def read(path: Path) -> str | None:
        return system.read_text(path)

    pip = pip_settings(system.environ, system.home, read=read, platform=system.platform)
    uv = uv_default_index(system.environ, system.home, read=read, platform=system.platform)
    named = uv_names_an_index(system.environ, system.home, read=read, platform=system.platform)
    through = proxy(system, pip.proxy)
    indexes = [] if pip.no_index else list(dict.fromkeys((pip.index_url or PYPI, uv or pip.index_url or PYPI)))
    targets = _targets(indexes, system.environ.get("HF_ENDPOINT") or HUB)
    answers = _ask(system, targets)
    network = Network(
        asked=True,
        servers=tuple(_server(target, answer) for (target, _limit), answer in zip(targets, answers, strict=True)),
        proxy=through.url,
        proxy_source=through.source,
        proxy_script=through.script,
        certificates=pip.cert,
        clock_error=_clock_error(system, answers),
    )
    has_uv = system.which("uv") is not None
    return {"network": network}, unequal_settings(system, pip.index_url, uv, uv_knows=named or not has_uv)


def _targets(indexes: Sequence[str], hub: str) -> list[tuple[Server, int]]:
    """Whom to ask, and how much of the answer to read."""

    def page(index: str) -> str:
        return f"{without_password(index).rstrip('/')}/torch/"

    pages = dict.fromkeys(page(index) for index in indexes if index.startswith(("http:", "https:")))
    targets = [(Server(role="packages", url=url), _SAMPLE) for url in pages]
    targets.append((Server(role="pytorch", url=f"{PYTORCH}/cpu/"), 0))
    targets.append((Server(role="hub", url=without_password(hub).rstrip("/") + "/"), 0))
    targets.append((Server(role="modelscope", url=f"{MODELSCOPE}/"), 0))
    targets.append((Server(role="hub mirror", url=f"{HUB_MIRROR}/", name="hf-mirror"), 0))
    for name, index in (("official", PYPI), *((mirror.name, mirror.packages) for mirror in MIRRORS)):
        if page(index) not in pages:
            targets.append((Server(role="mirror", url=page(index), name=name), _SAMPLE))
    return targets


def _ask(system: System, targets: Sequence[tuple[Server, int]]) -> list[WebAnswer]:
    from concurrent.futures import ThreadPoolExecutor  # here, as for nearly every report nobody asks the network

    with ThreadPoolExecutor(max_workers=len(targets)) as pool:  # each one ends at its limit, whatever happens
        waiting = [pool.submit(system.web, server.url, timeout=TIME_LIMIT, limit=limit) for server, limit in targets]
        return [one.result() for one in waiting]


def _server(target: Server, answer: WebAnswer) -> Server:
    answered = answer.status is not None and answer.status < 500  # a page that may not be read is still an answer
    error = answer.error or ("" if answered else f"HTTP {answer.status}" if answer.status else "timeout")
    return replace(
        target,
        reachable=answered,
        seconds=round(answer.seconds, 2) if answered else None,
        issuer=answer.issuer,
        error=f"{error}: {answer.detail}" if answer.detail else error,
    )


def _clock_error(system: System, answers: Sequence[WebAnswer]) -> float | None:
    """Seconds that the clock here is ahead; the median, as a page from a store may have an old date."""
    from statistics import median

    differences = [found for answer in answers if (found := _difference(system, answer.date)) is not None]
    return median(differences) if differences else None


def _difference(system: System, date: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(date)
        # without a zone the standard means Greenwich
        return (system.now() - (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc))).total_seconds()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
