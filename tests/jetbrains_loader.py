"""Loads projects with JetBrains' own project loader (tests/jetbrains): what PyCharm would make of a project folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from answer_matrix import REPOSITORY
from environments import locked

CLASSES = REPOSITORY / ".cache" / "jetbrains" / "classes"


@dataclass(frozen=True)
class SourceRoot:
    folder: Path
    test: bool


@dataclass(frozen=True)
class Module:
    """A module as loaded: folders are absolute, `sdk` is the interpreter it names, itself or through the project."""

    name: str
    type: str
    content_roots: tuple[Path, ...]
    source_roots: tuple[SourceRoot, ...]
    excluded: frozenset[Path]
    dependencies: tuple[str, ...]
    sdk: str | None


@dataclass(frozen=True)
class LoadedRunConfiguration:
    """A run configuration as loaded, macros expanded; `element` is None for a type that the harness does not know."""

    name: str
    element: dict[str, Any] | None

    @property
    def attributes(self) -> dict[str, str]:
        assert self.element is not None, f"“{self.name}” has a type that the Python plugin does not know"
        return dict(self.element["attributes"])

    @property
    def options(self) -> dict[str, str]:
        return {child["attributes"]["name"]: child["attributes"]["value"] for child in self._children("option")}

    @property
    def environment(self) -> dict[str, str]:
        variables = [variable for envs in self._children("envs") for variable in envs["children"]]
        return {variable["attributes"]["name"]: variable["attributes"]["value"] for variable in variables}

    @property
    def module(self) -> str:
        (module,) = self._children("module")
        return str(module["attributes"]["name"])

    def _children(self, tag: str) -> list[dict[str, Any]]:
        assert self.element is not None
        return [child for child in self.element["children"] if child["tag"] == tag]


@dataclass(frozen=True)
class LoadedProject:
    modules: tuple[Module, ...]
    run_configurations: dict[str, LoadedRunConfiguration]


def load_projects(folders: Iterable[Path]) -> dict[Path, LoadedProject]:
    """What JetBrains' loader makes of each folder. Skips the test where the loader cannot be had, fails it in CI.

    Raises:
        AssertionError: If a folder cannot be loaded.
    """
    unavailable = _install()
    if unavailable and os.environ.get("CI"):
        pytest.fail(f"In CI these tests must run. {unavailable}")
    if unavailable:
        pytest.skip(f"NOT TESTED with JetBrains' loader: {unavailable}")
    classpath = f"{CLASSES}:{(CLASSES / 'classpath').read_text().strip()}"
    command = ["java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dsun.jnu.encoding=UTF-8"]
    done = subprocess.run(
        [*command, "-cp", classpath, "LoadProjects"],
        input="".join(f"{folder}\n" for folder in folders),
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {Path(raw["folder"]): _project(raw) for raw in map(json.loads, done.stdout.splitlines())}


@cache
def _install() -> str:
    """Make the loader ready; the reason if that is not possible."""
    script = REPOSITORY / "tests" / "jetbrains" / "install.sh"
    if os.name == "nt":
        return "it comes as Debian packages, and this is Windows."
    CLASSES.parent.mkdir(parents=True, exist_ok=True)
    with locked(CLASSES.parent / "install.lock"):
        done = subprocess.run([script], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 3), done.stderr
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def _project(raw: dict[str, Any]) -> LoadedProject:
    assert "error" not in raw, f"{raw['folder']} cannot be loaded: {raw['error']}"
    return LoadedProject(
        modules=tuple(_module(module) for module in raw["modules"]),
        run_configurations={
            configuration["name"]: LoadedRunConfiguration(configuration["name"], configuration["element"])
            for configuration in raw["run_configurations"]
        },
    )


def _module(raw: dict[str, Any]) -> Module:
    sdk = [dependency for dependency in raw["dependencies"] if "sdk" in dependency["kind"]]
    return Module(
        name=raw["name"],
        type=raw["type"],
        content_roots=tuple(_folder(url) for url in raw["content_roots"]),
        source_roots=tuple(SourceRoot(_folder(root["url"]), root["test"]) for root in raw["source_roots"]),
        excluded=frozenset(_folder(url) for url in raw["excluded"]),
        dependencies=tuple(dependency["kind"] for dependency in raw["dependencies"]),
        sdk=next((dependency["name"] for dependency in sdk if dependency.get("name")), None),
    )


def _folder(url: str) -> Path:
    return Path(url.removeprefix("file://"))
