"""`newmodel adopt`: what it shows and writes, what it leaves alone, how it is taken back, and odd folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from adopt_projects import plant, render
from answer_matrix import render_project
from conftest import Result

from scaffolder.adopt.plan import Adoption, plan_adoption
from scaffolder.adopt.sources.justfile import recipes
from scaffolder.adopt.sources.makefile import targets
from scaffolder.adopt.write import record_file
from scaffolder.pycharm import run_configuration_file
from scaffolder.template_source import TEMPLATE_URL

MAIN = 'if __name__ == "__main__":\n    print("ran")\n'
SMALL = {"train.py": MAIN, "helper.py": "x = 1\n", "tests/test_it.py": "def test_it():\n    assert True\n"}


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file's bytes, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def planned(folder: Path, files: dict[str, str]) -> Adoption:
    return plan_adoption(plant(folder, files))


def names(adoption: Adoption) -> list[str]:
    return [one.name for one in adoption.configurations]


def commands(adoption: Adoption) -> dict[str, str]:
    return {one.name: one.command for one in adoption.configurations}


# --- the command ------------------------------------------------------------------------------------------------


def test_shows_and_writes(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    before = snapshot(project)
    done = newmodel("adopt", "demo")
    assert done.code == 0
    for said in ("train", "python train.py", "tests", ".idea/demo.iml", "adopt --undo"):
        assert said in done.err
    after = snapshot(project)
    assert {name: content for name, content in after.items() if not name.startswith(".idea")} == before
    assert {name for name in after if name.startswith(".idea/") and after[name] is not None} == {
        ".idea/.gitignore",
        ".idea/demo.iml",
        ".idea/modules.xml",
        ".idea/runConfigurations/Tests.xml",
        ".idea/runConfigurations/train.xml",
    }


def test_dry_run_writes_nothing(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    before = snapshot(project)
    done = newmodel("adopt", "demo", "--dry-run")
    assert (done.code, snapshot(project)) == (0, before)
    assert ".idea/demo.iml" in done.err
    assert not record_file(project).exists()


def test_second_adoption_changes_nothing(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    newmodel("adopt", "demo")
    before = snapshot(project)
    done = newmodel("adopt", "demo", "--yes")
    assert (done.code, snapshot(project)) == (0, before)
    assert "nothing to do" in done.err


def test_undo_restores_every_byte(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", {**SMALL, ".idea/demo.iml": BARE_MODULE, ".idea/workspace.xml": "<project/>"})
    before = snapshot(project)
    newmodel("adopt", "demo")
    assert snapshot(project) != before
    done = newmodel("adopt", "demo", "--undo")
    assert (done.code, snapshot(project)) == (0, before)
    done = newmodel("adopt", "demo", "--undo")
    assert (done.code, snapshot(project)) == (2, before)
    assert done.err == f"There is no adoption of {project} that could be taken back.\n"


def test_undo_takes_back_the_last_of_two(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    newmodel("adopt", "demo")
    once = snapshot(project)
    plant(project, {"eval.py": MAIN})
    newmodel("adopt", "demo")
    assert (project / ".idea/runConfigurations/eval.xml").exists()
    newmodel("adopt", "demo", "--undo")
    assert snapshot(project) == {**once, "eval.py": MAIN.encode()}
    newmodel("adopt", "demo", "--undo")
    assert not (project / ".idea").exists()


def test_undo_refuses_where_a_file_was_edited(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    newmodel("adopt", "demo")
    edited = project / ".idea/runConfigurations/train.xml"
    edited.write_text(edited.read_text().replace('PARAMETERS" value=""', 'PARAMETERS" value="--fast"'))
    before = snapshot(project)
    done = newmodel("adopt", "demo", "--undo")
    assert (done.code, snapshot(project)) == (2, before)
    assert done.err.startswith(".idea/runConfigurations/train.xml changed since it was written")
    assert len(done.err.splitlines()) == 1
    # and it is not written over by the next adoption
    newmodel("adopt", "demo", "--yes")
    assert snapshot(project) == before


def test_json(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    answer: dict[str, Any] = json.loads(newmodel("adopt", "demo", "--dry-run", "--json").out)
    assert (answer["roots"], answer["tests"], answer["written"]) == (["."], ["tests"], False)
    assert answer["configurations"][0] == {
        "name": "train",
        "kind": "script",
        "runs": "python train.py",
        "folder": ".",
        "from": "train.py",
    }
    assert json.loads(newmodel("adopt", "demo", "--json").out)["files"][".idea/demo.iml"] == "new"
    assert ".idea/demo.iml" in json.loads(newmodel("adopt", "demo", "--undo", "--json").out)["taken_back"]
    assert not (project / ".idea").exists()


def test_project_of_newmodel(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = render_project(tmp_path / "demo", project_name="demo")
    answers = project / ".copier-answers.yml"
    assert TEMPLATE_URL in answers.read_text(encoding="utf-8")
    before = snapshot(project)
    done = newmodel("adopt", "demo")
    assert (done.code, snapshot(project)) == (0, before)
    assert "was made by newmodel" in done.err


def test_no_project(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    plant(tmp_path, {"file": "", "own/.idea": "", "outside/x": ""})
    plant(tmp_path / "linked", SMALL)
    (tmp_path / "linked/.idea").symlink_to(tmp_path / "outside")
    for folder, said in {
        "missing": "There is no folder missing.\n",
        "file": "file is a file; name the project's folder.\n",
        "own": f"{tmp_path}/own/.idea is a file, so nothing was written: rename it first.\n",
        "linked": f"{tmp_path}/linked/.idea is a link, so nothing was written: make it a folder first.\n",
    }.items():
        done = newmodel("adopt", folder)
        assert (done.code, done.err) == (2, said)
    assert list((tmp_path / "outside").iterdir()) == [tmp_path / "outside/x"]


def test_folder_that_may_not_be_written(
    newmodel: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "demo", SMALL)
    monkeypatch.setattr(os, "access", lambda _path, mode: not mode & os.W_OK)
    done = newmodel("adopt", "demo")
    said = f"You may not write to {tmp_path}/demo; choose another folder or change its permissions.\n"
    assert (done.code, done.err) == (2, said)
    assert newmodel("adopt", "demo", "--dry-run").code == 0


def test_full_disk_leaves_nothing(
    newmodel: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaffolder.pycharm import text_file

    project = plant(tmp_path / "demo", {**SMALL, ".idea/demo.iml": BARE_MODULE})
    before = snapshot(project)
    real = text_file.write

    def write(path: Path, content: bytes) -> None:
        if path.name == "train.xml":
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(text_file, "write", write)
    done = newmodel("adopt", "demo")
    assert (done.code, snapshot(project)) == (2, before)
    assert "is full" in done.err


def test_killed_half_way_is_taken_back_by_the_next(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", {**SMALL, ".idea/demo.iml": BARE_MODULE})
    before = snapshot(project)
    killed = """
