"""PyCharm's table of interpreters, `options/jdk.table.xml` in a configuration folder.

An entry's fields are those of `ProjectJdkImpl.writeExternal` and `PythonSdkAdditionalData.save` in
JetBrains/intellij-community.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from scaffolder.pycharm import text_file, xml_edit
from scaffolder.pycharm.text_file import TextFile
from scaffolder.pycharm.xml_edit import DamagedXmlError, Element, quoted

if TYPE_CHECKING:
    from scaffolder.environment.system import System

_EMPTY = '<application>\n  <component name="ProjectJdkTable">\n  </component>\n</application>'
_COMPONENT = "ProjectJdkTable"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An interpreter that PyCharm knows.

    Attributes:
        name: By which projects call it.
        home: Its program, macros expanded; with `://` for one on another machine.
        project: The project it belongs to, empty for one that all may use.
    """

    name: str
    home: str
    project: str = ""

    @property
    def remote(self) -> bool:
        """Whether it is on another machine, in a container, or inside WSL."""
        return "://" in self.home or self.home.replace("\\", "/").lower().startswith(("//wsl$/", "//wsl.localhost/"))


def file_of(configuration: Path) -> Path:
    return configuration / "options" / "jdk.table.xml"


def load(path: Path) -> TextFile | None:
    """The table, an empty one where there is no file yet; None where it is damaged or cannot be read."""
    if not path.exists():
        return TextFile(text=_EMPTY)
    file = text_file.read(path)
    if file is None or not is_table(file.text):
        return None
    return file


def is_table(text: str) -> bool:
    try:
        return xml_edit.parse(text).tag == "application"
    except DamagedXmlError:
        return False


def entries(text: str, system: System) -> list[Entry]:
    """Every Python interpreter of a table; none if it is damaged."""
    try:
        root = xml_edit.parse(text)
    except DamagedXmlError:
        return []
    return [_entry(element, system) for element in _elements(root)]


def add(text: str, name: str, project: Path, python: Path, version: str, system: System) -> str:
    """The table with one more entry; every other character stays.

    Raises:
        DamagedXmlError: If the text is not a table.
    """
    root = xml_edit.parse(text)
    component = root.child("component", name=_COMPONENT)
    entry = _new_entry(name, project, python, version, system)
    if component is None:
        return xml_edit.insert_child(text, root, f'  <component name="{_COMPONENT}">\n{entry}  </component>\n')
    return xml_edit.insert_child(text, component, entry)


def drop(text: str, names: tuple[str, ...]) -> str:
    """The table without the entries of these names; every other character stays.

    Raises:
        DamagedXmlError: If the text is not a table.
    """
    for element in reversed(_elements(xml_edit.parse(text))):
        if element.value("name") in names:
            text = xml_edit.remove(text, element)
    return text


def same_path(one: str, other: str, system: System) -> bool:
    """Whether two paths are one file by their spelling: slashes and, on Windows and macOS, capitals do not count."""
    return _spelling(one, system) == _spelling(other, system)


def _spelling(path: str, system: System) -> str:
    if system.platform == "win32":
        return path.replace("\\", "/").rstrip("/").casefold()
    return path.rstrip("/").casefold() if system.platform == "darwin" else path.rstrip("/")


def _elements(root: Element) -> list[Element]:
    component = root.child("component", name=_COMPONENT)
    return [] if component is None else [child for child in component.children if child.tag == "jdk"]


def _entry(element: Element, system: System) -> Entry:
    additional = element.child("additional")
    project = "" if additional is None else additional.attributes.get("ASSOCIATED_PROJECT_PATH", "")
    return Entry(
        name=element.value("name"),
        home=_expanded(element.value("homePath"), system),
        project=_expanded(project, system),
    )


def _expanded(path: str, system: System) -> str:
    return path.replace("$USER_HOME$", system.home.as_posix(), 1)


def _portable(path: PurePath, system: System) -> str:
    """A path as PyCharm writes it."""
    text, home = path.as_posix(), system.home.as_posix()
    return text.replace(home, "$USER_HOME$", 1) if text.startswith(home.rstrip("/") + "/") else text


def _new_entry(name: str, project: Path, python: Path, version: str, system: System) -> str:
    return f"""    <jdk version="2">
      <name value={quoted(name)} />
      <type value="Python SDK" />
      <version value={quoted(f"Python {version}")} />
      <homePath value={quoted(_portable(python, system))} />
      <roots>
        <classPath>
          <root type="composite" />
        </classPath>
        <sourcePath>
          <root type="composite" />
        </sourcePath>
      </roots>
      <additional ASSOCIATED_PROJECT_PATH={quoted(_portable(project, system))} SDK_UUID="{uuid.uuid4()}">
        <setting name="FLAVOR_ID" value="VirtualEnvSdkFlavor" />
        <setting name="FLAVOR_DATA" value="{{}}" />
      </additional>
    </jdk>
"""
