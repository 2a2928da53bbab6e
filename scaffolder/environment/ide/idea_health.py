"""A project as PyCharm sees it: its interpreter, its roots, and what makes indexing slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from scaffolder.environment.facts import Finding, command, consented
from scaffolder.environment.hardware.machine import size
from scaffolder.environment.ide.idea_module import IdeaModule, idea_module
from scaffolder.environment.system import System
from scaffolder.messages import _, ngettext

#: A folder with more files, or more bytes, than this is worth excluding.
MANY_FILES = 5_000
MANY_BYTES = 200 * 1024**2

#: PyCharm analyses no larger text (`idea.max.intellisense.filesize`, 2500 kilobytes).
LARGEST_TEXT = 2_500 * 1024

_TEXTS = {".py", ".ipynb", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".xml", ".yaml", ".yml", ".md", ".html", ".log"}

#: PyCharm never indexes these, and nobody has to exclude them.
_NEVER = {".git", ".hg", ".svn", ".idea", "__pycache__"}

_LIMIT = 20_000


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """What is wrong with `.idea`; nothing where the project has none."""
    project = str(folder)
    if not system.exists(f"{project}/.idea"):
        return {}, []
    module = idea_module(system, project)
    findings = [
        *_damaged(system, project, module),
        *_interpreter(system, project),
        *_roots(system, project, module),
        *_indexed(system, project, module),
    ]
    return {}, findings


def _damaged(system: System, project: str, module: IdeaModule) -> list[Finding]:
    return [
        Finding(
            code="NM508",
            severity="note",
            what=_("PyCharm cannot read {path}: {problem}.").format(path=path, problem=problem),
            meaning=_("It leaves the file out, or writes a new one: a run configuration or setting is missing there."),
            advice=_("Take the last good version from git, or bring it back with newmodel update."),
            commands=(command(system, "git", "-C", project, "checkout", "--", path[len(project) + 1 :]),)
            if system.exists(f"{project}/.git")
            else (),
        )
        for path, problem in module.damaged
    ]


def _interpreter(system: System, project: str) -> list[Finding]:
    """What PyCharm runs the project with; the same judgement as `newmodel pycharm interpreter`, which mends it."""
    from scaffolder.pycharm.interpreter import interpreter_problem

    problem = interpreter_problem(Path(project), system)
    if problem is None:
        return []
    return [
        Finding(
            code="NM503",
            severity="slows",
            what=problem.what,
            meaning=_("Its run configurations do not start, or do not find the installed packages."),
            commands=(consented(system, "newmodel", "pycharm", "interpreter", project),),
        )
    ]


def _roots(system: System, project: str, module: IdeaModule) -> list[Finding]:
    missing = [path for path in module.sources if path and not system.exists(f"{project}/{path}")]
    if not missing:
        return []
    return [
        Finding(
            code="NM504",
            severity="note",
            what=ngettext(
                "PyCharm looks for source code in a folder that is not there: {names}.",
                "PyCharm looks for source code in folders that are not there: {names}.",
                len(missing),
            ).format(names=", ".join(missing[:5])),
            meaning=_("Imports from there show as errors, and their tests are not found."),
            advice=_("If a folder was renamed, mark the new one: right click, Mark Directory as, Sources Root."),
        )
    ]


def to_exclude(
    system: System, project: str, module: IdeaModule
) -> tuple[list[str], list[tuple[str, int, int]], list[tuple[str, int]]]:
    """Environments, and folders with too much in them (path, files, bytes), that are indexed; and what is indexed."""
    environments = _environments(system, project, module)
    skip = {PurePosixPath(path).name for path in module.excluded if "/" not in path} | _NEVER | set(environments)
    files = [
        (path, count)
        for path, count in system.tree(project, skip=skip, limit=_LIMIT)
        if not any(path.startswith(f"{folder}/") for folder in module.excluded if folder)
    ]
    return environments, _heavy(files), files


def _indexed(system: System, project: str, module: IdeaModule) -> list[Finding]:
    environments, heavy, files = to_exclude(system, project, module)
    findings = []
    if environments or heavy:
        described = [_("{name} (an environment)").format(name=name) for name in environments]
        described += [
            _("{name} ({count} files, {size})").format(name=name, count=count, size=size(total))
            for name, count, total in heavy
        ]
        findings.append(
            Finding(
                code="NM505",
                severity="slows",
                what=_("PyCharm indexes {names}.").format(names=", ".join(described[:5])),
                meaning=_("Indexing takes minutes and much memory each time many files there change."),
                commands=(consented(system, "newmodel", "pycharm", "tune", project),),
            )
        )
    names = {name for name, _count, _total in heavy}
    return [*findings, *_too_big([one for one in files if not _in(one[0], names)])]


def _environments(system: System, project: str, module: IdeaModule) -> list[str]:
    """Virtual environments at the top that are not excluded; they are known by a file, and need no counting."""
    names = (".venv", "venv", "env", ".env", ".conda")
    return [
        name
        for name in names
        if name not in module.excluded
        and any(system.exists(f"{project}/{name}/{mark}") for mark in ("pyvenv.cfg", "conda-meta"))
    ]


def _heavy(files: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Folders with too many files or bytes: path, files, bytes; the deepest that holds nearly all of it."""
    found = []
    for folder in dict.fromkeys(path.split("/", 1)[0] for path, _size in files if "/" in path):
        inside = [one for one in files if one[0].startswith(f"{folder}/")]
        while _is_heavy(inside):
            deeper: dict[str, list[tuple[str, int]]] = {}
            for path, count in inside:
                rest = path[len(folder) + 1 :]
                if "/" in rest:
                    deeper.setdefault(f"{folder}/{rest.split('/', 1)[0]}", []).append((path, count))
            best = max(deeper, key=lambda name: _weight(deeper[name]), default="")
            if not best or _weight(deeper[best]) < 0.9 * _weight(inside):
                found.append((folder, len(inside), sum(count for _path, count in inside)))
                break
            folder, inside = best, deeper[best]
    return found


def _is_heavy(files: Sequence[tuple[str, int]]) -> bool:
    return len(files) > MANY_FILES or sum(count for _path, count in files) > MANY_BYTES


def _weight(files: Sequence[tuple[str, int]]) -> float:
    return max(len(files) / MANY_FILES, sum(count for _path, count in files) / MANY_BYTES)


def _in(path: str, folders: set[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _too_big(files: Sequence[tuple[str, int]]) -> list[Finding]:
    large = [one for one in files if one[1] > LARGEST_TEXT and PurePosixPath(one[0]).suffix.lower() in _TEXTS]
    if not large:
        return []
    large.sort(key=lambda one: -one[1])
    names = ", ".join(f"{path} ({size(count)})" for path, count in large[:3])
    return [
        Finding(
            code="NM506",
            severity="note",
            what=ngettext(
                "A text is too large for PyCharm's analysis: {names}.",
                "{count} texts are too large for PyCharm's analysis: {names}.",
                len(large),
            ).format(count=len(large), names=names),
            meaning=_("It opens without colours, completion and search for usages; training does not mind."),
            advice=_("Look at the first lines in the terminal, and keep data in a folder that is excluded."),
        )
    ]
