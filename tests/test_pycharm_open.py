"""A project is opened in PyCharm with its own interpreter; a script stands in for PyCharm."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import CommandResult
from scaffolder.pycharm import open as opening
from scaffolder.pycharm.interpreter import register, write_misc
from scaffolder.pycharm.open import _command, open_project
from scaffolder.pycharm.running import configuration_folders

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


@dataclass
class Desk(RealSystem):
    """This machine with a home, running programs and a display of our choice."""

    folder: Path
    running: list[str] = field(default_factory=list)
    platform: str = "linux"
    display: str = ":0"

    @property
    def home(self) -> Path:
        return self.folder

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "DISPLAY": self.display, "HOME": str(self.folder)}

    def processes(self) -> list[str]:
        return self.running

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        return CommandResult(returncode=0, stdout="3.12.3\n")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my <demo> 项目"
    (folder / ".idea").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return folder


@pytest.fixture
def pycharm(tmp_path: Path) -> Path:
    """A script that writes down how it was started, and stays a while as PyCharm does."""
    script = tmp_path / "pycharm" / "bin" / "pycharm"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\necho "$PYCHARM_PYTHON_PATH|$1|$$" > "{tmp_path}/started"\nsleep 3\n')
    script.chmod(0o755)
    return script


def started(desk: Desk) -> list[str]:
    end = time.monotonic() + 10
    while not (desk.folder / "started").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return (desk.folder / "started").read_text().strip().split("|")


def configuration(desk: Desk, name: str = "PyCharm2026.1", table: str | None = None) -> Path:
    options = desk.folder / ".config" / "JetBrains" / name / "options"
    options.mkdir(parents=True)
    if table is not None:
        (options / "jdk.table.xml").write_bytes(table.encode())
    return options / "jdk.table.xml"


TABLE = """<?xml version="1.0" encoding="UTF-8"?>
<application>
  <component name="ProjectJdkTable">
    <jdk version="2">
      <name value="Python 3.9 (old)" />
      <type value="Python SDK" />
      <homePath value="$USER_HOME$/old/bin/python" />
      <additional   odd="spacing &amp; all"/>
    </jdk>
  </component>
  <component name="Other" />
