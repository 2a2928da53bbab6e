"""Which Pythons are here?"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scaffolder.environment.facts import Finding, Interpreter, command
from scaffolder.environment.system import System
from scaffolder.messages import _

_NAMES = ("python3", "python", *(f"python3.{minor}" for minor in range(10, 16)))

# one line of JSON from any Python since 3.0; isolated, so that PYTHONPATH and the current folder have no say
_QUESTION = (
    "import sys,struct,platform,json,importlib.util as u;"
    "print(json.dumps([sys.executable,list(sys.version_info[:3]),struct.calcsize('P')*8,platform.machine(),"
    "bool(u.find_spec('venv') and u.find_spec('ensurepip')),getattr(sys,'base_prefix',sys.prefix)!=sys.prefix,"
    "getattr(sys,'_base_executable',None) or sys.executable]))"
)


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Every interpreter that can be found, newest first, and the one below newmodel's own environment."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda path: _ask(system, path), _candidates(system)))
    found: dict[str, Interpreter] = {}
    for interpreter in answers:
        if interpreter is not None:
            found.setdefault(system.real_path(interpreter.path), interpreter)
    interpreters = sorted(found.values(), key=lambda one: one.version, reverse=True)
    own = answers[0].path if answers and answers[0] is not None else system.executable
    return {"interpreters": tuple(interpreters), "executable": own}, _findings(system, interpreters)


def _candidates(system: System) -> list[str]:
    paths: list[str] = [system.executable]
    for name in _NAMES:
        paths += system.which_all(name)
    for pattern in (".pyenv/versions/*/bin/python", ".local/share/uv/python/*/bin/python3"):
        paths += system.glob(str(system.home / pattern))
    if system.platform == "darwin":
        paths += system.glob("/opt/homebrew/bin/python3.1[0-9]") + system.glob(
            "/Library/Frameworks/Python.framework/Versions/3.1[0-9]/bin/python3"
        )
    if system.platform == "win32":
        launcher = system.run(["py", "-0p"])
        paths += re.findall(r"([A-Za-z]:\\\S.*?\.exe)", launcher.stdout)
        # the Store's stand-in opens a shop window instead of answering
        paths = [path for path in paths if "\\WindowsApps\\" not in path]
    return list(dict.fromkeys(filter(None, paths)))


def _ask(system: System, path: str) -> Interpreter | None:
    answer = system.run([path, "-I", "-c", _QUESTION], timeout=5.0)
    if not answer.ok:
        return None
    try:
        executable, version, bits, machine, can_make_venv, in_venv, base = json.loads(
            answer.stdout.strip().splitlines()[-1]
        )
        interpreter = Interpreter(
            # an environment made from an environment would break when the first one goes: use what is below both
            path=str((base if in_venv else executable) or path),
            version=(int(version[0]), int(version[1]), int(version[2])),
            bits=int(bits),
            machine=str(machine),
            can_make_venv=bool(can_make_venv),
        )
    except (ValueError, IndexError, TypeError):
        return None
    return interpreter if interpreter.version >= (3, 8, 0) else None


def _findings(system: System, interpreters: list[Interpreter]) -> list[Finding]:
    findings = []
    usable = [one for one in interpreters if one.bits == 64]
    if interpreters and not usable:
        findings.append(
            Finding(
                code="NM101",
                severity="blocks",
                what=_("Every Python here is a 32-bit one."),
                meaning=_("PyTorch and TensorFlow have packages for 64-bit Python alone."),
                advice=_("Install a 64-bit Python from https://www.python.org/downloads/."),
            )
        )
    if usable and not any(one.can_make_venv for one in usable):
        version = ".".join(map(str, usable[0].version[:2]))
        findings.append(
            Finding(
                code="NM102",
                severity="blocks" if system.which("uv") is None else "note",
                what=_("Python cannot make virtual environments: its module ensurepip is missing."),
                meaning=_("The project's packages would have no place of their own."),
                commands=(
                    (command(system, "sudo", "apt", "install", f"python{version}-venv"),)
                    if system.platform == "linux"
                    else ()
                ),
            )
        )
    return findings
