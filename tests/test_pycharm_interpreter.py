"""PyCharm's tables of interpreters, in the shapes of several versions and in every state a file can be in."""

from __future__ import annotations

import codecs
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_machine import make

from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import CommandResult
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.pycharm import command, jdk_table, journal, misc_xml, text_file, xml_edit
from scaffolder.pycharm.interpreter import interpreter_problem, mend_interpreter, register, unregister
from scaffolder.pycharm.running import configuration_folders, pycharm_runs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made-up homes are of Linux")


@dataclass
class Desk(RealSystem):
    """This machine with a home and running programs of our choice."""

    folder: Path
    running: list[str] = field(default_factory=list)
    platform: str = "linux"

    @property
    def home(self) -> Path:
        return self.folder

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "DISPLAY": ":0"}

    def processes(self) -> list[str]:
        return self.running

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        return CommandResult(returncode=0, stdout="3.12.3\n")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Desk(tmp_path)


def make_project(folder: Path) -> Path:
    (folder / ".idea").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "my <demo> & 项目")


def python_of(project: Path) -> Path:
    return project / ".venv/bin/python"


def configuration(desk: Desk, name: str = "PyCharm2026.1", table: str | bytes | None = None) -> Path:
    options = desk.folder / ".config" / "JetBrains" / name / "options"
    options.mkdir(parents=True)
    path = options / "jdk.table.xml"
    if table is not None:
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return path


# As PyCharm writes them, from 2023.1 to 2026.1.
TABLES = {
    "PyCharm2023.1": """<application>
  <component name="ProjectJdkTable">
    <jdk version="2">
      <name value="Python 3.9" />
      <type value="Python SDK" />
      <version value="Python 3.9.13" />
      <homePath value="/usr/bin/python3.9" />
      <roots>
        <classPath>
          <root type="composite">
            <root url="file:///usr/lib/python3.9" type="simple" />
            <root url="file:///usr/lib/python3.9/lib-dynload" type="simple" />
            <root url="file://$USER_HOME$/.cache/JetBrains/PyCharm2023.1/python_stubs/-1247972723" type="simple" />
          </root>
        </classPath>
        <sourcePath>
          <root type="composite" />
        </sourcePath>
      </roots>
      <additional>
        <setting name="FLAVOR_ID" value="UnixPythonSdkFlavor" />
        <setting name="FLAVOR_DATA" value="{}" />
      </additional>
    </jdk>
  </component>
</application>""",
    "PyCharmCE2024.3": """<application>
  <component name="ProjectJdkTable">
    <jdk version="2">
      <name value="Python 3.11 (torch)" />
      <type value="Python SDK" />
      <version value="Python 3.11.7" />
      <homePath value="$USER_HOME$/miniconda3/envs/torch/bin/python" />
      <roots>
        <classPath>
          <root type="composite" />
        </classPath>
        <sourcePath>
          <root type="composite" />
        </sourcePath>
      </roots>
      <additional SDK_UUID="0b1ab3a1-7d0c-4a3f-9a9c-3b52d2c4b8a1">
        <setting name="FLAVOR_ID" value="CondaEnvSdkFlavor" />
        <setting name="FLAVOR_DATA" value="{&quot;env&quot;:{&quot;type&quot;:&quot;UnnamedEnv&quot;}}" />
      </additional>
    </jdk>
  </component>
  <component name="ProjectJdkTable.Extra"><!-- kept --></component>
</application>""",
    "PyCharm2025.2": """<application>
  <component name="ProjectJdkTable">
    <jdk version="2">
      <name value="uv (other)" />
      <type value="Python SDK" />
      <version value="Python 3.13.5" />
      <homePath value="$USER_HOME$/other/.venv/bin/python" />
      <roots>
        <classPath>
          <root type="composite" />
        </classPath>
        <sourcePath>
          <root type="composite" />
        </sourcePath>
      </roots>
      <additional ASSOCIATED_PROJECT_PATH="$USER_HOME$/other" IS_UV="true" UV_WORKING_DIR="$USER_HOME$/o" SDK_UUID="">
        <setting name="FLAVOR_ID" value="UvSdkFlavor" />
        <setting name="FLAVOR_DATA" value="{}" />
      </additional>
    </jdk>
    <jdk version="2">
      <name value="Remote Python 3.12 (ssh)" />
      <type value="Python SDK" />
      <homePath value="ssh://me@gpu:22/usr/bin/python3" />
      <roots />
      <additional CREDENTIALS_ID="1" RUN_AS_ROOT_VIA_SUDO="false" />
    </jdk>
  </component>
</application>""",
    "PyCharm2026.1": "<application>\n</application>",
}


