"""What --help says of options that many commands have; functions, as only a call knows the language."""

from __future__ import annotations

from scaffolder import messages
from scaffolder.messages import _


def language_help() -> str:
    return _("Language of the messages: {names}; that of the locale if not given.").format(
        names=", ".join(messages.LANGUAGES)
    )


def json_help() -> str:
    return _("Print one JSON object on standard output, and ask nothing.")


def consent_help() -> str:
    return _("Do not ask for consent.")
