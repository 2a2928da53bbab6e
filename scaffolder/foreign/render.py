"""Render a foreign template in a process of its own, watched, into a folder of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scaffolder.answers import shown
from scaffolder.errors import Interrupted, NewmodelError
from scaffolder.foreign.limits import LIMITS, MEGABYTE, TooMuchError, watch
from scaffolder.messages import _

#: The result names a project and its answers.
_MAX_RESULT_BYTES = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the other process is to do.

    Attributes:
        task: `inspect`, `copier` or `cookiecutter`.
        template: The folder of the template.
        address: As it is recorded in the project.
        version: As it is recorded in the project.
        commit: The whole commit; empty where there is no git.
        name: The project folder's name, where the template does not decide it.
        data: Answers.
        ask: Whether there is a terminal in which the tool may ask its questions.
        trust: Whether the template may reach Python's internals and load extensions.
        run: Whether its hooks and tasks are run.
    """

    task: str
    template: Path
    address: str
    version: str = ""
    commit: str = ""
    name: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    ask: bool = False
    trust: bool = False
    run: bool = False


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A rendered project.

    Attributes:
        folder: Where it is.
        messages: What the template has to say, one text each.
        output: What its code printed, where nobody could see it.
    """

    folder: Path
    answers: Mapping[str, Any]
    messages: tuple[str, ...]
    output: str


def inspect(request: Request, work: Path) -> Mapping[str, Any]:
    """The questions and the code of a copier template.

    Raises:
        NewmodelError: If its configuration cannot be read.
    """
    result, _output = _run(request, work)
    return result


def render(request: Request, work: Path) -> Rendered:
    """Render the project.

    Raises:
        NewmodelError: If it cannot be rendered, in one sentence.
        Interrupted: If the person pressed Ctrl-C.
    """
    result, output = _run(request, work)
    produced = _output_folder(work, request)
    entries = sorted(entry.name for entry in produced.iterdir())
    folder = Path(str(result["project"]))
    if entries != [folder.name] or folder.parent != produced or folder.is_symlink() or not folder.is_dir():
        raise NewmodelError(
            _("The template writes outside the project's folder: {path}; nothing was written.").format(
                path=shown(next((name for name in entries if name != folder.name), folder.name), 120)
            )
        )
    return Rendered(
        folder=folder,
        answers=result["answers"],
        messages=tuple(_plain(str(message)) for message in result["messages"]),
        output=output,
    )


def _output_folder(work: Path, request: Request) -> Path:
    return work / f"{request.task}-output"


def _run(request: Request, work: Path) -> tuple[dict[str, Any], str]:
    """Run the worker; what it found and what was printed."""
    output = _output_folder(work, request)
    # an own empty folder: Python looks for modules where it is started
    place = work / f"{request.task}-place"
    for folder in (output, place):
        folder.mkdir()
    request_file, result_file = work / f"{request.task}.json", work / f"{request.task}-result.json"
    content = {
        **asdict(request),
        "template": str(request.template),
        "output": str(output),
        "result": str(result_file),
        "limits": asdict(LIMITS),
    }
    request_file.write_text(json.dumps(content, default=str), encoding="utf-8")
    printed_file = work / f"{request.task}-printed.txt"
    with printed_file.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-B", "-m", "scaffolder.foreign.worker", str(request_file)],
            cwd=place,
            env={**os.environ, "PYTHONUTF8": "1", "TMPDIR": str(place), "TEMP": str(place), "TMP": str(place)},
            stdin=None if request.ask else subprocess.DEVNULL,
            stdout=None if request.ask else printed,
            stderr=None if request.ask else subprocess.STDOUT,
        )
        try:
            code = watch(process, work, limits=None if request.trust else LIMITS)
        except TooMuchError as error:
            raise _stopped(str(error)) from None
        except KeyboardInterrupt:
            raise Interrupted from None
    said = _plain(printed_file.read_bytes()[-20_000:].decode("utf-8", "replace"))
    if code in (130, -signal.SIGINT):
        raise Interrupted
    result = _result(result_file)
    if result is None:
        raise _died(code, said)
    if "error" in result:
        raise _refusal(str(result["error"]), shown(_plain(str(result.get("detail", ""))), 300), said)
    return result, said


def _result(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_RESULT_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _died(code: int, said: str) -> NewmodelError:
    if code == -getattr(signal, "SIGXCPU", 0):
        return _stopped(_("it computes for more than {seconds} seconds").format(seconds=int(LIMITS.cpu_s)))
    if code == -getattr(signal, "SIGKILL", 0):
        return _stopped(_("it needs more memory than there is"))
    last = said.strip().splitlines()[-1:] or [_("exit code {code}").format(code=code)]
    return _failed(shown(last[0], 200))


def _refusal(kind: str, detail: str, said: str) -> NewmodelError:
    """The worker's finding as one sentence."""
    if kind == "outside":
        return NewmodelError(
            _("The template writes outside the project's folder: {path}; nothing was written.").format(path=detail)
        )
    if kind == "program":
        return NewmodelError(
            _("The template tries to start a program ({what}); nothing was written.").format(what=detail)
        )
    if kind == "sandbox":
        return NewmodelError(
            _(
                "The template reaches into Python itself ({what}), which runs code: nothing was written. "
                "--trust allows it, if you trust its author."
            ).format(what=detail.rstrip("."))
        )
    if kind == "memory":
        return _stopped(_("it needs more than {size} MB of memory").format(size=LIMITS.memory // MEGABYTE))
    if kind == "file":
        return _stopped(_("it writes a file of more than {size} MB").format(size=LIMITS.file // MEGABYTE))
    if kind == "hook":
        last = said.strip().splitlines()[-1:]
        reason = detail if not last else f"{detail.rstrip('.')} ({shown(last[0], 200)})"
        return NewmodelError(
            _("The template's own code failed: {reason}; nothing was written.").format(reason=reason.rstrip("."))
        )
    if kind == "extension":
        return NewmodelError(
            _(
                "The template needs a Jinja extension that is not installed ({what}): install it into the environment "
                "of newmodel and try again."
            ).format(what=detail.rstrip("."))
        )
    if kind == "answer":
        return NewmodelError(_("The template refuses an answer: {reason}.").format(reason=detail.rstrip(".")))
    return _failed(detail)


def _stopped(reason: str) -> NewmodelError:
    return NewmodelError(_("The template was stopped: {reason}; nothing was written.").format(reason=reason))


def _failed(reason: str) -> NewmodelError:
    return NewmodelError(
        _("The template cannot be rendered: {reason}; nothing was written.").format(reason=reason.rstrip("."))
    )


def _plain(text: str) -> str:
    """A stranger's text without anything that moves the terminal's cursor or changes its colours."""
    import re

    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)", "", text)
    return "".join(letter for letter in text if letter == "\n" or letter.isprintable())