@pytest.fixture
def versions(desk: Desk) -> dict[str, Path]:
    return {name: configuration(desk, name, table) for name, table in TABLES.items()}


def without(text: str, name: str) -> str:
    """The table without one entry, its lines taken out."""
    start = text.index('    <jdk version="2">', text.rindex("<jdk", 0, text.index(f'"{name}"')) - 4)
    end = text.index("</jdk>", start) + len("</jdk>\n")
    return text[:start] + text[end:]


def names(path: Path) -> list[str]:
    return [entry.find("name").get("value") for entry in ElementTree.parse(path).getroot().iter("jdk")]


def test_every_version_learns_it_and_keeps_every_other_byte(
    desk: Desk, project: Path, versions: dict[str, Path]
) -> None:
    done = register(project, python_of(project), "3.12.3", desk)
    assert done.name == f"Python 3.12 ({project.name})"
    assert set(done.tables) == set(versions.values())
    assert done.problems == ()
    for name, path in versions.items():
        assert names(path)[-1] == done.name
        if "ProjectJdkTable" in TABLES[name]:
            text = path.read_text()
            start = text.rindex('    <jdk version="2">')
            end = text.index("</jdk>\n", start) + len("</jdk>\n")
            assert text[:start] + text[end:] == TABLES[name]


