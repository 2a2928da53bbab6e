"""Which build of a framework fits this machine: driver, chip, Python, operating system and architecture together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scaffolder.environment.builds.compatibility import (
    Row,
    at_least,
    last_driver,
    package,
    pair,
    table,
)
from scaffolder.environment.facts import Command, Gpu, Report, command
from scaffolder.messages import _

LABELS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}

#: NVIDIA's own wheels for Jetson boards, by the Linux release of the board.
#: https://docs.pytorch.org/TensorRT/getting_started/jetpack.html and https://pypi.jetson-ai-lab.io
JETSON_INDEXES = {36: "https://pypi.jetson-ai-lab.io/jp6/cu126"}

#: From this release on (JetPack 7) a Jetson takes the builds that servers with the same architecture take.
_JETSON_AS_SERVER = 38


@dataclass(frozen=True, kw_only=True)
class Build:
    """The build to install.

    Attributes:
        version: Of the framework; empty where a maker's own index decides it.
        name: `cu130`, `cu126`, `rocm7.2`, `xpu`, `and-cuda`, `pypi`, `jetson` or `cpu`.
        index: The package index that has it; empty for the one that pip and uv use anyway.
        extra: The extra of the package, `and-cuda`.
        python: Lowest Python, and the first that is too new.
        pip, uv: What to type into an environment that is active.
        gpu: The device it was chosen for; None for the processor.
        driver: The driver that has to be installed before the GPU is used; empty where the one here is new enough.
        reason: Why this one, in one sentence.
        upgrade: What to do to get more out of this machine; empty where nothing is missing.
    """

    framework: str
    version: str
    accelerator: str
    name: str
    index: str = ""
    extra: str = ""
    python: tuple[str, str] = ("", "")
    pip: tuple[Command, ...] = ()
    uv: tuple[Command, ...] = ()
    gpu: Gpu | None = None
    driver: str = ""
    reason: str = ""
    upgrade: str = ""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What the table says of one GPU.

    Attributes:
        rows: Builds that have code for the chip, the preferred ones first.
        row: The first of them that the driver is new enough for; None if none is.
    """

    gpu: Gpu
    rows: tuple[Row, ...]
    row: Row | None


def fitting_build(report: Report, framework: str, accelerator: str | None = None) -> Build | None:
    """The build that fits; None where the framework has none for this operating system and architecture.

    Args:
        accelerator: For a device of this kind alone, `cpu` for none; by default for the best that is here.
    """
    known = rows(report, framework)
    if not known:
        return None
    if jetson_needs_own(report) and accelerator in (None, "cuda"):
        return _jetson(report, framework) or _for_cpu(report, known)
    for kind in ("cuda", "rocm", "mps", "xpu"):
        if accelerator in (None, kind):
            build = _for_gpu(report, framework, kind)
            if build is not None:
                return build
    return _for_cpu(report, known)


def rows(report: Report, framework: str) -> list[Row]:
    """The builds that can run on this system, architecture, C library and processor."""
    return [
        row
        for row in table().rows(framework, report.platform, architecture(report))
        if libc_suffices(report, row) and not (row.avx and report.hardware.avx is False)
    ]


def libc_suffices(report: Report, row: Row) -> bool:
    """No framework has wheels for musl; an unknown library counts as new enough."""
    name, _space, version = report.libc.partition(" ")
    return not row.glibc or not name or (name == "glibc" and at_least(version, row.glibc))


def architecture(report: Report) -> str:
    """The machine's own, also where newmodel's Python was built for another one (Rosetta).

    Windows on ARM runs the packages for x64, which are the only ones that PyPI has for Windows.
    """
    if report.platform == "darwin" and report.gpu("mps") is not None:
        return "arm64"
    return "AMD64" if report.platform == "win32" and report.machine == "ARM64" else report.machine


def match(report: Report, framework: str, gpu: Gpu) -> Match:
    """The builds for one GPU."""
    able = tuple(row for row in rows(report, framework) if row.accelerator == gpu.kind and _has_code(row, gpu))
    fitting = next((row for row in able if driver_suffices(report, row)), None)
    return Match(gpu=gpu, rows=able, row=fitting)


def driver_suffices(report: Report, row: Row) -> bool:
    needed = needed_driver(report, row)
    return not needed or at_least(report.accelerators.driver, needed)


def needed_driver(report: Report, row: Row) -> str:
    """The lowest driver for a build here; inside WSL it is the one of Windows."""
    if report.accelerators.wsl:
        return row.needs_driver("win32") or row.needs_driver("linux")
    return row.needs_driver(report.platform)


def _has_code(row: Row, gpu: Gpu) -> bool:
    if gpu.kind == "rocm":
        return not gpu.target or not row.targets or gpu.target in row.targets
    return row.has_code_for(gpu.capability)


def macos_suffices(report: Report, row: Row) -> bool:
    return not row.macos or report.accelerators.macos is None or report.accelerators.macos >= pair(row.macos)


# --- one kind of device -----------------------------------------------------------------------------------------------


def _for_gpu(report: Report, framework: str, kind: str) -> Build | None:
    """The build that serves most GPUs of a kind; of several such the preferred one."""
    found = [match(report, framework, gpu) for gpu in report.accelerators.gpus if gpu.kind == kind]
    usable = [one for one in found if one.row is not None]
    if not usable:
        return _after_the_driver(report, found)
    # of equals the first, which is preferred, and max keeps it
    candidates = [row for row in rows(report, framework) if any(_serves(report, row, one) for one in usable)]
    row = max(candidates, key=lambda row: sum(_serves(report, row, one) for one in found))
    if not macos_suffices(report, row):
        return None
    best = next(one for one in usable if _serves(report, row, one))
    left = [one.gpu for one in found if not _serves(report, row, one)]
    return _build(
        report,
        row,
        gpu=best.gpu,
        reason=_reason(report, row, best.gpu),
        upgrade=_not_served(row, left[0]) if left else _upgrade(report, best),
    )


