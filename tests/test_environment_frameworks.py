"""What is installed in the project's interpreter, whether it fits, and whether it computes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import environments
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment import report
from scaffolder.environment.facts import Accelerators, Finding, FrameworkBuild, Frameworks, Gpu, Report
from scaffolder.environment.frameworks import framework_match, framework_probe, frameworks
from scaffolder.environment.frameworks.framework_causes import Failure, companion_version
from scaffolder.environment.frameworks.framework_errors import diagnose
from scaffolder.environment.frameworks.inventory import last_object
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.recorded_system import RecordedSystem

PROJECT = Path("/home/me/demo")
PYTHON = "/home/me/demo/.venv/bin/python"
SITE = "/home/me/demo/.venv/lib/python3.12/site-packages"
Record = Callable[..., RecordedSystem]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A project's machine: what its interpreter answers to each question (a mapping, raw bytes or a whole entry)."""

    def make(answers: dict[str, Any], **content: Any) -> RecordedSystem:
        commands = []
        for name, said in answers.items():
            entry = {"arguments": [PYTHON, "-X", f"newmodel={name}", "*"]}
            if isinstance(said, dict) and ("problem" in said or "returncode" in said):
                entry |= {key: value for key, value in said.items() if key in ("problem", "returncode")}
                for stream in ("stdout", "stderr"):
                    (tmp_path / f"{name}.{stream}").write_text(said.get(stream, ""), encoding="utf-8")
                    entry[stream] = f"{name}.{stream}"
            else:
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                (tmp_path / f"{name}.txt").write_bytes(raw)
                entry["stdout"] = f"{name}.txt"
            commands.append(entry)
        for name, raw in content.pop("outputs", {}).items():
            (tmp_path / name).write_bytes(raw)
        files = {PYTHON: None, **content.pop("files", {})}
        (tmp_path / "system.json").write_text(
            json.dumps({"commands": commands, "files": files, **content}), encoding="utf-8"
        )
        return RecordedSystem(tmp_path)

    return make


def package(name: str, version: str, *requires: str, folder: str = SITE, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "folder": folder,
        "requires": list(requires),
        "installer": "pip",
        **changes,
    }


