"""Released template versions: append-only, deterministic, usable without a network."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from scaffolder import template_source
from scaffolder.errors import NewmodelError
from scaffolder.quiet_git import quiet_git
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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permission")
def test_what_can_be_run_can_be_run_from_the_bundle(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    (templates / "project/run.sh").write_text("#!/bin/sh\n")
    (templates / "project/run.sh").chmod(0o755)
    unpacked = target.unpack(release("0.1.0", templates, target), tmp_path / "cache")
    assert (unpacked / "project/run.sh").stat().st_mode & 0o100
    assert not (unpacked / "copier.yml").stat().st_mode & 0o100


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


def test_a_new_release_keeps_the_commits_of_the_earlier_ones(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    made = []
    for number in range(1, 4):
        (templates / "copier.yml").write_text(f"_subdirectory: project\n# {number}\n")
        made.append(release(f"0.{number}.0", templates, target))
        heads = quiet_git("bundle", "list-heads", str(target.bundle)).splitlines()
        tags = {name: commit for commit, name in (line.split() for line in heads) if name.startswith("refs/tags/")}
        assert tags == {f"refs/tags/{entry.tag}": entry.commit for entry in made}
    # and whoever makes the same releases makes the same bundle
    again = Releases(tmp_path / "again")
    for number, entry in enumerate(made, start=1):
        (templates / "copier.yml").write_text(f"_subdirectory: project\n# {number}\n")
        assert release(entry.version, templates, again) == entry
    assert again.bundle.read_bytes() == target.bundle.read_bytes()


def test_a_release_that_was_interrupted_is_made_again(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    first = release("0.1.0", templates, target)
    manifest = (target.folder / "releases.json").read_bytes()
    (templates / "copier.yml").write_text("_subdirectory: project\n# half\n")
    release("0.2.0", templates, target)
    (target.folder / "releases.json").write_bytes(manifest)  # it had not come to that
    (templates / "copier.yml").write_text("_subdirectory: project\n# whole\n")
    second = release("0.2.0", templates, target)
    assert target.all() == [first, second]
    assert "whole" in (target.unpack(second, tmp_path / "cache") / "copier.yml").read_text()


def test_a_release_that_would_change_an_earlier_one_is_refused(templates: Path, tmp_path: Path) -> None:
    target = Releases(tmp_path / "releases")
    release("0.1.0", templates, target)
    manifest = target.folder / "releases.json"
    [entry] = json.loads(manifest.read_text())
    (templates / "copier.yml").write_text("_subdirectory: project\n# other\n")
    other = release("0.1.0", templates, Releases(tmp_path / "other"))
    manifest.write_text(json.dumps([{**entry, "digest": "0"}]))
    shutil.copyfile(Releases(tmp_path / "other").bundle, target.bundle)
    assert other.commit != entry["commit"]
    before = target.bundle.read_bytes()
    with pytest.raises(NewmodelError):
        release("0.2.0", templates, target)
    assert target.bundle.read_bytes() == before


def test_make_release_wants_to_know_what_is_new(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Releases(tmp_path / "releases")
    monkeypatch.setattr(template_source, "releases", lambda: target)
    monkeypatch.setattr(template_source, "templates_folder", lambda: templates)
    monkeypatch.setattr(template_source, "_GENERATORS", ("scaffolder.cookiecutter_front_that_is_not_there", "this"))
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 0.2.0\n\n## 0.1.0\n\n- all of it\n")
    for version in ("0.2.0", "0.3.0"):
        with pytest.raises(NewmodelError, match=f"says nothing about {version}"):
            template_source.make_release(version, tmp_path)
    assert target.all() == []
    assert template_source.make_release("0.1.0", tmp_path).tag == "v0.1.0"


def test_nothing_is_released_where_a_generator_fails(
    templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Releases(tmp_path / "releases")
    monkeypatch.setattr(template_source, "releases", lambda: target)
    monkeypatch.setattr(template_source, "templates_folder", lambda: templates)
    monkeypatch.setattr(template_source, "_GENERATORS", ("broken_generator",))
    (tmp_path / "broken_generator.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("## 0.1.0\n- new\n")
    with pytest.raises(NewmodelError, match=r"broken_generator” failed \(exit code 3\)"):
        template_source.make_release("0.1.0", tmp_path)
    assert target.all() == []


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
