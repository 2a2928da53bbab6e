"""Where interpreters may lie: PATH, and the places of everything that installs them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scaffolder.environment.system import System

_NAMES = ("python3", "python", *(f"python3.{minor}" for minor in range(8, 16)))

#: Small scripts that start an interpreter which is found anyway, and take their time.
_SHIMS = re.compile(r"[\\/](?:\.?pyenv|pyenv-win|\.asdf|mise|rtx)[\\/](?:.*[\\/])?shims[\\/]", re.IGNORECASE)

#: Folders that conda, mamba and their relatives are installed into, below the home folder or the root.
_CONDA = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "miniconda", "anaconda", "micromamba")


def candidates(system: System) -> list[str]:
    """Paths of interpreters, each once; newmodel's own first."""
    paths = [system.executable]
    for name in _NAMES:
        paths += system.which_all(name)
    paths += _windows(system) if system.platform == "win32" else _unix(system)
    found = [path for path in dict.fromkeys(filter(None, paths)) if not _SHIMS.search(path)]
    if system.platform == "darwin" and "/usr/bin/python3" in found and opens_a_dialog(system):
        found.remove("/usr/bin/python3")
    return found


def opens_a_dialog(system: System) -> bool:
    """Without Apple's command line tools, /usr/bin/python3 and /usr/bin/git only ask whether to install them."""
    answer = system.run(["xcode-select", "-p"])
    return answer.returncode is not None and not answer.ok


def _unix(system: System) -> Iterator[str]:
    home = system.home
    environ = system.environ
    pyenv = environ.get("PYENV_ROOT") or str(home / ".pyenv")
    uv = environ.get("UV_PYTHON_INSTALL_DIR") or str(home / ".local/share/uv/python")
    patterns = [
        f"{pyenv}/versions/*/bin/python",
        f"{uv}/*/bin/python3",
        f"{home}/.asdf/installs/python/*/bin/python",
        f"{home}/.local/share/mise/installs/python/*/bin/python",
        "/usr/bin/python3.[0-9]",
        "/usr/bin/python3.[0-9][0-9]",
        "/usr/local/bin/python3.[0-9][0-9]",
        "/opt/python/*/bin/python3",
    ]
    if system.platform == "darwin":
        patterns += [
            "/opt/homebrew/bin/python3.[0-9][0-9]",
            "/opt/homebrew/opt/python@3.*/bin/python3.[0-9][0-9]",
            "/usr/local/opt/python@3.*/bin/python3.[0-9][0-9]",
            "/Library/Frameworks/Python.framework/Versions/3.*/bin/python3",
        ]
    else:
        patterns += ["/home/linuxbrew/.linuxbrew/bin/python3.[0-9][0-9]"]
    for pattern in patterns:
        yield from system.glob(pattern)
    roots = [f"{place}/{name}" for name in _CONDA for place in (home, "/opt")]
    roots += ["/opt/conda", "/opt/homebrew/Caskroom/miniconda/base", f"{home}/.local/share/mamba"]
    yield from _conda(system, roots, "bin/python", "/")


def _conda(system: System, roots: list[str], python: str, separator: str) -> Iterator[str]:
    """Environments that conda has written down, the active one, and those in the usual folders."""
    environ = system.environ
    named = [environ.get("CONDA_PREFIX"), environ.get("MAMBA_ROOT_PREFIX")]
    program = environ.get("CONDA_EXE")
    if program:  # <base>/bin/conda, or <base>\Scripts\conda.exe
        named.append(re.sub(r"[\\/][^\\/]+[\\/][^\\/]+$", "", program))
    listed = system.read_text(f"{system.home}{separator}.conda{separator}environments.txt") or ""
    named += [line.strip() for line in listed.splitlines()]
    for folder in filter(None, named):
        path = f"{folder.rstrip(separator)}{separator}{python}"
        if system.exists(path):
            yield path
    for root in roots:
        if system.exists(f"{root}{separator}{python}"):
            yield f"{root}{separator}{python}"
            yield from system.glob(f"{root}{separator}envs{separator}*{separator}{python}")


def _windows(system: System) -> Iterator[str]:
    home = str(system.home)
    environ = system.environ
    local = environ.get("LOCALAPPDATA") or f"{home}\\AppData\\Local"
    roaming = environ.get("APPDATA") or f"{home}\\AppData\\Roaming"
    uv = environ.get("UV_PYTHON_INSTALL_DIR") or f"{roaming}\\uv\\python"
    for pattern in (
        f"{local}\\Programs\\Python\\Python3*\\python.exe",
        f"{local}\\Python\\pythoncore-3.*\\python.exe",
        "C:\\Program Files\\Python3*\\python.exe",
        "C:\\Python3*\\python.exe",
        f"{uv}\\*\\python.exe",
        f"{home}\\.pyenv\\pyenv-win\\versions\\*\\python.exe",
        f"{home}\\scoop\\apps\\python*\\current\\python.exe",
    ):
        yield from system.glob(pattern)
    yield from _launcher(system)
    roots = [f"{place}\\{name}" for name in _CONDA for place in (home, local, "C:\\ProgramData", "C:")]
    yield from _conda(system, roots, "python.exe", "\\")


def _launcher(system: System) -> list[str]:
    """What `py` knows: the old launcher lists paths with -0p, Python's install manager with a format."""
    path = r"([A-Za-z]:\\\S.*?\.exe)"
    found = re.findall(path, system.run(["py", "-0p"]).stdout)
    return found or re.findall(path, system.run(["py", "list", "--format=exe"]).stdout)
