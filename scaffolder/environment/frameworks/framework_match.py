"""Do the installed frameworks fit this machine's GPU and driver? Follows from the facts of several checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from scaffolder.environment.builds.builds import fitting_build, jetson_needs_own, needed_driver
from scaffolder.environment.builds.compatibility import Row, at_least, numbers, pair, table
from scaffolder.environment.facts import Command, Finding, FrameworkBuild, Gpu, Report, command
from scaffolder.environment.frameworks.framework_errors import code_of
from scaffolder.messages import _

_TITLES = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
_FRAMEWORKS = {"torch": "pytorch", "tensorflow": "tensorflow"}


def judge(report: Report) -> list[Finding]:
    """Each installed build against driver and chips; what was seen when it computed counts more than what follows."""
    findings: list[Finding] = []
    names = dict.fromkeys(one.name for one in (*report.frameworks.builds, *report.computed))
    for name in names:
        read = next((one for one in report.frameworks.builds if one.name == name), None)
        tried = next((one for one in report.computed if one.name == name), None)
        build = tried if tried is not None and (tried.build or read is None) else read
        if build is not None:
            if tried is not None:
                build = replace(build, error=tried.error, works=tried.works)
            findings += _judge(report, build)
    return [*findings, *_search_path(report)]


def _search_path(report: Report) -> Iterator[Finding]:
    """Libraries before the framework's own: said once, and by what failed where something did."""
    if any(code_of(one.error) == "NM409" for one in report.computed):
        return
    for folder, libraries in report.frameworks.foreign_libraries.items():
        yield Finding(
            code="NM409",
            severity="slows",
            what=_("LD_LIBRARY_PATH puts {libraries} of {folder} before the ones that the framework brought.").format(
                libraries=", ".join(libraries), folder=folder
            ),
            meaning=_("Another version than the one it was built with is loaded: the GPU may fail, or be slower."),
            commands=(Command(line="unset LD_LIBRARY_PATH"),),
        )


def _judge(report: Report, build: FrameworkBuild) -> Iterator[Finding]:
    said = code_of(build.error)
    if said == "NM402":
        yield _old_driver(report, build)
    elif said == "NM403":
        yield _no_code(report, build, next(iter(report.accelerators.gpus), None))
    gpus = [gpu for gpu in report.accelerators.gpus if gpu.kind in ("cuda", "rocm", "xpu")]
    if said or build.works is False or not gpus or not build.build or jetson_needs_own(report):
        return  # why it fails is said where it was tried, and what a Jetson needs where it was found
    if all(gpu.kind != _kind(build.build) for gpu in gpus):
        yield from _wrong_kind(report, build, gpus[0])
    elif build.build.startswith("cu"):
        if build.name == "tensorflow" and _lacks_libraries(report, build):
            yield _no_libraries(report, build, gpus[0])
            return
        yield from _driver(report, build)
        yield from _chips(report, build, [gpu for gpu in gpus if gpu.kind == "cuda"])


def _kind(build: str) -> str:
    return "cuda" if build.startswith("cu") else "rocm" if build.startswith("rocm") else build


# --- a build for another device ---------------------------------------------------------------------------------------


def _wrong_kind(report: Report, build: FrameworkBuild, gpu: Gpu) -> Iterator[Finding]:
    """The commonest complaint: the processor computes while a GPU idles."""
    wanted = fitting_build(report, _FRAMEWORKS[build.name])
    if wanted is None or wanted.accelerator in ("cpu", "mps"):
        return  # no build serves what is here: that is said of the GPU
    title = _TITLES[build.name]
    index = report.frameworks.wanted_index.rstrip("/").rpartition("/")[2]
    replaced = build.build != index and index.startswith(("cu", "rocm", "xpu"))
    others = [name for name in report.frameworks.required_by.get(build.name, ()) if name != build.name]
    advice = ""
    if others and build.name == "torch":
        advice = _(
            "torch is needed by {packages}, too: installing such a package from the usual index can put the CPU build "
            "back."
        ).format(packages=", ".join(others[:4]))
    if replaced:
        yield Finding(
            code="NM410",
            severity="slows",
            what=_("{framework} {version} is a build for {device}, although pyproject.toml names {build}.").format(
                framework=title, version=build.version, device=_device(build), build=index
            ),
            meaning=_("Training runs on the processor, many times slower than on {gpu}.").format(gpu=gpu.name),
            advice=advice,
            commands=_again(report, build),
        )
        return
    if gpu.kind == "xpu":
        return  # the finding about Intel's GPU names the build
    if build.build == "cpu":
        what = _("{framework} {version} is a build for the processor, but {gpu} is here.").format(
            framework=title, version=build.version, gpu=gpu.name
        )
    else:
        what = _("{framework} {version} is a build for other GPUs ({build}) than {gpu}.").format(
            framework=title, version=build.version, build=build.build, gpu=gpu.name
        )
    yield Finding(
        code="NM401",
        severity="slows",
        what=what,
        meaning=_("Training runs on the processor, many times slower than on {gpu}.").format(gpu=gpu.name),
        advice=advice,
        commands=install(report, build),
    )