import os, signal, sys
from pathlib import Path
from scaffolder.adopt.plan import plan_adoption
from scaffolder.adopt.write import write
from scaffolder.pycharm import text_file
real = text_file.write
def dying(path, content):
    real(path, content)
    if path.name == "Tests.xml":
        os.kill(os.getpid(), signal.SIGKILL)
text_file.write = dying
write(Path(sys.argv[1]), plan_adoption(Path(sys.argv[1])).files)
"""
    done = subprocess.run([sys.executable, "-c", killed, project], check=False)
    assert done.returncode == -signal.SIGKILL
    assert snapshot(project) != before
    shown = newmodel("adopt", "demo", "--undo")
    assert "interrupted" in shown.err
    assert snapshot(project) == before


# --- what is there already ---------------------------------------------------------------------------------------

#: As PyCharm writes it when a folder is opened.
BARE_MODULE = """<?xml version="1.0" encoding="UTF-8"?>
<module type="PYTHON_MODULE" version="4">
  <component name="NewModuleRootManager">
    <content url="file://$MODULE_DIR$">
      <excludeFolder url="file://$MODULE_DIR$/.venv" />
    </content>
    <orderEntry type="jdk" jdkName="Python 3.12 (mine)" jdkType="Python SDK" />
    <orderEntry type="sourceFolder" forTests="false" />
  </component>
</module>"""

MODULES = """<?xml version="1.0" encoding="UTF-8"?>
<project version="4">
  <component name="ProjectModuleManager">
    <modules>
      <module fileurl="file://$PROJECT_DIR$/.idea/mine.iml" filepath="$PROJECT_DIR$/.idea/mine.iml" />
    </modules>
  </component>