def _serves(report: Report, row: Row, one: Match) -> bool:
    return row in one.rows and driver_suffices(report, row)


def _reason(report: Report, row: Row, gpu: Gpu) -> str:
    if row.accelerator == "cuda" and row.chips:
        chip = ".".join(map(str, gpu.capability)) if gpu.capability else _("unknown")
        return _("{gpu} (compute capability {chip}) with driver {driver} runs the build {build}.").format(
            gpu=gpu.name, chip=chip, driver=report.accelerators.driver or _("unknown"), build=row.name
        )
    if row.accelerator == "rocm":
        return _("{gpu} ({target}) runs the build {build}.").format(
            gpu=gpu.name, target=gpu.target or _("unknown"), build=row.name
        )
    if row.accelerator == "mps":
        return _("PyPI's build for Macs uses {gpu}; it needs macOS {version} or newer.").format(
            gpu=gpu.name, version=row.macos
        )
    return _("{gpu} is used by the build {build} alone.").format(gpu=gpu.name, build=row.name)


def _not_served(row: Row, gpu: Gpu) -> str:
    return _("{gpu} is not served by the build {build}: no build has code for all GPUs here.").format(
        gpu=gpu.name, build=row.name
    )


def _upgrade(report: Report, one: Match) -> str:
    preferred = one.rows[0]
    if one.row is preferred:
        return ""
    return _("With driver {version} or newer the build {build} could be used, which is tested more widely.").format(
        version=needed_driver(report, preferred), build=preferred.name
    )


def _after_the_driver(report: Report, found: Sequence[Match]) -> Build | None:
    """The build that asks least of the driver: it trains on the processor until that has been updated."""
    one = next((one for one in found if one.rows), None)
    if one is None:
        return None
    row = one.rows[-1]
    needed, branch = needed_driver(report, row), last_driver(one.gpu.capability)
    upgrade = _("With driver {version} or newer, {gpu} is used.").format(version=needed, gpu=one.gpu.name)
    if branch:
        upgrade += _(" The newest for it begins with {branch}.").format(branch=branch)
    return _build(
        report,
        row,
        gpu=one.gpu,
        driver=needed,
        reason=_("The driver has to be updated first; until then this build trains on the processor."),
        upgrade=upgrade,
    )


def _for_cpu(report: Report, known: Sequence[Row]) -> Build | None:
    row = next((row for row in known if row.accelerator == "cpu"), None)
    if row is None or not macos_suffices(report, row):
        return None
    place = report.accelerators
    if place.gpus:
        reason = _("No GPU here can be used by {framework}; this build trains on the processor.")
    elif place.unusable:
        reason = _("The GPU here cannot be used yet; this build of {framework} trains on the processor.")
    else:
        reason = _("No GPU was found; this build of {framework} trains on the processor.")
    upgrade = _("Once the GPU can be used, look again: another build will fit then.")
    return _build(
        report,
        row,
        gpu=None,
        reason=reason.format(framework=LABELS[row.framework]),
        upgrade=upgrade if place.unusable and not place.gpus else "",
    )


# --- NVIDIA's boards --------------------------------------------------------------------------------------------------


def _as_server(report: Report) -> bool:
    release = report.accelerators.jetson_release
    return release is not None and release[0] >= _JETSON_AS_SERVER and _is_thor(report)


def _is_thor(report: Report) -> bool:
    return any(gpu.capability is not None and gpu.capability >= (11, 0) for gpu in report.accelerators.gpus)


def jetson_needs_own(report: Report) -> bool:
    """Whether this is a Jetson that the frameworks' own builds have no code for."""
    return bool(report.accelerators.jetson) and not _as_server(report)


def _jetson(report: Report, framework: str) -> Build | None:
    release = report.accelerators.jetson_release
    index = JETSON_INDEXES.get(release[0]) if release is not None else None
    if framework != "pytorch" or index is None:
        return None
    return Build(
        framework=framework,
        version="",
        accelerator="cuda",
        name="jetson",
        index=index,
        python=("3.10", "3.11"),
        pip=(command(report, "python", "-m", "pip", "install", "torch", "--index-url", index),),
        uv=(command(report, "uv", "pip", "install", "torch", "--index-url", index),),
        gpu=report.gpu("cuda"),
        reason=_("A Jetson needs the builds that NVIDIA makes for its release of Linux."),
    )


# --- commands ---------------------------------------------------------------------------------------------------------


def _build(report: Report, row: Row, *, gpu: Gpu | None, reason: str, upgrade: str, driver: str = "") -> Build:
    version = table().version(row.framework)
    name = package(row.framework)
    wanted = [f"{name}[{row.extra}]=={version}" if row.extra else f"{name}=={version}"]
    if row.framework == "tensorflow":
        wanted.append(f"keras=={table().pins['keras']}")
    index = ["--index-url", row.index] if row.index else []
    return Build(
        framework=row.framework,
        version=version,
        accelerator=row.accelerator,
        name=row.name,
        index=row.index,
        extra=row.extra,
        python=table().python[row.framework],
        pip=(command(report, "python", "-m", "pip", "install", *wanted, *index),),
        uv=(command(report, "uv", "pip", "install", *wanted, *index),),
        gpu=gpu,
        driver=driver,
        reason=reason,
        upgrade=upgrade,
    )
