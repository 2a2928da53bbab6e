"""The merge of a person's project with a new template version: 2,000 random cases, and what they had found.

`HYPOTHESIS_PROFILE=soak` takes fresh cases; by default they are the same in every run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from merge_cases import Case, Tree, base_tree, cases, lost, read_tree, unusable, write_tree

from scaffolder.merging import repository as merge_repository
from scaffolder.merging.three_way import Change, Merged, Outcome, merge_folders

CASES = 2_000
SHARDS = 20
FRESH = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


def check(case: Case, scratch: Path) -> None:
    """Everything that the merge promises, for one case."""
    base, ours, theirs = base_tree(), case.ours, case.theirs
    folders = [write_tree(scratch / name, tree) for name, tree in (("b", base), ("o", ours), ("t", theirs))]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    old, mine, new = folders
    done = merge_folders(old, mine, new, scratch / "merge")
    merged = read_tree(done.folder)
    conflicts = {change.path for change in done.conflicts}

    assert lost(base, ours, merged) == set(), "a line of the person's is gone"
    assert unusable(ours, theirs, merged, conflicts) == [], "a file is broken and not marked"
    check_changes(done, base, ours, theirs, merged)
    strangers = {path for path in merged if path not in ours and path not in theirs}
    assert strangers <= {path for path in conflicts if path.endswith(("~yours", "~template"))}, "a stray file"

    again = merge_folders(new, done.folder, new, scratch / "again")
    assert again.changes == ()
    assert read_tree(again.folder) == merged, "a second merge is not nothing"

    assert read_tree(merge_folders(old, mine, old, scratch / "no template").folder) == ours
    assert read_tree(merge_folders(old, old, new, scratch / "no person").folder) == theirs


def check_changes(done: Merged, base: Tree, ours: Tree, theirs: Tree, merged: Tree) -> None:
    """The list says of every file what happened to it, and of no other."""
    changes = {change.path: change for change in done.changes}
    assert list(changes) == sorted(changes)
    assert len(changes) == len(done.changes)
    different = {path for path in ours.keys() | merged.keys() if ours.get(path) != merged.get(path)}
    assert different <= changes.keys(), "a change that is not listed"
    for path, change in changes.items():
        check_change(change, path in ours, path in merged, path in different)
        if change.outcome is Outcome.STAYS_DELETED:
            assert path in theirs
            assert theirs[path] != base.get(path)
        if change.outcome is Outcome.STAYS:
            assert path not in theirs
        if change.moved_to:
            assert change.moved_to in merged


def check_change(change: Change, before: bool, after: bool, different: bool) -> None:
    if change.outcome is Outcome.CONFLICT:
        assert change.stages
        assert before or after
        return
    assert not change.stages
    expected = {
        Outcome.ADDED: (False, True, True),
        Outcome.CHANGED: (True, True, True),
        Outcome.DELETED: (True, False, True),
        Outcome.STAYS: (True, True, False),
        Outcome.STAYS_DELETED: (False, False, False),
    }
    assert (before, after, different) == expected[change.outcome], change


def random_cases(number: int, examples: int) -> None:
    @seed(number)
    @settings(
        max_examples=examples,
        derandomize=False,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(cases)
    def one(case: Case) -> None:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            check(case, Path(folder))

    one()


def number_of(shard: int) -> int:
    return int.from_bytes(os.urandom(4), "big") if FRESH else shard


@pytest.mark.full
@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_cases(shard: int) -> None:
    random_cases(number_of(shard), CASES // SHARDS)


@pytest.fixture
def older_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if git were older than 2.38 and knew no `merge-tree --write-tree`."""
    monkeypatch.setattr(merge_repository, "_MERGE_TREE", ("merge-tree", "--unknown-to-an-older-git", "-z"))


@pytest.mark.full
@pytest.mark.parametrize("shard", range(4))
def test_random_cases_with_an_older_git(shard: int, older_git: None) -> None:
    random_cases(number_of(SHARDS + shard), 50)


def test_a_few_random_cases() -> None:
    random_cases(number_of(1_000), 30)


