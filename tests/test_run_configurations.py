"""Reading run configurations, and the executor that runs them as PyCharm would, each on a small project made here.

What the generated projects' configurations do when they are run is in test_cells_run.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from pycharm_executor import PyCharm, Running, split_parameters

from scaffolder.errors import NewmodelError
from scaffolder.pycharm.run_configuration import file_name, read_file, read_run_configurations

PROBE = """\
import json, os, sys
print(json.dumps({
    "argv": sys.argv[1:], "folder": os.getcwd(), "path": sys.path, "terminal": sys.stdout.isatty(),
    "environment": dict(os.environ),
}))
"""


def write_configuration(
    project: Path,
    name: str,
    options: dict[str, str],
    *,
    kind: str = "PythonConfigurationType",
    environment: dict[str, str] | None = None,
    before_launch: tuple[str, ...] = (),
) -> Path:
    lines = [f"    <option name={quoteattr(key)} value={quoteattr(value)} />" for key, value in options.items()]
    envs = [f"<env name={quoteattr(key)} value={quoteattr(value)} />" for key, value in (environment or {}).items()]
    tasks = [
        f'<option name="RunConfigurationTask" enabled="true" run_configuration_name={quoteattr(task)} '
        'run_configuration_type="PythonConfigurationType" />'
        for task in before_launch
    ]
    path = project / ".idea" / "runConfigurations" / file_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        '<component name="ProjectRunConfigurationManager">\n'
        f'  <configuration default="false" name={quoteattr(name)} type="{kind}" factoryName="Python">\n'
        '    <module name="small" />\n'
        f"    <envs>{''.join(envs)}</envs>\n" + "\n".join(lines) + f'\n    <method v="2">{"".join(tasks)}</method>\n'
        "  </configuration>\n</component>",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one module, a source root in `src` and a script that tells how it was run."""
    project = tmp_path / "a project"
    for folder in (".idea", "src", "tests"):
        (project / folder).mkdir(parents=True)
    (project / ".idea" / "modules.xml").write_text(
        '<project version="4"><component name="ProjectModuleManager"><modules>'
        '<module fileurl="file://$PROJECT_DIR$/.idea/small.iml" filepath="$PROJECT_DIR$/.idea/small.iml" />'
        "</modules></component></project>"
    )
    (project / ".idea" / "small.iml").write_text(
        '<module type="PYTHON_MODULE" version="4"><component name="NewModuleRootManager">'
        '<content url="file://$MODULE_DIR$"><sourceFolder url="file://$MODULE_DIR$/src" isTestSource="false" />'
        '</content><orderEntry type="inheritedJdk" /></component></module>'
    )
    (project / "probe.py").write_text(PROBE)
    (project / "src" / "module_probe.py").write_text(PROBE)
    return project


def run_probe(project: Path, name: str) -> dict[str, object]:
    finished = PyCharm(project, Path(sys.executable)).run(name, seconds=60)
    assert finished.exit_code == 0, finished.output
    answer: dict[str, object] = json.loads(finished.output)
    return answer


# --- reading ----------------------------------------------------------------------------------------------------


def test_read(project: Path) -> None:
    options = {"SCRIPT_NAME": "$PROJECT_DIR$/probe.py", "MODULE_MODE": "false"}
    path = write_configuration(project, "Say “hi”", options, environment={"A": "1"}, before_launch=("First",))
    (configuration,) = read_run_configurations(project)
    assert (configuration.name, configuration.module, configuration.file) == ("Say “hi”", "small", path)
    assert configuration.options == options
    assert configuration.environment == {"A": "1"}
    assert configuration.before_launch == ("First",)


def test_absent_flags_have_pycharms_defaults(project: Path) -> None:
    (configuration,) = read_file(write_configuration(project, "Bare", {}))
    assert configuration.flag("ADD_CONTENT_ROOTS")
    assert configuration.flag("ADD_SOURCE_ROOTS")
    assert configuration.flag("PARENT_ENVS")
    assert not configuration.flag("IS_MODULE_SDK")
    assert not configuration.flag("MODULE_MODE")
    assert not configuration.flag("EMULATE_TERMINAL")


def test_configurations_in_the_run_folder_are_read_too(project: Path) -> None:
    (project / ".run").mkdir()
    write_configuration(project, "Shared", {}).rename(project / ".run" / "Shared.run.xml")
    write_configuration(project, "Other", {})
    assert [each.name for each in read_run_configurations(project)] == ["Other", "Shared"]


def test_two_of_one_name(project: Path) -> None:
    first = write_configuration(project, "Train", {})
    second = first.with_name("Train_2.xml")
    second.write_bytes(first.read_bytes())
    with pytest.raises(NewmodelError) as error:
        read_run_configurations(project)
    assert str(error.value) == f"{second} and {first} both define the run configuration “Train”."


