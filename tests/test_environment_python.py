"""Which Pythons are found, and what is said about them: on recorded answers, on garbage, and on this machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment.facts import Accelerators, Finding, Gpu, Interpreter, Report
from scaffolder.environment.pythons import python
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.recorded_system import RecordedSystem
from scaffolder.environment.side_by_side import side_by_side

Answer = dict[str, Any]
Probe = Callable[..., tuple[tuple[Interpreter, ...], dict[str, Finding]]]


def answer(path: str, version: str = "3.12.3", **changes: object) -> Answer:
    """What an interpreter without fault says of itself."""
    return {
        "executable": path,
        "version": [int(part) for part in version.split(".")],
        "bits": 64,
        "machine": "x86_64",
        "base": path,
        "venv": False,
        "conda": "",
        "missing": [],
        "managed": "",
        **changes,
    }


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Probe a machine with these interpreters: path to what it answers (a mapping, raw bytes, or a problem)."""

    def run(
        answers: dict[str, Answer | bytes | str], **content: Any
    ) -> tuple[tuple[Interpreter, ...], dict[str, Finding]]:
        commands = list(content.pop("commands", []))
        for number, (path, said) in enumerate(answers.items()):
            entry: dict[str, Any] = {"arguments": [path, "-X", "newmodel=python", "*"]}
            if isinstance(said, str):
                entry.update(returncode=None, problem=said)
            else:
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                (tmp_path / f"{number}.txt").write_bytes(raw)
                entry["stdout"] = f"{number}.txt"
            commands.append(entry)
        for name, raw in content.pop("outputs", {}).items():
            (tmp_path / name).write_bytes(raw)
        content.setdefault("executable", next(iter(answers), "/usr/bin/python3"))
        (tmp_path / "system.json").write_text(json.dumps({**content, "commands": commands}), encoding="utf-8")
        facts, findings = python.probe(RecordedSystem(tmp_path))
        return facts["interpreters"], {finding.code: finding for finding in findings}

    return run


def lines(finding: Finding) -> list[str]:
    return [command.line for command in finding.commands]


# --- finding them -----------------------------------------------------------------------------------------------------


def test_interpreters_are_asked_and_virtual_environments_seen_through(probe: Probe) -> None:
    found, findings = probe(
        {
            "/home/me/env/bin/python": answer(
                "/home/me/env/bin/python", "3.12.4", base="/usr/bin/python3.12", venv=True
            ),
            "/usr/bin/python3.13": answer("/usr/bin/python3.13", "3.13.1"),
            "/old/python": answer("/old/python", "3.6.9"),
            "/broken/python": b"\x00\xff[",
        },
        which={"python3": "/usr/bin/python3.13", "python": ["/old/python", "/broken/python"]},
    )
    assert [(one.path, one.text) for one in found] == [
        ("/usr/bin/python3.13", "3.13.1"),
        ("/usr/bin/python3.12", "3.12.4"),
    ]
    assert list(findings) == ["NM112"]
    assert "/broken/python" in findings["NM112"].what


def test_every_installer_is_known(probe: Probe) -> None:
    places = {
        "/home/person/.local/share/uv/python/cpython-3.13.2-linux-x86_64-gnu/bin/python3": "uv",
        "/home/person/.pyenv/versions/3.12.1/bin/python": "pyenv",
        "/home/person/miniconda3/bin/python": "conda",
        "/home/person/miniconda3/envs/vision/bin/python": "conda",
        "/data/envs/far/bin/python": "conda",
        "/usr/bin/python3.11": "system",
    }
    found, _ = probe(
        {path: answer(path, f"3.11.{number}") for number, path in enumerate(places)},
        executable="/usr/bin/python3.11",
        files={**dict.fromkeys(places), "/home/person/.conda/environments.txt": "environments.txt"},
        outputs={"environments.txt": b"/home/person/miniconda3\n/data/envs/far\n/gone\n"},
    )
    assert {one.path: one.source for one in found} == places


def test_windows_places_and_the_launcher(probe: Probe) -> None:
    local = "C:\\Users\\me\\AppData\\Local"
    installed = f"{local}\\Programs\\Python\\Python312\\python.exe"
    managed = f"{local}\\Python\\pythoncore-3.14-64\\python.exe"
    spaced = "C:\\Program Files\\Python311\\python.exe"
    found, findings = probe(
        {
            path: answer(path, version)
            for path, version in ((installed, "3.12.3"), (managed, "3.14.0"), (spaced, "3.11.9"))
        },
        platform="win32",
        home="C:\\Users\\me",
        environ={"LOCALAPPDATA": local},
        executable=installed,
        files={installed: None},
        commands=[{"arguments": ["py", "-0p"], "stdout": "py.txt"}],
        outputs={"py.txt": f" -V:3.14[-64] *  {managed}\r\n -V:3.11          {spaced}\r\n".encode()},
    )
    assert [one.path for one in found] == [managed, installed, spaced]
    assert {one.source for one in found} == {"python.org"}
    assert findings == {}


