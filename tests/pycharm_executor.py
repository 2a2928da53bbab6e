"""Runs a project's run configurations as PyCharm would: from the files in .idea alone.

What PyCharm does is in JetBrains/intellij-community: `PythonCommandLineState` (environment, PYTHONPATH from content and
source roots), `PythonScriptCommandLineState` (working directory, module mode, emulated terminal), `ParametersList`
(how parameters are split), `PathMacroUtil` (macros) and, for tests, `helpers/pycharm/_jb_pytest_runner.py`.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pexpect
import pexpect.popen_spawn
import psutil

from scaffolder.pycharm.run_configuration import PYTHON, TESTS, RunConfiguration, read_run_configurations

#: What PyCharm's helper for pytest does apart from reporting: its own folder is no part of the search path.
PYTEST_RUNNER = Path(__file__).with_name("pycharm_pytest_runner.py")

#: A module's name in a run configuration must look so, or PyCharm warns.
MODULE_NAME = re.compile(r"^[a-zA-Z0-9._]+[a-zA-Z0-9_]$")


@dataclass(frozen=True)
class Command:
    """What PyCharm starts.

    Attributes:
        terminal: Whether the process gets a terminal (EMULATE_TERMINAL) or a pipe.
    """

    arguments: list[str]
    folder: Path
    environment: Mapping[str, str]
    terminal: bool


@dataclass(frozen=True)
class Finished:
    exit_code: int
    output: str


class Running:
    """A process that PyCharm has started and shows in its Run window."""

    def __init__(self, command: Command) -> None:
        program, *arguments = command.arguments
        options: dict[str, Any] = {
            "cwd": str(command.folder),
            "env": dict(command.environment),
            "encoding": "utf-8",
            "codec_errors": "replace",
            # A test run in the background ignores SIGINT, and its children would inherit that.
            "preexec_fn": partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        }
        self.terminal = command.terminal
        if command.terminal:
            self.process = pexpect.spawn(program, arguments, dimensions=(40, 120), **options)
        else:
            self.process = pexpect.popen_spawn.PopenSpawn([program, *arguments], **options)
        self._seen: list[str] = []

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Read its output until the pattern appears; fails when it does not in time, or the process ends."""
        try:
            self.process.expect(pattern, timeout=seconds)
        except pexpect.ExceptionPexpect as error:
            what = "ended" if isinstance(error, pexpect.EOF) else f"did not say it within {seconds} s"
            raise AssertionError(f"Waited for {pattern!r}, but the process {what}:\n{self._text()}") from None
        self._seen += [self.process.before, self.process.after]
        match: re.Match[str] = self.process.match
        return match

    def finish(self, seconds: float) -> Finished:
        """Read its output to the end; fails when it has not ended in time."""
        try:
            self.process.expect(pexpect.EOF, timeout=seconds)
        except pexpect.TIMEOUT:
            self.kill()
            raise AssertionError(f"Still running after {seconds} s:\n{self._text()}") from None
        self._seen.append(self.process.before)
        exit_code = self.process.wait()
        if self.terminal:
            self.process.close()
            exit_code = self.process.exitstatus if self.process.signalstatus is None else -self.process.signalstatus
        return Finished(int(exit_code), plain("".join(self._seen)))

    def stop(self) -> None:
        """PyCharm's red square, pressed once."""
        os.kill(self.process.pid, signal.SIGINT)

    def family(self) -> list[psutil.Process]:
        """The process and its children, theirs included."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def kill(self) -> None:
        """End it and its children, however they are."""
        if psutil.pid_exists(self.process.pid):
            for process in self.family():
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def _text(self) -> str:
        return plain("".join(self._seen) + (self.process.before or ""))


class PyCharm:
    """A project opened with an interpreter that the module has.

    Args:
        project: The project folder.
        python: Interpreter of the project's one module.
    """

    def __init__(self, project: Path, python: Path) -> None:
        self.project = project
        self.python = python
        self.configurations = {each.name: each for each in read_run_configurations(project)}

    def command(self, name: str) -> Command:
        """What pressing Run with this configuration starts."""
        return self._command(self.configurations[name])

    def run(self, name: str, seconds: float) -> Finished:
        """Run a configuration and, before it, its before-launch tasks; one that fails ends the row."""
        for task in self.configurations[name].before_launch:
            before = self.run(task, seconds)
            if before.exit_code:
                return before
        return Running(self.command(name)).finish(seconds)

    @contextmanager
    def started(self, name: str) -> Iterator[Running]:
        """A configuration that serves; whatever is left of it at the end is killed."""
        running = Running(self.command(name))
        try:
            yield running
        finally:
            running.kill()

    def green_arrow(self, script: str) -> Command:
        """What the green arrow beside `if __name__ == "__main__"` starts: a configuration made for the occasion."""
        file = self.project / script
        return self._command(
            RunConfiguration(
                name=file.stem,
                type=PYTHON,
                factory="Python",
                module=self._module,
                options={
                    "SCRIPT_NAME": str(file),
                    "WORKING_DIRECTORY": str(file.parent),
                    "IS_MODULE_SDK": "true",
                },
                environment={"PYTHONUNBUFFERED": "1"},
                before_launch=(),
                file=file,
            )
        )

    def _command(self, configuration: RunConfiguration) -> Command:
        assert configuration.module == self._module, "No module set"
        assert configuration.flag("IS_MODULE_SDK"), "no interpreter of one machine in a shared file"
        options = {name: self._expanded(value) for name, value in configuration.options.items()}
        words = [str(self.python), *split_parameters(options.get("INTERPRETER_OPTIONS", ""))]
        terminal = False
        if configuration.type == TESTS:
            words += [str(PYTEST_RUNNER), *self._pytest_arguments(configuration)]
        elif configuration.type == PYTHON:
            target = options["SCRIPT_NAME"]
            if configuration.flag("MODULE_MODE"):
                assert MODULE_NAME.match(target), f"{target} is no module's name"
                words += ["-m", target]
            else:
                words += [target]
            words += split_parameters(options.get("PARAMETERS", ""))
            terminal = configuration.flag("EMULATE_TERMINAL")
        else:
            raise AssertionError(f"{configuration.type} is run by a plugin that PyCharm may not have")
        folder = Path(options.get("WORKING_DIRECTORY") or self.project)
        return Command(words, folder, self._environment(configuration, terminal), terminal)

    def _pytest_arguments(self, configuration: RunConfiguration) -> list[str]:
        keywords = configuration.json("_new_keywords")
        arguments = [
            *split_parameters(configuration.json("_new_additionalArguments")),
            *(["-k", keywords] * bool(keywords)),
        ]
        kind, target = configuration.json("_new_targetType"), self._expanded(configuration.json("_new_target"))
        assert kind in ("PATH", "CUSTOM"), f"target type {kind}"
        return [*arguments, *([target] if kind == "PATH" else [])]

    def _environment(self, configuration: RunConfiguration, terminal: bool) -> dict[str, str]:
        """The parent's variables, the configuration's, PyCharm's own, the roots on PYTHONPATH, the venv activated."""
        # Variables by which this test run would be noticed, or which a PyCharm started from the desktop has not.
        foreign = ("PYTEST_", "COV_", "COVERAGE_", "PYTHONPATH", "VIRTUAL_ENV", "COLUMNS", "LINES", "NO_COLOR")
        parent = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment = dict(parent) if configuration.flag("PARENT_ENVS") else {}
        environment |= {name: self._expanded(value) for name, value in configuration.environment.items()}
        environment |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "UTF-8", "PYCHARM_HOSTED": "1"}
        if terminal:
            environment["TERM"] = "xterm-256color"
        roots = [
            *(self._content_roots if configuration.flag("ADD_CONTENT_ROOTS") else []),
            *(self._source_roots if configuration.flag("ADD_SOURCE_ROOTS") else []),
        ]
        paths = [*dict.fromkeys(map(str, roots)), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        venv = self.python.parent.parent
        if (venv / "pyvenv.cfg").exists():
            environment["VIRTUAL_ENV"] = str(venv)
            environment["PATH"] = os.pathsep.join([str(self.python.parent), environment.get("PATH", "")])
        return environment

    @cached_property
    def _module_file(self) -> Path:
        root = ElementTree.parse(self.project / ".idea" / "modules.xml").getroot()
        (module,) = root.iter("module")
        return Path(module.attrib["filepath"].replace("$PROJECT_DIR$", str(self.project)))

    @property
    def _module(self) -> str:
        return self._module_file.stem

    @cached_property
    def _content(self) -> list[ElementTree.Element]:
        return list(ElementTree.parse(self._module_file).getroot().iter("content"))

    @property
    def _content_roots(self) -> list[Path]:
        return [self._folder(content) for content in self._content]

    @property
    def _source_roots(self) -> list[Path]:
        return [self._folder(source) for content in self._content for source in content.iter("sourceFolder")]

    def _folder(self, element: ElementTree.Element) -> Path:
        return Path(self._expanded(element.attrib["url"]).removeprefix("file://"))

    def _expanded(self, text: str) -> str:
        # A module file in .idea counts as one in the folder above.
        module = self._module_file.parent
        macros = {
            "$PROJECT_DIR$": self.project,
            "$MODULE_DIR$": module.parent if module.name == ".idea" else module,
            "$USER_HOME$": Path.home(),
        }
        for macro, folder in macros.items():
            text = text.replace(macro, str(folder))
        return text


def plain(output: str) -> str:
    """The end of what a terminal showed, without colours; a progress bar leaves its last state."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output).replace("\r\n", "\n")
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))[-20_000:]


def split_parameters(text: str) -> list[str]:
    """Split as JetBrains' `ParametersList.parse`: at spaces, except inside double quotes; `\\"` is a quote itself."""
    words = re.findall(r'(?:[^\s"\\]|\\.|\\$|"(?:[^"\\]|\\.)*"?)+', text)
    return [re.sub(r'\\(")|"', r"\1", word) for word in words]
