"""What went wrong when a preset was opened: one sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UserError

OTHER_WAYS = (
    "give a local preset folder, or set HF_ENDPOINT=https://hf-mirror.com (a mirror of "
    "Hugging Face), or write modelscope://OWNER/NAME"
)
LOGIN = {
    "kaggle": "log in with `kagglehub.login()` or KAGGLE_USERNAME and KAGGLE_KEY",
    "hf": "log in with `hf auth login`",
    "modelscope": "log in with `modelscope login`",
}
FORMS = (
    "Kaggle's have the form kaggle://OWNER/MODEL/keras/VARIANT, Hugging Face's hf://OWNER/MODEL, "
    "ModelScope's modelscope://OWNER/MODEL"
)
PAGES = {
    "kaggle": "https://www.kaggle.com/models",
    "hf": "https://huggingface.co",
    "modelscope": "https://modelscope.cn/models",
}


@contextmanager
def hub_errors(handle: str) -> Iterator[None]:
    """Turn what KerasHub and the hubs' libraries raise within this block into a UserError about `handle`."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except MemoryError:
        raise UserError(f"{handle} does not fit into this machine's memory: take a smaller one.") from None
    except ImportError as error:
        usual = {"modelscope": "modelscope", "hf": "huggingface-hub"}.get(handle.split("://")[0], "kagglehub")
        package = (error.name or usual).partition(".")[0].replace("_", "-")
        raise UserError(f"{handle} needs a package: install it with `pip install {package}`.") from error
    except Exception as error:  # each hub has exceptions of its own, and KerasHub wraps some in ValueError
        raise UserError(explain(error, handle)) from error


def explain(error: BaseException, handle: str) -> str:
    """The sentence for an exception; goes by names and texts, so that no hub's library is imported here."""
    chain = list(causes(error))
    kinds = {kind.__name__ for one in chain for kind in type(one).__mro__}
    text = " ".join(str(one) for one in chain)
    scheme = handle.partition("://")[0] if "://" in handle else ""
    if not scheme:
        return (
            f"{handle} cannot be opened as a KerasHub preset ({first_line(error)}): it may be half copied "
            "or of an architecture that KerasHub does not know; copy it again."
        )
    page = f"{PAGES.get(scheme, '')}/{handle.partition('://')[2]}"
    if "should have the form" in text or "HFValidationError" in kinds:
        return f"{handle} is no handle: {FORMS}."
    if "GatedRepoError" in kinds or "403" in text or "not accessible" in text:
        return f"{handle} is gated: accept its terms at {page}, then {LOGIN.get(scheme, 'log in')}."
    if "RepositoryNotFoundError" in kinds or "NotExistError" in kinds or "404" in text:
        return f"There is no model {handle}: look the name up at {PAGES.get(scheme, 'its hub')}."
    if "401" in text or "UnauthenticatedError" in kinds or "credentials" in text.lower():
        return f"{handle} wants to know who you are: {LOGIN.get(scheme, 'log in')}."
    if kinds & {
        "ConnectionError",
        "ConnectError",
        "MaxRetryError",
        "LocalEntryNotFoundError",
        "OfflineModeIsEnabled",
    }:
        place = PAGES.get(scheme, scheme)
        return f"{place} is not reachable, so {handle} cannot be had from there: {OTHER_WAYS}."
    return f"{handle} cannot be opened ({first_line(error)}): {OTHER_WAYS}."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it, nearest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def first_line(error: BaseException) -> str:
    """The beginning of a message, which may be pages long."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".:")[:200]