def installed(*packages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An answer of packages_script.py."""
    return {
        "prefix": "/home/me/demo/.venv",
        "base_prefix": "/usr",
        "environment": {"python_full_version": "3.12.3", "python_version": "3.12", "sys_platform": "linux"},
        "packages": [package("pip", "26.0"), *packages],
        "torch": None,
        "tensorflow": None,
        "keras_backend": "tensorflow",
        **changes,
    }


def computed(**changes: Any) -> dict[str, Any]:
    """An answer of compute_script.py where all went well on the processor."""
    return {
        "name": "torch",
        "installed": True,
        "stage": "done",
        "version": "2.13.0",
        "build": "cu130",
        "arch_list": ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"],
        "devices": [],
        "computed": ["cpu"],
        "companions": {},
        "error": "",
        "seconds": 1.9,
        **changes,
    }


def by_code(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


def lines(finding: Finding) -> list[str]:
    return [command.line for command in finding.commands]


# --- what is installed ------------------------------------------------------------------------------------------------


def test_versions_builds_and_who_needs_them(record: Record) -> None:
    answer = installed(
        package("torch", "2.13.0", "filelock", 'nvidia-cudnn-cu13==9.13; platform_system == "Linux"'),
        package("accelerate", "1.15.0", "torch>=2.0.0", "numpy>=1.17"),
        package("numpy", "2.4.0"),
        package("filelock", "4.0"),
        package("nvidia-cudnn-cu13", "9.13"),
        torch={"cuda": "13.0"},
    )
    facts, findings = frameworks.probe(record({"packages": answer}), PROJECT)
    found = facts["frameworks"]
    assert found.versions == {"torch": "2.13.0", "accelerate": "1.15.0", "numpy": "2.4.0"}
    assert found.builds == (FrameworkBuild(name="torch", version="2.13.0", build="cu130"),)
    assert found.libraries == {"nvidia-cudnn-cu13": "9.13"}
    assert found.required_by == {"torch": ("accelerate",)}
    assert (found.python, found.own, found.virtual) == (PYTHON, True, True)
    assert findings == []


@pytest.mark.parametrize(
    ("version", "said", "build"),
    [
        ("2.13.0+cpu", {}, "cpu"),
        ("2.13.0+rocm7.1", {"hip": "7.1.52802-26aae437f6"}, "rocm7.1"),
        ("2.13.0+xpu", {"xpu": "20260000"}, "xpu"),
        ("2.13.0+cu126", None, "cu126"),
        ("2.13.0", None, ""),
    ],
)
def test_what_torch_was_built_for(record: Record, version: str, said: Any, build: str) -> None:
    facts, _ = frameworks.probe(record({"packages": installed(package("torch", version), torch=said)}), PROJECT)
    assert facts["frameworks"].builds[0].build == build


def test_tensorflow_says_its_chips(record: Record) -> None:
    said = {"is_cuda_build": True, "cuda_version": "12.5.1", "cuda_compute_capabilities": ["sm_60", "compute_90"]}
    facts, _ = frameworks.probe(
        record({"packages": installed(package("tensorflow", "2.21.0"), tensorflow=said)}), PROJECT
    )
    assert facts["frameworks"].builds[0].build == "cu125"
    assert facts["frameworks"].builds[0].architectures == ("sm_60", "compute_90")


def test_nothing_is_installed_yet(record: Record) -> None:
    _, findings = frameworks.probe(record({"packages": installed()}), PROJECT)
    assert list(by_code(findings)) == ["NM416"]


def test_an_active_environment_is_taken_where_the_project_has_none(record: Record) -> None:
    system = record({"packages": installed()}, environ={"VIRTUAL_ENV": "/home/me/demo/.venv"}, files={})
    facts, findings = frameworks.probe(system, Path("/elsewhere"))
    assert facts["frameworks"].python == PYTHON
    assert findings == []  # it is not said to be the project's


def test_a_broken_environment_is_not_replaced_by_another(record: Record) -> None:
    system = record({}, files={"/home/me/demo/.venv/pyvenv.cfg": None}, which={"python3": "/usr/bin/python3"})
    assert frameworks.probe(system, PROJECT) == ({}, [])


def test_two_tensorflows_over_the_same_files(record: Record) -> None:
    answer = installed(package("tensorflow", "2.21.0"), package("tensorflow-cpu", "2.20.0"))
    found = by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    assert found["NM408"].severity == "blocks"
    assert lines(found["NM408"]) == [
        f"{PYTHON} -m pip uninstall --yes tensorflow tensorflow-cpu",
        f"{PYTHON} -m pip install tensorflow==2.21.0",
    ]
    assert found["NM408"].commands[0].arguments  # it can be undone: in a virtual environment


def test_two_copies_in_two_folders(record: Record) -> None:
    user = "/home/me/.local/lib/python3.12/site-packages"
    answer = installed(package("numpy", "1.26.4", folder=user), package("numpy", "2.4.0"), user_site=user)
    found = by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    assert "1.26.4" in found["NM408"].what and user in found["NM408"].advice
    same = installed(package("numpy", "2.4.0", folder="/usr/lib/python3/dist-packages"), package("numpy", "2.4.0"))
    assert frameworks.probe(record({"packages": same}), PROJECT)[1][:-1] == []


def test_remains_of_a_broken_installation(record: Record) -> None:
    answer = installed(package("~orch", "", broken=True), package("torch", "2.13.0"))
    found = by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    assert "~orch" in found["NM408"].what


def test_what_pip_check_says(record: Record) -> None:
    answer = installed(
        package("torch", "2.13.0", "sympy>=1.13"),
        package("transformers", "5.23.0", "tokenizers<0.24,>=0.23", 'flax>=1; extra == "flax"'),
        package("tokenizers", "0.22.0"),
        package("windows-only", "1.0", 'pywin32; sys_platform == "win32"'),
    )
    found = by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    assert "tokenizers" in found["NM415"].what and "sympy" in found["NM415"].what
    assert "pywin32" not in found["NM415"].what and "flax" not in found["NM415"].what
    assert lines(found["NM415"]) == [f"{PYTHON} -m pip install 'sympy>=1.13' 'tokenizers<0.24,>=0.23'"]


def test_a_torchvision_that_does_not_fit(record: Record) -> None:
    answer = installed(package("torch", "2.13.0"), package("torchvision", "0.27.0", "torch==2.12.0"))
    found = by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    assert found["NM406"].severity == "blocks" and "NM415" not in found
    answer = installed(package("torch", "2.13.0+cpu"), package("torchvision", "0.28.0", "torch==2.13.0"))
    assert "NM406" in by_code(frameworks.probe(record({"packages": answer}), PROJECT)[1])
    answer = installed(package("torch", "2.13.0+cpu"), package("torchvision", "0.28.0+cpu", "torch==2.13.0"))
    assert frameworks.probe(record({"packages": answer}), PROJECT)[1] == []


def test_kerass_backend(record: Record) -> None:
    keras = [package("keras", "3.15.1"), package("tensorflow", "2.21.0"), package("torch", "2.13.0")]
    project = {
        "files": {"/home/me/demo/pyproject.toml": "p.toml"},
        "outputs": {"p.toml": b'[project]\ndependencies = ["tensorflow==2.21.0", "keras==3.15.1"]\n'},
    }
    answer = installed(*keras, keras_backend="torch")
    found = by_code(frameworks.probe(record({"packages": answer}, **project), PROJECT)[1])
    assert found["NM412"].severity == "slows"
    assert lines(found["NM412"]) == ["export KERAS_BACKEND=tensorflow"]
    answer = installed(*keras, keras_backend="jax")
    found = by_code(frameworks.probe(record({"packages": answer}, **project), PROJECT)[1])
    assert found["NM412"].severity == "blocks"
    assert frameworks.probe(record({"packages": installed(*keras)}, **project), PROJECT)[1] == []


def test_another_cudnn_comes_first(record: Record) -> None:
    answer = installed(package("torch", "2.13.0"), torch={"cuda": "13.0"})
    place = {
        "environ": {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64:/opt/nothing:"},
        "files": {"/usr/local/cuda/lib64/libcudnn.so.8": None, "/usr/local/cuda/lib64/libcudart.so.12": None},
    }

    def look(answers: dict[str, Any], *checks: str) -> list[Finding]:
        found = report.inspect(record(answers, **place), folder=PROJECT, checks=checks)
        return [finding for finding in found.findings if finding.code.startswith("NM4")]

    (finding,) = look({"packages": answer}, "frameworks")
    assert (finding.code, finding.severity) == ("NM409", "slows")
    assert "libcudnn, libcudart of /usr/local/cuda/lib64" in finding.what
    assert lines(finding) == ["unset LD_LIBRARY_PATH"]
    failed = computed(stage="compute", device="cuda:0", error="RuntimeError: cuDNN version incompatibility: PyTorch")
    (finding,) = look({"packages": answer, "torch": failed}, "computing")
    assert (finding.code, finding.severity) == ("NM409", "blocks")
    assert look({"packages": installed(package("torch", "2.13.0+cpu"), torch={})}, "frameworks") == []


def test_a_torchvision_that_fails_is_told_of_once(record: Record) -> None:
    companions = {"torchvision": {"version": "", "error": "RuntimeError: operator torchvision::nms does not exist"}}
    answers = {
        "packages": installed(package("torch", "2.13.0"), package("torchvision", "0.27.0", "torch==2.12.0")),
        "torch": computed(companions=companions),
    }
    found = report.inspect(record(answers), folder=PROJECT, checks=["computing"])
    assert [finding.code for finding in found.findings if finding.code.startswith("NM4")] == ["NM406"]


def test_several_toolkits(record: Record) -> None:
    files = dict.fromkeys(["/usr/local/cuda-12.4", "/usr/local/cuda-13.0", "/usr/local/cuda-13"])
    found = by_code(frameworks.probe(record({}, files=files, environ={"CUDA_HOME": "/gone"}), PROJECT)[1])
    assert found["NM413"].severity == "note"


def test_uv_installs_where_there_is_no_pip(record: Record) -> None:
    answer = installed(package("torch", "2.13.0", "sympy"))
    answer["packages"] = answer["packages"][1:]
    system = record({"packages": answer}, which={"uv": "/usr/bin/uv"})
    found = by_code(frameworks.probe(system, PROJECT)[1])
    assert lines(found["NM415"]) == [f"uv pip install --python {PYTHON} sympy"]


# --- against driver and chip ------------------------------------------------------------------------------------------


def machine(*gpus: Gpu, driver: str = "580.95.05", **changes: Any) -> Report:
    return Report(
        platform="linux",
        machine="x86_64",
        release="Ubuntu 24.04",
        executable="/usr/bin/python3",
        accelerators=Accelerators(gpus=gpus, driver=driver),
        **changes,
    )


def holding(version: str, build: str, name: str = "torch", **changes: Any) -> Frameworks:
    installed_build = FrameworkBuild(name=name, version=version, build=build)
    values: dict[str, Any] = {"virtual": True, "install": (PYTHON, "-m", "pip", "install"), **changes}
    return Frameworks(python=PYTHON, own=True, versions={name: version}, builds=(installed_build,), **values)


RTX4090 = Gpu(kind="cuda", name="NVIDIA GeForce RTX 4090", capability=(8, 9))
GTX1080 = Gpu(kind="cuda", name="NVIDIA GeForce GTX 1080", capability=(6, 1))
RX7900 = Gpu(kind="rocm", name="AMD Radeon gfx1100", target="gfx1100")


def test_a_build_for_the_processor_beside_a_gpu() -> None:
    found = holding("2.13.0+cpu", "cpu", required_by={"torch": ("accelerate", "sentence-transformers")})
    (finding,) = framework_match.judge(machine(RTX4090, frameworks=found))
    assert (finding.code, finding.severity) == ("NM401", "slows")
    assert "accelerate, sentence-transformers" in finding.advice
    assert "--index-url https://download.pytorch.org/whl/cu130" in finding.commands[0].line
    assert framework_match.judge(machine(frameworks=found)) == []


def test_a_build_that_was_put_in_place_of_the_projects() -> None:
    found = holding("2.13.0+cpu", "cpu", wanted_index="https://download.pytorch.org/whl/cu130")
    (finding,) = framework_match.judge(machine(RTX4090, frameworks=found))
    assert finding.code == "NM410"
    assert finding.commands[0].line == (
        f"{PYTHON} -m pip install --force-reinstall torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130"
    )


def test_a_build_for_other_gpus() -> None:
    (finding,) = framework_match.judge(machine(RX7900, driver="", frameworks=holding("2.13.0", "cu130")))
    assert finding.code == "NM401"
    assert "/rocm" in finding.commands[0].line


def test_a_driver_too_old_for_the_build() -> None:
    (finding,) = framework_match.judge(machine(RTX4090, driver="550.54.14", frameworks=holding("2.13.0", "cu130")))
    assert finding.code == "NM402" and "580" in finding.what
    assert "/cu126" in finding.commands[0].line
    assert framework_match.judge(machine(RTX4090, frameworks=holding("2.13.0", "cu130"))) == []


def test_a_chip_without_code() -> None:
    (finding,) = framework_match.judge(machine(GTX1080, frameworks=holding("2.13.0", "cu130")))
    assert finding.code == "NM403" and "6.1" in finding.what
    assert "/cu126" in finding.commands[0].line
    assert framework_match.judge(machine(GTX1080, frameworks=holding("2.13.0+cu126", "cu126"))) == []


@pytest.mark.parametrize(
    ("architectures", "capability", "able"),
    [
        (("sm_80",), (8, 6), True),
        (("sm_86",), (8, 0), False),
        (("sm_90",), (12, 0), False),
        (("compute_90",), (12, 0), True),
        (("sm_90a",), (9, 0), True),
        (("sm_120",), (12, 0), True),
    ],
)
def test_which_code_runs_on_which_chip(architectures: tuple[str, ...], capability: tuple[int, int], able: bool) -> None:
    gpu = Gpu(kind="cuda", name="NVIDIA", capability=capability)
    found = holding("2.9.0", "cu128")
    found = replace(found, builds=(replace(found.builds[0], architectures=architectures),))
    assert [one.code for one in framework_match.judge(machine(gpu, frameworks=found))] == ([] if able else ["NM403"])


def test_tensorflow_without_nvidias_libraries() -> None:
    found = holding("2.21.0", "cu125", "tensorflow")
    (finding,) = framework_match.judge(machine(RTX4090, frameworks=found))
    assert finding.code == "NM401"
    assert finding.commands[0].line == f"{PYTHON} -m pip install 'tensorflow[and-cuda]==2.21.0'"
    complete = replace(found, libraries={"nvidia-cudnn-cu12": "9.3.0.75"})
    assert framework_match.judge(machine(RTX4090, frameworks=complete)) == []


def test_what_was_tried_counts_more_than_what_follows() -> None:
    tried = FrameworkBuild(name="tensorflow", version="2.21.0", build="cu125", devices=("RTX 4090",), works=True)
    found = holding("2.21.0", "cu125", "tensorflow")
    assert framework_match.judge(machine(RTX4090, frameworks=found, computed=(tried,))) == []
    failed = FrameworkBuild(
        name="torch", version="2.9.0", build="cu128", works=False, error="CUDA error: no kernel image is available"
    )
    (finding,) = framework_match.judge(machine(GTX1080, frameworks=holding("2.9.0", "cu128"), computed=(failed,)))
    assert finding.code == "NM403"


# --- trying them ------------------------------------------------------------------------------------------------------


def test_one_that_works(record: Record) -> None:
    gpu = {"kind": "cuda", "device": "cuda:0", "name": "NVIDIA GeForce RTX 4090", "capability": "8.9"}
    answer = b"Some plugin talks.\n" + json.dumps(computed(devices=[gpu], computed=["cpu", "cuda:0"])).encode()
    system = record({"torch": answer, "tensorflow": {"name": "tensorflow", "installed": False}})
    facts, findings = framework_probe.probe(system, PROJECT)
    (build,) = facts["computed"]
    assert (build.works, build.devices, build.seconds) == (True, ("NVIDIA GeForce RTX 4090",), 1.9)
    assert findings == []


STARTED = json.dumps({"name": "torch", "installed": True, "stage": "import", "companions": {}})


@pytest.mark.parametrize(
    ("said", "code", "words", "command"),
    [
        ({"returncode": -4, "stdout": STARTED}, "NM404", "AVX", ""),
        ({"returncode": 3221225501, "stdout": STARTED}, "NM404", "AVX", ""),
        ({"returncode": -9, "stdout": STARTED}, "NM404", "memory", ""),
        ({"returncode": -11, "stdout": STARTED}, "NM404", "crashed", "--force-reinstall"),
        (
            computed(stage="import", error="ImportError: libcudnn.so.9: cannot open shared object file: No such file"),
            "NM404",
            "libcudnn.so.9",
            "--force-reinstall",
        ),
        (
            computed(stage="import", error="ImportError: libgomp.so.1: cannot open shared object file: No such file"),
            "NM404",
            "libgomp.so.1",
            "sudo apt install libgomp1",
        ),
        (
            computed(
                stage="import", error="ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.28' not found"
            ),
            "NM404",
            "glibc 2.28",
            "",
        ),
        (
            computed(
                stage="import",
                error='OSError: [WinError 126] 找不到指定的模块。 Error loading "C:\\torch\\lib\\c10.dll"',
            ),
            "NM404",
            "Visual C++",
            "winget install --id Microsoft.VCRedist.2015+.x64 --exact",
        ),
        (
            computed(
                stage="import",
                error="ImportError: undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12",
            ),
            "NM409",
            "libnvJitLink.so.12",
            "",
        ),
        (
            computed(stage="import", error="ImportError: numpy.core.multiarray failed to import"),
            "NM407",
            "NumPy 1",
            "'numpy<2'",
        ),
        (computed(stage="import", error="OSError: [Errno 28] No space left on device"), "NM404", "disk is full", ""),
        (
            computed(
                stage="compute", device="cuda:0", error="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"
            ),
            "NM405",
            "memory is full",
            "",
        ),
        (
            computed(stage="compute", device="cuda:0", error="RuntimeError: CUDA error: unspecified launch failure"),
            "NM405",
            "unspecified launch failure",
            "",
        ),
        (
            computed(
                stage="compute",
                error="RuntimeError: cuDNN version incompatibility: PyTorch was compiled against (9, 1, 0)",
            ),
            "NM409",
            "cuDNN",
            "",
        ),
        (computed(device_error="RuntimeError: CUDA unknown error - this may be due to"), "NM405", "GPU", ""),
        (computed(stage="import", error="SystemError: a thing nobody knows"), "NM404", "a thing nobody knows", ""),
    ],
)
def test_failures_are_diagnosed(record: Record, said: Any, code: str, words: str, command: str) -> None:
    system = record({"torch": said}, release="Debian GNU/Linux 12 (bookworm)")
    facts, (finding,) = framework_probe.probe(system, PROJECT)
    assert (finding.code, finding.severity) == (code, "blocks")
    assert words in finding.what
    assert command in " ".join(lines(finding))
    assert facts["computed"][0].error or facts["computed"][0].works is False


def test_a_gpu_that_is_not_there_is_no_fault_of_the_framework(record: Record) -> None:
    answer = computed(
        device_error="RuntimeError: Found no NVIDIA driver on your system. Please check that you have one"
    )
    assert framework_probe.probe(record({"torch": answer}), PROJECT)[1] == []


def test_an_import_that_takes_too_long(record: Record) -> None:
    facts, (finding,) = framework_probe.probe(record({"torch": {"problem": "timeout", "returncode": None}}), PROJECT)
    assert finding.code == "NM414"
    assert facts["computed"][0].works is False


def test_a_device_that_does_not_answer(record: Record) -> None:
    gpu = {"kind": "cuda", "device": "cuda:0", "name": "NVIDIA L4"}
    stuck = {
        "problem": "timeout",
        "returncode": None,
        "stdout": json.dumps(computed(stage="compute", device="cuda:0", devices=[gpu])),
    }
    (finding,) = framework_probe.probe(record({"torch": stuck}), PROJECT)[1]
    assert (finding.code, finding.severity) == ("NM405", "blocks")
    assert "NVIDIA L4" in finding.what


def test_packages_beside_torch(record: Record) -> None:
    companions = {
        "numpy": {"version": "2.4.0", "error": "RuntimeError: Numpy is not available"},
        "torchvision": {"version": "", "error": "RuntimeError: operator torchvision::nms does not exist"},
        "bitsandbytes": {"version": "0.50.2", "error": "", "gpu": False},
        "transformers": {
            "version": "",
            "error": "ImportError: tokenizers>=0.23,<0.24 is required for a normal functioning",
        },
    }
    devices = [{"kind": "cuda", "device": "cuda:0", "name": "RTX"}]
    answer = computed(companions=companions, devices=devices, computed=["cpu", "cuda:0"], version="2.13.0+cu130")
    found = by_code(framework_probe.probe(record({"torch": answer}), PROJECT)[1])
    assert set(found) == {"NM404", "NM406", "NM407", "NM411"}
    assert lines(found["NM404"]) == [f"{PYTHON} -m pip install 'tokenizers>=0.23,<0.24'"]
    assert "torchvision==0.28.0" in lines(found["NM406"])[0] and "/whl/cu130" in lines(found["NM406"])[0]
    assert found["NM411"].severity == "note"


def test_a_companion_that_kills_the_process(record: Record) -> None:
    answer = computed(stage="bitsandbytes", companions={"bitsandbytes": {"version": "", "error": ""}})
    said = {"returncode": -11, "stdout": json.dumps(answer)}
    (finding,) = framework_probe.probe(record({"torch": said}), PROJECT)[1]
    assert (finding.code, finding.severity) == ("NM404", "slows")
    assert "bitsandbytes" in finding.what


def test_a_library_of_the_machine_that_was_loaded_instead(record: Record) -> None:
    answer = computed(file=f"{SITE}/torch/__init__.py", libraries=["/opt/old/libcudnn.so.8", f"{SITE}/nvidia/x.so"])
    system = record({"torch": answer}, files={f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9": None})
    (finding,) = framework_probe.probe(system, PROJECT)[1]
    assert finding.code == "NM409" and "/opt/old/libcudnn.so.8" in finding.what


@pytest.mark.parametrize(
    ("text", "install"),
    [
        (
            "ValueError: numpy.dtype size changed, may … Expected 96 from C header, got 88 from PyObject",
            "--upgrade numpy",
        ),
        ("ValueError: numpy.dtype size changed, may … Expected 88 from C header, got 96 from PyObject", "numpy<2"),
        ("RuntimeError: module compiled against API version 0xf but this version of numpy is 0xe", "--upgrade numpy"),
        (
            "RuntimeError: module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000",
            "numpy<2",
        ),
        ("ModuleNotFoundError: No module named 'distutils'", "setuptools"),
        ("ModuleNotFoundError: No module named 'PIL'", "pillow"),
        ("ModuleNotFoundError: No module named 'torch._C'", "--force-reinstall torch==2.13.0"),
        ("ImportError: cannot import name 'cached' from 'huggingface_hub' (/x/y)", "--upgrade torch huggingface-hub"),
        (
            "AttributeError: partially initialized module 'torch' has no attribute 'x'",
            "--force-reinstall torch==2.13.0",
        ),
        ("TypeError: Descriptors cannot be created directly.", "protobuf<=3.20.3"),
        ("ImportError: /x/libcublas.so.12: undefined symbol: cublasLtGetVersion", "--force-reinstall torch==2.13.0"),
        ("ImportError: x.so: undefined symbol: iJIT_NotifyEvent", "mkl==2024.0"),
    ],
)
def test_what_to_install(record: Record, text: str, install: str) -> None:
    assert " ".join(diagnose(record({}), Failure(name="torch", text=text, version="2.13.0")).install) == install


def test_a_mac(record: Record) -> None:
    mac = record({}, platform="darwin")
    found = diagnose(mac, Failure(name="torch", text="ImportError: dlopen: Library not loaded: @rpath/libomp.dylib"))
    assert found.commands[0].line == "brew install libomp"
    text = "dlopen(torch/_C.so): (mach-o file, but is an incompatible architecture (have 'arm64', need 'x86_64'))"
    assert "arm64" in diagnose(mac, Failure(name="torch", text=text)).why
    text = "NotFoundError: dlopen(/x/tensorflow-plugins/libmetal_plugin.dylib, 0x0006): Symbol not found: _abc"
    assert diagnose(mac, Failure(name="tensorflow", text=text)).uninstall == ("tensorflow-metal",)


def test_versions_that_were_made_together() -> None:
    assert companion_version("torchvision", "2.13.0+cu130") == "0.28.0"
    assert companion_version("torchaudio", "2.8.0") == "2.8.0"
    assert companion_version("torchvision", "1.13") == ""


# --- garbage ----------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [*computed(), *installed(), "device", "device_error", "libraries", "file", "warnings", "user_site"]
)


def objects() -> st.SearchStrategy[bytes]:
    """Sound answers with values of any kind put in, and with their ends cut off."""
    changed = st.tuples(
        st.sampled_from([computed(), installed(package("torch", "2.13.0"))]), st.dictionaries(KEYS, VALUES)
    )
    whole = changed.map(lambda pair: json.dumps({**pair[0], **pair[1]}).encode())
    return whole | st.tuples(whole, st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=300) | objects(),
    returncode=st.sampled_from([0, 0, 0, 1, -4, -11, 9009, None]),
    problem=st.sampled_from(["", "timeout", "missing", "failed to start"]),
    platform=st.sampled_from(["linux", "darwin", "win32"]),
)
def test_garbage_is_no_crash(tmp_path: Path, raw: bytes, returncode: int | None, problem: str, platform: str) -> None:
    (tmp_path / "raw").write_bytes(raw)
    content = {
        "platform": platform,
        "environ": {"LD_LIBRARY_PATH": "/usr/lib", "KERAS_BACKEND": "x"},
        "which": {"python3": "/usr/bin/python3"},
        "commands": [
            {
                "arguments": ["/usr/bin/python3", "*"],
                "stdout": "raw",
                "stderr": "raw",
                "returncode": returncode,
                "problem": problem,
            }
        ],
        "files": {"/home/me/demo/pyproject.toml": "raw"},
    }
    (tmp_path / "system.json").write_text(json.dumps(content), encoding="utf-8")
    found = report.inspect(RecordedSystem(tmp_path), folder=PROJECT, checks=["frameworks", "computing"])
    assert "NM001" not in [finding.code for finding in found.findings], found.findings
    json.dumps(found.as_json())


@pytest.mark.parametrize("huge", [b"{" * 100_000, b"\n{" * 50_000, b'{"a":' * 50_000, b"x" * 5_000_000])
def test_huge_output(huge: bytes) -> None:
    began = time.monotonic()
    last_object(huge.decode())
    assert time.monotonic() - began < 3.0


# --- real ones --------------------------------------------------------------------------------------------------------


def test_an_environment_without_a_framework(tmp_path: Path) -> None:
    """This very interpreter, through a link, as a project's environment."""
    (tmp_path / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    facts, _ = frameworks.probe(RealSystem(), tmp_path)
    assert facts["frameworks"].own
    assert "hypothesis" not in facts["frameworks"].versions
    assert facts["frameworks"].versions.keys().isdisjoint({"torch", "tensorflow"}) or facts["frameworks"].builds


FAULTS = {
    "raises": ("raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')", "NM404"),
    "chain": ("try:\n    1/0\nexcept Exception as e:\n    raise ImportError('no') from e", "NM404"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "NM404"),
    "illegal": ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "NM404"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "NM404"),
    "exits": ("import sys; sys.exit(3)", "NM404"),
    "ends": ("import os; os._exit(0)", "NM404"),
    "talks": (
        "import sys; print('x' * 10**7); sys.stderr.write('é\\udcff{' * 10**5); raise ValueError('long')",
        "NM404",
    ),
    "hangs": ("import time; time.sleep(600)", "NM414"),
    "hangs at the device": (
        "import time\n__version__ = '2'\nclass version: cuda = '13.0'\nclass _C: pass\n"
        "class cuda:\n    def init(): time.sleep(600)",
        "NM405",
    ),
    "is empty": ("", "NM404"),
    "devours the output": ("import os; os.close(1); raise ValueError('closed')", "NM404"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_torch_that_fails_in_every_way(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, code = FAULTS[fault]
    venv.create(tmp_path / ".venv", symlinks=True)
    (site,) = (tmp_path / ".venv" / "lib").glob("python*/site-packages")
    (site / "torch").mkdir()
    (site / "torch/__init__.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(framework_probe, "PATIENCE", 1.5 if fault.startswith("hangs") else 30.0)
    _, findings = framework_probe.probe(RealSystem(), tmp_path)
    assert [finding.code for finding in findings] == [code]


@pytest.mark.full
@pytest.mark.parametrize(("framework", "name"), [("pytorch", "torch"), ("tensorflow", "tensorflow")])
def test_a_real_framework_computes(framework: str, name: str, tmp_path: Path) -> None:
    interpreter = environments.framework_environment(framework)
    (tmp_path / ".venv").symlink_to(interpreter.parent.parent, target_is_directory=True)
    subprocess.run([interpreter, "-c", f"import {name}"], check=True, capture_output=True)  # so that the disk is warm
    began = time.monotonic()
    found = report.inspect(RealSystem(), folder=tmp_path, checks=["frameworks", "computing"])
    seconds = time.monotonic() - began
    (build,) = found.computed
    (read,) = found.frameworks.builds
    assert (build.name, build.works, build.error) == (name, True, "")
    assert (read.version, read.build) == (build.version, build.build)
    assert [finding for finding in found.findings if finding.severity == "blocks"] == []
    assert build.seconds is not None and build.seconds < seconds < 2 * build.seconds + 4.0


@pytest.mark.full
def test_a_real_broken_torchvision_is_found_out(tmp_path: Path) -> None:
    """A torchvision beside the real torch that fails as one for another build does."""
    interpreter = environments.framework_environment("pytorch")
    broken = tmp_path / "extra" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    script = Path(framework_probe.__file__).with_name("compute_script.py")
    done = subprocess.run(
        [interpreter, script, "torch"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "extra")},
    )
    content = last_object(done.stdout)
    assert content is not None and content["stage"] == "done"
    assert "nms does not exist" in content["companions"]["torchvision"]["error"]
