"""GPUs of every maker, and why one that is here cannot be used: recorded outputs in the tools' own formats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment.facts import Accelerators, Finding, Gpu, GpuProcess
from scaffolder.environment.gpu import accelerators, amd, apple, intel, nvidia, pci, virtual
from scaffolder.environment.gpu.chips import capability_of
from scaffolder.environment.gpu.nvml import nvml_device
from scaffolder.environment.gpu.visibility import unknown_device
from scaffolder.environment.recorded_system import RecordedSystem

GIB = 1024**3
MIB = 1024**2
SMI = "/usr/bin/nvidia-smi"
NVML = {"driver": "580.95.05", "cuda": 13000}

Record = Callable[..., RecordedSystem]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A recorded machine; texts given as commands' outputs or files become files of the recording."""

    def make(*, commands: dict[str, Any] | None = None, files: dict[str, str | None] | None = None, **content: Any):
        entries = []
        for number, (line, answer) in enumerate((commands or {}).items()):
            code, text = answer if isinstance(answer, tuple) else (0, answer)
            (tmp_path / f"command{number}").write_bytes(text if isinstance(text, bytes) else text.encode())
            words = line.split(" ")
            entries.append({"arguments": words, "returncode": code, "stdout": f"command{number}"})
        held: dict[str, str | None] = {}
        for number, (path, text) in enumerate((files or {}).items()):
            held[path] = None if text is None else f"file{number}"
            if text is not None:
                (tmp_path / f"file{number}").write_bytes(text.encode())
        content |= {"commands": entries, "files": held}
        (tmp_path / "system.json").write_text(json.dumps(content), encoding="utf-8")
        return RecordedSystem(tmp_path)

    return make


def look(system: RecordedSystem) -> tuple[Accelerators, list[Finding]]:
    facts, findings = accelerators.probe(system)
    return facts["accelerators"], findings


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def lines(finding: Finding) -> list[str]:
    return [command.line for command in finding.commands]


def device(name: str = "NVIDIA A100-SXM4-40GB", **more: Any) -> dict[str, Any]:
    return {"index": 0, "name": name, "total": 40 * GIB, "free": 39 * GIB, "capability": "8.0", **more}


# --- NVIDIA by its library --------------------------------------------------------------------------------------------


def test_a_server_of_eight_says_nothing_where_nothing_is_wrong(record: Record) -> None:
    devices = [device("NVIDIA H200", index=n, uuid=f"GPU-{n}", total=141 * GIB, free=140 * GIB) for n in range(8)]
    found, findings = look(record(nvml={**NVML, "devices": devices}))
    assert (len(found.gpus), found.driver, found.cuda, found.source) == (8, "580.95.05", (13, 0), "nvml")
    assert findings == []


def test_what_hinders_a_gpu_is_said_with_the_number_that_commands_take(record: Record) -> None:
    devices = [
        device(index=0),
        device(
            index=1,
            ecc_errors=3,
            throttle=["power", "thermal"],
            compute_mode="exclusive",
            free=2 * GIB,
            processes=[{"pid": 4711, "name": "/usr/bin/python3", "used": 37 * GIB}],
        ),
    ]
    found, findings = look(record(nvml={**NVML, "devices": devices}))
    said = {finding.code: finding for finding in findings}
    assert set(said) == {"NM211", "NM212", "NM213", "NM224"}
    assert all("GPU 1" in finding.what for finding in findings)
    assert said["NM211"].what == (
        "38.0 GB of the 40 GB of GPU 1 (NVIDIA A100-SXM4-40GB) are held by python3 (4711, 37.0 GB)."
    )
    assert lines(said["NM211"]) == ["ps -fp 4711"]
    assert said["NM212"].severity == "blocks"
    assert lines(said["NM212"])[-1] == "sudo nvidia-smi -i 1 --gpu-reset"
    assert lines(said["NM224"]) == ["sudo nvidia-smi -i 1 -c DEFAULT"]
    assert found.gpus[1].processes == (GpuProcess(pid=4711, name="/usr/bin/python3", used=37 * GIB),)


def test_the_ordinary_power_limit_is_no_fault(record: Record) -> None:
    assert look(record(nvml={**NVML, "devices": [device(throttle=["power"])]}))[1] == []


