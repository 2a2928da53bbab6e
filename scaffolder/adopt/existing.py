"""What a project's `.idea/` holds already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from scaffolder.messages import _
from scaffolder.pycharm import module_file, text_file, xml_edit
from scaffolder.pycharm.text_file import TextFile
from scaffolder.pycharm.xml_edit import DamagedXmlError


@dataclass(frozen=True, kw_only=True)
class Module:
    """The PyCharm module that stands for the project.

    Attributes:
        name: As run configurations call it; empty if there is none yet.
        file: Its file below `.idea/` where it may be written: it is there, or named and missing.
        text: What it holds; None where it is missing.
        listed: Whether `modules.xml` names a module.
        problem: One sentence where its roots cannot be set.
    """

    name: str = ""
    file: str = ""
    text: TextFile | None = None
    listed: bool = False
    problem: str = ""


def module(folder: Path) -> Module:
    """The module of a project's folder."""
    idea = folder / ".idea"
    modules = text_file.read(idea / "modules.xml")
    there = module_file.module_file(folder)
    if not (idea / "modules.xml").exists():
        if there is None:
            return Module()
        return Module(name=there[0].stem, file=there[0].name, text=there[1])
    try:
        paths = [
            one.attributes.get("filepath", "") for one in xml_edit.parse(modules.text if modules else "").all("module")
        ]
    except DamagedXmlError:
        paths = []
    names = [path.replace("\\", "/").rpartition("/")[2].removesuffix(".iml") for path in paths]
    if there is not None and there[0].stem in names:
        return Module(name=there[0].stem, file=there[0].name, text=there[1], listed=True)
    if not names:
        problem = _("{file} names no module or is damaged, and was left as it is.").format(file=".idea/modules.xml")
        return Module(listed=True, problem=problem)
    in_idea = paths[0].replace("\\", "/") == f"$PROJECT_DIR$/.idea/{names[0]}.iml"
    if in_idea and len(names) == 1 and not (idea / f"{names[0]}.iml").exists():
        return Module(name=names[0], file=f"{names[0]}.iml", listed=True)
    problem = _("{file} is not a module of this folder that can be changed, so its source folders stay as they are.")
    return Module(name=names[0], listed=True, problem=problem.format(file=paths[0]))


@dataclass(frozen=True, kw_only=True)
class Configurations:
    """The run configurations that are there.

    Attributes:
        names: Their names.
        files: Their files' names in `.idea/runConfigurations/`, in lower case.
        meanings: What each runs.
    """

    names: frozenset[str]
    files: frozenset[str]
    meanings: frozenset[tuple[str, ...]]


def configurations(folder: Path) -> Configurations:
    """Those that are shared, and those that PyCharm keeps for one person."""
    shared = [*folder.glob(".idea/runConfigurations/*.xml"), *folder.glob(".run/*.run.xml")]
    names: set[str] = set()
    meanings: set[tuple[str, ...]] = set()
    for path in [*shared, folder / ".idea" / "workspace.xml"]:
        file = text_file.read(path)
        for element in _elements(file.text if file else ""):
            if element.get("default") != "true":
                names.add(element.get("name", ""))
                meanings.add(meaning(element))
    return Configurations(
        names=frozenset(names), files=frozenset(path.name.lower() for path in shared), meanings=frozenset(meanings)
    )


def meaning(configuration: ElementTree.Element) -> tuple[str, ...]:
    """What a run configuration runs: two that agree in it are one."""
    options = {option.get("name"): option.get("value", "") for option in configuration.findall("option")}
    named = ("SCRIPT_NAME", "PARAMETERS", "MODULE_MODE", "_new_target", "SCRIPT_TEXT", "WORKING_DIRECTORY")
    return (configuration.get("type", ""), *(options.get(name, "") for name in named))


def _elements(text: str) -> list[ElementTree.Element]:
    if not text or "<!ENTITY" in text:
        return []
    try:
        return list(ElementTree.fromstring(text.encode()).iter("configuration"))  # noqa: S314 - entities: see above
    except (ElementTree.ParseError, ValueError, LookupError):
        return []
