"""Malicious templates, really tried: each is refused in one sentence, and nothing around has changed."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from foreign_templates_made import COOKIECUTTER, COPIER, Surrounding, repository, surrounding_world, write

__all__ = ["surrounding_world"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the attacks are written for POSIX file names")


@pytest.fixture
def refused(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> Callable[..., str]:
    """Run `init` with a template and expect one sentence, exit code 2, and a surrounding without any change."""

    def run(template: str | Path, *arguments: str) -> str:
        before = surrounding_world.state()
        result = newmodel("init", "project", "--template", template, "--defaults", *arguments)
        assert result.code == 2, result.err + result.out
        assert result.out == ""
        assert result.err.count("\n") == 1, result.err
        assert "Traceback" not in result.err
        assert surrounding_world.state() == before
        return str(result.err)

    return run


def cookiecutter(answers: dict[str, Any], files: dict[str, str | bytes]) -> dict[str, str | bytes]:
    return {"cookiecutter.json": json.dumps({"slug": "thing", **answers}), **files}


# --- out of the folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        cookiecutter({"bad": "../../../../work/canary.txt"}, {"{{cookiecutter.slug}}/{{cookiecutter.bad}}": "dead\n"}),
        cookiecutter({"slug": "../../../work"}, {"{{cookiecutter.slug}}/canary.txt": "dead\n"}),
        cookiecutter(
            {"bad": "../beside"}, {"{{cookiecutter.slug}}/x": "", "{{cookiecutter.slug}}/{{cookiecutter.bad}}": ""}
        ),
        cookiecutter({"bad": ".."}, {"{{cookiecutter.slug}}/{{cookiecutter.bad}}/x": "dead\n"}),
        cookiecutter({"bad": "{{ '.' }}{{ '.' }}/new"}, {"{{cookiecutter.slug}}/{{cookiecutter.bad}}/x": "dead\n"}),
        {
            "copier.yml": "bad: ../../../work/canary.txt\n",
            "{{ bad }}.jinja": "dead\n",
        },
        {"copier.yml": "bad: ..\n", "{{ bad }}/{{ bad }}/canary.txt.jinja": "dead\n"},
        {"copier.yml": "_subdirectory: ../..\n"},
        {"copier.yml": "_answers_file: ../../answers.yml\n", "{{ _copier_conf.answers_file }}.jinja": "dead\n"},
    ],
    ids=[
        "cc-file",
        "cc-root",
        "cc-beside",
        "cc-folder",
        "cc-joined",
        "copier-file",
        "copier-folder",
        "copier-root",
        "copier-answers",
    ],
)
def test_upwards(files: Any, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    said = refused(write(surrounding_world.attack / "template", files))
    assert "outside the project" in said or "leads out" in said or "cannot be rendered" in said


@pytest.mark.parametrize("kind", ["cookiecutter", "copier"])
def test_absolute(kind: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    target = str(surrounding_world.root / "canary.txt")
    files = (
        cookiecutter({"bad": target}, {"{{cookiecutter.slug}}/{{cookiecutter.bad}}": "dead\n"})
        if kind == "cookiecutter"
        else {"copier.yml": f"bad: {target}\n", "{{ bad }}.jinja": "dead\n"}
    )
    assert "outside the project" in refused(write(surrounding_world.attack / "template", files))


@pytest.mark.parametrize(
    "link", ["-> ../../../home/.bashrc", "-> /etc/passwd", "-> ../../../home", "-> loop", "-> ../.git/config"]
)
def test_links_that_lead_out(link: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    name = "loop" if link == "-> loop" else "secret"
    files = {**COPIER, "_x": "", f"data/{name}": link} | {"copier.yml": "_preserve_symlinks: true\n"}
    said = refused(write(surrounding_world.attack / "template", files))
    assert said == f"data/{name} is refused: it is a link that leads out of the folder; nothing was written.\n"


def test_link_made_while_rendering(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    """Inside the template the link is harmless; where it would be put, it leads out."""
    files = {
        "copier.yml": "_preserve_symlinks: true\n_subdirectory: a/b\nup: ..\n",
        "a/b/here/{{ up }}link": "",
        "a/secret": "x",
        "a/b/link": "-> ../secret",
    }
    said = refused(write(surrounding_world.attack / "template", files))
    assert "link" in said


def test_writing_through_a_link(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = {**COOKIECUTTER, "{{cookiecutter.slug}}/out": f"-> {surrounding_world.root / 'work'}"}
    assert "link that leads out" in refused(write(surrounding_world.attack / "template", files))


# --- names that are something else ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git/hooks/post-checkout", "git would take it for its own folder"),
        (".GIT/hooks/post-checkout", "git would take it for its own folder"),
        (".Git/config", "git would take it for its own folder"),
        ("git~1/config", "git would take it for its own folder"),
        (".git ./config", "git would take it for its own folder"),
        (".git::$INDEX_ALLOCATION/config", "git would take it for its own folder"),
        (".ｇｉｔ/config", "git would take it for its own folder"),
        (".g\u200cit/config", "invisible character U+200C"),
        ("sub/.git/hooks/x", "git would take it for its own folder"),
        ("CON", "Windows reserves its name"),
        ("nul.txt", "Windows reserves its name"),
        ("sub/Com1.py", "Windows reserves its name"),
        ("LPT¹", "Windows reserves its name"),
        ("readme.", "ends with a dot or a space"),
        ("readme ", "ends with a dot or a space"),
        ("a.txt:evil.exe", "“:”"),
        ("a\\..\\..\\evil", "slash"),
        ("..／evil", "slash"),
        ("‥", "leads out"),
        ("photo\u202egnp.py", "invisible character U+202E"),
        ("main\u200b.py", "invisible character U+200B"),
        ("a\nb", "invisible character U+000A"),
        ("\x1b[2Jx", "invisible character U+001B"),
        ("mаin.py", "mixes Latin letters"),
        ("what?.py", "which no file on Windows can have"),
    ],
)
def test_names(name: str, reason: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = {**COOKIECUTTER, "{{cookiecutter.slug}}/" + name: "x\n"}
    assert reason in refused(write(surrounding_world.attack / "template", files))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git/hooks/post-checkout", "git would take it for its own folder"),
        (".gIt/config", "git would take it for its own folder"),
        ("aux.py", "Windows reserves its name"),
        ("a.txt:evil.exe", "“:”"),
        ("main\u200b.py", "invisible character U+200B"),
    ],
)
def test_names_made_while_rendering(
    name: str, reason: str, refused: Callable[..., str], surrounding_world: Surrounding
) -> None:
    """Not in the template's file names, but in what they become."""
    values = {f"p{index}": part for index, part in enumerate(name.split("/"))}
    path = "/".join(f"{{{{cookiecutter.{key}}}}}" for key in values)
    files = cookiecutter(values, {"{{cookiecutter.slug}}/" + path: "x\n", "{{cookiecutter.slug}}/ok": "x\n"})
    assert reason in refused(write(surrounding_world.attack / "template", files))