@pytest.mark.parametrize(
    "text",
    [
        '<component name="ProjectRunConfigurationManager"></component>',
        '<project version="4"><component name="RunManager"><configuration name="x" type="y" /></component></project>',
    ],
)
def test_no_run_configuration(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text(text)
    with pytest.raises(NewmodelError, match=r"x\.xml holds no run configuration\.$"):
        read_file(path)


def test_no_xml(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_text("<component")
    with pytest.raises(NewmodelError, match=r"x\.xml cannot be read: .*line 1"):
        read_file(path)


@pytest.mark.parametrize(
    ("name", "expected"),  # the last two as PyCharm named them in dcode15/ms-aai-521-final-project
    [
        ("Train", "Train.xml"),
        ("Fine-tune", "Fine_tune.xml"),
        ("Train (No Preprocessing)", "Train__No_Preprocessing_.xml"),
        ("Final Paper + References", "Final_Paper___References.xml"),
    ],
)
def test_file_name(name: str, expected: str) -> None:
    assert file_name(name) == expected


# --- running ----------------------------------------------------------------------------------------------------

SCRIPT = {"SCRIPT_NAME": "$PROJECT_DIR$/probe.py", "IS_MODULE_SDK": "true", "WORKING_DIRECTORY": "$PROJECT_DIR$/tests"}


def test_script(project: Path) -> None:
    write_configuration(project, "Probe", {**SCRIPT, "PARAMETERS": '--name "two words" "$MODULE_DIR$/x"'})
    answer = run_probe(project, "Probe")
    assert answer["argv"] == ["--name", "two words", f"{project}/x"]
    assert answer["folder"] == str(project / "tests")
    assert answer["terminal"] is False
    # Python itself puts the script's folder first, then PYTHONPATH
    assert answer["path"][:3] == [str(project), str(project), str(project / "src")]  # type: ignore[index]


def test_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_PARENT", "yes")
    write_configuration(project, "Probe", SCRIPT, environment={"OWN": "$PROJECT_DIR$/x", "PYTHONPATH": "extra"})
    environment = run_probe(project, "Probe")["environment"]
    assert isinstance(environment, dict)
    expected = {"FROM_PARENT": "yes", "OWN": f"{project}/x", "PYCHARM_HOSTED": "1", "PYTHONUNBUFFERED": "1"}
    assert expected.items() <= environment.items()
    assert environment["PYTHONPATH"] == f"{project}:{project / 'src'}:extra"


def test_without_parent_environment_and_roots(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_PARENT", "yes")
    off = {"PARENT_ENVS": "false", "ADD_CONTENT_ROOTS": "false", "ADD_SOURCE_ROOTS": "false"}
    write_configuration(project, "Probe", {**SCRIPT, **off})
    environment = run_probe(project, "Probe")["environment"]
    assert isinstance(environment, dict)
    assert "FROM_PARENT" not in environment
    assert not environment["PYTHONPATH"]


def test_module_mode(project: Path) -> None:
    write_configuration(project, "Probe", {**SCRIPT, "SCRIPT_NAME": "module_probe", "MODULE_MODE": "true"})
    assert run_probe(project, "Probe")["folder"] == str(project / "tests")


def test_emulated_terminal(project: Path) -> None:
    write_configuration(project, "Probe", {**SCRIPT, "EMULATE_TERMINAL": "true"})
    answer = run_probe(project, "Probe")
    assert answer["terminal"] is True
    assert answer["environment"]["TERM"] == "xterm-256color"  # type: ignore[index]


def test_empty_working_directory_is_the_project_folder(project: Path) -> None:
    write_configuration(project, "Probe", {**SCRIPT, "WORKING_DIRECTORY": ""})
    assert run_probe(project, "Probe")["folder"] == str(project)


def test_pytest(project: Path) -> None:
    (project / "tests" / "test_small.py").write_text(
        "import module_probe\ndef test_right(): pass\ndef test_wrong(): assert False\n"
    )
    options = {"IS_MODULE_SDK": "true", "_new_target": '"$PROJECT_DIR$/tests"', "_new_targetType": '"PATH"'}
    write_configuration(project, "All", options, kind="tests")
    write_configuration(project, "Right", {**options, "_new_keywords": '"right"'}, kind="tests")
    pycharm = PyCharm(project, Path(sys.executable))
    assert pycharm.run("All", seconds=60).exit_code == 1
    assert pycharm.run("Right", seconds=60).exit_code == 0


def test_before_launch_tasks_come_first_and_a_failing_one_ends_the_row(project: Path) -> None:
    for name, exit_code in (("first", 0), ("second", 3), ("third", 0)):
        (project / f"{name}.py").write_text(
            f"import pathlib, sys\npathlib.Path('{name}').touch()\nsys.exit({exit_code})"
        )
        task = {"first": (), "second": ("first",), "third": ("second",)}[name]
        script = {**SCRIPT, "SCRIPT_NAME": f"$PROJECT_DIR$/{name}.py"}
        write_configuration(project, name, script, before_launch=task)
    assert PyCharm(project, Path(sys.executable)).run("third", seconds=60).exit_code == 3
    assert sorted(path.name for path in (project / "tests").iterdir()) == ["first", "second"]


def test_green_arrow(project: Path) -> None:
    running = Running(PyCharm(project, Path(sys.executable)).green_arrow("src/module_probe.py"))
    answer = json.loads(running.finish(seconds=60).output)
    assert answer["folder"] == str(project / "src")
    assert str(project) in answer["path"]


def test_a_process_that_hangs_is_a_failure(project: Path) -> None:
    (project / "probe.py").write_text("print('going', flush=True)\nimport time\ntime.sleep(60)")
    write_configuration(project, "Probe", SCRIPT)
    with PyCharm(project, Path(sys.executable)).started("Probe") as running:
        running.wait_for("going", seconds=30)
        with pytest.raises(AssertionError, match=r"Still running after 0\.1 s"):
            running.finish(seconds=0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  --logdir   runs ", ["--logdir", "runs"]),
        ('--name "two words" last', ["--name", "two words", "last"]),
        (r'--json "{\"a\": 1}"', ["--json", '{"a": 1}']),
        (r"C:\data\x 'y z'", [r"C:\data\x", "'y", "z'"]),
    ],
)
def test_split_parameters(text: str, words: list[str]) -> None:
    assert split_parameters(text) == words
