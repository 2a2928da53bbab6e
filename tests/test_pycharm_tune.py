"""PyCharm's own files are tuned and put back, byte for byte; status and open say what is so."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jetbrains_service import product
from made_machine import make

from scaffolder import console
from scaffolder.environment.facts import PyCharm
from scaffolder.environment.ide import pycharm as probe
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import CommandResult
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.pycharm import command, heap, journal, module_file, plugins, text_file, tune

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made-up homes are of Linux")

GIB = 1024**3


@dataclass
class Desk(RealSystem):
    """This machine with a home, memory and running programs of our choice."""

    folder: Path
    running: list[str] = field(default_factory=list)
    platform: str = "linux"
    total: int = 32 * GIB
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": "/usr/bin", **self.variables}

    def processes(self) -> list[str]:
        return self.running

    def memory(self) -> tuple[int, int]:
        return self.total, self.total

    def which(self, name: str) -> str | None:
        return None

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        return CommandResult(returncode=0, stdout="3.12.3\n")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Desk(tmp_path)


def installed(desk: Desk, version: str = "2026.1", *, started: bool = True, **changes: Any) -> tuple[Path, Path]:
    """An installation, and its configuration folder."""
    folder = desk.folder / ".local/share/newmodel" / f"pycharm-{version}"
    (folder / "bin").mkdir(parents=True)
    (folder / "product-info.json").write_text(json.dumps(product(version, **changes)))
    launcher = folder / "bin/pycharm"
    launcher.write_text(f'#!/bin/sh\necho "$@" > "{desk.folder}/started"\nsleep 2\n')
    launcher.chmod(0o755)
    (folder / "bin/pycharm64.vmoptions").write_text("-Xms256m\n-Xmx2048m\n-XX:+UseG1GC\n")
    configuration = desk.folder / ".config/JetBrains" / f"PyCharm{'.'.join(version.split('.')[:2])}"
    if started:
        (configuration / "options").mkdir(parents=True)
    return folder, configuration


@pytest.fixture
def tuned(desk: Desk) -> Callable[..., int]:
    return lambda *arguments, **options: int(command.run_tune(*arguments, system=desk, **options))


# ---- the heap


def test_the_heap_goes_into_the_persons_own_options(desk: Desk, tuned: Callable[..., int]) -> None:
    folder, configuration = installed(desk)
    assert tuned(yes=True) == 0
    assert (configuration / "pycharm64.vmoptions").read_text() == "-Xmx4096m\n"
    assert (folder / "bin/pycharm64.vmoptions").read_text() == "-Xms256m\n-Xmx2048m\n-XX:+UseG1GC\n"
    assert probe.probe(desk)[0]["pycharm"][0].heap == 4096


@pytest.mark.parametrize("before", [b"-Xmx1g\r\n-Dfoo=\xe9\r\n# -Xmx9g\r\n", b"-Dx=1", b"#only\n\n\n", b"-Xmx750m"])
def test_every_other_byte_of_the_options_stays_and_comes_back(
    desk: Desk, tuned: Callable[..., int], before: bytes
) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_bytes(before)
    tuned(yes=True)
    after = options.read_bytes()
    assert b"-Xmx4096m" in after
    assert (configuration / "pycharm64.vmoptions.before-newmodel").read_bytes() == before
    left = [line for line in after.split(b"\n") if not line.startswith(b"-Xmx")]
    assert (
        left[: before.count(b"\n")]
        == [line for line in before.split(b"\n") if not line.startswith(b"-Xmx")][: before.count(b"\n")]
    )
    assert tuned(undo=True, yes=True) == 0
    assert options.read_bytes() == before
    assert {path.name for path in configuration.iterdir()} == {"options", "pycharm64.vmoptions"}


def test_undo_removes_options_that_were_not_there(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    tuned(yes=True)
    tuned(undo=True, yes=True)
    assert [path.name for path in configuration.iterdir()] == ["options"]
    assert journal.changes() == []


def test_undo_keeps_what_the_person_wrote_since(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_text("-Xmx1024m\n")
    tuned(yes=True)
    options.write_text(options.read_text() + "-Dmine=1\n")
    tuned(megabytes=3000, yes=True)
    assert options.read_text() == "-Xmx3000m\n-Dmine=1\n"
    tuned(undo=True, yes=True)
    assert options.read_text() == "-Xmx1024m\n-Dmine=1\n"


def test_enough_is_enough(desk: Desk, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    _folder, configuration = installed(desk)
    (configuration / "pycharm64.vmoptions").write_text("-Xmx8g\n")
    tuned(yes=True)
    assert (configuration / "pycharm64.vmoptions").read_text() == "-Xmx8g\n"
    assert tuned(megabytes=2048, yes=True) == 0  # the person's own word goes down as well
    assert (configuration / "pycharm64.vmoptions").read_text() == "-Xmx2048m\n"


def test_toolbox_has_a_file_of_its_own(desk: Desk, tuned: Callable[..., int]) -> None:
    folder, configuration = installed(desk)
    beside = folder.with_name(folder.name + ".vmoptions")
    beside.write_text("-Xmx1500m\n")
    tuned(yes=True)
    assert beside.read_text() == "-Xmx4096m\n"
    assert not (configuration / "pycharm64.vmoptions").exists()


def test_a_share_of_the_memory_is_the_persons_own_way(
    desk: Desk, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_text("-XX:MaxRAMPercentage=40\n")
    tuned(yes=True)
    assert options.read_text() == "-XX:MaxRAMPercentage=40\n"
    assert "sets PyCharm's memory in its own way" in capsys.readouterr().err


def test_a_pycharm_that_was_never_started(
    desk: Desk, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(desk, started=False)
    assert tuned(yes=True) == 0
    assert "has never been started here: start it once, then tune it." in capsys.readouterr().err


def test_several_versions(desk: Desk, tuned: Callable[..., int]) -> None:
    folders = [installed(desk, version)[1] for version in ("2024.3.5", "2025.2", "2026.1")]
    tuned(yes=True)
    assert [(folder / "pycharm64.vmoptions").read_text() for folder in folders] == ["-Xmx4096m\n"] * 3


def test_names_of_the_options_file(tmp_path: Path) -> None:
    one = PyCharm(folder="/f", launcher="", configuration="/c")
    for platform, name in (
        ("linux", "pycharm64.vmoptions"),
        ("darwin", "pycharm.vmoptions"),
        ("win32", "pycharm64.exe.vmoptions"),
    ):
        assert heap.options_file(one, make(tmp_path / platform, platform=platform)) == Path("/c") / name


@given(
    before=st.lists(
        st.sampled_from([b"-Xmx750m", b"-Xmx2g ", b"  -Xmx1024M", b"-Xms1g", b"# -Xmx1m", b"", b"-Dx=\xff", b"-XmxZ"]),
        max_size=6,
    ),
    newline=st.sampled_from([b"\n", b"\r\n"]),
    end=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_options(before: list[bytes], newline: bytes, end: bool) -> None:
    content = newline.join(before) + (newline if end and before else b"")
    after = heap.with_heap(content, 3072)
    assert after is not None
    assert heap.heap_of(after) == 3072
    assert heap.with_heap(after, 3072) == after
    had = heap.heap_of(content)
    assert heap.heap_of(heap.without_heap(content, after)) == had
    # one line at most is another one
    old, new = content.splitlines(), after.splitlines()
    assert sum(one not in new for one in old) <= 1


def test_heaps_in_all_units() -> None:
    assert [heap.heap_of(b"-Xmx" + text) for text in (b"2g", b"512M", b"1048576k", b"1073741824")] == [
        2048,
        512,
        1024,
        1024,
    ]
    assert heap.heap_of(b"-Xms1g") is None


# ---- folders

MODULE = """<?xml version="1.0" encoding="UTF-8"?>
<module type="PYTHON_MODULE" version="4">
  <component name="NewModuleRootManager">
    <content url="file://$MODULE_DIR$">
      <sourceFolder url="file://$MODULE_DIR$/src" isTestSource="false" />
      <excludeFolder url="file://$MODULE_DIR$/runs" />
    </content>
    <orderEntry type="inheritedJdk" />
  </component>
