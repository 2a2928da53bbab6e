"""What `.idea/` a project needs, from what its folder holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from scaffolder.adopt import exclusions, existing, idea_files, interpreter, roots
from scaffolder.adopt.configuration import STARTER, Configuration, chosen
from scaffolder.adopt.package_settings import Part, read_parts
from scaffolder.adopt.project_view import View
from scaffolder.adopt.scan import scan
from scaffolder.adopt.sources import (
    django,
    entry_points,
    justfile,
    main_packages,
    makefile,
    notebooks,
    nox,
    scripts,
    test_runs,
    tox,
    web,
)
from scaffolder.errors import os_error
from scaffolder.messages import _, ngettext
from scaffolder.pycharm import misc_xml
from scaffolder.pycharm.run_configuration import file_name
from scaffolder.pycharm.xml_edit import DamagedXmlError

_IDEA = PurePosixPath(".idea")


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """What makes a folder a PyCharm project.

    Attributes:
        files: What each file will hold, by its path below the project's folder; all are in `.idea/`. Files that need
            no change are not among them.
        extended: Those of them that are there already, and get what they lack.
        configurations: The run configurations that are new.
        roots, tests, excluded: Folders, from the project's folder on; empty for that folder itself.
        python: The project's interpreter, if it has one here.
        notes: What the person should know, a sentence each.
    """

    files: Mapping[PurePosixPath, bytes]
    extended: Sequence[PurePosixPath]
    configurations: Sequence[Configuration]
    roots: Sequence[str]
    tests: Sequence[str]
    excluded: Sequence[str]
    python: Path | None
    notes: Sequence[str]


def plan_adoption(folder: Path, *, project_folder: Path | None = None) -> Adoption:
    """Derive the files of `.idea/`. Nothing of the project's is run, and nothing is written.

    Args:
        folder: Where the project's files are now.
        project_folder: Where they will be, if that is elsewhere.

    Raises:
        NewmodelError: If the folder cannot be read.
    """
    project_folder = project_folder or folder
    try:
        tree = scan(folder)
    except OSError as error:
        raise os_error(error, folder) from error
    parts = read_parts(tree)
    tests = roots.test_roots(tree, parts)
    sources = roots.source_roots(tree, parts, tests)
    notes = [problem for part in parts for problem in part.problems]
    if not tree.complete:
        notes.append(_("The folder is so large that only a part of it was looked at."))
    hiding = {folder: roots.hides_the_standard_library(tree, folder) for folder in tests}
    notes += [
        _("{folder} is not marked as tests: Python would take its “{module}” for its own module.").format(
            folder=folder, module=module
        )
        for folder, module in hiding.items()
        if module
    ]
    tests_marked = [folder for folder in tests if not hiding[folder]]
    view = View(tree=tree, parts=parts, roots=sources, tests=tests)
    left = exclusions.excluded(tree, sources, tests)
    python = interpreter.find(tree, parts, project_folder)
    notes += python.notes
    known = existing.configurations(folder)
    wanted, too_many = chosen(_configurations(view))
    if too_many:
        names = ", ".join(one.name for one in too_many[:12]) + (" …" if len(too_many) > 12 else "")
        notes.append(
            ngettext(
                "Left out, for there are enough: {names}.",
                "{count} were left out, for there are enough: {names}.",
                len(too_many),
            ).format(count=len(too_many), names=names)
        )
    module = existing.module(folder)
    name = module.name or _module_name(parts[0], project_folder)
    if module.problem:
        notes.append(module.problem)
    new = [one for one in wanted if not _is_known(one, name, known)]
    files = dict(_files(folder, project_folder, module, name, (sources, tests_marked, left), view, new, known))
    if (misc := _misc(folder, python.python)) is not None:
        files[_IDEA / "misc.xml"] = misc
    return Adoption(
        files=dict(sorted(files.items())),
        extended=[path for path in sorted(files) if (folder / path).exists()],
        configurations=new,
        roots=sources,
        tests=tests_marked,
        excluded=left,
        python=python.python,
        notes=notes,
    )


def _configurations(view: View) -> Iterator[Configuration]:
    """Everything that can be run, what a person most probably wants first."""
    yield from scripts.steps(view)
    yield from entry_points.find(view)
    yield from main_packages.find(view)
    yield from web.find(view)
    yield from django.find(view)
    yield from test_runs.find(view)
    yield from notebooks.find(view)
    yield from scripts.others(view)
    yield from tox.find(view)
    yield from nox.find(view)
    yield from makefile.find(view)
    yield from justfile.find(view)


def _files(
    folder: Path,
    project_folder: Path,
    module: existing.Module,
    name: str,
    folders: tuple[Sequence[str], Sequence[str], Sequence[str]],
    view: View,
    configurations: Sequence[Configuration],
    known: existing.Configurations,
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Every file that is missing or lacks something."""
    if not module.listed:
        yield _IDEA / "modules.xml", idea_files.modules(name).encode()
    if module.text is not None:
        try:
            text = idea_files.extended(module.text.text, *folders)
        except DamagedXmlError:
            text = module.text.text
        if text != module.text.text:
            yield _IDEA / module.file, module.text.encode(text)
    elif not module.problem:
        pytest = test_runs.uses_pytest(view)
        yield _IDEA / f"{name}.iml", idea_files.module(*folders, pytest=pytest).encode()
    new = {".gitignore": idea_files.GITIGNORE}
    if (folder / ".git").exists() or (project_folder / ".git").exists():
        new["vcs.xml"] = idea_files.VCS
    if any(one.target == STARTER for one in configurations):
        new[PurePosixPath(STARTER).name] = idea_files.STARTER_CODE
    for path, text in new.items():
        if not (folder / ".idea" / path).exists():
            yield _IDEA / path, text.encode()
    taken = set(known.files)
    for one in configurations:
        file = _free_name(file_name(one.name), taken)
        taken.add(file.lower())
        yield _IDEA / "runConfigurations" / file, one.xml(name).encode()