</application>"""


def test_pycharm_starts_with_the_projects_interpreter(desk: Desk, project: Path, pycharm: Path) -> None:
    done = open_project(project, launcher=pycharm, system=desk)
    assert done.started
    assert done.interpreter == "environment"
    python, folder, pid = started(desk)
    assert (python, folder) == (str(project / ".venv/bin/python"), str(project))
    assert os.getpgid(int(pid)) != os.getpgid(0)  # Ctrl-C in our terminal does not end it
    assert f"PyCharm is opening {project}." in done.messages
    assert any("was started with" in line for line in done.messages)
    # nobody knows the interpreter by a name yet: a name in misc.xml would be an invalid one
    assert not (project / ".idea/misc.xml").exists()


def test_the_interpreter_is_registered_where_pycharm_has_run_before(desk: Desk, project: Path, pycharm: Path) -> None:
    tables = [configuration(desk, table=TABLE), configuration(desk, "PyCharmCE2024.3")]
    done = open_project(project, launcher=pycharm, system=desk)
    assert (done.started, done.interpreter) == (True, "registered")
    name = f"Python 3.12 ({project.name})"
    for table in tables:
        entries = ElementTree.parse(table).getroot().findall(".//jdk")
        ours = entries[-1]
        assert ours.find("name").get("value") == name
        assert ours.find("version").get("value") == "Python 3.12.3"
        assert ours.find("homePath").get("value") == "$USER_HOME$/my <demo> 项目/.venv/bin/python"
        assert ours.find("additional").get("ASSOCIATED_PROJECT_PATH") == "$USER_HOME$/my <demo> 项目"
    misc = ElementTree.parse(project / ".idea/misc.xml").getroot().find("component")
    assert misc.get("project-jdk-name") == name
    assert misc.get("project-jdk-type") == "Python SDK"
    assert f"Its interpreter is registered as “{name}” and chosen for this project." in done.messages


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_other_entries_stay_byte_for_byte_and_there_is_a_backup(desk: Desk, project: Path, newline: str) -> None:
    before = TABLE.replace("\n", newline)
    table = configuration(desk, table=before)
    register(project, project / ".venv/bin/python", "3.12.3", desk)
    after = table.read_bytes().decode()
    start = after.index('    <jdk version="2">', after.index("old/bin"))
    end = after.index("</jdk>", start) + len("</jdk>" + newline)
    assert after[:start] + after[end:] == before
    assert (table.parent / "jdk.table.xml.before-newmodel").read_bytes().decode() == before
    assert sorted(path.name for path in table.parent.iterdir()) == ["jdk.table.xml", "jdk.table.xml.before-newmodel"]


def test_registering_twice_adds_one_entry(desk: Desk, project: Path) -> None:
    table = configuration(desk, table=TABLE)
    first = register(project, project / ".venv/bin/python", "3.12.3", desk).name
    content = table.read_bytes()
    assert register(project, project / ".venv/bin/python", "3.12.3", desk).name == first
    assert table.read_bytes() == content


def test_two_projects_of_one_name_get_two_names(desk: Desk, project: Path) -> None:
    configuration(desk, table=TABLE)
    other = desk.folder / "elsewhere" / project.name
    other.mkdir(parents=True)
    first = register(project, project / ".venv/bin/python", "3.12.3", desk).name
    second = register(other, other / ".venv/bin/python", "3.12.3", desk).name
    assert second == f"{first} (2)"


@pytest.mark.parametrize(
    "table",
    [
        "<application>\n</application>",
        "<application />",
        '<application>\n  <component name="ProjectJdkTable" />\n</application>',
        '<application><component name="ProjectJdkTable"></component></application>',
    ],
)
def test_tables_without_entries(desk: Desk, project: Path, table: str) -> None:
    path = configuration(desk, table=table)
    name = register(project, project / ".venv/bin/python", "3.12.3", desk).name
    component = ElementTree.parse(path).getroot().find("component[@name='ProjectJdkTable']")
    assert [entry.find("name").get("value") for entry in component] == [name]


def test_a_table_that_cannot_be_read_is_left_alone(desk: Desk, project: Path, pycharm: Path) -> None:
    table = configuration(desk, table="<application><component")
    done = open_project(project, launcher=pycharm, system=desk)
    assert done.interpreter == "environment"
    assert table.read_text() == "<application><component"


@pytest.mark.parametrize("sign", ["process", "lock"])
def test_a_running_pycharm_gets_the_project_and_the_person_a_line_to_click(
    desk: Desk, project: Path, pycharm: Path, sign: str
) -> None:
    table = configuration(desk, table=TABLE)
    if sign == "process":
        desk.running.append("pycharm")
    else:
        (table.parent.parent / ".lock").touch()
    done = open_project(project, launcher=pycharm, system=desk)
    assert (done.started, done.interpreter) == (True, "click")
    assert table.read_text() == TABLE
    assert "Select existing" in done.messages[-1]
    assert str(project / ".venv/bin/python") in done.messages[-1]


def test_without_pycharm_one_line_says_what_to_click(desk: Desk, project: Path) -> None:
    done = open_project(project, launcher=None, system=desk)
    assert (done.started, done.interpreter) == (False, "click")
    assert done.messages[0] == "No PyCharm was found here."
    assert done.messages[1].startswith(f"In PyCharm: File | Open | {project}.")


def test_without_an_environment_none_is_named(desk: Desk, project: Path, pycharm: Path) -> None:
    (project / ".venv/bin/python").unlink()
    done = open_project(project, launcher=pycharm, system=desk)
    assert done.interpreter == "click"
    assert started(desk)[0] == ""
    assert "The project has no .venv yet" in done.messages[-1]


def test_without_a_display(desk: Desk, project: Path, pycharm: Path) -> None:
    desk.display = ""
    done = open_project(project, launcher=pycharm, system=desk)
    assert not done.started
    assert done.messages[0] == "PyCharm could not be started: there is no graphical display here."


def test_a_launcher_that_fails(desk: Desk, project: Path, pycharm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_START_S", 10)
    pycharm.write_text("#!/bin/sh\nexit 3\n")
    done = open_project(project, launcher=pycharm, system=desk)
    assert done.messages[0] == "PyCharm could not be started: it ended with code 3."
    pycharm.unlink()
    done = open_project(project, launcher=pycharm, system=desk)
    assert done.messages[0] == "PyCharm could not be started: No such file or directory."


def test_macos_opens_the_application_with_its_environment(desk: Desk) -> None:
    desk.platform = "darwin"
    command = _command(
        "/Applications/PyCharm.app/Contents/MacOS/pycharm", Path("/p"), Path("/p/.venv/bin/python"), desk
    )
    told = "PYCHARM_PYTHON_PATH=/p/.venv/bin/python"
    assert command == ["open", "-na", "/Applications/PyCharm.app", "--env", told, "--args", "/p"]


def test_flatpak_opens_through_its_sandbox(desk: Desk) -> None:
    launcher = "/var/lib/flatpak/app/com.jetbrains.PyCharm-Professional/current/active/files/extra/bin/pycharm"
    command = _command(launcher, Path("/p"), Path("/p/python"), desk)
    assert command[:3] == ["flatpak", "run", "--env=PYCHARM_PYTHON_PATH=/p/python"]
    assert command[3:] == ["com.jetbrains.PyCharm-Professional", "/p"]


def test_versions_are_in_order_and_other_programs_are_not_asked(desk: Desk) -> None:
    for name in ("PyCharm2026.1", "PyCharm2025.3", "PyCharmCE2024.3", "IntelliJIdea2026.1"):
        configuration(desk, name)
    names = [folder.name for folder in configuration_folders(desk)]
    assert names == ["PyCharmCE2024.3", "PyCharm2025.3", "PyCharm2026.1"]


def test_what_else_misc_xml_holds_stays(project: Path) -> None:
    path = project / ".idea/misc.xml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<project version="4">\n  <component name="Black">\n'
        '    <option name="sdkName" value="x" />\n  </component>\n</project>'
    )
    write_misc(project, 'a "quoted" & name')
    write_misc(project, "another")
    root = ElementTree.parse(path).getroot()
    assert [component.get("name") for component in root] == ["Black", "ProjectRootManager"]
    assert root[1].get("project-jdk-name") == "another"