</project>"""


def test_own_files_stay(newmodel: Callable[..., Result], tmp_path: Path) -> None:
    own = {
        ".idea/mine.iml": BARE_MODULE,
        ".idea/modules.xml": MODULES,
        ".idea/misc.xml": '<project version="4" />',
        ".idea/.gitignore": "workspace.xml\n",
        ".idea/runConfigurations/my_training.xml": run_configuration_file.script(
            "my training", "$PROJECT_DIR$/train.py", module="mine"
        ),
        ".idea/workspace.xml": '<project version="4"><component name="RunManager"><configuration name="Tests" '
        'type="tests" factoryName="py.test" /></component></project>',
    }
    project = plant(tmp_path / "demo", {**SMALL, **own, "eval.py": MAIN})
    done = newmodel("adopt", "demo", "--yes")
    assert done.code == 0
    for name, text in own.items():
        if name != ".idea/mine.iml":
            assert (project / name).read_text(encoding="utf-8") == text, name
    # one that runs the same is there, and one of the same name: only the third is new
    there = {path.name for path in project.glob(".idea/runConfigurations/*")}
    assert there == {"my_training.xml", "eval.xml"}
    assert '<module name="mine" />' in (project / ".idea/runConfigurations/eval.xml").read_text()
    # the module file got what it lacks; every line that was there is there
    text = (project / ".idea/mine.iml").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line in BARE_MODULE.splitlines()] == BARE_MODULE.splitlines()
    assert '<sourceFolder url="file://$MODULE_DIR$/tests" isTestSource="true" />' in text
    assert '<excludeFolder url="file://$MODULE_DIR$/.ruff_cache" />' in text
    assert text.count("/.venv") == 1


def test_chosen_roots_stay(tmp_path: Path) -> None:
    chosen = '      <sourceFolder url="file://$MODULE_DIR$/lib" isTestSource="false" />\n'
    module = BARE_MODULE.replace("      <excludeFolder", chosen + "      <excludeFolder")
    adoption = planned(tmp_path / "demo", {**SMALL, "lib/x.py": "", ".idea/demo.iml": module})
    text = next(content for path, content in adoption.files.items() if path.name == "demo.iml").decode()
    assert text.count('isTestSource="false"') == 1
    assert text.count('isTestSource="true"') == 1


def test_module_elsewhere(tmp_path: Path) -> None:
    modules = MODULES.replace("/.idea/mine.iml", "/../other/mine.iml")
    adoption = planned(tmp_path / "demo", {**SMALL, ".idea/modules.xml": modules})
    assert not [path for path in adoption.files if path.suffix == ".iml"]
    assert any("other/mine.iml is not a module of this folder" in note for note in adoption.notes)


def test_damaged_modules_file(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**SMALL, ".idea/modules.xml": "<project"})
    assert not {path.name for path in adoption.files} & {"modules.xml", "demo.iml"}
    assert any("modules.xml names no module or is damaged" in note for note in adoption.notes)


# --- formats -----------------------------------------------------------------------------------------------------


def test_same_text_as_a_generated_project(tmp_path: Path) -> None:
    project = render_project(tmp_path / "demo", project_name="demo")
    folder = project / ".idea" / "runConfigurations"
    ours = {
        "Train.xml": run_configuration_file.script("Train", "$PROJECT_DIR$/train.py", module="demo"),
        "Tests.xml": run_configuration_file.tests("Tests", "$PROJECT_DIR$/tests", module="demo"),
        "TensorBoard.xml": run_configuration_file.python_module(
            "TensorBoard", "tensorboard.main", parameters="--logdir runs", module="demo"
        ),
    }
    for name, text in ours.items():
        assert text == (folder / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("name", ["data_science", "pypackage"])
def test_canonical_formatting(name: str, tmp_path: Path) -> None:
    for path, content in plan_adoption(render(name, tmp_path)).files.items():
        if path.suffix in (".xml", ".iml"):
            root = ElementTree.fromstring(content)
            for element in root.iter():
                element.text = element.text if element.text and element.text.strip() else None
            ElementTree.indent(root, space="  ")
            declaration = "" if root.tag == "component" else '<?xml version="1.0" encoding="UTF-8"?>\n'
            assert content.decode() == declaration + ElementTree.tostring(root, encoding="unicode"), path


# --- interpreters ------------------------------------------------------------------------------------------------


def test_conda_environment_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = plant(tmp_path / "home", {"conda/envs/wine/bin/python": ""})
    plant(home, {".conda/environments.txt": f"{home}/conda\n{home}/conda/envs/wine\n"})
    monkeypatch.setenv("HOME", str(home))
    adoption = planned(tmp_path / "demo", {**SMALL, "environment.yml": "name: wine\ndependencies: [python]\n"})
    assert adoption.python == home / "conda/envs/wine/bin/python"


def test_interpreter_that_pycharm_knows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaffolder.environment.real_system import RealSystem
    from scaffolder.pycharm import jdk_table

    project = plant(tmp_path / "demo", {**SMALL, ".venv/pyvenv.cfg": "version = 3.12.1\n", ".venv/bin/python": ""})
    python = project / ".venv" / "bin" / "python"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert ".idea/misc.xml" not in map(str, plan_adoption(project).files)
    table = jdk_table.add("<application/>", "Python 3.12 (x)", project, python, "3.12.1", RealSystem())
    plant(tmp_path / "config/JetBrains/PyCharm2026.1/options", {"jdk.table.xml": table})
    files = {str(path): content for path, content in plan_adoption(project).files.items()}
    assert b'project-jdk-name="Python 3.12 (x)"' in files[".idea/misc.xml"]
    # one person's: never in a file that is shared
    assert not [path for path, content in files.items() if b"3.12 (x)" in content and path != ".idea/misc.xml"]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"uv.lock": "x"}, "uv sync"),
        ({"poetry.lock": "x"}, "poetry install"),
        ({"environment.yml": "dependencies: []\n"}, "conda env create -f environment.yml"),
        ({"requirements.txt": "x"}, "-m venv .venv && .venv/bin/pip install -r requirements.txt"),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.99"\n'}, "requires Python >=3.99"),
    ],
)
def test_how_to_get_an_environment(files: dict[str, str], command: str, tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**SMALL, **files})
    assert adoption.python is None
    assert command in adoption.notes[0]


def test_starter_is_tidy(tmp_path: Path) -> None:
    """It lies in a person's project, where their own checks may look at it."""
    from scaffolder.adopt.idea_files import STARTER_CODE

    (tmp_path / "run_entry_point.py").write_text(STARTER_CODE, encoding="utf-8")
    for command in (["check", "--isolated"], ["format", "--isolated", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, tmp_path], check=False, capture_output=True)
        assert done.returncode == 0, done.stdout


