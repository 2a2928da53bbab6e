"""What the probes find out: one immutable tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Severity = Literal["blocks", "slows", "note"]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Something to type.

    Attributes:
        line: As it is typed into this system's usual shell (sh, or PowerShell on Windows).
        arguments: The same as a list of words where `newmodel doctor --fix` may run it: it needs no administrator, is
            no driver, and can be undone. Empty where a person must do it.
    """

    line: str
    arguments: tuple[str, ...] = ()


class _Platform(Protocol):
    @property
    def platform(self) -> str: ...


def command(system: _Platform, *arguments: str, safe: bool = False) -> Command:
    """One command, quoted for the shell of `system`; `safe` allows `newmodel doctor --fix` to run it."""
    return Command(line=quoted(arguments, system.platform), arguments=arguments if safe else ())


def consented(system: _Platform, *arguments: str) -> Command:
    """A command of newmodel that asks before it writes and can be undone: `--fix` has asked already."""
    return Command(line=quoted(arguments, system.platform), arguments=(*arguments, "--yes"))


def quoted(arguments: Sequence[str], platform: str) -> str:
    """Words as one line: for PowerShell on Windows, for sh elsewhere."""
    if platform != "win32":
        import shlex

        return shlex.join(arguments)
    words = ["'" + word.replace("'", "''") + "'" if _special(word) else word for word in arguments]
    # PowerShell takes a quoted first word for a text, not for a program
    return ("& " if words and words[0].startswith("'") else "") + " ".join(words)


def _special(word: str) -> bool:
    return not word or any(character in " '\"`$&|<>()[]{};,@#%" for character in word)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not as it could be.

    Attributes:
        code: Stable name, `NM` and three digits; the first digit says the area.
        severity: `blocks` training, `slows` it, or is a `note`.
        what: One sentence: what is so.
        meaning: One sentence: what that means for training.
        advice: What to do, in words, where the commands alone do not say it.
        commands: What to type, in this order; empty where nothing needs typing.
        check: Name of the check that found it, as `newmodel doctor --list` shows it; filled in by the report.
    """

    code: str
    severity: Severity
    what: str
    meaning: str
    advice: str = ""
    commands: tuple[Command, ...] = ()
    check: str = ""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python on this machine.

    Attributes:
        path: Its executable.
        version: Three numbers.
        bits: 64 or 32.
        machine: The architecture it was built for.
        can_make_venv: Whether the modules `venv` and `ensurepip` are there.
        has_pip: Whether `python -m pip` works.
        missing: Standard modules that this build lacks, because a system library was not there when it was built.
        managed: Whether the operating system forbids pip to install into it (PEP 668).
        source: Who brought it: `uv`, `pyenv`, `conda`, `homebrew`, `python.org`, `store` or `system`; empty if unknown.
        free_threaded: Whether it is a build without the global lock: few packages are made for those.
    """

    path: str
    version: tuple[int, int, int]
    bits: int = 64
    machine: str = ""
    can_make_venv: bool = True
    has_pip: bool = True
    missing: tuple[str, ...] = ()
    managed: bool = False
    source: str = ""
    free_threaded: bool = False

    @property
    def text(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, kw_only=True)