def test_the_sandbox_gives_nothing(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> None:
    """Where copier's Jinja says nothing about a forbidden attribute, it is empty."""
    files = {**COPIER, "x.txt.jinja": "[{{ ''|attr('__class__') }}{{ ''['__class__'] }}]"}
    folder = write(surrounding_world.attack / "template", files)
    assert newmodel("init", "project", "--template", folder, "--defaults").code == 0
    assert (surrounding_world.here / "project" / "x.txt").read_text() == "[]"


@pytest.mark.parametrize("pair", [("Makefile", "makefile"), ("é.txt", "e\u0301.txt"), ("сор.py", "cop.py")])
def test_two_names_for_one(pair: tuple[str, str], refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = {**COOKIECUTTER, **{"{{cookiecutter.slug}}/" + name: "x\n" for name in pair}}
    assert "the same name for some computers" in refused(write(surrounding_world.attack / "template", files))


@pytest.mark.parametrize("special", ["pipe", "socket"])
def test_neither_file_nor_folder(special: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    folder = write(surrounding_world.attack / "template", COOKIECUTTER)
    if special == "pipe":
        os.mkfifo(folder / "pipe")
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            here = Path.cwd()
            os.chdir(folder)  # the path of a socket must be short
            opened.bind("socket")
            os.chdir(here)
    assert "neither a file nor a folder" in refused(folder)


# --- PyCharm's files ------------------------------------------------------------------------------------------------


def configuration(options: str = "", method: str = '<method v="2" />', kind: str = "PythonConfigurationType") -> str:
    return (
        '<component name="ProjectRunConfigurationManager">'
        f'<configuration default="false" name="Run" type="{kind}" factoryName="Python">{options}{method}'
        "</configuration></component>"
    )


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        (
            ".idea/runConfigurations/Run.xml",
            configuration('<option name="SCRIPT_NAME" value="$PROJECT_DIR$/../../evil.py" />'),
            "names “$PROJECT_DIR$/../../evil.py”, which is outside the project",
        ),
        (
            ".idea/runConfigurations/Run.xml",
            configuration('<option name="SCRIPT_NAME" value="/tmp/evil.py" />'),
            "names “/tmp/evil.py”, which is outside the project",
        ),
        (
            ".idea/runConfigurations/Run.xml",
            configuration('<option name="SDK_HOME" value="$USER_HOME$/evil/python" />'),
            "which is outside the project",
        ),
        (
            ".run/Run.run.xml",
            configuration('<option name="INTERPRETER_PATH" value="C:\\evil.exe" />', kind="ShConfigurationType"),
            "which is outside the project",
        ),
        (
            "deep/down/Other.run.xml",
            configuration('<option name="SCRIPT_PATH" value="file:///tmp/evil.sh" />'),
            "which is outside the project",
        ),
        (
            ".idea/runConfigurations/Run.xml",
            configuration(
                method='<method v="2"><option name="RunConfigurationTask" enabled="true" '
                'run_configuration_name="Evil" run_configuration_type="ShConfigurationType" /></method>'
            ),
            "has “ShConfigurationType” run before a run configuration",
        ),
        (
            ".IDEA/workspace.xml",
            '<project><component name="RunManager"><configuration name="x"><method v="2">'
            '<option name="ToolBeforeRunTask" enabled="true" actionId="Tool_evil" /></method></configuration>'
            "</component></project>",
            "has “ToolBeforeRunTask” run before a run configuration",
        ),
        (
            ".idea/startup.xml",
            '<project><component name="ProjectStartupSharedConfiguration"><configurations>'
            '<configuration name="Evil" /></configurations></component></project>',
            "makes PyCharm run something without being asked",
        ),
        (
            ".idea/watcherTasks.xml",
            '<project><component name="ProjectTasksOptions"><TaskOptions isEnabled="true" /></component></project>',
            "makes PyCharm run something without being asked",
        ),
        (
            ".idea/modules.xml",
            '<project><component name="ProjectModuleManager"><modules>'
            '<module filepath="$PROJECT_DIR$/../other/evil.iml" /></modules></component></project>',
            "which is outside the project",
        ),
        (".idea/misc.xml", '<!DOCTYPE x [<!ENTITY a "b">]><project>&a;</project>', "is no plain XML"),
        (".idea/misc.xml", "<project", "is no valid XML"),
    ],
)
def test_project_files_of_pycharm(
    path: str, content: str, reason: str, refused: Callable[..., str], surrounding_world: Surrounding
) -> None:
    files = {**COOKIECUTTER, "{{cookiecutter.slug}}/" + path: content}
    said = refused(write(surrounding_world.attack / "template", files))
    assert said.startswith(f"{path} is refused: it ")
    assert reason in said


# --- too much -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cookiecutter", "copier"])
@pytest.mark.parametrize(
    "loop",
    [
        "{% for i in range(99999) %}{{ 'x' * 50000 }}{% endfor %}",
        "{{ 'x' * 4294967296 }}",
        "{% set ns = namespace(t='x') %}{% for i in range(33) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}",
        "{% for i in range(999999999) %}x{% endfor %}",
    ],
    ids=["loop", "product", "doubling", "range"],
)
def test_4_gb_from_a_loop(kind: str, loop: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = (
        {**COOKIECUTTER, "{{cookiecutter.slug}}/big": loop} if kind == "cookiecutter" else {**COPIER, "big.jinja": loop}
    )
    said = refused(write(surrounding_world.attack / "template", files))
    assert "stopped" in said or "reaches into Python" in said


@pytest.mark.parametrize("what", ["files", "bytes"])
def test_many_files(
    what: str, refused: Callable[..., str], surrounding_world: Surrounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handful of lines that become more than a disk should take."""
    from scaffolder.foreign import limits, render, safety

    small = limits.Limits(files=300, total=3_000_000)
    for module in (limits, render, safety):
        if hasattr(module, "LIMITS"):
            monkeypatch.setattr(module, "LIMITS", small)
    each = "x" if what == "files" else "{{ 'x' * 100000 }}"
    files = {"copier.yml": "n: 1\n", "{% yield i from range(2000) %}{{ i }}{% endyield %}.txt.jinja": each}
    said = refused(write(surrounding_world.attack / "template", files))
    assert "more than" in said


def test_computing_without_end(
    refused: Callable[..., str], surrounding_world: Surrounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaffolder.foreign import limits, render

    monkeypatch.setattr(render, "LIMITS", limits.Limits(cpu_s=3))
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    said = refused(write(surrounding_world.attack / "template", {**COPIER, "x.jinja": endless}))
    assert said == "The template was stopped: it computes for more than 3 seconds; nothing was written.\n"


def test_a_configuration_that_multiplies_itself(
    refused: Callable[..., str], surrounding_world: Surrounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaffolder.foreign import limits, render

    monkeypatch.setattr(render, "LIMITS", limits.Limits(cpu_s=3))
    lines = ["_exclude: &a [x, x, x, x, x, x, x, x, x]"]
    names = "abcdefghij"
    lines += [f"_{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in pairwise(names)]
    lines.append("_tasks: *j")
    refused(write(surrounding_world.attack / "template", {"copier.yml": "\n".join(lines) + "\n", "x": ""}))


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "[]", '{"templates": {"a": {"path": "../../.."}}}'])
def test_a_damaged_configuration(content: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    refused(write(surrounding_world.attack / "template", {**COOKIECUTTER, "cookiecutter.json": content}))


# --- code -----------------------------------------------------------------------------------------------------------

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch /tmp/evil') }}",
    "{{ self._TemplateReference__context }}{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ '{0.__class__.__mro__}'.format(1) }}",
    "{% set f = '{0.__class__.__mro__}'.format %}{{ f(1) }}",
    "{{ joiner.__init__['__glob' ~ 'als__'] }}",
]


WAYS = [("file", escape) for escape in ESCAPES] + [("name", ESCAPES[0]), ("default", ESCAPES[1])]


@pytest.mark.parametrize("kind", ["cookiecutter", "copier"])
@pytest.mark.parametrize(("where", "escape"), WAYS)
def test_jinja_that_reaches_python(
    kind: str, escape: str, where: str, refused: Callable[..., str], surrounding_world: Surrounding
) -> None:
    if kind == "cookiecutter":
        files: dict[str, Any] = {**COOKIECUTTER}
        if where == "file":
            files["{{cookiecutter.slug}}/x.txt"] = escape
        elif where == "default":
            files["cookiecutter.json"] = json.dumps({"slug": "thing", "x": escape})
        else:
            files["{{cookiecutter.slug}}/a" + escape.replace("/", "")] = "x"
    else:
        files = {**COPIER}
        if where == "file":
            files["x.txt.jinja"] = escape
        elif where == "default":
            files["copier.yml"] = f"x:\n  type: str\n  default: {json.dumps(escape)}\n"
        else:
            files["a" + escape.replace("/", "") + ".jinja"] = "x"
    said = refused(write(surrounding_world.attack / "template", files))
    assert "reaches into Python" in said or "refused" in said or "cannot be rendered" in said or "unsafe" in said


CODE = {
    "hook": ({**COOKIECUTTER, "hooks/post_gen_project.py": "open('evil', 'w')\n"}, "hooks/post_gen_project.py"),
    "shell-hook": ({**COOKIECUTTER, "hooks/pre_gen_project.sh": "#!/bin/sh\ntouch evil\n"}, "hooks/pre_gen_project.sh"),
    "pre-prompt": ({**COOKIECUTTER, "hooks/pre_prompt.py": "open('evil', 'w')\n"}, "hooks/pre_prompt.py"),
    "extension": (
        {
            **COOKIECUTTER,
            "cookiecutter.json": json.dumps({"slug": "thing", "_extensions": ["local_extensions.Evil"]}),
            "local_extensions.py": "open('evil', 'w')\n",
        },
        "local_extensions.py",
    ),
    "task": ({**COPIER, "copier.yml": "_tasks:\n  - touch evil\n  - [touch, evil2]\n"}, "touch evil, touch evil2"),
    "task-with-a-condition": (
        {**COPIER, "copier.yml": "_tasks:\n  - command: touch evil\n    when: true\n"},
        "touch evil",
    ),
    "copier-extension": (
        {**COPIER, "copier.yml": "_jinja_extensions: [os.system]\n"},
        "the Jinja extension os.system",
    ),
}


@pytest.mark.parametrize("case", CODE)
def test_code_without_trust(case: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files, named = CODE[case]
    said = refused(write(surrounding_world.attack / "template", files))
    assert said == (
        f"The template would run code of its own: {named}; look at it, and allow it with --trust if you trust its "
        "author.\n"
    )


def test_code_from_a_repository_without_trust(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    folder = surrounding_world.attack / "repository"
    repository(folder, CODE["hook"][0])
    assert "hooks/post_gen_project.py" in refused(f"file://{folder}")


def test_modules_that_hide_real_ones(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> None:
    """Python looks for modules in its own places only, whatever lies in the template or in the current folder."""
    evil = f"open({str(surrounding_world.root / 'evil')!r}, 'w').close()\n"
    names = ("jinja2", "copier", "cookiecutter", "yaml", "resource", "simplejson", "sitecustomize", "arrow", "slugify")
    files = {**COOKIECUTTER, **{f"{name}.py": evil for name in names}}
    files |= {"{{cookiecutter.slug}}/" + f"{name}.py": evil for name in names}
    folder = write(surrounding_world.attack / "template", files)
    write(surrounding_world.here, {f"{name}.py": evil for name in names})
    result = newmodel("init", "project", "--template", folder, "--defaults")
    assert result.code == 0, result.err
    assert not (surrounding_world.root / "evil").exists()


def test_external_data_from_outside(refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = {
        "copier.yml": "_external_data:\n  secret: ../../home/secret.yml\n",
        "x.jinja": "{{ _external_data.secret }}",
    }
    (surrounding_world.root / "home" / "secret.yml").write_text("token: 1\n")
    assert "outside" in refused(write(surrounding_world.attack / "template", files))


@pytest.mark.parametrize("name", ["../../home/.bashrc", "/etc/passwd"])
def test_including_what_is_outside(name: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    files = {**COOKIECUTTER, "{{cookiecutter.slug}}/x": "{% include '" + name + "' %}"}
    assert "cannot be rendered" in refused(write(surrounding_world.attack / "template", files))


def test_configuration_that_includes_what_is_outside(
    refused: Callable[..., str], surrounding_world: Surrounding
) -> None:
    """`!include` of the file beside the fetched template in which newmodel itself says what is to be done."""
    files = {"copier.yml": "!include ../inspect.json\n", "x": ""}
    assert "outside the project" in refused(write(surrounding_world.attack / "template", files))


def test_words_that_command_the_terminal(newmodel: Callable[..., Any], surrounding_world: Surrounding) -> None:
    """What a template says is shown without anything that moves the cursor, sets the title or hides text."""
    message = "\\e[2J\\e]0;title\\a\\e[8mhidden\\e[0m fine"
    files = {**COPIER, "copier.yml": f'name: "x\\e[2J"\n_message_after_copy: "{message}"\n'}
    result = newmodel(
        "init", "project", "--template", write(surrounding_world.attack / "template", files), "--defaults"
    )
    assert result.code == 0, result.err
    assert "hidden fine" in result.err
    assert "\x1b" not in result.err + result.out


@pytest.mark.parametrize("directory", ["..", "../..", "/etc", "a/../../b", "-x"])
def test_directory_that_leads_out(directory: str, refused: Callable[..., str], surrounding_world: Surrounding) -> None:
    refused(write(surrounding_world.attack / "template", COOKIECUTTER), f"--directory={directory}")
