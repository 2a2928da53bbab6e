"""`newmodel mirrors`: a person's own settings are changed in one line and come back as they were."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.environment.network.mirrors import MIRRORS
from scaffolder.environment.real_system import RealSystem
from scaffolder.errors import NewmodelError
from scaffolder.index_files import NotUnderstoodError, pip_text, uv_text
from scaffolder.install.settings import pip_settings, uv_default_index
from scaffolder.install.toml import toml
from scaffolder.mirrors import run_mirrors
from scaffolder.project_packages import declare, index_build

TSINGHUA, ALIYUN = MIRRORS[0].packages, MIRRORS[1].packages
TEMPLATES = Path(__file__).parent.parent / "templates"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="places of POSIX")


class Person(RealSystem):
    """This machine, with a home of the test's own."""

    def __init__(self, home: Path, platform: str = "linux", **environ: str) -> None:
        self._home, self.platform, self._environ = home, platform, environ

    @property
    def home(self) -> Path:
        return self._home

    @property
    def environ(self) -> dict[str, str]:
        return self._environ


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Person(tmp_path)


def files(person: Person) -> tuple[Path, Path]:
    return person.home / ".config/pip/pip.conf", person.home / ".config/uv/uv.toml"


def test_both_tools_take_the_mirror_and_come_back(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_mirrors(use="tsinghua", system=person) == 0
    assert pip_settings(person.environ, person.home).index_url == TSINGHUA
    assert uv_default_index(person.environ, person.home) == TSINGHUA
    said = capsys.readouterr().err
    assert "export HF_ENDPOINT=https://hf-mirror.com" in said and "Run › Edit Configurations" in said
    assert run_mirrors(undo=True, system=person) == 0
    assert not any(path.exists() for path in files(person)), "there were none before"
    assert list((person.home / ".config/pip").iterdir()) == []


def test_what_else_is_set_stays_and_undo_brings_back_the_first_state(person: Person) -> None:
    pip, uv = files(person)
    pip.parent.mkdir(parents=True)
    uv.parent.mkdir(parents=True)
    old_pip = b"# mine\r\n[global]\r\nindex-url = https://old.example/simple\r\ntimeout = 60\r\n"
    old_uv = b'link-mode = "copy" # slow disk\n\n[[index]]\nname = "firm"\nurl = "https://firm.example/simple"\n'
    pip.write_bytes(old_pip)
    uv.write_bytes(old_uv)
    pip.chmod(0o600)
    run_mirrors(use="tsinghua", system=person)
    run_mirrors(use="aliyun", system=person)
    assert b"timeout = 60\r\n" in pip.read_bytes() and b"# mine\r\n" in pip.read_bytes()
    assert pip.read_bytes().count(b"index-url") == 1
    assert uv.read_bytes().startswith(old_uv)
    assert uv_default_index(person.environ, person.home) == ALIYUN
    assert stat.S_IMODE(pip.stat().st_mode) == 0o600
    assert run_mirrors(undo=True, system=person) == 0
    assert (pip.read_bytes(), uv.read_bytes()) == (old_pip, old_uv)


def test_off_is_pypi_itself(person: Person) -> None:
    run_mirrors(use="ustc", system=person)
    assert run_mirrors(use="off", system=person) == 0
    assert pip_settings(person.environ, person.home).index_url == ""
    assert uv_default_index(person.environ, person.home) == ""


def test_a_file_that_was_changed_since_is_left_alone(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    pip, uv = files(person)
    run_mirrors(use="tsinghua", system=person)
    pip.write_text(pip.read_text() + "timeout = 9\n")
    assert run_mirrors(undo=True, system=person) == 1
    assert "timeout = 9" in pip.read_text() and not uv.exists()
    assert "changed since" in capsys.readouterr().err


def test_a_dry_run_shows_and_writes_nothing(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    pip, _uv = files(person)
    pip.parent.mkdir(parents=True)
    pip.write_text("[global]\nindex-url = https://li:secret@firm.example/simple\n")
    before = pip.read_text()
    assert run_mirrors(use="tsinghua", dry_run=True, system=person) == 0
    shown = capsys.readouterr().out
    assert f"+index-url = {TSINGHUA}" in shown and "-index-url = https://firm.example" in shown
    assert "secret" not in shown
    assert pip.read_text() == before and not list(person.home.rglob("*.before-newmodel"))


def test_a_link_to_ones_dotfiles_stays_a_link(person: Person) -> None:
    real = person.home / "dotfiles/pip.conf"
    real.parent.mkdir()
    real.write_text("[global]\ntimeout = 5\n")
    pip, _uv = files(person)
    pip.parent.mkdir(parents=True)
    pip.symlink_to(real)
    run_mirrors(use="tsinghua", system=person)
    assert pip.is_symlink() and TSINGHUA in real.read_text()
    run_mirrors(undo=True, system=person)
    assert pip.is_symlink() and real.read_text() == "[global]\ntimeout = 5\n"


def test_a_variable_that_goes_before_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person = Person(tmp_path, PIP_INDEX_URL="https://firm.example/simple")
    run_mirrors(use="tsinghua", system=person)
    assert "PIP_INDEX_URL goes before this" in capsys.readouterr().err


def test_files_that_the_environment_names(tmp_path: Path) -> None:
    person = Person(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "own.conf"), UV_CONFIG_FILE=str(tmp_path / "own.toml"))
    run_mirrors(use="tsinghua", system=person)
    assert TSINGHUA in (tmp_path / "own.conf").read_text() and TSINGHUA in (tmp_path / "own.toml").read_text()


def test_windows_and_its_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person = Person(tmp_path, platform="win32", APPDATA=str(tmp_path / "Roaming"))
    run_mirrors(use="tencent", system=person)
    assert "mirrors.cloud.tencent.com" in (tmp_path / "Roaming/pip/pip.ini").read_text()
    assert "mirrors.cloud.tencent.com" in (tmp_path / "Roaming/uv/uv.toml").read_text()
    assert 'setx HF_ENDPOINT "https://hf-mirror.com"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"use": "douban"}, "There is no mirror “douban”; there are: tsinghua, "),
        ({"hub": "docker"}, "There is no hub “docker”; there are: hf-mirror, modelscope, official."),
        ({"use": "off", "undo": True}, "--undo goes alone"),
        ({"hub": "modelscope", "project": Path("/nowhere")}, "There is no project in /nowhere"),
    ],
)
def test_bad_input_is_one_sentence(person: Person, options: dict[str, Any], words: str) -> None:
    with pytest.raises(NewmodelError, match=r"^[^\n]*$") as caught:
        run_mirrors(system=person, **options)
    assert words in str(caught.value)


