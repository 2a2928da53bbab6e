"""PyCharm rewrites the files in `.idea` in its own way: that is no conflict."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merge_cases import MODULE
from test_merge_properties import merge_trees

from scaffolder.merging.idea_merge import ConflictError, NoMeaningError, merge_idea, merge_xml, same_meaning
from scaffolder.merging.three_way import Outcome

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
BASE = """\
<component name="ProjectRunConfigurationManager">
  <configuration default="false" name="Train" type="PythonConfigurationType" factoryName="Python">
    <module name="demo" />
    <option name="PARENT_ENVS" value="true" />
    <envs>
      <env name="PYTHONUNBUFFERED" value="1" />
    </envs>
    <option name="SCRIPT_NAME" value="$PROJECT_DIR$/train.py" />
    <option name="PARAMETERS" value="" />
    <method v="2" />
  </configuration>
</component>"""
SCHEMAS = (
    HEAD
    + """\
<project version="4">
  <component name="JsonSchemaMappingsProjectConfiguration">
    <state>
      <map>
        <entry key="Configuration">
          <value>
            <SchemaInfo>
              <option name="name" value="Configuration" />
              <option name="relativePathToSchema" value="configs/schema.json" />
              <option name="patterns">
                <list>
                  <Item>
                    <option name="path" value="configs/*.yaml" />
                    <option name="mappingKind" value="Pattern" />
                  </Item>
                </list>
              </option>
            </SchemaInfo>
          </value>
        </entry>
      </map>
    </state>
  </component>