# --- odd folders -------------------------------------------------------------------------------------------------


def test_empty_folder(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "empty", {})
    assert (names(adoption), adoption.roots, adoption.tests) == ([], [], [])
    assert {path.name for path in adoption.files} == {".gitignore", "modules.xml", "empty.iml"}


def test_only_a_notebook(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "one", {"look.ipynb": "{}"})
    assert commands(adoption) == {"Jupyter Lab": "python -m jupyter lab"}


def test_broken_pyproject(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**SMALL, "pyproject.toml": "[project\n", "setup.cfg": "no section\n"})
    assert names(adoption) == ["train", "Tests"]
    assert [note.split(" (")[0] for note in adoption.notes[:2]] == [
        "pyproject.toml cannot be read",
        "setup.cfg cannot be read",
    ]


def test_spaces_and_chinese(tmp_path: Path) -> None:
    files = {"训练.py": MAIN, "评估.py": MAIN, "my train.py": MAIN, "模型/__init__.py": "", "模型/__main__.py": MAIN}
    adoption = planned(tmp_path / "我的 项目", files)
    assert commands(adoption) == {
        "模型": "python .idea/run_entry_point.py 模型",
        "my train": "python my train.py",
        "训练": "python 训练.py",
        "评估": "python 评估.py",
    }
    # PyCharm's names of the files are all underscores: each file has its own
    assert len([path for path in adoption.files if "runConfigurations" in path.parts]) == 4
    assert ".idea/我的 项目.iml" in map(str, adoption.files)


def test_src_with_two_packages(tmp_path: Path) -> None:
    files = {f"src/{name}/__init__.py": "" for name in ("one", "two")} | {"src/two/__main__.py": MAIN}
    adoption = planned(tmp_path / "demo", {**files, "pyproject.toml": '[project]\nname = "Two-In-One"\n'})
    assert adoption.roots == ["src"]
    assert commands(adoption) == {"two": "python -m two"}
    assert ".idea/Two-In-One.iml" in map(str, adoption.files)