def test_a_gpu_without_memory_of_its_own(record: Record) -> None:
    """DGX Spark: https://docs.nvidia.com/dgx/dgx-spark/known-issues.html."""

    class NotSupportedError(Exception):
        """What the library raises for what this GPU does not tell."""

    def refuse(*_arguments: object) -> None:
        raise NotSupportedError

    library = SimpleNamespace(
        NVMLError=NotSupportedError,
        nvmlDeviceGetCudaComputeCapability=lambda _handle: (12, 1),
        nvmlDeviceGetName=lambda _handle: b"NVIDIA GB10",
        nvmlDeviceGetUUID=lambda _handle: "GPU-1",
        nvmlDeviceGetMemoryInfo=refuse,
    )
    alone = nvml_device(library, None, 0)
    assert alone == {"index": 0, "name": "NVIDIA GB10", "uuid": "GPU-1", "capability": "12.1"}
    found, findings = look(record(nvml={**NVML, "devices": [alone]}, memory=[128 * GIB, 100 * GIB]))
    assert (found.gpus[0].total, found.gpus[0].free, findings) == (128 * GIB, None, [])


def test_a_desktop_in_use_is_no_fault(record: Record) -> None:
    small = device("NVIDIA GeForce RTX 3060", total=12 * GIB, free=int(11.2 * GIB), capability="8.6")
    assert look(record(nvml={**NVML, "devices": [small]}))[1] == []


def test_prohibited_blocks(record: Record) -> None:
    (finding,) = look(record(platform="win32", nvml={**NVML, "devices": [device(compute_mode="prohibited")]}))[1]
    assert (finding.code, finding.severity, lines(finding)) == ("NM224", "blocks", ["nvidia-smi -i 0 -c DEFAULT"])


def test_a_small_gpu_is_a_note_and_a_4_gb_one_is_none(record: Record) -> None:
    small = device("NVIDIA GeForce MX150", total=2 * GIB, free=2 * GIB, capability="6.1")
    assert codes(look(record(nvml={**NVML, "devices": [small]}))[1]) == ["NM222"]
    common = device("NVIDIA GeForce GTX 1650", total=3912 * MIB, free=3800 * MIB, capability="7.5")
    assert look(record(nvml={**NVML, "devices": [common]}))[1] == []