def _device(build: FrameworkBuild) -> str:
    return _("the processor") if build.build in ("cpu", "mps") else _("other GPUs ({build})").format(build=build.build)


def _again(report: Report, build: FrameworkBuild) -> tuple[Command, ...]:
    """The build that the project's own index has."""
    if report.tools.uv is not None:
        return (command(report, "uv", "sync", "--reinstall-package", build.name, safe=report.frameworks.own),)
    version = build.version.partition("+")[0]
    words = ("--force-reinstall", f"{build.name}=={version}", "--index-url", report.frameworks.wanted_index)
    return (command(report, *report.frameworks.install, *words, safe=report.frameworks.virtual),)


def install(report: Report, build: FrameworkBuild) -> tuple[Command, ...]:
    """The build that fits this machine, into the interpreter that was looked at."""
    wanted = fitting_build(report, _FRAMEWORKS[build.name])
    if wanted is None or not report.frameworks.install:
        return ()
    extra = f"[{wanted.extra}]" if wanted.extra else ""
    package = f"{build.name}{extra}=={wanted.version}" if wanted.version else build.name
    index = ("--index-url", wanted.index) if wanted.index else ()
    words = ("--force-reinstall", package, *index)
    commands = [command(report, *report.frameworks.install, *words, safe=report.frameworks.virtual)]
    if "tensorflow-cpu" in report.frameworks.versions and build.name == "tensorflow":
        commands.insert(0, _uninstall(report, "tensorflow-cpu"))  # it has the same files
    return tuple(commands)


def _uninstall(report: Report, package: str) -> Command:
    words = ["uninstall" if word == "install" else word for word in report.frameworks.install]
    agreed = ("--yes",) if words[0] != "uv" else ()
    return command(report, *words, *agreed, package, safe=report.frameworks.virtual)


def _lacks_libraries(report: Report, build: FrameworkBuild) -> bool:
    """TensorFlow's packages for Linux have code for CUDA but none of its libraries, unless the extra was asked for."""
    return (
        report.platform == "linux"
        and not build.devices
        and not any(name.startswith("nvidia-cudnn") for name in report.frameworks.libraries)
    )


def _no_libraries(report: Report, build: FrameworkBuild, gpu: Gpu) -> Finding:
    version = f"=={build.version}" if build.version else ""
    words = (f"tensorflow[and-cuda]{version}",)
    return Finding(
        code="NM401",
        severity="slows",
        what=_("TensorFlow is here without NVIDIA's libraries, so it does not see {gpu}.").format(gpu=gpu.name),
        meaning=_("Training runs on the processor, many times slower than on {gpu}.").format(gpu=gpu.name),
        commands=(
            (command(report, *report.frameworks.install, *words, safe=report.frameworks.virtual),)
            if report.frameworks.install
            else ()
        ),
    )


# --- driver and chips -------------------------------------------------------------------------------------------------


def _row(report: Report, build: FrameworkBuild) -> Row | None:
    """The table's row of this very build: of TensorFlow the one for GPUs."""
    rows = table().rows(_FRAMEWORKS[build.name], report.platform, report.machine)
    if build.name == "tensorflow":
        return next((row for row in rows if row.accelerator == "cuda"), None)
    return next((row for row in rows if row.name == build.build), None)


