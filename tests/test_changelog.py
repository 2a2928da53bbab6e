"""What is new between two versions, as CHANGELOG.md says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaffolder import messages
from scaffolder.template_source import releases
from scaffolder.updating import changelog
from scaffolder.updating.changelog import Entry, entries

TEXT = """\
# Changelog

About versions.

## Unreleased

- not yet

## [0.10.0] - 2026-03-01

- newest

## v0.3.0

Some words.

- `one` thing,
  on two lines
- 第一行
  第二行

### Fixed

* a mistake

## 0.2.0

- first
"""


def test_the_versions_between_the_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "CHANGELOG.md"
    file.write_text(TEXT, encoding="utf-8")
    found = entries("v0.2.0", "v0.10.0", file)
    assert [entry.version for entry in found] == ["0.10.0", "0.3.0"]
    assert found[1] == Entry(
        version="0.3.0",
        lines=("Some words.", "`one` thing, on two lines", "第一行第二行", "a mistake"),
    )
    assert entries("0.3.0", "0.3.0", file) == []


def test_a_missing_changelog_is_no_obstacle(tmp_path: Path) -> None:
    assert entries("0.1.0", "0.2.0", tmp_path / "CHANGELOG.md") == []
    (tmp_path / "CHANGELOG.md").write_bytes(b"\xff\xfe")
    assert entries("0.1.0", "0.2.0", tmp_path / "CHANGELOG.md") == []


def test_it_is_read_in_the_persons_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "_PACKAGE", tmp_path)
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases/CHANGELOG.md").write_text("## 0.2.0\n- new\n", encoding="utf-8")
    messages.set_language("zh_CN")
    assert entries("0.1.0", "0.2.0")[0].lines == ("new",)
    (tmp_path / "releases/CHANGELOG.zh_CN.md").write_text("## 0.2.0\n- 新\n", encoding="utf-8")
    assert entries("0.1.0", "0.2.0")[0].lines == ("新",)
    messages.set_language("en")
    assert entries("0.1.0", "0.2.0")[0].lines == ("new",)


def test_every_release_since_the_second_has_its_entry() -> None:
    known = releases().all()
    told = {entry.version for entry in entries(known[0].version, known[-1].version)}
    assert told == {release.version for release in known[1:]}
