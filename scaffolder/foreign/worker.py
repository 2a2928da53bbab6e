"""Reads and renders a foreign template in a process of its own: `python -m scaffolder.foreign.worker REQUEST.json`.

Without trust, this process may write below one folder only, start no program and open no connection: its own audit
hook refuses. That is the second wall; the first is Jinja's sandbox, which keeps a template from Python's internals.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version

#: Events of the audit hook whose first argument is a path that is changed, and how many of them are paths.
_CHANGES = {
    "os.chmod": 1,
    "os.chown": 1,
    "os.link": 2,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.setxattr": 1,
    "os.removexattr": 1,
    "os.truncate": 1,
    "os.utime": 1,
}
#: Beginnings of the names of events with which a program is started or a connection opened.
_PROGRAMS = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.startfile",
    "os.kill",
    "pty.",
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "urllib.",
    "ftplib.",
    "smtplib.",
    "webbrowser.",
)


class RefusedError(Exception):
    """The template tried something that it may not.

    Attributes:
        kind: `outside` or `program`.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def main(request_path: str) -> int:
    """Do what the request says and leave the result beside it."""
    # cookiecutter logs the whole trace of a hook that failed; what the hook itself said is what counts
    logging.disable(logging.CRITICAL)
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    tasks = {"inspect": _inspect, "copier": _copier, "cookiecutter": _cookiecutter}
    # opened before the walls stand: it is outside the folder that may be written to
    with Path(request["result"]).open("w", encoding="utf-8") as file:
        try:
            result = tasks[request["task"]](request)
        except (KeyboardInterrupt, EOFError):
            return 130
        except MemoryError:
            result = {"error": "memory", "detail": ""}
        except BaseException as error:
            result = _failure(error)
        json.dump(result, file, default=str)
    return 0


def _failure(error: BaseException) -> dict[str, str]:
    """What went wrong, for the other process to put into words."""
    from jinja2.exceptions import SecurityError, TemplateSyntaxError

    chain: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__ or one.__context__
    detail = " ".join(str(error).split())
    for link in chain:
        if isinstance(link, KeyboardInterrupt):
            raise KeyboardInterrupt
        if isinstance(link, RefusedError):
            return {"error": link.kind, "detail": str(link)}
        if isinstance(link, MemoryError):
            return {"error": "memory", "detail": ""}
        if isinstance(link, OSError) and link.errno == errno.EFBIG:
            return {"error": "file", "detail": ""}
        if isinstance(link, SecurityError):
            return {"error": "sandbox", "detail": str(link)}
        if type(link).__name__ in ("FailedHookException", "TaskError"):
            return {"error": "hook", "detail": " ".join(str(link).split())}
        if type(link).__name__ in ("ExtensionNotFoundError", "UnknownExtension"):
            return {"error": "extension", "detail": str(link).splitlines()[1] if "\n" in str(link) else str(link)}
        if type(link).__name__ == "ForbiddenPathError":
            return {"error": "outside", "detail": str(getattr(link, "path", link))}
        if isinstance(link, TemplateSyntaxError):
            where = f"{link.filename or link.name or ''}:{link.lineno}".lstrip(":")
            return {"error": "template", "detail": f"{where}: {link.message}"}
    if isinstance(error, OverflowError):
        return {"error": "sandbox", "detail": detail}
    if isinstance(error, ValueError):
        return {"error": "answer", "detail": detail}
    return {"error": "template", "detail": detail or type(error).__name__}


# --- the walls ------------------------------------------------------------------------------------------------------


def _build_walls(request: Mapping[str, Any]) -> None:
    """From here on: only so much memory, time and disk, and nothing outside the folder `output`."""
    limits = request["limits"]
    with contextlib.suppress(ImportError):
        import resource

        for name, value in (
            (resource.RLIMIT_FSIZE, limits["file"]),
            (resource.RLIMIT_AS, limits["memory"]),
            (resource.RLIMIT_CPU, int(limits["cpu_s"])),
            (resource.RLIMIT_CORE, 0),
        ):
            # a limit that is lower already, or that this system does not know, stays as it is
            with contextlib.suppress(ValueError, OSError):
                _soft, hard = resource.getrlimit(name)
                resource.setrlimit(name, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    allowed = os.path.realpath(request["output"])
    harmless = {os.path.realpath(os.devnull)}

    def may_change(path: object) -> bool:
        if isinstance(path, int):
            return True  # opened before, and judged then
        text = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if text in harmless or text.startswith(("/dev/tty", "/dev/pts/")):
            return True
        return text == allowed or text.startswith(allowed + os.sep)

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            writes = isinstance(flags, int) and flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            )
            if writes and not may_change(path):
                raise RefusedError("outside", os.fsdecode(path))
        elif event == "os.symlink":
            if not may_change(os.path.dirname(os.path.abspath(os.fsdecode(arguments[1])))):  # noqa: PTH100, PTH120
                raise RefusedError("outside", os.fsdecode(arguments[1]))
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                if not may_change(path):
                    raise RefusedError("outside", os.fsdecode(path))
        elif event.startswith(_PROGRAMS):
            raise RefusedError("program", event)

    sys.addaudithook(refuse)


# --- copier ---------------------------------------------------------------------------------------------------------


