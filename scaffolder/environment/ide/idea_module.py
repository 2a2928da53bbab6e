"""What a project's `.idea` says about its folders: source roots, exclusions, interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote

from scaffolder.environment.ide.xml_text import element, problem_of
from scaffolder.environment.system import System

_MODULE, _PROJECT = "$MODULE_DIR$", "$PROJECT_DIR$"


@dataclass(frozen=True, kw_only=True)
class IdeaModule:
    """A project as PyCharm's files describe it.

    Attributes:
        sources: Source roots, from the project's folder on.
        excluded: Excluded folders, from the project's folder on.
        interpreter: Name of the interpreter, empty where none is chosen yet.
        damaged: Path and problem of files that PyCharm cannot read.
    """

    sources: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    interpreter: str = ""
    damaged: tuple[tuple[str, str], ...] = ()


def idea_module(system: System, project: str) -> IdeaModule:
    """Read `modules.xml`, the modules that it names, `misc.xml` and the run configurations."""
    idea = f"{project}/.idea"
    damaged: list[tuple[str, str]] = []
    for path in [
        *(f"{idea}/{name}.xml" for name in ("modules", "misc", "vcs", "jsonSchemas", "workspace")),
        *system.glob(f"{_literal(idea)}/runConfigurations/*.xml"),
        *system.glob(f"{_literal(project)}/.run/*.xml"),
    ]:
        text = system.read_text(path)
        problem = problem_of(text) if text is not None else ""
        if problem:
            damaged.append((path, problem))
    sources: list[str] = []
    excluded: list[str] = []
    interpreter = _attribute(system, f"{idea}/misc.xml", "component", "project-jdk-name")
    for path in _modules(system, project):
        text = system.read_text(path)
        if text is None:
            continue
        root = element(text)
        if root is None:
            damaged.append((path, problem_of(text)))
            continue
        base = PurePosixPath(path).parent
        folder = str(base.parent if base.name == ".idea" else base)  # PyCharm counts from the project there
        sources += _below(project, folder, [one.get("url", "") for one in root.iter("sourceFolder")])
        excluded += _below(project, folder, [one.get("url", "") for one in root.iter("excludeFolder")])
        for entry in root.iter("orderEntry"):
            if entry.get("type") == "jdk":
                interpreter = entry.get("jdkName", "")
    return IdeaModule(
        sources=tuple(dict.fromkeys(sources)),
        excluded=tuple(dict.fromkeys(excluded)),
        interpreter=interpreter,
        damaged=tuple(damaged),
    )


def _modules(system: System, project: str) -> list[str]:
    root = element(system.read_text(f"{project}/.idea/modules.xml") or "")
    named = [one.get("filepath", "") for one in root.iter("module")] if root is not None else []
    paths = [path.replace(_PROJECT, project) for path in named if path.startswith(_PROJECT)]
    return paths or system.glob(f"{_literal(project)}/.idea/*.iml")


def _attribute(system: System, path: str, tag: str, name: str) -> str:
    root = element(system.read_text(path) or "")
    values = (one.get(name, "") for one in root.iter(tag)) if root is not None else iter(())
    return next((value for value in values if value), "")


def _below(project: str, folder: str, urls: list[str]) -> list[str]:
    """`file://$MODULE_DIR$/tests` as `tests`; the project itself as an empty text; what lies elsewhere is left out."""
    found = []
    for url in urls:
        path = unquote(url.removeprefix("file://")).replace(_MODULE, folder).replace(_PROJECT, project)
        path = path.replace("\\", "/").rstrip("/")
        whole = project.replace("\\", "/").rstrip("/")
        if path == whole or path.startswith(f"{whole}/"):
            found.append(path[len(whole) + 1 :])
    return found


def _literal(path: str) -> str:
    return "".join(f"[{character}]" if character in "[*?" else character for character in path)
