"""The rendered .idea folder: canonical form, no trace of one machine, names that work everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from answer_matrix import TEMPLATES, every_project, label, matrix, render_project, rendered, rendered_as

from scaffolder.pycharm.run_configuration import PYTHON, TESTS, file_name, read_run_configurations

#: What a person finds in the list beside PyCharm's Run button: script or module, and parameters.
PROMISED = {
    "Train": ("$PROJECT_DIR$/train.py", ""),
    "Fine-tune": ("$PROJECT_DIR$/finetune.py", ""),
    "Evaluate": ("$PROJECT_DIR$/eval.py", ""),
    "Predict": ("$PROJECT_DIR$/predict.py", ""),
    "Whole flow": ("$PROJECT_DIR$/flow.py", ""),
    "Overfit one batch": ("$PROJECT_DIR$/train.py", "--config configs/overfit.yaml"),
    "Profile": ("$PROJECT_DIR$/train.py", "--profile"),
    "Check environment": ("$PROJECT_DIR$/check_environment.py", ""),
    "TensorBoard": ("tensorboard.main", "--logdir runs"),
}
#: And beside a language model; the last three with PyTorch alone.
PROMISED_LLM = {
    "Check data": ("$PROJECT_DIR$/check_data.py", ""),
    "Chat": ("$PROJECT_DIR$/chat.py", ""),
    "Serve": ("$PROJECT_DIR$/serve.py", ""),
    "Continue pretraining": ("$PROJECT_DIR$/train.py", "--config configs/continue.yaml"),
    "Align preferences": ("$PROJECT_DIR$/align.py", ""),
    "Export": ("$PROJECT_DIR$/export.py", ""),
}
#: What takes the place of TensorBoard; like it, a module.
TRACKERS = {
    "tensorboard": {"TensorBoard": PROMISED["TensorBoard"]},
    "mlflow": {"MLflow UI": ("mlflow", "ui")},
    "wandb": {"W&B runs": ("wandb", "leet wandb")},
    "swanlab": {"SwanLab": ("swanlab", "watch")},
}


def promised_to(name: str) -> dict[str, tuple[str, str]]:
    """The run configurations, but for the tests, of the matrix row with this label."""
    answers = next(row for row in matrix() if label(row) == name)
    more = list(PROMISED_LLM)[: 0 if answers["task"] != "llm" else None if answers["framework"] == "pytorch" else 3]
    steps = {one: target for one, target in PROMISED.items() if one != "TensorBoard"}
    return steps | TRACKERS[answers["tracker"]] | {one: PROMISED_LLM[one] for one in more}


#: Names that need escaping, quoting or another package name somewhere between copier, XML and the file system.
AWKWARD_NAMES = [
    "my model",
    "我的模型",
    "3d-net",
    "v1.2.final",
    "a--b__c",
    "R&D",
    "it's",
    "100%",
    "$PROJECT_DIR$",
    "{{ x }}",
    "#1; rm",
    "Ünïcode Näme",
    "name (copy)",
    "-dash",
    ".dot",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_project(tmp_path_factory.mktemp("idea") / "demo", project_name="demo")


def idea_files(project: Path) -> list[Path]:
    return sorted(path for path in (project / ".idea").rglob("*") if path.suffix in (".xml", ".iml"))


def canonical(text: str) -> str:
    """The text as PyCharm writes this document: two spaces, attributes on one line, no final newline."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.text = element.text if element.text and element.text.strip() else None
    ElementTree.indent(root, space="  ")
    declaration = "" if root.tag == "component" else '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ElementTree.tostring(root, encoding="unicode")


def test_every_file_is_there(project: Path) -> None:
    names = {
        path.relative_to(project / ".idea").as_posix() for path in (project / ".idea").rglob("*") if path.is_file()
    }
    assert names == {
        ".gitignore",
        "demo.iml",
        "inspectionProfiles/Project_Default.xml",
        "jsonSchemas.xml",
        "modules.xml",
        "vcs.xml",
        *(f"runConfigurations/{file_name(name)}" for name in [*PROMISED, "Tests"]),
    }


def test_canonical_formatting(project: Path) -> None:
    for path in idea_files(project):
        text = path.read_bytes().decode("utf-8")
        assert text == canonical(text), path.name