def _least_driver(report: Report, build: FrameworkBuild) -> str:
    """The lowest driver: from the table, otherwise the first that runs any CUDA of the same first number."""
    row = _row(report, build)
    if row is not None:
        return needed_driver(report, row)
    found = re.fullmatch(r"cu(\d+)(\d)", build.build)
    if found is None:
        return ""
    windows = report.platform == "win32" or bool(report.accelerators.wsl)
    drivers = [
        entry["win32" if windows else "linux"]
        for version, entry in table().cuda
        if pair(version)[0] == int(found.group(1))
    ]
    return min(drivers, key=numbers, default="")


def _driver(report: Report, build: FrameworkBuild) -> Iterator[Finding]:
    needed = _least_driver(report, build)
    driver = report.accelerators.driver
    if not build.devices and needed and driver and not at_least(driver, needed):
        yield _old_driver(report, build)


def _old_driver(report: Report, build: FrameworkBuild) -> Finding:
    needed = _least_driver(report, build)
    driver = report.accelerators.driver
    title = _TITLES[build.name]
    if needed and driver and not at_least(driver, needed):
        what = _("{framework} {version} ({build}) needs NVIDIA's driver {needed} or newer; {driver} is here.").format(
            framework=title, version=build.version, build=build.build, needed=needed, driver=driver
        )
    else:
        what = _("NVIDIA's driver is too old for {framework} {version} ({build}).").format(
            framework=title, version=build.version, build=build.build
        )
    return Finding(
        code="NM402",
        severity="blocks",
        what=what,
        meaning=_("It does not see the GPU: training would run on the processor, many times slower."),
        advice=_("Either update the driver, or take the build that fits this one."),
        commands=install(report, build) if _other_build(report, build) else (),
    )


def _other_build(report: Report, build: FrameworkBuild) -> bool:
    wanted = fitting_build(report, _FRAMEWORKS[build.name])
    return wanted is not None and wanted.accelerator == "cuda" and wanted.name != build.build


def _chips(report: Report, build: FrameworkBuild, gpus: list[Gpu]) -> Iterator[Finding]:
    for gpu in gpus:
        if gpu.capability is not None and not _has_code(report, build, gpu.capability):
            yield _no_code(report, build, gpu)
            return


def _no_code(report: Report, build: FrameworkBuild, gpu: Gpu | None) -> Finding:
    title = _TITLES[build.name]
    name = gpu.name if gpu is not None else next(iter(build.devices), _("this GPU"))
    if gpu is not None and gpu.capability is not None:
        what = _("{framework} {version} ({build}) has no code for {gpu} (compute capability {chip}).").format(
            framework=title,
            version=build.version,
            build=build.build,
            gpu=name,
            chip=".".join(map(str, gpu.capability)),
        )
    else:
        what = _("{framework} {version} ({build}) has no code for {gpu}.").format(
            framework=title, version=build.version, build=build.build, gpu=name
        )
    return Finding(
        code="NM403",
        severity="blocks",
        what=what,
        meaning=_("The first computation on the GPU fails: “no kernel image is available”."),
        commands=install(report, build) if _other_build(report, build) else (),
    )


def _has_code(report: Report, build: FrameworkBuild, capability: tuple[int, int]) -> bool:
    """By the build's own list of chips, otherwise by the table where it knows this version.

    Compiled code (sm_86) runs on chips of the same first number with the same second or a higher one; intermediate
    code (compute_90) on newer ones, too. An `a` or `f` at the end ties code to one chip or family.
    """
    chips = [(kind, _capability(number)) for kind, number in _architectures(build)]
    if chips:
        return any(chip <= capability and (kind == "compute" or chip[0] == capability[0]) for kind, chip in chips)
    name = "and-cuda" if build.name == "tensorflow" else build.build
    row = table().row_of(_FRAMEWORKS[build.name], build.version, name, report.platform, report.machine)
    return row is None or row.has_code_for(capability)


def _architectures(build: FrameworkBuild) -> Iterator[tuple[str, str]]:
    for name in build.architectures:
        found = re.fullmatch(r"(sm|compute)_(\d{2,3})[af]?", name)
        if found is not None:
            yield found.group(1), found.group(2)


def _capability(number: str) -> tuple[int, int]:
    return int(number[:-1]), int(number[-1])
