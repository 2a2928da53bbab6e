"""The files for Docker, tests at every push and clusters: well formed, true to the project, and their commands run.

There is no Docker and no cluster here: nothing was built or submitted. What can be run without them is run: the
commands of the workflow, the launch scripts with a stand-in for SLURM, the shell lines of the Dockerfile and the job.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from answer_matrix import cells, choices, rendered_as
from environments import framework_environment
from packaging.specifiers import SpecifierSet

from scaffolder.catalog import catalog
from scaffolder.errors import NewmodelError
from scaffolder.install.toml import read_toml

LANGUAGES = list(choices()["language"])
MANAGERS = list(choices()["package_manager"])
every_cell = pytest.mark.parametrize("cell", cells(), ids=lambda cell: "-".join(cell.values()))
every_framework = pytest.mark.parametrize("framework", list(choices()["framework"]))
#: Every cell with one package manager, and the other with the smallest task: no file depends on both.
every_cell_and_manager = pytest.mark.parametrize(
    ("cell", "manager"),
    [(cell, manager) for cell in cells() for manager in MANAGERS if manager == "pip" or cell["task"] == "foundations"],
    ids=lambda value: value if isinstance(value, str) else "-".join(value.values()),
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="clusters and containers run Linux")

OWN = {"data": "own", "data_file": "data/mine.csv", "target_column": "y"}


def project(**answers: Any) -> Path:
    return rendered_as("demo", **{"task": "foundations", **answers})


def with_github(cell: dict[str, str], manager: str = "pip") -> Path:
    return project(**cell, package_manager=manager, docker=True, ci="github", launcher="slurm")


def with_gitlab(cell: dict[str, str], manager: str = "pip") -> Path:
    return project(**cell, package_manager=manager, docker=True, ci="gitlab", launcher="kubernetes")


def read(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def check_shell(text: str, shell: str = "bash") -> None:
    done = subprocess.run([shell, "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{text}"


# --- which files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "files"),
    [
        ({}, set()),
        ({"docker": True}, {"Dockerfile", ".dockerignore"}),
        ({"ci": "github"}, {".github/workflows/tests.yml"}),
        ({"ci": "gitlab"}, {".gitlab-ci.yml"}),
        ({"launcher": "slurm"}, {"launch/slurm.sh"}),
        (
            {"docker": True, "launcher": "kubernetes"},
            {"Dockerfile", ".dockerignore", "launch/kubernetes.yaml", "launch/kubernetes_setup.yaml"},
        ),
    ],
)
def test_files_of_each_answer(answers: dict[str, Any], files: set[str]) -> None:
    def names(folder: Path) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}

    assert names(project(**answers)) - names(project()) == files


def test_kubernetes_needs_an_image() -> None:
    with pytest.raises(NewmodelError, match="it starts an image, so it needs docker=true as well"):
        rendered_as("refused", launcher="kubernetes")


@pytest.mark.parametrize("language", LANGUAGES)
@every_framework
def test_a_line_for_every_file_in_the_readme(language: str, framework: str) -> None:
    for answers in (
        {"docker": True, "ci": "github", "launcher": "slurm"},
        {"docker": True, "ci": "gitlab", "launcher": "kubernetes"},
    ):
        text = read(project(framework=framework, language=language, **answers), "README.md")
        rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
        named = set(re.findall(r"`([^`]+)`", "\n".join(rows)))
        launch = {"slurm": {"slurm.sh"}, "kubernetes": {"kubernetes.yaml", "kubernetes_setup.yaml"}}
        ci = {"github": {"tests.yml"}, "gitlab": {".gitlab-ci.yml"}}
        assert {"Dockerfile", ".dockerignore"} | launch[answers["launcher"]] | ci[answers["ci"]] <= named
        assert "\n\n\n" not in text
    plain = read(project(framework=framework, language=language), "README.md")
    assert "Dockerfile" not in plain
    assert "SLURM" not in plain


@every_framework
def test_both_readmes_have_the_same_structure(framework: str) -> None:
    for answers in (
        {"docker": True, "ci": "github", "launcher": "slurm"},
        {"docker": True, "ci": "gitlab", "launcher": "kubernetes", "task": "tabular", **OWN},
    ):
        shapes = []
        for language in LANGUAGES:
            text = read(project(framework=framework, language=language, **answers), "README.md")
            shapes.append([re.match(r"#*|```", line).group() for line in text.splitlines() if re.match("#|```", line)])  # type: ignore[union-attr]
        assert shapes[0] == shapes[1]


# --- Docker -----------------------------------------------------------------------------------------------------------

#: https://docs.docker.com/reference/dockerfile/
INSTRUCTIONS = {
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "ONBUILD", "RUN"),
    *("SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}


def instructions(text: str) -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments: comments gone, continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = [line.split(None, 1) for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    return [(words[0], words[1] if len(words) > 1 else "") for words in found]


def ignored(patterns: str, path: str) -> bool:
    """Whether a .dockerignore leaves a file out; the last pattern that matches decides."""
    result = False
    for line in patterns.splitlines():
        if line.strip() and not line.startswith("#"):
            pattern = line.removeprefix("!")
            parents = [path, *(parent.as_posix() for parent in Path(path).parents if parent.as_posix() != ".")]
            anywhere = pattern.startswith("**/")
            for part in parents:
                depth = part.count("/") == pattern.count("/") or anywhere
                if depth and fnmatch(part if not anywhere else part.rpartition("/")[2], pattern.removeprefix("**/")):
                    result = not line.startswith("!")
    return result


@every_cell_and_manager
def test_dockerfile(cell: dict[str, str], manager: str) -> None:
    folder = with_github(cell, manager)
    text = read(folder, "Dockerfile")
    assert text.startswith("# syntax=docker/dockerfile:1\n")
    found = instructions(text)
    assert {name for name, _ in found} <= INSTRUCTIONS
    names = [name for name, _ in found]
    assert names[0] == "FROM"
    # the Python of the image is one that the project takes
    version = re.fullmatch(r"python:(3\.\d+)-slim", found[0][1])
    assert version is not None
    assert SpecifierSet(read_toml(folder / "pyproject.toml")["project"]["requires-python"]).contains(version[1])
    # the packages before the code, and root for neither
    copies = [shlex.split(rest) for name, rest in found if name == "COPY"]
    assert copies[-1] == [".", "."]
    assert ["pyproject.toml", "uv.lock*", "./"] in copies or ["pyproject.toml", "./"] in copies
    for words in copies:
        for source in words[:-1]:
            assert source.startswith(("--from=", "/uv")) or source.endswith("*") or (folder / source).exists(), source
    assert ("USER", "1000:1000") in found
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN")
    assert ("VOLUME", '["/project/data", "/project/runs"]') in found
    assert json.loads(found[-1][1]) == ["python", "train.py"]
    for name, rest in found:
        if name == "RUN":
            check_shell(re.sub(r"^--mount=\S+\s+", "", rest), "sh")


def test_dockerfile_installs_the_build_that_the_project_names() -> None:
    folder = project(accelerator="cuda", package_manager="pip", docker=True)
    index = catalog().versions.pytorch_index["cu130"]
    assert f"torch=={catalog().versions.torch} --index-url {index}" in read(folder, "Dockerfile")
    assert "NVIDIA_DRIVER_CAPABILITIES" in read(folder, "Dockerfile")
    # with uv it is pyproject.toml that names it
    assert "--index-url" not in read(project(accelerator="cuda", package_manager="uv", docker=True), "Dockerfile")
    assert "--index-url" not in read(
        project(package_manager="pip", framework_index="default", docker=True), "Dockerfile"
    )


@pytest.mark.parametrize("tracker", [name for name in choices()["tracker"] if name != "tensorboard"])
def test_what_a_tracker_keeps_is_on_the_volume(tracker: str) -> None:
    folder = project(tracker=tracker, docker=True, launcher="kubernetes")
    values = [rest.partition("=")[2] for name, rest in instructions(read(folder, "Dockerfile")) if name == "ENV"]
    assert any(value.removeprefix("sqlite:///").startswith("/project/runs") for value in values)
    trainer = manifests(folder)[2]["spec"]["trainer"]
    for variable in trainer.get("env", []):
        assert variable["valueFrom"]["secretKeyRef"]["optional"] is True  # without an account it works as well
    assert "key" not in json.dumps([variable.get("value") for variable in trainer.get("env", [])])


@posix_only
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the image has Python 3.12")
def test_dockerfile_reads_the_packages_from_pyproject() -> None:
    folder = project(package_manager="pip", docker=True)
    (command,) = re.findall(r"python -c '[^']+'", read(folder, "Dockerfile"))
    command = command.replace("python", shlex.quote(sys.executable), 1)
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == read_toml(folder / "pyproject.toml")["project"]["dependencies"]


@every_cell
def test_dockerignore_leaves_out_results_and_secrets_and_nothing_that_is_needed(cell: dict[str, str]) -> None:
    folders = [(with_github(cell), False)]
    if cell["task"] != "foundations":
        folders.append((project(**cell, **OWN, docker=True, launcher="kubernetes"), True))
    for folder, own in folders:
        patterns = read(folder, ".dockerignore")
        for path in ("runs/train-1/model/weights.safetensors", ".git/config", ".venv/bin/python", ".env", "uv.toml"):
            assert ignored(patterns, path), path
        kept = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        kept = [
            path
            for path in kept
            if not path.startswith((".", "tests/", "launch/", "Dockerfile")) and "__pycache__" not in path
        ]
        assert [path for path in kept if ignored(patterns, path)] == []
        assert ignored(patterns, "data/mine.csv") == own


# --- tests at every push ----------------------------------------------------------------------------------------------


@every_cell_and_manager
def test_github_workflow(cell: dict[str, str], manager: str) -> None:
    folder = with_github(cell, manager)
    workflow = yaml.safe_load(read(folder, ".github/workflows/tests.yml"))
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    python = SpecifierSet(read_toml(folder / "pyproject.toml")["project"]["requires-python"])
    versions = job["strategy"]["matrix"]["python"]
    oldest, newest = versions
    assert all(python.contains(version) for version in versions)
    assert not python.contains(f"3.{int(newest.split('.')[1]) + 1}")
    assert not python.contains(f"3.{int(oldest.split('.')[1]) - 1}")
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"])
        else:
            check_shell(step["run"])
            assert "${{" not in step["run"]  # a value pasted into a shell line could be code
    used = [step["uses"].split("@")[0] for step in job["steps"] if "uses" in step]
    assert ("astral-sh/setup-uv" in used) == (manager == "uv")


@every_cell_and_manager
def test_gitlab_pipeline(cell: dict[str, str], manager: str) -> None:
    folder = with_gitlab(cell, manager)
    pipeline = yaml.safe_load(read(folder, ".gitlab-ci.yml"))
    job = pipeline["tests"]
    python = SpecifierSet(read_toml(folder / "pyproject.toml")["project"]["requires-python"])
    assert all(python.contains(version) for version in job["parallel"]["matrix"][0]["PYTHON"])
    for line in [*job["before_script"], *job["script"]]:
        assert isinstance(line, str)
        check_shell(line)
    assert job["script"][-1] == "python -m pytest"
    assert "/.cache/" in read(folder, ".gitignore")  # or ruff would check what uv keeps there


@posix_only
@pytest.mark.parametrize(
    ("answers", "gone"),
    [
        ({"framework": "tensorflow", "accelerator": "cuda"}, "and-cuda"),
        ({"framework": "pytorch", "accelerator": "rocm"}, "triton-rocm ;"),
        ({"framework": "pytorch", "accelerator": "xpu"}, "triton-xpu ;"),
    ],
)
def test_machines_without_a_gpu_get_no_packages_for_one(answers: dict[str, str], gone: str, tmp_path: Path) -> None:
    for ci, file in (("github", ".github/workflows/tests.yml"), ("gitlab", ".gitlab-ci.yml")):
        folder = project(**answers, ci=ci)
        (command,) = re.findall(r"sed -i .*", read(folder, file))
        copy = tmp_path / "pyproject.toml"
        copy.write_text(read(folder, "pyproject.toml"), encoding="utf-8")
        assert gone in copy.read_text(encoding="utf-8")
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
        assert gone not in copy.read_text(encoding="utf-8")
        before, after = (read_toml(file)["project"]["dependencies"] for file in (folder / "pyproject.toml", copy))
        assert len(before) - len(after) == ("triton" in gone)


@pytest.mark.full
@posix_only
@every_framework
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_the_commands_of_the_pipeline_run(framework: str, ci: str, tmp_path: Path) -> None:
    """What comes after the installation, in an environment that has what it installs."""
    folder = project(framework=framework, ci=ci, launcher="slurm", docker=True)
    if ci == "github":
        (job,) = yaml.safe_load(read(folder, ".github/workflows/tests.yml"))["jobs"].values()
        commands = [step["run"] for step in job["steps"] if step.get("name") in ("Style", "Types", "Tests")]
    else:
        commands = yaml.safe_load(read(folder, ".gitlab-ci.yml"))["tests"]["script"]
    assert sum("pytest" in command for command in commands) == 1
    python = framework_environment(framework)
    tools = tmp_path / "bin"
    make_command(tools / "python", f'exec {shlex.quote(str(python))} "$@"')
    make_command(tools / "ruff", f'exec {shlex.quote(sys.executable)} -m ruff "$@"')
    make_command(tools / "mypy", f'exec {shlex.quote(sys.executable)} -m mypy --python-executable {python} "$@"')
    for command in commands:
        done = subprocess.run(
            ["bash", "-e", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


# --- clusters ---------------------------------------------------------------------------------------------------------


def make_command(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def cluster(folder: Path, *, nodes: int = 1) -> dict[str, str]:
    """Stand-ins for SLURM's commands, and the variables that a job has.

    `srun` starts the command once for each node, here, and passes SIGTERM on; what is asked of `scontrol` is noted.
    """
    tools = folder / "cluster"
    make_command(
        tools / "srun",
        f"""
        pids=()
        for node in $(seq {nodes}); do "$@" & pids+=($!); done
        trap 'kill -TERM "${{pids[@]}}"' TERM
        code=0
        for pid in "${{pids[@]}}"; do
          while kill -0 "$pid" 2>/dev/null; do wait "$pid" && one=0 || one=$?; done
          (( one > code )) && code=$one
        done
        exit $code""",
    )
    make_command(
        tools / "scontrol",
        f"""
        if [[ $1 == show ]]; then for node in $(seq {nodes}); do echo localhost; done; fi
        if [[ $1 == requeue ]]; then echo "$2" >> {shlex.quote(str(folder / "requeued"))}; fi""",
    )
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TRAINING_"))},
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": str(nodes),
    }


def note_arguments(tools: Path, name: str, notes: Path) -> None:
    """A command that writes its arguments to `notes`."""
    make_command(tools / name, f'echo "$@" >> {shlex.quote(str(notes))}')


def make_run(folder: Path, name: str, job: str | None, *, checkpoints: bool = True) -> None:
    run = folder / "runs" / name
    (run / "checkpoints" if checkpoints else run).mkdir(parents=True)
    (run / "environment.json").write_text(json.dumps({"job": job} if job else {}, indent=2), encoding="utf-8")


@every_framework
@pytest.mark.parametrize("accelerator", ["cpu", "cuda"])
def test_slurm_script_is_sound(framework: str, accelerator: str) -> None:
    text = read(project(framework=framework, accelerator=accelerator, launcher="slurm"), "launch/slurm.sh")
    check_shell(text)
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash"
    options = [line for line in lines if line.startswith("#SBATCH")]
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in options)  # no comment behind, no spaces
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert max(number for number, line in enumerate(lines) if line.startswith("#SBATCH")) < first  # sbatch stops there
    assert ("#SBATCH --gpus-per-node=1" in options) == (accelerator == "cuda")


@posix_only
@every_framework
def test_slurm_job_starts_the_stage_and_goes_on_in_its_own_run(framework: str, tmp_path: Path) -> None:
    script = with_github({"framework": framework, "task": "foundations"}) / "launch" / "slurm.sh"
    environment = cluster(tmp_path)
    notes = tmp_path / "notes"
    note_arguments(tmp_path / "cluster", "torchrun" if framework == "pytorch" else "python", notes)

    def submitted(*options: str) -> str:
        notes.unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", str(script), *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return read(tmp_path, "notes").strip()

    assert submitted().endswith("train.py")
    assert submitted("finetune.py", "--training.epochs", "5").endswith("finetune.py --training.epochs 5")
    make_run(tmp_path, "train-1", "slurm-4711")
    make_run(tmp_path, "train-2", "slurm-47110")  # another job's, newer
    make_run(tmp_path, "train-3", None)
    make_run(tmp_path, "train-4", "slurm-4711", checkpoints=False)
    assert submitted("--training.epochs", "5").endswith("train.py --training.epochs 5 --training.resume runs/train-1")
    assert submitted("flow.py").endswith("flow.py --training.resume runs/train-1")
    assert submitted("finetune.py").endswith("finetune.py")
    assert not (tmp_path / "requeued").exists()


@posix_only
def test_slurm_job_fails_where_training_fails(tmp_path: Path) -> None:
    script = with_github({"framework": "pytorch", "task": "foundations"}) / "launch" / "slurm.sh"
    environment = cluster(tmp_path)
    make_command(tmp_path / "cluster" / "torchrun", "exit 3")
    done = subprocess.run(["bash", str(script)], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 3
    assert not (tmp_path / "requeued").exists()


@posix_only
def test_keras_uses_the_gpus_of_one_node(tmp_path: Path) -> None:
    script = with_github({"framework": "tensorflow", "task": "foundations"}) / "launch" / "slurm.sh"
    environment = cluster(tmp_path, nodes=2)
    done = subprocess.run(
        ["bash", str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "Keras' fit uses the GPUs of one node: start the job with --nodes 1."
    environment = {**cluster(tmp_path), "SLURM_GPUS_ON_NODE": "4"}
    note_arguments(tmp_path / "cluster", "python", tmp_path / "notes")
    subprocess.run(["bash", str(script)], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert read(tmp_path, "notes").strip() == "train.py --training.mirrored true"


@pytest.mark.full
@posix_only
def test_slurm_job_on_two_nodes_out_of_time_goes_on_after_the_requeue(tmp_path: Path) -> None:
    """Two nodes (processes that torchrun joins, gloo), stopped while they train, and started again by SLURM."""
    folder = rendered_as("on-two-nodes", task="foundations", framework="pytorch", launcher="slurm")
    environment = cluster(tmp_path, nodes=2)
    python = framework_environment("pytorch")
    make_command(tmp_path / "cluster" / "torchrun", f'exec {shlex.quote(str(python))} -m torch.distributed.run "$@"')
    options = ["--training.epochs", "400", "--training.patience", "0", "--training.checkpoint_steps", "20"]
    options += ["--xor.steps", "10", "--xor.seeds", "1", "--numpy.epochs", "1"]
    log = tmp_path / "log"

    def submit(output: Any) -> subprocess.Popen[bytes]:
        command = ["bash", str(folder / "launch" / "slurm.sh"), *options]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)

    with log.open("wb") as output:
        job = submit(output)
        try:
            deadline = time.monotonic() + 240
            while not list(folder.glob("runs/train-*/checkpoints/last")):
                assert job.poll() is None, read(tmp_path, "log")[-3000:]
                assert time.monotonic() < deadline, read(tmp_path, "log")[-3000:]
                time.sleep(0.2)
            job.send_signal(signal.SIGUSR1)  # SLURM's word, two minutes before the end
            assert job.wait(timeout=120) != 0
        finally:
            job.kill()
    assert (tmp_path / "requeued").read_text(encoding="utf-8") == "4711\n"
    (run,) = folder.glob("runs/train-*")
    assert json.loads(read(run, "environment.json"))["job"] == "slurm-4711"
    assert "Training is saved" in read(tmp_path, "log")
    assert not (run / "metrics.json").exists()

    with log.open("ab") as output:
        assert submit(output).wait(timeout=540) == 0, read(tmp_path, "log")[-3000:]
    assert f"Going on with runs/{run.name}" in read(tmp_path, "log")
    assert list(folder.glob("runs/train-*")) == [run]
    history = read(run, "history.csv").splitlines()
    assert len(history) == 401
    assert json.loads(read(run, "environment.json"))["device"]["count"] == 2
    assert (run / "metrics.json").exists()


# --- Kubernetes -------------------------------------------------------------------------------------------------------

#: Fields of Kubeflow Trainer's API, version v1alpha1, that every 2.x has.
TRAINER_FIELDS = {"image", "command", "args", "env", "numNodes", "resourcesPerNode", "numProcPerNode"}


def manifests(folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The volume, the runtime and the job."""
    volume, runtime = yaml.safe_load_all(read(folder, "launch/kubernetes_setup.yaml"))
    return volume, runtime, yaml.safe_load(read(folder, "launch/kubernetes.yaml"))


