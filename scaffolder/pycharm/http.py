"""Requests to JetBrains' servers: only encrypted, through the proxy and the certificates that this machine is told."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from ipaddress import ip_address
from typing import IO, Any
from urllib.parse import urlsplit

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

_ATTEMPTS = 5
_LONGEST_WAIT = 60.0
#: An answer that another attempt may better: request timeout, too many requests, and the server's own faults.
_PASSING = {408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524}
#: The usual names for a file of trusted certificates; OpenSSL itself reads the first.
_CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Dropped(Exception):  # noqa: N818 - it says what happened to the connection
    """No complete answer, for a reason that may pass.

    Attributes:
        wait: Seconds that the server asked to wait; None if it did not.
        unreached: Nothing answered at all: more than one further attempt would only keep the person waiting.
    """

    def __init__(self, reason: str, *, wait: float | None = None, unreached: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.unreached = unreached

    def pause(self, failures: int) -> float:
        """Seconds until the next attempt, after so many failures."""
        return min(2.0 ** (failures - 1) if self.wait is None else self.wait, _LONGEST_WAIT)

    def final(self, failures: int, attempts: int) -> bool:
        """Whether so many failures are enough."""
        return failures >= (min(2, attempts) if self.unreached else attempts)


@dataclass(frozen=True, kw_only=True)
class Client:
    """Asks servers, again after a fault that may pass.

    Attributes:
        allow_plain: Whether an unencrypted server on this very machine may be asked, as tests do.
        timeout: Seconds without a byte after which a connection counts as dropped.
        sleep: Waits between attempts, in seconds.
    """

    allow_plain: bool = False
    timeout: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    attempts: int = _ATTEMPTS
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def text(self, url: str, *, limit: int = 8 * 1024 * 1024) -> str:
        """The body of an answer, at most `limit` bytes of it.

        Raises:
            NewmodelError: If there is no answer, or a refusal.
        """

        def ask() -> str:
            with self.open(url) as answer:
                body = read(answer, limit + 1)
                if len(body) > limit:
                    raise NewmodelError(_("{url} sent far more than such an answer has.").format(url=url))
                expected = answer.headers.get("Content-Length", "")
                if expected.isdecimal() and len(body) < int(expected):
                    raise Dropped(_("the connection was cut"))
                return body.decode("utf-8-sig", errors="replace")

        return self.again(ask, url)

    def again(self, ask: Callable[[], str], url: str) -> str:
        """Call `ask` until it answers, with growing pauses.

        Raises:
            NewmodelError: If it never did.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return ask()
            except Dropped as error:  # noqa: PERF203
                if error.final(attempt, self.attempts):
                    raise NewmodelError(
                        _("{host} does not answer ({reason}); check the internet connection and try again.").format(
                            host=urlsplit(url).hostname or url, reason=error
                        )
                    ) from error
                self.sleep(error.pause(attempt))
        raise AssertionError

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """The answer, its body unread.

        Raises:
            Dropped: If another attempt may succeed.
            NewmodelError: If none will.
        """
        self.check(url)
        request = urllib.request.Request(  # noqa: S310 - checked just before
            url, headers={"User-Agent": "newmodel", "Accept-Encoding": "identity", **(headers or {})}
        )
        opener = urllib.request.build_opener(
            _Redirects(self), urllib.request.HTTPSHandler(context=self._certificates())
        )
        try:
            return opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _PASSING:
                raise Dropped(
                    _("it answered with status {code}").format(code=error.code), wait=_wait(error.headers)
                ) from None
            if error.code == 416:  # the part that was asked for lies behind the end
                raise
            if error.code == 407:
                raise _proxy_password() from None
            raise NewmodelError(
                _("{url} answered with status {code}.").format(url=shown(url), code=error.code)
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._reason(error, url) from error

    def check(self, url: str) -> None:
        """
        Raises:
            NewmodelError: If the address is not an encrypted one.
        """
        try:
            address = urlsplit(url)
            host = address.hostname or ""
        except ValueError:
            address, host = urlsplit(""), ""
        if host and (address.scheme == "https" or (address.scheme == "http" and self.allow_plain and _here(host))):
            return
        raise NewmodelError(_("{url} is not an https address, and nothing is loaded from it.").format(url=shown(url)))

    def _certificates(self) -> ssl.SSLContext:
        for name in _CERTIFICATES:
            path = self.environ.get(name)
            if path:
                try:
                    return ssl.create_default_context(cafile=path)
                except (OSError, ssl.SSLError) as error:
                    raise NewmodelError(
                        _("{name} names {path}, which cannot be read as certificates: {reason}.").format(
                            name=name, path=path, reason=error.strerror or type(error).__name__
                        )
                    ) from error
        return ssl.create_default_context()

    def _reason(self, error: OSError | http.client.HTTPException, url: str) -> Exception:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        host = urlsplit(url).hostname or url
        if isinstance(reason, NewmodelError):
            return reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            return NewmodelError(
                _(
                    "This machine does not trust the certificate of {host} ({reason}). In a company network, set "
                    "SSL_CERT_FILE to the company's certificate file and try again."
                ).format(host=host, reason=reason.verify_message)
            )
        if "Tunnel connection failed: 407" in str(reason):
            return _proxy_password()
        proxy = _proxy_of(url)
        if proxy and isinstance(reason, (socket.gaierror, ConnectionRefusedError)):
            return Dropped(_("the proxy {proxy} cannot be reached").format(proxy=proxy), unreached=True)
        if isinstance(reason, TimeoutError):
            return Dropped(_("no answer within {seconds:.0f} seconds").format(seconds=self.timeout))
        if isinstance(reason, socket.gaierror):
            return Dropped(_("its name is not known here"), unreached=True)
        if isinstance(reason, ConnectionRefusedError):
            return Dropped(_("the connection was refused"), unreached=True)
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return Dropped(str(text).rstrip("."))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never out of the encrypted connection."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self._client.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def read(answer: Any, size: int) -> bytes:
    """The next bytes of a body, fewer than `size` only at its end.

    Raises:
        Dropped: If the connection breaks.
    """
    try:
        content: bytes = answer.read(size)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError):
            raise Dropped(_("the server fell silent")) from error
        raise Dropped(_("the connection was cut")) from error
    return content


def shown(url: str) -> str:
    """An address without a password, for a message."""
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at and "://" in head else url[:200]


def _proxy_of(url: str) -> str:
    """The proxy for an address, without a password; empty if it is asked directly."""
    address = urlsplit(url)
    proxy = urllib.request.getproxies().get(address.scheme, "")
    try:
        direct = bool(urllib.request.proxy_bypass(address.hostname or ""))
    except OSError:
        direct = False
    return "" if direct else shown(proxy)


def _proxy_password() -> NewmodelError:
    return NewmodelError(
        _("The proxy wants a name and a password: put them into HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT).")
    )


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _wait(headers: Message) -> float | None:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