def test_monorepo(tmp_path: Path) -> None:
    files: dict[str, str] = {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n'}
    for name in ("a", "b"):
        files[f"packages/{name}/pyproject.toml"] = (
            f'[project]\nname = "{name}"\nscripts = {{run-{name} = "pkg_{name}.cli:main"}}\n'
        )
        files[f"packages/{name}/src/pkg_{name}/__init__.py"] = ""
        files[f"packages/{name}/src/pkg_{name}/cli.py"] = "def main():\n    print('ran')\n"
        files[f"packages/{name}/tests/test_it.py"] = "def test_it():\n    assert True\n"
        files[f"packages/{name}/Makefile"] = "test:\n\tpytest\n"
    adoption = planned(tmp_path / "mono", files)
    assert [root for root in adoption.roots if root] == ["packages/a/src", "packages/b/src"]
    assert adoption.tests == ["packages/a/tests", "packages/b/tests"]
    assert names(adoption) == [
        "run-a",
        "run-b",
        "Tests (packages/a/tests)",
        "Tests (packages/b/tests)",
        "make test",
        "make test (packages/b)",
    ]
    assert {one.folder for one in adoption.configurations} == {"packages/a", "packages/b"}


ODD = ("5", "true", '"x"', "[]", "[5]", '["../../.."]', "{a = 1}", '{"" = 5}', "[{from = 5}]", '["/etc"]', '"\\u0000"')
KEYS = (
    "project.name",
    "project.requires-python",
    "project.scripts",
    "project.gui-scripts",
    "project",
    "tool.poetry",
    "tool.poetry.packages",
    "tool.poetry.scripts",
    "tool.poetry.dependencies.python",
    "tool.setuptools.package-dir",
    "tool.setuptools.packages",
    "tool.setuptools.packages.find.where",
    "tool.hatch.build.packages",
    "tool.hatch.build.targets.wheel.packages",
    "tool.hatch.build.targets.wheel.sources",
    "tool.pdm.build.package-dir",
    "tool.maturin.python-source",
    "tool.uv.build-backend.module-root",
    "tool.pytest.ini_options.testpaths",
    "tool.pytest",
    "tool.tox",
    "tool.tox.env_list",
    "tool.tox.env",
    "tool.tox.legacy_tox_ini",
)


@pytest.mark.parametrize("key", KEYS)
def test_settings_of_the_wrong_kind(key: str, tmp_path: Path) -> None:
    for number, value in enumerate(ODD):
        adoption = planned(tmp_path / str(number), {**SMALL, "pyproject.toml": f"{key} = {value}\n"})
        assert {"train", "Tests"} <= set(names(adoption))
        assert all(".." not in folder and not folder.startswith("/") for folder in adoption.roots)
        assert all(path.parts[0] == ".idea" and ".." not in path.parts for path in adoption.files)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", {**SMALL, "a\x01b.py": MAIN, "a&b <c> 'd' \"e\".py": MAIN})
    (tmp_path / "demo" / os.fsdecode(b"\xff\xfe.py")).write_text(MAIN)
    adoption = plan_adoption(project)
    assert names(adoption) == ["train", "Tests", "a&b <c> 'd' \"e\""]
    for path, content in adoption.files.items():
        if path.suffix in (".xml", ".iml"):
            ElementTree.fromstring(content)


def test_two_thousand_modules_take_seconds(tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", SMALL)
    for folder in range(20):
        package = plant(project / f"pkg_{folder}", {"__init__.py": "", "sub/__init__.py": ""}) / "sub"
        for number in range(100):
            (package / f"m_{number}.py").write_text("import os\n\n\ndef f():\n    return os.name\n")
    started = time.monotonic()
    adoption = plan_adoption(project)
    assert time.monotonic() - started < 10
    assert names(adoption) == ["train", "Tests"]


def test_large_data_is_not_indexed(tmp_path: Path) -> None:
    project = plant(tmp_path / "demo", {**SMALL, "data/read_me.txt": "x", "assets/list.txt": "x"})
    with (project / "data" / "images.bin").open("wb") as file:
        file.truncate(60 * 1024**2)
    (project / "assets" / "tiles").mkdir()
    for number in range(3_100):
        (project / "assets" / "tiles" / f"{number}.png").touch()
    assert {"data", "assets"} & set(plan_adoption(project).excluded) == {"data", "assets"}


def test_environments_and_outputs(tmp_path: Path) -> None:
    files = {
        "my-env/pyvenv.cfg": "home = /usr\nversion = 3.8.1\n",
        "my-env/bin/python": "",
        "my-env/lib/x.py": MAIN,
        "runs/1/train.py": MAIN,
        "logs/__init__.py": "",
        "wandb/x.py": MAIN,
        "pyproject.toml": '[project]\nname = "demo"\nrequires-python = ">=3.10"\n',
    }
    adoption = planned(tmp_path / "demo", {**SMALL, **files})
    assert names(adoption) == ["train", "Tests"]
    assert {"my-env", "runs", "wandb"} <= set(adoption.excluded)
    assert "logs" not in adoption.excluded  # a package
    assert adoption.python == tmp_path / "demo/my-env/bin/python"
    assert "Python 3.8.1" in adoption.notes[0]


def test_a_template_inside_is_no_code(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**SMALL, "{{ cookiecutter.slug }}/train.py": MAIN})
    assert names(adoption) == ["train", "Tests"]


