"""A template update: the person's edits stay, a conflict is shown, nothing is written half."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from small_releases import commit, fill, git

from scaffolder import template_source
from scaffolder.errors import NewmodelError
from scaffolder.generate import Source, render
from scaffolder.generate import write as write_project
from scaffolder.merging.three_way import Outcome
from scaffolder.project import Project, open_project
from scaffolder.template_source import Release, Releases, release
from scaffolder.updating import journal, update
from scaffolder.updating.undo import undo

COPIER = """\
_subdirectory: project
_answers_file: .copier-answers.yml
project_name: {type: str, default: demo}
package: {type: str, default: demo}
"""
TRAIN = "".join(f"# line {number}\n" for number in range(1, 21))
RUN = """\
<component name="ProjectRunConfigurationManager">
  <configuration default="false" name="Train" type="PythonConfigurationType" factoryName="Python">
    <module name="demo" />
    <option name="SCRIPT_NAME" value="$PROJECT_DIR$/train.py" />
    <option name="PARAMETERS" value="" />
    <method v="2" />
  </configuration>
</component>"""


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Project, Releases]]:
    """Make a project from v0.1.0, which has more files if wanted, and a v0.2.0 that differs by the given files."""
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")

    def make(
        changed: dict[str, str | None], first_has: dict[str, str | None] | None = None
    ) -> tuple[Project, Releases]:
        templates = tmp_path / "templates"
        fill(
            templates,
            {
                "copier.yml": COPIER,
                "project/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers|to_nice_yaml }}",
                "project/.gitignore": "runs/\n",
                "project/train.py": TRAIN,
                "project/{{ package }}/model.py": TRAIN.replace("line", "model"),
                "project/{{ package }}/data.py": TRAIN.replace("line", "data"),
                "project/.idea/runConfigurations/Train.xml": RUN,
                **(first_has or {}),
            },
        )
        releases = Releases(tmp_path / "releases")
        first = release("0.1.0", templates, releases)
        folder = tmp_path / "demo"
        folder.mkdir()
        write_project(render({}, folder, Source(releases.unpack(first), first.tag)), folder)
        git(folder, "init", "-q")
        commit(folder)
        fill(templates, changed)
        release("0.2.0", templates, releases)
        return open_project(folder), releases

    return make


def run(project: Project, releases: Releases) -> update.Update:
    versions = update.available(project, releases)
    assert versions is not None
    with update.prepare(project, releases, versions) as prepared:
        update.apply(prepared)
        return prepared


def outcomes(done: update.Update) -> dict[str, Outcome]:
    return {change.path: change.outcome for change in done.changes if change.path != ".copier-answers.yml"}


def test_edits_at_other_lines_of_the_same_file_stay(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN.replace("line 2\n", "line two\n")})
    train = project.folder / "train.py"
    train.write_text(TRAIN.replace("line 18\n", "my line\n"))
    commit(project.folder)
    done = run(project, releases)
    assert train.read_text() == TRAIN.replace("line 2\n", "line two\n").replace("line 18\n", "my line\n")
    assert outcomes(done) == {"train.py": Outcome.CHANGED}
    assert open_project(project.folder).version == "v0.2.0"


def test_edits_of_the_same_line_are_a_conflict_with_both_sides(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN.replace("line 5\n", "their line\n")})
    train = project.folder / "train.py"
    train.write_text(TRAIN.replace("line 5\n", "my line\n"))
    commit(project.folder)
    done = run(project, releases)
    assert [change.path for change in done.conflicts] == ["train.py"]
    text = train.read_text()
    assert "my line\n" in text
    assert "their line\n" in text
    assert "<<<<<<<" in text
    # git, and so PyCharm's merge tool, knows it as a conflict with its three sides
    assert "UU train.py" in git(project.folder, "status", "--porcelain")
    assert git(project.folder, "show", ":1:train.py") == TRAIN
    assert "my line" in git(project.folder, "show", ":2:train.py")
    assert "their line" in git(project.folder, "show", ":3:train.py")


def test_a_file_the_person_renamed_gets_the_change_under_its_new_name(versions) -> None:
    project, releases = versions(
        {"project/{{ package }}/model.py": TRAIN.replace("line", "model").replace("model 3\n", "new 3\n")}
    )
    git(project.folder, "mv", "demo/model.py", "demo/network.py")
    commit(project.folder)
    done = run(project, releases)
    assert "new 3\n" in (project.folder / "demo/network.py").read_text()
    assert not (project.folder / "demo/model.py").exists()
    assert not done.conflicts


def test_a_file_the_template_renamed_keeps_the_persons_edits(versions) -> None:
    model = TRAIN.replace("line", "model")
    project, releases = versions({"project/{{ package }}/model.py": None, "project/{{ package }}/network.py": model})
    (project.folder / "demo/model.py").write_text(model.replace("model 9\n", "my 9\n"))
    commit(project.folder)
    done = run(project, releases)
    assert "my 9\n" in (project.folder / "demo/network.py").read_text()
    assert not (project.folder / "demo/model.py").exists()
    assert not done.conflicts


def test_a_file_the_person_deleted_stays_deleted_and_is_mentioned(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    (project.folder / "train.py").unlink()
    commit(project.folder)
    done = run(project, releases)
    assert not (project.folder / "train.py").exists()
    assert outcomes(done) == {"train.py": Outcome.STAYS_DELETED}


def test_a_file_the_template_deleted_goes_unless_the_person_changed_it(versions) -> None:
    project, releases = versions({"project/train.py": None, "project/{{ package }}/data.py": None})
    (project.folder / "train.py").write_text(TRAIN + "mine\n")
    commit(project.folder)
    done = run(project, releases)
    assert (project.folder / "train.py").read_text().endswith("mine\n")
    assert not (project.folder / "demo/data.py").exists()
    assert outcomes(done) == {"train.py": Outcome.STAYS, "demo/data.py": Outcome.DELETED}


def test_a_new_question_gets_its_default(versions) -> None:
    project, releases = versions(
        {
            "copier.yml": COPIER + "colour: {type: str, default: blue}\n",
            "project/colour.txt.jinja": "{{ colour }}\n",
        }
    )
    run(project, releases)
    assert (project.folder / "colour.txt").read_text() == "blue\n"
    assert open_project(project.folder).answers["colour"] == "blue"


def test_a_file_that_both_added_is_a_conflict(versions) -> None:
    project, releases = versions({"project/new.py": "theirs\n"})
    (project.folder / "new.py").write_text("mine\n")
    commit(project.folder)
    done = run(project, releases)
    assert [change.path for change in done.conflicts] == ["new.py"]
    assert "mine\n" in (project.folder / "new.py").read_text()


def test_an_uncommitted_file_in_the_way_is_refused(versions) -> None:
    project, releases = versions({"project/new.py": "theirs\n"})
    (project.folder / "new.py").write_text("mine\n")
    with pytest.raises(NewmodelError, match=r"brings the file new\.py"):
        run(project, releases)
    assert (project.folder / "new.py").read_text() == "mine\n"


def test_uncommitted_edits_are_refused_with_what_to_do(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    (project.folder / "train.py").write_text("my edit\n")
    with pytest.raises(NewmodelError, match=r"not committed: train\.py\. Commit them and try again: git add"):
        run(project, releases)
    assert (project.folder / "train.py").read_text() == "my edit\n"


def test_other_untracked_files_do_not_matter(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    (project.folder / "notes.txt").write_text("mine\n")
    run(project, releases)
    assert (project.folder / "notes.txt").read_text() == "mine\n"
    assert (project.folder / "train.py").read_text().endswith("more\n")


def test_what_tools_leave_is_no_obstacle_and_stays(versions) -> None:
    project, releases = versions(
        {
            "project/train.py": TRAIN + "more\n",
            "project/.idea/runConfigurations/Train.xml": RUN.replace(
                'PARAMETERS" value=""', 'PARAMETERS" value="--fast"'
            ),
        }
    )
    (project.folder / "uv.lock").write_text("version = 1\n")
    (project.folder / ".idea/workspace.xml").write_text("<project />")
    configuration = project.folder / ".idea/runConfigurations/Train.xml"
    configuration.write_text(
        RUN.replace('<module name="demo" />', '<module name="demo" />\n    <option name="SDK_NAME" value="" />')
    )
    done = run(project, releases)
    assert not done.conflicts
    text = configuration.read_text()
    assert 'name="SDK_NAME"' in text
    assert 'value="--fast"' in text
    assert (project.folder / "uv.lock").read_text() == "version = 1\n"


def test_a_run_configuration_the_person_added_stays(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    own = project.folder / ".idea/runConfigurations/Mine.xml"
    own.write_text(RUN.replace('name="Train"', 'name="Mine"'))
    run(project, releases)
    assert 'name="Mine"' in own.read_text()


def test_windows_line_ends_are_kept(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN.replace("line 2\n", "line two\n")})
    train = project.folder / "train.py"
    train.write_bytes(TRAIN.replace("line 18\n", "my line\n").replace("\n", "\r\n").encode())
    commit(project.folder)
    done = run(project, releases)
    assert not done.conflicts
    wanted = TRAIN.replace("line 2\n", "line two\n").replace("line 18\n", "my line\n")
    assert train.read_bytes() == wanted.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("autocrlf", ["false", "true"])
def test_the_sides_of_a_conflict_have_the_line_ends_that_git_has(versions, autocrlf: str) -> None:
    project, releases = versions({"project/train.py": TRAIN.replace("line 5\n", "their line\n")})
    git(project.folder, "config", "core.autocrlf", autocrlf)
    train = project.folder / "train.py"
    train.write_bytes(TRAIN.replace("line 5\n", "my line\n").replace("\n", "\r\n").encode())
    commit(project.folder)
    done = run(project, releases)
    assert [change.path for change in done.conflicts] == ["train.py"]
    assert b"my line\r\n" in train.read_bytes()

    def blob(name: str) -> bytes:
        return subprocess.run(["git", "show", name], cwd=project.folder, check=True, capture_output=True).stdout

    assert blob(":2:train.py") == blob("HEAD:train.py")
    assert (b"their line\r\n" in blob(":3:train.py")) == (autocrlf == "false")


def test_a_binary_file_that_both_changed_keeps_the_persons(versions) -> None:
    project, releases = versions({"project/data.bin": "\0theirs"})
    (project.folder / "data.bin").write_bytes(b"\0mine")
    commit(project.folder)
    done = run(project, releases)
    assert [change.path for change in done.conflicts] == ["data.bin"]
    assert (project.folder / "data.bin").read_bytes() == b"\0mine"


def test_a_second_update_has_nothing_to_do(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    run(project, releases)
    assert update.available(open_project(project.folder), releases) is None


def test_a_project_inside_another_repository(versions, tmp_path: Path) -> None:
    project, releases = versions({"project/train.py": TRAIN.replace("line 5\n", "their line\n")})
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    shutil.rmtree(project.folder / ".git")
    shutil.move(project.folder, outer / "sub")
    (outer / "sub/train.py").write_text(TRAIN.replace("line 5\n", "my line\n"))
    (outer / "other.txt").write_text("not ours\n")
    commit(outer)
    (outer / "other.txt").write_text("an edit outside the project\n")
    done = run(open_project(outer / "sub"), releases)
    assert [change.path for change in done.conflicts] == ["train.py"]
    assert "UU sub/train.py" in git(outer, "status", "--porcelain")
    assert (outer / "other.txt").read_text() == "an edit outside the project\n"


def test_the_diff_writes_nothing(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    available = update.available(project, releases)
    assert available is not None
    with update.prepare(project, releases, available) as prepared:
        assert "+more" in prepared.merged.diff()
    assert (project.folder / "train.py").read_text() == TRAIN
    assert git(project.folder, "status", "--porcelain") == ""


def test_a_failure_in_the_middle_puts_everything_back(versions, monkeypatch: pytest.MonkeyPatch) -> None:
    project, releases = versions(
        {
            "project/train.py": TRAIN + "more\n",
            "project/a_new.py": "new\n",
            "project/{{ package }}/data.py": None,
        }
    )
    real = journal.move

    def full_disk(staged: Path, target: Path, temporary: Path) -> None:
        if target.name == "train.py":
            raise OSError(28, "No space left on device")
        real(staged, target, temporary)

    monkeypatch.setattr(journal, "move", full_disk)
    with pytest.raises(NewmodelError, match="disk"):
        run(project, releases)
    assert git(project.folder, "status", "--porcelain") == ""


def test_without_version_control_it_says_what_to_do(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    shutil.rmtree(project.folder / ".git")
    with pytest.raises(NewmodelError, match="not under version control"):
        run(open_project(project.folder), releases)


def test_a_repository_above_that_ignores_the_project_does_not_count(versions, tmp_path: Path) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    shutil.rmtree(project.folder / ".git")
    shutil.move(project.folder, outer / "demo")
    (outer / ".gitignore").write_text("demo/\n")
    commit(outer)
    with pytest.raises(NewmodelError, match="not under version control"):
        run(open_project(outer / "demo"), releases)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"_commit": "v0.2.0.post0.dev0+abc", "_src_path": template_source.TEMPLATE_URL}, "unreleased state"),
        ({"_commit": "v9.0.0", "_src_path": template_source.TEMPLATE_URL}, "no released template version"),
        (
            {"_commit": "v0.1.0", "_src_path": "https://example.org/other"},
            "was made from https://example.org/other",
        ),
    ],
)
def test_what_cannot_be_updated_is_refused(tmp_path: Path, answers: dict[str, str], message: str) -> None:
    releases = Releases(tmp_path / "releases")
    with pytest.raises(NewmodelError, match=message):
        update.available(Project(tmp_path, answers), releases)


def test_a_newer_project_than_newmodel_is_refused(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"})
    run(project, releases)
    only_first = Releases(releases.folder)
    first: list[Release] = [releases.all()[0]]
    newer = open_project(project.folder)

    class Older(Releases):
        def all(self) -> list[Release]:
            return [*first, releases.all()[1]]

        def newest(self) -> Release:
            return first[0]

    with pytest.raises(NewmodelError, match="newer than this newmodel"):
        update.available(newer, Older(only_first.folder))


@pytest.mark.parametrize("content", ["[1, 2", "- a list\n", "just text\n", "project_name: x\n"])
def test_a_damaged_answers_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / ".copier-answers.yml").write_text(content)
    with pytest.raises(NewmodelError, match="is damaged"):
        open_project(tmp_path)


@pytest.mark.parametrize("overlays", ["text", ["text"], [{"source": "here"}], 3])
def test_damaged_overlays_are_one_sentence(tmp_path: Path, overlays: object) -> None:
    recorded = {"_commit": "v0.1.0", "_src_path": template_source.TEMPLATE_URL, "_overlays": overlays}
    with pytest.raises(NewmodelError, match="is damaged"):
        update.available(Project(tmp_path, recorded), Releases(tmp_path))


# --- answers that change ----------------------------------------------------------------------------------------

QUESTIONS = """\
_subdirectory: project
_answers_file: .copier-answers.yml
unavailable: {type: yaml, default: "{}", when: false}
project_name: {type: str, default: demo}
package: {type: str, default: demo}
accelerator:
  type: str
  choices: {The processor: cpu, NVIDIA: cuda}
  default: cpu
