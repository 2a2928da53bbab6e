"""What can go wrong, as a person meets it: one sentence and an exit code."""

from __future__ import annotations

import errno
from enum import IntEnum
from pathlib import Path

from scaffolder.messages import _


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FINDING = 1  # done, but something needs the person: a conflict, an installation that failed
    BAD_INPUT = 2  # nothing was done
    BUG = 70  # a mistake in newmodel itself (EX_SOFTWARE of sysexits.h)
    INTERRUPTED = 130  # 128 + SIGINT


class NewmodelError(Exception):
    """Something the person can mend. Its text is one sentence: what, where, and what to do.

    Attributes:
        exit_code: What the process ends with.
    """

    def __init__(self, message: str, *, exit_code: ExitCode = ExitCode.BAD_INPUT) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(NewmodelError):  # noqa: N818 - as KeyboardInterrupt is called
    """The person pressed Ctrl-C; the text says what is left, if anything is."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or _("Interrupted; nothing was written."), exit_code=ExitCode.INTERRUPTED)


def os_error(error: OSError, path: Path) -> NewmodelError:
    """The operating system's refusal to write below `path`, in one sentence."""
    reasons = {
        errno.ENOSPC: _("The disk that holds {path} is full; free some space and try again."),
        errno.EDQUOT: _("Your disk quota for {path} is used up; free some space and try again."),
        errno.EROFS: _("{path} is on a read-only file system; choose another folder."),
        errno.EACCES: _("You may not write to {path}; choose another folder or change its permissions."),
        errno.EPERM: _("You may not write to {path}; choose another folder or change its permissions."),
        errno.ENAMETOOLONG: _("The path {path} is too long for this file system; choose a shorter one."),
        errno.ENOTDIR: _("A part of the path {path} is a file, not a folder; choose another folder."),
        errno.ELOOP: _("The path {path} leads round in a circle of links; choose another folder."),
    }
    text = reasons.get(error.errno or 0)
    if text is None:
        text = _("{path} could not be written: {reason}.")
    name = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}…"
    return NewmodelError(text.format(path=name, reason=error.strerror or type(error).__name__))