# --- what the random cases had found, and what they rely on -------------------------------------------------


def merge_trees(base: Tree, ours: Tree, theirs: Tree) -> tuple[Tree, dict[str, Outcome]]:
    """The merged tree, and what the list says of it."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, side) for side in ("base", "ours", "theirs")]
        for folder, tree in zip(folders, (base, ours, theirs), strict=True):
            folder.mkdir()
            write_tree(folder, tree)
        done = merge_folders(*folders, Path(name, "merge"))
        return read_tree(done.folder), {change.path: change.outcome for change in done.changes}


LINES = b"".join(b"line %d\n" % number for number in range(1, 13))


@pytest.fixture(params=["this git", "an older git"])
def either_git(request: pytest.FixtureRequest) -> None:
    if request.param == "an older git":
        request.getfixturevalue("older_git")


def test_lines_of_both_and_a_conflict_are_the_same_with_either_git(either_git: None) -> None:
    merged, changes = merge_trees(
        {"clean.txt": LINES, "conflict.txt": LINES, "gone.txt": LINES, "mine.txt": LINES},
        {
            "clean.txt": LINES.replace(b"line 2\n", b"mine\n"),
            "conflict.txt": LINES.replace(b"line 5\n", b"mine\n"),
            "gone.txt": LINES,
            "mine.txt": LINES + b"mine\n",
        },
        {
            "clean.txt": LINES.replace(b"line 9\n", b"new\n"),
            "conflict.txt": LINES.replace(b"line 5\n", b"new\n"),
            "added.txt": b"new\n",
        },
    )
    marked = b"<<<<<<< yours\nmine\n=======\nnew\n>>>>>>> template\n"
    assert merged == {
        "clean.txt": LINES.replace(b"line 2\n", b"mine\n").replace(b"line 9\n", b"new\n"),
        "conflict.txt": LINES.replace(b"line 5\n", marked),
        "mine.txt": LINES + b"mine\n",
        "added.txt": b"new\n",
    }
    assert changes == {
        "added.txt": Outcome.ADDED,
        "clean.txt": Outcome.CHANGED,
        "conflict.txt": Outcome.CONFLICT,
        "gone.txt": Outcome.DELETED,
        "mine.txt": Outcome.STAYS,
    }


BROKEN_BY_LINES = {
    # a key twice, each at its place: a parser takes the last one without a word
    "key.yaml": (
        "a: 1\nb: 2\nc: 3\nd: 4\n",
        "seed: 1\na: 1\nb: 2\nc: 3\nd: 4\n",
        "a: 1\nb: 2\nc: 3\nd: 4\nseed: 2\n",
    ),
    "key.json": (
        '{\n "a": 1,\n "b": 2,\n "c": 3\n}\n',
        '{\n "s": 0,\n "a": 1,\n "b": 2,\n "c": 3\n}\n',
        '{\n "a": 1,\n "b": 2,\n "s": 9,\n "c": 3\n}\n',
    ),
    "key.toml": (
        "[a]\nx = 1\ny = 2\nz = 3\n",
        "[a]\nq = 0\nx = 1\ny = 2\nz = 3\n",
        "[a]\nx = 1\ny = 2\nz = 3\nq = 1\n",
    ),
    # one side made an if of the function, the other returns from it
    "code.py": (
        "def f():\n    a = 1\n    b = 2\n\n\nc = 3\n",
        "if True:\n    a = 1\n    b = 2\n\n\nc = 3\n",
        "def f():\n    a = 1\n    b = 2\n    return a\n\n\nc = 3\n",
    ),
    # each side put a group around two elements, one of which both have in it
    "icon.svg": (
        "<svg>\n<a/>\n<b/>\n<c/>\n</svg>\n",
        "<svg>\n<g>\n<a/>\n<b/>\n</g>\n<c/>\n</svg>\n",
        "<svg>\n<a/>\n<h>\n<b/>\n<c/>\n</h>\n</svg>\n",
    ),
}


@pytest.mark.parametrize("path", BROKEN_BY_LINES)
def test_what_merges_by_lines_and_parses_no_more_is_a_conflict(path: str) -> None:
    base, ours, theirs = BROKEN_BY_LINES[path]
    merged, changes = merge_trees({path: base.encode()}, {path: ours.encode()}, {path: theirs.encode()})
    assert changes == {path: Outcome.CONFLICT}
    lines = merged[path].decode().splitlines()
    assert "<<<<<<< yours" in lines
    assert set(ours.splitlines()) | set(theirs.splitlines()) <= set(lines)


def test_a_file_that_never_parsed_is_merged_by_its_lines() -> None:
    broken = b"this: is: no: yaml\n" + LINES
    merged, changes = merge_trees(
        {"a.yaml": broken},
        {"a.yaml": broken.replace(b"line 2\n", b"mine\n")},
        {"a.yaml": broken.replace(b"line 9\n", b"new\n")},
    )
    assert changes == {"a.yaml": Outcome.CHANGED}
    assert merged["a.yaml"] == broken.replace(b"line 2\n", b"mine\n").replace(b"line 9\n", b"new\n")


@pytest.mark.parametrize("encoding", ["gbk", "utf-16", "utf-16-be"])
def test_two_encodings_never_come_into_one_file(encoding: str) -> None:
    base = ("说明\n" + LINES.decode()).encode()
    ours = base.decode().replace("line 2\n", "我的\n").encode(encoding)
    theirs = base.replace(b"line 9\n", "新的\n".encode())
    merged, changes = merge_trees({"a.md": base}, {"a.md": ours}, {"a.md": theirs})
    assert merged["a.md"] == ours
    assert changes == {"a.md": Outcome.CONFLICT}


def test_what_each_side_renamed_in_its_own_way_is_there_twice(either_git: None) -> None:
    """The template's file was deleted again, and other files of the template import it."""
    merged, changes = merge_trees({"model.py": LINES}, {"mine.py": LINES + b"mine\n"}, {"network.py": b"new\n" + LINES})
    # what git merged was in both files, and the list said of the person's that it stays
    assert merged == {"mine.py": LINES + b"mine\n", "network.py": b"new\n" + LINES}
    assert changes == {"mine.py": Outcome.STAYS, "network.py": Outcome.ADDED}


