"""What a person sees of `newmodel update`: what is new, what will happen, what next, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_releases import COPIER, LINES, fill, git, make

from scaffolder import template_source
from scaffolder.updating import changelog

CHANGELOG = """# Changelog

## 0.3.0

- Not released yet.

## 0.2.0

- A **faster** loop, which
  needs `less` memory.

## 0.1.0

- The first.
"""
#: The template changes one file, moves one, adds one, removes one, and asks one more question.
CHANGED: dict[str, str | None] = {
    "copier.yml": COPIER
    + "colour: {type: str, help: Which colour, choices: [blue, green], default: blue}\n"
    + "shade: {type: str, choices: {dark: {value: dark}, "
    + "pale: {value: pale, validator: \"{% if colour == 'green' %}green is never pale{% endif %}\"}}, default: dark}\n",
    "project/train.py": LINES.replace("line 2\n", "line two\n"),
    "project/{{ package }}/model.py": None,
    "project/{{ package }}/network.py": LINES.replace("line", "model"),
    "project/new.txt.jinja": "{{ colour }}\n",
    "project/logo.bin": None,
}


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(template_source, "_PACKAGE", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    monkeypatch.setattr(changelog, "changelog_file", lambda: tmp_path / "CHANGELOG.md")

    def project(mine: dict[str, str | None] | None = None) -> Path:
        return make(tmp_path, CHANGED, mine or {})

    return project


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def line_of(text: str, path: str) -> str:
    return next(line.rstrip() for line in text.splitlines() if line.startswith(path))


def test_it_says_what_is_new_and_what_happens_to_which_file(newmodel: Callable[..., Any], demo) -> None:
    folder = demo({"train.py": LINES.replace("line 28\n", "my 28\n")})
    done = newmodel("update", folder)
    assert done.code == 0, done.err
    assert done.out == ""
    assert "Template v0.1.0 → v0.2.0" in done.err
    assert "A faster loop, which needs less memory." in done.err
    assert "The first." not in done.err
    assert "Not released yet." not in done.err
    assert "colour=blue" in done.err
    assert "what you edited in it is kept" in line_of(done.err, "train.py")
    assert line_of(done.err, "demo/network.py").endswith("moved here from demo/model.py")
    assert "new" in line_of(done.err, "new.txt")
    assert "removed; you had not changed it" in line_of(done.err, "logo.bin")
    assert not any(line.startswith("demo/model.py") for line in done.err.splitlines())
    assert "Files: 1 new, 1 changed (1 of them edited by you), 1 moved, 1 removed." in done.err
    assert "Done. Look at it with git diff" in done.err
    assert "--undo" in done.err


def test_only_what_was_edited_is_called_edited(newmodel: Callable[..., Any], demo) -> None:
    folder = demo({"demo/model.py": LINES.replace("line", "model").replace("model 9\n", "my 9\n")})
    done = newmodel("update", folder)
    assert line_of(done.err, "train.py").split() == ["train.py", "changed"]
    assert line_of(done.err, "demo/network.py").endswith("moved here from demo/model.py; what you edited in it is kept")
    assert "my 9" in (folder / "demo" / "network.py").read_text()


def test_check_is_for_ci(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    before = files(folder)
    done = newmodel("update", folder, "--check")
    assert (done.code, done.out) == (1, "")
    assert "v0.2.0 is available" in done.err
    assert json.loads(newmodel("update", folder, "--check", "--json").out) == {
        "current": "v0.1.0",
        "available": "v0.2.0",
        "overlays": [],
    }
    assert newmodel("update", folder, "--check", "--to", "v0.1.0").code == 0
    assert files(folder) == before
    assert newmodel("update", folder).code == 0
    done = newmodel("update", folder, "--check", "--json")
    assert done.code == 0
    assert json.loads(done.out) == {"current": "v0.2.0", "available": None, "overlays": []}
    assert "is up to date (v0.2.0)" in newmodel("update", folder).err


def test_check_is_quick_because_it_imports_little(demo, tmp_path: Path) -> None:
    folder = demo()
    program = f"""
