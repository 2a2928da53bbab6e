"""Released template versions: append-only, deterministic, usable without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scaffolder import template_source
from scaffolder.errors import NewmodelError
from scaffolder.template_source import Releases, current_version, digest, is_development, release


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    (folder / "project").mkdir(parents=True)
    (folder / "copier.yml").write_text("_subdirectory: project\n")
    (folder / "project" / "{{ 'a' }}.py").write_text("print(1)\n")
    return folder


def test_a_release_can_be_unpacked_byte_for_byte(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    (templates / "project" / ".gitignore").write_text("*.py\n")  # must not keep the file beside it out
    (templates / "project" / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    new = release("0.1.0", templates, target)
    unpacked = target.unpack(new, tmp_path / "cache")
    assert digest(unpacked) == digest(templates) == new.digest
    assert (unpacked / "project" / "{{ 'a' }}.py").read_text() == "print(1)\n"


def test_earlier_releases_stay_as_they_were(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    first = release("0.1.0", templates, target)
    (templates / "copier.yml").write_text("_subdirectory: project\nname: {type: str}\n")
    second = release("0.2.0", templates, target)
    assert target.all() == [first, second]
    assert target.newest() == second
    assert (target.unpack(first, tmp_path / "c") / "copier.yml").read_text() == "_subdirectory: project\n"


def test_the_same_templates_give_the_same_commit(templates: Path, tmp_path: Path) -> None:
    one = release("0.1.0", templates, Releases(tmp_path / "one"))
    two = release("0.1.0", templates, Releases(tmp_path / "two"))
    assert one == two
    assert Releases(tmp_path / "one").bundle.read_bytes() == Releases(tmp_path / "two").bundle.read_bytes()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("0.1.0", "0.1.0 is not newer than the newest release 0.1.0."),
        ("0.0.9", "0.0.9 is not newer than the newest release 0.1.0."),
        ("next", "next is not a version number; give one such as 1.2.0."),
        ("0.2.0", "Nothing in the templates has changed since 0.1.0."),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(templates: Path, tmp_path: Path, version: str, message: str) -> None:
    target = Releases(tmp_path / "releases")
    release("0.1.0", templates, target)
    before = target.bundle.read_bytes()
    with pytest.raises(NewmodelError) as caught:
        release(version, templates, target)
    assert str(caught.value) == message
    assert target.bundle.read_bytes() == before


def test_a_damaged_cache_is_made_anew(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    new = release("0.1.0", templates, target)
    unpacked = target.unpack(new, tmp_path / "cache")
    (unpacked / "copier.yml").write_text("something else")
    assert digest(target.unpack(new, tmp_path / "cache")) == new.digest


def test_an_unknown_version_is_refused_with_the_known_ones(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    release("0.1.0", templates, target)
    with pytest.raises(NewmodelError, match=r"no released template version v9\.0; the released ones are: v0\.1\.0"):
        target.find("v9.0")


def test_changed_templates_are_a_development_version(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Releases(tmp_path / "releases")
    monkeypatch.setattr(template_source, "releases", lambda: target)
    monkeypatch.setattr(template_source, "templates_folder", lambda: templates)
    assert is_development(current_version())
    release("0.1.0", templates, target)
    assert current_version() == "v0.1.0"
    assert not is_development("v0.1.0")
    (templates / "copier.yml").write_text("changed: {type: str}\n")
    assert current_version().startswith("v0.1.0.post0.dev0+")
    assert is_development(current_version())


def test_every_committed_release_is_in_the_bundle(tmp_path: Path) -> None:
    committed = template_source.releases()
    for entry in committed.all():
        assert digest(committed.unpack(entry, tmp_path)) == entry.digest


def test_the_manifest_holds_only_what_is_needed(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    release("0.1.0", templates, target)
    [entry] = json.loads((target.folder / "releases.json").read_text())
    assert set(entry) == {"version", "commit", "digest"}