def _inspect(request: Mapping[str, Any]) -> dict[str, Any]:
    """The questions of a copier template, and the code that it would run."""
    from copier._template import Template

    class Plain(Template):
        @cached_property
        def local_abspath(self) -> Path:
            return Path(request["template"]).resolve()

        @cached_property
        def vcs(self) -> None:
            return None

    template = Plain(url=request["address"])
    _build_walls(request)
    questions = {}
    for name, details in template.questions_data.items():
        when = details.get("when", True)
        asked = when is True and details.get("ask", True) is not False
        questions[str(name)] = {"asked": asked, "default": details.get("default")}
    return {
        "questions": questions,
        "tasks": [
            " ".join(map(str, task.cmd)) if not isinstance(task.cmd, str) else task.cmd for task in template.tasks
        ],
        "extensions": [str(name) for name in template.jinja_extensions],
    }


def _copier(request: Mapping[str, Any]) -> dict[str, Any]:
    """Render a copier template to `output`/`name`."""
    import copier._main
    from copier._main import Worker
    from copier._settings import SettingsModel
    from copier._template import Template
    from packaging.version import InvalidVersion
    from packaging.version import Version as ParsedVersion

    messages: list[str] = []

    class Known(Template):
        """What was fetched, recorded under its public address and version."""

        @cached_property
        def local_abspath(self) -> Path:
            return Path(request["template"]).resolve()

        @cached_property
        def vcs(self) -> None:
            return None

        @cached_property
        def commit(self) -> str | None:
            return request["version"] if request["commit"] else None

        @cached_property
        def commit_hash(self) -> str | None:
            return request["commit"] or None

        @cached_property
        def version(self) -> Version | None:
            try:
                return ParsedVersion(request["version"])
            except InvalidVersion:
                return None

    class Renderer(Worker):
        @cached_property
        def template(self) -> Template:
            return Known(url=request["address"])

        def _print_message(self, message: str) -> None:
            if message:
                messages.append(self._render_string(message))

    # a template's files are no repository any more, and the project's folder is none yet
    copier._main.is_git_available = lambda: False  # type: ignore[attr-defined]
    settings = SettingsModel()
    with contextlib.suppress(Exception):  # the person's own defaults, such as their name; what they trust is asked here
        settings = SettingsModel(defaults=SettingsModel.from_file().defaults)
    target = Path(request["output"]) / request["name"]
    if not request["trust"]:
        _build_walls(request)
    with Renderer(
        src_path=request["address"],
        dst_path=target,
        data=request["data"],
        settings=settings,
        defaults=not request["ask"],
        overwrite=True,
        quiet=True,
        cleanup_on_error=False,
        unsafe=request["trust"],
        skip_tasks=not request["run"],
    ) as working:
        working.run_copy()
        answers = {
            name: value
            for name, value in working.answers.combined.items()
            if name in working.template.questions_data
            and name not in working.answers.hidden
            and name not in working.template.secret_questions
        }
    return {"project": str(target), "answers": answers, "messages": messages}


# --- cookiecutter ---------------------------------------------------------------------------------------------------


def _cookiecutter(request: Mapping[str, Any]) -> dict[str, Any]:
    """Render a cookiecutter template to `output`. As `cookiecutter.main` does it, without its copies in the home."""
    from cookiecutter import generate, hooks, prompt  # type: ignore[import-untyped]
    from cookiecutter.config import get_user_config  # type: ignore[import-untyped]

    defaults: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # the person's own defaults, such as their name
        defaults = get_user_config()["default_context"]
    folder = request["template"]
    if not request["trust"]:
        _sandbox_cookiecutter()
        _build_walls(request)
    if request["run"]:
        folder = str(hooks.run_pre_prompt_hook(folder))
    with _imports_from(folder) if request["trust"] else contextlib.nullcontext():
        context = generate.generate_context(
            context_file=str(Path(folder) / "cookiecutter.json"),
            default_context=defaults,
            extra_context=request["data"],
        )
        values = context["cookiecutter"]
        context["_cookiecutter"] = {key: value for key, value in values.items() if not key.startswith("_")}
        values.update(prompt.prompt_for_config(context, no_input=not request["ask"]))
        values.update(
            _template=request["address"],
            _output_dir=request["output"],
            _repo_dir=folder,
            _checkout=request["version"],
        )
        project = generate.generate_files(
            repo_dir=folder,
            context=context,
            output_dir=request["output"],
            accept_hooks=request["run"],
            keep_project_on_failure=True,
        )
    answers = {key: value for key, value in values.items() if not key.startswith("_")}
    return {"project": project, "answers": answers, "messages": []}


def _sandbox_cookiecutter() -> None:
    """Put Jinja's sandbox in the place of cookiecutter's environment, and load no extension of the template's."""
    from cookiecutter import environment, utils
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class SandboxedStrictEnvironment(environment.ExtensionLoaderMixin, SandboxedEnvironment):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(undefined=StrictUndefined, **settings)

        def _read_extensions(self, context: dict[str, Any]) -> list[str]:  # noqa: ARG002 - as the one that it replaces
            return []

    environment.StrictEnvironment = SandboxedStrictEnvironment
    utils.StrictEnvironment = SandboxedStrictEnvironment


@contextlib.contextmanager
def _imports_from(folder: str) -> Iterator[None]:
    """Where a trusted template's own extensions are found."""
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
