"""Does a package index answer?"""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaffolder.install.settings import PackageSettings

PATIENCE_S = 3.0


def answers(index_url: str, settings: PackageSettings, patience_s: float = PATIENCE_S) -> bool:
    """True if HTTP (for `file:`, a folder) is found at `index_url` within `patience_s` seconds."""
    if index_url.startswith("file:"):
        return Path(urllib.request.url2pathname(index_url.removeprefix("file://"))).is_dir()
    result: list[bool] = []
    # in a thread: looking up a name knows no time limit
    thread = threading.Thread(target=lambda: result.append(_ask(index_url, settings, patience_s)), daemon=True)
    thread.start()
    thread.join(patience_s)
    return bool(result and result[0])


def _ask(index_url: str, settings: PackageSettings, patience_s: float) -> bool:
    handlers: list[urllib.request.BaseHandler] = []
    if settings.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": settings.proxy, "https": settings.proxy}))
    try:
        if settings.cert:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=settings.cert)))
        request = urllib.request.Request(index_url, method="HEAD")  # noqa: S310 - the project's own index
        urllib.request.build_opener(*handlers).open(request, timeout=patience_s).close()
    except urllib.error.HTTPError as error:
        return error.code < 500  # a folder that may not be listed is still an answer
    except (OSError, ValueError):
        return False
    return True
