"""What is wrong with the Pythons that were found, and what mends it on this system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scaffolder.environment.builds.compatibility import table
from scaffolder.environment.facts import Command, Finding, Interpreter, command
from scaffolder.environment.pythons.system_packages import BUILD_LIBRARIES, as_administrator, family, install_command
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Without these no package can be installed (ssl, zlib) or almost none imported (_ctypes).
_VITAL = {"_ssl", "_ctypes", "zlib"}


@dataclass(frozen=True, kw_only=True)
class Pythons:
    """What the probe found.

    Attributes:
        interpreters: Newest first.
        own: Path of the one below newmodel's own environment.
        stand_ins: Paths that only lead to the Microsoft Store.
        troubled: Paths that gave no sound answer, and what was wrong: `timeout` or their words.
    """

    interpreters: tuple[Interpreter, ...]
    own: str
    stand_ins: tuple[str, ...] = ()
    troubled: tuple[tuple[str, str], ...] = ()


def judge_pythons(system: System, pythons: Pythons) -> list[Finding]:
    """Everything that is not as it could be."""
    return [
        *_none(system, pythons),
        *_no_environments(system, pythons),
        *_no_pip(system, pythons),
        *_missing_parts(system, pythons),
        *_rosetta(system, pythons),
        *_stand_in(system, pythons),
        *_managed(system, pythons),
        *_conda_base(system),
        *_pollution(system),
        *_troubled(pythons),
    ]


# --- how to get one ---------------------------------------------------------------------------------------------------


def recommended() -> str:
    """One older than the newest Python that both frameworks have packages for: other packages follow later."""
    newest = min(table().python_range(name)[1][1] for name in ("pytorch", "tensorflow")) - 1
    return f"3.{newest - 1}"


def get_python(system: System, version: str = "") -> tuple[Command, ...]:
    """How to install a Python on this system."""
    version = version or recommended()
    if system.which("uv") is not None:
        return (command(system, "uv", "python", "install", version, safe=True),)
    if system.platform == "win32":
        return (command(system, "winget", "install", "--id", f"Python.Python.{version}", "--exact"),)
    if system.platform == "darwin" and system.which("brew") is not None:
        return (command(system, "brew", "install", f"python@{version}", safe=True),)
    administrator = as_administrator(system)
    if family(system) == "fedora":
        return (command(system, *administrator, "dnf", "install", f"python{version}"),)
    if "ubuntu" in system.release.lower():
        return (
            command(system, *administrator, "add-apt-repository", "--yes", "ppa:deadsnakes/ppa"),
            command(system, *administrator, "apt", "install", f"python{version}", f"python{version}-venv"),
        )
    # uv brings a Python that runs on every Linux and macOS, without administrator rights
    return (
        Command(line="curl -LsSf https://astral.sh/uv/install.sh | sh"),
        command(system, "uv", "python", "install", version),
    )


# --- none -------------------------------------------------------------------------------------------------------------


def _none(system: System, pythons: Pythons) -> Iterator[Finding]:
    if not pythons.interpreters:
        yield Finding(
            code="NM110",
            severity="blocks",
            what=_("No Python was found that projects could use."),
            meaning=_("Training programs are written in Python: nothing runs without it."),
            commands=get_python(system),
        )
        return
    if all(one.bits != 64 for one in pythons.interpreters):
        yield Finding(
            code="NM101",
            severity="blocks",
            what=_("Every Python here is a 32-bit one."),
            meaning=_("PyTorch and TensorFlow have packages for 64-bit Python alone."),
            advice=_("Install a 64-bit Python beside it."),
            commands=get_python(system),
        )


def _fits(framework: str, version: tuple[int, int]) -> bool:
    oldest, too_new = table().python_range(framework)
    return oldest <= version < too_new


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _usable(pythons: Pythons) -> list[Interpreter]:
    """The 64-bit ones that a framework has packages for; all where none is."""
    sixty_four = [one for one in pythons.interpreters if one.bits == 64]
    return [one for one in sixty_four if _fits("pytorch", one.version[:2])] or sixty_four


# --- parts that are missing -------------------------------------------------------------------------------------------


def _no_environments(system: System, pythons: Pythons) -> Iterator[Finding]:
    usable = _usable(pythons)
    if not usable or any(one.can_make_venv for one in usable):
        return
    version = _text(usable[0].version[:2])
    packages = {"debian": f"python{version}-venv", "suse": f"python{version.replace('.', '')}-base"}
    package = packages.get(family(system) or ("debian" if system.platform == "linux" else ""), "")
    if package and family(system):
        commands = install_command(system, package)
    elif package:  # an unknown Linux: nearly all that split Python so are Debian's children
        commands = (command(system, *as_administrator(system), "apt", "install", package),)
    else:
        commands = get_python(system, version)
    yield Finding(
        code="NM102",
        severity="blocks" if system.which("uv") is None else "note",
        what=_("Python cannot make virtual environments: its module ensurepip is missing."),
        meaning=_("The project's packages would have no place of their own."),
        commands=commands,
    )


def _no_pip(system: System, pythons: Pythons) -> Iterator[Finding]:
    usable = _usable(pythons)
    if not usable or any(one.has_pip for one in usable):
        return
    first = usable[0]
    harmless = system.which("uv") is not None or first.can_make_venv
    names = {
        "debian": "python3-pip",
        "fedora": "python3-pip",
        "arch": "python-pip",
        "alpine": "py3-pip",
        "suse": "python3-pip",
    }
    package = names.get(family(system), "")
    yield Finding(
        code="NM111",
        severity="note" if harmless else "blocks",
        what=_("{python} has no pip.").format(python=first.path),
        meaning=(
            _("Projects get a pip, or uv, of their own; only installing into this Python itself does not work.")
            if harmless
            else _("Nothing can be installed for it.")
        ),
        commands=(
            install_command(system, package)
            if package
            else (command(system, first.path, "-m", "ensurepip", "--upgrade"),)
        ),
    )


def _missing_parts(system: System, pythons: Pythons) -> Iterator[Finding]:
    complete = any(not set(one.missing) & _VITAL and one.can_make_venv for one in _usable(pythons))
    for one in pythons.interpreters:
        if not one.missing:
            continue
        vital = sorted(set(one.missing) & _VITAL)
        yield Finding(
            code="NM107",
            severity="blocks" if vital and not complete else "note",
            what=_("{python} was built without {parts}.").format(python=one.path, parts=", ".join(one.missing)),
            meaning=(
                _("Packages cannot be installed or imported with it.")
                if vital
                else _("Some packages fail when they need these parts; the frameworks themselves do not.")
            ),
            advice=_("Install the libraries, then build this Python again.") if _libraries(system, one) else "",
            commands=_rebuild(system, one),
        )


def _libraries(system: System, one: Interpreter) -> tuple[str, ...]:
    """The system's packages that the missing parts need when a Python is built."""
    names = BUILD_LIBRARIES.get(family(system), {})
    return tuple(dict.fromkeys(names[part] for part in one.missing if part in names))