def test_the_stores_stand_in_is_told_from_its_python(probe: Probe, tmp_path: Path) -> None:
    place = "C:\\Users\\me\\AppData\\Local\\Microsoft\\WindowsApps\\python.exe"
    other = "C:\\Python312\\python.exe"
    stand_in = {"arguments": [place, "*"], "returncode": 9009, "stdout": "store.txt"}
    outputs = {"store.txt": b"Python was not found; run without arguments to install from the Microsoft Store"}
    windows = {"platform": "win32", "home": "C:\\Users\\me", "which": {"python": place}, "outputs": outputs}
    found, findings = probe({other: answer(other)}, commands=[stand_in], **windows)
    assert [one.path for one in found] == [other]
    assert findings["NM105"].severity == "note"
    found, findings = probe({}, executable=place, commands=[stand_in], **windows)
    assert found == ()
    assert findings["NM105"].severity == "blocks"
    assert lines(findings["NM105"]) == ["winget install --id Python.Python.3.12 --exact"]
    real = answer(place, base="C:\\Program Files\\WindowsApps\\PythonSoftwareFoundation.Python.3.12_x64\\python.exe")
    found, findings = probe({place: real}, **windows)
    assert [one.source for one in found] == ["store"]
    assert "NM105" not in findings


def test_one_real_file_is_asked_once(tmp_path: Path) -> None:
    asked = []

    class Counting(RecordedSystem):
        def run(self, arguments: Any, *, timeout: float = 5.0) -> Any:
            asked.append(arguments[0])
            return super().run(arguments, timeout=timeout)

    content = {
        "executable": "/home/me/.venv/bin/python",
        "which": {"python3": ["/usr/bin/python3", "/bin/python3"], "python3.11": "/usr/bin/python3.11"},
        "links": dict.fromkeys(
            ["/home/me/.venv/bin/python", "/usr/bin/python3", "/bin/python3"], "/usr/bin/python3.11"
        ),
    }
    (tmp_path / "system.json").write_text(json.dumps(content), encoding="utf-8")
    python.probe(Counting(tmp_path))
    assert asked == ["/usr/bin/python3"]


def test_shims_are_passed_over(probe: Probe) -> None:
    real = "/home/person/.pyenv/versions/3.12.1/bin/python"
    found, findings = probe(
        {real: answer(real), "/home/person/.pyenv/shims/python3": "timeout"},
        which={"python3": "/home/person/.pyenv/shims/python3"},
        files={real: None},
    )
    assert [one.path for one in found] == [real]
    assert findings == {}


def test_apples_stand_in_is_not_started(probe: Probe) -> None:
    """Without the command line tools it opens a dialog."""
    asked = {"arguments": ["xcode-select", "-p"], "returncode": 2}
    mac = {"platform": "darwin", "which": {"python3": "/usr/bin/python3"}, "executable": "/opt/homebrew/bin/python3.13"}
    path = "/usr/bin/python3"
    found, _ = probe({path: answer(path, "3.9.6", machine="arm64")}, commands=[asked], **mac)
    assert found == ()
    found, _ = probe({path: answer(path, "3.9.6", machine="arm64")}, commands=[{**asked, "returncode": 0}], **mac)
    assert [one.text for one in found] == ["3.9.6"]


def test_other_kinds_of_python(probe: Probe) -> None:
    free, other = "/opt/python/3.14t/bin/python3", "/opt/pypy/bin/python3"
    found, findings = probe(
        {free: answer(free, "3.14.1", threads="free"), other: answer(other, "3.11.13", implementation="pypy")},
        which={"python3": [free, other]},
    )
    assert [one.free_threaded for one in found] == [True]
    assert findings == {}


