"""A project's module file, `.idea/NAME.iml`: folders that PyCharm leaves out, and a module's own interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scaffolder.pycharm import text_file, xml_edit
from scaffolder.pycharm.text_file import TextFile
from scaffolder.pycharm.xml_edit import DamagedXmlError, Element, quoted

_ROOTS = ("file://$MODULE_DIR$", "file://$PROJECT_DIR$")


def module_file(project: Path) -> tuple[Path, TextFile] | None:
    """The file whose module is the project's folder; None if there is none that can be read."""
    for path in sorted((project / ".idea").glob("*.iml")):
        file = None if text_file.leads_out(path, project) else text_file.read(path)
        if file is None:
            continue
        try:
            if _content(xml_edit.parse(file.text)) is not None:
                return path, file
        except DamagedXmlError:
            continue
    return None


def exclude(text: str, folders: Sequence[str]) -> str:
    """The file with these folders excluded, paths from the project's folder with `/`; every other character stays.

    Raises:
        DamagedXmlError: If the file is not a module's.
    """
    for folder in folders:
        content = _content(xml_edit.parse(text))
        if content is None:
            raise DamagedXmlError("content")
        url = _url(content, folder)
        if content.child("excludeFolder", url=url) is None:
            text = xml_edit.insert_child(text, content, f"      <excludeFolder url={quoted(url)} />\n")
    return text


def include(text: str, folders: Sequence[str]) -> str:
    """The file without the exclusions of these folders.

    Raises:
        DamagedXmlError: If the file is not a module's.
    """
    for folder in folders:
        content = _content(xml_edit.parse(text))
        element = None if content is None else content.child("excludeFolder", url=_url(content, folder))
        if element is not None:
            text = xml_edit.remove(text, element)
    return text


def own_interpreter(text: str) -> str:
    """Name of the interpreter that the module has for itself; empty where it takes the project's, or is damaged."""
    try:
        entry = _jdk(xml_edit.parse(text))
    except DamagedXmlError:
        return ""
    return "" if entry is None else entry.attributes.get("jdkName", "")


def with_interpreter(text: str, name: str) -> str:
    """The file with another name of the module's own interpreter, where it has one."""
    try:
        entry = _jdk(xml_edit.parse(text))
    except DamagedXmlError:
        return text
    return text if entry is None else xml_edit.set_attribute(text, entry, "jdkName", name)


def _content(root: Element) -> Element | None:
    for content in root.all("content"):
        if content.attributes.get("url", "").rstrip("/") in _ROOTS:
            return content
    return None


def _jdk(root: Element) -> Element | None:
    return next((entry for entry in root.all("orderEntry") if entry.attributes.get("type") == "jdk"), None)


def _url(content: Element, folder: str) -> str:
    return f"{content.attributes['url'].rstrip('/')}/{folder}"  # PyCharm escapes nothing in it
