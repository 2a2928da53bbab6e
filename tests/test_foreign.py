"""`newmodel init --template`: both kinds of template, from a folder, a zip, a wheel, an address."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_templates_made import COOKIECUTTER, COPIER, Files, Surrounding, surrounding_world, write
from git_server import serve

from scaffolder import console

__all__ = ["surrounding_world"]


@pytest.fixture
def world(surrounding_world: Surrounding) -> Surrounding:
    return surrounding_world


@pytest.fixture
def template(world: Surrounding) -> Callable[[Files], Path]:
    return lambda files: write(world.attack / "template", files)


def packed(folder: Path, path: Path, *, inside: str = "") -> Path:
    """`folder` as an archive."""
    if path.name.endswith((".zip", ".whl")):
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, inside + str(file.relative_to(folder)))
            if path.suffix == ".whl":
                archive.writestr("templates-1.0.dist-info/METADATA", "Name: templates\n")
    else:
        with tarfile.open(path, "w:gz") as archive_tar:
            archive_tar.add(folder, inside.rstrip("/") or ".")
    return path


def nothing_left(world: Surrounding) -> bool:
    return not list(world.here.iterdir()) and not list((world.root / "tmp").iterdir())


# --- from everywhere ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [COOKIECUTTER, COPIER], ids=["cookiecutter", "copier"])
@pytest.mark.parametrize("form", ["folder", "zip", "zip-with-a-root", "wheel", "tar.gz", "download"])
def test_forms(files: Files, form: str, newmodel: Callable[..., Any], world: Surrounding) -> None:
    folder = write(world.attack / "template", files)
    source = {
        "folder": lambda: folder,
        "zip": lambda: packed(folder, world.attack / "t.zip"),
        "zip-with-a-root": lambda: packed(folder, world.attack / "t.zip", inside="repository-main/"),
        "wheel": lambda: packed(folder, world.attack / "t-1.0-py3-none-any.whl", inside="company/template/"),
        "tar.gz": lambda: packed(folder, world.attack / "t.tar.gz", inside="repository-main/"),
        "download": lambda: packed(folder, world.attack / "t.zip"),
    }[form]()
    with serve(world.attack) as server:
        address = f"{server}/t.zip" if form == "download" else source
        result = newmodel("init", "project", "--template", address, "--set", "project_name=Other", "--defaults")
    assert result.code == 0, result.err
    project = world.here / "project"
    assert (project / "README.md").read_text().startswith("# Other")
    assert (project / ".idea").is_dir()
    assert not list((world.root / "tmp").iterdir())


def test_the_template_names_the_folder(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "--template", template(COOKIECUTTER), "--defaults")
    assert result.code == 0, result.err
    assert [entry.name for entry in world.here.iterdir()] == ["my-thing"]
    assert f"✓ Written: {world.here / 'my-thing'}" in result.err


def test_copier_names_no_folder(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "--template", template(COPIER), "--defaults")
    assert result.code == 2
    assert result.err == (
        "The template does not say what the project's folder is called; name it: newmodel init PATH --template …\n"
    )
    assert nothing_left(world)


def test_json(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    folder = template(COPIER)
    result = newmodel("init", "project", "--template", folder, "--defaults", "--json")
    said = json.loads(result.out)
    assert said["template"]["kind"] == "copier"
    assert said["template"]["address"] == str(folder)
    assert said["template"]["version"].startswith("sha256:")
    assert said["folder"] == str(world.here / "project")
    assert said["written"] is True
    assert said["answers"] == {"project_name": "My Thing"}
    assert said["messages"] == ["Welcome, My Thing"]
    assert {"README.md", ".copier-answers.yml"} <= set(said["files"])
    assert result.err == ""


def test_dry_run(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    result = newmodel("init", "project", "--template", template(COOKIECUTTER), "--defaults", "--dry-run")
    assert result.code == 0, result.err
    assert "main.py" in result.out
    assert "nothing was written" in result.err
    assert nothing_left(world)


def test_what_is_there_stays(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    write(world.here / "project", {"mine.txt": "mine"})
    result = newmodel("init", "project", "--template", template(COOKIECUTTER), "--defaults")
    assert result.code == 2
    assert "is not empty (it holds mine.txt)" in result.err
    assert (world.here / "project" / "mine.txt").read_text() == "mine"


def test_a_folder_that_the_template_names_and_is_there(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    write(world.here / "my-thing", {"mine.txt": "mine"})
    result = newmodel("init", "--template", template(COOKIECUTTER), "--defaults")
    assert result.code == 2
    assert "is not empty" in result.err
    assert [entry.name for entry in (world.here / "my-thing").iterdir()] == ["mine.txt"]


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [COOKIECUTTER, COPIER], ids=["cookiecutter", "copier"])
def test_unknown_answer(
    files: Files, newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--set", "projekt_name=x")
    assert result.code == 2
    assert result.err == "The template has no question “projekt_name”; did you mean “project_name”?\n"
    assert nothing_left(world)


def test_without_a_terminal_nothing_is_guessed(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "project", "--template", template(COOKIECUTTER), "--set", "license=BSD")
    assert result.code == 2
    assert "these have no answer: project_name, slug." in result.err
    assert nothing_left(world)


def test_answers_file(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    answers = (
        write(world.attack, {"answers.yml": "_commit: x\nproject_name: From file\nlicense: BSD\n"}) / "answers.yml"
    )
    result = newmodel(
        "init", "project", "--template", template(COOKIECUTTER), "--answers", answers, "--set", "slug=own-slug"
    )
    assert result.code == 0, result.err
    assert (world.here / "project" / "README.md").read_text() == "# From file (BSD)\n"
    assert (world.here / "project" / "src" / "main.py").read_text() == "print('own-slug')\n"


@pytest.mark.parametrize(
    ("files", "setting", "reason"),
    [
        (COOKIECUTTER, "license=GPL", "GPL provided for choice variable license"),
        ({"copier.yml": "n:\n  type: int\n  default: 1\n", "x": ""}, "n=many", "n"),
        (
            {"copier.yml": "n:\n  type: str\n  validator: '{% if n != \"a\" %}must be a{% endif %}'\n"},
            "n=b",
            "must be a",
        ),
    ],
)
def test_wrong_answer(
    files: Files,
    setting: str,
    reason: str,
    newmodel: Callable[..., Any],
    template: Callable[[Files], Path],
    world: Surrounding,
) -> None:
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--set", setting)
    assert result.code == 2
    assert reason in result.err
    assert result.err.count("\n") == 1
    assert nothing_left(world)


# --- several templates ----------------------------------------------------------------------------------------------

NESTED: Files = {
    "cookiecutter.json": json.dumps(
        {
            "templates": {
                "small": {"path": "./a", "title": "A small one"},
                "large": {"path": "./b", "title": "A large one"},
            }
        }
    ),
    **{f"a/{name}": content for name, content in COOKIECUTTER.items()},
    **{f"b/{name}": content for name, content in COOKIECUTTER.items()},
    "b/{{cookiecutter.slug}}/large.txt": "",
}
OLD_NESTED: Files = {**NESTED, "cookiecutter.json": json.dumps({"template": ["Small (./a)", "Large (./b)"]})}
FOLDERS: Files = {
    **{f"a/{name}": content for name, content in COOKIECUTTER.items()},
    **{f"deep/b/{name}": content for name, content in COPIER.items()},
    "deep/b/large.txt": "",
    "tests/c/copier.yml": "",
}


@pytest.mark.parametrize(
    ("files", "names", "choice"),
    [(NESTED, "small, large", "large"), (OLD_NESTED, "./a, ./b", "b"), (FOLDERS, "a, deep/b", "deep/b")],
    ids=["nested", "old", "folders"],
)
def test_sub_templates(
    files: Files,
    names: str,
    choice: str,
    newmodel: Callable[..., Any],
    template: Callable[[Files], Path],
    world: Surrounding,
) -> None:
    folder = template(files)
    result = newmodel("init", "project", "--template", folder, "--defaults")
    assert result.code == 2
    assert result.err == f"There are several templates here; choose one with --directory: {names}.\n"
    assert nothing_left(world)
    result = newmodel("init", "project", "--template", folder, "--defaults", "--directory", choice)
    assert result.code == 0, result.err
    assert (world.here / "project" / "large.txt").is_file()


def test_unknown_directory(newmodel: Callable[..., Any], template: Callable[[Files], Path]) -> None:
    result = newmodel("init", "project", "--template", template(FOLDERS), "--defaults", "--directory", "aa")
    assert result.code == 2
    assert result.err.startswith("The template's repository has no folder “aa”; ")


def test_both_kinds(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    result = newmodel("init", "project", "--template", template({**COPIER, "cookiecutter.json": "{}"}), "--defaults")
    assert result.code == 0, result.err
    assert "copier's is used" in result.err
    assert (world.here / "project" / ".copier-answers.yml").is_file()


def test_no_template(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    result = newmodel("init", "project", "--template", template({"setup.py": "", "README": ""}), "--defaults")
    assert result.code == 2
    assert result.err == (
        "This is no template: there is neither a cookiecutter.json nor a copier.yml; there are: README, setup.py.\n"
    )
    assert nothing_left(world)


def test_a_template_for_ccds(newmodel: Callable[..., Any], template: Callable[[Files], Path]) -> None:
    """cookiecutter-data-science since its version 2."""
    result = newmodel("init", "project", "--template", template({"ccds.json": "{}", "hooks/x": ""}), "--defaults")
    assert result.code == 2
    assert result.err.endswith("take its version 1: --to v1\n")


# --- trust ----------------------------------------------------------------------------------------------------------

HOOK: Files = {
    **COOKIECUTTER,
    "hooks/post_gen_project.py": "import os\nprint('working')\nopen('made-by-hook', 'w').write(os.getcwd())\n",
}
TASK: Files = {**COPIER, "copier.yml": "_tasks:\n  - [python3, -c, \"open('made-by-hook', 'w')\"]\n"}
EXTENSION: Files = {
    **COOKIECUTTER,
    "cookiecutter.json": json.dumps({"slug": "thing", "_extensions": ["own.Own"]}),
    "own.py": (
        "from jinja2.ext import Extension\n"
        "class Own(Extension):\n"
        "    def __init__(self, environment):\n"
        "        super().__init__(environment)\n"
        "        environment.filters['shout'] = str.upper\n"
    ),
    "{{cookiecutter.slug}}/README.md": "",
    "{{cookiecutter.slug}}/src/main.py": "",
    "{{cookiecutter.slug}}/made-by-hook": "{{ 'x' | shout }}",
}


@pytest.mark.parametrize("files", [HOOK, TASK, EXTENSION], ids=["hook", "task", "extension"])
def test_trust_allows(
    files: Files, newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--trust")
    assert result.code == 0, result.err
    assert (world.here / "project" / "made-by-hook").is_file()
    assert "Its own code was run: " in result.err
    assert not list((world.root / "tmp").iterdir())


@pytest.mark.parametrize("answer", [True, False])
def test_trust_is_asked(
    answer: bool,
    newmodel: Callable[..., Any],
    template: Callable[[Files], Path],
    world: Surrounding,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a terminal the code is shown with its first lines, and the person decides."""
    from scaffolder import questions
    from scaffolder.foreign.command import Options

    asked: list[str] = []

    def consent(message: str, *, default: bool = True) -> bool:
        asked.append(message)
        return answer if message.startswith("Let it run?") else True

    monkeypatch.setattr(console, "interactive", lambda: True)
    monkeypatch.setattr(questions, "consent", consent)
    # the questions of cookiecutter itself are for a real terminal
    from scaffolder.foreign import command

    real = command.render
    monkeypatch.setattr(
        command, "render", lambda request, work: real(type(request)(**{**vars(request), "ask": False}), work)
    )
    assert Options(template="x").ask
    result = newmodel("init", "project", "--template", template(HOOK))
    assert result.code == 0, result.err
    assert "hooks/post_gen_project.py" in result.err
    assert "    open('made-by-hook', 'w').write(os.getcwd())" in result.err
    assert (world.here / "project" / "made-by-hook").exists() is answer
    if answer:
        assert asked == ["Let it run? It can do everything that you can.", "Make this project?"]
    else:
        assert asked == ["Let it run? It can do everything that you can."]
        assert "Nothing was written." in result.err
        assert nothing_left(world)


