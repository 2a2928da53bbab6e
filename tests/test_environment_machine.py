"""Memory, processor and disk through the seam: what a container, a cluster, a Windows laptop really gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_machine import codes, make

from scaffolder.environment import panel, report, tools
from scaffolder.environment.facts import Disk, FrameworkBuild, Frameworks, Machine, Place, Report
from scaffolder.environment.hardware import disk, machine
from scaffolder.environment.hardware.control_groups import cpu_quota, memory_limit
from scaffolder.environment.hardware.file_system import synchronised
from scaffolder.environment.hardware.mounts import mount_of, mounts
from scaffolder.environment.hardware.processor import processor
from scaffolder.environment.real_system import RealSystem

GIB = 1024**3
PROJECT = Path("/home/person/demo")

#: The first lines of a real machine's; one processor is enough.
CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz
flags\t\t: fpu vme sse4_2 {flags}
bugs\t\t: spectre_v1

"""


# --- memory and processor ---------------------------------------------------------------------------------------------


def test_a_containers_limits_count(tmp_path: Path) -> None:
    system = make(
        tmp_path,
        memory=[64 * GIB, 50 * GIB],
        cpu_count=32,
        disk_free=200 * GIB,
        texts={
            "/sys/fs/cgroup/memory.max": "8589934592\n",
            "/sys/fs/cgroup/memory.current": "1073741824\n",
            "/sys/fs/cgroup/cpu.max": "250000 100000\n",
        },
    )
    facts, findings = machine.probe(system, Path("/"))
    found = facts["hardware"]
    assert (found.memory_total, found.memory_available, found.memory_limited) == (8 * GIB, 7 * GIB, True)
    assert (found.memory_installed, found.cores, found.cores_installed, found.cpu_quota) == (64 * GIB, 3, 32, 2.5)
    assert codes(findings) == ["NM312", "NM305"]
    assert findings[0].what == "Programs here may use 8.0 GB of the machine's 64 GB of memory."
    assert findings[1].what == "Programs here may use 2.5 of the 32 cores that they see."