</module>"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    (folder / ".idea").mkdir(parents=True)
    (folder / ".idea/demo.iml").write_text(MODULE)
    return folder


def excluded(project: Path) -> list[str]:
    root = ElementTree.parse(project / ".idea/demo.iml").getroot()
    return [one.get("url", "").removeprefix("file://$MODULE_DIR$/") for one in root.iter("excludeFolder")]


def fill(project: Path, name: str, size: int = 300 * 1024**2) -> None:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def test_large_folders_are_left_out(desk: Desk, project: Path, tuned: Callable[..., int]) -> None:
    installed(desk)
    for name in (".venv", "runs", "node_modules", ".mypy_cache", "src"):
        (project / name).mkdir()
    (project / ".venv/pyvenv.cfg").touch()
    fill(project, "data/images.bin")
    fill(project, "small/table.csv", 1000)
    tuned(project, yes=True)
    assert excluded(project) == ["runs", ".mypy_cache", ".venv", "data", "node_modules"]
    assert tune.plan(desk, project).steps == []  # a second time there is nothing to do
    assert [path.name for path in (project / ".idea").iterdir()] == ["demo.iml"]  # nothing that git would see
    tuned(project, undo=True, yes=True)
    assert (project / ".idea/demo.iml").read_text() == MODULE


