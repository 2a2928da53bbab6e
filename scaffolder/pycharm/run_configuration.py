"""PyCharm's run configurations, read from a project's `.idea` and `.run` folders.

Fields and their defaults are those of `AbstractPythonRunConfiguration.readExternal`,
`PythonRunConfiguration.readExternal` and `PyAbstractTestConfiguration` in JetBrains/intellij-community.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: `type` of a configuration that runs a Python script or module, of one that runs tests, and of a command line.
PYTHON = "PythonConfigurationType"
TESTS = "tests"
SHELL = "ShConfigurationType"

#: What a flag is where the file does not say it.
_FLAG_DEFAULTS = {"ADD_CONTENT_ROOTS": True, "ADD_SOURCE_ROOTS": True, "PARENT_ENVS": True}


@dataclass(frozen=True)
class RunConfiguration:
    """One run configuration as its file gives it, macros such as `$PROJECT_DIR$` unexpanded.

    Attributes:
        name: Unique in a project.
        type: `PYTHON`, `TESTS` or another plugin's.
        factory: Kind within the type, e.g. `py.test`; empty where the type has only one.
        module: Name of the PyCharm module whose interpreter and roots it uses.
        options: The `<option name= value= />` elements.
        environment: Environment variables that it sets.
        before_launch: Names of the run configurations that PyCharm runs first, in this order.
        file: Where it was read.
    """

    name: str
    type: str
    factory: str
    module: str | None
    options: Mapping[str, str]
    environment: Mapping[str, str]
    before_launch: tuple[str, ...]
    file: Path

    def flag(self, option: str) -> bool:
        """A yes-or-no option, or PyCharm's default where the file leaves it out."""
        value = self.options.get(option)
        return _FLAG_DEFAULTS.get(option, False) if value is None else value.lower() == "true"

    def json(self, option: str) -> str:
        """An option of the tests type, whose values are JSON strings; empty where it is left out.

        Raises:
            NewmodelError: If the value is not a JSON string.
        """
        value = self.options.get(option, '""')
        try:
            text = json.loads(value)
        except json.JSONDecodeError:
            text = None
        if not isinstance(text, str):
            raise NewmodelError(
                _("{file}: option {option} is not a JSON string: {value}").format(
                    file=self.file, option=option, value=value
                )
            )
        return text


def read_run_configurations(project: Path) -> list[RunConfiguration]:
    """The shared run configurations of a project, sorted by name.

    Raises:
        NewmodelError: If a file is no run configuration, or two have one name.
    """
    files = [*project.glob(".idea/runConfigurations/*.xml"), *project.glob(".run/*.run.xml")]
    found: dict[str, RunConfiguration] = {}
    for file in sorted(files):
        for configuration in read_file(file):
            if configuration.name in found:
                other = found[configuration.name].file
                raise NewmodelError(
                    _("{file} and {other} both define the run configuration “{name}”.").format(
                        file=file, other=other, name=configuration.name
                    )
                )
            found[configuration.name] = configuration
    return [found[name] for name in sorted(found)]


def read_file(file: Path) -> list[RunConfiguration]:
    """The run configurations in one file: one in `.idea/runConfigurations`, one or more in `.run`.

    Raises:
        NewmodelError: If it is no XML or holds no configuration.
    """
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 - PyCharm parses it as well
    except (ElementTree.ParseError, OSError) as error:
        raise NewmodelError(_("{file} cannot be read: {reason}").format(file=file, reason=error)) from error
    elements = list(root.iter("configuration"))
    if root.tag != "component" or root.get("name") != "ProjectRunConfigurationManager" or not elements:
        raise NewmodelError(_("{file} holds no run configuration.").format(file=file))
    return [_read(element, file) for element in elements]


def file_name(name: str) -> str:
    """The file in which PyCharm stores a configuration: all but letters and digits become `_`."""
    return re.sub(r"[^A-Za-z0-9À-þ]", "_", name) + ".xml"


def _read(element: ElementTree.Element, file: Path) -> RunConfiguration:
    name, kind = element.get("name"), element.get("type")
    if not name or not kind:
        raise NewmodelError(_("{file}: a run configuration has no name or no type.").format(file=file))
    module = element.find("module")
    return RunConfiguration(
        name=name,
        type=kind,
        factory=element.get("factoryName", ""),
        module=None if module is None else module.get("name"),
        options=_pairs(element.findall("option")),
        environment=_pairs(element.findall("envs/env")),
        before_launch=tuple(
            task.get("run_configuration_name", "")
            for task in element.findall("method/option")
            if task.get("name") == "RunConfigurationTask" and task.get("enabled") == "true"
        ),
        file=file,
    )


def _pairs(elements: list[ElementTree.Element]) -> dict[str, str]:
    return {element.get("name", ""): element.get("value", "") for element in elements}