method:
  type: str
  choices:
    LoRA: lora
    QLoRA: {value: qlora, validator: "{% if accelerator != 'cuda' %}it needs an NVIDIA GPU{% endif %}"}
  default: lora
docker: {type: bool, default: false}
image: {type: str, default: "demo-image", when: "{{ docker }}"}
use_git: {type: bool, default: true, secret: true}
docker_folder: {type: str, when: false, default: "{{ 'deploy' if docker else '' }}"}
"""
ANSWERING = {
    "copier.yml": QUESTIONS,
    "project/settings.txt.jinja": "accelerator {{ accelerator }}\n\n\nmethod {{ method }}\n",
    "project/{{ docker_folder }}/Dockerfile": "FROM scratch\n",
}


def change(project: Project, releases: Releases, *settings: str, to: str | None = None) -> update.Update:
    versions = update.available(project, releases, to, settings=settings)
    assert versions is not None
    with update.prepare(project, releases, versions, settings=settings) as prepared:
        update.apply(prepared)
        return prepared


def test_an_answer_can_be_changed_at_the_same_version_and_back(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    before = git(project.folder, "ls-files", "--stage")
    done = change(project, releases, "docker=yes", to="v0.1.0")
    assert (done.old, done.new) == (releases.all()[0], releases.all()[0])
    assert outcomes(done) == {"deploy/Dockerfile": Outcome.ADDED}
    changed = open_project(project.folder)
    assert changed.answers["docker"] is True
    assert changed.answers["image"] == "demo-image"
    assert changed.version == "v0.1.0"
    (project.folder / "train.py").write_text(TRAIN + "mine\n")
    commit(project.folder)
    change(changed, releases, "docker=no", to="v0.1.0")
    assert not (project.folder / "deploy").exists()
    git(project.folder, "checkout", "HEAD~1", "--", "train.py")
    commit(project.folder)
    assert git(project.folder, "ls-files", "--stage") == before


def test_an_answer_that_stays_changes_nothing_and_leaves_the_way_back(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    change(project, releases, "docker=yes", to="v0.1.0")
    commit(project.folder)
    project = open_project(project.folder)
    done = change(project, releases, "docker=yes", to="v0.1.0")
    assert done.changes == ()
    undo(project)
    assert not (project.folder / "deploy").exists()


def test_files_behind_a_link_of_the_persons_follow_it(versions, tmp_path: Path) -> None:
    project, releases = versions(
        {"project/big/a.txt": None, "project/big/b.txt": "new\n"}, {"project/big/a.txt": "a\n"}
    )
    elsewhere = tmp_path / "other_disk"
    shutil.move(project.folder / "big", elsewhere)
    (project.folder / "big").symlink_to(elsewhere)
    commit(project.folder)
    run(project, releases)
    assert (project.folder / "big").is_symlink()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["b.txt"]
    undo(project)
    assert sorted(path.name for path in elsewhere.iterdir()) == ["a.txt"]


def test_an_answer_can_be_changed_while_updating(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    done = change(project, releases, "docker=yes")
    assert done.new.tag == "v0.2.0"
    assert done.answers["docker"] is True
    assert outcomes(done) == {"train.py": Outcome.CHANGED, "deploy/Dockerfile": Outcome.ADDED}


def test_an_answer_that_becomes_impossible_has_its_default_again_and_is_named(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    change(project, releases, "accelerator=cuda", "method=qlora", to="v0.1.0")
    commit(project.folder)
    done = change(open_project(project.folder), releases, "accelerator=cpu", to="v0.1.0")
    assert done.reset == ("method",)
    answers = open_project(project.folder).answers
    assert (answers["accelerator"], answers["method"]) == ("cpu", "lora")
    assert (project.folder / "settings.txt").read_text() == "accelerator cpu\n\n\nmethod lora\n"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("dockr=yes", "There is no question “dockr”; did you mean “docker”?"),
        ("docker=perhaps", "docker must be yes or no"),
        ("method=qlora", "it needs an NVIDIA GPU"),
        ("accelerator=tpu", "accelerator cannot be “tpu”"),
        ("docker", "has no “=”"),
        ("image=mine", "image means nothing with this project's other answers."),
        ("use_git=no", "use_git was about the day on which the project was made"),
    ],
)
def test_a_setting_that_is_wrong_changes_nothing(versions, setting: str, message: str) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    with pytest.raises(NewmodelError) as caught:
        change(project, releases, setting)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2
    assert git(project.folder, "status", "--porcelain") == ""


def test_an_answer_is_checked_against_the_new_versions_questions(versions) -> None:
    new = QUESTIONS + "colour: {type: str, default: blue}\n"
    project, releases = versions({"copier.yml": new}, ANSWERING)
    change(project, releases, "colour=red")
    assert open_project(project.folder).answers["colour"] == "red"


def test_edited_files_of_what_is_taken_out_stay(versions) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    change(project, releases, "docker=yes", to="v0.1.0")
    (project.folder / "deploy/Dockerfile").write_text("FROM scratch\n# mine\n")
    commit(project.folder)
    done = change(open_project(project.folder), releases, "docker=no", to="v0.1.0")
    assert outcomes(done) == {"deploy/Dockerfile": Outcome.STAYS}
    assert (project.folder / "deploy/Dockerfile").read_text() == "FROM scratch\n# mine\n"


def test_a_project_of_these_very_unreleased_templates_can_change_answers(
    versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, releases = versions({"project/train.py": TRAIN + "more\n"}, ANSWERING)
    unreleased = "v0.2.0.post0.dev0+abc"
    monkeypatch.setattr(update, "current_version", lambda: unreleased)
    monkeypatch.setattr(update, "templates_folder", lambda: releases.unpack(releases.all()[0]))
    answers = project.folder / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("v0.1.0", unreleased))
    commit(project.folder)
    project = open_project(project.folder)
    assert update.available(project, releases) is None
    change(project, releases, "docker=yes")
    assert (project.folder / "deploy/Dockerfile").exists()
    assert open_project(project.folder).version == unreleased
    undo(project)
    assert git(project.folder, "status", "--porcelain") == ""


def test_a_link_in_the_way_is_refused(versions) -> None:
    project, releases = versions({"project/new.py": "theirs\n"})
    (project.folder / "new.py").symlink_to("train.py")
    commit(project.folder)
    with pytest.raises(NewmodelError, match=r"brings the file new\.py, and in .* that is a link"):
        run(project, releases)
    assert (project.folder / "train.py").read_text() == TRAIN


def test_the_framework_and_the_task_can_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With our own templates, as they were released: what nobody edited becomes what a new project has."""
    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")
    releases = template_source.releases()
    newest = releases.find("v0.4.0")
    source = Source(releases.unpack(newest), newest.tag)
    folder, new = tmp_path / "demo", tmp_path / "new"
    for place, answers in (
        (folder, {"framework": "pytorch"}),
        (new, {"framework": "tensorflow", "task": "foundations"}),
    ):
        place.mkdir()
        write_project(render({"project_name": "demo", "package": "demo", **answers}, place, source), place)
    git(folder, "init", "-q")
    only_old = next(path for path in sorted(folder.glob("demo/*.py")) if not (new / "demo" / path.name).exists())
    only_old.write_text(only_old.read_text() + "# mine\n")
    (folder / "my_notes.md").write_text("mine\n")
    commit(folder)
    before = git(folder, "ls-files", "--stage")

    done = change(open_project(folder), releases, "framework=tensorflow", "task=foundations", to="v0.4.0")
    assert not done.conflicts
    kept = {"my_notes.md", only_old.relative_to(folder).as_posix()}
    git(folder, "add", "-A")
    files = set(git(folder, "ls-files").splitlines())
    git(new, "init", "-q")
    git(new, "add", "-A")
    assert files - kept == set(git(new, "ls-files").splitlines())
    for name in files - kept:
        assert (folder / name).read_bytes() == (new / name).read_bytes(), name
    undo(open_project(folder))
    assert git(folder, "ls-files", "--stage") == before
    assert git(folder, "status", "--porcelain") == ""
