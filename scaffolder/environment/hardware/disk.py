"""Where files go: room on the disks of the project, its environment and the caches, and what their file systems do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Command, Disk, Finding, Place, Report, command, quoted
from scaffolder.environment.hardware.caches import CACHE_VARIABLES, cache_folders, clearing
from scaffolder.environment.hardware.file_system import capitals, case_sensitive, cloud, remote, synchronised
from scaffolder.environment.hardware.folder_names import awkward_names
from scaffolder.environment.hardware.machine import GIB, size
from scaffolder.environment.hardware.mounts import Mount, mount_of, mounts
from scaffolder.environment.system import System
from scaffolder.messages import _

#: A framework for the processor and its packages: 1.8 GB (torch 2.13) and 2.8 GB (tensorflow 2.21), measured.
NEEDED = 3 * GIB

#: With CUDA's libraries, and checkpoints beside them.
NEEDED_FOR_GPU = 10 * GIB

#: Where the environment is there already: checkpoints and logs.
NEEDED_TO_RUN = GIB

#: pip keeps everything that it downloads here until all is installed.
NEEDED_TEMPORARY = 2 * GIB

#: A smaller cache does not help where space is short.
WORTH_CLEARING = GIB // 4

#: Caches of this size are worth a look.
LARGE_CACHES = 50 * GIB

#: Seconds for counting the caches, all together.
_COUNTING = 0.2


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """The places, and what is wrong with them."""
    table = mounts(system)
    project = str(folder)
    environment = system.environ.get("UV_PROJECT_ENVIRONMENT") or f"{project}/.venv"
    places = [
        _place(system, table, "project", project),
        _place(system, table, "environment", _absolute(environment, project)),
        _place(system, table, "temporary", _temporary(system)),
        *_caches(system, table),
    ]
    where = mount_of(table, system.real_path(project))
    found = Disk(
        places=tuple(places),
        case_sensitive=case_sensitive(system, project, where),
        long_paths=_long_paths(system),
        synchronised=synchronised(project),
    )
    findings = [
        *_room(system, found),
        *_writable(system, found),
        *remote(system, project, where),
        *capitals(system, found.case_sensitive),
        *awkward_names(system, project, long_paths=found.long_paths),
        *cloud(found.synchronised, project),
        *_large_caches(system, found),
    ]
    return {"disk": found}, findings


def judge(report: Report) -> list[Finding]:
    """Whether the builds for a graphics card have room; they are four times as large."""
    room = _at(report.disk, "environment")
    if room is None or room.free is None or not report.accelerators.gpus:
        return []
    if room.free < NEEDED or room.free >= NEEDED_FOR_GPU or report.frameworks.own:
        return []
    return [
        Finding(
            code="NM302",
            severity="slows",
            what=_("{size} of disk are free for the project's environment.").format(size=size(room.free)),
            meaning=_("A framework with the libraries for a graphics card needs about {size}.").format(
                size=size(NEEDED_FOR_GPU)
            ),
            advice=_("Free some space before you install, or put the project on another disk."),
        )
    ]


def _place(system: System, table: list[Mount], purpose: str, path: str, counted: int | None = None) -> Place:
    total, free = system.disk(path) or (None, None)
    mount = mount_of(table, system.real_path(path))
    return Place(purpose=purpose, path=path, total=total, free=free, kind=mount.kind if mount else "", size=counted)


def _caches(system: System, table: list[Mount]) -> list[Place]:
    """Those that are there, with their sizes as far as time allows."""
    places = []
    end = time.monotonic() + _COUNTING
    for name, path in cache_folders(system).items():
        if system.exists(path):
            left = end - time.monotonic()
            counted = system.folder_size(path, seconds=left) if left > 0 else None
            places.append(_place(system, table, name, path, counted))
    return places


def _temporary(system: System) -> str:
    names = ("TMPDIR", "TEMP", "TMP")  # tempfile's order
    fallback = f"{system.home}/AppData/Local/Temp" if system.platform == "win32" else "/tmp"  # noqa: S108
    return next((value for name in names if (value := system.environ.get(name))), fallback)


def _absolute(path: str, folder: str) -> str:
    return path if path.startswith(("/", "\\")) or path[1:2] == ":" else f"{folder}/{path}"


def _long_paths(system: System) -> bool | None:
    if system.platform != "win32":
        return None
    key = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem"
    answer = system.run(["reg", "query", key, "/v", "LongPathsEnabled"], timeout=2.0)
    return answer.stdout.split()[-1:] == ["0x1"] if answer.ok else None


def _at(found: Disk, purpose: str) -> Place | None:
    return next((place for place in found.places if place.purpose == purpose), None)


def _room(system: System, found: Disk) -> list[Finding]:
    """One finding a disk, for the most important of what is on it."""
    findings: list[Finding] = []
    seen: set[tuple[int | None, str, str]] = set()  # the free space of one disk changes while we look
    environment = _at(found, "environment")
    there = environment is not None and system.exists(environment.path)
    needs = {
        "project": NEEDED_TO_RUN if there else NEEDED,
        "environment": NEEDED_TO_RUN if there else NEEDED,
        "temporary": NEEDED_TEMPORARY,
    }
    for place in found.places:
        one = (place.total, place.kind, place.path[:2].upper() if system.platform == "win32" else "")
        if place.free is None or place.free >= needs.get(place.purpose, NEEDED) or one in seen:
            continue
        seen.add(one)
        if place.purpose in ("project", "environment"):
            findings.append(
                Finding(
                    code="NM302",
                    severity="blocks",
                    what=_("Only {size} of disk are free here.").format(size=size(place.free))
                    if place.purpose == "project"
                    else _("Only {size} of disk are free for the environment ({path}).").format(
                        size=size(place.free), path=place.path
                    ),
                    meaning=_("A run writes checkpoints and logs: it ends with “No space left on device”.")
                    if there
                    else _("A framework and its packages need about {size}.").format(size=size(NEEDED)),
                    advice=_("Free some space, or put the project on another disk."),
                    commands=_clearing(system, found),
                )
            )
        elif place.purpose == "temporary":
            findings.append(
                Finding(
                    code="NM302",
                    severity="slows",
                    what=_("Only {size} are free in the folder for temporary files ({path}).").format(
                        size=size(place.free), path=place.path
                    ),
                    meaning=_("pip keeps what it downloads there: the installation may end for lack of space."),
                    advice=_("Name a folder on a larger disk before you install."),
                    commands=_other_temporary(system),
                )
            )
        else:
            findings.append(_full_cache(system, place))
    return findings


def _full_cache(system: System, place: Place) -> Finding:
    variable = CACHE_VARIABLES[place.purpose]
    return Finding(
        code="NM313",
        severity="note",
        what=_("Only {size} are free on the disk of the {name} cache ({path}).").format(
            size=size(place.free or 0), name=place.purpose, path=place.path
        ),
        meaning=_("Downloads go there first: a large model or package may not fit."),
        advice=_("Empty it, or move it to another disk with the environment variable {variable}.").format(
            variable=variable
        ),
        commands=clearing(system, place.purpose),
    )


def _clearing(system: System, found: Disk) -> tuple[Command, ...]:
    """How to empty the caches that are on the project's disk, the largest first."""
    project = _at(found, "project")
    on_it = [
        place
        for place in found.places
        if project is not None
        and place.purpose in CACHE_VARIABLES
        and place.total == project.total
        and (place.size is None or place.size > WORTH_CLEARING)
    ]
    on_it.sort(key=lambda place: -(place.size or 0))
    return tuple(line for place in on_it for line in clearing(system, place.purpose))


