"""What is wrong, and how to mend it: one function for each kind of failure that a framework tells of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from scaffolder.environment.facts import Command, command
from scaffolder.environment.gpu.virtual import container, wsl
from scaffolder.environment.pythons.system_packages import SHARED_LIBRARIES, family, install_command
from scaffolder.environment.system import System
from scaffolder.messages import _


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is known of a failure.

    Attributes:
        name: The package that failed: torch, tensorflow, keras, torchvision …
        text: All that it said, on standard error too.
        returncode: Of its process; negative for a signal.
        version: Of the package.
        framework: Version of the framework that it belongs to.
    """

    name: str
    text: str
    returncode: int | None = 0
    version: str = ""
    framework: str = ""

    def reinstall(self, *, dependencies: bool = True) -> tuple[str, ...]:
        """Words for the installer: the same version and build anew."""
        version, _plus, label = self.version.partition("+")
        build = re.fullmatch(r"cpu|cu\d+|rocm[\d.]+|xpu", label or self.framework.partition("+")[2])
        name = f"{self.name}=={version}" if re.fullmatch(r"\d[\w.]*", version) else self.name
        # PyPI has one build of each version; the others are in indexes of their own
        index = ("--index-url", f"https://download.pytorch.org/whl/{build.group()}") if build else ()
        return ("--force-reinstall", *(() if dependencies else ("--no-deps",)), name, *index)


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why it failed.

    Attributes:
        why: A clause: “cannot be imported: …”.
        advice: What to do, in words.
        install: Words for the installer of the interpreter: packages, or `--force-reinstall torch`.
        uninstall: Packages to take out of the interpreter.
        commands: Of the operating system.
        code: Of the finding, where it is another than that of a failed import or a failed computation.
    """

    why: str
    advice: str = ""
    install: tuple[str, ...] = ()
    uninstall: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    code: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A failure on a machine, and the words of it by which it was recognised."""

    system: System
    failure: Failure
    found: re.Match[str]


Rule = Callable[[Case], Cause]

#: Packages that are imported under another name than they are installed under.
_MODULE_PACKAGES = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "google": "protobuf",
    "distutils": "setuptools",
    "pkg_resources": "setuptools<81",
}


def short(text: str, limit: int = 300) -> str:
    """On one line, without a full stop."""
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def companion_version(name: str, torch: str) -> str:
    """The torchvision or torchaudio that was made with a torch; empty where unknown.

    By the tables of https://github.com/pytorch/vision#installation and https://docs.pytorch.org/audio/main/installation.html.
    """
    found = re.match(r"2\.(\d+)\.(\d+)", torch)
    if found is None:
        return ""
    minor, patch = map(int, found.groups())
    return f"0.{minor + 15}.{patch}" if name == "torchvision" else f"2.{minor}.{patch}"


def illegal_instruction(failure: Failure) -> Cause:
    return Cause(
        why=_("it uses instructions that this processor does not have (AVX or AVX2)"),
        advice=_(
            "No setting changes that: use another machine, or a build of {name} that was made for old processors."
        ).format(name=failure.name),
    )


def numpy(case: Case) -> Cause:
    sizes = re.search(r"size changed.*?Expected (\d+) from C header, got (\d+)", case.failure.text, re.DOTALL)
    # also: “compiled against API version 0xf but this version of numpy is 0xe”
    versions = re.search(
        r"compiled against (?:NumPy C-)?A[PB]I version (0x[0-9a-f]+).*?(?:is|A[PB]I version) (0x[0-9a-f]+)",
        case.failure.text,
        re.DOTALL,
    )
    newer = sizes and int(sizes.group(1)) > int(sizes.group(2))
    if newer or (versions and int(versions.group(1), 16) > int(versions.group(2), 16)):
        return Cause(
            code="NM407",
            why=_("a package was built for a newer NumPy than the one that is installed"),
            install=("--upgrade", "numpy"),
        )
    return Cause(
        code="NM407",
        why=_("a package was built for NumPy 1, and NumPy 2 is installed"),
        advice=_("Newer versions of the package itself work with NumPy 2; until then the older NumPy helps."),
        install=("numpy<2",),
    )


def instructions(case: Case) -> Cause:
    return illegal_instruction(case.failure)