class GpuProcess:
    """A program that holds memory of a GPU; `used` in bytes, None where the driver does not tell."""

    pid: int
    name: str = ""
    used: int | None = None


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One device that can train.

    Attributes:
        kind: `cuda` (NVIDIA), `rocm` (AMD), `mps` (Apple) or `xpu` (Intel): the answers of copier.yml's `accelerator`.
        total, free: Bytes of its memory, None where unknown or shared with the processor.
        capability: NVIDIA's compute capability, (8, 6) for 8.6.
        target: AMD's name of the instruction set, `gfx1100`.
        index: NVIDIA's number of the device, as CUDA_VISIBLE_DEVICES takes it.
        uuid: NVIDIA's lasting name of the device.
        mig: Whether it is cut into slices (Multi-Instance GPU).
        slices: The slices' names, where they could be listed.
        ecc_errors: Uncorrected memory errors since the last restart.
        throttle: What holds the clock down now, as `nvml.THROTTLE_REASONS` names it.
        compute_mode: `default`, `exclusive` or `prohibited`.
        utilization: Percent of the time in which it was computing.
        processes: Programs that hold its memory.
    """

    kind: Literal["cuda", "rocm", "mps", "xpu"]
    name: str
    total: int | None = None
    free: int | None = None
    capability: tuple[int, int] | None = None
    target: str = ""
    index: int | None = None
    uuid: str = ""
    mig: bool = False
    slices: tuple[str, ...] = ()
    ecc_errors: int | None = None
    throttle: tuple[str, ...] = ()
    compute_mode: str = "default"
    utilization: int | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Accelerators:
    """What can train besides the processor.

    Attributes:
        gpus: Devices that a program can use now.
        unusable: Devices that are here but out of reach: no driver, no permission, a chip without support.
        driver: Version of NVIDIA's driver, empty where there is none.
        cuda: Highest CUDA version that the driver supports, (13, 0); None where unknown.
        source: Who told of NVIDIA's devices: `nvml`, `nvidia-smi`, `jetson` or empty.
        visible: CUDA_VISIBLE_DEVICES as it is set, None where it is not.
        wsl: 2 or 1 inside the Windows Subsystem for Linux, otherwise 0.
        container: `docker`, `podman`, `kubernetes`, `container` (another one) or empty.
        jetson: Model of an NVIDIA Jetson, empty elsewhere.
        jetson_release: Its Linux release, (36, 4) for JetPack 6; None elsewhere.
        macos: Version of macOS, (15, 6); None elsewhere.
        rocm: Version of AMD's ROCm on this machine, empty where there is none.
    """

    gpus: tuple[Gpu, ...] = ()
    unusable: tuple[Gpu, ...] = ()
    driver: str = ""
    cuda: tuple[int, int] | None = None
    source: str = ""
    visible: str | None = None
    wsl: int = 0
    container: str = ""
    jetson: str = ""
    jetson_release: tuple[int, int] | None = None
    macos: tuple[int, int] | None = None
    rocm: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Memory, processor and disk; sizes in bytes, None where unknown.

    Attributes:
        memory_total: What a program here may use at most: the container's limit where there is one.
        memory_available: What is free of it now.
        memory_limited: Whether a container's limit is below the machine's memory.
        memory_installed: The machine's own memory, whatever a container may use of it.
        swap_total, swap_free: Disk space that stands in for memory.
        shared_memory: Size of /dev/shm, where data workers hand over batches; 0 where it is missing, None where the
            operating system does it another way.
        cores: Processor cores that a program here may use; a container's quota is rounded up.
        cores_installed: Those that this program may be put on, before the quota.
        cpu_quota: Cores of a container's quota, 1.5 for one and a half; None without one.
        cpu_name: The processor in its maker's words.
        avx, avx2: Whether it has these instructions, which frameworks are built with; None where it has another
            architecture, or nobody can tell.
        disk_free: Where the project will be.
    """

    memory_total: int | None = None
    memory_available: int | None = None
    memory_limited: bool = False
    memory_installed: int | None = None
    swap_total: int | None = None
    swap_free: int | None = None
    shared_memory: int | None = None
    cores: int = 1
    cores_installed: int = 1
    cpu_quota: float | None = None
    cpu_name: str = ""
    avx: bool | None = None
    avx2: bool | None = None
    disk_free: int | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder that training writes to, and the disk below it.

    Attributes:
        purpose: `project`, `environment`, `temporary`, or the cache's name: `pip`, `uv`, `huggingface`, `torch`,
            `keras`, `modelscope`.
        path: The folder; it need not be there yet.
        total, free: Bytes of its disk.
        kind: Its file system, such as `ext4`, `nfs4`, `9p`; empty where unknown.
        size: Bytes of the folder itself, None where nobody counted or counting took too long.
    """

    purpose: str
    path: str
    total: int | None = None
    free: int | None = None
    kind: str = ""
    size: int | None = None


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Where files go.

    Attributes:
        places: The project first, then its environment, the folder for temporary files, and the caches that are there.
        case_sensitive: Whether `Data` and `data` are two files where the project is; None where unknown.
        long_paths: Whether Windows allows paths of more than 260 characters; None elsewhere.
        synchronised: The service that copies the project's folder to the internet, `OneDrive`; empty without one.
    """

    places: tuple[Place, ...] = ()
    case_sensitive: bool | None = None
    long_paths: bool | None = None
    synchronised: str = ""


