"""Project names become package names that import, shadow nothing, and can be a folder anywhere."""

from __future__ import annotations

import keyword
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.catalog import catalog
from scaffolder.errors import NewmodelError
from scaffolder.names import WINDOWS_DEVICES, check_folder_name, check_package, package_name, why_taken


@pytest.mark.parametrize(
    ("project", "package"),
    [
        ("demo", "demo"),
        ("My Model", "my_model"),
        ("my-model.v2", "my_model_v2"),
        ("2024 forecast", "forecast"),
        ("房价预测", "fangjiayuce"),
        ("Zürich", "zurich"),
        ("🚀 rocket", "rocket_rocket"),
        ("...", "my_model"),
        ("123", "my_model"),
        ("train", "train_model"),
        ("torch", "torch_model"),
        ("keras", "keras_model"),
        ("code", "code_model"),
        ("tests", "tests_model"),
        ("data", "data_model"),
        ("class", "class_model"),
        ("match", "match_model"),
        ("CON", "con_model"),
        ("PIL", "pil_model"),
        ("google", "google_model"),
        ("sklearn", "sklearn_model"),
    ],
)
def test_package_of(project: str, package: str) -> None:
    assert package_name(project, catalog()).name == package


def test_the_reason_is_said() -> None:
    assert package_name("torch", catalog()).reason == "“torch” is a package that the project uses."
    assert package_name("json", catalog()).reason == "“json” is a module of Python's standard library."
    assert package_name("runs", catalog()).reason == "“runs” is a file or folder of the project itself."
    assert package_name("demo", catalog()).reason == ""


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.text(max_size=90))
def test_any_name_gives_a_package_that_imports(project: str) -> None:
    name = package_name(project, catalog()).name
    assert name.isidentifier()
    assert name.isascii()
    assert name == name.lower()
    assert not keyword.iskeyword(name)
    assert name not in sys.stdlib_module_names
    assert name not in WINDOWS_DEVICES
    assert len(name) <= 46
    assert not why_taken(name, catalog())
    check_package(name, catalog())


@pytest.mark.parametrize("name", ["Demo", "1st", "my-model", "", "a b", "x" * 81, "模型"])
def test_a_package_that_python_cannot_import_is_refused(name: str) -> None:
    with pytest.raises(NewmodelError, match="is no package name"):
        check_package(name, catalog())


def test_a_package_that_hides_another_is_refused_with_a_proposal() -> None:
    with pytest.raises(NewmodelError) as refused:
        check_package("keras", catalog())
    assert str(refused.value) == (
        "package: “keras” is a package that the project uses. Choose another, for example keras_model."
    )


@pytest.mark.parametrize("name", ["CON", "nul", "com1.txt", "LPT9", "aux .x", "demo.", "demo ", "a:b", "a?b", "x\ty"])
def test_folders_that_windows_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(NewmodelError, match="folder"):
        check_folder_name(name)


@pytest.mark.parametrize("name", ["demo", "房价预测", "my model", ".hidden", "a.b-c", "🚀", "console", "com"])
def test_other_folders_are_taken(name: str) -> None:
    check_folder_name(name)


def test_every_module_that_the_templates_import_is_reserved() -> None:
    for module in catalog().imported_modules:
        assert why_taken(module.lower(), catalog()), module
