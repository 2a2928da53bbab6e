"""What PyCharm would start by itself, or outside the project, because a file of the project says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from scaffolder.messages import _

#: A project file of PyCharm is a few pages.
_MAX_BYTES = 5_000_000

#: Options whose value is a program, a script or a folder that one is run in.
_PROGRAMS = frozenset(
    {
        "SCRIPT_NAME",
        "SCRIPT_PATH",
        "SDK_HOME",
        "INTERPRETER_PATH",
        "WORKING_DIRECTORY",
        "SCRIPT_WORKING_DIRECTORY",
        "PYTHON_INTERPRETER",
        "PROGRAM",
        "program",
        "COMMAND",
        "shellPath",
        "myShellPath",
        "executable",
        "pathToExecutable",
        "EXECUTABLE_PATH",
    }
)

#: Before-launch tasks that start nothing but another run configuration of the project.
_BEFORE_LAUNCH = frozenset({"RunConfigurationTask", "Make"})

#: Parts that PyCharm acts on without a click: at opening, at saving.
_BY_ITSELF = {
    "ProjectStartupSharedConfiguration": "startup.xml",
    "ProjectStartupLocalConfiguration": "startup.xml",
    "ProjectTasksOptions": "watcherTasks.xml",
}

_INSIDE = ("$PROJECT_DIR$", "$MODULE_DIR$", "$MODULE_WORKING_DIR$", "$ContentRoot$", "$ProjectFileDir$")


def is_project_file(path: Path) -> bool:
    """Whether PyCharm reads the file `path` (below the project's folder) as a part of the project's settings."""
    parts = [part.casefold() for part in path.parts]
    name = parts[-1]
    if name.endswith((".run.xml", ".ipr", ".iws", ".iml")):
        return True
    return bool({".idea", ".run"} & set(parts[:-1])) and name.endswith(".xml")


def problem(path: Path) -> str:
    """What the file `path` would make PyCharm run, as the end of a sentence; empty if nothing of that kind."""
    try:
        content = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b"<!ENTITY"
    except OSError:
        return _("it cannot be read")
    if b"\x00" in content or re.search(rb"<!(DOCTYPE|ENTITY)", content):
        return _("it is no plain XML")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - entities were refused above
    except (ElementTree.ParseError, ValueError, LookupError):
        return _("it is no valid XML")
    return next(_problems(root), "")


def _problems(root: Element) -> Iterator[str]:
    for element in root.iter():
        if element.tag == "component" and element.get("name") in _BY_ITSELF and len(element):
            yield _("it makes PyCharm run something without being asked")
        if element.tag == "method":
            yield from _before_launch(element)
        if element.tag == "option" and element.get("name") in _PROGRAMS:
            value = element.get("value", "")
            if leads_out(value):
                yield _("it names {value}, which is outside the project").format(value=_short(value))
        if element.tag == "module":
            for attribute in ("filepath", "fileurl"):
                value = element.get(attribute, "").removeprefix("file://")
                if leads_out(value):
                    yield _("it names {value}, which is outside the project").format(value=_short(value))
        if element.tag in ("envs", "env") and element.get("name") in ("LD_PRELOAD", "DYLD_INSERT_LIBRARIES"):
            yield _("it loads a program library of its own into what is run")


def _before_launch(method: Element) -> Iterator[str]:
    for task in method:
        if task.get("enabled") == "false":
            continue
        name = task.get("name", "")
        kind = task.get("run_configuration_type", "")
        if name not in _BEFORE_LAUNCH or kind.startswith("Sh"):
            yield _("it has {task} run before a run configuration").format(task=_short(kind or name or task.tag))


def leads_out(value: str) -> bool:
    """Whether a path in a project file leads out of the project's folder."""
    path = unquote(value.strip()).replace("\\", "/")
    if not path:
        return False
    for beginning in _INSIDE:
        if path.startswith(beginning):
            path = path[len(beginning) :].lstrip("/")
            break
    else:
        if path.startswith(("/", "$", "~", "%")) or re.match(r"[A-Za-z]:|\w+://", path):
            return True
    depth = 0
    for part in path.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return "$" in path


def _short(text: str) -> str:
    from scaffolder.answers import shown

    return f"“{shown(text)}”"
