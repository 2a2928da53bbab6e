"""Tasks that one click should not start: they put something before other people."""

from __future__ import annotations

import re


def publishes(name: str) -> bool:
    """Whether a task's name says that it publishes, deploys or pushes."""
    words = re.split(r"[^a-z0-9]+", name.casefold())
    return bool({"release", "publish", "upload", "deploy", "push", "tag", "bump"} & set(words))