def glibc(case: Case) -> Cause:
    return Cause(
        why=_("this system's C library is older than {version}").format(version=f"glibc {case.found.group(1)}"),
        advice=_(
            "Use a newer release of the operating system, a container with one, or an older version of {name}."
        ).format(name=case.failure.name),
    )


def libstdcxx(case: Case) -> Cause:
    conda = case.system.environ.get("CONDA_PREFIX")
    return Cause(
        why=_("this system's C++ library lacks {version}").format(version=case.found.group(1)),
        advice=_("An older libstdc++ is taken before the one that is needed; LD_LIBRARY_PATH may say which."),
        commands=(command(case.system, "conda", "install", "-c", "conda-forge", "libstdcxx-ng"),) if conda else (),
    )


def musl(case: Case) -> Cause:
    return Cause(
        why=_("this system has another C library (musl) than {name} was built for").format(name=case.failure.name),
        advice=_("Use a system or an image with glibc, such as Debian; Alpine has none."),
    )


def newer_nvjitlink(case: Case) -> Cause:
    path = case.system.environ.get("LD_LIBRARY_PATH", "")
    return Cause(
        code="NM409",
        why=_("another CUDA's {library} is loaded than the one that {name} brought").format(
            library=case.found.group(1), name=case.failure.name
        ),
        advice="" if path else _("A CUDA toolkit of this machine comes before it: look at /etc/ld.so.conf.d."),
        commands=(Command(line="unset LD_LIBRARY_PATH"),) if path else (),
    )


def cudnn_version(case: Case) -> Cause:
    path = case.system.environ.get("LD_LIBRARY_PATH", "")
    return Cause(
        code="NM409",
        why=_("another cuDNN is loaded than the one that {name} was built with").format(name=case.failure.name),
        advice="" if path else _("It was installed by another package or lies in a folder of the system."),
        commands=(Command(line="unset LD_LIBRARY_PATH"),) if path else (),
        install=() if path else case.failure.reinstall(),
    )


def cuda_library(case: Case) -> Cause:
    library = case.found.group(1)
    if case.failure.name in ("torchvision", "torchaudio"):
        return companion(case)
    return Cause(
        why=_("NVIDIA's library {library} is missing").format(library=library),
        advice=_("The packages that bring it were not installed, or only in part."),
        install=("tensorflow[and-cuda]",) if case.failure.name == "tensorflow" else case.failure.reinstall(),
    )


def driver_library(case: Case) -> Cause:
    return Cause(
        why=_("the library of NVIDIA's driver, {library}, is missing").format(library=case.found.group(1)),
        advice=_(
            "Either there is no driver, or this container was started without access to the GPU "
            "(docker run --gpus all)."
        ),
    )


def system_library(case: Case) -> Cause:
    library = case.found.group(1)
    if library.startswith("libstdc++") and case.system.exists("/etc/NIXOS"):
        compiler = "$(nix-build --no-out-link '<nixpkgs>' -A stdenv.cc.cc.lib)/lib"
        return Cause(
            why=_("the library {library} is missing").format(library=library),
            advice=_("NixOS keeps libraries in its store, where pip's packages find them only if they are named:"),
            commands=(Command(line=f'export LD_LIBRARY_PATH="{compiler}:/run/opengl-driver/lib"'),),
        )
    kind = family(case.system)
    package = next((names.get(kind, "") for name, names in SHARED_LIBRARIES.items() if library.startswith(name)), "")
    return Cause(
        why=_("the library {library} is missing").format(library=library),
        advice="" if package else _("Install the operating system's package that brings it."),
        commands=install_command(case.system, *filter(None, [package])),
    )


def companion(case: Case) -> Cause:
    name = "torchaudio" if case.failure.name == "torchaudio" else "torchvision"
    wanted = replace(case.failure, name=name, version=companion_version(name, case.failure.framework))
    return Cause(
        code="NM406",
        why=_("{name} does not fit this torch").format(name=name),
        advice=_("Remove it instead, if the project does not use it."),
        install=wanted.reinstall(dependencies=False),
    )