def pod(runtime: dict[str, Any]) -> dict[str, Any]:
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    spec: dict[str, Any] = job["template"]["spec"]["template"]["spec"]
    return spec


@every_cell
def test_kubernetes_files_fit_each_other(cell: dict[str, str]) -> None:
    fit_each_other(with_gitlab(cell), cell["framework"], gpu=False)


@every_framework
def test_kubernetes_files_for_gpus_fit_each_other(framework: str) -> None:
    folder = project(framework=framework, accelerator="cuda", docker=True, launcher="kubernetes")
    fit_each_other(folder, framework, gpu=True)


def fit_each_other(folder: Path, framework: str, *, gpu: bool) -> None:
    volume, runtime, job = manifests(folder)
    assert (volume["apiVersion"], volume["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (runtime["apiVersion"], runtime["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainingRuntime")
    assert (job["apiVersion"], job["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    assert job["spec"]["runtimeRef"] == {"kind": "TrainingRuntime", "name": runtime["metadata"]["name"]}
    assert set(job["spec"]["trainer"]) <= TRAINER_FIELDS
    assert all(isinstance(word, str) for word in job["spec"]["trainer"]["args"])
    assert (folder / job["spec"]["trainer"]["args"][0]).exists()
    assert ("nvidia.com/gpu" in job["spec"]["trainer"]["resourcesPerNode"]["limits"]) == gpu
    policy = runtime["spec"]["mlPolicy"]
    assert ("torch" in policy) == (framework == "pytorch")
    spec = pod(runtime)
    (container,) = spec["containers"]
    assert container["name"] == "node"  # the one that Kubeflow's torch plugin looks for
    claims = [one["persistentVolumeClaim"]["claimName"] for one in spec["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [volume["metadata"]["name"]]
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in spec["volumes"]}
    # the user of the Dockerfile, in the Dockerfile's folder
    assert spec["securityContext"]["runAsUser"] == 1000
    assert "/project/runs" in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert "\nWORKDIR /project\n" in read(folder, "Dockerfile")


def test_kubernetes_mounts_your_own_data() -> None:
    cell = {"framework": "pytorch", "task": "tabular"}
    own = project(**cell, **OWN, docker=True, launcher="kubernetes")
    for folder, expected in ((with_gitlab(cell), False), (own, True)):
        (container,) = pod(manifests(folder)[1])["containers"]
        assert ("/project/data" in [mount["mountPath"] for mount in container["volumeMounts"]]) == expected


def test_kubernetes_names_are_names_also_of_a_long_project() -> None:
    package = "a_very_long_name_for_a_package_is_allowed" * 2
    folder = project(package=package, docker=True, launcher="kubernetes")
    volume, runtime, job = manifests(folder)
    for name in (volume["metadata"]["name"], runtime["metadata"]["name"], job["metadata"]["generateName"] + "x" * 5):
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
        assert len(name) <= 50  # the pods' names have more behind it, within 63


@posix_only
@every_framework
def test_kubernetes_job_goes_on_in_its_own_run(framework: str, tmp_path: Path) -> None:
    _volume, runtime, job = manifests(with_gitlab({"framework": framework, "task": "foundations"}))
    (container,) = pod(runtime)["containers"]
    check_shell(container["command"][2], "sh")
    notes = tmp_path / "notes"
    note_arguments(tmp_path / "bin", "torchrun" if framework == "pytorch" else "python", notes)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "TRAINING_JOB": "demo-x",
    }

    def started(*arguments: str) -> str:
        notes.unlink(missing_ok=True)
        subprocess.run([*container["command"], *arguments], cwd=tmp_path, env=environment, check=True)
        return read(tmp_path, "notes").strip()

    assert started(*job["spec"]["trainer"]["args"]) == "train.py"
    make_run(tmp_path, "train-1", "demo-x")
    make_run(tmp_path, "train-2", "demo-xy")
    assert (
        started("train.py", "--training.epochs", "5") == "train.py --training.epochs 5 --training.resume runs/train-1"
    )
    assert started("flow.py") == "flow.py --training.resume runs/train-1"
    assert started("finetune.py") == "finetune.py"
