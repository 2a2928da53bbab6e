"""Which Pythons are here, and what is wrong with them?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scaffolder.environment.facts import Finding, Interpreter
from scaffolder.environment.frameworks.inventory import last_object
from scaffolder.environment.pythons.python_findings import Pythons, judge_pythons
from scaffolder.environment.pythons.python_places import candidates
from scaffolder.environment.side_by_side import side_by_side
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Seconds for a start: a virus scanner looks at an interpreter that it has not seen before.
PATIENCE = 5.0

#: Parts that an interpreter may lack; those with an underscore need a library of the system when it is built.
PARTS = ("venv", "ensurepip", "pip", "_ctypes", "_ssl", "_lzma", "_bz2", "_sqlite3", "zlib", "readline")

# One line of JSON from any Python since 3.4; isolated, so that PYTHONPATH and the current folder have no say. Extension
# modules are imported, since a file that is there may miss its library. The module json would take as long as all else.
_QUESTION = f"""
import sys, os, importlib.util
def there(name):
    try:
        if name[0] != "_" and name != "zlib":
            return importlib.util.find_spec(name) is not None
        return bool(__import__(name))
    except Exception:
        return False
def text(value):
    raw = value.encode("utf-16-be", "surrogatepass")
    return '"' + "".join("\\\\u%04x" % (raw[i] * 256 + raw[i + 1]) for i in range(0, len(raw), 2)) + '"'
names = {PARTS!r}
if os.name == "nt":
    names = [name for name in names if name != "readline"]
    machine = "ARM64" if "ARM64" in sys.version else "AMD64" if "AMD64" in sys.version else "x86"
else:
    machine = os.uname()[4]
managed = os.path.join(os.path.dirname(os.__file__), "EXTERNALLY-MANAGED")
conda = sys.prefix if os.path.isdir(os.path.join(sys.prefix, "conda-meta")) else ""
answer = [
    ("executable", text(sys.executable)),
    ("version", str(list(sys.version_info[:3]))),
    ("bits", "64" if sys.maxsize > 2**32 else "32"),
    ("machine", text(machine)),
    ("base", text(getattr(sys, "_base_executable", None) or sys.executable)),
    ("venv", "true" if getattr(sys, "base_prefix", sys.prefix) != sys.prefix else "false"),
    ("conda", text(conda)),
    ("missing", "[" + ",".join(text(name) for name in names if not there(name)) + "]"),
    ("managed", text(managed if os.path.exists(managed) else "")),
    ("implementation", text(sys.implementation.name)),
    ("threads", '"free"' if "free-threading" in sys.version else '"gil"'),
]
print("{{" + ",".join('"' + name + '":' + value for name, value in answer) + "}}")
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one candidate said.

    Attributes:
        path: As it was asked.
        interpreter: None where it is no Python of today.
        stand_in: Whether it is the Microsoft Store's, which is no Python at all.
        trouble: `timeout`, or what was wrong with its answer; empty where nothing was.
    """

    path: str
    interpreter: Interpreter | None = None
    stand_in: bool = False
    trouble: str = ""


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """Every interpreter that can be found, newest first, and the one below newmodel's own environment."""
    own_place = system.real_path(system.executable)
    paths = _one_of_each(system, candidates(system))
    answers = side_by_side(lambda path: ask(system, path), paths)
    found: dict[str, Interpreter] = {}
    own = system.executable
    for answer in answers:
        if answer.interpreter is not None:
            known = found.setdefault(system.real_path(answer.interpreter.path), answer.interpreter)
            if own_place in (answer.path, system.real_path(answer.path)):
                own = known.path
    interpreters = tuple(sorted(found.values(), key=lambda one: one.version, reverse=True))
    pythons = Pythons(
        interpreters=interpreters,
        own=own,
        stand_ins=tuple(answer.path for answer in answers if answer.stand_in),
        troubled=tuple((answer.path, answer.trouble) for answer in answers if answer.trouble),
    )
    return {"interpreters": interpreters, "executable": own}, judge_pythons(system, pythons)


