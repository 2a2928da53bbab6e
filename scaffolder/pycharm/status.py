"""What of PyCharm is here, and whether it is ready for a project."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder.environment.facts import newest_first, project_python
from scaffolder.environment.ide import pycharm as probe
from scaffolder.environment.ide.idea_module import idea_module
from scaffolder.errors import NewmodelError
from scaffolder.messages import _
from scaffolder.pycharm import jdk_table
from scaffolder.pycharm.interpreter import InterpreterProblem, interpreter_problem
from scaffolder.pycharm.running import configuration_folders, pycharm_runs

if TYPE_CHECKING:
    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System


@dataclass(frozen=True, kw_only=True)
class ProjectStatus:
    """A project as PyCharm sees it.

    Attributes:
        environment: Its own interpreter, empty if it has none yet.
        interpreter: Name of the one that PyCharm uses, empty if none is chosen.
        known: Whether a PyCharm here knows that name.
        problem: What is wrong with it.
    """

    path: str
    environment: str = ""
    interpreter: str = ""
    known: bool = False
    problem: InterpreterProblem | None = None

    @property
    def sentence(self) -> str:
        if self.problem is not None:
            return self.problem.what
        if self.interpreter and self.known:
            return _("PyCharm uses “{name}”.").format(name=self.interpreter)
        if self.interpreter:
            return _("It names “{name}”; no PyCharm that could know it has been started here.").format(
                name=self.interpreter
            )
        if self.environment:
            return _("PyCharm has not been told yet: “newmodel pycharm open” opens it with {python}.").format(
                python=self.environment
            )
        return _("The project has no environment yet.")


@dataclass(frozen=True, kw_only=True)
class Status:
    """All of it.

    Attributes:
        installations: Newest first.
        running: Whether one runs now.
        configurations: Folders of settings of every version that has been started here, the newest last.
    """

    installations: tuple[PyCharm, ...]
    running: bool
    configurations: tuple[str, ...]
    project: ProjectStatus | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def status(system: System, project: Path | None = None) -> Status:
    """Look at this machine, and at a project."""
    return Status(
        installations=probe.probe(system)[0]["pycharm"],
        running=pycharm_runs(system),
        configurations=tuple(str(folder) for folder in configuration_folders(system)),
        project=None if project is None else project_status(project, system),
    )


def project_status(project: Path, system: System) -> ProjectStatus:
    """Whether PyCharm would run a project with the project's own interpreter."""
    python = project_python(project, system.platform)
    name = idea_module(system, str(project)).interpreter
    tables = [system.read_text(jdk_table.file_of(folder)) or "" for folder in configuration_folders(system)]
    return ProjectStatus(
        path=str(project),
        environment=str(python) if system.exists(python) else "",
        interpreter=name,
        known=any(entry.name == name for text in tables for entry in jdk_table.entries(text, system)),
        problem=interpreter_problem(project, system),
    )


def chosen(installations: tuple[PyCharm, ...], version: str | None) -> PyCharm | None:
    """The newest installation, or the newest of a version; None if there is none at all.

    Args:
        version: `2026.1.2`, or its beginning.

    Raises:
        NewmodelError: If others are here, but not this one.
    """
    if version is None or not installations:
        return next(iter(installations), None)
    wanted = newest_first(version)
    fitting = [one for one in installations if newest_first(one.version)[: len(wanted)] == wanted]
    if not wanted or not fitting:
        from scaffolder.answers import shown

        raise NewmodelError(
            _("PyCharm {version} is not installed here; there is: {versions}.").format(
                version=shown(version), versions=", ".join(one.version for one in installations)
            )
        )
    return fitting[0]