def test_undo_restores_every_byte(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    absent = configuration(desk, "PyCharm2025.3")
    (project / ".idea/misc.xml").write_bytes(b"<project>\r\n  <x/>\r\n</project>\r\n")
    register(project, python_of(project), "3.12.3", desk)
    assert {one.outcome for one in unregister(project)} == {"whole"}
    for name, path in versions.items():
        assert path.read_text() == TABLES[name]
        assert [one.name for one in path.parent.iterdir()] == ["jdk.table.xml"]  # the copy is no longer needed
    assert not absent.exists()
    assert (project / ".idea/misc.xml").read_bytes() == b"<project>\r\n  <x/>\r\n</project>\r\n"
    assert unregister(project) == []


def test_undo_takes_out_its_own_entry_alone_where_pycharm_has_written_since(
    desk: Desk, project: Path, versions: dict[str, Path]
) -> None:
    register(project, python_of(project), "3.12.3", desk)
    path = versions["PyCharm2025.2"]
    saved = path.read_text().replace('value="uv (other)"', 'value="uv (renamed)"')
    path.write_text(saved)
    outcomes = {Path(one.change.path).parent.parent.name: one.outcome for one in unregister(project)}
    assert outcomes["PyCharm2025.2"] == "part"
    assert path.read_text() == TABLES["PyCharm2025.2"].replace('value="uv (other)"', 'value="uv (renamed)"')


def test_two_projects_undone_one_after_the_other(desk: Desk, versions: dict[str, Path]) -> None:
    first, second = make_project(desk.folder / "a/demo"), make_project(desk.folder / "b/demo")
    one = register(first, python_of(first), "3.12.3", desk)
    two = register(second, python_of(second), "3.12.3", desk)
    assert two.name == f"{one.name} (2)"
    unregister(first)
    for path in versions.values():
        assert one.name not in names(path)
        assert two.name in names(path)
    unregister(second)
    assert {name: path.read_text() for name, path in versions.items()}["PyCharm2025.2"] == TABLES["PyCharm2025.2"]


def test_an_interpreter_that_the_person_chose_since_stays(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    register(project, python_of(project), "3.12.3", desk)
    text = misc_xml.with_interpreter((project / ".idea/misc.xml").read_text(), "my choice")
    (project / ".idea/misc.xml").write_text(text)
    unregister(project)
    assert misc_xml.interpreter_name((project / ".idea/misc.xml").read_text()) == "my choice"


# ---- states of a file

MARKED = """<?xml version="1.0" encoding="{}"?>
<application>
  <component name="ProjectJdkTable">
    <jdk version="2"><name value="größe" /></jdk>
  </component>
</application>"""


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("iso-8859-1", b""),
        ("gb18030", b""),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_newlines(desk: Desk, project: Path, encoding: str, mark: bytes, newline: str) -> None:
    declared = "UTF-16" if "16" in encoding else encoding
    before = mark + MARKED.format(declared).replace("\n", newline).encode(encoding)
    path = configuration(desk, table=before)
    done = register(project, python_of(project), "3.12.3", desk)
    after = path.read_bytes()
    assert after.startswith(mark)
    text = text_file.decode(after)
    assert text is not None
    assert text.encoding == encoding
    assert [entry.name for entry in jdk_table.entries(text.text, desk)] == ["größe", done.name]
    assert jdk_table.drop(text.text, (str(done.name),)).encode(encoding) == before[len(mark) :]
    assert newline == "\n" or "\n" not in text.text.replace("\r\n", "")
    unregister(project)
    assert path.read_bytes() == before


DAMAGED = {
    "cut off": b"<application><component",
    "empty": b"",
    "zeros": bytes(4096),
    "not utf-8": b"<application>\xff\xfe\xfa</application>",
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><application/>',
    "another root": b"<project></project>",
    "two roots": b"<application/><application/>",
    "entities": b'<!DOCTYPE a [<!ENTITY x "y">]><application>&x;</application>',
    "text": b"hello",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_table_is_left_alone_and_the_others_are_written(desk: Desk, project: Path, content: bytes) -> None:
    damaged = configuration(desk, "PyCharm2025.2", content)
    good = configuration(desk, "PyCharm2026.1", TABLES["PyCharm2026.1"])
    done = register(project, python_of(project), "3.12.3", desk)
    assert damaged.read_bytes() == content
    assert done.tables == (good,)
    assert done.problems == (f"{damaged} is damaged or cannot be read, and was left as it is.",)


def test_a_damaged_table_alone_registers_nothing(desk: Desk, project: Path) -> None:
    configuration(desk, table=b"<application>")
    done = register(project, python_of(project), "3.12.3", desk)
    assert done.name is None
    assert not (project / ".idea/misc.xml").exists()
    assert not mend_interpreter(project, desk).done


def test_a_huge_file_is_no_table(desk: Desk, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_file, "LARGEST", 100)
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    assert register(project, python_of(project), "3.12.3", desk).name is None
    assert path.read_text() == TABLES["PyCharm2025.2"]


@pytest.mark.full
def test_ten_thousand_interpreters(desk: Desk, project: Path) -> None:
    entry = '    <jdk version="2"><name value="Python {} 项" /><homePath value="/p{}/bin/python" /></jdk>\n'
    body = "".join(entry.format(number, number) for number in range(10_000))
    before = f'<application>\n  <component name="ProjectJdkTable">\n{body}  </component>\n</application>'
    path = configuration(desk, table=before)
    done = register(project, python_of(project), "3.12.3", desk)
    assert jdk_table.drop(path.read_text(), (str(done.name),)) == before


def test_a_link_stays_a_link(desk: Desk, project: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "jdk.table.xml"
    real.parent.mkdir()
    real.write_text(TABLES["PyCharm2025.2"])
    path = configuration(desk)
    path.symlink_to(real)
    done = register(project, python_of(project), "3.12.3", desk)
    assert path.is_symlink()
    assert done.name in names(real)
    unregister(project)
    assert path.is_symlink()
    assert real.read_text() == TABLES["PyCharm2025.2"]


@pytest.mark.parametrize("link", ["misc.xml", ".idea"])
def test_a_project_cannot_have_another_file_written(
    desk: Desk, project: Path, versions: dict[str, Path], link: str
) -> None:
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "misc.xml").write_text("the person's own")
    place = project / ".idea" / link if link == "misc.xml" else project / ".idea"
    if place.is_dir():
        place.rmdir()
    place.symlink_to(elsewhere / "misc.xml" if link == "misc.xml" else elsewhere)
    done = register(project, python_of(project), "3.12.3", desk)
    assert done.name is None
    assert "is a link that leads out of the project" in done.problems[0]
    assert (elsewhere / "misc.xml").read_text() == "the person's own"
    assert {name: path.read_text() for name, path in versions.items()} == TABLES


def test_permissions_stay(desk: Desk, project: Path) -> None:
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    path.chmod(0o600)
    register(project, python_of(project), "3.12.3", desk)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home in which we are no administrator: for an administrator nothing is read-only."""
    import shutil

    home = Path(tempfile.mkdtemp(prefix="newmodel-person-"))
    home.chmod(0o755)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    administrator = os.geteuid() == 0
    if administrator:
        os.chown(home, 65534, 65534)
        os.seteuid(65534)
    try:
        yield home
    finally:
        if administrator:
            os.seteuid(0)
        shutil.rmtree(home)


def test_a_read_only_folder(person: Path) -> None:
    desk, project = Desk(person), make_project(person / "demo")
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    path.parent.chmod(0o555)
    try:
        done = register(project, python_of(project), "3.12.3", desk)
        assert done.name is None
        assert done.problems == (f"You may not write to {path}; choose another folder or change its permissions.",)
        assert path.read_text() == TABLES["PyCharm2025.2"]
        assert [one.name for one in path.parent.iterdir()] == ["jdk.table.xml"]
        mending = mend_interpreter(project, desk)
        assert not mending.done
        assert mending.messages == done.problems
    finally:
        path.parent.chmod(0o755)


def test_a_read_only_file(person: Path) -> None:
    desk, project = Desk(person), make_project(person / "demo")
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    path.chmod(0o444)
    done = register(project, python_of(project), "3.12.3", desk)
    assert done.name is None
    assert path.read_text() == TABLES["PyCharm2025.2"]


def test_a_file_that_may_not_be_read(person: Path) -> None:
    desk, project = Desk(person), make_project(person / "demo")
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    path.chmod(0)
    done = register(project, python_of(project), "3.12.3", desk)
    assert done.problems == (f"{path} is damaged or cannot be read, and was left as it is.",)


def test_a_file_that_another_program_holds_open(
    desk: Desk, project: Path, versions: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a file that is opened exclusively can be neither read nor replaced."""
    held = versions["PyCharm2025.2"]
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == held:
            raise PermissionError(13, "The process cannot access the file", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    done = register(project, python_of(project), "3.12.3", desk)
    assert held not in done.tables
    assert len(done.tables) == 3
    assert len(done.problems) == 1
    assert held.read_text() == TABLES["PyCharm2025.2"]


def test_an_older_copy_is_never_written_over(desk: Desk, project: Path) -> None:
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    older = path.with_name("jdk.table.xml.before-newmodel")
    older.write_text("the person's")
    register(project, python_of(project), "3.12.3", desk)
    assert older.read_text() == "the person's"
    assert path.with_name("jdk.table.xml.before-newmodel-2").read_text() == TABLES["PyCharm2025.2"]


def test_a_journal_that_is_damaged_forgets_but_harms_nothing(desk: Desk, project: Path) -> None:
    path = configuration(desk, table=TABLES["PyCharm2025.2"])
    register(project, python_of(project), "3.12.3", desk)
    journal.record_file().write_text("{[")
    assert unregister(project) == []
    other = make_project(desk.folder / "other one")
    assert register(other, python_of(other), "3.12.3", desk).name
    assert len(names(path)) == 4


# ---- the merge, for any table

attribute = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x1F600, exclude_categories=["Cs", "Cn", "Co", "Cc"]), max_size=12
)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A table with entries of any content, in any formatting."""
    space = st.sampled_from(["", " ", "\n", "\n  ", "\r\n    ", "\t", "\n<!-- <jdk> -->\n", "\n\n"])

    homes = st.sampled_from(["/a/b", "$USER_HOME$/x", "/>", "a>b"])

    def element(tag: str, inner: str) -> str:
        return f"<{tag}>{inner}</{tag}>"

    entries = [
        element(
            'jdk version="2"',
            f"{draw(space)}<name value={xml_edit.quoted(draw(attribute))}/>"
            f"{draw(space)}<homePath  value='{draw(homes)}' />{draw(space)}",
        ).replace('</jdk version="2">', "</jdk >")
        for _ in range(draw(st.integers(0, 4)))
    ]
    inner = "".join(draw(space) + entry for entry in entries) + draw(space)
    component = draw(
        st.sampled_from(
            [
                f'<component name="ProjectJdkTable">{inner}</component>',
                f"<component  name='ProjectJdkTable' x='/>'>{inner}</component >",
                '<component name="ProjectJdkTable"/>',
                '<component name="Other">/></component>',
                "",
            ]
        )
    )
    before, after = draw(space), draw(space)
    declaration, end = draw(st.sampled_from(["", '<?xml version="1.0"?>\n'])), draw(st.sampled_from(["", "\n"]))
    return f"{declaration}<application>{before}{component}{after}</application>{end}"


@given(text=tables(), name=attribute, folder=attribute)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_merge_adds_one_entry_and_drops_it_again(text: str, name: str, folder: str) -> None:
    desk = Desk(Path("/home/person"))
    name = f"{name} (new)"
    known = jdk_table.entries(text, desk)
    if any(entry.name == name for entry in known):
        return
    project = Path("/home/person") / (folder.replace("/", "").replace("\0", "") or "p")
    merged = jdk_table.add(text, name, project, project / ".venv/bin/python", "3.12.3", desk)
    found = jdk_table.entries(merged, desk)
    assert [entry.name for entry in found] == [*(entry.name for entry in known), name]
    assert found[:-1] == known
    assert found[-1].home == (project / ".venv/bin/python").as_posix()
    # what was there is there, in its order: nothing but one stretch was put in
    start = next((i for i, (old, new) in enumerate(zip(text, merged, strict=False)) if old != new), len(text))
    dropped = jdk_table.drop(merged, (name,))
    assert jdk_table.entries(dropped, desk) == known
    if 'name="ProjectJdkTable"/>' not in text and "ProjectJdkTable" in text:
        rest = len(text) - start
        assert merged[:start] + merged[len(merged) - rest :] == text
        assert "".join(dropped.split()) == "".join(text.split())


@given(text=st.text(max_size=200) | tables().map(lambda text: text[: len(text) // 2]))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_table_or_refused(text: str) -> None:
    desk = Desk(Path("/home/person"))
    jdk_table.entries(text, desk)
    if not jdk_table.is_table(text):
        with pytest.raises(xml_edit.DamagedXmlError):
            if xml_edit.parse(text).tag != "application":
                raise xml_edit.DamagedXmlError


@given(name=attribute, other=attribute)
@settings(max_examples=100, deadline=None)
def test_misc_xml_keeps_what_else_it_holds(name: str, other: str) -> None:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<project version="4">\n'
        f'  <component name="Black"><option name="sdkName" value={xml_edit.quoted(other)} /></component>\n'
        f"  <component project-jdk-type='x' version=\"2\" name=\"ProjectRootManager\" languageLevel='JDK_21'>\n"
        '    <output url="file://$PROJECT_DIR$/out" />\n  </component>\n</project>'
    )
    changed = misc_xml.with_interpreter(text, name)
    root = ElementTree.fromstring(changed)
    assert root.find("component[@name='Black']/option").get("value") == other
    manager = root.find("component[@name='ProjectRootManager']")
    assert (manager.get("project-jdk-name"), manager.get("project-jdk-type")) == (name, "Python SDK")
    assert manager.get("languageLevel") == "JDK_21"
    assert manager.find("output") is not None


# ---- what is wrong


def test_registered_is_right(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    assert interpreter_problem(project, desk) is None  # nothing chosen yet
    register(project, python_of(project), "3.12.3", desk)
    assert interpreter_problem(project, desk) is None


def test_a_name_that_nobody_knows(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    (project / ".idea/misc.xml").write_text(misc_xml.with_interpreter(None, "Python 3.10 (colleague)"))
    problem = interpreter_problem(project, desk)
    assert problem is not None
    assert problem.kind == "wrong"
    assert problem.what == (
        "This project's interpreter in PyCharm is “Python 3.10 (colleague)”, a name that no PyCharm here knows."
    )
    mending = mend_interpreter(project, desk)
    assert mending.done
    assert interpreter_problem(project, desk) is None


def test_a_project_that_was_renamed(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    first = register(project, python_of(project), "3.12.3", desk)
    moved = project.rename(project.with_name("new name"))
    problem = interpreter_problem(moved, desk)
    assert problem is not None
    assert (problem.kind, problem.name) == ("moved", first.name)
    assert problem.what == f"PyCharm looks for this project's interpreter in {project}, where the project was before."
    assert mend_interpreter(moved, desk).done
    assert interpreter_problem(moved, desk) is None
    assert misc_xml.interpreter_name((moved / ".idea/misc.xml").read_text()) == "Python 3.12 (new name)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("VIRTUAL_ENV=/old place/.venv", "/old place/.venv"),
        ("VIRTUAL_ENV='/old place/.venv'", "/old place/.venv"),
        ('    VIRTUAL_ENV="/old/.venv"', "/old/.venv"),
        ('VIRTUAL_ENV="$(dirname "$0")"', ""),
        ("VIRTUAL_ENV='{here}'", ""),
        ("# nothing", ""),
    ],
)
def test_programs_of_an_environment_that_was_moved(desk: Desk, versions: dict[str, Path], line: str, said: str) -> None:
    project = make_project(desk.folder / "demo")
    activate = project / ".venv/bin/activate"
    activate.write_text(f"deactivate () {{\n}}\n{line.format(here=project / '.venv')}\nexport VIRTUAL_ENV\n")
    notes = mend_interpreter(project, desk).messages[1:]
    assert bool(notes) is bool(said)
    assert all(f"was made in {said}, where" in note for note in notes)


def test_an_environment_that_was_deleted(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    register(project, python_of(project), "3.12.3", desk)
    python_of(project).unlink()
    problem = interpreter_problem(project, desk)
    assert problem is not None
    assert (problem.kind, problem.what) == (
        "missing",
        f"PyCharm runs this project with {python_of(project)}, which is not there.",
    )
    mending = mend_interpreter(project, desk)
    assert not mending.done
    assert "The project has no environment yet" in mending.messages[0]


def test_another_environment(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    conda = desk.folder / "miniconda3/envs/torch/bin/python"
    conda.parent.mkdir(parents=True)
    conda.touch()
    (project / ".idea/misc.xml").write_text(misc_xml.with_interpreter(None, "Python 3.11 (torch)"))
    problem = interpreter_problem(project, desk)
    assert problem is not None
    assert (problem.kind, problem.home) == ("wrong", str(conda))
    # without an environment of its own, it is the person's choice
    python_of(project).unlink()
    assert interpreter_problem(project, desk) is None


def test_an_interpreter_on_another_machine_is_no_mistake(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    (project / ".idea/misc.xml").write_text(misc_xml.with_interpreter(None, "Remote Python 3.12 (ssh)"))
    assert interpreter_problem(project, desk) is None


def test_a_module_with_an_interpreter_of_its_own_is_mended_too(
    desk: Desk, project: Path, versions: dict[str, Path]
) -> None:
    module = project / ".idea/demo.iml"
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<module type="PYTHON_MODULE" version="4">\n'
        '  <component name="NewModuleRootManager">\n    <content url="file://$MODULE_DIR$" />\n'
        '    <orderEntry type="jdk" jdkName="Python 3.9 (gone)" jdkType="Python SDK" />\n  </component>\n</module>'
    )
    module.write_text(text)
    assert interpreter_problem(project, desk) is not None
    assert mend_interpreter(project, desk).done
    assert interpreter_problem(project, desk) is None
    name = xml_edit.quoted(f"Python 3.12 ({project.name})").strip('"')
    assert module.read_text() == text.replace("Python 3.9 (gone)", name)
    unregister(project)
    assert module.read_text() == text


def test_python3_is_the_same_environment(desk: Desk, project: Path) -> None:
    table = TABLES["PyCharm2025.2"].replace("$USER_HOME$/other/.venv/bin/python", "$USER_HOME$/p/.venv/bin/python3")
    configuration(desk, table=table)
    project = make_project(desk.folder / "p")
    (project / ".idea/misc.xml").write_text(misc_xml.with_interpreter(None, "uv (other)"))
    assert interpreter_problem(project, desk) is None


def test_windows_spellings(tmp_path: Path) -> None:
    table = TABLES["PyCharm2025.2"].replace(
        "$USER_HOME$/other/.venv/bin/python", r"C:\Users\Ann\Demo\.venv\Scripts\python.exe"
    )
    home = "C:/Users/ann"
    project = f"{home}/demo"
    machine = make(
        tmp_path,
        platform="win32",
        home=home,
        environ={"APPDATA": f"{home}/AppData/Roaming"},
        texts={
            f"{home}/AppData/Roaming/JetBrains/PyCharm2026.1/options/jdk.table.xml": table,
            f"{project}/.idea/misc.xml": misc_xml.with_interpreter(None, "uv (other)"),
        },
        there=[
            f"{home}/AppData/Roaming/JetBrains/PyCharm2026.1/options",
            f"{project}/.venv/Scripts/python.exe",
        ],
    )
    assert [folder.name for folder in configuration_folders(machine)] == ["PyCharm2026.1"]
    assert interpreter_problem(Path(project), machine) is None
    assert jdk_table.same_path(r"C:\A\b", "c:/a/B/", machine)


# ---- does it run?


@pytest.mark.parametrize(
    ("lock", "name", "runs"),
    [
        ("4242", "pycharm\n", True),
        ("4242", "java\n", True),
        ("4242", "bash\n", False),  # the number belongs to another program since a crash
        ("4242", None, False),
        ("", None, True),
        ("?", None, True),
    ],
)
def test_the_lock_of_a_crashed_pycharm_counts_no_more(tmp_path: Path, lock: str, name: str | None, runs: bool) -> None:
    folder = "/home/person/.config/JetBrains/PyCharm2026.1"
    texts = {f"{folder}/.lock": lock}
    if name is not None:
        texts["/proc/4242/comm"] = name
    assert pycharm_runs(make(tmp_path, texts=texts, there=[f"{folder}/options", "/proc/self"])) is runs


@pytest.mark.parametrize(
    ("platform", "words", "answer", "runs"),
    [
        ("darwin", ("ps", "-p", "7", "-o", "comm="), "/Applications/PyCharm.app/Contents/MacOS/pycharm\n", True),
        ("darwin", ("ps", "-p", "7", "-o", "comm="), "", False),
        ("win32", ("tasklist", "/FI", "PID eq 7", "/FO", "CSV", "/NH"), '"pycharm64.exe","7","Console"\n', True),
        ("win32", ("tasklist", "/FI", "PID eq 7", "/FO", "CSV", "/NH"), "INFO: No tasks are running\n", False),
    ],
)
def test_the_lock_on_other_systems(
    tmp_path: Path, platform: str, words: tuple[str, ...], answer: str, runs: bool
) -> None:
    root = "/home/person/Library/Application Support" if platform == "darwin" else "/home/person/AppData/Roaming"
    folder = f"{root}/JetBrains/PyCharm2026.1"
    machine = make(
        tmp_path, platform=platform, texts={f"{folder}/.lock": "7"}, there=[f"{folder}/options"], says={words: answer}
    )
    assert pycharm_runs(machine) is runs


def test_programs_that_only_sound_alike(desk: Desk) -> None:
    desk.running = ["pycharm-helper", "newmodel pycharm", "mypycharm"]
    assert not pycharm_runs(desk)
    desk.running = ["PyCharm64.exe"]
    assert pycharm_runs(desk)


def test_flatpak_has_its_own_settings(desk: Desk) -> None:
    (desk.folder / ".var/app/com.jetbrains.PyCharm-Professional/config/JetBrains/PyCharm2025.1/options").mkdir(
        parents=True
    )
    assert [folder.name for folder in configuration_folders(desk)] == ["PyCharm2025.1"]


# ---- the command


def test_the_command(desk: Desk, project: Path, versions: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run_interpreter(project, system=desk) == ExitCode.OK
    assert "PyCharm knows the project's interpreter as “Python 3.12" in capsys.readouterr().err
    assert command.run_interpreter(project, dry_run=True, system=desk) == ExitCode.OK
    assert "PyCharm uses “Python 3.12" in capsys.readouterr().err
    with pytest.raises(NewmodelError, match="add --yes"):
        command.run_interpreter(project, undo=True, system=desk)
    assert command.run_interpreter(project, undo=True, yes=True, system=desk) == ExitCode.OK
    assert "files are as they were before." in capsys.readouterr().err
    assert versions["PyCharm2023.1"].read_text() == TABLES["PyCharm2023.1"]
    assert command.run_interpreter(project, undo=True, yes=True, system=desk) == ExitCode.OK
    assert "There is nothing to put back" in capsys.readouterr().err


def test_tune_takes_the_entries_back_as_well(desk: Desk, versions: dict[str, Path]) -> None:
    one, other = make_project(desk.folder / "one"), make_project(desk.folder / "other project")
    for project in (one, other):
        assert command.run_interpreter(project, system=desk) == ExitCode.OK
    assert command.run_tune(one, undo=True, yes=True, system=desk) == ExitCode.OK
    assert names(versions["PyCharm2026.1"]) == ["Python 3.12 (other project)"]
    assert command.run_tune(undo=True, yes=True, system=desk) == ExitCode.OK
    assert {name: path.read_text() for name, path in versions.items()} == TABLES
    assert journal.changes() == []


def test_never_while_pycharm_runs(desk: Desk, project: Path, versions: dict[str, Path]) -> None:
    desk.running = ["pycharm"]
    for undo in (False, True):
        with pytest.raises(NewmodelError, match="PyCharm is running and would write over the change") as raised:
            command.run_interpreter(project, undo=undo, system=desk)
        assert raised.value.exit_code == ExitCode.FINDING
    assert not mend_interpreter(project, desk).done
    assert versions["PyCharm2023.1"].read_text() == TABLES["PyCharm2023.1"]