@pytest.mark.parametrize("files", [HOOK, TASK], ids=["hook", "task"])
def test_dry_run_runs_no_code(
    files: Files, newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--dry-run")
    assert result.code == 0, result.err
    assert "made-by-hook" not in result.out.split("was not run")[0]
    assert "Its own code was not run" in result.out
    assert nothing_left(world)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {**HOOK, "hooks/post_gen_project.py": "import sys\nprint('no licence server')\nsys.exit(3)\n"},
            "The template's own code failed: Hook script failed (exit status: 3) (no licence server); ",
        ),
        (
            {**HOOK, "hooks/pre_gen_project.sh": "#!/bin/sh\nexit 4\n"},
            "The template's own code failed: Hook script failed (exit status: 4); ",
        ),
        ({**COPIER, "copier.yml": "_tasks: [exit 5]\n"}, "The template's own code failed: "),
        ({**COPIER, "copier.yml": "_jinja_extensions: [no_such_package.X]\n"}, "The template needs a Jinja extension "),
    ],
    ids=["post", "pre", "task", "extension"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
def test_failing_code_leaves_nothing(
    files: Files, said: str, newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--trust")
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err
    assert nothing_left(world)


def test_what_trusted_code_makes_is_kept(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    """Many templates make a repository or an environment; both hold what a stranger's file must not be."""
    hook = (
        "import os, subprocess\n"
        "subprocess.run(['git', 'init', '-q'], check=True)\n"
        "os.makedirs('.venv/bin')\nos.symlink('/usr/bin/env', '.venv/bin/python')\n"
    )
    result = newmodel(
        "init", "project", "--template", template({**HOOK, "hooks/post_gen_project.py": hook}), "--defaults", "--trust"
    )
    assert result.code == 0, result.err
    assert (world.here / "project" / ".git" / "HEAD").is_file()
    assert (world.here / "project" / ".venv" / "bin" / "python").is_symlink()


@pytest.mark.parametrize(
    ("name", "content"),
    [("broken", "{{ cookiecutter.nothing }}"), ("syntax", "{% if %}"), ("zero", "{{ 1 / 0 }}")],
)
def test_a_broken_template(
    name: str, content: str, newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    folder = template({**COOKIECUTTER, "{{cookiecutter.slug}}/" + name: content})
    result = newmodel("init", "project", "--template", folder, "--defaults")
    assert result.code == 2
    assert result.err.startswith("The template cannot be rendered: ")
    assert result.err.count("\n") == 1
    assert nothing_left(world)


def test_the_home_stays_as_it_is(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    """cookiecutter itself keeps copies of templates and answers there."""
    newmodel("init", "project", "--template", template(COOKIECUTTER), "--defaults")
    assert [entry.name for entry in (world.root / "home").iterdir()] == [".bashrc"]


def test_the_persons_own_defaults(
    newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding
) -> None:
    write(world.root / "home", {".cookiecutterrc": "default_context:\n  project_name: Usual\n"})
    newmodel("init", "project", "--template", template(COOKIECUTTER), "--defaults")
    assert (world.here / "project" / "README.md").read_text() == "# Usual (MIT)\n"


# --- favourites -----------------------------------------------------------------------------------------------------


def test_favourites(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    folder = template(NESTED)
    result = newmodel("templates", "list")
    assert result.err == "There are none yet: newmodel templates add NAME SOURCE\n"
    assert newmodel("templates", "add", "ours", "../../attack/template", "--directory", "large").code == 0
    assert newmodel("templates", "add", "hub", "gh:owner/name", "--to", "v1").code == 0
    listed = json.loads(newmodel("templates", "list", "--json").out)
    assert listed == {
        "hub": {"source": "gh:owner/name", "to": "v1", "directory": None},
        "ours": {"source": str(folder), "to": None, "directory": "large"},
    }
    assert "gh:owner/name" in newmodel("templates", "list").out
    result = newmodel("init", "project", "--template", "ours", "--defaults")
    assert result.code == 0, result.err
    assert (world.here / "project" / "large.txt").is_file()
    assert newmodel("templates", "remove", "ours").code == 0
    shutil.rmtree(world.here / "project")
    result = newmodel("init", "project", "--template", "hubb", "--defaults")
    assert result.err == ("There is no template “hubb”: no folder, no archive, no git address; did you mean “hub”.\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("a/b", "gh:owner/name"), "cannot be a name"),
        (("-x", "gh:owner/name"), "There is no -x"),
        (("ours", "ext::sh"), "would let git start another program"),
        (("ours", "https://me:secret@example.org/x.git"), "holds a password"),
        (("ours", "nowhere"), "There is no template “nowhere”"),
        (("taken", "gh:owner/other"), "“taken” is gh:owner/name already"),
    ],
)
def test_what_is_no_favourite(
    arguments: tuple[str, str], reason: str, newmodel: Callable[..., Any], world: Surrounding
) -> None:
    assert newmodel("templates", "add", "taken", "gh:owner/name").code == 0
    result = newmodel("templates", "add", *arguments)
    assert result.code == 2
    assert reason in result.err
    assert list(json.loads(newmodel("templates", "list", "--json").out)) == ["taken"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": {"source": 3}}', "\udcff"])
def test_damaged_favourites(content: str, newmodel: Callable[..., Any], world: Surrounding) -> None:
    path = world.root / "home" / ".config" / "newmodel" / "templates.json"
    write(path.parent, {"templates.json": content.encode("utf-8", "surrogateescape")})
    for arguments in (["templates", "list"], ["templates", "add", "a", "gh:a/b"], ["templates", "remove", "a"]):
        result = newmodel(*arguments)
        assert result.code == 2
        assert result.err == (
            f"The list of your templates, {path}, is damaged; mend it, or delete it to begin a new one.\n"
        )


def test_forgetting_what_is_not_known(newmodel: Callable[..., Any], world: Surrounding) -> None:
    newmodel("templates", "add", "ours", "gh:owner/name")
    assert newmodel("templates", "remove", "our").err == "There is no template “our”; did you mean “ours”?\n"


# --- PyCharm --------------------------------------------------------------------------------------------------------


def test_ready_for_pycharm(newmodel: Callable[..., Any], template: Callable[[Files], Path], world: Surrounding) -> None:
    """What is derived from the project is there before it opens, and a file of the template's own stays."""
    own = '<component name="ProjectCodeStyleConfiguration"><state /></component>\n'
    files = {
        **COPIER,
        "pyproject.toml": '[project]\nname = "thing"\nversion = "1"\n[project.scripts]\nthing = "thing.app:main"\n',
        "src/thing/__init__.py": "",
        "src/thing/app.py": "def main():\n    print('hello')\n",
        "tests/test_app.py": "def test_it():\n    pass\n",
        ".idea/codeStyles/codeStyleConfig.xml": own,
    }
    result = newmodel("init", "project", "--template", template(files), "--defaults", "--json")
    assert result.code == 0, result.err
    project = world.here / "project"
    assert "src" in next((project / ".idea").glob("*.iml")).read_text()
    assert (project / ".idea" / "codeStyles" / "codeStyleConfig.xml").read_text() == own
    assert json.loads(result.out)["configurations"]
    assert not any(str(world.root / "tmp") in file.read_text() for file in project.rglob("*.xml"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--template", "x", "--overlay", "y"), "--template and --overlay do not go together"),
        (("--template", "x", "--data", "a.csv"), "--template and --data do not go together"),
        (("--trust",), "--trust is about somebody else's template: give --template, too."),
        (("--to", "v1"), "--to is about somebody else's template"),
    ],
)
def test_options_that_would_be_passed_over(
    newmodel: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = newmodel("init", "demo", "--defaults", *arguments)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "demo").exists()