def _rebuild(system: System, one: Interpreter) -> tuple[Command, ...]:
    commands = install_command(system, *_libraries(system, one))
    if one.source == "pyenv":
        return (*commands, command(system, "pyenv", "install", "--force", one.text))
    return commands or get_python(system, _text(one.version[:2]))


# --- the wrong one ----------------------------------------------------------------------------------------------------


def _rosetta(system: System, pythons: Pythons) -> Iterator[Finding]:
    if system.platform != "darwin":
        return
    chip = system.run(["sysctl", "-n", "hw.optional.arm64"])
    if chip.stdout.strip() != "1":
        return
    own = next((one for one in pythons.interpreters if one.path == pythons.own), None)
    native = [one for one in _usable(pythons) if one.machine == "arm64"]
    wrong = own if own is not None and own.machine == "x86_64" else None
    if wrong is None and not native:
        wrong = next((one for one in pythons.interpreters if one.machine == "x86_64"), None)
    if wrong is None:
        return
    if system.which("uv") is not None:
        commands: tuple[Command, ...] = (
            command(system, "uv", "python", "install", f"cpython-{recommended()}-macos-aarch64", safe=True),
        )
    elif system.exists("/opt/homebrew/bin/brew"):
        commands = (command(system, "/opt/homebrew/bin/brew", "install", f"python@{recommended()}", safe=True),)
    else:
        commands = ()
    yield Finding(
        code="NM104",
        severity="slows" if native else "blocks",
        what=_("{python} is a Python for Intel chips, on an Apple chip (it runs under Rosetta).").format(
            python=wrong.path
        ),
        meaning=_("It cannot use the GPU, computes slowly, and current frameworks have no packages for it."),
        advice=(
            _("{python} is the right kind; install newmodel with it.").format(python=native[0].path)
            if native
            else ""
            if commands
            else _("Install a Python for Apple chips from https://www.python.org/downloads/macos/.")
        ),
        commands=() if native else commands,
    )