LIST = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
"""


def test_slices(record: Record) -> None:
    system = record(
        nvml={**NVML, "devices": [device(uuid="GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", mig=True)]},
        which={"nvidia-smi": "/usr/bin/nvidia-smi"},
        commands={"/usr/bin/nvidia-smi -L": LIST},
        environ={"CUDA_VISIBLE_DEVICES": "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"},
    )
    found, findings = look(system)
    assert len(found.gpus[0].slices) == 2
    assert codes(findings) == ["NM210"]
    assert findings[0].what == "GPU 0 (NVIDIA A100-SXM4-40GB) is cut into slices (MIG): 3g.20gb, 1g.5gb."


def test_cut_and_no_slice_made(record: Record) -> None:
    system = record(
        nvml={**NVML, "devices": [device(mig=True)]},
        which={"nvidia-smi": SMI},
        commands={f"{SMI} -L": LIST.splitlines()[0]},
    )
    (finding,) = look(system)[1]
    assert (finding.code, finding.severity, lines(finding)) == ("NM210", "blocks", ["sudo nvidia-smi -i 0 -mig 0"])
    (unknown,) = look(record(nvml={**NVML, "devices": [device(mig=True)]}))[1]
    assert (unknown.code, unknown.severity) == ("NM210", "note")


# --- CUDA_VISIBLE_DEVICES ---------------------------------------------------------------------------------------------

TWO = [device(index=0, uuid="GPU-aaaa-1"), device(index=1, uuid="GPU-bbbb-2")]


@pytest.mark.parametrize("value", ["", "-1", " ", "none", "NoDevFiles", "-1,0"])
def test_a_value_that_hides_every_gpu(record: Record, value: str) -> None:
    (finding,) = look(record(nvml={**NVML, "devices": TWO}, environ={"CUDA_VISIBLE_DEVICES": value}))[1]
    assert (finding.code, lines(finding)) == ("NM203", ["unset CUDA_VISIBLE_DEVICES"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2", "“2” is no GPU"),
        ("0,5", "“5” is no GPU"),
        ("0,0", "names the GPU “0” twice"),
        ("GPU-cccc", "“GPU-cccc” is no GPU"),
    ],
)
def test_a_value_that_names_a_gpu_that_is_not_here(record: Record, value: str, said: str) -> None:
    system = record(platform="win32", nvml={**NVML, "devices": TWO}, environ={"CUDA_VISIBLE_DEVICES": value})
    (finding,) = look(system)[1]
    assert finding.code == "NM219"
    assert said in finding.what
    assert lines(finding) == ["Remove-Item Env:CUDA_VISIBLE_DEVICES"]
    nothing = value != "0,5"
    assert ("no GPU at all" in finding.meaning) == nothing


@pytest.mark.parametrize("value", ["0", "1,0", "GPU-bbbb", "GPU-aaaa-1,GPU-bbbb-2"])
def test_a_value_that_is_fine(record: Record, value: str) -> None:
    assert look(record(nvml={**NVML, "devices": TWO}, environ={"CUDA_VISIBLE_DEVICES": value}))[1] == []


@given(st.text(max_size=200))
def test_any_value_is_judged(value: str) -> None:
    gpus = [Gpu(kind="cuda", name="A", uuid="GPU-1", slices=("1g MIG-2",), mig=True)]
    assert unknown_device(value, gpus) is None or isinstance(unknown_device(value, gpus), str)


# --- NVIDIA by its tool -----------------------------------------------------------------------------------------------

BASIC = f"{SMI} --query-gpu=driver_version,name,memory.total,memory.free,compute_cap --format=csv,noheader,nounits"


def test_where_the_library_is_missing_the_tool_is_asked_and_that_is_said(record: Record) -> None:
    more = f"{SMI} --query-gpu={','.join(nvidia._MORE)} --format=csv,noheader,nounits"
    apps = f"{SMI} --query-compute-apps=gpu_uuid,pid,process_name,used_memory --format=csv,noheader,nounits"
    system = record(
        which={"nvidia-smi": SMI},
        commands={
            BASIC: "535.183.01, Tesla V100-SXM2-16GB, 16384, 1024, 7.0\r\n",
            more: "0, GPU-1, [N/A], 0, Default, 97, Not Active, Not Active, Active\n",
            apps: "GPU-1, 812, python, 15000\nGPU-1, 813, C:\\a, b\\x.exe, [N/A]\n",
        },
    )
    found, findings = look(system)
    gpu = found.gpus[0]
    assert (found.driver, found.cuda, found.source) == ("535.183.01", (12, 2), "nvidia-smi")
    assert (gpu.uuid, gpu.mig, gpu.ecc_errors, gpu.utilization, gpu.throttle) == ("GPU-1", False, 0, 97, ("thermal",))
    assert gpu.processes == (GpuProcess(pid=812, name="python", used=15000 * MIB),)
    assert codes(findings) == ["NM213", "NM211", "NM225"]


def test_a_tool_too_old_for_the_compute_capability(record: Record) -> None:
    shorter = BASIC.replace(",compute_cap", "")
    system = record(
        which={"nvidia-smi": SMI},
        commands={
            BASIC: (2, 'Field "compute_cap" is not a valid field to query.\n\n'),
            shorter: "470.182.03, NVIDIA GeForce GTX 1080 Ti, 11178, 11000\n",
        },
    )
    found, _findings = look(system)
    assert (found.gpus[0].capability, found.cuda) == ((6, 1), (11, 4))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (
            "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the system to recover.",
            "NM223",
        ),
        ("Unable to determine the device handle for GPU0000:08:00.0: Unknown Error", "NM223"),
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.230", "NM205"),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure …", "NM202"),
        ("No devices were found", "NM201"),
    ],
)
def test_what_the_tool_says_instead_of_an_answer(record: Record, said: str, code: str) -> None:
    system = record(which={"nvidia-smi": SMI}, commands={BASIC: (9, said + "\n")})
    assert codes(look(system)[1]) == [code]


def test_one_of_two_gpus_is_lost(record: Record) -> None:
    answer = (
        "Unable to determine the device handle for GPU1: 0000:34:00.0: Unknown Error\n"
        "580.95.05, NVIDIA GeForce RTX 4090, 24564, 24000, 8.9\n"
    )
    found, findings = look(record(nvml={"error": "Unknown Error"}, which={"nvidia-smi": SMI}, commands={BASIC: answer}))
    assert len(found.gpus) == 1
    assert codes(findings) == ["NM223"]


def test_a_mismatch_names_the_version_that_still_runs(record: Record) -> None:
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
        "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"
    )
    system = record(nvml={"error": "Driver/library version mismatch"}, files={"/proc/driver/nvidia/version": version})
    (finding,) = look(system)[1]
    assert (finding.code, finding.severity, lines(finding)) == ("NM205", "blocks", ["sudo reboot"])
    assert "(535.183.01)" in finding.what


# --- no driver --------------------------------------------------------------------------------------------------------

LSPCI = """00:00.0 Host bridge [0600]: Intel Corporation 12th Gen Core Processor Host Bridge [8086:4660] (rev 02)
00:02.0 VGA compatible controller [0300]: Intel Corporation AlderLake-S GT1 [8086:4680] (rev 0c)
01:00.0 VGA compatible controller [0300]: NVIDIA Corporation GA106 [GeForce RTX 3060] [10de:2504] (rev a1)
01:00.1 Audio device [0403]: NVIDIA Corporation GA106 High Definition Audio Controller [10de:228e] (rev a1)
"""


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("Ubuntu 24.04.1 LTS", "sudo ubuntu-drivers install"),
        ("Linux Mint 22", "sudo ubuntu-drivers install"),
        (
            "Debian GNU/Linux 12 (bookworm)",
            "sudo apt-get install linux-headers-$(dpkg --print-architecture) nvidia-driver firmware-misc-nonfree",
        ),
        ("Fedora Linux 42 (Workstation Edition)", "sudo dnf install akmod-nvidia xorg-x11-drv-nvidia-cuda"),
        ("Rocky Linux 9.4 (Blue Onyx)", "sudo dnf module install nvidia-driver:latest-dkms"),
        ("Arch Linux", "sudo pacman -S nvidia-open"),
        ("openSUSE Tumbleweed", "sudo zypper install-new-recommends --repo repo-non-free"),
        ("Void Linux", "xdg-open https://www.nvidia.com/drivers"),
    ],
)
def test_a_card_without_driver_and_how_each_distribution_gets_one(record: Record, release: str, command: str) -> None:
    found, findings = look(record(release=release, commands={"lspci -nn": LSPCI}))
    (finding,) = findings
    assert (finding.code, finding.severity) == ("NM214", "slows")
    assert "GeForce RTX 3060" in finding.what
    assert command in lines(finding)
    assert lines(finding)[-1] == "sudo reboot"
    assert not any(one.arguments for one in finding.commands), "a driver is never installed for a person"
    assert found.gpus == ()
    assert found.unusable[0].capability == (8, 6)


def test_an_old_card_gets_the_last_driver_that_knows_it(record: Record) -> None:
    old = LSPCI.replace("GA106 [GeForce RTX 3060] [10de:2504]", "GP102 [GeForce GTX 1080 Ti] [10de:1b06]")
    (finding,) = look(record(release="Ubuntu 24.04.1 LTS", commands={"lspci -nn": old}))[1]
    assert lines(finding)[0] == "sudo ubuntu-drivers install nvidia:580"


def test_the_bus_without_lspci(record: Record) -> None:
    folder = "/sys/bus/pci/devices/0000:01:00.0"
    files = {f"{folder}/vendor": "0x10de\n", f"{folder}/device": "0x2504\n", f"{folder}/class": "0x030000\n"}
    assert codes(look(record(files=files))[1]) == ["NM214"]


def test_drivers_packages_on_a_machine_without_a_card_mean_nothing(record: Record) -> None:
    without = "".join(line + "\n" for line in LSPCI.splitlines() if "NVIDIA" not in line)
    assert codes(look(record(nvml={"error": "Driver Not Loaded"}, commands={"lspci -nn": without}))[1]) == ["NM201"]


WINDOWS = "powershell -NoProfile -NonInteractive -Command *"


def test_windows(record: Record) -> None:
    answer = "PCI\\VEN_10DE&DEV_2684&SUBSYS_167C10DE&REV_A1\\4&2D78AB8F&0&0008|Microsoft Basic Display Adapter\r\n"
    (finding,) = look(record(platform="win32", commands={WINDOWS: answer}))[1]
    assert (finding.code, lines(finding)) == ("NM214", ["Start-Process https://www.nvidia.com/drivers"])
    arc = "PCI\\VEN_8086&DEV_56A0&SUBSYS_10208086&REV_08\\6&16C0|Intel(R) Arc(TM) A770 Graphics\n"
    found, findings = look(record(platform="win32", commands={WINDOWS: arc}))
    assert found.gpus == (Gpu(kind="xpu", name="Intel(R) Arc(TM) A770 Graphics"),)
    assert [(one.code, one.severity) for one in findings] == [("NM217", "note")]


# --- inside something -------------------------------------------------------------------------------------------------

WSL2 = "Linux version 5.15.153.1-microsoft-standard-WSL2 (root@941d701f84f1) (gcc (GCC) 11.2.0, GNU ld) #1 SMP\n"
WSL1 = "Linux version 4.4.0-19041-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0 (GCC) ) #3996-Microsoft\n"


def test_wsl_without_a_gpu_never_gets_a_linux_driver(record: Record) -> None:
    for files in ({"/proc/version": WSL2}, {"/proc/version": WSL2, "/dev/dxg": None}):
        found, (finding,) = look(record(files=files))
        assert (finding.code, found.wsl) == ("NM207", 2)
        assert lines(finding) == ["wsl.exe --update", "wsl.exe --shutdown"]
        assert "never one for Linux in here" in finding.advice


def test_wsl_1(record: Record) -> None:
    found, (finding,) = look(record(files={"/proc/version": WSL1}))
    assert (found.wsl, finding.code) == (1, "NM207")
    assert "WSL 1" in finding.what
    assert lines(finding)[-1] == "wsl.exe --set-version <name> 2"


def test_wsl_with_a_gpu_and_the_drivers_number_of_windows(record: Record) -> None:
    smi = "/usr/lib/wsl/lib/nvidia-smi"
    system = record(
        files={"/proc/version": WSL2, "/dev/dxg": None},
        commands={BASIC.replace(SMI, smi): "551.61, NVIDIA GeForce RTX 4070, 12282, 11000, 8.9\n"},
    )
    found, findings = look(system)
    assert (found.cuda, codes(findings)) == ((12, 4), ["NM225"])


@pytest.mark.parametrize(
    ("content", "kind", "line"),
    [
        ({"files": {"/.dockerenv": None, "/proc/driver/nvidia/version": "NVRM"}}, "docker", "docker run --gpus all …"),
        (
            {"files": {"/run/.containerenv": None}, "environ": {"NVIDIA_VISIBLE_DEVICES": "all"}},
            "podman",
            "podman run --device nvidia.com/gpu=all …",
        ),
        (
            {"environ": {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "commands": {"lspci -nn": LSPCI}},
            "kubernetes",
            "kubectl describe nodes | grep -i nvidia.com/gpu",
        ),
    ],
)
def test_a_container_without_the_hosts_gpu(record: Record, content: dict[str, Any], kind: str, line: str) -> None:
    found, (finding,) = look(record(**content))
    assert (found.container, finding.code, lines(finding)) == (kind, "NM206", [line])


def test_a_container_on_a_host_without_gpu_is_only_told_how_one_would_come(record: Record) -> None:
    (finding,) = look(record(files={"/.dockerenv": None}))[1]
    assert finding.code == "NM201"
    assert "--gpus all" in finding.advice


def test_a_jetson(record: Record) -> None:
    system = record(
        machine="aarch64",
        memory=[30 * GIB, 20 * GIB],
        files={
            "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
            "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n",
        },
    )
    found, findings = look(system)
    assert (found.jetson, found.jetson_release) == ("NVIDIA Jetson AGX Orin Developer Kit", (36, 4))
    assert found.gpus[0].capability == (8, 7)
    assert findings == []


# --- AMD --------------------------------------------------------------------------------------------------------------

NODE = "/sys/class/kfd/kfd/topology/nodes/1"
CARD = {f"{NODE}/properties": "simd_count 192\ngfx_target_version 110000\n"}
ROCMINFO = """ROCk module is loaded
=====================
HSA Agents
=====================
*******
Agent 1
*******
  Name:                    AMD Ryzen 9 7950X 16-Core Processor
  Marketing Name:          AMD Ryzen 9 7950X 16-Core Processor
  Device Type:             CPU
  Compute Unit:            32
