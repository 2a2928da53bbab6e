"""What is installed in the project's interpreter, and does it fit together? Files are read, nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Command, Finding, FrameworkBuild, Frameworks, command
from scaffolder.environment.frameworks.inventory import Inventory, Misfit, Package, misfits, take_inventory
from scaffolder.environment.projects.project_settings import project_settings
from scaffolder.environment.system import System
from scaffolder.messages import _, ngettext

#: What matters for training: shown in the report, and looked at for duplicates.
PACKAGES = (
    "torch",
    "torchvision",
    "torchaudio",
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-metal",
    "keras",
    "tf-keras",
    "jax",
    "accelerate",
    "transformers",
    "peft",
    "bitsandbytes",
    "scikit-learn",
    "numpy",
)

#: Distributions that bring the same files: whichever was installed last has overwritten the others.
_SAME_FILES = (
    ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly", "tensorflow-rocm", "tensorflow-macos"),
    ("nvidia-cudnn-cu11", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
    ("nvidia-nccl-cu11", "nvidia-nccl-cu12", "nvidia-nccl-cu13"),
)

_COMPANIONS = ("torchvision", "torchaudio")

#: Where a folder in LD_LIBRARY_PATH has one of these, it is taken before the framework's own.
_CUDA_LIBRARIES = ("libcudnn", "libcublas", "libcudart", "libcusparse", "libnvJitLink", "libnccl")


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """The inventory of the project's `.venv`, otherwise of an active environment or the PATH's Python."""
    inventory = take_inventory(system, folder)
    if inventory is None:
        return {}, list(_toolkits(system))
    found = facts(system, folder, inventory)
    findings = [
        *_nothing(inventory, found),
        *_duplicates(system, inventory),
        *_misfits(system, inventory),
        *(finding for _name, finding in wrong_companions(system, inventory)),
        *_keras(system, folder, inventory),
        *_toolkits(system),
    ]
    return {"frameworks": found}, findings


def facts(system: System, folder: Path, inventory: Inventory) -> Frameworks:
    """What the report says of this interpreter."""
    here = {name: one.version for name in PACKAGES if (one := inventory.find(name)) is not None}
    libraries = {one.name: one.version for one in inventory.packages if one.name.startswith("nvidia-")}
    builds = tuple(_builds(system, inventory))
    return Frameworks(
        python=inventory.python,
        own=inventory.own,
        virtual=inventory.virtual,
        versions=here,
        builds=builds,
        libraries=libraries,
        foreign_libraries=_search_path(system, inventory) if any(b.build.startswith("cu") for b in builds) else {},
        required_by={name: _required_by(inventory, name) for name in ("torch", "tensorflow") if name in here},
        install=inventory.installer(system),
        keras_backend=inventory.keras_backend if "keras" in here else "",
        wanted_index=project_settings(system, folder).torch_index(inventory.markers),
    )


def _builds(system: System, inventory: Inventory) -> Iterator[FrameworkBuild]:
    torch = inventory.find("torch")
    if torch is not None:
        yield FrameworkBuild(name="torch", version=torch.version, build=_torch_build(system, torch, inventory.torch))
    tensorflow = next((one for name in _SAME_FILES[0] if (one := inventory.find(name)) is not None), None)
    if tensorflow is not None:
        said = inventory.tensorflow or {}
        capabilities = said.get("cuda_compute_capabilities")
        yield FrameworkBuild(
            name="tensorflow",
            version=tensorflow.version,
            build=_tensorflow_build(said),
            architectures=tuple(map(str, capabilities)) if isinstance(capabilities, (list, tuple)) else (),
        )


def _torch_build(system: System, package: Package, said: Mapping[str, Any] | None) -> str:
    if said is None:
        local = re.search(r"\+(cpu|cu\d+|rocm[\d.]+|xpu)", package.version)
        return local.group(1) if local else ""
    if said.get("cuda"):
        return "cu" + str(said["cuda"]).replace(".", "")
    if said.get("hip"):
        return "rocm" + ".".join(str(said["hip"]).split(".")[:2])
    if said.get("xpu"):
        return "xpu"
    return "mps" if system.platform == "darwin" else "cpu"


def _tensorflow_build(said: Mapping[str, Any]) -> str:
    if not said:
        return ""
    if said.get("is_cuda_build") or said.get("cuda_version"):
        return "cu" + "".join(str(said.get("cuda_version") or "").split(".")[:2])
    return "rocm" if said.get("is_rocm_build") else "cpu"


def _required_by(inventory: Inventory, name: str) -> tuple[str, ...]:
    """Packages one of whose unconditional requirements is `name`."""
    pattern = re.compile(rf"{name}\b(?!-)(?!.*\bextra\b)", re.IGNORECASE)
    return tuple(sorted({one.name for one in inventory.packages if any(map(pattern.match, one.requires))}))


def install(system: System, inventory: Inventory, *packages: str) -> Command:
    """The command that installs packages into this interpreter; safe where they can be taken back."""
    return command(system, *inventory.installer(system), *packages, safe=inventory.virtual)


def uninstall(system: System, inventory: Inventory, *packages: str) -> Command:
    """The command that takes packages out of this interpreter again."""
    if inventory.find("pip") is None and system.which("uv") is not None:
        return command(
            system, "uv", "pip", "uninstall", "--python", inventory.python, *packages, safe=inventory.virtual
        )
    words = (inventory.python, "-m", "pip", "uninstall", "--yes", *packages)
    return command(system, *words, safe=inventory.virtual)


# --- findings ---------------------------------------------------------------------------------------------------------


def _nothing(inventory: Inventory, found: Frameworks) -> Iterator[Finding]:
    if found.builds or not inventory.own:
        return
    yield Finding(
        code="NM416",
        severity="note",
        what=_("Neither PyTorch nor TensorFlow is installed in {python}.").format(python=inventory.python),
        meaning=_("This environment cannot train yet."),
        advice=_("The project's README names the command that installs everything."),
    )


def _duplicates(system: System, inventory: Inventory) -> Iterator[Finding]:
    broken = sorted({one.name for one in inventory.packages if one.broken and one.name.startswith("~")})
    if broken:
        yield Finding(
            code="NM408",
            severity="note",
            what=_("A broken installation left files behind: {names}.").format(names=", ".join(broken)),
            meaning=_("pip warns of them each time; Python does not use them."),
            advice=_("Delete the folders whose names begin with ~ in {folder}.").format(
                folder=next(one.folder for one in inventory.packages if one.broken)
            ),
        )
    for names in _SAME_FILES:
        here = [one for name in names if (one := inventory.find(name)) is not None]
        if len({one.name for one in here}) > 1:
            yield _overwritten(system, inventory, here)
    watched = {*PACKAGES, "tokenizers", "triton", "protobuf", "safetensors"} | {
        name for names in _SAME_FILES for name in names
    }
    copies = sorted(
        (one for one in inventory.packages if one.name in watched and not one.broken), key=lambda one: one.name
    )
    for name, group in groupby(copies, key=lambda one: one.name):
        found = list(group)
        # one package over another of the same version, as an operating system's and a person's own, does no harm
        if len({one.version for one in found}) > 1:
            yield _two_copies(system, inventory, name, found)


def _overwritten(system: System, inventory: Inventory, here: list[Package]) -> Finding:
    names = [one.name for one in here]
    kept = here[0]
    if names[0].startswith("nvidia-"):
        return Finding(
            code="NM408",
            severity="slows",
            what=_("{names} are both installed, and lie in the same folder.").format(
                names=_("{first} and {second}").format(first=names[0], second=names[1])
            ),
            meaning=_(
                "Whichever came last has overwritten the other: a framework may load a library that it was not "
                "built for."
            ),
            advice=_("PyTorch and TensorFlow with GPU support want an environment each."),
        )
    return Finding(
        code="NM408",
        severity="blocks" if len({one.version for one in here}) > 1 else "slows",
        what=_("{names} are installed together, over the same files.").format(
            names=", ".join(f"{one.name} {one.version}" for one in here)
        ),
        meaning=_("Whichever came last has overwritten the others: the GPU may be unused, or the import fail."),
        commands=(
            uninstall(system, inventory, *names),
            install(system, inventory, f"{kept.name}=={kept.version}" if kept.version else kept.name),
        ),
    )


def _two_copies(system: System, inventory: Inventory, name: str, found: list[Package]) -> Finding:
    first, second = found[0], next(one for one in found if one.version != found[0].version)
    same_folder = first.folder == second.folder
    if inventory.user_site and inventory.user_site in (first.folder, second.folder):
        advice = _(
            "{folder} holds packages for your user alone, and every Python of this version sees them; a virtual "
            "environment does not."
        ).format(folder=inventory.user_site)
    else:
        advice = ""
    again = (
        uninstall(system, inventory, name),
        uninstall(system, inventory, name),
        install(system, inventory, f"{name}=={first.version}"),
    )
    return Finding(
        code="NM408",
        severity="slows",
        what=_("{name} is there twice: {first} in {first_folder} and {second} in {second_folder}.").format(
            name=name,
            first=first.version,
            first_folder=first.folder,
            second=second.version,
            second_folder=second.folder,
        ),
        meaning=(
            _("The files of both are mixed: errors that make no sense come from that.")
            if same_folder
            else _(
                "The first is used; installing or removing the other changes nothing, and packages that need it "
                "may fail."
            )
        ),
        advice=advice,
        commands=again if same_folder else again[:1] if first.folder == inventory.user_site else (),
    )


def _misfits(system: System, inventory: Inventory) -> Iterator[Finding]:
    """What `pip check` says."""
    found: list[Misfit] = []
    seen: set[str] = set()
    for package in inventory.packages:
        if package.name not in seen and not package.broken:
            seen.add(package.name)
            found += misfits(inventory, package.requires, package.name)
    rest = [one for one in found if not (one.package in _COMPANIONS and one.name == "torch")]
    if not rest:
        return
    shown = "; ".join(_misfit_text(one) for one in rest[:5])
    more = len(rest) - 5
    if more > 0:
        shown = ngettext("{shown}; {count} more", "{shown}; {count} more", more).format(shown=shown, count=more)
    yield Finding(
        code="NM415",
        severity="note",
        what=_("Packages do not fit each other: {list}.").format(list=shown),
        meaning=_("What depends on them may fail, often with a message about something else."),
        commands=(install(system, inventory, *_wanted(rest[:5])),),
    )


def _wanted(found: list[Misfit]) -> list[str]:
    """What to install so that each requirement is met; those of one package are put together."""
    wanted: dict[str, list[str]] = {}
    for one in found:
        specifier = re.sub(r"^[A-Za-z0-9._-]+", "", one.requirement)
        wanted.setdefault(one.name, []).append(specifier)
    return [name + ",".join(filter(None, dict.fromkeys(texts))) for name, texts in wanted.items()]


def _misfit_text(misfit: Misfit) -> str:
    if misfit.installed:
        return _("{package} needs {requirement}, {version} is here").format(
            package=misfit.package, requirement=misfit.requirement, version=misfit.installed
        )
    return _("{package} needs {requirement}, which is missing").format(
        package=misfit.package, requirement=misfit.requirement
    )


def wrong_companions(system: System, inventory: Inventory) -> Iterator[tuple[str, Finding]]:
    """torchvision or torchaudio made for another torch, or for another device; at most one finding for each."""
    torch = inventory.find("torch")
    for name in _COMPANIONS:
        package = inventory.find(name)
        if package is None:
            continue
        for misfit in misfits(inventory, package.requires, name):
            if misfit.name == "torch":
                yield name, _wrong_version(system, inventory, misfit)
                break
        else:
            if torch is not None and _other_device(system, torch, package):
                yield name, _wrong_device(system, inventory, torch, package)


def _wrong_version(system: System, inventory: Inventory, misfit: Misfit) -> Finding:
    return Finding(
        code="NM406",
        severity="blocks",
        what=_("{package} was made for {requirement}, but torch {version} is installed.").format(
            package=misfit.package, requirement=misfit.requirement, version=misfit.installed or _("none")
        ),
        meaning=_("It fails when it is imported, and so does what uses it, transformers among others."),
        advice=_(
            "Reinstall it together with torch, from the same index; or remove it, if the project does not use it."
        ),
        commands=(uninstall(system, inventory, misfit.package),),
    )


def _other_device(system: System, torch: Package, package: Package) -> bool:
    own, label = _local_label(torch.version), _local_label(package.version)
    # on Linux the index of Python packages has CUDA builds without a label
    return label != own if label and own else system.platform == "linux" and "cpu" in (label, own)


def _wrong_device(system: System, inventory: Inventory, torch: Package, package: Package) -> Finding:
    return Finding(
        code="NM406",
        severity="blocks",
        what=_("torch {version} and {package} {other} are builds for different devices.").format(
            version=torch.version, package=package.name, other=package.version
        ),
        meaning=_("{package} fails when it is imported, and so does what uses it, transformers among others.").format(
            package=package.name
        ),
        advice=_("Reinstall it from the index that torch came from; or remove it, if the project does not use it."),
        commands=(uninstall(system, inventory, package.name),),
    )


def _local_label(version: str) -> str:
    return version.partition("+")[2].partition(".")[0] if "+rocm" not in version else version.partition("+")[2]


def _keras(system: System, folder: Path, inventory: Inventory) -> Iterator[Finding]:
    """Keras takes its backend from a variable or a file of the person's, which may be another than the project's."""
    keras = inventory.find("keras")
    if keras is None or keras.version.startswith(("1.", "2.")):
        return
    settings = project_settings(system, folder)
    wanted = "tensorflow" if settings.requires("tensorflow") else "torch" if settings.requires("torch") else ""
    backend = inventory.keras_backend
    package = {"tensorflow": "tensorflow", "torch": "torch", "jax": "jax", "openvino": "openvino"}.get(backend)
    cause = "KERAS_BACKEND" if system.environ.get("KERAS_BACKEND") else "keras.json"
    there = package is not None and (
        inventory.find(package) is not None
        or (package == "tensorflow" and inventory.find("tensorflow-cpu") is not None)
    )
    if not there:
        yield Finding(
            code="NM412",
            severity="blocks" if inventory.own else "note",
            what=_("Keras would compute with {backend}, which is not installed here.").format(
                backend=backend or _("nothing")
            ),
            meaning=_("Importing Keras fails."),
            commands=_backend_commands(
                system, next((one for one in (wanted, "torch", "tensorflow", "jax") if one and inventory.find(one)), "")
            ),
        )
    elif wanted and backend != wanted and inventory.own and settings.requires("keras"):
        yield Finding(
            code="NM412",
            severity="slows",
            what=_(
                "Keras would compute with {backend}, but this project is written for {wanted} ({cause} says so)."
            ).format(backend=backend, wanted=wanted, cause=cause),
            meaning=_("Training may fail, or be slow and give other results."),
            commands=_backend_commands(system, wanted),
        )


def _backend_commands(system: System, backend: str) -> tuple[Command, ...]:
    if not backend:
        return ()
    if system.platform == "win32":
        return (Command(line=f"$env:KERAS_BACKEND = '{backend}'"),)
    return (Command(line=f"export KERAS_BACKEND={backend}"),)


def _search_path(system: System, inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """Libraries that the linker takes before those that the framework brought."""
    if system.platform != "linux":
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for folder in system.environ.get("LD_LIBRARY_PATH", "").split(":"):
        place = folder.rstrip("/")
        if not place or (inventory.prefix and place.startswith(inventory.prefix)):
            continue
        names = [
            name
            for name in _CUDA_LIBRARIES
            if system.glob(f"{place}/{name}.so*") or system.glob(f"{place}/{name}[_.]*.so*")
        ]
        if names:
            found[place] = tuple(names)
    return found


def _toolkits(system: System) -> Iterator[Finding]:
    """CUDA toolkits of the machine: packages from an index bring their own and need none."""
    if system.platform == "win32":
        named = {key: value for key, value in system.environ.items() if re.fullmatch(r"CUDA_PATH_V\d+_\d+", key)}
        folders = sorted(set(named.values()))
    else:
        folders = [path for path in system.glob("/usr/local/cuda-*") if re.fullmatch(r"/usr/local/cuda-\d+\.\d+", path)]
    meaning = _("PyTorch and TensorFlow bring their own CUDA; a toolkit is only for compiling extensions.")
    if len(folders) > 1:
        yield Finding(
            code="NM413",
            severity="note",
            what=_("Several CUDA toolkits are installed: {folders}.").format(folders=", ".join(folders)),
            meaning=meaning,
        )
    for name in ("CUDA_HOME", "CUDA_PATH"):
        place = system.environ.get(name)
        if place and not system.exists(place):
            yield Finding(
                code="NM413",
                severity="note",
                what=_("{name} leads to {folder}, which is not there.").format(name=name, folder=place),
                meaning=meaning,
                commands=(Command(line=f"unset {name}" if system.platform != "win32" else f"Remove-Item Env:{name}"),),
            )
