"""What follows from driver, chip, Python, operating system and architecture together."""

from __future__ import annotations

from typing import Any

from scaffolder.environment.builds.builds import (
    JETSON_INDEXES,
    LABELS,
    Build,
    fitting_build,
    jetson_needs_own,
    libc_suffices,
    match,
    needed_driver,
    rows,
)
from scaffolder.environment.builds.compatibility import last_driver, pair, table
from scaffolder.environment.facts import Command, Finding, Gpu, Report, command
from scaffolder.environment.gpu.driver_steps import nvidia_driver
from scaffolder.environment.gpu.virtual import c_library
from scaffolder.environment.system import System
from scaffolder.messages import _

#: The same code as gfx1030 by AMD's own compiler (target gfx10-3-generic), so that a card can pass for one.
#: https://llvm.org/docs/AMDGPUUsage.html#amdgpu-generic-processor-table. The graphics inside processors
#: (gfx1033, gfx1035, gfx1036) are left out: they are known to compute wrong results or to crash.
_PASSES_FOR = {"gfx1031": "10.3.0", "gfx1032": "10.3.0", "gfx1034": "10.3.0"}


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """The one fact that only this judgement needs."""
    return {"libc": c_library(system)}, []


def judge(report: Report) -> list[Finding]:
    """Findings about what fits what."""
    framework = main_framework(report)
    found = [
        *_intel_mac(report),
        *_old_macos(report),
        *_old_library(report),
        *_python(report),
        *_jetson(report),
        *_tensorflow_on_windows(report),
    ]
    for gpu in report.accelerators.gpus:
        if gpu.kind == "cuda" and not jetson_needs_own(report):
            found += _nvidia(report, framework, gpu)
        elif gpu.kind == "rocm":
            found += _amd(report, gpu)
    return list({(finding.code, finding.what): finding for finding in found}.values())


def main_framework(report: Report) -> str:
    """The project's framework, where one is installed; PyTorch otherwise, which init suggests."""
    versions = report.frameworks.versions
    installed = {"tensorflow", "tensorflow-cpu"} & set(versions)
    return "tensorflow" if installed and "torch" not in versions else "pytorch"


def _nvidia(report: Report, framework: str, gpu: Gpu) -> list[Finding]:
    if not any(row.accelerator == "cuda" for row in rows(report, framework)):
        return []  # no build at all for this system, which is said elsewhere
    one = match(report, framework, gpu)
    label = f"{LABELS[framework]} {table().version(framework)}"
    chip = ".".join(map(str, gpu.capability)) if gpu.capability else ""
    if not one.rows:
        newer = framework == "tensorflow" and gpu.capability is not None and gpu.capability >= (10, 0)
        return [
            Finding(
                code="NM209",
                severity="slows",
                what=_("{label} has no build with code for {gpu} (compute capability {chip}).").format(
                    label=label, gpu=gpu.name, chip=chip
                ),
                meaning=_("The card is newer than the framework's build: training fails, or runs on the processor.")
                if newer
                else _("The card is too old: training runs on the processor."),
                advice=_("PyTorch has a build for this card.") if newer else "",
            )
        ]
    if one.row is None:
        return [_old_driver(report, gpu, needed_driver(report, one.rows[-1]), label)]
    chosen = fitting_build(report, framework)
    if chosen is not None and chosen.name not in {row.name for row in one.rows}:
        return [_left_out(report, framework, gpu, chosen)]
    newest = next(row for row in rows(report, framework) if row.accelerator == "cuda")
    if newest not in one.rows and framework == "pytorch":
        return [
            Finding(
                code="NM208",
                severity="note",
                what=_("{gpu} (compute capability {chip}) needs an older build of {label}: {build}.").format(
                    gpu=gpu.name, chip=chip, label=label, build=one.row.name
                ),
                meaning=_(
                    "newmodel chooses it. What a plain “pip install torch” takes has no code for this card and fails "
                    "with “no kernel image is available”."
                ),
                commands=_install(report, framework),
            )
        ]
    return []


def _left_out(report: Report, framework: str, gpu: Gpu, chosen: Build) -> Finding:
    """Two GPUs of very different age: whichever build is taken, one of them stays out."""
    served = [
        other
        for other in report.accelerators.gpus
        if other.kind == "cuda" and chosen.name in {row.name for row in match(report, framework, other).rows}
    ]
    # by their unique names: numbers mean other GPUs in PyTorch than in nvidia-smi where the kinds differ
    names = ",".join(other.uuid or str(other.index) for other in served)
    return Finding(
        code="NM208",
        severity="slows",
        what=_("{gpu} is not served by the build {build}: no build has code for all GPUs here.").format(
            gpu=gpu.name, build=chosen.name
        ),
        meaning=_("A training that takes this GPU fails: “no kernel image is available”."),
        advice=_("Before training, name those that it may take:"),
        commands=(
            Command(
                line=f'$env:CUDA_VISIBLE_DEVICES = "{names}"'
                if report.platform == "win32"
                else f"export CUDA_VISIBLE_DEVICES={names}"
            ),
        ),
    )