def test_settings_that_cannot_be_changed_are_left(person: Person) -> None:
    _pip, uv = files(person)
    uv.parent.mkdir(parents=True)
    uv.write_text('index = [{url = "https://a.example", default = true}]\n')
    with pytest.raises(NewmodelError, match="by hand"):
        run_mirrors(use="tsinghua", system=person)
    assert not files(person)[0].exists(), "both or none"
    uv.write_bytes(b"\xff\xfe")
    with pytest.raises(NewmodelError, match="not UTF-8"):
        run_mirrors(use="tsinghua", system=person)


def test_what_is_set_and_what_there_is(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    run_mirrors(use="sjtu", system=person)
    capsys.readouterr()
    assert run_mirrors(system=person) == 0
    assert "(sjtu)" in capsys.readouterr().out
    assert run_mirrors(listing=True, as_json=True, system=person) == 0
    content = json.loads(capsys.readouterr().out)
    assert [mirror["name"] for mirror in content["mirrors"]] == [mirror.name for mirror in MIRRORS]
    assert content["pip"] == content["uv"] == "https://mirror.sjtu.edu.cn/pypi/web/simple"


def test_modelscope_is_declared_in_the_project(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    project = person.home / "demo"
    project.mkdir()
    text = '[project]\nname = "demo"\ndependencies = [\n  "torch==2.13.0", # tested with\n  "numpy>=2" # last\n]\n'
    (project / "pyproject.toml").write_text(text)
    assert run_mirrors(hub="modelscope", project=project, system=person) == 0
    changed = (project / "pyproject.toml").read_text()
    assert toml(changed)["project"]["dependencies"] == ["torch==2.13.0", "numpy>=2", "modelscope>=1.20"]
    assert "modelscope download --model" in capsys.readouterr().err
    assert run_mirrors(hub="modelscope", project=project, system=person) == 0
    assert (project / "pyproject.toml").read_text() == changed, "declared once"


def test_pytorchs_builds_from_the_mirror(person: Person, capsys: pytest.CaptureFixture[str]) -> None:
    index = 'name = "pytorch"\nurl = "https://download.pytorch.org/whl/cu130"\nexplicit = true\n'
    Path("pyproject.toml").write_text(f"[[tool.uv.index]]\n{index}")
    run_mirrors(use="nju", system=person)
    assert "uv sync --index pytorch=https://mirror.nju.edu.cn/pytorch/whl/cu130" in capsys.readouterr().err
    run_mirrors(use="aliyun", system=person)
    assert "--find-links https://mirrors.aliyun.com/pytorch-wheels/cu130" in capsys.readouterr().err
    assert index_build("[") == "" and index_build("tool = 3") == ""


LINES = st.sampled_from(
    [
        "[global]",
        "[install]",
        "[freeze]",
        "index-url = https://a.example",
        "index_url: https://b.example",
        "    https://continued.example",
        "timeout = 60",
        "# index-url = no",
        "",
        "extra-index-url =",
    ]
)


@given(st.lists(LINES, max_size=12).map("\n".join), st.sampled_from(["", TSINGHUA]))
def test_any_settings_of_pip(text: str, url: str) -> None:
    try:
        changed = pip_text(text, url)
    except NotUnderstoodError:
        return
    assert pip_text(changed, url) == changed, "a second time changes nothing"
    own = {"PIP_CONFIG_FILE": "/own.conf"}
    found = pip_settings(own, Path("/nowhere"), read=lambda path: changed if path == Path("/own.conf") else None)
    assert found.index_url == url
    assert changed.count("timeout = 60") == text.count("timeout = 60")


TOML = st.sampled_from(
    [
        "native-tls = true\n",
        'index-url = "https://a.example"\n',
        '[[index]]\nurl = "https://b.example"\ndefault = true\n',
        '[[index]]\nname = "firm"\nurl = "https://firm.example"\n',
        '[pip]\nindex-url = "https://c.example"\n',
        "# note\n\n",
        "[[[\n",
    ]
)


@given(st.lists(TOML, max_size=6, unique=True).map("".join), st.sampled_from(["", TSINGHUA]))
def test_any_settings_of_uv(text: str, url: str) -> None:
    try:
        changed = uv_text(text, url)
    except NotUnderstoodError:
        return
    assert uv_text(changed, url) == changed
    before, after = toml(text), toml(changed)
    assert ("pip" in before, "native-tls" in before) == ("pip" in after, "native-tls" in after)
    assert [one["url"] for one in after.get("index", []) if one.get("default")] == ([url] if url else [])


@given(st.text(max_size=80))
def test_any_text_for_a_project(text: str) -> None:
    try:
        declare(text, "modelscope>=1.20")
    except NotUnderstoodError:
        return


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from scaffolder import cli

    for name in ("PIP_CONFIG_FILE", "UV_CONFIG_FILE", "UV_NO_CONFIG", "PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["mirrors", "--use", "tsinghua"]) == 0
    assert cli.main(["mirrors", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["uv"] == TSINGHUA
    assert cli.main(["mirrors", "--undo"]) == 0
    assert cli.main(["mirrors", "--use", "nowhere"]) == 2
    assert len(capsys.readouterr().err.splitlines()[-1].split(". ")) == 1