@every_project()
def test_nothing_of_this_machine(name: str) -> None:
    project = rendered(name)
    for path in idea_files(project):
        text = path.read_text(encoding="utf-8")
        assert str(project) not in text, path.name
        assert str(Path.home()) not in text, path.name
        # A path is relative or begins with a macro; an interpreter is never named.
        values = re.findall(r'"([^"]*)"', text)
        assert not [value for value in values if re.match(r"(file://)?(/|~|[A-Za-z]:[\\/])", value)], path.name
        assert "jdkName" not in text, path.name
        assert "project-jdk-name" not in text, path.name
        assert not re.search(r'name="SDK_(HOME|NAME)" value="[^"]', text), path.name


def test_vcs_mapping_only_with_git(tmp_path: Path) -> None:
    assert (render_project(tmp_path / "with", use_git=True) / ".idea" / "vcs.xml").is_file()
    assert not (render_project(tmp_path / "without", use_git=False) / ".idea" / "vcs.xml").exists()


def test_files_of_one_person_are_ignored(project: Path) -> None:
    ignored = (project / ".idea" / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/workspace.xml", "/misc.xml", "/shelf/", "/httpRequests/", "/dataSources/"} <= set(ignored)


@every_project()
def test_run_configurations(name: str) -> None:
    project = rendered(name)
    configurations = {each.name: each for each in read_run_configurations(project)}
    assert set(configurations) == {*promised_to(name), "Tests"}
    for promised, (target, parameters) in promised_to(name).items():
        assert "/" not in target or (project / target.removeprefix("$PROJECT_DIR$/")).exists()
        configuration = configurations[promised]
        assert (configuration.type, configuration.factory) == (PYTHON, "Python")
        assert configuration.options["SCRIPT_NAME"] == target
        assert configuration.options["PARAMETERS"] == parameters
        assert configuration.flag("MODULE_MODE") == ("/" not in target)
        assert configuration.flag("EMULATE_TERMINAL")  # progress bars need a terminal
    tests = configurations["Tests"]
    assert (tests.type, tests.factory) == (TESTS, "py.test")
    assert (tests.json("_new_target"), tests.json("_new_targetType")) == ("$PROJECT_DIR$/tests", "PATH")
    for configuration in configurations.values():
        assert configuration.module == "demo"
        assert configuration.flag("IS_MODULE_SDK")
        assert configuration.options["WORKING_DIRECTORY"] == "$PROJECT_DIR$"
        assert configuration.file.name == file_name(configuration.name)


def test_scripts_and_configurations_that_are_named_exist(project: Path) -> None:
    named = {target.removeprefix("$PROJECT_DIR$/") for target, _ in PROMISED.values() if "/" in target}
    missing = sorted(name for name in {*named, "tests", "configs/overfit.yaml"} if not (project / name).exists())
    assert not missing


def test_schema_mapping(project: Path) -> None:
    root = ElementTree.parse(project / ".idea" / "jsonSchemas.xml").getroot()
    options = {option.get("name"): option.get("value") for option in root.iter("option")}
    assert (options["path"], options["mappingKind"]) == ("configs/*.yaml", "Pattern")
    assert options["relativePathToSchema"] == "configs/schema.json"
    # The version that PyCharm checks with is the one that the schema declares.
    schema = (project / "configs" / "schema.json").read_text(encoding="utf-8")
    assert options["schemaVersion"] == "JSON Schema version 7"
    assert "http://json-schema.org/draft-07/schema" in schema


@pytest.mark.full
@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_awkward_project_names(name: str) -> None:
    project = rendered_as(name)
    # PyCharm 2026 names the module as pyproject.toml names the project; the three must agree.
    pyproject = (project / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.search(r'(?m)^name = "([^"]+)"', pyproject)
    assert declared is not None
    module = declared.group(1)
    assert re.fullmatch(r"[a-z][a-z0-9-]*", module)
    assert (project / ".idea" / f"{module}.iml").is_file()
    modules = ElementTree.parse(project / ".idea" / "modules.xml").getroot()
    assert [each.get("filepath") for each in modules.iter("module")] == [f"$PROJECT_DIR$/.idea/{module}.iml"]
    assert {each.module for each in read_run_configurations(project)} == {module}
    for path in idea_files(project):
        text = path.read_bytes().decode("utf-8")
        assert text == canonical(text), path.name


def test_every_configuration_file_only_says_what_sets_it_apart() -> None:
    """One run configuration is written once, in the macro."""
    for path in (TEMPLATES / "project" / ".idea" / "runConfigurations").iterdir():
        assert len(path.read_text(encoding="utf-8").splitlines()) == 2, path.name