def _is_known(one: Configuration, module: str, known: existing.Configurations) -> bool:
    """Whether the project has a configuration of this name, or one that runs the same."""
    if one.name in known.names:
        return True
    element = ElementTree.fromstring(one.xml(module)).find("configuration")  # noqa: S314 - our own text
    return element is not None and existing.meaning(element) in known.meanings


def _free_name(name: str, taken: set[str]) -> str:
    stem, number, free = name.removesuffix(".xml"), 1, name
    while free.lower() in taken:  # lower: on Windows and macOS capitals do not count
        number += 1
        free = f"{stem}_{number}.xml"
    return free


def _module_name(part: Part, project_folder: Path) -> str:
    """As pyproject.toml calls the project, because PyCharm does so too; otherwise as its folder is called."""
    for name in (part.name, project_folder.resolve().name):
        plain = re.sub(r'[<>:"/\\|?*$\x00-\x1f]', "_", name).strip(" .")[:100]
        if plain:
            return plain
    return "project"


def _misc(folder: Path, python: Path | None) -> bytes | None:
    """`misc.xml` with the interpreter's name, where a PyCharm here knows it and there is no such file."""
    from scaffolder.environment.real_system import RealSystem
    from scaffolder.pycharm import jdk_table
    from scaffolder.pycharm.running import configuration_folders

    if python is None or misc_xml.file_of(folder).exists():
        return None
    system = RealSystem()
    for configuration in reversed(configuration_folders(system)):
        text = system.read_text(jdk_table.file_of(configuration)) or ""
        for entry in jdk_table.entries(text, system):
            if not entry.remote and jdk_table.same_path(entry.home, python.as_posix(), system):
                return misc_xml.with_interpreter(None, entry.name).encode()
    return None
