"""Make PyCharm fit for training: enough memory, nothing indexed that is no code, no plugins for other work.

First everything is planned, then it is shown, and only then written: each file after a copy of it, so that it can be
put back byte for byte.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.environment.ide import pycharm as probe
from scaffolder.environment.system import decode
from scaffolder.messages import _, ngettext
from scaffolder.pycharm import exclusions, heap, interpreter, journal, module_file, plugins, text_file
from scaffolder.pycharm.xml_edit import DamagedXmlError

if TYPE_CHECKING:
    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System

HEAP, PLUGINS, EXCLUSIONS = "heap", "plugins", "exclusions"
#: What belongs to one project.
OF_PROJECTS = (EXCLUSIONS, *interpreter.KINDS)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One file that will be changed.

    Attributes:
        kind: `heap`, `plugins` or `exclusions`.
        what: One sentence for the person.
        before: The file as it is; None if there is none.
        detail: What an undo must know.
    """

    kind: str
    what: str
    path: Path
    before: bytes | None
    after: bytes
    detail: tuple[str, ...] = ()
    project: str = ""

    def diff(self) -> str:
        """What changes, line by line."""
        old, new = (decode(content or b"").splitlines() for content in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, str(self.path), str(self.path), lineterm="", n=1))


@dataclass(kw_only=True)
class Plan:
    """What tuning will do.

    Attributes:
        steps: In order; nothing to do if empty.
        notes: What stays as it is, and why.
        optional: Ids of plugins that may be switched off, and their steps; only with the person's own word.
    """

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    optional: dict[str, list[Step]] = field(default_factory=dict)


def plan(system: System, project: Path | None = None, *, megabytes: int | None = None) -> Plan:
    """Look at every installation, and at a project; nothing is written.

    Args:
        megabytes: The heap to set, larger or smaller; the one that suits this machine, where it is larger, if None.
    """
    planned = Plan()
    installations: Sequence[PyCharm] = probe.probe(system)[0]["pycharm"]
    if not installations:
        planned.notes.append(_("No PyCharm was found here; “newmodel pycharm install” installs it."))
    seen: set[Path] = set()
    for one in installations:
        _plan_heap(planned, one, megabytes, system, seen)
        _plan_plugins(planned, one, system, seen)
    if project is not None:
        _plan_exclusions(planned, project, system)
    return planned


def apply(steps: Sequence[Step]) -> list[str]:
    """Write the steps; a sentence for each that could not be written, whose file is then as it was."""
    problems = []
    for step in steps:
        try:
            journal.write(step.path, step.after, kind=step.kind, detail=step.detail, project=step.project)
        except OSError as error:  # noqa: PERF203 - each file for itself
            problems.append(journal.explained(error, step.path))
    return problems


def undo(changes: Collection[journal.Change]) -> list[journal.Undone]:
    """Put changes back, the newest first."""
    done = []
    for change in reversed(list(changes)):
        if change.kind in interpreter.KINDS:
            done.append(interpreter.undo(change))
        else:
            done.append(journal.undo(change, lambda before, now, change=change: _taken_out(change, before, now)))  # type: ignore[misc]
    return done


def _plan_heap(planned: Plan, one: PyCharm, megabytes: int | None, system: System, seen: set[Path]) -> None:
    wanted = megabytes or one.heap_wanted
    if wanted is None or (megabytes is None and one.heap is not None and one.heap >= wanted) or one.heap == wanted:
        return
    path = heap.options_file(one, system)
    if path is None:
        planned.notes.append(
            _("PyCharm {version} has never been started here: start it once, then tune it.").format(version=one.version)
        )
        return
    if path in seen:
        return
    seen.add(path)
    before = _bytes(path)
    if before is None and path.exists():
        planned.notes.append(_("{path} cannot be read, and was left as it is.").format(path=path))
        return
    after = heap.with_heap(before, wanted)
    if after is None:
        planned.notes.append(_("{path} sets PyCharm's memory in its own way, and was left as it is.").format(path=path))
        return
    what = (
        _("PyCharm {version} may use {new} MB of memory instead of {old} MB.")
        if one.heap is not None
        else _("PyCharm {version} may use {new} MB of memory.")
    ).format(version=one.version, new=wanted, old=one.heap)
    planned.steps.append(Step(kind=HEAP, what=what, path=path, before=before, after=after))


def _plan_plugins(planned: Plan, one: PyCharm, system: System, seen: set[Path]) -> None:
    names = plugins.offered(one, system) if one.configuration else []
    path = plugins.file_of(one)
    if not names or path in seen:
        return
    seen.add(path)
    before = _bytes(path)
    if before is None and path.exists():
        return
    what = ngettext(
        "PyCharm {version} starts without one plugin.", "PyCharm {version} starts without {count} plugins.", len(names)
    ).format(version=one.version, count=len(names))
    step = Step(
        kind=PLUGINS,
        what=what,
        path=path,
        before=before,
        after=plugins.with_disabled(before, names),
        detail=tuple(names),
    )
    for name in names:
        planned.optional.setdefault(name, []).append(step)


def optional_steps(planned: Plan) -> list[Step]:
    """The steps that switch plugins off, each once."""
    return list({step.path: step for steps in planned.optional.values() for step in steps}.values())


def _plan_exclusions(planned: Plan, project: Path, system: System) -> None:
    found = exclusions.candidates(project, system)
    planned.notes += [
        _("{folder} is large and holds source code: move the data out of it, and exclude that.").format(folder=name)
        for name in found.kept
    ]
    if not found.folders:
        return
    module = module_file.module_file(project)
    if module is None:
        planned.notes.append(
            _("{path} has no module file that can be read: open the project in PyCharm once, then tune it.").format(
                path=project / ".idea"
            )
        )
        return
    path, file = module
    try:
        text = module_file.exclude(file.text, found.folders)
    except DamagedXmlError:
        return
    what = _("PyCharm leaves out {folders} when it indexes the project.").format(folders=", ".join(found.folders))
    planned.steps.append(
        Step(
            kind=EXCLUSIONS,
            what=what,
            path=path,
            before=file.encode(file.text),
            after=file.encode(text),
            detail=found.folders,
            project=str(project),
        )
    )


def _taken_out(change: journal.Change, before: bytes | None, now: bytes) -> bytes | None:
    if change.kind == HEAP:
        return heap.without_heap(before, now)
    if change.kind == PLUGINS:
        return plugins.without_disabled(now, change.detail)
    file = text_file.decode(now)
    if file is None:
        return None
    try:
        return file.encode(module_file.include(file.text, change.detail))
    except DamagedXmlError:
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
