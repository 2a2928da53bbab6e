"""Download an archive over https, from where the address says and nowhere else."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

from scaffolder.answers import shown
from scaffolder.errors import NewmodelError, os_error
from scaffolder.foreign.address import Address, is_this_machine, without_password
from scaffolder.foreign.limits import LIMITS, MEGABYTE
from scaffolder.messages import _

_TIMEOUT_S = 30


class _ElsewhereError(Exception):
    """A redirect to where it must not lead; the text is the place."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to other https addresses only; never to a file, another protocol, or from outside to this machine."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(urljoin(req.full_url, newurl))
        inside = is_this_machine(before.hostname)
        if after.scheme != "https" and not (after.scheme == "http" and inside and is_this_machine(after.hostname)):
            raise _ElsewhereError(newurl)
        if not inside and is_this_machine(after.hostname):
            raise _ElsewhereError(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> IO[bytes] | None:
        location = headers.get("location") or headers.get("uri") or ""
        # urllib itself refuses some of these, in words of its own
        if urlsplit(urljoin(req.full_url, location)).scheme not in ("http", "https"):
            raise _ElsewhereError(location)
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def download(address: Address, folder: Path) -> Path:
    """Download the archive at `address` into `folder` and return its path.

    Raises:
        NewmodelError: If it cannot be had, leads elsewhere, or is too large.
    """
    parts = urlsplit(address.text)
    public = address.public
    request = urllib.request.Request(public, headers={"User-Agent": "newmodel"})  # noqa: S310 - looked at in address.py
    if parts.password is not None:
        request.add_unredirected_header("Authorization", _basic(parts.username or "", parts.password))
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    target = folder / Path(parts.path).name
    began = time.monotonic()
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer, target.open("xb") as file:
            size = 0
            while chunk := answer.read(256 * 1024):
                size += len(chunk)
                if size > LIMITS.total:
                    raise NewmodelError(
                        _("{address} has more than {limit} MB, which is too much for a template.").format(
                            address=public, limit=LIMITS.total // MEGABYTE
                        )
                    )
                if time.monotonic() - began > LIMITS.fetch_s:
                    raise TimeoutError
                file.write(chunk)
    except _ElsewhereError as error:
        raise NewmodelError(
            _("{address} leads on to {place}, which is not followed.").format(
                address=public, place=shown(without_password(str(error)), 120)
            )
        ) from None
    except urllib.error.HTTPError as error:
        reason = _("the server answers {code}").format(code=error.code)
        error.close()
        raise _failure(public, reason) from None
    except urllib.error.URLError as error:
        raise _failure(public, shown(str(error.reason), 120)) from None
    except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
        raise _failure(public, _("the connection broke off ({kind})").format(kind=type(error).__name__)) from None
    except OSError as error:
        raise os_error(error, target) from None
    return target


def _basic(user: str, password: str) -> str:
    from base64 import b64encode
    from urllib.parse import unquote

    return "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def _failure(address: str, reason: str) -> NewmodelError:
    return NewmodelError(_("{address} could not be fetched: {reason}.").format(address=address, reason=reason))
