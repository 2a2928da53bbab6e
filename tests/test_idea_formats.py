"""Our .idea files beside what PyCharm itself writes: elements, attributes and their order.

JetBrains' loader, against which the other tests check, knows the formats of 2018. So each kind of file is compared as
well with files that PyCharm 2023–2026 wrote in public repositories. `SOURCES` is their outline, taken by hand: each
element in document order with its attributes' names; `option` elements with the name of the option.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from answer_matrix import label, matrix, rendered


@dataclass(frozen=True)
class Source:
    """One file that PyCharm wrote: where it is, and its outline."""

    kind: str
    repository: str
    path: str
    commit: str
    outline: str

    @property
    def elements(self) -> list[str]:
        return self.outline.split()


_HEAD = "component[name] configuration[default,name,type,factoryName] module[name]"
_ROOTS = "option:WORKING_DIRECTORY option:IS_MODULE_SDK option:ADD_CONTENT_ROOTS option:ADD_SOURCE_ROOTS"
_COVERAGE = "EXTENSION[ID,runner]"
_SCRIPT = (
    "option:SCRIPT_NAME option:PARAMETERS option:SHOW_COMMAND_LINE option:EMULATE_TERMINAL option:MODULE_MODE "
    "option:REDIRECT_INPUT option:INPUT_FILE method[v]"
)
_ENVIRONMENT = "option:INTERPRETER_OPTIONS option:PARENT_ENVS envs env[name,value]"
_PYTEST = (
    "option:_new_keywords option:_new_parameters option:_new_additionalArguments option:_new_target "
    "option:_new_targetType method[v]"
)
_MODULE = "component[name] content[url]"
_ORDER = "orderEntry[type,jdkName,jdkType] orderEntry[type,forTests]"
_DOCUMENTATION = "component[name] option:format option:myDocStringFormat"
_RUNNER = "component[name] option:PROJECT_TEST_RUNNER"
_SCHEMA = (
    "project[version] component[name] state map entry[key] value SchemaInfo option:name option:relativePathToSchema"
)
_PROFILE = "component[name] profile[version] option:myName"
_INSPECTION = "inspection_tool[class,enabled,level,enabled_by_default]"

SOURCES = [
    # --- a script -----------------------------------------------------------------------------------------------
    Source(
        "script",
        "JetBrains-Research/idegym",
        ".idea/runConfigurations/server.xml",
        "7d60a6308df4185a89f8461e07bd02851206b39c",
        f"{_HEAD} option:ENV_FILES {_ENVIRONMENT} option:SDK_HOME {_ROOTS} {_COVERAGE} {_SCRIPT}",
    ),
    Source(
        "script",
        "dcode15/ms-aai-521-final-project",
        ".idea/runConfigurations/Train__No_Preprocessing_.xml",
        "0f17f5a623da78545e511027297c87a2848e8583",
        f"{_HEAD} option:ENV_FILES {_ENVIRONMENT} option:SDK_HOME option:SDK_NAME {_ROOTS} {_COVERAGE} {_SCRIPT}",
    ),
    Source(
        "script",
        "kurt-stolle/unipercept",
        ".idea/runConfigurations/Train.xml",
        "658dd83c6da27633f515c0bdae301f3b69705872",
        f"{_HEAD} {_ENVIRONMENT} env[name,value] option:SDK_HOME {_ROOTS} {_COVERAGE} {_SCRIPT}",
    ),
    Source(  # a module, with an emulated terminal
        "script",
        "Chantifa/iu-campus-agent",
        ".idea/runConfigurations/iu_agent_chat.xml",
        "89e2b20b0da0f557713e5001d5c224172f893c24",
        f"{_HEAD} option:ENV_FILES {_ENVIRONMENT} option:SDK_HOME {_ROOTS} {_SCRIPT}",
    ),
    # --- pytest -------------------------------------------------------------------------------------------------
    Source(
        "tests",
        "JetBrains-Research/idegym",
        ".idea/runConfigurations/pytest.xml",
        "7d60a6308df4185a89f8461e07bd02851206b39c",
        f"{_HEAD} option:ENV_FILES {_ENVIRONMENT} option:SDK_HOME option:SDK_NAME {_ROOTS} {_COVERAGE} {_PYTEST}",
    ),
    Source(
        "tests",
        "Birnendampf/MineDelta",
        ".idea/runConfigurations/pytest.xml",
        "444b7d0a0909c49f9156a5386b7f97095d220c36",
        f"{_HEAD} selectedOptions option:environmentVariables option:envPaths option:ENV_FILES "
        f"option:INTERPRETER_OPTIONS option:PARENT_ENVS option:SDK_HOME {_ROOTS} {_COVERAGE} option:RUN_TOOL {_PYTEST}",
    ),
    Source(
        "tests",
        "rickmark/garage-rag",
        ".idea/runConfigurations/pytest.xml",
        "32ae48d01ba89e1a2192ecb42f83503ccec25085",
        f"{_HEAD} option:ENV_FILES option:INTERPRETER_OPTIONS option:PARENT_ENVS option:SDK_HOME option:SDK_NAME "
        f"{_ROOTS} option:DEBUG_JUST_MY_CODE {_COVERAGE} option:RUN_TOOL {_PYTEST}",
    ),
    # --- the module ---------------------------------------------------------------------------------------------
    Source(
        "module",
        "kurt-stolle/unipercept",
        ".idea/unipercept.iml",
        "658dd83c6da27633f515c0bdae301f3b69705872",
        f"module[type,version] {_MODULE} sourceFolder[url,isTestSource] sourceFolder[url,isTestSource] "
        f"excludeFolder[url] {_ORDER} {_DOCUMENTATION} {_RUNNER}",
    ),
    Source(  # PyCharm 2026 has taken this one over from pyproject.toml
        "module",
        "Birnendampf/MineDelta",
        ".idea/minedelta.iml",
        "444b7d0a0909c49f9156a5386b7f97095d220c36",
        f"module[external.system.id,type,version] {_MODULE} sourceFolder[url,isTestSource] "
        f"sourceFolder[url,isTestSource] excludeFolder[url] excludeFolder[url] excludeFolder[url] "
        f"excludePattern[pattern] {_ORDER} {_DOCUMENTATION} {_RUNNER}",
    ),
    Source(
        "module",
        "jwarczynski/FmSeq-copy",
        ".idea/fm-seq.iml",
        "533bbafa93bc3fefe4f057f7cb8ebdbdfc4a0b9a",
        f"module[type,version] {_MODULE} excludeFolder[url] {_ORDER} {_DOCUMENTATION}",
    ),
    # --- the rest -----------------------------------------------------------------------------------------------
    Source(
        "modules",
        "dcode15/ms-aai-521-final-project",
        ".idea/modules.xml",
        "0d6ac84680cbba33bf263553e3bb6b201f93fbac",
        "project[version] component[name] modules module[fileurl,filepath]",
    ),
    Source(
        "vcs",
        "literally-anything/cogworks-pose-estimation-via-wifi",
        ".idea/vcs.xml",
        "b2ab755eacef9d06a7c0292f60042dcf0a52df52",
        "project[version] component[name] mapping[directory,vcs] mapping[directory,vcs]",
    ),
    Source(
        "schemas",
        "117HD/RLHD",
        ".idea/jsonSchemas.xml",
        "233b1aa073b72a2f4e7769215974b7f2c72703da",
        f"{_SCHEMA} option:schemaVersion option:patterns list Item option:path",
    ),
    Source(
        "schemas",
        "Ahoo-Wang/Wow",
        ".idea/jsonSchemas.xml",
        "0a52220e1740793eab5e9cc953437674bde44393",
        f"{_SCHEMA} option:patterns list Item option:pattern option:path option:mappingKind",
    ),
    Source(
        "inspections",
        "jwarczynski/FmSeq-copy",
        ".idea/inspectionProfiles/Project_Default.xml",
        "533bbafa93bc3fefe4f057f7cb8ebdbdfc4a0b9a",
        f"{_PROFILE} {_INSPECTION} option:ignoredErrors list option[value] option[value]",
    ),
]

#: The kinds of file that some source has element for element as ours; of the others the parts come from several.
SAME_AS_A_SOURCE = {"script", "modules", "vcs", "inspections"}


def ours(kind: str, project: Path) -> list[Path]:
    idea = project / ".idea"
    if kind == "script":
        return [path for path in idea.glob("runConfigurations/*.xml") if path.name != "Tests.xml"]
    names = {
        "tests": "runConfigurations/Tests.xml",
        "module": "demo.iml",
        "modules": "modules.xml",
        "vcs": "vcs.xml",
        "schemas": "jsonSchemas.xml",
        "inspections": "inspectionProfiles/Project_Default.xml",
    }
    return [idea / names[kind]]


def outline(path: Path) -> list[str]:
    return [_outline(element) for element in ElementTree.parse(path).getroot().iter()]


def _outline(element: ElementTree.Element) -> str:
    if element.tag == "option" and "name" in element.attrib:
        return f"option:{element.get('name')}"
    return element.tag + (f"[{','.join(element.attrib)}]" if element.attrib else "")


def without_repeats(elements: list[str]) -> list[str]:
    """Each element once, where it is first."""
    return list(dict.fromkeys(elements))


KINDS = sorted({source.kind for source in SOURCES})
PROJECT = label(matrix()[0])


@pytest.mark.parametrize("kind", KINDS)
def test_pycharm_writes_every_element(kind: str) -> None:
    known = {element for source in SOURCES if source.kind == kind for element in source.elements}
    # `inheritedJdk` names no interpreter, so it has fewer attributes than a `jdk` entry; the loader is asked about it.
    known |= {"orderEntry[type]"} if kind == "module" else set()
    for path in ours(kind, rendered(PROJECT)):
        assert [element for element in outline(path) if element not in known] == [], path.name


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.kind}-{source.repository}")
def test_order_is_that_of_pycharm(source: Source) -> None:
    for path in ours(source.kind, rendered(PROJECT)):
        mine, theirs = without_repeats(outline(path)), without_repeats(source.elements)
        shared = set(mine) & set(theirs)
        in_my_order = [element for element in mine if element in shared]
        assert in_my_order == [element for element in theirs if element in shared], path.name


@pytest.mark.parametrize("kind", sorted(SAME_AS_A_SOURCE))
def test_same_as_one_that_pycharm_wrote(kind: str) -> None:
    known = [without_repeats(source.elements) for source in SOURCES if source.kind == kind]
    for path in ours(kind, rendered(PROJECT)):
        assert without_repeats(outline(path)) in known, path.name


def test_tests_configuration_lacks_only_what_pycharm_adds_for_a_named_interpreter() -> None:
    (path,) = ours("tests", rendered(PROJECT))
    idegym = next(source for source in SOURCES if source.kind == "tests")
    assert outline(path) == [element for element in idegym.elements if element != "option:SDK_NAME"]