def symbol(case: Case) -> Cause:
    if case.failure.name in ("torchvision", "torchaudio"):
        return companion(case)
    if "iJIT_NotifyEvent" in case.found.group(0):
        conda = case.system.environ.get("CONDA_PREFIX")
        return Cause(
            why=_("the installed MKL is too new for it"),
            commands=(command(case.system, "conda", "install", "mkl=2024.0"),) if conda else (),
            install=() if conda else ("mkl==2024.0",),
        )
    return Cause(
        why=_("libraries of different versions are mixed: {symbol} is not where it should be").format(
            symbol=case.found.group(1)
        ),
        advice=_("Often a CUDA in LD_LIBRARY_PATH, or an installation that was interrupted."),
        install=case.failure.reinstall(),
    )


def windows_runtime(failure: Failure) -> Cause:
    return Cause(
        why=_("a library that Windows should have is missing: the Visual C++ runtime"),
        commands=(Command(line="winget install --id Microsoft.VCRedist.2015+.x64 --exact"),),
        advice=_("Start the computer again afterwards; if that does not help, install {name} anew.").format(
            name=failure.name
        ),
    )


def dll(case: Case) -> Cause:
    if "fbgemm" in case.failure.text or "libomp140" in case.failure.text:
        return Cause(
            why=_("libomp140, a library of Visual Studio that this version of torch needs, is missing"),
            advice=_("Newer versions of torch do without it."),
            install=("--upgrade", "torch"),
        )
    if "193" in case.found.group(0):
        return Cause(
            why=_("a 32-bit library is mixed with a 64-bit Python, or the other way round"),
            install=case.failure.reinstall(),
        )
    return windows_runtime(case.failure)


def page_file(_case: Case) -> Cause:
    return Cause(
        why=_("Windows' page file is too small to load it"),
        advice=_(
            "Let Windows manage the page file's size, on a drive with 20 GB free: "
            "Settings › System › About › Advanced system settings › Performance › Advanced › Virtual memory."
        ),
    )


def long_path(_case: Case) -> Cause:
    return Cause(
        why=_("a path is longer than Windows takes"),
        advice=_("Move the project to a folder with a short path, such as C:\\code, or allow long paths (NM309)."),
    )


def architecture(case: Case) -> Cause:
    return Cause(
        why=_("a library was built for another processor ({have}) than this Python ({need})").format(
            have=case.found.group(1), need=case.found.group(2)
        ),
        advice=_("Make the environment anew with one Python of this chip's kind (arm64)."),
    )


def openmp(_case: Case) -> Cause:
    return Cause(
        why=_("two copies of Intel's OpenMP library are loaded, from conda and from pip"),
        advice=_(
            "Install everything with one of the two in a new environment; KMP_DUPLICATE_LIB_OK=TRUE only hides it."
        ),
    )


def no_kernel(case: Case) -> Cause:
    return Cause(
        code="NM403",
        why=_("this build of {name} has no code for this GPU").format(name=case.failure.name),
    )


def old_driver(case: Case) -> Cause:
    return Cause(
        code="NM402",
        why=_("NVIDIA's driver is older than this build of {name} needs").format(name=case.failure.name),
    )


def driver_mismatch(case: Case) -> Cause:
    if "forward compatibility" in case.found.group(0) and container(case.system):
        return Cause(
            why=_("this container's CUDA is newer than the host's driver knows (error 804)"),
            advice=_(
                "Update the host's driver and restart the host, or take an image with an older CUDA: the libraries "
                "that images bring for old drivers work with data centre cards alone."
            ),
        )
    return Cause(
        why=_("NVIDIA's driver and its library are of different versions"),
        advice=_("That is so after an upgrade: restart the machine; in a container, restart the host."),
    )


def memory(_case: Case) -> Cause:
    return Cause(
        why=_("the GPU's memory is full already"),
        advice=_("Another program holds it; NM211 names which, or nvidia-smi shows it."),
    )


def busy(_case: Case) -> Cause:
    return Cause(
        why=_("the GPU is busy: another program has it for itself"),
        advice=_("End that program, or set the GPU's compute mode back to default (NM224)."),
    )


def fabric_manager(_case: Case) -> Cause:
    """Error 802: https://github.com/pytorch/pytorch/issues/35710."""
    return Cause(
        why=_("NVIDIA's Fabric Manager does not run, which joins several GPUs by NVSwitch (error 802)"),
        advice=_(
            "It starts with the machine once it is installed, in the driver's own version: package "
            "nvidia-fabricmanager. On a rented machine or in a container that is the provider's."
        ),
        commands=(Command(line="sudo systemctl enable --now nvidia-fabricmanager"),),
    )


