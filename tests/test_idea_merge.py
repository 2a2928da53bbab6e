"""PyCharm rewrites the files in `.idea` in its own way: that is no conflict."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaffolder.idea_merge import ConflictError, main, merge_xml

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


def test_nothing_changed_gives_the_same_bytes() -> None:
    assert merge_xml(BASE, BASE, BASE) == BASE


def test_a_field_that_pycharm_added_and_one_that_the_template_changed() -> None:
    ours = BASE.replace('<module name="demo" />', '<module name="demo" />\n    <option name="SDK_NAME" value="" />')
    theirs = BASE.replace('PARAMETERS" value=""', 'PARAMETERS" value="--config configs/train.yaml"')
    merged = merge_xml(BASE, ours, theirs)
    assert '<option name="SDK_NAME" value="" />' in merged
    assert 'value="--config configs/train.yaml"' in merged


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


def test_the_declaration_and_the_missing_last_newline_stay() -> None:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    merged = merge_xml(head + BASE, head + BASE, head + BASE.replace("demo", "demo2"))
    assert merged.startswith(head)
    assert not merged.endswith("\n")


def test_the_driver_marks_a_conflict_and_says_so(tmp_path: Path) -> None:
    paths = []
    for name, value in (("base", ""), ("ours", "--seed 1"), ("theirs", "--seed 2")):
        path = tmp_path / name
        path.write_text(BASE.replace('PARAMETERS" value=""', f'PARAMETERS" value="{value}"'))
        paths.append(str(path))
    assert main(*paths) == 1
    text = (tmp_path / "ours").read_text()
    assert "<<<<<<< yours" in text
    assert "--seed 1" in text
    assert "--seed 2" in text