</project>"""
)


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def test_nothing_changed_gives_the_same_bytes() -> None:
    for text in (BASE, MODULE, SCHEMAS):
        assert merge_xml(text, text, text) == text


def test_a_field_that_pycharm_added_and_one_that_the_template_changed() -> None:
    ours = BASE.replace('<module name="demo" />', '<module name="demo" />\n    <option name="SDK_NAME" value="" />')
    theirs = BASE.replace('PARAMETERS" value=""', 'PARAMETERS" value="--config configs/train.yaml"')
    merged = merge_xml(BASE, ours, theirs)
    assert '<option name="SDK_NAME" value="" />' in merged
    assert 'value="--config configs/train.yaml"' in merged


def test_what_pycharm_2026_adds_is_no_conflict() -> None:
    ours = replaced(
        BASE,
        ('    <option name="PARENT_ENVS"', '    <option name="ENV_FILES" value="" />\n    <option name="PARENT_ENVS"'),
        (
            '    <option name="SCRIPT_NAME"',
            '    <option name="SDK_HOME" value="" />\n    <option name="SDK_NAME" value="Python 3.12 (demo)" />\n'
            '    <option name="DEBUG_JUST_MY_CODE" value="true" />\n'
            '    <EXTENSION ID="PythonCoverageRunConfigurationExtension" runner="coverage.py" />\n'
            '    <option name="RUN_TOOL" value="true" />\n    <option name="SCRIPT_NAME"',
        ),
    )
    theirs = replaced(BASE, ('PARAMETERS" value=""', 'PARAMETERS" value="--fast"'), ('"true"', '"false"'))
    merged = merge_xml(BASE, ours, theirs)
    assert merged == replaced(ours, ('PARAMETERS" value=""', 'PARAMETERS" value="--fast"'), (
        'PARENT_ENVS" value="true"', 'PARENT_ENVS" value="false"'))  # fmt: skip


def test_another_order_and_layout_is_no_change() -> None:
    ours = (
        BASE.replace('    <option name="PARENT_ENVS" value="true" />\n', "")
        .replace('    <method v="2" />', '    <method v="2" />\n    <option name="PARENT_ENVS" value="true" />')
        .replace("  ", "\t")
    )
    theirs = BASE.replace('PARENT_ENVS" value="true"', 'PARENT_ENVS" value="false"')
    merged = merge_xml(BASE, ours, theirs)
    assert 'PARENT_ENVS" value="false"' in merged
    assert merged.count("PARENT_ENVS") == 1


def test_what_the_person_added_stays_and_what_the_template_removed_goes() -> None:
    ours = BASE.replace(
        'PYTHONUNBUFFERED" value="1" />',
        'PYTHONUNBUFFERED" value="1" />\n      <env name="HTTP_PROXY" value="x" />',
    )
    theirs = BASE.replace('    <option name="PARENT_ENVS" value="true" />\n', "")
    merged = merge_xml(BASE, ours, theirs)
    assert 'name="HTTP_PROXY"' in merged
    assert "PARENT_ENVS" not in merged


def test_parameters_of_both_in_different_options_stay() -> None:
    ours = replaced(BASE, ('PARAMETERS" value=""', 'PARAMETERS" value="--seed 1"'))
    theirs = replaced(BASE, ("$PROJECT_DIR$/train.py", "$PROJECT_DIR$/fit.py"))
    merged = merge_xml(BASE, ours, theirs)
    assert 'value="--seed 1"' in merged
    assert "fit.py" in merged


def test_a_configuration_that_the_person_renamed_gets_the_templates_change() -> None:
    ours = replaced(BASE, ('name="Train"', 'name="My training"'))
    theirs = replaced(BASE, ('PARAMETERS" value=""', 'PARAMETERS" value="--fast"'))
    merged = merge_xml(BASE, ours, theirs)
    assert 'name="My training"' in merged
    assert "--fast" in merged


def test_a_value_that_both_changed_is_a_conflict() -> None:
    ours = BASE.replace('PARAMETERS" value=""', 'PARAMETERS" value="--seed 1"')
    theirs = BASE.replace('PARAMETERS" value=""', 'PARAMETERS" value="--seed 2"')
    with pytest.raises(ConflictError):
        merge_xml(BASE, ours, theirs)


def test_an_element_removed_here_and_changed_there_is_a_conflict() -> None:
    ours = BASE.replace('    <option name="PARAMETERS" value="" />\n', "")
    theirs = BASE.replace('PARAMETERS" value=""', 'PARAMETERS" value="x"')
    with pytest.raises(ConflictError):
        merge_xml(BASE, ours, theirs)


def test_only_what_both_changed_is_between_markers() -> None:
    ours = replaced(BASE, ('PARAMETERS" value=""', 'PARAMETERS" value="--seed 1"'), ("  ", "\t"))
    theirs = replaced(BASE, ('PARAMETERS" value=""', 'PARAMETERS" value="--seed 2"'), ("train.py", "fit.py"))
    merged, clean = merge_idea(BASE.encode(), ours.encode(), theirs.encode())
    assert not clean
    marked = (
        '<<<<<<< yours\n    <option name="PARAMETERS" value="--seed 1" />\n=======\n'
        '    <option name="PARAMETERS" value="--seed 2" />\n>>>>>>> template\n'
    )
    wanted = replaced(BASE, ('    <option name="PARAMETERS" value="" />\n', marked), ("train.py", "fit.py"))
    assert merged.decode() == wanted


def test_the_declaration_and_the_missing_last_newline_stay() -> None:
    merged = merge_xml(HEAD + BASE, HEAD + BASE, HEAD + BASE.replace("demo", "demo2"))
    assert merged.startswith(HEAD)
    assert not merged.endswith("\n")


def test_a_declaration_that_pycharm_added_or_dropped_is_no_conflict() -> None:
    theirs = replaced(BASE, ("train.py", "fit.py"))
    assert merge_xml(BASE, HEAD + BASE, theirs) == HEAD + theirs
    assert merge_xml(HEAD + BASE, BASE, HEAD + theirs) == theirs


def test_windows_lines_and_the_byte_order_mark_stay() -> None:
    theirs = replaced(BASE, ("train.py", "fit.py"))
    ours = b"\xef\xbb\xbf" + replaced(BASE, ('"true"', '"false"')).replace("\n", "\r\n").encode()
    merged, clean = merge_idea(BASE.encode(), ours, theirs.encode())
    assert clean
    assert merged == ours.replace(b"train.py", b"fit.py")


def test_comments_of_the_person_stay() -> None:
    ours = "<!-- mine, at the top -->\n" + replaced(BASE, ("    <envs>", "    <!-- mine, inside -->\n    <envs>"))
    merged = merge_xml(BASE, ours, replaced(BASE, ("train.py", "fit.py")))
    assert merged == replaced(ours, ("train.py", "fit.py"))


@pytest.mark.parametrize(
    "ours",
    [
        replaced(BASE, ("<envs>", "<envs>text of the person's")),
        replaced(BASE, ("</envs>", "</envs>text of the person's")),
        replaced(BASE, ("</component>", "")),
        "<!DOCTYPE component [<!ENTITY mine 'text of the person'>]>" + BASE,
        replaced(BASE, ("<method", '<p:mine xmlns:p="http://example.org/" /><method')),
        "<project />",
    ],
)
def test_what_has_no_meaning_to_this_merge_is_a_conflict_of_the_whole(ours: str) -> None:
    theirs = replaced(BASE, ("train.py", "fit.py"))
    with pytest.raises(NoMeaningError):
        merge_xml(BASE, ours, theirs)
    merged, clean = merge_idea(BASE.encode(), ours.encode(), theirs.encode())
    assert not clean
    assert [line for line in ours.splitlines() if line not in merged.decode()] == []


def test_the_module_keeps_the_persons_folders_and_interpreter() -> None:
    ours = replaced(
        MODULE,
        ('<orderEntry type="inheritedJdk" />', '<orderEntry type="jdk" jdkName="Python 3.12" jdkType="Python SDK" />'),
        ("      <sourceFolder", '      <sourceFolder url="file://$MODULE_DIR$/src" isTestSource="false" />\n'
         "      <sourceFolder"),
        ('      <excludeFolder url="file://$MODULE_DIR$/runs" />\n',
         '      <excludeFolder url="file://$MODULE_DIR$/mine" />\n'),
    )  # fmt: skip
    theirs = replaced(
        MODULE,
        ("    </content>", '      <excludeFolder url="file://$MODULE_DIR$/data" />\n    </content>'),
        ("  </component>\n", '  </component>\n  <component name="TestRunnerService">\n'
         '    <option name="PROJECT_TEST_RUNNER" value="py.test" />\n  </component>\n'),
    )  # fmt: skip
    merged = merge_xml(MODULE, ours, theirs)
    urls = [element.get("url", "").rpartition("/")[2] for element in ElementTree.fromstring(merged).iter()]
    assert [url for url in urls if url] == ["$MODULE_DIR$", "src", "tests", ".venv", "mine", "data"]
    assert 'jdkName="Python 3.12"' in merged
    assert "inheritedJdk" not in merged
    assert "PROJECT_TEST_RUNNER" in merged


def test_two_interpreters_are_a_conflict_and_never_both() -> None:
    ours, theirs = (
        replaced(MODULE, ('type="inheritedJdk"', f'type="jdk" jdkName="Python {name}" jdkType="Python SDK"'))
        for name in ("3.12", "3.13")
    )
    with pytest.raises(ConflictError):
        merge_xml(MODULE, ours, theirs)


def test_libraries_are_told_apart_by_their_names() -> None:
    def with_library(name: str) -> str:
        entry = f'    <orderEntry type="library" name="{name}" level="project" />\n  </component>'
        return replaced(MODULE, ("  </component>", entry))

    merged = merge_xml(MODULE, with_library("mine"), with_library("new"))
    assert 'name="mine"' in merged
    assert 'name="new"' in merged


def test_misc_xml_keeps_the_interpreter_and_gets_the_templates_component() -> None:
    base = HEAD + '<project version="4">\n  <component name="ProjectRootManager" version="2" />\n</project>'
    ours = replaced(
        base,
        ('version="2" />', 'version="2" project-jdk-name="Python 3.12 (demo)" project-jdk-type="Python SDK" />\n'
         '  <component name="Black">\n    <option name="sdkName" value="Python 3.12 (demo)" />\n  </component>\n'
         '  <component name="dataSourceStorage">\n    <data />\n  </component>'),
    )  # fmt: skip
    theirs = replaced(base, ("</project>", '  <component name="New" />\n</project>'))
    merged = merge_xml(base, ours, theirs)
    assert merged == replaced(ours, ("</project>", '  <component name="New" />\n</project>'))


def test_modules_and_vcs_roots_of_both_stay() -> None:
    entry = '<module fileurl="file://$PROJECT_DIR$/{0}.iml" filepath="$PROJECT_DIR$/{0}.iml" />\n'
    mapping = '<mapping directory="{0}" vcs="Git" />\n'
    for line in (entry, mapping):
        base, ours, theirs = (
            '<project version="4">\n<component name="C">\n'
            + "".join(line.format(name) for name in names)
            + "</component>\n</project>"
            for names in (["demo"], ["demo", "mine"], ["demo", "new"])
        )
        merged = merge_xml(base, ours, theirs)
        assert all(line.strip().format(name) in merged for name in ("demo", "mine", "new"))


def test_schemas_of_both_stay_and_a_field_that_pycharm_added() -> None:
    ours = replaced(
        SCHEMAS,
        ('<option name="path"', '<option name="pattern" value="true" />\n                    <option name="path"'),
        ("                </list>", '                  <Item>\n                    <option name="path" '
         'value="mine/*.yaml" />\n                  </Item>\n                </list>'),
    )  # fmt: skip
    theirs = replaced(
        SCHEMAS,
        ('value="Pattern"', 'value="Directory"'),
        ("      </map>", '        <entry key="Data">\n          <value />\n        </entry>\n      </map>'),
    )
    merged = merge_xml(SCHEMAS, ours, theirs)
    assert 'name="pattern" value="true"' in merged
    assert "mine/*.yaml" in merged
    assert 'value="Directory"' in merged
    assert 'key="Data"' in merged
    assert merged.count("configs/*.yaml") == 1


def test_elements_of_a_list_are_added_on_both_sides() -> None:
    def profile(*codes: str) -> str:
        return "<list>" + "".join(f'<option value="{code}" />' for code in codes) + "</list>"

    for base in ([], ["N803"], ["N803", "N806"]):
        merged = merge_xml(profile(*base), profile("N801", *base), profile(*base, "N804"))
        assert same_meaning(merged, profile("N801", *base, "N804"))
    assert same_meaning(
        merge_xml(profile("A", "B"), profile("N801", "A", "B"), profile("A")), profile("N801", "A")
    )  # fmt: skip


def test_tasks_before_a_launch_have_one_name_and_are_told_apart() -> None:
    def tasks(*names: str) -> str:
        one = '<option name="RunConfigurationTask" enabled="true" run_configuration_name="{}" />'
        return '<method v="2">' + "".join(one.format(name) for name in names) + "</method>"

    merged = merge_xml(tasks("Train"), tasks("Prepare", "Train"), tasks("Train", "Evaluate"))
    assert same_meaning(merged, tasks("Prepare", "Train", "Evaluate"))
    # another order is another sequence
    assert same_meaning(merge_xml(tasks("A", "B"), tasks("A", "B", "C"), tasks("B", "A")), tasks("B", "C", "A"))


def test_run_configurations_are_not_taken_for_one_another() -> None:
    """All are alike: git took a deleted one and one that the person added for a renamed one, and changed the latter."""
    predict = replaced(BASE, ("Train", "Predict"), ("train.py", "predict.py"))
    own = replaced(BASE, ("Train", "Mine"), ("train.py", "predict.py"))
    place = ".idea/runConfigurations/"
    merged, changes = merge_trees(
        {f"{place}Predict.xml": predict.encode()},
        {f"{place}Mine.xml": own.encode()},
        {f"{place}Predict.xml": predict.replace('value=""', 'value="--new"').encode()},
    )
    assert merged == {f"{place}Mine.xml": own.encode()}
    assert changes == {f"{place}Predict.xml": Outcome.STAYS_DELETED}


def test_the_module_follows_the_packages_new_name() -> None:
    ours = replaced(MODULE, ("/runs", "/mine"))
    merged, changes = merge_trees(
        {".idea/demo.iml": MODULE.encode()},
        {".idea/demo.iml": ours.encode()},
        {".idea/other.iml": replaced(MODULE, ("/tests", "/checks")).encode()},
    )
    assert merged == {".idea/other.iml": replaced(ours, ("/tests", "/checks")).encode()}
    assert changes == {".idea/demo.iml": Outcome.DELETED, ".idea/other.iml": Outcome.ADDED}


# --- random XML ---------------------------------------------------------------------------------------------

values = st.sampled_from(["", "1", "2", "a b", '"<&>"', "中文"])
names = st.sampled_from(["A", "B", "C"])


def _element(children: st.SearchStrategy[ElementTree.Element]) -> st.SearchStrategy[ElementTree.Element]:
    return st.builds(
        _made,
        tag=st.sampled_from(["option", "component", "list", "entry", "Item", "orderEntry", "envs"]),
        attributes=st.dictionaries(st.sampled_from(["name", "key", "url", "type", "value", "v"]), values, max_size=3),
        children=st.lists(children, max_size=4),
        text=st.sampled_from([None, None, "text"]),
        comment=st.sampled_from([None, None, None, " a comment "]),
    )


def _made(
    tag: str, attributes: dict[str, str], children: list[ElementTree.Element], text: str | None, comment: str | None
) -> ElementTree.Element:
    element = ElementTree.Element(tag, attributes)
    element.extend(children)
    if comment:
        element.insert(0, ElementTree.Comment(comment))
    if not len(element):
        element.text = text
    return element


elements = st.recursive(
    st.builds(
        _made, st.sampled_from(["option", "entry", "Item"]),
        st.dictionaries(st.sampled_from(["name", "key", "value"]), values, max_size=2),
        st.just([]), st.none(), st.none(),
    ),
    _element, max_leaves=12,
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> str:
    root = ElementTree.Element("project", {"version": draw(values)})
    root.extend(draw(st.lists(elements, max_size=4)))
    layout = draw(st.sampled_from(["", "  ", "\t"]))
    if layout:
        ElementTree.indent(root, layout)
    head = draw(st.sampled_from(["", HEAD]))
    return head + ElementTree.tostring(root, encoding="unicode", short_empty_elements=draw(st.booleans()))


def sorted_meaning(text: str) -> object:
    def of(element: ElementTree.Element) -> object:
        parts = sorted((of(child) for child in element), key=repr)
        return (str(element.tag), sorted(element.attrib.items()), (element.text or "").strip(), parts)

    builder = ElementTree.TreeBuilder(insert_comments=False)
    return of(ElementTree.fromstring(text, ElementTree.XMLParser(target=builder)))


def result(base: str, ours: str, theirs: str) -> str | None:
    try:
        return merge_xml(base, ours, theirs)
    except (ConflictError, NoMeaningError):
        return None


random_xml = settings(
    max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@random_xml
@given(documents(), documents())
def test_a_change_of_one_side_is_the_result(base: str, changed: str) -> None:
    assert same_meaning(merge_xml(base, changed, base), changed)
    assert same_meaning(merge_xml(base, base, changed), changed)
    assert same_meaning(merge_xml(base, changed, changed), changed)


@random_xml
@given(documents(), documents(), documents())
def test_merging_again_changes_nothing_and_the_sides_are_equal(base: str, ours: str, theirs: str) -> None:
    merged = result(base, ours, theirs)
    other = result(base, theirs, ours)
    assert (merged is None) == (other is None)
    if merged is not None and other is not None:
        assert sorted_meaning(merged) == sorted_meaning(other)
        assert merge_xml(theirs, merged, theirs) == merged
        assert merge_xml(merged, merged, merged) == merged


@random_xml
@given(documents(), documents(), documents())
def test_nothing_of_the_persons_is_gone(base: str, ours: str, theirs: str) -> None:
    merged, clean = merge_idea(base.encode(), ours.encode(), theirs.encode())
    assert clean or b"<<<<<<< yours" in merged
    for element in ElementTree.fromstring(ours).iter():
        for name, value in element.attrib.items():
            piece = ElementTree.tostring(ElementTree.Element("x", {name: value}), encoding="unicode")[3:-3]
            assert piece in merged.decode() or piece in base


@random_xml
@given(documents(), documents())
def test_files_that_both_added(ours: str, theirs: str) -> None:
    merged, clean = merge_idea(None, ours.encode(), theirs.encode())
    if clean:
        assert merge_idea(None, merged, theirs.encode()) == (merged, True)
    else:
        assert b"<<<<<<< yours" in merged