@dataclass(frozen=True, kw_only=True)
class FrameworkBuild:
    """One framework as it is installed, and how far it got on this machine's devices.

    Attributes:
        name: `torch` or `tensorflow`.
        build: What it was built for: `cpu`, `cu130` (CUDA 13.0), `rocm7.1`, `xpu`, `mps`; empty where unknown.
        architectures: Chips that it has code for: `sm_86`, `compute_120`, `gfx1100`; empty where unknown.
        devices: Devices that it sees besides the processor, in its own words.
        works: Whether it multiplied two matrices on every device; None where it was not tried.
        error: What it said where it failed.
        seconds: How long its import took.
    """

    name: str
    version: str = ""
    build: str = ""
    architectures: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    works: bool | None = None
    error: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Frameworks:
    """What is installed in one interpreter, by the package's name; nothing was imported to find out.

    Attributes:
        python: The interpreter.
        own: Whether it is of the project's own environment.
        versions: Of the packages that matter for training.
        builds: Of the frameworks, as their files say.
        libraries: Versions of the CUDA libraries that were installed with them, such as nvidia-cudnn-cu13.
        foreign_libraries: Folders in LD_LIBRARY_PATH that have CUDA libraries, which are taken before those.
        required_by: Installed packages that need torch or tensorflow, by the framework's name.
        install: Words of a command that installs what is named after them into this interpreter.
        virtual: Whether it is of a virtual environment: what is installed there can be taken back.
        keras_backend: The one that Keras would take; empty without Keras.
        wanted_index: Address of the package index that the project's pyproject.toml names for torch.
    """

    python: str = ""
    own: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    builds: tuple[FrameworkBuild, ...] = ()
    libraries: dict[str, str] = field(default_factory=dict)
    foreign_libraries: dict[str, tuple[str, ...]] = field(default_factory=dict)
    required_by: dict[str, tuple[str, ...]] = field(default_factory=dict)
    install: tuple[str, ...] = ()
    virtual: bool = False
    keras_backend: str = ""
    wanted_index: str = ""


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """Where the time of a project's newest profiled training went.

    Attributes:
        name: Of its folder in `runs/`.
        data, host, device: Shares of the time, 0 to 1: waiting for data, the processor's own work, computing.
        cause: What held it up, as the project's slow_causes.py names it: `data_loading`, `single_worker`,
            `small_batch`, `logging`, `precision`, `host` or `device`; empty where the profile names none.
        advice: The profile's own advice.
        batch_size: Rows of a step; None where unknown.
    """

    name: str
    data: float | None = None
    host: float | None = None
    device: float | None = None
    cause: str = ""
    advice: str = ""
    batch_size: int | None = None


@dataclass(frozen=True, kw_only=True)
class ProjectState:
    """A project's folder.

    Attributes:
        known: Whether newmodel made it.
        settings: The file that names its packages; empty where there is none.
        requires_python: As that file says.
        environment: `ready`, `none`, `broken` (its Python is gone), `moved`, `unfinished` or `wrong-python`; empty
            where the project needs none.
        python: Version in the environment, empty where unknown.
        installs: What to hand to pip's install, one command after the other, to install the project.
        files: Python files that were compiled.
        run: The newest training that was profiled.
    """

    known: bool = False
    settings: str = ""
    requires_python: str = ""
    environment: str = ""
    python: str = ""
    installs: tuple[tuple[str, ...], ...] = ()
    files: int = 0
    run: LastRun | None = None


