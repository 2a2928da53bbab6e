"""Which build fits which machine, what is said about it, and what `init` and pyproject.toml make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from answer_matrix import render_project
from hypothesis import given
from hypothesis import strategies as st

from scaffolder import init, repository, template_source
from scaffolder.environment.builds.build_findings import judge
from scaffolder.environment.builds.builds import fitting_build
from scaffolder.environment.builds.choices import build_problems, framework_remark
from scaffolder.environment.facts import (
    Accelerators,
    Finding,
    Frameworks,
    Gpu,
    Interpreter,
    Machine,
    Report,
    Tools,
)
from scaffolder.generate import Source, render, write
from scaffolder.install.project_file import indexed_requirements
from scaffolder.install.toml import read_toml
from scaffolder.project import open_project

LINUX = Report(
    platform="linux",
    machine="x86_64",
    release="Ubuntu 24.04.1 LTS",
    executable="/usr/bin/python3",
    interpreters=(Interpreter(path="/usr/bin/python3", version=(3, 12, 3)),),
)
WINDOWS = replace(LINUX, platform="win32", machine="AMD64", release="Windows-11")
MAC = replace(
    LINUX,
    platform="darwin",
    machine="arm64",
    release="macOS-15.6",
    accelerators=Accelerators(gpus=(Gpu(kind="mps", name="Apple M4"),), macos=(15, 6)),
)


def nvidia(base: Report, driver: str, *cards: tuple[str, tuple[int, int]], **more: Any) -> Report:
    gpus = tuple(Gpu(kind="cuda", name=name, capability=capability) for name, capability in cards)
    return replace(base, accelerators=Accelerators(gpus=gpus, driver=driver, **more))


def amd(target: str) -> Report:
    return replace(LINUX, accelerators=Accelerators(gpus=(Gpu(kind="rocm", name="AMD Radeon", target=target),)))


def codes(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in judge(report)}


GTX1080 = ("NVIDIA GeForce GTX 1080", (6, 1))
RTX3060 = ("NVIDIA GeForce RTX 3060 Laptop GPU", (8, 6))
RTX5090 = ("NVIDIA GeForce RTX 5090", (12, 0))
V100 = ("Tesla V100-SXM2-16GB", (7, 0))
K80 = ("Tesla K80", (3, 7))
GTX970 = ("NVIDIA GeForce GTX 970", (5, 2))
WHEELS = "https://download.pytorch.org/whl"


@pytest.mark.parametrize(
    ("report", "name", "pip"),
    [
        (LINUX, "cpu", f"python -m pip install torch==2.13.0 --index-url {WHEELS}/cpu"),
        (
            nvidia(LINUX, "580.95.05", RTX3060),
            "cu130",
            f"python -m pip install torch==2.13.0 --index-url {WHEELS}/cu130",
        ),
        (
            nvidia(LINUX, "535.183.01", RTX3060),
            "cu126",
            f"python -m pip install torch==2.13.0 --index-url {WHEELS}/cu126",
        ),
        (nvidia(LINUX, "470.182.03", RTX3060), "cu126", None),  # of use once the driver has been updated
        (nvidia(LINUX, "580.95.05", GTX1080), "cu126", None),
        (nvidia(LINUX, "580.95.05", V100), "cu126", None),
        (nvidia(LINUX, "470.82.01", K80), "cpu", None),
        (nvidia(LINUX, "580.95.05", RTX5090), "cu130", None),
        (nvidia(LINUX, "570.133.07", RTX5090), "cu130", None),
        (nvidia(WINDOWS, "581.29", RTX5090), "cu130", None),
        (nvidia(WINDOWS, "527.41", RTX3060), "cu126", None),
        (nvidia(WINDOWS, "528.33", RTX3060), "cu126", None),
        (nvidia(LINUX, "551.61", RTX3060, wsl=2), "cu126", None),
        (nvidia(LINUX, "580.95.05", GTX1080, RTX5090), "cu130", None),
        (nvidia(LINUX, "580.95.05", GTX1080, RTX3060), "cu126", None),
        (nvidia(replace(LINUX, machine="aarch64"), "580.95.05", ("NVIDIA GB10", (12, 1))), "cu130", None),
        (nvidia(replace(LINUX, machine="aarch64"), "560.35.03", ("NVIDIA GH200 480GB", (9, 0))), "cu126", None),
        (amd("gfx1100"), "rocm7.2", f"python -m pip install torch==2.13.0 --index-url {WHEELS}/rocm7.2"),
        (amd("gfx942"), "rocm7.2", None),
        (amd("gfx906"), "cpu", None),
        (
            replace(LINUX, accelerators=Accelerators(gpus=(Gpu(kind="xpu", name="Intel Arc"),))),
            "xpu",
            f"python -m pip install torch==2.13.0 --index-url {WHEELS}/xpu",
        ),
        (MAC, "pypi", "python -m pip install torch==2.13.0"),
        (replace(MAC, machine="x86_64"), "pypi", None),  # newmodel's own Python runs under Rosetta
    ],
)
def test_pytorchs_build(report: Report, name: str, pip: str | None) -> None:
    build = fitting_build(report, "pytorch")
    assert build is not None
    assert build.name == name
    assert build.reason.endswith(".")
    if pip is not None:
        assert build.pip[0].line == pip
        assert build.uv[0].line == pip.replace("python -m pip", "uv pip")


@pytest.mark.parametrize(
    ("report", "extra"),
    [
        (nvidia(LINUX, "535.183.01", RTX3060), "and-cuda"),
        (nvidia(LINUX, "580.95.05", GTX1080), "and-cuda"),
        (nvidia(LINUX, "580.95.05", GTX970), ""),
        (nvidia(LINUX, "580.95.05", RTX5090), ""),
        (nvidia(LINUX, "470.182.03", RTX3060), "and-cuda"),
        (nvidia(WINDOWS, "581.29", RTX3060), ""),
        (amd("gfx1100"), ""),
        (MAC, ""),
    ],
)
def test_tensorflows_build(report: Report, extra: str) -> None:
    build = fitting_build(report, "tensorflow")
    assert build is not None
    assert build.extra == extra
    wanted = "'tensorflow[and-cuda]==2.21.0'" if extra else "tensorflow==2.21.0"
    assert build.pip[0].line == f"python -m pip install {wanted} keras==3.15.1"


@pytest.mark.parametrize(
    "report",
    [
        replace(LINUX, platform="darwin", machine="x86_64", release="macOS-14.4"),
        replace(LINUX, release="Alpine Linux v3.20", libc="musl 1.2.5"),
        replace(LINUX, release="CentOS Linux 7 (Core)", libc="glibc 2.17"),
        replace(LINUX, machine="riscv64"),
    ],
)
def test_no_build_at_all(report: Report) -> None:
    assert fitting_build(report, "pytorch") is None
    assert fitting_build(report, "tensorflow") is None


def test_what_to_upgrade() -> None:
    old = fitting_build(nvidia(LINUX, "535.183.01", RTX3060), "pytorch")
    assert old is not None and "driver 580 or newer the build cu130" in old.upgrade
    none = fitting_build(nvidia(LINUX, "570.133.07", RTX5090), "pytorch")
    bare = fitting_build(LINUX, "pytorch")
    assert bare is not None and bare.reason.startswith("No GPU was found")
    asleep = replace(LINUX, accelerators=Accelerators(unusable=(Gpu(kind="cuda", name="NVIDIA"),)))
    waiting = fitting_build(asleep, "pytorch")
    assert waiting is not None and waiting.upgrade.startswith("Once the GPU can be used")
    assert none is not None and none.driver == "580"
    assert none.upgrade == "With driver 580 or newer, NVIDIA GeForce RTX 5090 is used."
    both = fitting_build(nvidia(LINUX, "580.95.05", GTX1080, RTX5090), "pytorch")
    assert both is not None and both.upgrade.startswith("NVIDIA GeForce GTX 1080 is not served")
    best = fitting_build(nvidia(LINUX, "580.95.05", RTX3060), "pytorch")
    assert best is not None and best.upgrade == ""


# --- findings ---------------------------------------------------------------------------------------------------------


def test_a_machine_that_is_fine_says_nothing() -> None:
    assert judge(LINUX) == []
    assert judge(nvidia(LINUX, "580.95.05", RTX3060)) == []
    assert judge(nvidia(LINUX, "535.183.01", RTX3060)) == []
    assert judge(MAC) == []


@pytest.mark.parametrize(
    ("report", "needed", "line"),
    [
        (nvidia(LINUX, "470.182.03", RTX3060), "525.60.13", "sudo ubuntu-drivers install"),
        (nvidia(LINUX, "570.133.07", RTX5090), "580", "sudo ubuntu-drivers install"),
        (nvidia(LINUX, "470.182.03", GTX1080), "525.60.13", "sudo ubuntu-drivers install nvidia:580"),
        (nvidia(WINDOWS, "512.15", RTX3060), "528.33", "Start-Process https://www.nvidia.com/drivers"),
        (nvidia(LINUX, "512.15", RTX3060, wsl=2), "528.33", "wsl.exe --update"),
    ],
)
def test_a_driver_that_is_too_old_blocks(report: Report, needed: str, line: str) -> None:
    finding = codes(report)["NM204"]
    assert finding.severity == "blocks"
    assert f"needs {needed} or newer" in finding.what
    assert finding.commands[0].line == line
    assert not any(command.arguments for command in finding.commands)


def test_in_a_container_the_driver_is_the_hosts() -> None:
    finding = codes(nvidia(LINUX, "470.182.03", RTX3060, container="docker"))["NM204"]
    assert finding.commands == ()
    assert "host" in finding.advice


def test_chips_that_need_another_build_or_have_none() -> None:
    pascal = codes(nvidia(LINUX, "580.95.05", GTX1080))
    assert list(pascal) == ["NM208"]
    assert pascal["NM208"].commands[0].line.endswith("/cu126")
    assert list(codes(nvidia(LINUX, "470.82.01", K80))) == ["NM209"]
    in_use = replace(nvidia(LINUX, "580.95.05", RTX5090), frameworks=Frameworks(versions={"tensorflow": "2.21.0"}))
    assert "newer than the framework's build" in codes(in_use)["NM209"].meaning


def test_amds_chips_without_code() -> None:
    finding = codes(amd("gfx1032"))["NM216"]
    assert [command.line for command in finding.commands] == ["export HSA_OVERRIDE_GFX_VERSION=10.3.0"]
    assert codes(amd("gfx1033"))["NM216"].commands == (), "known to compute wrong results"
    assert judge(amd("gfx1201")) == []


def test_jetsons() -> None:
    orin = replace(
        nvidia(
            replace(LINUX, machine="aarch64"),
            "540.4.0",
            ("NVIDIA Jetson AGX Orin Developer Kit", (8, 7)),
            jetson="NVIDIA Jetson AGX Orin Developer Kit",
            jetson_release=(36, 4),
        )
    )
    finding = codes(orin)["NM218"]
    assert finding.severity == "blocks"
    line = "python -m pip install torch --index-url https://pypi.jetson-ai-lab.io/jp6/cu126"
    assert finding.commands[0].line == line
    old = replace(orin, accelerators=replace(orin.accelerators, jetson_release=(32, 7)))
    assert "update JetPack" in codes(old)["NM218"].advice
    thor = nvidia(
        replace(LINUX, machine="aarch64"),
        "580.00",
        ("NVIDIA Thor", (11, 0)),
        jetson="NVIDIA Jetson AGX Thor Developer Kit",
        jetson_release=(38, 2),
    )
    build = fitting_build(thor, "pytorch")
    assert build is not None and build.name == "cu130"
    assert judge(thor) == []


def test_windows_and_tensorflow() -> None:
    windows = nvidia(WINDOWS, "581.29", RTX3060)
    assert codes(windows)["NM220"].severity == "note"
    used = replace(windows, frameworks=Frameworks(versions={"tensorflow": "2.21.0"}))
    assert codes(used)["NM220"].severity == "slows"
    assert judge(WINDOWS) == []


def test_macs() -> None:
    intel = replace(LINUX, platform="darwin", machine="x86_64", release="macOS-13.6")
    assert {code: finding.severity for code, finding in codes(intel).items()} == {"NM226": "blocks"}
    for version, severity in (((13, 6), "slows"), ((11, 7), "blocks")):
        old = replace(MAC, accelerators=replace(MAC.accelerators, macos=version))
        assert codes(old)["NM221"].severity == severity
        assert fitting_build(old, "pytorch") is None


@pytest.mark.parametrize(
    ("libc", "severity"),
    [("musl 1.2.5", "blocks"), ("glibc 2.17", "blocks"), ("glibc 2.27", "slows"), ("glibc 2.28", None), ("", None)],
)
def test_the_c_library(libc: str, severity: str | None) -> None:
    found = codes(replace(LINUX, libc=libc))
    assert (found["NM227"].severity if found else None) == severity


@pytest.mark.parametrize(
    ("version", "severity", "framework"),
    [((3, 14, 0), "note", "TensorFlow"), ((3, 10, 12), "note", "TensorFlow"), ((3, 9, 6), "blocks", "PyTorch")],
)
def test_pythons_without_packages(version: tuple[int, int, int], severity: str, framework: str) -> None:
    report = replace(
        LINUX, interpreters=(Interpreter(path="/usr/bin/python3", version=version),), tools=Tools(uv="0.13.9")
    )
    finding = codes(report)["NM103"]
    assert finding.severity == severity
    assert finding.what.startswith(framework)
    assert finding.commands[0].arguments[:3] == ("uv", "python", "install"), "doctor --fix may do that"
    without = codes(replace(report, platform="win32", machine="AMD64", tools=Tools()))["NM103"]
    assert without.commands[0].line.startswith("winget install --id Python.Python.3.")


@given(
    st.sampled_from(["linux", "win32", "darwin", "freebsd"]),
    st.sampled_from(["x86_64", "AMD64", "arm64", "aarch64", "i386"]),
    st.lists(st.tuples(st.text(max_size=8), st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99))), max_size=3),
    st.text(max_size=12),
)
def test_any_machine_has_an_answer(platform: str, machine: str, cards: list[Any], driver: str) -> None:
    report = nvidia(replace(LINUX, platform=platform, machine=machine), driver, *cards)
    for framework in ("pytorch", "tensorflow"):
        build = fitting_build(report, framework)
        assert build is None or build.pip[0].line
    assert all(finding.what for finding in judge(report))
    build_problems(report)


# --- init -------------------------------------------------------------------------------------------------------------

Newmodel = Callable[..., Any]


@pytest.fixture
def plan(newmodel: Newmodel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    monkeypatch.chdir(tmp_path)

    def ask(report: Report, *settings: str) -> dict[str, Any]:
        monkeypatch.setattr(init, "_report", lambda *_args, **_more: report)
        words = [word for setting in settings for word in ("--set", setting)]
        result = newmodel("init", "demo", "--defaults", "--dry-run", "--json", *words)
        assert result.code == 0, result.err
        answer: dict[str, Any] = json.loads(result.out)
        return answer

    return ask


@pytest.mark.parametrize(
    ("report", "accelerator", "precision", "build"),
    [
        (nvidia(LINUX, "580.95.05", RTX3060), "cuda", "bfloat16", "cu130"),
        (nvidia(LINUX, "535.183.01", RTX3060), "cuda", "bfloat16", "cu126"),
        (nvidia(LINUX, "580.95.05", V100), "cuda", "float16", "cu126"),
        (nvidia(LINUX, "470.182.03", RTX3060), "cpu", "float32", "cpu"),
        (amd("gfx1100"), "rocm", "bfloat16", "rocm7.2"),
        (amd("gfx1030"), "rocm", "float32", "rocm7.2"),
        (amd("gfx1033"), "cpu", "float32", "cpu"),
        (MAC, "mps", "float32", "pypi"),
    ],
)
def test_the_machine_decides(plan: Any, report: Report, accelerator: str, precision: str, build: str) -> None:
    answers = plan(report)["answers"]
    assert (answers["accelerator"], answers["precision"], answers["framework_build"]) == (accelerator, precision, build)


def test_another_machines_build_can_be_named(plan: Any, newmodel: Newmodel) -> None:
    report = nvidia(LINUX, "535.183.01", RTX3060)
    told = plan(report, "framework_build=cu130")
    assert told["answers"]["framework_build"] == "cu130"
    assert told["notes"] == ["framework_build is cu130 as you said, although: it needs driver 580; here is 535.183.01."]
    assert plan(MAC, "framework_build=cu126")["answers"]["framework_build"] == "cu126"
    plan(report)
    result = newmodel("init", "demo", "--defaults", "--dry-run", "--set", "framework_build=rocm7.2")
    assert result.code == 2
    assert result.err.splitlines()[-1].endswith("it is for AMD GPUs")
    result = newmodel(
        "init", "demo", "--defaults", "--dry-run", "--set", "framework_build=cu126", "--set", "framework=tensorflow"
    )
    assert result.code == 2
    assert "needs framework=pytorch" in result.err


def test_a_framework_that_leaves_the_gpu_alone_is_said_before_it_is_chosen(plan: Any) -> None:
    windows = nvidia(WINDOWS, "581.29", RTX3060)
    assert framework_remark(windows, "pytorch") == ""
    remark = framework_remark(windows, "tensorflow")
    assert "WSL 2" in remark and "PyTorch" in remark
    assert remark in plan(windows, "framework=tensorflow")["notes"]
    assert framework_remark(nvidia(LINUX, "580.95.05", RTX5090), "tensorflow") == "does not use NVIDIA GeForce RTX 5090"
    assert framework_remark(nvidia(LINUX, "580.95.05", RTX3060), "tensorflow") == ""
    assert framework_remark(LINUX, "tensorflow") == ""


def test_the_menu_itself_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from scaffolder import questions
    from scaffolder.catalog import catalog

    shown: dict[str, list[str]] = {}

    def answer(structure: dict[str, Any], default: Any) -> Any:
        shown[structure["name"]] = [getattr(choice, "title", "") for choice in structure.get("choices", ())]
        return default

    monkeypatch.setattr(questions, "_ask", answer)
    windows = nvidia(WINDOWS, "581.29", RTX3060)
    interview = questions.Interview(catalog(), windows, {"language": "en"}, ask=True, folder_name="demo")
    assert interview.run().values["framework"] == "pytorch"
    assert shown["framework"] == [
        "PyTorch",
        "TensorFlow (Keras 3)  (sees no GPU on Windows; inside WSL 2 it does, and PyTorch does)",
    ]
    assert "framework_build" not in shown


def test_tensorflow_needs_avx_and_a_current_macos(plan: Any) -> None:
    without = replace(LINUX, hardware=Machine(avx=False, avx2=False))
    assert plan(without)["answers"]["framework"] == "pytorch"
    (note,) = plan(without, "framework=tensorflow")["notes"]
    assert note.endswith("TensorFlow needs a processor with AVX.")
    old = replace(MAC, accelerators=replace(MAC.accelerators, macos=(13, 6)))
    assert plan(old)["answers"]["framework"] == "tensorflow"


# --- pyproject.toml ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accelerator", "build", "index", "platforms", "beside"),
    [
        ("cpu", "cpu", "cpu", ["linux", "win32"], ""),
        ("cuda", "cu130", "cu130", ["linux", "win32"], ""),
        ("cuda", "cu126", "cu126", ["linux", "win32"], ""),
        ("rocm", "rocm7.2", "rocm7.2", ["linux"], "triton-rocm"),
        ("xpu", "xpu", "xpu", ["linux", "win32"], "triton-xpu"),
        ("mps", "cu126", "cu126", ["linux", "win32"], ""),
    ],
)
def test_one_repository_serves_a_mac_and_a_gpu_server(
    tmp_path: Path, accelerator: str, build: str, index: str, platforms: list[str], beside: str
) -> None:
    answers = {"framework": "pytorch", "task": "tabular", "accelerator": accelerator, "framework_build": build}
    project = render_project(tmp_path / "demo", project_name="demo", **answers)
    settings = read_toml(project / "pyproject.toml")
    (named,) = settings["tool"]["uv"]["index"]
    assert named == {"name": "pytorch", "url": f"{WHEELS}/{index}", "explicit": True}
    (source,) = settings["tool"]["uv"]["sources"]["torch"]
    assert source["marker"] == " or ".join(f"sys_platform == '{name}'" for name in platforms)
    assert set(settings["tool"]["uv"]["sources"]) == {"torch", beside} - {""}
    assert any(text.startswith(f"{beside} ;") for text in settings["project"]["dependencies"]) == bool(beside)
    (indexed,) = indexed_requirements(project)
    assert indexed.requirements[0] == "torch==2.13.0"
    assert f"--index-url {WHEELS}/{index}" in (project / "README.md").read_text(encoding="utf-8")


def test_a_project_for_macs_alone_names_no_index(tmp_path: Path) -> None:
    answers = {"framework": "pytorch", "task": "tabular", "accelerator": "mps"}
    project = render_project(tmp_path / "demo", project_name="demo", **answers)
    assert "uv" not in read_toml(project / "pyproject.toml")["tool"]
    assert "framework_build: pypi" in (project / ".copier-answers.yml").read_text(encoding="utf-8")


RELEASES = template_source.releases().all()


@pytest.mark.full
@pytest.mark.parametrize("release", RELEASES[:2], ids=lambda release: release.tag)
@pytest.mark.parametrize(("accelerator", "build"), [("cpu", "cpu"), ("cuda", "cu130"), ("rocm", "rocm7.2")])
def test_the_new_question_is_answered_from_a_released_projects_old_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, release: Any, accelerator: str, build: str
) -> None:
    """As `newmodel update` asks it, of the templates as they are here."""
    from answer_matrix import SOURCE

    from scaffolder.catalog import Catalog
    from scaffolder.questions import Interview

    monkeypatch.setattr(template_source, "_cache_folder", lambda: tmp_path / "cache")
    folder = tmp_path / "demo"
    folder.mkdir()
    source = Source(template_source.releases().unpack(release, tmp_path / "cache"), release.tag)
    write(render({"project_name": "demo", "accelerator": accelerator}, folder, source), folder)
    repository.initialise(folder)
    old = open_project(folder).answers
    assert "framework_build" not in old
    known = {name: value for name, value in old.items() if not name.startswith("_")}
    values = Interview(Catalog(SOURCE.folder), None, known, ask=False, source=SOURCE).run().values
    assert values["framework_build"] == build


@pytest.mark.parametrize(("build", "given_up"), [("cpu", True), ("cu130", True), ("cu126", False), ("rocm7.2", False)])
def test_a_build_that_pypi_has_no_match_for_is_not_given_up(tmp_path: Path, build: str, given_up: bool) -> None:
    """Where PyTorch's index does not answer, another one may do; but not one whose build would not work."""
    from scaffolder.install.environment import _give_up_index

    accelerator = {"cpu": "cpu", "rocm7.2": "rocm"}.get(build, "cuda")
    answers = {"framework": "pytorch", "task": "tabular", "accelerator": accelerator, "framework_build": build}
    project = render_project(tmp_path / "demo", project_name="demo", **answers)
    assert _give_up_index(project) is given_up
    recorded = (project / ".copier-answers.yml").read_text(encoding="utf-8")
    assert ("framework_build" in recorded) is not given_up
    assert (indexed_requirements(project) == []) is given_up