def test_the_older_control_groups_without_a_limit(tmp_path: Path) -> None:
    system = make(
        tmp_path,
        memory=[64 * GIB, 50 * GIB],
        cpu_count=8,
        texts={
            # without a limit the file holds the largest multiple of the page size
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    facts, findings = machine.probe(system, Path("/"))
    found = facts["hardware"]
    assert (found.memory_total, found.memory_limited, found.cores, found.cpu_quota) == (64 * GIB, False, 8, None)
    assert findings == []


def test_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    """A systemd slice limits what a service's own group leaves open."""
    system = make(
        tmp_path,
        texts={
            "/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
            "/proc/self/mountinfo": "31 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            "/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.max": "max\n",
            "/sys/fs/cgroup/user.slice/user-1000.slice/memory.max": f"{16 * GIB}\n",
            "/sys/fs/cgroup/user.slice/user-1000.slice/memory.current": f"{6 * GIB}\n",
            "/sys/fs/cgroup/user.slice/user-1000.slice/memory.stat": f"anon 1\ninactive_file {4 * GIB}\n",
            "/sys/fs/cgroup/user.slice/memory.max": f"{64 * GIB}\n",
            "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/user.slice/user-1000.slice/cpu.max": "400000 100000\n",
        },
    )
    assert memory_limit(system) == (16 * GIB, 2 * GIB)
    assert cpu_quota(system) == 4.0


def test_a_container_of_version_one_sees_its_own_group_as_the_top(tmp_path: Path) -> None:
    """Docker without a namespace for control groups: the path names what the mount already shows."""
    identity = "/docker/0123abcd"
    system = make(
        tmp_path,
        texts={
            "/proc/self/cgroup": f"5:memory:{identity}\n4:cpu,cpuacct:{identity}\n0::/\n",
            "/proc/self/mountinfo": (
                f"707 700 0:30 {identity} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                f"708 700 0:31 {identity} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
            ),
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIB}\n",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3 * GIB}\n",
            "/sys/fs/cgroup/memory/memory.stat": f"inactive_file 5\ntotal_inactive_file {1 * GIB}\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
    )
    assert memory_limit(system) == (4 * GIB, 2 * GIB)
    assert cpu_quota(system) == 1.5


def test_little_memory_and_nothing_to_fall_back_on(tmp_path: Path) -> None:
    system = make(tmp_path, memory=[4 * GIB, GIB], swap=[0, 0])
    findings = machine.probe(system, PROJECT)[1]
    assert codes(findings) == ["NM301", "NM306"]
    assert findings[1].commands[-1].line == "sudo swapon /swapfile"
    assert not any(line.arguments for line in findings[1].commands), "nothing that needs sudo is run for anybody"
    assert machine.probe(make(tmp_path, memory=[4 * GIB, GIB], swap=[8 * GIB, 8 * GIB]), PROJECT)[1] == findings[:1]


def test_the_linux_subsystem_can_be_given_more(tmp_path: Path) -> None:
    kernel = {"/proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@1234) (gcc 11.2.0)\n"}
    (finding,) = machine.probe(make(tmp_path, memory=[4 * GIB, 3 * GIB], texts=kernel), PROJECT)[1]
    assert finding.code == "NM301" and ".wslconfig" in finding.advice


def test_macos_makes_swap_when_it_needs_some(tmp_path: Path) -> None:
    system = make(tmp_path, platform="darwin", machine="arm64", memory=[16 * GIB, GIB], swap=[0, 0])
    assert machine.probe(system, PROJECT)[1] == []


SHM = "22 1 0:20 / /dev/shm rw - tmpfs shm rw,size=65536k\n"
OVERLAY = "21 1 0:19 / / rw - overlay overlay rw\n"


@pytest.mark.parametrize(
    ("answers", "size", "found"),
    [
        (
            {"texts": {"/proc/self/mountinfo": OVERLAY + SHM}, "disk": {"/dev/shm": [64 << 20, 64 << 20]}},
            64 << 20,
            True,
        ),
        ({"texts": {"/proc/self/mountinfo": OVERLAY}}, 0, True),
        ({"texts": {"/proc/self/mountinfo": OVERLAY}, "there": ["/dev/shm"]}, None, False),
        ({"texts": {"/proc/self/mountinfo": SHM}, "disk": {"/dev/shm": [8 * GIB, GIB]}}, 8 * GIB, False),
        ({"disk": {"/": [100 * GIB, 50 * GIB]}}, None, False),
        ({"platform": "darwin"}, None, False),
    ],
)
def test_shared_memory(tmp_path: Path, answers: dict[str, Any], size: int | None, found: bool) -> None:
    facts, findings = machine.probe(make(tmp_path, **answers), PROJECT)
    assert facts["hardware"].shared_memory == size
    assert ("NM303" in codes(findings)) == found


def test_docker_is_told_of_its_own_option_and_a_machine_of_mount(tmp_path: Path) -> None:
    answers: dict[str, Any] = {"texts": {"/proc/self/mountinfo": SHM}, "disk": {"/dev/shm": [64 << 20, 0]}}
    (inside,) = machine.probe(make(tmp_path / "a", there=["/.dockerenv"], **answers), PROJECT)[1]
    assert "--shm-size" in inside.advice and not inside.commands
    assert inside.what == "Shared memory (/dev/shm) is only 64 MB."
    (outside,) = machine.probe(make(tmp_path / "b", **answers), PROJECT)[1]
    assert outside.commands[0].line == "sudo mount -o remount,size=50% /dev/shm"


def test_the_processor_of_linux(tmp_path: Path) -> None:
    found = processor(make(tmp_path, texts={"/proc/cpuinfo": CPUINFO.format(flags="avx avx2")}))
    assert (found.name, found.avx, found.avx2) == ("Intel Core i7-8550U", True, True)
    old = processor(make(tmp_path, texts={"/proc/cpuinfo": CPUINFO.format(flags="")}))
    assert (old.avx, old.avx2) == (False, False)
    arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
    board = processor(make(tmp_path, machine="aarch64", texts={"/proc/cpuinfo": arm}))
    assert (board.name, board.avx) == ("Raspberry Pi 5 Model B Rev 1.0", None)
    assert processor(make(tmp_path)).avx is None


def test_the_processor_of_macos(tmp_path: Path) -> None:
    says = {
        ("sysctl", "-n", "machdep.cpu.brand_string"): "Intel(R) Core(TM) i5-5257U CPU @ 2.70GHz\n",
        ("sysctl", "-n", "machdep.cpu.features"): "FPU VME SSE4.2 AVX1.0 RDRAND\n",
        ("sysctl", "-n", "machdep.cpu.leaf7_features"): "SMEP BMI1 AVX2 BMI2\n",
    }
    found = processor(make(tmp_path, platform="darwin", says=says))
    assert (found.name, found.avx, found.avx2) == ("Intel Core i5-5257U", True, True)
    rosetta = {**says, ("sysctl", "-n", "machdep.cpu.brand_string"): "Apple M1\n"}
    assert processor(make(tmp_path, platform="darwin", says=rosetta)).avx is None


def test_the_processor_of_windows(tmp_path: Path) -> None:
    key = r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    listing = f"\r\n{key}\r\n    ProcessorNameString    REG_SZ    Intel(R) Pentium(R) CPU G4400 @ 3.30GHz\r\n\r\n"
    ask = ("reg", "query", key, "/v", "ProcessorNameString")

    def answered(bits: str) -> tuple[str, bool | None, bool | None]:
        says = {ask: listing, ("C:/py/python.exe", "-c", "*"): bits}
        found = processor(make(tmp_path, platform="win32", machine="AMD64", executable="C:/py/python.exe", says=says))
        return found.name, found.avx, found.avx2

    assert answered("0 0 0\r\n") == ("Intel Pentium G4400", False, False)
    assert answered("1 1 0\r\n") == ("Intel Pentium G4400", True, False)
    assert answered("1 0 0\r\n") == ("Intel Pentium G4400", True, None), "an old Windows that knows no such number"
    assert answered("Traceback") == ("Intel Pentium G4400", None, None)


def test_no_avx_blocks_tensorflow_and_slows_pytorch() -> None:
    bare = Report(
        platform="linux", machine="x86_64", release="", executable="", hardware=Machine(avx=False, avx2=False)
    )
    (finding,) = machine.judge(bare)
    assert (finding.code, finding.severity) == ("NM304", "slows")
    builds = (FrameworkBuild(name="tensorflow", version="2.21.0"),)
    with_tensorflow = Report(
        **{**vars(bare), "frameworks": Frameworks(versions={"tensorflow": "2.21.0"}, builds=builds)}
    )
    assert machine.judge(with_tensorflow)[0].severity == "blocks"
    only_avx = Report(**{**vars(bare), "hardware": Machine(avx=True, avx2=False)})
    assert machine.judge(only_avx)[0].severity == "slows"
    assert machine.judge(Report(**{**vars(bare), "hardware": Machine()})) == []


# --- disks ------------------------------------------------------------------------------------------------------------


def test_a_full_disk_blocks_and_says_what_can_go(tmp_path: Path) -> None:
    system = make(
        tmp_path,
        disk={"/": [100 * GIB, 2 * GIB]},
        there=["/home/person/.cache/huggingface", "/home/person/.cache/pip"],
        folder_sizes={"/home/person/.cache/huggingface": 30 * GIB, "/home/person/.cache/pip": 3 * GIB},
    )
    facts, findings = disk.probe(system, PROJECT)
    assert codes(findings) == ["NM302"], "one finding a disk"
    assert findings[0].severity == "blocks" and "2.0 GB" in findings[0].what
    assert [line.line for line in findings[0].commands] == [
        "hf cache ls",
        "hf cache prune",
        "python3 -m pip cache purge",
    ]
    assert [(place.purpose, place.size) for place in facts["disk"].places] == [
        ("project", None),
        ("environment", None),
        ("temporary", None),
        ("huggingface", 30 * GIB),
        ("pip", 3 * GIB),
    ]


def test_an_environment_that_is_there_needs_little_more(tmp_path: Path) -> None:
    system = make(tmp_path, disk={"/": [100 * GIB, 5 * GIB // 2]}, there=[f"{PROJECT}/.venv"])
    assert disk.probe(system, PROJECT)[1] == []


def test_a_small_folder_for_temporary_files(tmp_path: Path) -> None:
    system = make(tmp_path, disk={"/": [100 * GIB, 90 * GIB], "/tmp": [GIB, GIB]})
    (finding,) = disk.probe(system, PROJECT)[1]
    assert (finding.code, finding.severity) == ("NM302", "slows")
    assert [line.line for line in finding.commands] == ["mkdir -p /home/person/tmp", "export TMPDIR=/home/person/tmp"]


def test_caches_move_with_their_variables(tmp_path: Path) -> None:
    environ = {"HF_HOME": "/data/hf", "UV_CACHE_DIR": "~/uv", "XDG_CACHE_HOME": "/scratch"}
    there = ["/data/hf", "/home/person/uv", "/scratch/pip", "/home/person/.keras"]
    disks = {"/": [100 * GIB, 90 * GIB], "/data": [10 * GIB, GIB]}
    facts, findings = disk.probe(make(tmp_path, environ=environ, there=there, disk=disks), PROJECT)
    assert [place.path for place in facts["disk"].places[3:]] == [
        "/data/hf",
        "/home/person/.keras",
        "/scratch/pip",
        "/home/person/uv",
    ]
    (finding,) = findings
    assert finding.code == "NM313" and "HF_HOME" in finding.advice


def test_large_caches_are_said_with_their_sizes(tmp_path: Path) -> None:
    cache = "/home/person/.cache/huggingface"
    (finding,) = disk.probe(make(tmp_path, there=[cache], folder_sizes={cache: 80 * GIB}), PROJECT)[1]
    assert finding.what == "Downloaded models and packages take 80 GB (huggingface 80 GB)."


def test_caches_are_shown_the_largest_first(tmp_path: Path) -> None:
    sizes = {"/home/person/.cache/huggingface": 3 * GIB, "/home/person/.cache/uv": 12 * GIB, "/home/person/.keras": 9}
    system = make(tmp_path, there=list(sizes), folder_sizes=sizes, disk={"/": [100 * GIB, 50 * GIB]})
    found = report.inspect(system, folder=PROJECT, checks=["disk"])
    assert ("disk", "downloaded", "uv 12 GB, huggingface 3.0 GB") in panel.facts(found)


def test_a_gpu_build_needs_more() -> None:
    from scaffolder.environment.facts import Accelerators, Gpu

    gpus = Accelerators(gpus=(Gpu(kind="cuda", name="RTX"),))
    place = Place(purpose="environment", path="/p/.venv", total=100 * GIB, free=5 * GIB)
    report = Report(
        platform="linux", machine="x86_64", release="", executable="", accelerators=gpus, disk=Disk(places=(place,))
    )
    assert codes(disk.judge(report)) == ["NM302"]
    installed = Report(**{**vars(report), "frameworks": Frameworks(own=True)})
    assert disk.judge(installed) == []


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    system = make(tmp_path, unwritable=["/home/person/demo"], there=["/home/person/demo"])
    (finding,) = disk.probe(system, PROJECT)[1]
    assert (finding.code, finding.severity) == ("NM311", "blocks")
    assert finding.commands[0].line == 'sudo chown -R "$USER" /home/person/demo'
    (elsewhere,) = disk.probe(make(tmp_path, unwritable=["/srv"], there=["/srv/demo"]), Path("/srv/demo"))[1]
    assert elsewhere.severity == "blocks" and elsewhere.commands == () and not elsewhere.advice.endswith(":")
    (started,) = disk.probe(make(tmp_path, unwritable=["/"]), Path("/"))[1]
    assert started.severity == "note", "newmodel was merely started there"
    cache = "/home/person/.cache/pip"
    (finding,) = disk.probe(make(tmp_path, unwritable=[cache], there=[cache]), PROJECT)[1]
    assert (finding.code, finding.severity) == ("NM311", "slows")


WSL = (
    "60 50 8:32 / / rw,relatime - ext4 /dev/sdc rw\n"
    "92 60 0:42 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs;path=C:\\;uid=1000\n"
)


@pytest.mark.parametrize(
    ("table", "folder", "words"),
    [
        (WSL, "/mnt/c/Users/li/demo", "disk of Windows"),
        (WSL, "/home/person/demo", ""),
        ("1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / /home rw - nfs4 server:/home rw\n", "/home/li/demo", "nfs4"),
        ("1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / /scratch rw - lustre a@tcp:/s rw\n", "/scratch/demo", "cluster"),
        ("1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / /home rw - nfs4 server:/home rw\n", "/homework", ""),
        ("", "/home/li/demo", ""),
    ],
)
def test_file_systems_that_are_far_away(tmp_path: Path, table: str, folder: str, words: str) -> None:
    findings = disk.probe(make(tmp_path, texts={"/proc/self/mountinfo": table}), Path(folder))[1]
    assert (words in findings[0].what) if words else findings == []
    if words:
        assert (findings[0].code, findings[0].severity) == ("NM307", "slows")
    if words == "disk of Windows":
        assert findings[0].commands[0].line == "mv /mnt/c/Users/li/demo /home/person/"


def test_a_macos_share_and_its_mount_table(tmp_path: Path) -> None:
    table = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)\n"
        "//li@nas/work (old) on /Volumes/work (old) (smbfs, nodev, nosuid, mounted by li)\n"
    )
    system = make(tmp_path, platform="darwin", says={("mount",): table})
    assert codes(disk.probe(system, Path("/Volumes/work (old)/demo"))[1]) == ["NM307"]
    here = mount_of(mounts(system), "/Users/li")
    assert here is not None and here.kind == "apfs"


def test_blanks_in_a_mount_point(tmp_path: Path) -> None:
    system = make(tmp_path, texts={"/proc/self/mountinfo": "1 0 0:1 / /my\\040data rw - cifs //nas/d rw\n"})
    assert mounts(system)[0].point == "/my data"


def test_a_linux_folder_that_ignores_capitals(tmp_path: Path) -> None:
    table = "1 0 0:1 / / rw - vfat /dev/sda rw\n"
    there = ["/home/person/demo", "/home/person/DEMO"]
    facts, findings = disk.probe(make(tmp_path, texts={"/proc/self/mountinfo": table}, there=there), PROJECT)
    assert facts["disk"].case_sensitive is False
    assert codes(findings) == ["NM308"]
    mac = make(tmp_path, platform="darwin", there=there)
    assert disk.probe(mac, PROJECT)[1] == [], "usual there"


def windows(tmp_path: Path, folder: str, home: str = "C:/Users/li", long_paths: bool = True, **answers: Any) -> Any:
    key = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem"
    listing = f"\r\n{key}\r\n    LongPathsEnabled    REG_DWORD    0x{int(long_paths)}\r\n\r\n"
    says = {("reg", "query", key, "/v", "LongPathsEnabled"): listing, **answers.pop("says", {})}
    system = make(tmp_path, platform="win32", machine="AMD64", home=home, says=says, **answers)
    return disk.probe(system, Path(folder))


def test_long_paths_of_windows(tmp_path: Path) -> None:
    facts, findings = windows(tmp_path, "C:\\ml\\demo")
    assert facts["disk"].long_paths is True and findings == []
    (short,) = windows(tmp_path, "C:\\ml\\demo", long_paths=False)[1]
    assert (short.code, short.severity) == ("NM309", "note")
    (long,) = windows(tmp_path, "C:\\Users\\li\\" + "x" * 60, long_paths=False)[1]
    assert (long.code, long.severity) == ("NM309", "blocks")
    assert "LongPathsEnabled" in long.commands[0].line and not long.commands[0].arguments


def test_chinese_letters_matter_on_windows_alone(tmp_path: Path) -> None:
    findings = windows(tmp_path, "C:/Users/李雷/项目", home="C:/Users/李雷")[1]
    assert codes(findings) == ["NM310", "NM310"]
    assert 'setx HF_HOME "C:\\ml\\huggingface"' in [line.line for line in findings[1].commands]
    assert disk.probe(make(tmp_path, home="/home/李雷"), Path("/home/李雷/项目"))[1] == []


@pytest.mark.parametrize(
    ("folder", "says", "words"),
    [
        ("\\\\nas\\work\\demo", {}, "nas"),
        ("\\\\wsl.localhost\\Ubuntu\\home\\li\\demo", {}, "Subsystem for Linux"),
        (
            "Z:\\demo",
            {("reg", "query", "HKCU\\Network\\Z", "*"): "    RemotePath    REG_SZ    \\\\nas\\work\r\n"},
            "nas",
        ),
        ("D:\\demo", {}, ""),
    ],
)
def test_windows_shares(tmp_path: Path, folder: str, says: dict[tuple[str, ...], str], words: str) -> None:
    findings = windows(tmp_path, folder, says=says)[1]
    assert [words in finding.what for finding in findings] == ([True] if words else [])


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("C:\\Users\\li\\OneDrive - Firma\\demo", "OneDrive"),
        ("/Users/li/Library/CloudStorage/Dropbox-Team/demo", "Dropbox"),
        ("/Users/li/Library/Mobile Documents/com~apple~CloudDocs/demo", "iCloud"),
        ("D:/我的坚果云/demo", "Nutstore"),
        ("/home/li/dropboxes/demo", ""),
        ("/home/li/demo", ""),
    ],
)
def test_folders_that_are_copied_to_the_internet(path: str, service: str) -> None:
    assert synchronised(path) == service


# --- bad input --------------------------------------------------------------------------------------------------------

PATHS = [
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/cpuinfo",
    *(f"/sys/fs/cgroup/{name}" for name in ("memory.max", "memory.high", "memory.current", "memory.stat", "cpu.max")),
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
]
NUMBERS = st.sampled_from(
    [b"0", b"-1", b"max", b"1", b"100000 0", b"0 100000", b"99999999999999999999999999", "٣".encode()]
)
LINES = st.sampled_from(
    [
        b"0::/../../x",
        b"::",
        b"0::",
        b"5:memory:a",
        b"1 2 3 / / rw - cgroup2 c rw",
        b"1 2 3 /x /sys - cgroup c rw,memory",
    ]
)
GARBAGE = st.one_of(st.binary(max_size=200), NUMBERS, st.lists(LINES).map(b"\n".join))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(GARBAGE, min_size=len(PATHS), max_size=len(PATHS)),
    GARBAGE,
    st.sampled_from(["linux", "darwin", "win32"]),
    st.sampled_from(["/", "C:\\x", "relative", "\\\\", "/mnt/c/李"]),
)
def test_garbage_from_every_tool_is_no_crash(
    tmp_path: Path, texts: list[bytes], answer: bytes, platform: str, folder: str
) -> None:
    system = make(
        tmp_path,
        platform=platform,
        memory=[GIB, GIB],
        texts=dict(zip(PATHS, texts, strict=True)),
        says={(word, "*"): answer for word in ("mount", "sysctl", "reg", "/usr/bin/python3")},
    )
    for probe in (machine.probe, disk.probe):
        facts, findings = probe(system, Path(folder))
        for finding in findings:
            assert finding.what and finding.meaning
        assert facts