*******
Agent 2
*******
  Name:                    gfx1100
  Uuid:                    GPU-0123456789abcdef
  Marketing Name:          AMD Radeon RX 7900 XTX
  Device Type:             GPU
  Compute Unit:            96
*******
Agent 3
*******
  Name:                    gfx1036
  Marketing Name:          AMD Radeon Graphics
  Device Type:             GPU
  Compute Unit:            2
*** Done ***
"""


def test_amd_with_its_name(record: Record) -> None:
    system = record(
        files={**CARD, "/dev/kfd": None, "/opt/rocm/.info/version": "7.2.0-43\n"},
        which={"rocminfo": "/opt/rocm/bin/rocminfo"},
        commands={"rocminfo": ROCMINFO},
    )
    found, findings = look(system)
    assert found.gpus == (Gpu(kind="rocm", name="AMD Radeon RX 7900 XTX", target="gfx1100"),)
    assert (found.rocm, findings) == ("7.2.0-43", [])


@pytest.mark.parametrize(("target", "units", "counts"), [(110500, 32, True), (110003, 24, False), (100304, 24, True)])
def test_amds_small_devices(record: Record, target: int, units: int, counts: bool) -> None:
    """Graphics inside a processor count where PyTorch has code for them, small cards always."""
    properties = f"simd_count {units}\ngfx_target_version {target}\n"
    found, _findings = look(record(files={f"{NODE}/properties": properties, "/dev/kfd": None}))
    assert bool(found.gpus) is counts


def test_amd_without_permission(record: Record) -> None:
    found, (finding,) = look(record(files={**CARD, "/dev/kfd": None}, unwritable=["/dev/kfd"], user="li"))
    assert (finding.code, lines(finding)) == ("NM215", ["sudo usermod -a -G render,video li"])
    assert found.gpus == ()
    assert found.unusable[0].target == "gfx1100"


def test_amd_in_a_container_that_was_not_given_it(record: Record) -> None:
    (finding,) = look(record(files={**CARD, "/.dockerenv": None}))[1]
    assert finding.code == "NM215"
    assert "--device=/dev/kfd" in lines(finding)[0]


def test_amd_without_driver(record: Record) -> None:
    line = (
        "03:00.0 VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 "
        "[Radeon RX 7900 XT/7900 XTX/7900M] [1002:744c] (rev c8)\n"
    )
    (finding,) = look(record(commands={"lspci -nn": line}))[1]
    assert (finding.code, lines(finding)) == ("NM215", ["sudo modprobe amdgpu"])


def test_amds_graphics_inside_a_processor_are_none(record: Record) -> None:
    line = "0a:00.0 VGA compatible controller [0300]: Advanced Micro Devices, Inc. [AMD/ATI] Raphael [1002:164e]\n"
    assert codes(look(record(commands={"lspci -nn": line}))[1]) == ["NM201"]


@pytest.mark.parametrize(
    ("tool", "said", "library"),
    [
        ("getconf GNU_LIBC_VERSION", "glibc 2.39\n", "glibc 2.39"),
        ("ldd --version", "ldd (Ubuntu GLIBC 2.35-0ubuntu3.8) 2.35\nCopyright …\n", "glibc 2.35"),
        ("ldd --version", "ldd (GNU libc) 2.17\n", "glibc 2.17"),
        ("ldd --version", (1, "musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\n"), "musl 1.2.5"),
        ("ldd --version", "nonsense", ""),
    ],
)
def test_the_c_library(record: Record, tool: str, said: Any, library: str) -> None:
    assert virtual.c_library(record(commands={tool: said})) == library


def test_amd_hidden(record: Record) -> None:
    (finding,) = look(record(files={**CARD, "/dev/kfd": None}, environ={"HIP_VISIBLE_DEVICES": "-1"}))[1]
    assert (finding.code, lines(finding)) == ("NM203", ["unset HIP_VISIBLE_DEVICES"])


@pytest.mark.parametrize(("number", "name"), [(110000, "gfx1100"), (90010, "gfx90a"), (90402, "gfx942"), (0, "")])
def test_amds_numbers(number: int, name: str) -> None:
    assert amd.target_name(number) == name


# --- Intel and Apple --------------------------------------------------------------------------------------------------

DRM = "/sys/class/drm/card1/device"
B580 = {f"{DRM}/vendor": "0x8086\n", f"{DRM}/device": "0xe20b\n"}


def test_arc(record: Record) -> None:
    found, (finding,) = look(record(release="Ubuntu 24.04.1 LTS", files=B580))
    assert found.gpus == (Gpu(kind="xpu", name="Intel Arc B-Series"),)
    assert (finding.code, finding.severity) == ("NM217", "slows")
    assert lines(finding)[-1] == "sudo apt-get install -y libze-intel-gpu1 libze1 intel-opencl-icd"
    runtime = {"/usr/lib/x86_64-linux-gnu/libze_intel_gpu.so.1": None}
    table = (
        "+-----------+--------------------------------------------------------+\n"
        "| Device ID | Device Information                                     |\n"
        "| 0         | Device Name: Intel(R) Arc(TM) B580 Graphics            |\n"
        "|           | Memory Physical Size: 12216.00 MiB                     |\n"
    )
    system = record(files=B580 | runtime, which={"xpu-smi": "/usr/bin/xpu-smi"}, commands={"xpu-smi discovery": table})
    found, (finding,) = look(system)
    assert found.gpus == (Gpu(kind="xpu", name="Intel(R) Arc(TM) B580 Graphics", total=12216 * MIB),)
    assert (finding.code, finding.severity) == ("NM217", "note")


def test_intels_ordinary_graphics_are_none(record: Record) -> None:
    files = {f"{DRM}/vendor": "0x8086\n", f"{DRM}/device": "0x4680\n"}
    assert codes(look(record(files=files))[1]) == ["NM201"]


@pytest.mark.parametrize(
    ("said", "version"), [("15.6.1\n", (15, 6)), ("26.0\n", (26, 0)), ("14\n", (14, 0)), ("?", None)]
)
def test_macos(record: Record, said: str, version: tuple[int, int] | None) -> None:
    assert apple.version(record(platform="darwin", commands={"sw_vers -productVersion": said})) == version


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA GeForce RTX 5090", (12, 0)),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", (12, 0)),
        ("NVIDIA GB10", (12, 1)),
        ("NVIDIA B200", (10, 0)),
        ("NVIDIA GB200", (10, 0)),
        ("NVIDIA B300 SXM6 AC", (10, 3)),
        ("NVIDIA H200", (9, 0)),
        ("NVIDIA H100 80GB HBM3", (9, 0)),
        ("NVIDIA GH200 480GB", (9, 0)),
        ("NVIDIA L40S", (8, 9)),
        ("NVIDIA L4", (8, 9)),
        ("NVIDIA RTX 6000 Ada Generation", (8, 9)),
        ("NVIDIA GeForce RTX 4070 Laptop GPU", (8, 9)),
        ("NVIDIA A100-SXM4-40GB", (8, 0)),
        ("NVIDIA A30", (8, 0)),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", (8, 6)),
        ("NVIDIA RTX A6000", (8, 6)),
        ("NVIDIA A10G", (8, 6)),
        ("Tesla T4", (7, 5)),
        ("NVIDIA GeForce RTX 2080 Ti", (7, 5)),
        ("NVIDIA GeForce GTX 1660 SUPER", (7, 5)),
        ("Quadro RTX 5000", (7, 5)),
        ("NVIDIA T1000 8GB", (7, 5)),
        ("Tesla V100-SXM2-16GB", (7, 0)),
        ("NVIDIA TITAN V", (7, 0)),
        ("Tesla P100-PCIE-16GB", (6, 0)),
        ("NVIDIA GeForce GTX 1080 Ti", (6, 1)),
        ("NVIDIA TITAN Xp", (6, 1)),
        ("Tesla P40", (6, 1)),
        ("Quadro P2000", (6, 1)),
        ("NVIDIA GeForce GTX 970", (5, 2)),
        ("NVIDIA GeForce GTX TITAN X", (5, 2)),
        ("Tesla M60", (5, 2)),
        ("NVIDIA GeForce GTX 750 Ti", (5, 0)),
        ("NVIDIA GeForce 940MX", (5, 0)),
        ("Tesla K80", (3, 7)),
        ("Tesla K40m", (3, 5)),
        ("GeForce GTX 680", (3, 0)),
        ("NVIDIA Jetson AGX Orin Developer Kit", (8, 7)),
        ("NVIDIA Jetson Xavier NX Developer Kit", (7, 2)),
        ("NVIDIA Jetson AGX Thor Developer Kit", (11, 0)),
        ("NVIDIA Jetson Nano Developer Kit", (5, 3)),
        ("NVIDIA Jetson Orin Nano Developer Kit Super", (8, 7)),
        ("Something else", None),
    ],
)
def test_the_compute_capability_of_a_product(name: str, capability: tuple[int, int] | None) -> None:
    assert capability_of(name) == capability


# --- garbage ----------------------------------------------------------------------------------------------------------

garbage = st.one_of(st.text(max_size=400), st.binary(max_size=400).map(lambda raw: raw.decode("latin-1")))
near = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "580.95.05, NVIDIA GeForce RTX 4090, 24564, 24000, 8.9",
                "[N/A], [Not Supported], ERR!, -, 99999999999999999999.9",
                '"a, b", "", "\x00", 1e309, ²',
                "  Name:                    gfx1100",
                "Agent 2",
                "*******",
                "  Device Type:             GPU",
                "01:00.0 VGA compatible controller [0300]: NVIDIA Corporation [10de:2504]",
                "| 0 | Device Name: Intel | Memory Physical Size: 9999999999999 MiB",
                "GPU 0: A (UUID: GPU-1)",
                "  MIG 1g.5gb Device 0: (UUID: MIG-1)",
                "15.6",
            ]
        ),
        garbage,
    ),
    max_size=12,
).map("\n".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=near, code=st.sampled_from([0, 1, 9]), platform=st.sampled_from(["linux", "win32", "darwin"]))
def test_garbage_is_no_crash(record: Record, text: str, code: int, platform: str) -> None:
    paths = ["/proc/version", "/proc/1/cgroup", "/etc/nv_tegra_release", "/proc/device-tree/model", "/dev/kfd"]
    paths += ["/proc/driver/nvidia/version", "/opt/rocm/.info/version"]
    paths += [f"{NODE}/properties", f"{DRM}/vendor", f"{DRM}/device"]
    tools = {
        f"{tool} *": (code, text.encode("utf-8", "surrogatepass"))
        for tool in (SMI, "lspci", "xpu-smi", "sw_vers", "sysctl", "powershell", "getconf", "ldd")
    }
    tools["rocminfo"] = (code, text.encode("utf-8", "surrogatepass"))
    system = record(
        platform=platform,
        which={"nvidia-smi": SMI, "rocminfo": "rocminfo", "xpu-smi": "xpu-smi"},
        commands=tools,
        files=dict.fromkeys(paths, text.encode("utf-8", "replace").decode()),
        environ={"CUDA_VISIBLE_DEVICES": text.replace("\0", "")[:50]},
    )
    found, findings = look(system)
    assert all(gpu.name is not None for gpu in found.gpus)
    assert all(finding.what and finding.meaning for finding in findings)
    assert pci.cards(system) is not None
    assert virtual.jetson_release(system) is None or len(virtual.jetson_release(system) or ()) == 2
    assert intel.ask(system) is not None
    assert virtual.c_library(system) is not None
