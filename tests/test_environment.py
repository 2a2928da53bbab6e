"""The environment report: each probe through the seam, on recorded outputs, and what it makes of garbage."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment import report, tools
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.facts import Finding, Gpu, Interpreter, Report
from scaffolder.environment.gpu import accelerators
from scaffolder.environment.panel import panel, rows
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.recorded_system import RecordedSystem
from scaffolder.environment.system import CommandResult, decode

GIB = 1024**3

#: Every check that asks no server.
LOCAL = [check.name for check in CHECKS if check.need != "network"]
Record = Callable[..., RecordedSystem]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A recorded machine: `record({"platform": …}, {"smi.csv": b"…"})`."""

    def make(content: dict[str, Any], outputs: dict[str, bytes] | None = None) -> RecordedSystem:
        for name, raw in (outputs or {}).items():
            (tmp_path / name).write_bytes(raw)
        (tmp_path / "system.json").write_text(json.dumps(content), encoding="utf-8")
        return RecordedSystem(tmp_path)

    return make


def codes(findings: list[Finding] | tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


# --- accelerators -----------------------------------------------------------------------------------------------------


def test_nvidia_by_nvml(record: Record) -> None:
    device = {"name": "NVIDIA GeForce RTX 4090", "total": 24 * GIB, "free": 20 * GIB, "capability": "8.9"}
    system = record({"nvml": {"driver": "580.95.05", "cuda": 13000, "devices": [device]}})
    facts, findings = accelerators.probe(system)
    found = facts["accelerators"]
    assert found.gpus == (
        Gpu(kind="cuda", name="NVIDIA GeForce RTX 4090", total=24 * GIB, free=20 * GIB, capability=(8, 9)),
    )
    assert (found.driver, found.cuda) == ("580.95.05", (13, 0))
    assert findings == []


SMI = b"535.183.01, Tesla V100-SXM2-16GB, 16384, 16151, 7.0\r\n535.183.01, Tesla V100-SXM2-16GB, 16384, 1024, 7.0\r\n"


def test_nvidia_by_its_tool_where_the_library_fails(record: Record) -> None:
    system = record(
        {
            "nvml": {"error": "Driver/library version mismatch"},
            "which": {"nvidia-smi": "/usr/bin/nvidia-smi"},
            "commands": [{"arguments": ["/usr/bin/nvidia-smi", "*"], "stdout": "smi.csv"}],
        },
        {"smi.csv": SMI},
    )
    found = accelerators.probe(system)[0]["accelerators"]
    assert [gpu.free for gpu in found.gpus] == [16151 * 1024**2, 1024 * 1024**2]
    assert found.gpus[0].capability == (7, 0)
    assert found.driver == "535.183.01"


def test_a_driver_that_does_not_work_is_said(record: Record) -> None:
    facts, findings = accelerators.probe(record({"nvml": {"error": "Driver Not Loaded"}}))
    assert facts["accelerators"].gpus == ()
    assert codes(findings) == ["NM202"]
    assert findings[0].severity == "blocks"
    assert "Driver Not Loaded" in findings[0].what


def test_fields_that_a_gpu_has_not_are_unknown(record: Record) -> None:
    system = record(
        {
            "which": {"nvidia-smi": "nvidia-smi"},
            "commands": [{"arguments": ["nvidia-smi", "*"], "stdout": "smi.csv"}],
        },
        {"smi.csv": b"560.35, NVIDIA GB10, [N/A], [N/A], 12.1\n"},
    )
    gpu = accelerators.probe(system)[0]["accelerators"].gpus[0]
    assert (gpu.total, gpu.free, gpu.capability) == (None, None, (12, 1))


def test_hidden_gpus_are_found_out(record: Record) -> None:
    device = {"name": "NVIDIA A100", "capability": "8.0"}
    system = record({"nvml": {"devices": [device]}, "environ": {"CUDA_VISIBLE_DEVICES": ""}})
    findings = accelerators.probe(system)[1]
    assert codes(findings) == ["NM203"]
    assert findings[0].commands[0].line == "unset CUDA_VISIBLE_DEVICES"


def test_amd_from_the_kernels_topology(record: Record) -> None:
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    system = record(
        {
            "files": {
                "/dev/kfd": None,
                f"{nodes}/0/properties": "processor.txt",
                f"{nodes}/1/properties": "card.txt",
                f"{nodes}/1/mem_banks/0/properties": "bank.txt",
                f"{nodes}/2/properties": "built_in.txt",
            }
        },
        {
            "processor.txt": b"cpu_cores_count 16\nsimd_count 0\ngfx_target_version 0\n",
            "card.txt": b"cpu_cores_count 0\nsimd_count 192\ngfx_target_version 110000\n",
            "bank.txt": b"heap_type 1\nsize_in_bytes 25753026560\n",
            "built_in.txt": b"cpu_cores_count 0\nsimd_count 4\ngfx_target_version 100306\n",
        },
    )
    found = accelerators.probe(system)[0]["accelerators"]
    assert found.gpus == (Gpu(kind="rocm", name="AMD Radeon gfx1100", total=25753026560, target="gfx1100"),)


def test_apple_also_under_rosetta(record: Record) -> None:
    system = record(
        {
            "platform": "darwin",
            "machine": "x86_64",
            "memory": [64 * GIB, 32 * GIB],
            "commands": [
                {"arguments": ["sysctl", "-n", "hw.optional.arm64"], "stdout": "one.txt"},
                {"arguments": ["sysctl", "-n", "machdep.cpu.brand_string"], "stdout": "chip.txt"},
            ],
        },
        {"one.txt": b"1\n", "chip.txt": b"Apple M4 Max\n"},
    )
    assert accelerators.probe(system)[0]["accelerators"].gpus == (Gpu(kind="mps", name="Apple M4 Max", total=64 * GIB),)
    intel = record({"platform": "darwin", "machine": "x86_64"})
    assert accelerators.probe(intel)[0]["accelerators"].gpus == ()


# --- Python, frameworks, tools, PyCharm -------------------------------------------------------------------------------


def test_our_own_python_is_preferred_where_it_fits() -> None:
    interpreters = tuple(
        Interpreter(path=f"/usr/bin/python3.{minor}", version=(3, minor, 0)) for minor in (14, 13, 12, 11)
    )
    found = Report(
        platform="linux",
        machine="x86_64",
        release="",
        executable="/usr/bin/python3.12",
        interpreters=interpreters,
    )
    assert found.python_for((3, 10), (3, 14)) == interpreters[2]
    assert found.python_for((3, 13), (3, 15)) == interpreters[0]
    assert found.python_for((3, 15), (3, 16)) is None


# --- all together -----------------------------------------------------------------------------------------------------


def test_the_report_of_a_bare_machine(record: Record) -> None:
    found = report.inspect(record({"platform": "linux"}), folder=Path("/nowhere"))
    assert found.interpreters == () and found.accelerators.gpus == ()
    assert codes(found.findings) == ["NM110", "NM201", "NM501", "NM601", "NM701"]
    json.dumps(found.as_json())
    panel(found)


def test_a_probe_that_crashes_or_hangs_is_a_finding(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def crash(*args: object) -> None:
        raise ZeroDivisionError("by zero")

    def hang(*args: object) -> tuple[dict[str, Any], list[Finding]]:
        release.wait(30)
        return {}, []

    monkeypatch.setattr(accelerators, "probe", crash)
    monkeypatch.setattr(tools, "probe", hang)
    found = report.inspect(record({}), checks=LOCAL, patience=1.0)
    release.set()
    failed = [finding.what for finding in found.findings if finding.code == "NM001"]
    assert failed == [
        "The check “accelerators” did not work: ZeroDivisionError: by zero.",
        "The check “tools” did not work: no answer in 1 s.",
    ]
    assert found.accelerators.gpus == ()


def test_the_worst_finding_comes_first(record: Record) -> None:
    found = report.inspect(record({"nvml": {"error": "broken"}, "disk_free": 1}))
    severities = [finding.severity for finding in found.findings]
    assert severities == sorted(severities, key=["blocks", "slows", "note"].index)
    assert severities[0] == "blocks"


def test_this_machine_without_a_framework_in_our_process() -> None:
    found = report.inspect(checks=LOCAL)
    assert any(one.version[:2] == sys.version_info[:2] for one in found.interpreters)
    assert found.hardware.memory_total and found.hardware.cores >= 1
    assert not {"torch", "tensorflow", "keras"} & set(sys.modules)
    assert all(text for _, text in rows(found))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("好".encode(), "好"),
        ("驱动".encode("gb18030"), "驱动"),
        ("好".encode("utf-16"), "好"),
        (b"\xef\xbb\xbfa\r\nb", "a\nb"),
        (b"\xff\x00", "ÿ\x00"),
        (b"", ""),
    ],
)
def test_output_in_any_encoding(raw: bytes, text: str) -> None:
    assert decode(raw) == text


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from(["linux", "darwin", "win32"]))
def test_garbage_from_every_tool_is_no_crash(record: Record, raw: bytes, platform: str) -> None:
    names = ["nvidia-smi", "git", "uv", "python3", "python", "sysctl", "py", "pycharm"]
    nodes = "/sys/class/kfd/kfd/topology/nodes/1"
    system = record(
        {
            "platform": platform,
            "machine": "arm64",
            "which": {name: f"/bin/{name}" for name in names},
            "commands": [
                {"arguments": [word, "*"], "stdout": "raw", "stderr": "raw"}
                for name in [*names, "/usr/bin/python3"]
                for word in (name, f"/bin/{name}")
            ],
            "files": dict.fromkeys(
                [
                    f"{nodes}/properties",
                    f"{nodes}/mem_banks/0/properties",
                    "/sys/fs/cgroup/memory.max",
                    "/sys/fs/cgroup/memory.current",
                    "/sys/fs/cgroup/cpu.max",
                    "/opt/pycharm/product-info.json",
                    "/Applications/PyCharm.app/Contents/Resources/product-info.json",
                ],
                "raw",
            ),
            "memory": [GIB, GIB],
        },
        {"raw": raw},
    )
    found = report.inspect(system, checks=LOCAL)
    assert "NM001" not in codes(found.findings), found.findings


def test_the_real_seam() -> None:
    system = RealSystem()
    assert system.run(["newmodel-no-such-tool"]) == CommandResult(returncode=None, problem="missing")
    slow = system.run([sys.executable, "-c", "import time; time.sleep(30)"], timeout=0.3)
    assert (slow.ok, slow.problem) == (False, "timeout")
    assert system.read_text("/newmodel/no/such/file") is None
    assert system.exists("x\x00y") is False
    assert not system.reachable("http://127.0.0.1:9/", timeout=1.0)
    assert system.disk("/newmodel/no/such/folder")
