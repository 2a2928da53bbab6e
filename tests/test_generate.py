"""Rendering in memory, the checks before anything is written, and putting a project into place in one step."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from scaffolder import generate, staging
from scaffolder.catalog import catalog
from scaffolder.errors import NewmodelError
from scaffolder.generate import BrokenTemplateError, RenderedFile, Rendering, check, render, write
from scaffolder.names import package_name
from scaffolder.template_source import TEMPLATE_URL, templates_folder
from tests.conftest import Result

Newmodel = Callable[..., Result]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
@pytest.mark.parametrize("task", ["tabular", "llm", "foundations"])
def test_the_files_are_those_that_copier_writes(framework: str, task: str, tmp_path: Path) -> None:
    from copier import run_copy

    answers = {"project_name": "Demo 1", "framework": framework, "task": task}
    run_copy(str(templates_folder()), tmp_path / "copier", data=answers, defaults=True, quiet=True)
    ours = render(answers, tmp_path / "ours")
    (tmp_path / "ours").mkdir()
    write(ours, tmp_path / "ours")
    theirs = {
        path.relative_to(tmp_path / "copier").as_posix(): path
        for path in (tmp_path / "copier").rglob("*")
        if path.is_file()
    }
    assert {str(path) for path in ours.files} == set(theirs)
    for path in ours.files:
        mine, other = tmp_path / "ours" / path, theirs[str(path)]
        if path.name != ".copier-answers.yml":  # theirs records a folder, ours the release
            assert mine.read_bytes() == other.read_bytes(), path
        assert mine.stat().st_mode & 0o111 == other.stat().st_mode & 0o111, path


def test_an_answer_that_copier_yml_refuses(tmp_path: Path) -> None:
    with pytest.raises(NewmodelError, match=r"^project_name: A project needs a name\.$"):
        render({"project_name": ""}, tmp_path / "demo")


@pytest.mark.full
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=st.text(min_size=1, max_size=40), target=st.text(min_size=1, max_size=20))
@example(name="a & b <c> ]]> 'd' \\N{ROCKET} {{ e }} {% f %} # g", target='x\n- y: "z" {{ 1 }}')
@example(name="''' $HOME \\U0001 \\", target="#")
def test_any_name_and_column_give_a_whole_project(name: str, target: str, tmp_path: Path) -> None:
    """Or are refused: nothing that a person types makes XML, TOML, YAML or Python that cannot be read."""
    answers = {"project_name": name, "package": package_name(name, catalog()).name}
    own = {"task": "tabular", "data": "own", "data_file": "data/a b.csv", "target_column": target}
    for more in ({"task": "foundations"}, own):
        with suppress(NewmodelError):
            render({**answers, **more}, tmp_path / "demo")


# --- broken templates -------------------------------------------------------------------------------------------------


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny template in the place of ours."""
    folder = tmp_path / "templates"
    (folder / "project").mkdir(parents=True)
    (folder / "copier.yml").write_text(
        "_subdirectory: project\nname: {type: str, default: demo}\n"
        "one: {type: str, when: false, default: '{{ name }}'}\ntwo: {type: str, when: false, default: '{{ name }}'}\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(generate, "templates_folder", lambda: folder)
    monkeypatch.setattr(generate, "current_version", lambda: "v9.9.9")
    return folder


def broken(template: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        path = template / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    with pytest.raises(BrokenTemplateError) as error:
        render({"name": "demo"}, template.parent / "demo")
    return str(error.value)


def test_two_sources_of_one_file(template: Path) -> None:
    assert broken(template, {"{{ one }}/a.txt": "1", "{{ two }}/a.txt": "1"}) == (
        "two templates give the same file demo/a.txt"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.py", "def ("),
        ("a.xml", "<a>"),
        (".idea/b.iml", "<a></b>"),
        ("a.yaml", "a: [1"),
        ("a.json", "{"),
        ("a.toml", "a ="),
    ],
)
def test_a_file_with_wrong_syntax(template: Path, name: str, content: str) -> None:
    assert broken(template, {name: content}).startswith(f"{name} is not valid: ")


def test_an_unknown_name_in_a_template(template: Path) -> None:
    (template / "copier.yml").write_text(
        "_subdirectory: project\n_envops: {undefined: jinja2.StrictUndefined}\nname: {type: str, default: demo}\n",
        encoding="utf-8",
    )
    assert "nowhere" in broken(template, {"a.txt.jinja": "{{ nowhere }}"})


@pytest.mark.parametrize("text", ["{% raw %}{{ name }}{% endraw %}", "{% raw %}{% if name %}{% endraw %}"])
def test_what_is_left_of_a_template(template: Path, text: str) -> None:
    assert "of its template" in broken(template, {"a.txt.jinja": text})


def test_a_path_of_this_machine(template: Path) -> None:
    assert "names a folder of this machine" in broken(template, {"a.txt.jinja": "{{ _copier_conf.dst_path }}"})


def test_what_looks_like_a_template_and_is_none(template: Path) -> None:
    for name, text in {
        "ci.yml.jinja": "{% raw %}run: ${{ matrix.python }}{% endraw %}\n",
        "a.py": "text = f'{{{1}}}'  # {{ not ours }}\n",
        "b.txt.jinja": "{{ name }}",
    }.items():
        (template / "project" / name).write_text(text, encoding="utf-8")
    rendering = render({"name": "{{ odd }} {% name %}"}, template.parent / "demo")
    assert rendering.files[PurePosixPath("b.txt")].content == b"{{ odd }} {% name %}"


def test_what_is_recorded(template: Path) -> None:
    (template / "project" / "{{ _copier_conf.answers_file }}.jinja").write_text(
        "{{ _copier_answers | to_nice_yaml }}", encoding="utf-8"
    )
    content = render({"name": "demo"}, template.parent / "demo").files[PurePosixPath(".copier-answers.yml")].content
    assert content.decode() == f"_commit: v9.9.9\n_src_path: {TEMPLATE_URL}\nname: demo\n"


def test_the_persons_copier_settings_have_no_say(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (template / "project" / "a.txt.jinja").write_text("{{ name }}", encoding="utf-8")
    (tmp_path / "settings.yml").write_text("defaults: {name: theirs}\n", encoding="utf-8")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(tmp_path / "settings.yml"))
    assert render({}, tmp_path / "demo").files[PurePosixPath("a.txt")].content == b"demo"


def test_an_empty_project_is_fine() -> None:
    check(Rendering(files={}, answers={}), Path("/nowhere/demo"))


# --- into place -------------------------------------------------------------------------------------------------------


def small() -> Rendering:
    files = {
        PurePosixPath(name): RenderedFile(content=name.encode(), mode=0o644, from_template=False)
        for name in ("a.txt", "b/c.txt", "d/e/f.txt", "z.txt")
    }
    return Rendering(files=files, answers={})


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


WHOLE = ["a.txt", "b", "b/c.txt", "d", "d/e", "d/e/f.txt", "z.txt"]


def test_a_new_folder_appears_at_once(tmp_path: Path) -> None:
    target = tmp_path / "x" / "demo"
    with staging.staging(target) as stage:
        write(small(), stage.project)
        assert not target.exists()
        stage.commit()
    assert names(target) == WHOLE
    assert names(tmp_path / "x")[0] == "demo"
    assert not list((tmp_path / "x").glob(".newmodel-*"))


@pytest.mark.parametrize("existing", [True, False])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, existing: bool) -> None:
    target = tmp_path / "x" / "demo"
    if existing:
        target.mkdir(parents=True)
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), staging.staging(target) as stage:
        write(small(), stage.project)
        raise KeyboardInterrupt
    assert names(tmp_path) == before