def test_which_one_a_project_gets() -> None:
    def one(name: str, version: tuple[int, int, int], **changes: Any) -> Interpreter:
        return Interpreter(path=name, version=version, **changes)

    def chosen(*interpreters: Interpreter, **changes: Any) -> str:
        found = Report(
            platform="linux", machine="x86_64", release="", executable="/own", interpreters=interpreters, **changes
        ).python_for((3, 10), (3, 15))
        return found.path if found is not None else ""

    plain = one("plain", (3, 12, 0))
    assert chosen(one("environment", (3, 13, 0), source="conda"), plain) == "plain"
    assert chosen(one("incomplete", (3, 13, 0), missing=("_lzma",)), plain) == "plain"
    assert chosen(one("typed", (3, 13, 0), missing=("readline",)), plain) == "typed"
    assert chosen(one("free", (3, 14, 0), free_threaded=True), plain) == "plain"
    assert chosen(one("environment", (3, 13, 0), source="conda")) == "environment"
    apple = Accelerators(gpus=(Gpu(kind="mps", name="Apple M4"),))
    assert chosen(one("intel", (3, 13, 0), machine="x86_64"), plain, accelerators=apple) == "plain"


# --- what is wrong ----------------------------------------------------------------------------------------------------

DEBIAN = {"files": {"/etc/os-release": "os.txt"}, "outputs": {"os.txt": b'ID=debian\nVERSION_ID="12"\n'}}
FEDORA = {"files": {"/etc/os-release": "os.txt"}, "outputs": {"os.txt": b"ID=fedora\nVERSION_ID=43\n"}}
ROCKY = {"files": {"/etc/os-release": "os.txt"}, "outputs": {"os.txt": b'ID="rocky"\nID_LIKE="rhel centos fedora"\n'}}


def test_a_python_that_makes_no_environments(probe: Probe) -> None:
    missing = {"/usr/bin/python3": answer("/usr/bin/python3", "3.11.2", missing=["ensurepip"])}
    _, findings = probe(missing, **DEBIAN)
    assert findings["NM102"].severity == "blocks"
    assert lines(findings["NM102"]) == ["sudo apt install python3.11-venv"]
    _, findings = probe(missing, user="root", **DEBIAN)
    assert lines(findings["NM102"]) == ["apt install python3.11-venv"]
    _, findings = probe(missing, which={"uv": "/usr/bin/uv"}, **DEBIAN)
    assert findings["NM102"].severity == "note"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (DEBIAN, "sudo apt install libffi-dev liblzma-dev libssl-dev"),
        (FEDORA, "sudo dnf install libffi-devel xz-devel openssl-devel"),
        (ROCKY, "sudo dnf install libffi-devel xz-devel openssl-devel"),
        ({"platform": "darwin"}, "brew install libffi xz openssl@3"),
        ({"release": "Arch Linux"}, "sudo pacman -S libffi xz openssl"),
        ({"release": "Alpine Linux v3.22", "user": "root"}, "apk add libffi-dev xz-dev openssl-dev"),
        ({"release": "openSUSE Tumbleweed"}, "sudo zypper install libffi-devel xz-devel libopenssl-devel"),
    ],
)
def test_missing_parts_with_the_systems_packages(probe: Probe, system: dict[str, Any], expected: str) -> None:
    path = "/home/person/.pyenv/versions/3.12.1/bin/python"
    _, findings = probe({path: answer(path, "3.12.1", missing=["_ctypes", "_lzma", "_ssl"])}, **system)
    assert findings["NM107"].severity == "blocks"
    assert lines(findings["NM107"]) == [expected, "pyenv install --force 3.12.1"]
    _, findings = probe(
        {path: answer(path, "3.12.1", missing=["_ssl"]), "/usr/bin/python3": answer("/usr/bin/python3", "3.11.2")},
        which={"python3": "/usr/bin/python3"},
        **system,
    )
    assert findings["NM107"].severity == "note"


def test_only_32_bit_or_none(probe: Probe) -> None:
    path = "C:\\Python312-32\\python.exe"
    _, findings = probe({path: answer(path, bits=32)}, platform="win32")
    assert findings["NM101"].severity == "blocks"
    _, findings = probe({}, which={"uv": "/usr/bin/uv"})
    assert findings["NM110"].commands[0].arguments == ("uv", "python", "install", "3.12")
    _, findings = probe({}, release="Ubuntu 24.04.3 LTS")
    assert lines(findings["NM110"])[-1] == "sudo apt install python3.12 python3.12-venv"


def test_pip_missing(probe: Probe) -> None:
    path = "/usr/bin/python3"
    _, findings = probe({path: answer(path, missing=["pip"])}, **DEBIAN)
    assert findings["NM111"].severity == "note"
    _, findings = probe({path: answer(path, missing=["pip", "ensurepip"])}, **DEBIAN)
    assert (findings["NM111"].severity, findings["NM102"].severity) == ("blocks", "blocks")
    assert lines(findings["NM111"]) == ["sudo apt install python3-pip"]


def test_an_intel_python_on_an_apple_chip(probe: Probe) -> None:
    chip = {
        "commands": [{"arguments": ["sysctl", "-n", "hw.optional.arm64"], "stdout": "one"}],
        "outputs": {"one": b"1\n"},
    }
    intel, native = "/usr/local/bin/python3.12", "/opt/homebrew/bin/python3.13"
    _, findings = probe({intel: answer(intel)}, platform="darwin", which={"uv": "/x/uv"}, **chip)
    assert findings["NM104"].commands[0].line == "uv python install cpython-3.12-macos-aarch64"
    chip["commands"] = chip["commands"][:1]
    _, findings = probe(
        {intel: answer(intel), native: answer(native, "3.13.1", machine="arm64")},
        platform="darwin",
        files={native: None},
        **chip,
    )
    assert native in findings["NM104"].advice
    _, findings = probe({native: answer(native, machine="arm64")}, platform="darwin", **chip)
    assert findings == {}


def test_managed_conda_and_pollution(probe: Probe) -> None:
    path = "/usr/bin/python3"
    managed = {path: answer(path, managed="/usr/lib/python3.12/EXTERNALLY-MANAGED")}
    _, findings = probe(managed, which={"python3": path})
    assert lines(findings["NM106"]) == ["/usr/bin/python3 -m venv .venv"]
    _, findings = probe(managed, which={"python3": path}, environ={"VIRTUAL_ENV": "/home/me/.venv"})
    assert findings == {}
    _, findings = probe(
        {path: answer(path)},
        environ={
            "CONDA_DEFAULT_ENV": "base",
            "CONDA_PREFIX": "/opt/conda",
            "PYTHONPATH": "/opt/ros",
            "PYTHONHOME": "/x",
        },
    )
    assert findings["NM108"].commands[0].line == "conda deactivate"
    assert "PYTHONPATH" in findings["NM109"].what  # the later of two
    _, findings = probe({path: answer(path)}, environ={"PYTHONHOME": "/x"}, platform="win32")
    assert findings["NM109"].severity == "blocks"
    assert lines(findings["NM109"])[0] == "Remove-Item Env:PYTHONHOME"


def test_one_that_hangs(probe: Probe) -> None:
    found, findings = probe(
        {"/usr/bin/python3": answer("/usr/bin/python3"), "/slow/python": "timeout"}, which={"python": "/slow/python"}
    )
    assert len(found) == 1
    assert findings["NM112"].severity == "note"


# --- garbage, and this machine ----------------------------------------------------------------------------------------

WORDS = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from(["executable", "version", "bits", "machine", "base", "venv", "conda", "missing", "managed"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(), st.lists, max_leaves=5
        ),
    ).map(lambda content: json.dumps(content).encode()),
    st.integers(0, 200).map(lambda cut: json.dumps(answer("/usr/bin/python3")).encode()[:cut]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS, st.sampled_from(["linux", "darwin", "win32"]), st.sampled_from([0, 1, -11, 9009, None]))
def test_garbage_is_no_crash(tmp_path: Path, raw: bytes, platform: str, returncode: int | None) -> None:
    (tmp_path / "raw").write_bytes(raw)
    content = {
        "platform": platform,
        "which": {"python3": "/usr/bin/python3", "python": "/usr/bin/python"},
        "files": {"/etc/os-release": "raw", "/home/person/.conda/environments.txt": "raw"},
        "commands": [
            {"arguments": [name, "*"], "stdout": "raw", "stderr": "raw", "returncode": returncode}
            for name in ("/usr/bin/python3", "/usr/bin/python", "py", "sysctl")
        ],
    }
    (tmp_path / "system.json").write_text(json.dumps(content), encoding="utf-8")
    facts, findings = python.probe(RecordedSystem(tmp_path))
    assert all(isinstance(one, Interpreter) for one in facts["interpreters"])
    assert all(finding.what and finding.meaning for finding in findings)


def test_questions_are_asked_side_by_side() -> None:
    began = time.monotonic()
    assert side_by_side(lambda number: time.sleep(0.2) or number, range(10)) == list(range(10))
    assert time.monotonic() - began < 1.5
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda number: 1 // number, [1, 0])
    assert side_by_side(str, []) == []


def test_this_machine() -> None:
    began = time.monotonic()
    facts, _ = python.probe(RealSystem())
    assert time.monotonic() - began < 5.0
    own = next(one for one in facts["interpreters"] if one.path == facts["executable"])
    assert own.version == sys.version_info[:3]
    assert (own.bits, own.has_pip) == (64 if sys.maxsize > 2**32 else 32, True)