def test_this_machine_is_asked_quickly() -> None:
    import time

    began = time.perf_counter()
    facts = machine.probe(RealSystem(), Path.cwd())[0]
    disk.probe(RealSystem(), Path.cwd())
    assert time.perf_counter() - began < 2.0  # usually a tenth of it; the caches alone may take 0.2 s
    assert facts["hardware"].memory_total


# --- git and uv -------------------------------------------------------------------------------------------------------


def test_git_and_uv_and_whose_name(tmp_path: Path) -> None:
    which = {"git": "/usr/bin/git", "uv": "/usr/bin/uv"}
    says: dict[tuple[str, ...], str | bytes | int] = {
        ("/usr/bin/git", "--version"): "git version 2.39.5 (Apple Git-154)\n",
        ("/usr/bin/git", "config", "user.name"): "李雷\n",
        ("/usr/bin/uv", "--version"): 1,
    }
    facts, findings = tools.probe(make(tmp_path, which=which, says=says))
    found = facts["tools"]
    assert (found.git, found.git_user, found.uv) == ("2.39.5", "李雷", None)
    assert findings == []


def test_git_without_a_name(tmp_path: Path) -> None:
    git = "/usr/bin/git"
    says: dict[tuple[str, ...], str | bytes | int] = {
        (git, "--version"): "git version 2.43.0\n",
        (git, "config", "*"): 1,
    }
    (finding,) = tools.probe(make(tmp_path, which={"git": git}, says=says))[1]
    assert finding.code == "NM602"
    assert finding.commands[0].line == "git config --global user.name 'Your Name'"
    assert not finding.commands[0].arguments, "nobody is called so"


@pytest.mark.parametrize(
    ("answers", "line"),
    [
        ({"texts": {"/etc/os-release": "ID=fedora\n"}}, "sudo dnf install git"),
        ({"texts": {"/etc/os-release": "ID=debian\n"}, "user": "root"}, "apt install git"),
        ({"platform": "darwin"}, "xcode-select --install"),
        ({"platform": "win32"}, "winget install --id Git.Git -e"),
    ],
)
def test_how_git_is_installed(tmp_path: Path, answers: dict[str, Any], line: str) -> None:
    (finding,) = tools.probe(make(tmp_path, **answers))[1]
    assert (finding.code, finding.commands[0].line) == ("NM601", line)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=100), st.sampled_from(["linux", "darwin", "win32"]))
def test_garbage_from_git_and_uv_is_no_crash(tmp_path: Path, raw: bytes, platform: str) -> None:
    which = {"git": "/bin/git", "uv": "/bin/uv"}
    says: dict[tuple[str, ...], str | bytes | int] = {("/bin/git", "*"): raw, ("/bin/uv", "*"): raw}
    facts, _findings = tools.probe(make(tmp_path, platform=platform, which=which, says=says))
    assert facts["tools"] is not None