def test_a_file_where_the_template_has_a_folder_is_beside_it(either_git: None) -> None:
    merged, changes = merge_trees({"notes": LINES}, {"notes": LINES + b"mine\n"}, {"notes/first.md": b"new\n"})
    assert merged == {"notes~yours": LINES + b"mine\n", "notes/first.md": b"new\n"}
    assert changes == {
        "notes": Outcome.DELETED,
        "notes/first.md": Outcome.ADDED,
        "notes~yours": Outcome.CONFLICT,
    }


def test_a_file_of_pycharms_where_the_template_has_a_folder_is_beside_it() -> None:
    merged, changes = merge_trees(
        {".idea/demo.iml": b"<module />"}, {".idea/demo.iml": b"<module type='mine' />"}, {".idea": b"no folder\n"}
    )
    assert merged == {".idea/demo.iml": b"<module type='mine' />", ".idea~template": b"no folder\n"}
    assert changes == {".idea/demo.iml": Outcome.STAYS, ".idea~template": Outcome.CONFLICT}


def test_a_new_file_that_differs_in_case_from_one_of_the_persons_does_not_take_its_place() -> None:
    """On Windows and macOS they are one file."""
    merged, changes = merge_trees({}, {"readme.md": b"mine\n"}, {"README.md": b"new\n"})
    assert merged == {"readme.md": b"<<<<<<< yours\nmine\n=======\nnew\n>>>>>>> template\n"}
    assert changes == {"readme.md": Outcome.CONFLICT}


def test_a_case_only_rename_of_the_template_keeps_the_persons_lines(either_git: None) -> None:
    merged, changes = merge_trees(
        {"readme.md": LINES}, {"readme.md": LINES + b"mine\n"}, {"README.md": b"new\n" + LINES}
    )
    assert merged == {"README.md": b"new\n" + LINES + b"mine\n"}
    assert changes == {"readme.md": Outcome.DELETED, "README.md": Outcome.ADDED}