def test_filling_is_taken_back_when_it_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    real, moved = Path.rename, 0

    def fail(self: Path, target: Path) -> Path:
        nonlocal moved
        if target.parent == tmp_path:
            moved += 1
            if moved == 3:
                raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(NewmodelError, match="is full"), staging.staging(tmp_path) as stage:
        write(small(), stage.project)
        stage.commit()
    assert names(tmp_path) == [".git"]


def test_a_folder_that_was_filled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    with pytest.raises(NewmodelError, match="is not empty"), staging.staging(target) as stage:
        write(small(), stage.project)
        target.mkdir()
        (target / "mine.txt").write_text("mine", encoding="utf-8")
        stage.commit()
    assert names(tmp_path) == ["demo", "demo/mine.txt"]


def test_a_running_newmodel_is_not_disturbed(tmp_path: Path) -> None:
    with staging.staging(tmp_path / "one") as stage:
        staging.clear_stale(tmp_path)
        assert stage.folder.is_dir()
        with staging.staging(tmp_path / "two") as other:
            write(small(), other.project)
            other.commit()
        assert stage.folder.is_dir()


# --- killed -----------------------------------------------------------------------------------------------------------

STOP_AT = """
    import sys, time
    from pathlib import Path, PurePosixPath
    sys.path.insert(0, {root!r})
    from scaffolder import generate, staging
    from tests.test_generate import small

    target = Path({target!r})

    def stop():
        print("ready", flush=True)
        time.sleep(60)

    real = Path.rename
    count = 0
    def rename(self, to):
        global count
        if self.parent.name == "project":
            count += 1
            if count == {entries}:
                stop()
        return real(self, to)
    Path.rename = rename
    with staging.staging(target) as stage:
        generate.write(small(), stage.project)
        if {entries} == 0:
            stop()
        stage.commit()
"""


def killed_at(entries: int, target: Path) -> None:
    """Start a process that puts a project into place, and kill it before it has moved so many entries."""
    root = str(Path(__file__).resolve().parent.parent)
    script = textwrap.dedent(STOP_AT).format(root=root, target=str(target), entries=entries)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.kill()


@posix_only
def test_killed_while_writing_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    killed_at(0, target)
    assert not target.exists()
    assert len(list(tmp_path.glob(".newmodel-*"))) == 1
    with staging.staging(target) as stage:
        write(small(), stage.project)
        stage.commit()
    assert names(tmp_path) == ["demo", *(f"demo/{name}" for name in WHOLE)]


@posix_only
@pytest.mark.parametrize("entries", [0, 1, 2, 4])
def test_killed_while_filling_a_folder(tmp_path: Path, entries: int) -> None:
    (tmp_path / ".git").mkdir()
    killed_at(entries, tmp_path)
    staging.clear_stale(tmp_path)
    assert names(tmp_path) == [".git"]
    with staging.staging(tmp_path) as stage:
        write(small(), stage.project)
        stage.commit()
    assert names(tmp_path) == [".git", *WHOLE]


@pytest.mark.full
@posix_only
@pytest.mark.parametrize("after", [0.4, 0.9, 1.4, 1.9, 2.4, 3.2])
def test_the_command_killed_at_any_moment(tmp_path: Path, after: float) -> None:
    """A folder is absent or whole, whenever the process dies."""
    command = [
        *(sys.executable, "-m", "scaffolder", "init", "demo", "--defaults"),
        *("--set", "install_now=no", "--set", "use_git=no"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
    target = tmp_path / "demo"
    if target.exists():
        answers = {"project_name": "demo", "install_now": False, "use_git": False}
        assert set(render(answers, target).files) <= {
            PurePosixPath(path.relative_to(target).as_posix()) for path in target.rglob("*")
        }
        shutil.rmtree(target)
    staging.clear_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []
