"""The table of what fits what: whole, current, and the same as what was published."""

from __future__ import annotations

import datetime
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scaffolder.catalog import catalog
from scaffolder.environment.builds import compatibility
from scaffolder.environment.builds.compatibility import at_least, cuda_of_driver, last_driver, numbers, pair, table
from scaffolder.install.toml import read_toml

REPOSITORY = Path(__file__).resolve().parent.parent
STATEMENTS = read_toml(REPOSITORY / "tests" / "pytorch_index_2_13.toml")["statement"]


def test_what_is_generated_from_it_is_current() -> None:
    again = "run: python -m scaffolder.environment.builds.compatibility"
    macro = (REPOSITORY / "templates" / "macros" / "versions.jinja").read_text(encoding="utf-8")
    assert macro == compatibility.versions_macro(), again
    page = (REPOSITORY / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert page == compatibility.page(page), again
    assert all(f"`{row.name}`" in page for row in table().builds)


def test_the_templates_read_the_same_versions() -> None:
    versions = catalog().versions
    assert versions.torch == table().pins["torch"]
    assert catalog().python_range("tensorflow") == table().python_range("tensorflow")
    assert dict(versions.pytorch_index) == compatibility.indexes("pytorch")


def test_copier_offers_the_builds_of_the_table() -> None:
    offered = {choice.value for choice in catalog().questions["framework_build"].choices}
    assert offered == {row.name for row in table().builds if row.framework == "pytorch" and row.offered}
    default = yaml.safe_load(re.search(r"\{\{ (\{.*\})\[accelerator\]", catalog().raw["framework_build"]["default"])[1])
    assert default == compatibility.default_builds("pytorch")


def test_every_row_says_where_it_comes_from_and_when() -> None:
    for row in (*table().builds, *(row for _release, row in table().earlier)):
        assert row.source, row
        assert datetime.date.fromisoformat(row.verified) <= datetime.date.today()
        assert set(row.systems) <= {"linux", "win32", "darwin"}
        assert set(row.machines) <= {"x86_64", "aarch64"}
        assert (row.accelerator == "cuda") == bool(row.chips), row
        assert (row.accelerator == "rocm") == bool(row.targets), row
        assert ("darwin" in row.systems) == bool(row.macos), row
    for row in table().builds:
        assert (row.accelerator == "cuda") == bool(row.driver), row


# --- against what is published ----------------------------------------------------------------------------------------


def rows(name: str, machine: str = "x86_64") -> list[compatibility.Row]:
    return [
        row
        for row in table().builds
        if row.framework == "pytorch" and row.name == name and (machine in row.machines or not machine)
    ]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement["what"] + statement["url"][-12:])
def test_pytorchs_indexes_are_as_published(statement: Mapping[str, Any]) -> None:
    assert table().pins["torch"].startswith("2.13."), "a recording of another release is needed"
    if statement["what"] == "builds":
        gpu = {row.name for row in table().builds if row.framework == "pytorch" and row.accelerator in ("cuda", "rocm")}
        assert gpu == set(statement["names"])
        for name in statement.get("experimental", ()):
            assert not any(row.offered for row in rows(name))
    elif statement["what"] == "chips":
        for name, chips in statement["chips"].items():
            assert [list(row.chips) for row in rows(name, statement["machine"])] == [chips]
    elif statement["what"] == "driver":
        for name, branch in statement["branch"].items():
            assert {numbers(row.driver["linux"])[0] for row in rows(name, "")} == {branch}
    else:
        (row,) = rows("rocm7.2")
        assert set(row.targets) | set(row.unusable) == set(statement["targets"])