def _install(report: Report, framework: str) -> tuple[Command, ...]:
    build = fitting_build(report, framework)
    return () if build is None else build.pip


def _old_driver(report: Report, gpu: Gpu, needed: str, label: str) -> Finding:
    place = report.accelerators
    steps = nvidia_driver(report, wsl=place.wsl, container=place.container, branch=last_driver(gpu.capability))
    return Finding(
        code="NM204",
        severity="blocks",
        what=_("NVIDIA's driver {driver} is too old: {label} needs {needed} or newer for {gpu}.").format(
            driver=place.driver, label=label, needed=needed, gpu=gpu.name
        ),
        meaning=_("The GPU would not be used, and training would run on the processor."),
        advice=steps.advice,
        commands=steps.commands,
    )


def _amd(report: Report, gpu: Gpu) -> list[Finding]:
    if report.platform != "linux" or not gpu.target or match(report, "pytorch", gpu).rows:
        return []
    passes = _PASSES_FOR.get(gpu.target)
    return [
        Finding(
            code="NM216",
            severity="slows",
            what=_("PyTorch's build for AMD GPUs has no code for {gpu} ({target}).").format(
                gpu=gpu.name, target=gpu.target
            ),
            meaning=_("Training fails on this GPU; newmodel chooses the processor."),
            advice=_(
                "The card can pass for one that is supported; AMD does not vouch for it, so check the results. Set "
                "this before training, and take the build for AMD:"
            )
            if passes
            else "",
            commands=(Command(line=f"export HSA_OVERRIDE_GFX_VERSION={passes}"),) if passes else (),
        )
    ]


def _jetson(report: Report) -> list[Finding]:
    if not jetson_needs_own(report):
        return []
    release = report.accelerators.jetson_release
    build = fitting_build(report, "pytorch")
    has_own = build is not None and build.name == "jetson"
    if has_own:
        advice = _("Install NVIDIA's own build into the project's environment, in place of the pinned one:")
    elif release is not None and release[0] < min(JETSON_INDEXES):
        advice = _("This release of Jetson Linux is too old for the frameworks of today: update JetPack.")
    else:
        advice = _("See NVIDIA's page for this board: {page}").format(
            page="https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/index.html"
        )
    return [
        Finding(
            code="NM218",
            severity="blocks",
            what=_(
                "This is a Jetson board ({model}): the frameworks' ordinary builds have no code for its GPU."
            ).format(model=report.accelerators.jetson),
            meaning=_("With them training runs on the processor; NVIDIA has builds of its own for these boards."),
            advice=advice,
            commands=build.pip if build is not None and has_own else (),
        )
    ]


def _tensorflow_on_windows(report: Report) -> list[Finding]:
    if report.platform != "win32" or report.gpu("cuda") is None:
        return []
    chosen = main_framework(report) == "tensorflow"
    return [
        Finding(
            code="NM220",
            severity="slows" if chosen else "note",
            what=_("TensorFlow sees no GPU on Windows; its last version that did is 2.10, of 2022."),
            meaning=_("A TensorFlow project trains on the processor here; a PyTorch project uses the GPU."),
            advice=_("Choose PyTorch, or work with TensorFlow inside WSL 2:"),
            commands=(Command(line="wsl.exe --install"),),
        )
    ]


def _intel_mac(report: Report) -> list[Finding]:
    if report.platform != "darwin" or report.machine == "arm64" or report.gpu("mps") is not None:
        return []
    return [
        Finding(
            code="NM226",
            severity="blocks",
            what=_("This is a Mac with an Intel processor."),
            meaning=_(
                "PyTorch (since 2.3) and TensorFlow (since 2.17) have no packages for it; nothing can be trained."
            ),
            advice=_("Train on another computer: PyCharm can run a project on one over SSH, or in Docker."),
        )
    ]


