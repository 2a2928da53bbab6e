"""One question to a web server, and everything that its answer tells about the way there."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from scaffolder.environment.system import WebAnswer


def ask(url: str, *, timeout: float, limit: int = 0) -> WebAnswer:
    """GET `url` through the proxy that this machine is told to use, within `timeout` seconds.

    Args:
        limit: Bytes of the body to read at most.
    """
    result: list[WebAnswer] = []
    # urllib's time limit leaves out the name's resolution, which can hang for minutes: so wait beside it
    thread = threading.Thread(target=lambda: result.append(_ask(url, timeout, limit)), daemon=True)
    thread.start()
    thread.join(timeout)
    return result[0] if result else WebAnswer(error="timeout", seconds=timeout)


def _ask(url: str, timeout: float, limit: int) -> WebAnswer:
    began = time.monotonic()
    request = urllib.request.Request(url, headers={"User-Agent": "newmodel"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - addresses from our own table
            issuer = _issuer(answer)
            body = answer.read(limit) if limit else b""
            return WebAnswer(
                status=answer.status,
                seconds=time.monotonic() - began,
                size=len(body),
                date=answer.headers.get("Date", ""),
                issuer=issuer,
            )
    except urllib.error.HTTPError as error:
        return WebAnswer(status=error.code, seconds=time.monotonic() - began, date=error.headers.get("Date", "") or "")
    except urllib.error.URLError as error:
        return WebAnswer(error=_kind(error.reason, url), seconds=time.monotonic() - began)
    except (OSError, ValueError) as error:
        return WebAnswer(error=_kind(error, url), seconds=time.monotonic() - began)


def _kind(reason: object, url: str) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(reason, TimeoutError):
        return "timeout"
    proxied = urlsplit(url).scheme in urllib.request.getproxies() and not _bypassed(url)
    if isinstance(reason, (socket.gaierror, ConnectionRefusedError)) and proxied:
        return "proxy"
    if isinstance(reason, socket.gaierror):
        return "name"
    if isinstance(reason, ConnectionRefusedError):
        return "refused"
    if "Tunnel connection failed" in str(reason):
        return "proxy"
    return str(reason) or type(reason).__name__


def _bypassed(url: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.proxy_bypass(urlsplit(url).hostname or ""))
    return False


def _issuer(answer: Any) -> str:
    """The organisation that vouches for the server, from the certificate of this very connection."""
    with contextlib.suppress(AttributeError, ValueError):
        certificate = answer.fp.raw._sock.getpeercert()
        names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
        return str(names.get("organizationName") or names.get("commonName", ""))
    return ""
