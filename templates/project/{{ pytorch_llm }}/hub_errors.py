"""What went wrong when a model was fetched from a hub: one sentence that says what to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UserError

PAGES = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn/models"}
LOGIN = {"huggingface": "hf auth login", "modelscope": "modelscope login"}
TOKENS = {
    "huggingface": "https://huggingface.co/settings/tokens",
    "modelscope": "https://modelscope.cn/my/myaccesstoken",
}
UNKNOWN_NAME = {"RepositoryNotFoundError", "HFValidationError", "NotExistError", "InvalidParameter"}
OTHER_WAYS = {  # that every script has
    "huggingface": "give a local folder, set the environment variable "
    "HF_ENDPOINT=https://hf-mirror.com (a mirror), or write modelscope:{name}",
    "modelscope": "give a local folder, or write huggingface:{name}",
}


@contextmanager
def hub_errors(name: str, hub: str, hint: str = "") -> Iterator[None]:
    """Turn what the hub's library raises within this block into a UserError about the model `name`.

    `hint` names something near that exists here, for a name that does not exist on the hub.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:  # the command line has a sentence for a full disk
            raise
        raise UserError(explain(error, name, hub, hint)) from error
    except Exception as error:
        raise UserError(explain(error, name, hub, hint)) from error


def explain(error: Exception, name: str, hub: str, hint: str = "") -> str:
    """The sentence for an exception of huggingface_hub or modelscope.

    Goes by the names of the classes, so that neither library is imported here, and looks at the causes, too:
    huggingface_hub wraps a failed connection in "not in the cache".
    """
    chain = [error, *causes(error)]
    kinds = {kind.__name__ for one in chain for kind in type(one).__mro__}
    status = next((code for one in chain if (code := status_of(one))), 0)
    page, login = f"{PAGES[hub]}/{name}", LOGIN[hub]
    other_ways = OTHER_WAYS[hub].format(name=name)
    if "GatedRepoError" in kinds:
        return f"{name} is gated: accept its licence at {page}, then log in with `{login}`."
    refused = status == 401 and "RepositoryNotFoundError" not in kinds
    if refused or "AuthenticationError" in kinds or "invalid credentials" in str(error).lower():
        return (
            f"{hub} refuses your access token (wrong or expired) for {name}: make a new one at {TOKENS[hub]} "
            f"and log in with `{login}`; HF_TOKEN or MODELSCOPE_API_TOKEN, where set, goes before."
        )
    if kinds & UNKNOWN_NAME or status == 404:
        return (
            f"There is no model {name} on {hub}, nor a folder of that name here{hint}: look the name up at "
            f"{PAGES[hub]}; a private model needs `{login}`."
        )
    if kinds & {"RevisionNotFoundError", "DisabledRepoError", "PermissionDeniedError"} or status == 403:
        return f"{name} cannot be had from {hub} (its owner closed it): look at {page}."
    if kinds & {"IncompleteSnapshotError", "FileDownloadError", "FileIntegrityError"}:
        return f"{name} is half downloaded, and {hub} not reachable to go on: connect, or {other_ways}."
    if "OfflineModeIsEnabled" in kinds or offline():
        return (
            f"{name} was never downloaded to this machine, and HF_HUB_OFFLINE forbids it now{hint}: "
            "unset HF_HUB_OFFLINE, or give a local folder."
        )
    return f"{name} is no run or folder here, and {hub} is not reachable, or broke off{hint}: {other_ways}."


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that led to this one, nearest first."""
    seen = {id(error)}
    while (cause := error.__cause__ or error.__context__) is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        error = cause


def status_of(error: BaseException) -> int:
    """HTTP status of the answer that an exception carries; 0 where it carries none."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return status if isinstance(status, int) else 0


def offline() -> bool:
    """Whether the person asked for no downloads."""
    return any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