def _old_macos(report: Report) -> list[Finding]:
    version = report.accelerators.macos
    if version is None or report.gpu("mps") is None:
        return []
    (row,) = (row for row in rows(report, "pytorch") if row.accelerator == "mps")
    if version >= pair(row.macos):
        return []
    others = [row for row in rows(report, "tensorflow") if version >= pair(row.macos)]
    return [
        Finding(
            code="NM221",
            severity="slows" if others else "blocks",
            what=_("macOS {version} is too old for PyTorch {torch}, which needs {needed} or newer.").format(
                version=".".join(map(str, version)), torch=table().version("pytorch"), needed=row.macos
            ),
            meaning=_(
                "pip finds no PyTorch for this Mac, and its GPU is not used; TensorFlow would run on the processor."
            )
            if others
            else _("pip finds neither PyTorch nor TensorFlow for this Mac."),
            advice=_("Update macOS: Apple menu → System Settings → General → Software Update. In the terminal:"),
            commands=(Command(line="softwareupdate --list"),),
        )
    ]


def _old_library(report: Report) -> list[Finding]:
    """Linux' C library is the one part of the system that wheels cannot bring along."""
    name = report.libc.partition(" ")[0]
    everything = [row for framework in LABELS for row in table().rows(framework, report.platform, report.machine)]
    refused = {row.framework for row in everything if not libc_suffices(report, row)}
    if not refused:
        return []
    needed = ", ".join(
        f"{LABELS[framework]} {table().version(framework)}: glibc "
        + next(row.glibc for row in everything if row.framework == framework)
        for framework in LABELS
        if framework in refused
    )
    return [
        Finding(
            code="NM227",
            severity="blocks" if refused == set(LABELS) else "slows",
            what=_(
                "This system's C library is {library}; the frameworks' packages need a newer one or another ({needed})."
            ).format(library=report.libc, needed=needed),
            meaning=_("pip finds no package that fits, or one that cannot be imported."),
            advice=_("Use an image with glibc, such as python:3.12-slim; Alpine's has musl.")
            if name == "musl"
            else _(
                "Work in a container, such as python:3.12-slim, on a newer system, or with the packages of conda-forge."
            ),
        )
    ]


def _python(report: Report) -> list[Finding]:
    """No Python that a framework has packages for."""
    if not any(one.bits == 64 for one in report.interpreters) or report.intel_python_alone:
        return []  # none at all, 32 bits alone, or another chip's: said with Python itself
    missing = [name for name in LABELS if rows(report, name) and report.python_for(*table().python_range(name)) is None]
    if not missing:
        return []
    if report.arm_python_alone:
        return [_arm_python(report)]
    nothing = set(missing) == {name for name in LABELS if rows(report, name)}
    framework = missing[0] if nothing else missing[-1]
    oldest, too_new = table().python_range(framework)
    here = ", ".join(dict.fromkeys(one.text for one in report.interpreters[:4]))
    return [
        Finding(
            code="NM103",
            severity="blocks" if nothing else "note",
            what=_("{framework} has packages for Python {oldest} to {newest} (64 bits); here is {found}.").format(
                framework=LABELS[framework],
                oldest=".".join(map(str, oldest)),
                newest=f"{too_new[0]}.{too_new[1] - 1}",
                found=here,
            ),
            meaning=_("Neither PyTorch nor TensorFlow can be installed with the Python that is here.")
            if nothing
            else _("{framework} cannot be installed with it; the other framework can.").format(
                framework=LABELS[framework]
            ),
            advice=_("Install another Python beside it; nothing that is here changes:"),
            commands=_install_python(report, too_new),
        )
    ]


def _arm_python(report: Report) -> Finding:
    version = f"{table().python_range('tensorflow')[1][0]}.{table().python_range('tensorflow')[1][1] - 1}"
    if report.tools.uv is not None:
        install = command(report, "uv", "python", "install", f"cpython-{version}-windows-x86_64", safe=True)
    else:
        install = command(
            report, "winget", "install", "--id", f"Python.Python.{version}", "--exact", "--architecture", "x64"
        )
    return Finding(
        code="NM103",
        severity="blocks",
        what=_("This is Windows on an ARM processor, and every Python here is one for ARM."),
        meaning=_("PyPI has PyTorch and TensorFlow for Windows on x64 alone: pip finds nothing that fits."),
        advice=_("Windows runs programs for x64, too, if slower: install such a Python beside it."),
        commands=(install,),
    )


def _install_python(report: Report, too_new: tuple[int, int]) -> tuple[Command, ...]:
    version = f"{too_new[0]}.{too_new[1] - 1}"
    if report.tools.uv is not None:
        return (command(report, "uv", "python", "install", version, safe=True),)
    if report.platform == "win32":
        return (command(report, "winget", "install", "--id", f"Python.Python.{version}", "--exact"),)
    if report.platform == "darwin":
        return (command(report, "brew", "install", f"python@{version}"),)
    return (
        Command(line="curl -LsSf https://astral.sh/uv/install.sh | sh"),
        Command(line=f"uv python install {version}"),
    )