def files_on_pypi(package: str, version: str) -> list[dict[str, Any]]:
    """What the package index of this machine has of one version (PEP 691); skips the test where none answers."""
    request = urllib.request.Request(
        f"https://pypi.org/simple/{package}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        pytest.skip("PyPI cannot be reached, or answers in another form")
    return [file for file in content["files"] if file["filename"].startswith(f"{package}-{version}-")]


@pytest.mark.parametrize("entry", table().pypi, ids=lambda entry: entry["package"])
def test_pypi_has_what_the_table_says(entry: Mapping[str, Any]) -> None:
    files = files_on_pypi(entry["package"], entry["version"])
    assert entry["version"] == table().pins[entry["package"]]
    wheels = [re.fullmatch(r"[^-]+-[^-]+-([^-]+)-([^-]+)-(.+)\.whl", file["filename"]) for file in files]
    tags = [(match[1], match[2], match[3]) for match in wheels if match]
    pythons = {
        re.sub(r"(?:cp|py)(\d)(\d*)", r"\1.\2", python).rstrip(".") for python, abi, _ in tags if not abi.endswith("t")
    }
    assert pythons == set(entry["python"])
    assert {platform for _, _, platform in tags} == set(entry["platforms"])
    if "requires_python" in entry:
        assert {file["requires-python"] for file in files} == {entry["requires_python"]}


def test_the_ranges_follow_from_what_pypi_has() -> None:
    has = {entry["package"]: entry for entry in table().pypi}
    oldest, too_new = table().python_range("pytorch")
    assert [pair(text) for text in has["torch"]["python"]] == [(3, minor) for minor in range(oldest[1], too_new[1])]
    oldest, too_new = table().python_range("tensorflow")
    assert pair(has["tensorflow"]["python"][-1]) == (3, too_new[1] - 1)
    assert oldest == pair(has["keras"]["requires_python"].removeprefix(">="))
    for row in table().builds:
        if row.macos:
            tag = f"macosx_{row.macos.replace('.', '_')}_arm64"
            assert tag in has[compatibility.package(row.framework)]["platforms"]


# --- chips and drivers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "machine", "runs", "fails"),
    [
        (
            "cu130",
            "x86_64",
            [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 3), (12, 0), (12, 1)],
            [(5, 0), (6, 1), (7, 0)],
        ),
        ("cu126", "x86_64", [(5, 0), (5, 2), (6, 1), (7, 0), (8, 9), (9, 0)], [(3, 7), (10, 0), (12, 0)]),
        ("cu130", "aarch64", [(8, 7), (9, 0), (11, 0), (12, 1)], [(7, 2), (7, 5)]),
    ],
)
def test_code_for_a_chip(build: str, machine: str, runs: list[tuple[int, int]], fails: list[tuple[int, int]]) -> None:
    (row,) = rows(build, machine)
    assert [chip for chip in runs if not row.has_code_for(chip)] == []
    assert [chip for chip in fails if row.has_code_for(chip)] == []
    assert row.has_code_for(None), "an unknown chip is not refused"


@pytest.mark.parametrize(
    ("version", "build", "runs", "fails"),
    [
        ("2.6.0+cu124", "cu124", (9, 0), (12, 0)),
        ("2.8.0+cu128", "cu128", (7, 0), (6, 1)),
        ("2.9.1+cu128", "cu128", (7, 0), (6, 1)),
        ("2.11.0+cu128", "cu128", (7, 5), (7, 0)),
        ("2.10.0", "cu130", (12, 1), (7, 0)),
        ("2.13.0+cu126", "cu126", (6, 1), (12, 0)),
    ],
)
def test_code_in_what_is_installed(version: str, build: str, runs: tuple[int, int], fails: tuple[int, int]) -> None:
    row = table().row_of("pytorch", version, build, "linux", "x86_64")
    assert row is not None
    assert row.has_code_for(runs)
    assert not row.has_code_for(fails)
    assert table().row_of("pytorch", "1.13.1", build, "linux", "x86_64") is None
    assert table().row_of("pytorch", "garbage", build, "linux", "x86_64") is None


def test_tensorflows_intermediate_code_ends_before_blackwell() -> None:
    (row,) = (row for row in table().builds if row.framework == "tensorflow" and row.accelerator == "cuda")
    assert row.has_code_for((9, 0)) and row.has_code_for((7, 5))
    assert not row.has_code_for((12, 0)) and not row.has_code_for((5, 2))


@pytest.mark.parametrize(
    ("driver", "platform", "cuda"),
    [
        ("580.95.05", "linux", (13, 0)),
        ("581.29", "win32", (13, 0)),
        ("595.58.03", "linux", (13, 2)),
        ("570.133.07", "linux", (12, 8)),
        ("535.183.01", "linux", (12, 2)),
        ("551.61", "win32", (12, 4)),
        ("470.182.03", "linux", (11, 4)),
        ("999.1", "linux", (13, 2)),
        ("390.157", "linux", None),
        ("", "linux", None),
        ("garbage", "linux", None),
    ],
)
def test_cuda_of_a_driver(driver: str, platform: str, cuda: tuple[int, int] | None) -> None:
    assert cuda_of_driver(driver, platform) == cuda


def test_last_drivers() -> None:
    assert [last_driver(chip) for chip in ((3, 5), (6, 1), (7, 0), (7, 5), None)] == ["470", "580", "580", "", ""]


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_is_a_version(version: str, lowest: str) -> None:
    assert isinstance(at_least(version, lowest), bool)
    assert all(part >= 0 for part in numbers(version))
    cuda_of_driver(version, "linux")