def test_source_code_is_never_left_out(
    desk: Desk, project: Path, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(desk)
    fill(project, "src/weights.bin")
    fill(project, "package/deep/__init__.py", 10)
    fill(project, "package/weights.bin")
    tuned(project, yes=True)
    assert excluded(project) == ["runs"]
    said = capsys.readouterr().err
    assert "src is large and holds source code" in said
    assert "package is large and holds source code" in said


def test_undo_of_a_module_that_has_changed_since(desk: Desk, project: Path, tuned: Callable[..., int]) -> None:
    installed(desk)
    fill(project, "data/images.bin")
    tuned(project, yes=True)
    module = project / ".idea/demo.iml"
    module.write_text(module.read_text().replace("PYTHON_MODULE", "OTHER"))
    tuned(undo=True, yes=True)
    assert module.read_text() == MODULE.replace("PYTHON_MODULE", "OTHER")


@pytest.mark.parametrize(
    "text",
    [
        MODULE.replace("\n", "\r\n"),
        "\ufeff" + MODULE,
        MODULE.replace("\n      <excludeFolder", "<excludeFolder"),
        MODULE.replace('$MODULE_DIR$">\n      <sourceFolder', '$MODULE_DIR$"><sourceFolder'),
    ],
)
def test_exclusions_in_any_formatting(text: str) -> None:
    file = text_file.decode(text.encode())
    assert file is not None
    changed = module_file.exclude(file.text, ["a b", "x/ü"])
    assert module_file.include(changed, ["a b", "x/ü"]) == file.text
    root = ElementTree.fromstring(changed)
    urls = [one.get("url") for one in root.iter("excludeFolder")]
    assert urls[-2:] == ["file://$MODULE_DIR$/a b", "file://$MODULE_DIR$/x/ü"]


def test_an_empty_content_root() -> None:
    text = '<module><content url="file://$MODULE_DIR$" /></module>'
    changed = module_file.exclude(text, ["data"])
    assert ElementTree.fromstring(changed).find("content/excludeFolder").get("url") == "file://$MODULE_DIR$/data"


def test_a_project_without_a_module(
    desk: Desk, tmp_path: Path, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(desk)
    plain = tmp_path / "plain"
    fill(plain, "data/x.bin")
    tuned(plain, yes=True)
    assert "has no module file that can be read" in capsys.readouterr().err


# ---- plugins


def test_plugins_are_offered_and_stay_without_the_persons_word(
    desk: Desk, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    _folder, configuration = installed(desk)
    assert tuned(yes=True) == 0
    assert not (configuration / "disabled_plugins.txt").exists()
    said = capsys.readouterr().err
    assert "web pages with Angular  (AngularJS)" in said
    assert "Docker" not in said
    assert "--without-plugins switches them off." in said


def test_plugins_are_switched_off_and_on_again(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    file = configuration / "disabled_plugins.txt"
    file.write_bytes(b"Docker\r\nhg4idea")
    tuned(yes=True, without_plugins=True)
    assert file.read_bytes() == b"Docker\r\nhg4idea\r\nAngularJS\r\norg.jetbrains.plugins.vue\r\n"
    tuned(undo=True, yes=True)
    assert file.read_bytes() == b"Docker\r\nhg4idea"


def test_undo_of_plugins_keeps_what_pycharm_wrote_since(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    file = configuration / "disabled_plugins.txt"
    tuned(yes=True, without_plugins=True)
    file.write_text("Kubernetes\n" + file.read_text())
    tuned(undo=True, yes=True)
    assert file.read_text() == "Kubernetes\n"


@pytest.mark.parametrize("answer", [True, False])
def test_at_a_terminal_the_person_is_asked(
    desk: Desk, tuned: Callable[..., int], monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    _folder, configuration = installed(desk)
    asked: list[tuple[str, bool]] = []

    def consent(message: str, *, default: bool = True) -> bool:
        asked.append((message, default))
        return answer if "plugins" in message else True

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr("scaffolder.questions.consent", consent)
    tuned()
    assert [default for _message, default in asked] == [True, False]  # nobody loses a plugin by pressing Enter
    assert (configuration / "disabled_plugins.txt").exists() is answer
    assert (configuration / "pycharm64.vmoptions").exists()


def test_only_plugins_that_are_there(desk: Desk) -> None:
    installed(
        desk, bundledPlugins=[], layout=[{"name": "hg4idea", "kind": "plugin"}, {"name": "x", "kind": "moduleV2"}]
    )
    one = probe.probe(desk)[0]["pycharm"][0]
    assert plugins.offered(one, desk) == ["hg4idea"]


# ---- with care


def test_never_while_pycharm_runs(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    desk.running = ["pycharm"]
    for options in ({"yes": True}, {"undo": True, "yes": True}):
        with pytest.raises(NewmodelError, match="PyCharm is running") as raised:
            tuned(**options)
        assert raised.value.exit_code == ExitCode.FINDING
    assert tuned(dry_run=True) == 0
    assert [path.name for path in configuration.iterdir()] == ["options"]


def test_dry_run_shows_the_lines(desk: Desk, tuned: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_text("-Dx=1\n-Xmx1024m\n")
    tuned(dry_run=True)
    said = capsys.readouterr().err
    assert "-Xmx1024m\n+-Xmx4096m" in said
    assert "PyCharm 2026.1 may use 4096 MB of memory instead of 1024 MB." in said
    assert options.read_text() == "-Dx=1\n-Xmx1024m\n"


def test_without_a_terminal_yes_must_be_said(desk: Desk, tuned: Callable[..., int]) -> None:
    _folder, configuration = installed(desk)
    with pytest.raises(NewmodelError, match="add --yes"):
        tuned()
    assert [path.name for path in configuration.iterdir()] == ["options"]
    with pytest.raises(NewmodelError, match="There is no folder"):
        tuned(desk.folder / "nowhere", yes=True)


def test_a_full_disk(
    desk: Desk, tuned: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_text("-Xmx1024m\n")

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("scaffolder.pycharm.text_file.os.fsync", full)
    assert tuned(yes=True) == ExitCode.FINDING
    assert "is full; free some space and try again." in capsys.readouterr().err
    assert options.read_text() == "-Xmx1024m\n"
    assert {path.name for path in configuration.iterdir()} == {"options", "pycharm64.vmoptions"}
    assert journal.changes() == []


def test_a_change_that_cannot_be_remembered_is_not_made(
    desk: Desk, tuned: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _folder, configuration = installed(desk)
    options = configuration / "pycharm64.vmoptions"
    options.write_text("-Xmx1024m\n")
    (desk.folder / "blocked").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / "blocked"))
    assert tuned(yes=True) == ExitCode.FINDING
    assert options.read_text() == "-Xmx1024m\n"
    assert {path.name for path in configuration.iterdir()} == {"options", "pycharm64.vmoptions"}


# ---- status and open


def test_status(desk: Desk, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installed(desk, "2026.1")
    assert command.run_status(project, system=desk) == ExitCode.OK
    out = capsys.readouterr().out
    folder, settings_folder = desk.folder / ".local/share/newmodel/pycharm-2026.1", desk.folder / ".config/JetBrains"
    assert out.startswith(
        f"PyCharm 2026.1\n  memory    2048 MB; 4096 MB suit this machine\n"
        f"  settings  {settings_folder}/PyCharm2026.1\n  place     {folder}\n"
    )
    assert "PyCharm is not running." in out
    assert f"{project}: The project has no environment yet." in out
    assert command.run_status(project, as_json=True, system=desk) == ExitCode.OK
    content = json.loads(capsys.readouterr().out)
    assert content["installations"][0]["version"] == "2026.1"
    assert content["running"] is False
    assert content["configurations"] == [str(desk.folder / ".config/JetBrains/PyCharm2026.1")]
    assert content["project"]["problem"] is None


def test_status_names_a_wrong_interpreter(desk: Desk, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _folder, configuration = installed(desk)
    (configuration / "options/jdk.table.xml").write_text("<application/>")
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").touch()
    (project / ".idea/misc.xml").write_text(
        '<project><component name="ProjectRootManager" project-jdk-name="gone" /></project>'
    )
    assert command.run_status(project, system=desk) == ExitCode.FINDING
    out = capsys.readouterr().out
    assert "a name that no PyCharm here knows" in out
    assert f"Mend it: newmodel pycharm interpreter '{project}'" in out


def test_status_without_pycharm(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run_status(system=desk) == ExitCode.FINDING
    assert "No PyCharm was found here; “newmodel pycharm install” installs it." in capsys.readouterr().err


def test_open_takes_the_newest_and_a_line_of_a_file(
    desk: Desk, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.variables["DISPLAY"] = ":0"
    installed(desk, "2025.2")
    installed(desk, "2026.1")
    (project / "train.py").touch()
    assert command.run_open(project, file=Path("train.py"), line=12, system=desk) == ExitCode.OK
    assert (desk.folder / "started").read_text().split(" --line ") == [str(project), f"12 {project}/train.py\n"]
    assert f"PyCharm is opening {project}." in capsys.readouterr().err
    with pytest.raises(NewmodelError, match=r"PyCharm 2024\.1 is not installed here; there is: 2026\.1, 2025\.2\."):
        command.run_open(project, version="2024.1", system=desk)
    with pytest.raises(NewmodelError, match="--line says where in a file"):
        command.run_open(project, line=3, system=desk)
    with pytest.raises(NewmodelError, match=r"There is no file nothing\.py"):
        command.run_open(project, file=Path("nothing.py"), system=desk)


def test_open_without_pycharm(desk: Desk, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run_open(project, system=desk) == ExitCode.FINDING
    said = capsys.readouterr().err
    assert "No PyCharm was found here." in said
    assert f"In PyCharm: File | Open | {project}." in said
    assert "Install it: newmodel pycharm install" in said


def test_the_command_line(newmodel: Callable[..., Any]) -> None:
    listed = newmodel("pycharm", "--help").out
    for name in ("status", "install", "tune", "open", "interpreter"):
        assert name in listed
    done = newmodel("pycharm", "instal")
    assert (done.code, done.err) == (2, "There is no command “instal”; did you mean “install”?\n")
    assert newmodel("pycharm", "open", "nowhere").code == 2
    assert newmodel("pycharm", "tune", "--heap", "5").code == 2