@dataclass(frozen=True, kw_only=True)
class PyCharm:
    """One installation.

    Attributes:
        folder: The installation's folder.
        launcher: The program that starts it.
        version: As `product-info.json` says, empty where unknown.
        build: Its build number, `261.22158.340`.
        edition: `PyCharm` or `PyCharm Community`.
        source: Who installed it: `toolbox`, `snap`, `flatpak`, or empty.
        configuration: Folder of the person's own settings for this version, empty where it has never been started.
        heap: Megabytes of its largest heap, None where unknown.
        heap_wanted: Megabytes that suit this machine's memory, None where its memory is unknown.
    """

    folder: str
    launcher: str
    version: str = ""
    build: str = ""
    edition: str = "PyCharm"
    source: str = ""
    configuration: str = ""
    heap: int | None = None
    heap_wanted: int | None = None


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Versions of programs that newmodel uses, None where they are missing.

    Attributes:
        git_user: The name that git signs with, if it has been told one.
    """

    git: str | None = None
    git_user: str | None = None
    uv: str | None = None
    uv_path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Indexes:
    """Which package indexes answered; None where nobody asked."""

    pytorch: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that training needs, and how it answered.

    Attributes:
        role: `packages`, `pytorch`, `hub`, `modelscope`, or one that could stand in: `mirror`, `hub mirror`.
        url: The address that was asked, without a password.
        name: Of a mirror, as `newmodel mirrors --use` takes it.
        reachable: Whether anything answered.
        seconds: Until the sample that is read was there.
        issuer: Who signed the server's certificate.
        error: Why it did not answer, as `WebAnswer.error`.
    """

    role: str
    url: str
    name: str = ""
    reachable: bool = False
    seconds: float | None = None
    issuer: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What this machine can reach.

    Attributes:
        asked: Whether anybody tried.
        servers: Those that were asked.
        proxy: The proxy that programs here are told to use, without a password; empty without one.
        proxy_source: Who tells: the environment variable's name, `system`, or `pip`.
        proxy_script: Address of an automatic proxy configuration, which Python programs cannot follow.
        certificates: File of certificates that pip was told to trust instead of the usual ones; empty without one.
        clock_error: Seconds that this machine's clock is ahead of the servers'; None where unknown.
    """

    asked: bool = False
    servers: tuple[Server, ...] = ()
    proxy: str = ""
    proxy_source: str = ""
    proxy_script: str = ""
    certificates: str = ""
    clock_error: float | None = None

    @property
    def offline(self) -> bool:
        """Whether servers were asked and none answered."""
        return self.asked and bool(self.servers) and not any(server.reachable for server in self.servers)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is known about this machine.

    Attributes:
        executable: The Python that newmodel runs in, or the one below its virtual environment.
        folder: Where a project is or will be.
        checks: Names of the checks that were made.
        interpreters: Newest first.
        computed: Frameworks that were imported and tried.
        project: What is so in the project's folder.
        pycharm: Newest first.
        pycharm_running: Whether one runs now.
        libc: Linux' C library and its version, `glibc 2.39` or `musl 1.2.5`; empty elsewhere and where unknown.
        findings: The worst first.
    """

    platform: str
    machine: str
    release: str
    executable: str
    folder: str = ""
    checks: tuple[str, ...] = ()
    interpreters: tuple[Interpreter, ...] = ()
    accelerators: Accelerators = Accelerators()
    hardware: Machine = Machine()
    disk: Disk = Disk()
    frameworks: Frameworks = Frameworks()
    computed: tuple[FrameworkBuild, ...] = ()
    project: ProjectState = ProjectState()
    pycharm: tuple[PyCharm, ...] = ()
    pycharm_running: bool = False
    tools: Tools = Tools()
    libc: str = ""
    indexes: Indexes = Indexes()
    network: Network = Network()
    findings: tuple[Finding, ...] = ()

    def python_for(self, oldest: tuple[int, int], too_new: tuple[int, int]) -> Interpreter | None:
        """The interpreter to use where the version must be at least `oldest` and below `too_new`.

        newmodel's own, where it fits: it is known to work. Otherwise the newest that does.
        """
        fitting = [
            interpreter
            for interpreter in self.interpreters
            if oldest <= interpreter.version[:2] < too_new and interpreter.bits == 64
        ]
        usable = [interpreter for interpreter in fitting if interpreter.can_make_venv] or fitting
        # one of conda's environments may be deleted, and what was built without parts fails at the first download
        usable = [one for one in usable if not set(one.missing) - {"readline"} and one.source != "conda"] or usable
        usable = [one for one in usable if not one.free_threaded] or usable
        if self.platform == "win32":
            usable = [one for one in usable if one.machine != "ARM64"]
        if self.gpu("mps") is not None:
            # no framework has packages for an Intel Python on a Mac any more
            usable = [one for one in usable if one.machine != "x86_64"]
        own = [interpreter for interpreter in usable if interpreter.path == self.executable]
        return next(iter(own or usable), None)

    @property
    def arm_python_alone(self) -> bool:
        """Windows on ARM without a Python for x64, the kind that the frameworks have packages for."""
        return (
            self.platform == "win32"
            and bool(self.interpreters)
            and all(one.machine == "ARM64" for one in self.interpreters)
        )

    @property
    def intel_python_alone(self) -> bool:
        """An Apple chip whose Pythons are all Intel's, under Rosetta."""
        return self.gpu("mps") is not None and all(one.machine == "x86_64" for one in self.interpreters)

    def gpu(self, kind: str) -> Gpu | None:
        """The first device of this kind."""
        return next((gpu for gpu in self.accelerators.gpus if gpu.kind == kind), None)

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def newest_first(version: str) -> tuple[int, ...]:
    """A sort key for version texts such as `2026.1.2`."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def project_python(project: Path, platform: str) -> Path:
    """Where a project's own interpreter is, once there is one."""
    return project / ".venv" / ("Scripts/python.exe" if platform == "win32" else "bin/python")