def unknown_cuda(case: Case) -> Cause:
    if "unknown error" in case.found.group(0) and case.system.platform == "linux" and not wsl(case.system):
        return Cause(
            why=_("NVIDIA's driver answers “{words}”").format(words="CUDA unknown error"),
            advice=_("After sleep, loading a part of the driver again is often all; otherwise restart the machine."),
            commands=(Command(line="sudo rmmod nvidia_uvm"), Command(line="sudo modprobe nvidia_uvm")),
        )
    return Cause(
        why=_("NVIDIA's driver answers “{words}”").format(words=short(case.found.group(0), 120)),
        advice=_("Restart the machine; after sleep or a driver upgrade that is often all."),
    )


def cudnn_failed(case: Case) -> Cause:
    return Cause(
        why=_("cuDNN does not start ({words})").format(words=case.found.group(0)),
        advice=_("The GPU's memory is full, or another cuDNN than {name}'s own is loaded (NM409).").format(
            name=case.failure.name
        ),
    )


def disk(_case: Case) -> Cause:
    return Cause(why=_("the disk is full"), advice=_("Free some space; pip's cache is a start: pip cache purge."))


def permission(case: Case) -> Cause:
    return Cause(
        why=_("a file may not be read: {file}").format(file=short(case.found.group(1) or case.found.group(0), 160))
    )


def protobuf(case: Case) -> Cause:
    old = "runtime_version" in case.failure.text
    return Cause(
        why=_("the installed protobuf is too old for it") if old else _("the installed protobuf is too new for it"),
        install=("--upgrade", "protobuf") if old else ("protobuf<=3.20.3",),
    )


def tf_keras(_case: Case) -> Cause:
    return Cause(why=_("transformers wants Keras 2 beside Keras 3"), install=("tf-keras",))


def typing(_case: Case) -> Cause:
    return Cause(why=_("the installed typing_extensions is too old for it"), install=("--upgrade", "typing_extensions"))


def needs_version(case: Case) -> Cause:
    wanted = re.sub(r"\s+", "", case.found.group(1))
    return Cause(
        why=_("it needs {requirement}, and another version is installed").format(requirement=wanted),
        install=(wanted.rstrip("."),),
    )


def missing_module(case: Case) -> Cause:
    module = case.found.group(1)
    top = module.partition(".")[0]
    if top == case.failure.name or module.startswith("_"):
        return Cause(
            why=_("a part of it is missing: {module}").format(module=module),
            install=case.failure.reinstall(),
        )
    return Cause(why=_("the package {module} is missing").format(module=top), install=(_MODULE_PACKAGES.get(top, top),))


def half_imported(case: Case) -> Cause:
    words = short(case.found.group(0), 160)
    module = next((one for one in case.found.groups() if one), "").partition(".")[0]
    if module and module != case.failure.name.replace("-", "_"):
        package = _MODULE_PACKAGES.get(module, module.replace("_", "-"))
        return Cause(
            why=_("the installed {package} is of another version than it expects: {words}").format(
                package=package, words=words
            ),
            advice=_("The project's pyproject.toml says which versions were tested together."),
            # another torch would come from another index, and may be for another device
            install=() if module in ("torch", "tensorflow") else ("--upgrade", case.failure.name, package),
        )
    return Cause(
        why=_(
            "its files are of different versions, or a file of yours has the name of one of its modules: {words}"
        ).format(words=words),
        install=case.failure.reinstall(),
    )


def metal_plugin(_case: Case) -> Cause:
    return Cause(
        why=_("the installed tensorflow-metal was made for another TensorFlow"),
        advice=_("TensorFlow then computes on the processor; PyTorch uses the GPU of a Mac."),
        uninstall=("tensorflow-metal",),
    )


def mac_library(case: Case) -> Cause:
    library = case.found.group(1).rpartition("/")[2]
    openmp = library.startswith("libomp")
    return Cause(
        why=_("the library {library} is missing").format(library=library),
        commands=(command(case.system, "brew", "install", "libomp", safe=True),) if openmp else (),
        install=() if openmp else case.failure.reinstall(),
    )
