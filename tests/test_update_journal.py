"""An update that is killed, fails or is taken back: the project is as before or as after, never between."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from small_releases import commit, git
from test_update import TRAIN, versions  # noqa: F401 - a fixture

from scaffolder.errors import NewmodelError
from scaffolder.project import Project, open_project
from scaffolder.template_source import Releases, release
from scaffolder.updating import journal, journal_record, update
from scaffolder.updating.undo import undo

Versions = Callable[..., tuple[Project, Releases]]

#: Every kind of change: an edited file, a conflict, a new file in a new folder, a file and its folder that go.
CHANGED = {
    "project/train.py": TRAIN.replace("line 5\n", "their line\n"),
    "project/{{ package }}/model.py": TRAIN.replace("line", "model").replace("model 3\n", "their 3\n"),
    "project/docs/guide/new.md": "new\n",
    "project/{{ package }}/data.py": None,
    "project/old/notes.md": None,
}

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork and no SIGKILL")


def made(versions: Versions) -> tuple[Project, Releases]:  # noqa: F811
    """A project with edits of the person's, and a new version that conflicts with one of them."""
    project, releases = versions(CHANGED, {"project/old/notes.md": "old\n"})
    folder = project.folder
    (folder / "train.py").write_text(TRAIN.replace("line 5\n", "my line\n"))
    (folder / "demo/model.py").write_bytes(
        TRAIN.replace("line", "model").replace("model 15\n", "my 15\n").replace("\n", "\r\n").encode()
    )
    (folder / "demo/model.py").chmod(0o755)
    commit(folder)
    return project, releases


@contextmanager
def prepared(project: Project, releases: Releases) -> Iterator[update.Update]:
    found = update.available(project, releases)
    assert found is not None
    with update.prepare(project, releases, found) as result:
        yield result


