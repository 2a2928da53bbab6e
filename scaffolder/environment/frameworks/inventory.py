"""What is installed in one interpreter: asked in a process of its own, read from files, nothing imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from scaffolder.environment.facts import project_python
from scaffolder.environment.system import CommandResult, System

#: Seconds that reading the metadata of a few hundred packages may take, on a slow disk too.
PATIENCE = 10.0

_SCRIPT = Path(__file__).with_name("packages_script.py")


@dataclass(frozen=True, kw_only=True)
class Package:
    """One installed distribution.

    Attributes:
        name: Normalised: small letters, hyphens.
        folder: Where it lies.
        requires: Its requirements, as they are written.
        installer: `pip`, `uv`, `conda` or empty.
        url: Where it came from, if not from an index.
        broken: What a broken installation left behind.
    """

    name: str
    version: str = ""
    folder: str = ""
    requires: tuple[str, ...] = ()
    installer: str = ""
    url: str = ""
    broken: bool = False


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What an interpreter answered.

    Attributes:
        python: Its path.
        own: Whether it is of the project's own environment.
        virtual: Whether it is of a virtual environment.
        prefix: Its environment's folder.
        markers: Values that markers in requirements are compared with.
        packages: In the order in which Python looks: of two with one name, the first is imported.
        user_site: Folder of packages for this user alone, if this interpreter looks there.
        torch, tensorflow: What their files say of the build; None where there are none.
    """

    python: str
    own: bool = False
    virtual: bool = False
    prefix: str = ""
    markers: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[Package, ...] = ()
    user_site: str = ""
    torch: Mapping[str, Any] | None = None
    tensorflow: Mapping[str, Any] | None = None
    keras_backend: str = ""

    def find(self, name: str) -> Package | None:
        """The package of this name that is imported."""
        return next((one for one in self.packages if one.name == name and not one.broken), None)

    def installer(self, system: System) -> tuple[str, ...]:
        """The words of a command that installs what is named after them."""
        if self.find("pip") is None and system.which("uv") is not None:
            return ("uv", "pip", "install", "--python", self.python)
        return (self.python, "-m", "pip", "install")


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)


def candidates(system: System, folder: Path) -> Iterator[tuple[str, bool]]:
    """Interpreters that a training in `folder` could take, and whether each is the project's own; the likeliest first.

    Where the project has an environment, none but its own: if that is broken, another's packages say nothing.
    """
    own = str(project_python(folder, system.platform))
    if system.exists(own) or system.exists(folder / ".venv" / "pyvenv.cfg"):
        yield own, True
        return
    for name in ("venv", "env"):
        other = str(folder / name / project_python(Path(), system.platform).relative_to(".venv"))
        if system.exists(other):
            yield other, True
            return
    active = system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX")
    if active:
        windows = "python.exe" if not system.environ.get("VIRTUAL_ENV") else "Scripts/python.exe"
        yield str(PurePath(active, windows if system.platform == "win32" else "bin/python")), False
    for name in ("python3", "python"):
        found = system.which(name)
        if found is not None:
            yield found, False


def last_object(text: str) -> dict[str, Any] | None:
    """The last JSON object that begins on a line of its own; what else is written there is passed over."""
    end = len(text)
    for _attempt in range(100):
        if end <= 0:
            break
        begin = text.rfind("\n{", 0, end) + 1  # 0 where there is none
        if text[begin : begin + 1] == "{":
            try:
                content, _end = json.JSONDecoder().raw_decode(text, begin)
            except (ValueError, RecursionError):
                pass
            else:
                if isinstance(content, dict):
                    return content
        end = begin - 1
    return None


def take_inventory(system: System, folder: Path) -> Inventory | None:
    """Ask the first interpreter that answers."""
    for python, own in candidates(system, folder):
        answer = ask(system, python)
        content = last_object(answer.stdout) if answer.ok else None
        if content is not None:
            return read(python, content, own=own)
    return None


def ask(system: System, python: str) -> CommandResult:
    """Run the script in this interpreter."""
    return system.run([python, "-X", "newmodel=packages", str(_SCRIPT)], timeout=PATIENCE)


def read(python: str, content: Mapping[str, Any], *, own: bool = False) -> Inventory:
    """The answer's content, whatever of it is sound."""
    markers = content.get("environment")
    prefix = _text(content.get("prefix"))
    return Inventory(
        python=python,
        own=own,
        virtual=bool(prefix) and prefix != _text(content.get("base_prefix"), prefix),
        prefix=prefix,
        markers={str(key): str(value) for key, value in markers.items()} if isinstance(markers, dict) else {},
        packages=tuple(_packages(content.get("packages"))),
        user_site=_text(content.get("user_site")),
        torch=_mapping(content.get("torch")),
        tensorflow=_mapping(content.get("tensorflow")),
        keras_backend=_text(content.get("keras_backend")),
    )


def _packages(content: object) -> Iterator[Package]:
    for one in content if isinstance(content, list) else ():
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            continue
        requires = one.get("requires")
        yield Package(
            name=canonical(one["name"]),
            version=_text(one.get("version")),
            folder=_text(one.get("folder")),
            requires=tuple(text for text in requires if isinstance(text, str)) if isinstance(requires, list) else (),
            installer=_text(one.get("installer")),
            url=_text(one.get("url")),
            broken=one.get("broken") is True,
        )


def _text(value: object, default: str = "") -> str:
    return value if isinstance(value, str) else default


def _mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


# --- requirements -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A requirement that is not met.

    Attributes:
        package: Who has it; empty for the project itself.
        requirement: As it is written, without its marker.
        name: Of the package that is required.
        installed: The version that is there; empty where none is.
    """

    package: str
    requirement: str
    name: str
    installed: str


def misfits(inventory: Inventory, requirements: Sequence[str], package: str = "") -> list[Misfit]:
    """Those of `requirements` that the inventory does not meet, markers evaluated for its interpreter."""
    return list(_misfits(inventory, requirements, package, extras=()))


def _misfits(
    inventory: Inventory, requirements: Sequence[str], package: str, extras: tuple[str, ...]
) -> Iterator[Misfit]:
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if not _applies(requirement, inventory, extras):
            continue
        name = canonical(requirement.name)
        there = inventory.find(name)
        # a requirement of an address or a folder is met by whatever came from there
        if there is None or not (requirement.url or _contains(requirement, there.version)):
            shown = f"{requirement.name}{requirement.specifier}"
            yield Misfit(
                package=package, requirement=shown, name=name, installed="" if there is None else there.version
            )
        elif requirement.extras and not extras:
            # what an extra such as tensorflow[and-cuda] adds; its own extras are left out
            added = [one for one in there.requires if "extra" in one]
            yield from _misfits(inventory, added, name, tuple(sorted(requirement.extras)))


def _applies(requirement: Any, inventory: Inventory, extras: tuple[str, ...]) -> bool:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.version import InvalidVersion

    if requirement.marker is None:
        return True
    try:
        return any(requirement.marker.evaluate({**inventory.markers, "extra": extra}) for extra in (extras or ("",)))
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, KeyError):
        return False


def _contains(requirement: Any, version: str) -> bool:
    from packaging.version import InvalidVersion

    try:
        return bool(requirement.specifier.contains(version, prereleases=True))
    except InvalidVersion:  # conda has versions of its own kind: not ours to judge
        return True
