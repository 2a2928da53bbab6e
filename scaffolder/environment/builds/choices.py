"""What the machine means for the questions of `newmodel init`: choices that cannot work, and the better ones."""

from __future__ import annotations

from scaffolder.environment.builds.builds import (
    LABELS,
    architecture,
    fitting_build,
    jetson_needs_own,
    libc_suffices,
    macos_suffices,
    match,
    needed_driver,
    rows,
)
from scaffolder.environment.builds.compatibility import table
from scaffolder.environment.facts import Gpu, Report
from scaffolder.messages import _


def framework_problem(report: Report, framework: str) -> str:
    """Why a framework cannot be installed here, apart from Python; empty where it can."""
    label = LABELS[framework]
    everything = table().rows(framework, report.platform, architecture(report))
    known = rows(report, framework)
    if not everything:
        return _("{framework} has no packages for {system} on {machine}").format(
            framework=label, system=report.release, machine=report.machine
        )
    if not any(libc_suffices(report, row) for row in everything):
        return _("{framework} has no packages for the C library {library}").format(framework=label, library=report.libc)
    if not known:
        return _("{framework} needs a processor with AVX").format(framework=label)
    if not any(macos_suffices(report, row) for row in known):
        return _("{framework} needs macOS {version} or newer").format(framework=label, version=known[0].macos)
    return ""


def framework_remark(report: Report, framework: str) -> str:
    """What a person should know before choosing a framework: it would leave the GPU alone."""
    usable = [gpu for gpu in report.accelerators.gpus if any(_is_for(report, other, gpu) for other in LABELS)]
    if not usable or framework_problem(report, framework) or any(_is_for(report, framework, gpu) for gpu in usable):
        return ""
    if report.platform == "win32" and usable[0].kind == "cuda":
        return _("sees no GPU on Windows; inside WSL 2 it does, and PyTorch does")
    return _("does not use {gpu}").format(gpu=usable[0].name)


def _is_for(report: Report, framework: str, gpu: Gpu) -> bool:
    build = fitting_build(report, framework, gpu.kind)
    return build is not None and build.accelerator == gpu.kind


def gpu_problem(report: Report, framework: str, kind: str) -> str:
    """Why a framework cannot use the GPU that is here; empty where it can."""
    if kind == "cuda" and jetson_needs_own(report):
        return _("a Jetson needs NVIDIA's own builds")
    build = fitting_build(report, framework, kind)
    if build is not None and build.accelerator == kind and not build.driver:
        return ""
    gpu = report.gpu(kind)
    if gpu is None:
        return ""
    one = match(report, framework, gpu)
    if one.rows and one.row is None:
        return _("NVIDIA's driver {driver} is older than {needed}, which {framework} needs").format(
            driver=report.accelerators.driver, needed=needed_driver(report, one.rows[-1]), framework=LABELS[framework]
        )
    return _("{framework} {version} has no code for {gpu}").format(
        framework=LABELS[framework], version=table().version(framework), gpu=gpu.name
    )


def build_problems(report: Report) -> dict[str, str]:
    """Why builds of PyTorch do not fit the NVIDIA GPU that is here, by the build's name."""
    gpu = report.gpu("cuda")
    if gpu is None:
        return {}
    one = match(report, "pytorch", gpu)
    problems = {}
    for row in rows(report, "pytorch"):
        if row.accelerator != "cuda":
            continue
        needed = needed_driver(report, row)
        if row not in one.rows:
            problems[row.name] = _("it has no code for {gpu}").format(gpu=gpu.name)
        elif one.row is None or one.rows.index(row) < one.rows.index(one.row):
            problems[row.name] = _("it needs driver {needed}; here is {driver}").format(
                needed=needed, driver=report.accelerators.driver
            )
    return problems


def build_name(report: Report, accelerator: str) -> str | None:
    """The build of PyTorch for this machine; None where it has no such accelerator."""
    build = fitting_build(report, "pytorch", accelerator)
    known = {row.name for row in table().builds if row.framework == "pytorch" and row.offered}
    return build.name if build is not None and build.accelerator == accelerator and build.name in known else None


#: Instruction sets of AMD's that multiply bfloat16 in hardware: CDNA since MI100, RDNA since its third generation.
#: https://rocm.docs.amd.com/en/latest/reference/precision-support.html
_AMD_BFLOAT16 = ("gfx908", "gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")


def precision(report: Report, accelerator: str) -> str | None:
    """The faster number format of AMD's and Intel's GPUs."""
    gpu = report.gpu(accelerator)
    if gpu is None:
        return None
    if accelerator == "xpu":
        return "bfloat16"  # every supported GPU of Intel's has it (XMX)
    if accelerator == "rocm" and gpu.target.startswith(_AMD_BFLOAT16):
        return "bfloat16"
    return None