def state(folder: Path) -> dict[str, object]:
    """Every file and folder of a project, byte for byte, and git's index."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == ".git":
            continue
        found[name] = None if path.is_dir() else (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    found["the index"] = git(folder, "ls-files", "--stage")
    return found


def journals(folder: Path) -> list[str]:
    """What newmodel keeps in the git folder."""
    return sorted(path.name for path in folder.glob(".git/newmodel/*/*") if path.is_dir())


def die_at(number: int) -> None:
    """Kill this process right before its file operation of that number, counted from now."""
    count = 0
    counted = (
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "shutil.rmtree",
        "subprocess.Popen",
    )

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in counted:
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def killed(work: Callable[[], object], number: int) -> bool:
    """Do it in a process that is killed before the operation of that number; False if it ended by itself."""
    child = os.fork()
    if child == 0:
        try:
            die_at(number)
            work()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process leaves the same on the disk whether or not it waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _number: None)


def copies(work: Callable[[Path], object], project: Path, where: Path) -> Iterator[tuple[Path, bool]]:
    """Copies of a project in which the work was killed at its first, second, … file operation, and at last was not."""
    for number in range(1, 1000):
        copy = where / f"killed-{number}"
        shutil.copytree(project, copy, symlinks=True)
        was_killed = killed(lambda copy=copy: work(copy), number)  # type: ignore[misc]
        yield copy, was_killed
        shutil.rmtree(copy)
        if not was_killed:
            assert number > 20, "the work was hardly counted"
            return
    pytest.fail("it never ended by itself")


@posix_only
@pytest.mark.usefixtures("no_waiting")
def test_killed_at_every_point_it_is_as_before_or_as_after(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:

        def work(folder: Path) -> None:
            update.apply(replace(ready, project=open_project(folder)))

        whole = tmp_path / "whole"
        shutil.copytree(project.folder, whole)
        work(whole)
        after = state(whole)
        ends = set()
        for count, (copy, was_killed) in enumerate(copies(work, project.folder, tmp_path)):
            said: list[str] = []
            update.opened(copy, said.append)
            now = state(copy)
            assert now in (before, after), copy
            ends.add((was_killed, bool(said), now == after))
            if said:
                assert now == before
                assert said == [
                    "An update from v0.1.0 to v0.2.0 was interrupted; the project was put back as it was before it."
                ]
            # it is well now: nothing more to say, and the update can be made
            update.opened(copy, pytest.fail)
            if now == before and count % 5 == 0:
                work(copy)
                assert state(copy) == after
                assert len(journals(copy)) == 1
    assert ends == {(True, False, False), (True, True, False), (True, False, True), (False, False, True)}


@posix_only
@pytest.mark.full
@pytest.mark.usefixtures("no_waiting")
def test_the_way_back_may_be_killed_as_well(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:
        half = project.folder
        assert killed(lambda: _until_the_index(ready), 10_000)
    assert state(half) != before
    for copy, _was_killed in copies(lambda folder: journal.recover(open_project(folder)), half, tmp_path):
        journal.recover(open_project(copy))
        assert state(copy) == before


def _until_the_index(ready: update.Update) -> None:
    """The update, up to the moment in which every file is in place and git knows nothing yet."""

    def die(*_arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    journal.write_index = die  # in a forked process
    update.apply(ready)


@posix_only
@pytest.mark.full
@pytest.mark.usefixtures("no_waiting")
def test_an_undo_that_is_killed_at_any_point_can_be_repeated(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:
        update.apply(ready)
    after = state(project.folder)
    for copy, _was_killed in copies(lambda folder: undo(open_project(folder)), project.folder, tmp_path):
        said: list[str] = []
        update.opened(copy, said.append)
        now = state(copy)
        assert now in (before, after), copy
        if said:
            assert now == after
            assert said == [
                "An undo of the update to v0.2.0 was interrupted; the project was put back as it was before it."
            ]
        if now == after:
            undo(open_project(copy))
            assert state(copy) == before


@posix_only
def test_what_the_person_edits_after_the_kill_stays_and_is_named(versions: Versions) -> None:  # noqa: F811
    project, releases = made(versions)
    folder = project.folder
    before = state(folder)
    with prepared(project, releases) as ready:
        assert killed(lambda: _until_the_index(ready), 10_000)
    (folder / "train.py").write_text("my newest edit\n")
    (folder / "docs/guide/mine.md").write_text("mine, in a folder that the update made\n")
    said: list[str] = []
    update.opened(folder, said.append)
    [sentence] = said
    assert sentence.endswith("as it was before it, except train.py, which you have edited since.")
    assert (folder / "train.py").read_text() == "my newest edit\n"
    assert (folder / "docs/guide/mine.md").exists()
    (folder / "docs/guide/mine.md").unlink()
    (folder / "docs/guide").rmdir()
    (folder / "docs").rmdir()
    now = state(folder)
    assert {name for name in before if now.get(name) != before[name]} == {"train.py"}


@posix_only
def test_the_next_command_says_what_happened_and_goes_on(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    """The real command in a process of its own, killed while it writes; then again."""
    project, releases = made(versions)
    script = tmp_path / "command.py"
    script.write_text(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from scaffolder import cli, template_source\n"
        "from scaffolder.updating import command\n"
        f"releases = template_source.Releases(Path({str(releases.folder)!r}))\n"
        "command.releases = lambda: releases\n"
        f"template_source._cache_folder = lambda: Path({str(tmp_path / 'cache')!r})\n"
        "def hook(event, arguments):\n"
        "    if event == 'os.rename' and str(arguments[1]).endswith(sys.argv[1]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook) if sys.argv[1] != '-' else None\n"
        "sys.exit(cli.main(sys.argv[2:]))\n"
    )

    def command(kill_at: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, script, kill_at, *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    before = state(project.folder)
    first = command("demo/train.py", "update", str(project.folder), "--yes")
    assert first.returncode == -signal.SIGKILL
    assert state(project.folder) != before
    second = command("-", "update", str(project.folder), "--check")
    assert second.returncode == 1, second.stderr
    assert "An update from v0.1.0 to v0.2.0 was interrupted" in second.stderr
    assert state(project.folder) == before
    third = command("-", "update", str(project.folder), "--yes")
    assert third.returncode == 1, third.stderr
    assert "interrupted" not in third.stderr
    assert open_project(project.folder).version == "v0.2.0"


def test_a_file_edited_while_the_question_is_open_is_not_overwritten(versions: Versions) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:
        (project.folder / "demo/model.py").write_text("edited in the editor\n")
        with pytest.raises(NewmodelError, match=r"demo/model\.py in .* was changed meanwhile; nothing was written"):
            update.apply(ready)
        (project.folder / "docs/guide").mkdir(parents=True)
        git(project.folder, "checkout", "demo/model.py")
        (project.folder / "docs/guide/new.md").write_text("mine\n")
        with pytest.raises(NewmodelError, match=r"new\.md in .* was changed meanwhile"):
            update.apply(ready)
    assert (project.folder / "docs/guide/new.md").read_text() == "mine\n"
    shutil.rmtree(project.folder / "docs")
    assert state(project.folder)["train.py"] == before["train.py"]


@posix_only
def test_two_newmodels_do_not_meet(versions: Versions) -> None:  # noqa: F811
    project, releases = made(versions)
    folder = journal_record.folder_of(project)
    with prepared(project, releases) as ready:
        with journal_record.locked(folder, project), pytest.raises(NewmodelError, match="Another newmodel is at work"):
            update.apply(ready)
        update.apply(ready)


def test_a_git_that_is_at_work_stops_an_update_whole(versions: Versions) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    lock = project.folder / ".git/index.lock"
    with prepared(project, releases) as ready:
        lock.touch()
        with pytest.raises(NewmodelError, match=r"index\.lock"):
            update.apply(ready)
        assert state(project.folder) == before
        lock.unlink()
        update.apply(ready)
    assert state(project.folder) != before


@posix_only
def test_it_works_in_a_sub_folder_and_in_a_work_tree(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    project, releases = made(versions)
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    shutil.rmtree(project.folder / ".git")
    shutil.copytree(project.folder, outer / "one")
    shutil.copytree(project.folder, outer / "two")
    commit(outer)
    tree = tmp_path / "tree"
    git(outer, "worktree", "add", "-q", str(tree))
    for place in (outer / "one", outer / "two", tree / "one"):
        before = state(place)
        with prepared(open_project(place), releases) as ready:
            assert killed(lambda ready=ready: _until_the_index(ready), 10_000)  # type: ignore[misc]
        assert state(place) != before
    # each is mended by itself, and only then
    for place in (tree / "one", outer / "two", outer / "one"):
        said: list[str] = []
        update.opened(place, said.append)
        assert len(said) == 1
        assert git(place, "status", "--porcelain", "--", ".") == ""
        with prepared(open_project(place), releases) as ready:
            update.apply(ready)
        assert "UU" in git(place, "status", "--porcelain", "--", ".")
        undo(open_project(place))
        assert git(place, "status", "--porcelain", "--", ".") == ""


# --- undo -----------------------------------------------------------------------------------------------------


def updated(versions: Versions) -> tuple[Project, Releases, dict[str, object]]:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:
        update.apply(ready)
    assert state(project.folder) != before
    return open_project(project.folder), releases, before


def test_undo_puts_every_byte_back(versions: Versions) -> None:  # noqa: F811
    project, releases, before = updated(versions)
    undone = undo(project)
    assert state(project.folder) == before
    assert (undone.old, undone.new, undone.committed, undone.kept) == ("v0.1.0", "v0.2.0", False, None)
    assert {"train.py", "old/notes.md", "docs/guide/new.md", ".copier-answers.yml"} <= set(undone.changed)
    with pytest.raises(NewmodelError, match=r"There is no update of .* that could be undone"):
        undo(project)
    # and the update can be made again, and undone again
    again = open_project(project.folder)
    with prepared(again, releases) as ready:
        update.apply(ready)
    assert open_project(project.folder).version == "v0.2.0"
    undo(again)
    assert state(project.folder) == before


def test_undo_of_an_update_that_was_staged(versions: Versions) -> None:  # noqa: F811
    project, _releases, before = updated(versions)
    git(project.folder, "add", "-A")
    undo(project)
    assert state(project.folder) == before


def test_undo_of_an_update_that_was_committed(versions: Versions) -> None:  # noqa: F811
    project, releases, before = updated(versions)
    folder = project.folder
    (folder / "train.py").write_text("settled\n")
    commit(folder)
    head = git(folder, "rev-parse", "HEAD")
    with pytest.raises(NewmodelError, match=r"train\.py was edited since the update; newmodel update --undo --yes"):
        undo(project)
    undone = undo(project, yes=True)
    assert undone.committed
    assert git(folder, "rev-parse", "HEAD") == head
    now = state(folder)
    del now["the index"], before["the index"]
    assert now == before
    assert undone.kept is not None
    assert (undone.kept / "train.py").read_text() == "settled\n"
    assert " M train.py" in git(folder, "status", "--porcelain")
    assert git(folder, "diff", "--cached", "--name-only") == ""
    # the way back is committed, and the update made a second time
    commit(folder)
    with prepared(open_project(folder), releases) as ready:
        update.apply(ready)
    assert open_project(folder).version == "v0.2.0"


def test_undo_does_not_overwrite_what_was_edited_since(versions: Versions) -> None:  # noqa: F811
    project, _releases, before = updated(versions)
    folder = project.folder
    (folder / "demo/model.py").write_bytes(b"mine\r\n")
    (folder / "docs/guide/new.md").write_text("mine, too\n")
    (folder / "old").mkdir()
    (folder / "old/notes.md").write_text("written again\n")
    now = state(folder)
    with pytest.raises(NewmodelError) as caught:
        undo(project)
    assert "These files were edited since the update: demo/model.py, docs/guide/new.md, old/notes.md" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)
    assert state(folder) == now
    undone = undo(project, yes=True)
    assert state(folder) == before
    assert undone.kept is not None
    assert (undone.kept / "demo/model.py").read_bytes() == b"mine\r\n"
    assert (undone.kept / "docs/guide/new.md").read_text() == "mine, too\n"
    assert (undone.kept / "old/notes.md").read_text() == "written again\n"
    # a later update and its undo leave them there
    assert undone.kept.is_dir()


def test_what_newmodel_settled_itself_is_no_edit(versions: Versions) -> None:  # noqa: F811
    project, _releases, before = updated(versions)
    (project.folder / "train.py").write_text("settled by newmodel update --resolve\n")
    git(project.folder, "add", "train.py")
    journal.accept(project, ["train.py"])
    undone = undo(project)
    assert state(project.folder) == before
    # all the same a person may have typed it
    assert undone.edited == ("train.py",)
    assert undone.kept is not None
    assert (undone.kept / "train.py").read_text() == "settled by newmodel update --resolve\n"


def test_a_file_the_person_deleted_since_comes_back(versions: Versions) -> None:  # noqa: F811
    project, _releases, before = updated(versions)
    (project.folder / "train.py").unlink()
    (project.folder / "docs/guide/new.md").unlink()
    undo(project)
    now = state(project.folder)
    # the folder that the update made may stay: the person has been in it
    assert {name for name in {**now, **before} if now.get(name, 0) != before.get(name, 0)} <= {"docs", "docs/guide"}


def test_an_update_waits_for_the_conflicts_of_the_one_before(versions: Versions) -> None:  # noqa: F811
    project, releases, _before = updated(versions)
    folder = project.folder
    assert project.conflicts() == ["train.py"]
    found = update.available(project, releases, settings={"project_name": "other"})
    assert found is not None
    refused = pytest.raises(NewmodelError, match=r"train\.py still has a conflict of an earlier update")
    with refused, update.prepare(project, releases, found):
        pass
    # git add alone does not settle it: the markers are still there
    commit(folder)
    assert project.conflicts() == ["train.py"]
    (folder / "train.py").write_text("settled\n")
    assert project.conflicts() == []


def test_how_a_conflict_was_settled_can_be_given(versions: Versions) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    with prepared(project, releases) as ready:
        update.apply(
            ready,
            contents={"train.py": b"both of us\n", "train.py.rej": b"theirs\n", "demo/model.py": b"one\ntwo\n"},
            settled=["train.py"],
        )
    assert (project.folder / "train.py").read_text() == "both of us\n"
    assert (project.folder / "train.py.rej").read_text() == "theirs\n"
    assert (project.folder / "demo/model.py").read_bytes() == b"one\r\ntwo\r\n"
    assert "UU" not in git(project.folder, "status", "--porcelain")
    assert project.conflicts() == []
    undo(project)
    assert state(project.folder) == before


def test_a_folder_can_become_a_file_and_a_file_a_folder(versions: Versions) -> None:  # noqa: F811
    project, releases = versions(
        {
            "project/one/a.md": None,
            "project/one/b.md": None,
            "project/one": "a file now\n",
            "project/two": None,
            "project/two/a.md": "in a folder now\n",
            "project/three/a.md": None,
            "project/three/b.md": "beside the one that goes\n",
        },
        {"project/one/a.md": "a\n", "project/one/b.md": "b\n", "project/two": "2\n", "project/three/a.md": "3\n"},
    )
    before = state(project.folder)
    with prepared(project, releases) as ready:
        update.apply(ready)
    assert (project.folder / "one").read_text() == "a file now\n"
    assert (project.folder / "two/a.md").read_text() == "in a folder now\n"
    assert (project.folder / "three/b.md").read_text() == "beside the one that goes\n"
    undo(project)
    assert state(project.folder) == before


def test_a_failure_at_every_file_puts_everything_back(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    project, releases = made(versions)
    before = state(project.folder)
    real = journal.move
    with prepared(project, releases) as ready:
        for fails in range(4):
            count = 0

            def full_disk(staged: Path, target: Path, temporary: Path, fails: int = fails) -> None:
                nonlocal count
                count += 1
                if count == fails + 1:
                    raise OSError(28, "No space left on device")
                real(staged, target, temporary)

            monkeypatch.setattr(journal, "move", full_disk)
            with pytest.raises(NewmodelError, match="disk"):
                update.apply(ready)
            assert state(project.folder) == before
            assert journals(project.folder) == []


@posix_only
def test_the_project_may_lie_on_another_disk_than_its_git_folder(
    versions: Versions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project, releases = made(versions)
    before = state(project.folder)
    real = Path.replace

    def other_disk(self: Path, target: Path) -> Path:
        if ".git" in self.parts and ".git" not in Path(target).parts:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", other_disk)
    with prepared(project, releases) as ready:
        update.apply(ready)
    assert open_project(project.folder).version == "v0.2.0"
    assert not list(project.folder.rglob(".newmodel-*"))
    undo(project)
    assert state(project.folder) == before


@posix_only
def test_permissions_follow_the_person_and_the_template(versions: Versions, tmp_path: Path) -> None:  # noqa: F811
    project, releases = versions({"project/run.sh": "#!/bin/sh\n", "project/train.py": TRAIN + "more\n"})
    (tmp_path / "templates/project/run.sh").chmod(0o755)
    (tmp_path / "templates/project/train.py").write_text(TRAIN + "more\n# and more\n")
    release("0.3.0", tmp_path / "templates", releases)
    (project.folder / "train.py").chmod(0o750)
    commit(project.folder)
    with prepared(project, releases) as ready:
        update.apply(ready)
    assert (project.folder / "run.sh").stat().st_mode & 0o111
    assert stat.S_IMODE((project.folder / "train.py").stat().st_mode) == 0o750


def test_a_damaged_record_is_one_sentence(versions: Versions) -> None:  # noqa: F811
    project, _releases, _before = updated(versions)
    [name] = project.folder.glob(".git/newmodel/*/state.json")
    name.write_text("{")
    with pytest.raises(NewmodelError, match="is damaged"):
        update.opened(project.folder, pytest.fail)


def test_without_git_there_is_nothing_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".copier-answers.yml").write_text("_commit: v0.1.0\n_src_path: x\n")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    update.opened(tmp_path, pytest.fail)
    monkeypatch.setenv("PATH", "")
    update.opened(tmp_path, pytest.fail)