def _other_temporary(system: System) -> tuple[Command, ...]:
    """Another folder for temporary files, for this terminal."""
    folder = f"{system.home}/tmp"  # noqa: S108 - the person's own
    if system.platform == "win32":
        return (command(system, "mkdir", folder), Command(line=f"$env:TMP = $env:TEMP = '{folder}'"))
    return (command(system, "mkdir", "-p", folder), Command(line=f"export TMPDIR={quoted([folder], system.platform)}"))


def _take_back(system: System, path: str) -> tuple[Command, ...]:
    """The command that gives a person's own folder back; none for a folder that lies elsewhere."""
    if system.platform == "win32" or not path.startswith(f"{system.home}/") or not system.exists(path):
        return ()
    return (Command(line=f'sudo chown -R "$USER" {quoted([path], system.platform)}'),)


def _of_the_system(path: str) -> bool:
    parts = [part.casefold() for part in path.replace("\\", "/").split("/") if part]
    if parts and parts[0].endswith(":"):
        return len(parts) == 1 or parts[1] in ("windows", "program files", "program files (x86)")
    return not parts or parts[0] in ("usr", "etc", "bin", "sbin", "lib", "var", "system", "applications")


def _writable(system: System, found: Disk) -> list[Finding]:
    findings = []
    project = _at(found, "project")
    if project is not None and not system.writable(project.path):
        back = _take_back(system, project.path)
        findings.append(
            Finding(
                code="NM311",
                # in a folder of the system nobody wants a project: newmodel was merely started there
                severity="note" if _of_the_system(project.path) else "blocks",
                what=_("You may not write to {path}.").format(path=project.path),
                meaning=_("A project there could neither be made nor write its results."),
                advice=_("Choose a folder of your own; if this is yours and was made with sudo, take it back:")
                if back
                else _("Choose a folder of your own."),
                commands=back,
            )
        )
    findings += [
        Finding(
            code="NM311",
            severity="slows",
            what=_("You may not write to the {name} cache ({path}).").format(name=place.purpose, path=place.path),
            meaning=_("Models and packages are downloaded again each time, or not at all."),
            advice=_("It was probably made with sudo: take it back, or set {variable} to another folder.").format(
                variable=CACHE_VARIABLES[place.purpose]
            ),
            commands=_take_back(system, place.path),
        )
        for place in found.places
        if place.purpose in CACHE_VARIABLES and not system.writable(place.path)
    ]
    return findings


def _large_caches(system: System, found: Disk) -> list[Finding]:
    caches = [place for place in found.places if place.purpose in CACHE_VARIABLES and place.size]
    total = sum(place.size or 0 for place in caches)
    if total < LARGE_CACHES:
        return []
    caches.sort(key=lambda place: -(place.size or 0))
    names = ", ".join(f"{place.purpose} {size(place.size or 0)}" for place in caches[:3])
    return [
        Finding(
            code="NM313",
            severity="note",
            what=_("Downloaded models and packages take {size} ({names}).").format(size=size(total), names=names),
            meaning=_("All of it can be downloaded again: it is the first thing to delete when space runs short."),
            commands=clearing(system, caches[0].purpose),
        )
    ]