def test_what_the_template_moves_onto_a_binary_file_of_the_persons_stays(either_git: None) -> None:
    """The person's lines were in no file, only in git's third stage of the conflict."""
    merged, changes = merge_trees(
        {"a.txt": LINES, "data.bin": b"\0\1"},
        {"a.txt": LINES + b"mine\n", "new.txt": b"\0\1"},
        {"new.txt": LINES, "data.bin": b"\0\1"},
    )
    assert merged == {"a.txt": LINES + b"mine\n", "new.txt": b"\0\1"}
    assert changes == {"a.txt": Outcome.STAYS, "new.txt": Outcome.CONFLICT}


def test_the_list_says_where_the_persons_lines_went(tmp_path: Path) -> None:
    for side, tree in (("b", {"a.py": LINES}), ("o", {"a.py": LINES + b"mine\n"}), ("t", {"b.py": LINES})):
        write_tree(tmp_path / side, tree)
    done = merge_folders(tmp_path / "b", tmp_path / "o", tmp_path / "t", tmp_path / "m")
    assert [(change.path, change.moved_to) for change in done.changes] == [("a.py", "b.py"), ("b.py", "")]


def test_the_diff_shows_all_files_in_any_merge(tmp_path: Path) -> None:
    idea = ".idea/misc.xml"
    for side, tree in (
        ("b", {"a.txt": LINES, idea: b"<project />"}),
        ("o", {"a.txt": LINES, idea: b"<project />"}),
        ("t", {"a.txt": LINES + b"new\n", idea: b'<project version="4" />'}),
    ):
        write_tree(tmp_path / side, tree)
    diff = merge_folders(tmp_path / "b", tmp_path / "o", tmp_path / "t", tmp_path / "m").diff()
    assert "+new" in diff
    assert '+<project version="4" />' in diff
    assert diff.count("diff --git") == 2


def test_the_sides_of_a_conflict_are_there_where_git_had_nothing_to_merge(tmp_path: Path) -> None:
    idea = ".idea/misc.xml"
    texts = {"b": b'<project version="4" />', "o": b'<project version="5" />', "t": b'<project version="6" />'}
    for side, content in texts.items():
        write_tree(tmp_path / side, {idea: content})
    done = merge_folders(tmp_path / "b", tmp_path / "o", tmp_path / "t", tmp_path / "m")
    (conflict,) = done.conflicts
    assert [(number, done.blob(digest)) for number, _mode, digest in conflict.stages] == list(
        enumerate(texts.values(), start=1)
    )


def test_attributes_of_the_project_have_no_say(either_git: None) -> None:
    attributes = b"* text eol=crlf merge=union\n*.txt binary\n"
    merged, changes = merge_trees(
        {"a.txt": LINES, ".gitattributes": attributes},
        {"a.txt": LINES.replace(b"line 2\n", b"mine\n"), ".gitattributes": attributes},
        {"a.txt": LINES.replace(b"line 9\n", b"new\n"), ".gitattributes": attributes},
    )
    assert merged["a.txt"] == LINES.replace(b"line 2\n", b"mine\n").replace(b"line 9\n", b"new\n")
    assert changes == {"a.txt": Outcome.CHANGED}


def test_a_file_without_a_last_newline_and_one_with_both_line_ends() -> None:
    mixed = LINES.replace(b"line 3\n", b"line 3\r\n")
    merged, changes = merge_trees(
        {"a.txt": LINES, "b.txt": LINES},
        {"a.txt": LINES.rstrip(b"\n"), "b.txt": mixed},
        {"a.txt": LINES.replace(b"line 2\n", b"new\n"), "b.txt": LINES.replace(b"line 9\n", b"new\n")},
    )
    assert merged == {
        "a.txt": LINES.replace(b"line 2\n", b"new\n").rstrip(b"\n"),
        "b.txt": mixed.replace(b"line 9\n", b"new\n"),
    }
    assert set(changes.values()) == {Outcome.CHANGED}
