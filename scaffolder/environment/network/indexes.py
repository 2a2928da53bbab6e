"""Do the frameworks' own package indexes answer?"""

from __future__ import annotations

from typing import Any

from scaffolder.environment.facts import Finding, Indexes, Report
from scaffolder.environment.system import System
from scaffolder.messages import _

PYTORCH = "https://download.pytorch.org/whl/cpu/"

#: Seconds that an index has to answer before the project goes without it.
TIME_LIMIT = 3.0


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Whether PyTorch's index is within reach: where it is not, a project that names it could not be installed."""
    return {"indexes": Indexes(pytorch=system.reachable(PYTORCH, timeout=TIME_LIMIT))}, []


def judge(report: Report) -> list[Finding]:
    """An index that does not answer while others do; where nothing answers, that is said instead."""
    if report.indexes.pytorch is not False or report.network.offline:
        return []
    return [
        Finding(
            code="NM701",
            severity="note",
            what=_("PyTorch's own package index did not answer within {seconds} s.").format(seconds=int(TIME_LIMIT)),
            meaning=_(
                "PyTorch will come from the index that this machine is configured for, in the build that it has."
            ),
            advice=_("With a network, say at init: --set framework_index=framework"),
        )
    ]