def _stand_in(system: System, pythons: Pythons) -> Iterator[Finding]:
    first = system.which("python")
    if not pythons.stand_ins or (first is not None and first not in pythons.stand_ins):
        return
    others = [one for one in pythons.interpreters if one.bits == 64]
    yield Finding(
        code="NM105",
        severity="note" if others else "blocks",
        what=_(
            "The command python is only the Microsoft Store's stand-in: it opens the shop instead of running programs."
        ),
        meaning=(
            _("Commands that begin with python do not work in a terminal; newmodel uses {python}.").format(
                python=others[0].path
            )
            if others
            else _("There is no Python that could train.")
        ),
        advice=_("Switch the stand-ins off: Settings › Apps › Advanced app settings › App execution aliases."),
        commands=() if others else get_python(system),
    )


def _managed(system: System, pythons: Pythons) -> Iterator[Finding]:
    if system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX"):
        return
    first = system.which("python3") or system.which("python")
    if first is None:
        return
    place = system.real_path(first)
    for one in pythons.interpreters:
        if one.managed and place in (one.path, system.real_path(one.path)):
            yield Finding(
                code="NM106",
                severity="note",
                what=_("The operating system manages the packages of {python} itself (PEP 668).").format(
                    python=one.path
                ),
                meaning=_("pip install refuses to change it, rightly: every project gets an environment of its own."),
                advice=_("newmodel makes one for each project; elsewhere it is this command."),
                commands=(command(system, one.path, "-m", "venv", ".venv"),),
            )
            return


# --- the surroundings -------------------------------------------------------------------------------------------------


def _conda_base(system: System) -> Iterator[Finding]:
    if system.environ.get("CONDA_DEFAULT_ENV") != "base" or not system.environ.get("CONDA_PREFIX"):
        return
    yield Finding(
        code="NM108",
        severity="note",
        what=_("conda's base environment is active."),
        meaning=_("What is installed now goes into conda itself, and can break it; projects should have their own."),
        commands=(
            command(system, "conda", "deactivate"),
            command(system, "conda", "config", "--set", "auto_activate_base", "false"),
        ),
    )


def _pollution(system: System) -> Iterator[Finding]:
    for name, severity in (("PYTHONHOME", "blocks"), ("PYTHONPATH", "slows")):
        value = system.environ.get(name, "")
        if not value.strip():
            continue
        if name == "PYTHONHOME":
            what = _("PYTHONHOME is set to {value}.").format(value=value)
            meaning = _("Every Python then looks for its own parts there: other versions do not even start.")
        else:
            what = _("PYTHONPATH is set to {value}.").format(value=value)
            meaning = _("Every Python imports from there first: packages of another version or project get mixed in.")
        windows = system.platform == "win32"
        commands = [Command(line=f"Remove-Item Env:{name}" if windows else f"unset {name}")]
        if windows:
            commands.append(Command(line=f"[Environment]::SetEnvironmentVariable('{name}', $null, 'User')"))
        yield Finding(
            code="NM109",
            severity="blocks" if severity == "blocks" else "slows",
            what=what,
            meaning=meaning,
            advice=""
            if windows
            else _("To be rid of it for good, take the line out of ~/.bashrc, ~/.zshrc or ~/.profile."),
            commands=tuple(commands),
        )


def _troubled(pythons: Pythons) -> Iterator[Finding]:
    for path, trouble in pythons.troubled:
        if trouble == "timeout":
            what = _("{python} did not answer within some seconds.").format(python=path)
        else:
            what = _("{python} does not work: {words}.").format(python=path, words=re.sub(r"[.\s]+$", "", trouble))
        yield Finding(
            code="NM112",
            severity="note",
            what=what,
            meaning=_("newmodel leaves it aside; a program that takes it would fail or wait."),
            advice=_("Install it anew, or take its folder out of PATH."),
        )