import sys
from pathlib import Path
from scaffolder import template_source
template_source._PACKAGE = Path({str(tmp_path)!r})
from scaffolder.cli import main
assert main(["update", "--check"]) == 1
print([name for name in ("copier", "questionary", "jinja2", "scaffolder.merging.three_way") if name in sys.modules])
"""
    root = Path(__file__).resolve().parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_diff_writes_nothing(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    before = files(folder)
    done = newmodel("update", folder, "--diff")
    assert (done.code, done.err) == (0, "")
    assert "-# line 2\n+# line two\n" in done.out
    assert "rename to demo/network.py" in done.out
    found = json.loads(newmodel("update", folder, "--diff", "--json").out)
    assert "+# line two\n" in found["diff"]
    assert files(folder) == before
    assert git(folder, "status", "--porcelain") == ""


def test_the_json_of_an_update(newmodel: Callable[..., Any], demo) -> None:
    done = newmodel("update", demo(), "--json")
    found = json.loads(done.out)
    assert (found["from"], found["to"], found["conflicts"]) == ("v0.1.0", "v0.2.0", [])
    assert found["answers"]["colour"] == {"old": None, "new": "blue"}
    assert {"path": "train.py", "outcome": "changed", "edited": False, "moved_from": None} in found["changes"]
    assert {
        "path": "demo/network.py",
        "outcome": "added",
        "edited": False,
        "moved_from": "demo/model.py",
    } in found["changes"]


def test_an_answer_is_changed_at_the_same_version(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    assert newmodel("update", folder, "--set", "colour=blue", "--set", "shade=pale").code == 0
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "updated")
    done = newmodel("update", folder, "--set", "colour=green")
    assert done.code == 0, done.err
    assert "colour: blue → green" in done.err
    assert "shade: pale → dark, because pale does not go with the other answers" in done.err
    assert "Template v" not in done.err
    assert (folder / "new.txt").read_text() == "green\n"
    git(folder, "commit", "-qam", "green")
    again = newmodel("update", folder, "--set", "colour=green")
    assert again.code == 0
    assert "Nothing changes" in again.err


def test_undo_says_what_it_did(newmodel: Callable[..., Any], demo) -> None:
    folder = demo()
    before = files(folder)
    newmodel("update", folder)
    done = newmodel("update", folder, "--undo")
    assert done.code == 0
    assert "the project has the template version v0.1.0 again" in done.err
    assert files(folder) == before
    assert newmodel("update", folder, "--undo").code == 2

    newmodel("update", folder)
    (folder / "train.py").write_text("my own\n")
    refused = newmodel("update", folder, "--undo")
    assert refused.code == 2
    assert "train.py" in refused.err
    done = newmodel("update", folder, "--undo", "--yes", "--json")
    found = json.loads(done.out)
    assert (found["from"], found["to"], found["edited"]) == ("v0.2.0", "v0.1.0", ["train.py"])
    assert (Path(found["kept"]) / "train.py").read_text() == "my own\n"
    assert files(folder) == before


def test_an_interrupted_update_is_mended_first(
    newmodel: Callable[..., Any], demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaffolder.updating import journal

    folder = demo()
    before = files(folder)

    def half(project: Any, _journal: Any) -> None:
        (project.folder / "new.txt").write_text("blue\n")
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        # as a kill in the middle leaves it: nobody is there to roll back, or to say that it ended
        real = journal.set_state
        patch.setattr(journal, "_perform", half)
        patch.setattr(journal, "_roll_back", lambda *args: [])
        patch.setattr(journal, "set_state", lambda at, pending, last: real(at, pending, last) if pending else None)
        with pytest.raises(SystemExit):
            newmodel("update", folder)
    assert files(folder) != before
    done = newmodel("update", folder, "--check")
    assert done.code == 1
    assert "An update from v0.1.0 to v0.2.0 was interrupted" in done.err
    assert files(folder) == before


def test_without_version_control_it_says_what_to_do(newmodel: Callable[..., Any], demo, tmp_path: Path) -> None:
    folder = demo()
    (folder / ".git").rename(tmp_path / "gone")
    assert newmodel("update", folder, "--check").code == 1
    for option in ("--yes", "--diff", "--undo", "--resolve=mine"):
        done = newmodel("update", folder, option)
        assert done.code == 2
        assert "is not under version control" in done.err
    answers = folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("v0.1.0", "v0.2.0"))
    done = newmodel("update", folder)
    assert done.code == 0
    assert "is up to date" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--check", "--diff"), "--check and --diff do not go together"),
        (("--check", "--set", "colour=blue"), "--check and --set do not go together"),
        (("--undo", "--to", "v0.2.0"), "--undo and --to do not go together"),
        (("--undo", "--resolve", "mine"), "--undo and --resolve do not go together"),
        (("--resolve", "mine", "--conflict", "rej"), "--resolve and --conflict do not go together"),
        (("--conflict", "both"), "--conflict cannot be “both”: it is inline (markers in the file) or rej"),
        (("--resolve", "ours"), "--resolve cannot be “ours”: it is ask (one by one), mine or theirs."),
        (("--resolve", "ask", "--json"), "--resolve ask needs a terminal"),
        (("--to", "v7"), "There is no released template version v7"),
        (("--set", "color=blue"), "did you mean “colour”"),
        (("--set", "colour=red"), "colour cannot be “red”"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    newmodel: Callable[..., Any], demo, arguments: tuple[str, ...], message: str
) -> None:
    folder = demo()
    done = newmodel("update", folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert git(folder, "status", "--porcelain") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pexpect needs a POSIX terminal")
def test_one_by_one_in_a_terminal(demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import test_cli_init_terminal
    from test_cli_init_terminal import ROOT, Terminal

    folder = demo()
    mine = LINES
    for number in (2, 9, 16, 24):
        mine = mine.replace(f"line {number}\n", f"my {number}\n")
    theirs = mine.replace("my", "their")
    fill(tmp_path / "templates", {"project/train.py": theirs})
    template_source.release("0.4.0", tmp_path / "templates", template_source.releases())
    fill(folder, {"train.py": mine})
    git(folder, "commit", "-qam", "mine")
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import pathlib, re, sys\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        "text = file.read_text()\n"
        "file.write_text(re.sub(r'<<<<<<<.*?>>>>>>> template\\n', '# both\\n', text, count=1, flags=re.S))\n"
    )
    program = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from scaffolder import template_source
template_source._cache_folder = lambda: Path({str(tmp_path / "cache")!r})
template_source._PACKAGE = Path({str(tmp_path)!r})
os.environ["VISUAL"] = {f"{sys.executable} {editor}"!r}
from scaffolder.cli import main
raise SystemExit(main(sys.argv[1:]))
"""
    monkeypatch.setattr(test_cli_init_terminal, "PROGRAM", program)
    person = Terminal(folder, "update")
    person.answer("Which colour", "\x1b[B")
    person.answer("shade")
    person.expect("Write these changes to the project?")
    person.process.send("y")
    person.expect("Settle the conflicts here and now")
    person.process.send("y")
    for place, key in (("1 of 4", "m"), ("2 of 4", "t"), ("3 of 4", "e"), ("4 of 4", "s")):
        person.expect(place)
        person.answer("skip it for now", key)
        person.seen = ""
    assert person.end() == 1
    assert "One file is still in conflict: train.py" in person.plain()
    assert (folder / "new.txt").read_text() == "green\n"
    text = (folder / "train.py").read_text()
    assert text.count("<<<<<<<") == 1
    for line in ("# my 2\n", "# their 9\n", "# both\n", "# my 24\n", "# their 24\n"):
        assert line in text
    for line in ("# their 2\n", "# my 9\n", "# my 16\n"):
        assert line not in text

    person = Terminal(folder, "update", "--resolve", "ask")
    person.expect("1 of 1")
    person.answer("skip it for now", "t")
    assert person.end() == 0
    assert "train.py is settled." in person.plain()
    assert "Every conflict is settled." in person.plain()
    assert git(folder, "ls-files", "-u") == ""