def _one_of_each(system: System, paths: Sequence[str]) -> Iterator[str]:
    """One path for each file: not the one in newmodel's own environment, whose packages are not the interpreter's."""
    chosen: dict[str, str] = {}
    for path in paths:
        place = system.real_path(path)
        if place not in chosen or chosen[place] == system.executable:
            chosen[place] = path
    yield from chosen.values()


def ask(system: System, path: str) -> Answer:
    """Start an interpreter and let it describe itself."""
    answer = system.run([path, "-X", "newmodel=python", "-I", "-c", _QUESTION], timeout=PATIENCE)
    if answer.returncode == 9009 or ("Microsoft Store" in answer.stdout + answer.stderr and not answer.ok):
        return Answer(path=path, stand_in=True)
    if answer.problem == "timeout":
        return Answer(path=path, trouble="timeout")
    if answer.returncode is None or re.search(
        r"Unknown option|SyntaxError|reserved for implementation-specific", answer.stderr
    ):
        return Answer(path=path)  # not there, or older than this question
    content = last_object(answer.stdout) if answer.ok else None
    if content is None:
        lines = (answer.stderr.strip() or answer.stdout.strip()).splitlines()
        return Answer(
            path=path, trouble=_printable(lines[-1]) if lines else _("exit code {code}").format(code=answer.returncode)
        )
    try:
        interpreter = _read(path, content)
    except (KeyError, TypeError, ValueError, OverflowError):
        return Answer(path=path, trouble=_printable(answer.stdout.strip()))
    # no framework has packages for another implementation
    wanted = interpreter.version >= (3, 8, 0) and content.get("implementation", "cpython") == "cpython"
    return Answer(path=path, interpreter=interpreter if wanted else None)


def _read(path: str, content: dict[str, Any]) -> Interpreter:
    first, second, third = (int(one) for one in content["version"])
    missing = {one for one in content.get("missing", ()) if isinstance(one, str)}
    virtual = content.get("venv") is True
    # an environment made from an environment would break when the first one goes: use what is below both
    place = content.get("base") if virtual else content.get("executable")
    place = place if isinstance(place, str) and place else path
    return Interpreter(
        path=place,
        version=(first, second, third),
        bits=int(content.get("bits", 64)),
        machine=str(content.get("machine", "")),
        can_make_venv=not missing & {"venv", "ensurepip"},
        # a virtual environment may have no pip although the interpreter below has
        has_pip="pip" not in missing or virtual,
        missing=tuple(sorted(missing - {"venv", "ensurepip", "pip"})),
        managed=bool(content.get("managed")),
        source="conda" if content.get("conda") else _source(place),
        free_threaded=content.get("threads") == "free",
    )


def _source(path: str) -> str:
    """Who brought an interpreter, by where it lies."""
    place = path.replace("\\", "/")
    for pattern, source in (
        (r"/uv/(?:data/)?python/", "uv"),
        (r"/\.?pyenv(?:-win|/pyenv-win)?/versions/", "pyenv"),
        (r"/(?:ana|mini)conda\d?/|/(?:mini|mamba)forge\d?/|/envs/[^/]+/", "conda"),
        (r"/(?:opt/homebrew|Cellar|\.linuxbrew)/|^/usr/local/opt/python@", "homebrew"),
        (
            r"/Python\.framework/Versions/\d|/Programs/Python/Python\d|/pythoncore-\d"
            r"|^[A-Z]:/(?:Program Files/)?Python\d",
            "python.org",
        ),
        (r"/WindowsApps/", "store"),
        (r"^/usr/bin/|^/bin/|^/usr/local/bin/|/CommandLineTools/|/Xcode", "system"),
    ):
        if re.search(pattern, place, re.IGNORECASE):
            return source
    return ""


def _printable(text: str, limit: int = 120) -> str:
    text = "".join(one for one in text if one.isprintable())
    return text if len(text) <= limit else text[: limit - 1] + "…"