def test_names_that_hide_the_standard_library(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**SMALL, "tests/json/__init__.py": ""})
    assert adoption.tests == []
    assert "tests is not marked as tests" in adoption.notes[0]


def test_unittest_where_nothing_speaks_of_pytest(tmp_path: Path) -> None:
    test = "import unittest\n\n\nclass Test(unittest.TestCase):\n    def test_it(self):\n        pass\n"
    adoption = planned(tmp_path / "demo", {"x.py": "", "test/test_it.py": test})
    assert commands(adoption) == {"Tests": "python -m unittest discover -s test"}


@pytest.mark.parametrize(
    ("files", "root"),
    [
        ({"pyproject.toml": '[tool.hatch.build.targets.wheel]\npackages = ["lib/pkg"]\n'}, "lib"),
        ({"pyproject.toml": '[tool.poetry]\nname = "x"\npackages = [{include = "pkg", from = "lib"}]\n'}, "lib"),
        ({"pyproject.toml": '[tool.pdm.build]\npackage-dir = "lib"\n'}, "lib"),
        ({"pyproject.toml": '[tool.setuptools]\npackage-dir = {"" = "lib"}\n'}, "lib"),
        ({"pyproject.toml": '[tool.uv.build-backend]\nmodule-root = "lib"\n'}, "lib"),
        ({"setup.cfg": "[options]\npackage_dir =\n    = lib\n"}, "lib"),
        ({"setup.py": "from setuptools import *\nsetup(packages=find_packages('lib'))\n"}, "lib"),
        ({"pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["../out", "lib"]\n'}, "lib"),
    ],
)
def test_roots_that_are_declared(files: dict[str, str], root: str, tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {**files, "lib/pkg/__init__.py": "", "lib/pkg/__main__.py": MAIN})
    assert list(adoption.roots) == [root]
    assert commands(adoption) == {"pkg": "python -m pkg"}


def test_too_many_are_left_out_and_named(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {f"tool_{number:02}.py": MAIN for number in range(20)})
    assert len(adoption.configurations) == 8
    assert "tool_08" in adoption.notes[-1]


def test_tasks_that_reach_other_people_are_left_out(tmp_path: Path) -> None:
    adoption = planned(tmp_path / "demo", {"Makefile": "test:\n\tx\nrelease:\n\tx\ndocs-deploy:\n\tx\n"})
    assert names(adoption) == ["make test"]


def test_targets_of_a_makefile() -> None:
    text = "CC := gcc\nX = a \\\n  b\n.PHONY: all $(X)\nall: $(X)\n$(X):\n\techo\n%.o: %.c\n\tcc\nfile.txt: a\n\tx\n"
    assert targets(text) == ["all", "a", "b"]
    assert targets("one: two\n\tx\ntwo three:\n\tx\nout.o:\n\tx\n") == ["one", "two", "three"]


def test_recipes_of_a_justfile() -> None:
    text = "set shell := ['sh']\nv := 'x'\n\ndefault:\n  x\n\n@quiet a='1' *rest: default\n  x\n"
    text += "needs name:\n  x\n_private:\n  x\n"
    assert recipes(text) == ["default", "quiet"]


def test_names_of_tox_environments(tmp_path: Path) -> None:
    tox = "[tox]\nenvlist =\n    py{39,310}-{a,b}\n    lint # ok\n    3.12\n[testenv:docs]\n"
    adoption = planned(tmp_path / "demo", {"tox.ini": tox})
    assert names(adoption) == ["tox: py-a", "tox: py-b", "tox: lint", "tox: py", "tox: docs"]
