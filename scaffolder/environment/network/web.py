"""One question to a web server, and everything that its answer tells about the way there."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from scaffolder.environment.network.certificate import issuer_of
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
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "newmodel"})  # noqa: S310 - our own addresses
        # an opener of its own: the shared one keeps the proxy that was set when it was first used
        with urllib.request.build_opener().open(request, timeout=timeout) as answer:
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
        return WebAnswer(
            status=error.code,
            seconds=time.monotonic() - began,
            date=error.headers.get("Date", "") or "",
            issuer=_issuer(error.fp),
        )
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        seconds = time.monotonic() - began
        if isinstance(reason, ssl.SSLCertVerificationError):
            issuer = _untrusted_issuer(url, timeout - seconds)
            return WebAnswer(error="certificate", seconds=seconds, issuer=issuer, detail=reason.verify_message)
        return WebAnswer(error=_kind(reason, url), seconds=seconds)


def _kind(reason: object, url: str) -> str:
    if isinstance(reason, TimeoutError):
        return "timeout"
    proxied = url.partition(":")[0] in urllib.request.getproxies() and not _bypassed(url)
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
    with contextlib.suppress(OSError, ValueError):
        return bool(urllib.request.proxy_bypass(urlsplit(url).hostname or ""))
    return False


def _untrusted_issuer(url: str, seconds: float) -> str:
    """Who signed a certificate that this machine does not trust: nothing is asked over that connection."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 443
    proxy = urlsplit(urllib.request.getproxies().get("https", "")) if not _bypassed(url) else urlsplit("")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    first = (proxy.hostname, proxy.port or 8080) if proxy.hostname else (host, port)
    connection = http.client.HTTPSConnection(*first, timeout=max(0.1, seconds), context=context)
    try:
        if proxy.hostname:
            connection.set_tunnel(host, port)
        connection.connect()
        return issuer_of(connection.sock.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _issuer(answer: Any) -> str:
    """The organisation that vouches for the server, from the certificate of this very connection."""
    with contextlib.suppress(AttributeError, ValueError):
        certificate = answer.fp.raw._sock.getpeercert()
        names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
        return str(names.get("organizationName") or names.get("commonName", ""))
    return ""
