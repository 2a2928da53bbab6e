"""The errors that are meant for the person at the keyboard."""

from __future__ import annotations


class UserError(Exception):
    """Something only the person can mend. Its text is one sentence: what is wrong, where, and what to do.

    `command_line.run` prints the sentence in red and ends with exit code 2; no traceback is shown.
    """
