"""Conflicts of an update: shown with both sides, kept as markers or as `.rej`, settled one by one or all at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_releases import LINES, git, make

from scaffolder import template_source
from scaffolder.updating import conflicts

#: What the template changes: two places of one file that the person changed too, one that they did not.
THEIRS = LINES.replace("line 2\n", "line two\n").replace("line 5\n", "their 5\n").replace("line 15\n", "their 15\n")
MINE = LINES.replace("line 5\n", "my 5\n").replace("line 15\n", "my 15\n").replace("line 28\n", "my 28\n")
ALL_MINE = MINE.replace("line 2\n", "line two\n")
ALL_THEIRS = THEIRS.replace("line 28\n", "my 28\n")


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(template_source, "_PACKAGE", tmp_path)

    def project(changed: dict[str, str | None] | None = None, mine: dict[str, str | None] | None = None) -> Path:
        return make(tmp_path, changed or {"project/train.py": THEIRS}, mine or {"train.py": MINE})

    return project


def unmerged(folder: Path) -> set[str]:
    return {line.split("\t")[1] for line in git(folder, "ls-files", "-u").splitlines()}


def stray(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.rej")]


def test_both_sides_stand_in_the_terminal_and_the_markers_in_the_file(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    done = newmodel("update", folder)
    assert done.code == 1
    assert "2 conflicts" in done.err
    shown = done.err.split("2 conflicts")[1]
    for text in ("train.py:5", "my 5", "their 5", "train.py:19", "my 15", "their 15", "Git → Resolve Conflicts"):
        assert text in shown
    assert "\x1b" not in done.err
    lines = (folder / "train.py").read_text().splitlines()
    assert lines[4] == "<<<<<<< yours"
    assert lines[18] == "<<<<<<< yours"
    # PyCharm's merge tool takes the three sides from git's index
    assert [line.split()[2] for line in git(folder, "ls-files", "-u").splitlines()] == ["1", "2", "3"]
    assert stray(folder) == []


def test_a_long_side_is_shortened(newmodel: Callable[..., Any], demo) -> None:
    many = LINES.replace("# line 5\n", "".join(f"# their {number}\n" for number in range(40)))
    done = newmodel("update", demo({"project/train.py": many}))
    assert "their 2" in done.err
    assert "their 30" not in done.err
    assert "… 37 more lines" in done.err


@pytest.mark.parametrize(("choice", "expected"), [("mine", ALL_MINE), ("theirs", ALL_THEIRS)])
def test_one_side_for_all_that_is_left(newmodel: Callable[..., Any], demo, choice: str, expected: str) -> None:
    folder = demo()
    newmodel("update", folder)
    done = newmodel("update", folder, "--resolve", choice)
    assert done.code == 0
    assert (folder / "train.py").read_text() == expected
    assert unmerged(folder) == set()
    assert "train.py" in git(folder, "diff", "--cached", "--name-only")
    assert newmodel("update", folder, "--resolve", choice).code == 0


def test_what_was_settled_by_hand_stays_and_git_is_told(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    newmodel("update", folder)
    (folder / "train.py").write_text("quite another text\n")
    assert newmodel("update", folder, "--resolve", "theirs").code == 0
    assert (folder / "train.py").read_text() == "quite another text\n"
    assert unmerged(folder) == set()


def test_one_place_settled_by_hand_and_the_other_by_the_command(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    newmodel("update", folder)
    text = (folder / "train.py").read_text()
    first = text[text.index("<<<<<<<") : text.index("# line 6")]
    (folder / "train.py").write_text(text.replace(first, "# both 5\n"))
    assert newmodel("update", folder, "--resolve", "mine").code == 0
    assert (folder / "train.py").read_text() == ALL_MINE.replace("# my 5\n", "# both 5\n")


def test_an_update_with_conflicts_left_says_so(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    newmodel("update", folder)
    again = newmodel("update", folder)
    assert again.code == 1
    assert "One file is still in conflict: train.py" in again.err


@pytest.mark.parametrize(("choice", "expected"), [("mine", ALL_MINE), ("theirs", ALL_THEIRS)])
def test_rej_keeps_the_persons_lines_in_the_file(
    newmodel: Callable[..., Any], demo, choice: str, expected: str
) -> None:
    folder = demo()
    done = newmodel("update", folder, "--conflict", "rej")
    assert done.code == 1
    assert "my 5" in done.err
    assert "their 5" in done.err
    assert (folder / "train.py").read_text() == ALL_MINE
    assert unmerged(folder) == set()
    rejected = (folder / "train.py.rej").read_text()
    assert "-# my 5\n+# their 5\n" in rejected
    assert "-# my 15\n+# their 15\n" in rejected
    assert newmodel("update", folder).code == 1

    assert newmodel("update", folder, "--resolve", choice).code == 0
    assert (folder / "train.py").read_text() == expected
    assert stray(folder) == []


def test_a_rej_of_a_file_with_windows_lines(newmodel: Callable[..., Any], demo) -> None:
    folder = demo(mine={"train.py": MINE.replace("\n", "\r\n")})
    assert newmodel("update", folder, "--conflict", "rej").code == 1
    assert (folder / "train.py").read_bytes() == ALL_MINE.replace("\n", "\r\n").encode()
    assert newmodel("update", folder, "--resolve", "theirs").code == 0
    assert (folder / "train.py").read_bytes() == ALL_THEIRS.replace("\n", "\r\n").encode()


def test_windows_lines_with_markers(newmodel: Callable[..., Any], demo) -> None:
    folder = demo(mine={"train.py": MINE.replace("\n", "\r\n")})
    assert newmodel("update", folder).code == 1
    assert newmodel("update", folder, "--resolve", "theirs").code == 0
    assert (folder / "train.py").read_bytes() == ALL_THEIRS.replace("\n", "\r\n").encode()


def test_a_rej_that_fits_no_more_is_left_and_said(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    newmodel("update", folder, "--conflict", "rej")
    (folder / "train.py").write_text("quite another text\n")
    done = newmodel("update", folder, "--resolve", "theirs")
    assert done.code == 1
    assert "train.py.rej no longer fits train.py" in done.err
    assert (folder / "train.py").read_text() == "quite another text\n"
    assert stray(folder) == ["train.py.rej"]
    assert newmodel("update", folder, "--resolve", "mine").code == 0
    assert stray(folder) == []


def test_a_rej_of_another_tool_is_none_of_ours(newmodel: Callable[..., Any], demo) -> None:
    folder = demo(mine={"train.py": MINE, "old.txt.rej": "--- a\n+++ b\n"})
    newmodel("update", folder, "--conflict", "rej")
    assert newmodel("update", folder, "--resolve", "mine").code == 0
    assert stray(folder) == ["old.txt.rej"]


def test_a_rej_name_that_is_taken_is_refused(newmodel: Callable[..., Any], demo) -> None:
    folder = demo(mine={"train.py": MINE, "train.py.rej": "my own\n"})
    done = newmodel("update", folder, "--conflict", "rej")
    assert done.code == 2
    assert "train.py.rej is in the way" in done.err
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.parametrize(("choice", "expected"), [("mine", b"\0mine"), ("theirs", b"\0theirs")])
@pytest.mark.parametrize("style", ["inline", "rej"])
def test_a_binary_file_is_taken_whole(
    newmodel: Callable[..., Any], demo, choice: str, expected: bytes, style: str
) -> None:
    folder = demo({"project/logo.bin": "\0theirs"}, {"logo.bin": "\0mine"})
    done = newmodel("update", folder, "--conflict", style)
    assert done.code == 1
    assert "a file that is no text" in done.err
    assert (folder / "logo.bin").read_bytes() == b"\0mine"
    assert unmerged(folder) == ({"logo.bin"} if style == "inline" else set())
    assert newmodel("update", folder, "--resolve", choice).code == 0
    assert (folder / "logo.bin").read_bytes() == expected
    assert unmerged(folder) == set()
    assert stray(folder) == []


@pytest.mark.parametrize(("choice", "expected"), [("mine", b"# caf\xe9\n"), ("theirs", "# caf\u00e9s\n".encode())])
def test_two_encodings_are_never_mixed(newmodel: Callable[..., Any], demo, choice: str, expected: bytes) -> None:
    folder = demo({"project/notes.txt": "# caf\u00e9s\n"}, {"train.py": MINE})
    (folder / "notes.txt").write_bytes(b"# caf\xe9\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "mine")
    assert newmodel("update", folder).code == 1
    assert (folder / "notes.txt").read_bytes() == b"# caf\xe9\n"
    assert newmodel("update", folder, "--resolve", choice).code == 0
    assert (folder / "notes.txt").read_bytes() == expected


def test_a_project_inside_another_repository(newmodel: Callable[..., Any], demo, tmp_path: Path) -> None:
    folder = demo()
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(folder, "rm", "-q", "--cached", "-r", ".")
    (folder / ".git").rename(tmp_path / "gone")
    folder = folder.rename(outer / "sub")
    git(outer, "add", "-A")
    git(outer, "commit", "-qm", "all")
    assert newmodel("update", folder, "--conflict", "rej").code == 1
    assert newmodel("update", folder, "--resolve", "theirs").code == 0
    assert (folder / "train.py").read_text() == ALL_THEIRS


def test_a_deletion_against_a_change_that_git_knows(newmodel: Callable[..., Any], demo) -> None:
    """As an update of another tool, or a `git stash pop`, leaves it."""
    folder = demo()
    newmodel("update", folder)
    entries = git(folder, "ls-files", "-u").splitlines()
    for stages, choice, there in (((1, 3), "mine", False), ((1, 3), "theirs", True), ((1, 2), "theirs", False)):
        lines = [f"0 {'0' * 40}\ttrain.py", *(line for line in entries if int(line.split()[2]) in stages)]
        feed(folder, "\n".join(lines) + "\n")
        (folder / "train.py").write_text("something\n")
        assert newmodel("update", folder, "--resolve", choice).code == 0
        assert (folder / "train.py").exists() is there
        assert unmerged(folder) == set()


def feed(folder: Path, text: str) -> None:
    import subprocess

    subprocess.run(["git", "update-index", "--index-info"], cwd=folder, input=text.encode(), check=True)


def test_a_merge_of_the_persons_own_is_left_alone(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    newmodel("update", folder)
    (folder / ".git" / "MERGE_HEAD").write_text(git(folder, "rev-parse", "HEAD"))
    before = (folder / "train.py").read_text()
    done = newmodel("update", folder, "--resolve", "mine")
    assert done.code == 2
    assert "a merge or rebase of your own" in done.err
    assert (folder / "train.py").read_text() == before


def test_what_is_settled_is_undone_without_asking(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}
    for style in ("inline", "rej"):
        newmodel("update", folder, "--conflict", style)
        newmodel("update", folder, "--resolve", "theirs")
        done = newmodel("update", folder, "--undo")
        assert done.code == 0, done.err
        after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts}
        assert after == before
        assert git(folder, "status", "--porcelain") == ""


def test_json_of_the_conflicts(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    found = json.loads(newmodel("update", folder, "--json").out)["conflicts"]
    assert found == [
        {
            "path": "train.py",
            "rejected": None,
            "places": [
                {"line": 5, "yours": "# my 5\n", "template": "# their 5\n"},
                {"line": 19, "yours": "# my 15\n", "template": "# their 15\n"},
            ],
        }
    ]
    done = newmodel("update", folder, "--resolve", "mine", "--json")
    assert json.loads(done.out) == {"settled": ["train.py"], "conflicts": [], "problems": []}


def test_asking_needs_a_terminal(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    assert newmodel("update", folder, "--resolve", "ask").code == 0  # nothing to ask about
    newmodel("update", folder)
    done = newmodel("update", folder, "--resolve", "ask")
    assert done.code == 2
    assert "no terminal" in done.err
    assert "--resolve mine" in done.err


MARKED = b"a\n<<<<<<< yours\nTitle\n=======\nmine\n=======\ntheirs\n>>>>>>> template\nz\n"


def test_a_heading_underlined_like_a_marker() -> None:
    (hunk,) = conflicts.hunks_of(MARKED, b"a\nTitle\n=======\nmine\nz\n", b"a\ntheirs\nz\n")
    assert (hunk.yours, hunk.template) == (b"Title\n=======\nmine\n", b"theirs\n")
    (hunk,) = conflicts.hunks_of(MARKED, b"a\nTitle\nz\n", b"a\nmine\n=======\ntheirs\nz\n")
    assert (hunk.yours, hunk.template) == (b"Title\n", b"mine\n=======\ntheirs\n")


def test_a_text_about_markers_is_no_conflict() -> None:
    assert conflicts.hunks_of(MARKED, MARKED, b"other\n") == ()


def test_the_third_side_that_git_shows_if_asked_to() -> None:
    content = b"<<<<<<< yours\nmine\n||||||| base\nold\n=======\ntheirs\n>>>>>>> template\n"
    (hunk,) = conflicts.hunks_of(content, b"mine\n", b"theirs\n")
    assert (hunk.yours, hunk.template) == (b"mine\n", b"theirs\n")


def test_a_file_without_a_last_line_end() -> None:
    content = b"<<<<<<< yours\nmine\n=======\ntheirs\n>>>>>>> template"
    hunks = conflicts.hunks_of(content, b"mine", b"theirs")
    assert conflicts.with_choice(content, hunks, "theirs") == b"theirs\n"


def test_a_place_of_a_rej_at_a_time(newmodel: Callable[..., Any], demo) -> None:
    from scaffolder.project import open_project
    from scaffolder.updating import rejected

    theirs = THEIRS.replace("# their 5\n", "# their 5\n# and more\n")
    folder = demo({"project/train.py": theirs})
    newmodel("update", folder, "--conflict", "rej")
    project = open_project(folder)
    (conflict,) = conflicts.left_in(project)
    assert [hunk.line for hunk in conflict.hunks] == [5, 15]
    rejected.settle_hunk(project, conflict, conflict.hunks[0], "theirs")
    (conflict,) = conflicts.left_in(project)
    assert [hunk.line for hunk in conflict.hunks] == [16]
    assert (folder / "train.py").read_text().splitlines()[15] == "# my 15"
    git(folder, "apply", "train.py.rej")  # it is still a patch for git as well
    assert (folder / "train.py").read_text() == theirs.replace("line 28\n", "my 28\n")
