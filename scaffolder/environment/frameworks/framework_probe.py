"""Do the installed frameworks work on this machine's devices? They are imported and multiply two matrices.

Nothing of it happens in our process. The project's interpreter is asked, a process each, side by side:

    [PYTHON, "-X", "newmodel=python", …]       which Python is this?                      (python.py)
    [PYTHON, "-X", "newmodel=packages", …]     what is installed? nothing is imported     (frameworks.py)
    [PYTHON, "-X", "newmodel=torch", …]        import torch and compute
    [PYTHON, "-X", "newmodel=tensorflow", …]   import TensorFlow and compute

`-X newmodel=…` means nothing to Python; it tells the questions apart, for a person who looks at the list of processes
and for a recorded machine. What follows it may change. The answer is one JSON object on a line of standard output; of
several such lines the last counts, and everything else there is passed over. Every key may be missing.

`newmodel=python`:

    {"executable": "/usr/bin/python3.12", "version": [3, 12, 3], "bits": 64, "machine": "x86_64",
     "base": "/usr/bin/python3.12",   the interpreter below, where this one is of a virtual environment; else the same
     "venv": false,                   whether it is of a virtual environment
     "conda": "",                     folder of the conda environment
     "missing": ["ensurepip"],        of venv ensurepip pip and the parts that need a system library: _ctypes _lzma
                                      _ssl _sqlite3 _bz2 readline zlib _tkinter _curses _uuid
     "managed": "",                   path of the file EXTERNALLY-MANAGED
     "implementation": "cpython",     anything else is passed over
     "threads": "gil"}                `free` without the global lock

`newmodel=packages`:

    {"prefix": "/home/me/demo/.venv", "environment": {"python_full_version": "3.12.3", …},   as markers take them
     "packages": [{"name": "torch", "version": "2.13.0+cu130", "folder": "/home/me/demo/.venv/lib/…/site-packages",
                   "requires": ["numpy>=1.26", …], "installer": "pip", "url": "…"}, …],
     "user_site": "",                 the folder of packages for this user alone, where this Python looks there
     "torch": {"cuda": "13.0", "hip": "", "xpu": ""},              from torch/version.py
     "tensorflow": {"cuda_version": "12.5.1", "cudnn_version": "9", "cuda_compute_capabilities": ["sm_60", …]},
     "keras_backend": "tensorflow"}   from KERAS_BACKEND and keras.json

`newmodel=torch` and `newmodel=tensorflow`: a line is written before each stage: so what kills the process is known.

    {"name": "torch", "installed": true,     false ends it: the exit code is then 0
     "stage": "done",                        or import, devices, compute: there it stopped or died
     "version": "2.13.0+cu130", "build": "cu130",   cpu, cu130, rocm7.1, xpu, mps
     "arch_list": ["sm_75", "sm_80", "compute_120"],
     "devices": [{"kind": "cuda", "name": "NVIDIA GeForce RTX 4090", "capability": "8.9", "total": 25282805760}],
     "computed": ["cuda:0"],                 devices that multiplied two matrices rightly
     "device_error": "RuntimeError: …",      why a build for a GPU sees none
     "error": "RuntimeError: …",             what was raised, in full; the traceback's files are in "files"
     "warnings": ["…"],                      of Python's kind; what is written to standard error is read, too
     "libraries": ["/usr/local/cuda/lib64/libcudnn.so.9"],        NVIDIA's libraries that were loaded (Linux)
     "companions": {"torchvision": {"version": "0.28.0", "error": ""}, …},
                                             torchvision, torchaudio, transformers, bitsandbytes, numpy; keras with
                                             "backend" too
     "seconds": 1.9}                         for the import alone
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from scaffolder.environment.facts import Command, Finding, FrameworkBuild, command
from scaffolder.environment.frameworks.framework_causes import Cause, Failure
from scaffolder.environment.frameworks.framework_errors import code_of, diagnose
from scaffolder.environment.frameworks.frameworks import wrong_companions
from scaffolder.environment.frameworks.inventory import candidates, last_object, take_inventory
from scaffolder.environment.side_by_side import side_by_side
from scaffolder.environment.system import CommandResult, System
from scaffolder.messages import _

NAMES = ("torch", "tensorflow")

#: Seconds that an import may take; from a cold network disk it is half a minute.
PATIENCE = 60.0

_SCRIPT = Path(__file__).with_name("compute_script.py")

#: Nothing to report: the probes of the GPU know better why there is none.
_NO_GPU = re.compile(
    r"no NVIDIA driver|No CUDA GPUs are available|no NVIDIA GPU|not compiled with|No HIP GPUs|hipErrorNoDevice",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one process answered.

    Attributes:
        python: The interpreter.
        answer: The last JSON object that it wrote; None where it wrote none.
    """

    name: str
    python: str
    result: CommandResult
    answer: Mapping[str, Any] | None

    @property
    def started(self) -> bool:
        """Whether there is a Python at all. The Microsoft Store's stand-in ends with 9009."""
        return self.result.problem == "timeout" or (
            self.result.returncode is not None and self.result.returncode != 9009
        )

    @property
    def stage(self) -> str:
        return self.text("stage")

    def text(self, key: str) -> str:
        value = (self.answer or {}).get(key)
        return value if isinstance(value, str) else ""

    def items(self, key: str) -> list[Any]:
        value = (self.answer or {}).get(key)
        return value if isinstance(value, list) else []

    def devices(self) -> list[Mapping[str, Any]]:
        return [one for one in self.items("devices") if isinstance(one, dict)]

    def companions(self) -> dict[str, Mapping[str, Any]]:
        value = (self.answer or {}).get("companions")
        return (
            {str(name): one for name, one in value.items() if isinstance(one, dict)} if isinstance(value, dict) else {}
        )

    def broken_companions(self) -> dict[str, Mapping[str, Any]]:
        return {name: one for name, one in self.companions().items() if one.get("error")}


def probe(system: System, folder: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Import and compute, each framework in a process of its own, in the first interpreter that starts."""
    for python, _own in candidates(system, folder):
        trials = side_by_side(partial(_try, system, python), NAMES)
        if any(trial.started for trial in trials):
            known = _told_of(system, folder) if any(trial.broken_companions() for trial in trials) else set()
            found = [finding for trial in trials for finding in _findings(system, trial, known)]
            kept = [finding for finding in found if finding.code not in _MATCHED]
            return {"computed": tuple(filter(None, map(_build, trials)))}, kept
    return {}, []


def _told_of(system: System, folder: Path) -> set[str]:
    """Packages that cannot work, as their metadata says: the check of what is installed has told of them."""
    inventory = take_inventory(system, folder)
    return set() if inventory is None else {name for name, _finding in wrong_companions(system, inventory)}


def _try(system: System, python: str, name: str) -> Trial:
    result = system.run([python, "-X", f"newmodel={name}", str(_SCRIPT), name], timeout=PATIENCE)
    return Trial(name=name, python=python, result=result, answer=last_object(result.stdout))


def _build(trial: Trial) -> FrameworkBuild | None:
    """The facts; None where the framework is not installed, or nothing is known of it."""
    if trial.result.problem == "timeout":
        return FrameworkBuild(
            name=trial.name, version=trial.text("version"), build=trial.text("build"), works=False, error="timeout"
        )
    if trial.answer is None or trial.answer.get("installed") is not True:
        return None
    seconds = trial.answer.get("seconds")
    devices = trial.devices()
    tried = {"cpu", *(str(one.get("device")) for one in devices)}
    return FrameworkBuild(
        name=trial.name,
        version=trial.text("version"),
        build=trial.text("build"),
        architectures=tuple(one for one in trial.items("arch_list") if isinstance(one, str)),
        devices=tuple(str(one.get("name") or one.get("device") or "GPU") for one in devices),
        works=trial.stage == "done" and bool(tried & {one for one in trial.items("computed") if isinstance(one, str)}),
        error=_words(trial),
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
    )


def _words(trial: Trial) -> str:
    """What it raised, and the line before it that says why; empty where all went well."""
    error = trial.text("error") or trial.text("device_error")
    if not error and trial.stage == "done":
        return ""
    decisive = next((line for line in trial.result.stderr.splitlines() if code_of(line)), "")
    return error if not decisive or code_of(error) else f"{error}\n{decisive}".strip()


# --- findings ---------------------------------------------------------------------------------------------------------


#: Said where the GPU's driver and chip are known, with the build that fits: framework_match.py.
_MATCHED = ("NM402", "NM403")


def _findings(system: System, trial: Trial, known: set[str]) -> Iterator[Finding]:
    if trial.result.problem == "timeout":
        yield _too_slow(trial)
        return
    if trial.answer is None or trial.answer.get("installed") is not True:
        return
    stage = trial.stage
    failed = _failure(trial)
    if failed is not None and stage in trial.companions():
        yield _companion_finding(system, trial, stage, failed)
    elif failed is not None:
        yield _framework_finding(system, trial, failed)
    reason = trial.text("device_error") or _telling_warning(trial)
    if reason and failed is None and not trial.devices() and not _NO_GPU.search(reason):
        yield _device_finding(system, trial, reason)
    for name, entry in trial.companions().items():
        error = entry.get("error")
        if isinstance(error, str) and error and name not in known:
            version = entry.get("version")
            own = Failure(
                name=name,
                text=f"{error}\n{trial.result.stderr}",
                version=version if isinstance(version, str) else "",
                framework=trial.text("version"),
            )
            yield _companion_finding(system, trial, name, own)
    yield from _quiet_bitsandbytes(system, trial)
    yield from _foreign_libraries(system, trial)


def _telling_warning(trial: Trial) -> str:
    """PyTorch only warns where it looks for NVIDIA's GPUs in vain."""
    warnings = (one for one in trial.items("warnings") if isinstance(one, str))
    return next((one for one in warnings if one.startswith("CUDA initialization")), "")


def _failure(trial: Trial) -> Failure | None:
    """What the framework, or what was imported after it, died of."""
    error = trial.text("error")
    ended = trial.result.returncode
    if not error and (trial.stage == "done" or (not trial.stage and ended == 0)):
        return None
    stage = trial.stage if trial.stage in trial.companions() else trial.name
    version = trial.text("version") if stage == trial.name else ""
    # what it raised says most; what was written before may say why
    return Failure(
        name=stage,
        text=f"{error}\n{trial.result.stderr[-8000:]}".strip(),
        returncode=ended,
        version=version,
        framework=trial.text("version"),
    )


def _too_slow(trial: Trial) -> Finding:
    if trial.stage in ("devices", "compute"):
        return Finding(
            code="NM405",
            severity="blocks",
            what=_("{framework} gets no answer from {device} within {seconds} seconds.").format(
                framework=_title(trial.name), device=_device_name(trial), seconds=int(PATIENCE)
            ),
            meaning=_("A training would wait forever."),
            advice=_("The driver hangs: end what else uses the GPU, or restart the machine."),
        )
    package = trial.stage if trial.stage in trial.companions() else trial.name
    return Finding(
        code="NM414",
        severity="slows",
        what=_("Importing {framework} takes more than {seconds} seconds.").format(
            framework=_title(package), seconds=int(PATIENCE)
        ),
        meaning=_("Every start of a training waits as long."),
        advice=_(
            "A network disk, a virus scanner or a driver that does not answer: move the environment to a local disk, "
            "and leave its folder out of the scan."
        ),
    )


def _framework_finding(system: System, trial: Trial, failed: Failure) -> Finding:
    cause = diagnose(system, failed)
    title = _title(trial.name)
    if trial.stage in ("devices", "compute"):
        device = _device_name(trial)
        return Finding(
            code=cause.code or "NM405",
            severity="blocks",
            what=_("{framework} cannot compute on {device}: {why}.").format(
                framework=title, device=device, why=cause.why
            ),
            meaning=_("A training on that device fails at its first step."),
            advice=cause.advice,
            commands=_commands(system, trial, cause),
        )
    return Finding(
        code=cause.code or "NM404",
        severity="blocks",
        what=_("{framework} cannot be imported: {why}.").format(framework=title, why=cause.why),
        meaning=_("Nothing that uses {framework} runs.").format(framework=title),
        advice=cause.advice,
        commands=_commands(system, trial, cause),
    )


def _device_finding(system: System, trial: Trial, reason: str) -> Finding:
    """It works on the processor, and the driver gave a reason why not on the GPU."""
    cause = diagnose(system, Failure(name=trial.name, text=reason, version=trial.text("version")))
    return Finding(
        code=cause.code or "NM405",
        severity="blocks",
        what=_("{framework} cannot use the GPU: {why}.").format(framework=_title(trial.name), why=cause.why),
        meaning=_("Training would run on the processor, many times slower."),
        advice=cause.advice,
        commands=_commands(system, trial, cause),
    )


def _companion_finding(system: System, trial: Trial, name: str, failed: Failure) -> Finding:
    cause = diagnose(system, failed)
    commands = _commands(system, trial, cause)
    if name == "numpy":
        return Finding(
            code=cause.code or "NM407",
            severity="blocks",
            what=_("{framework} and NumPy cannot exchange data: {why}.").format(
                framework=_title(trial.name), why=cause.why
            ),
            meaning=_("Reading data for training fails."),
            advice=cause.advice,
            commands=commands,
        )
    optional = name == "bitsandbytes"
    code = "NM406" if name in ("torchvision", "torchaudio") and cause.code not in ("NM407", "NM409") else cause.code
    return Finding(
        code=code or "NM404",
        severity="slows" if optional else "blocks",
        what=_("{package} cannot be imported: {why}.").format(package=name, why=cause.why),
        meaning=(
            _("QLoRA and 8-bit optimizers need it; all else works.")
            if optional
            else _("What uses {package} fails, transformers among others.").format(package=name)
            if code == "NM406"
            else _("Nothing that uses {package} runs.").format(package=name)
        ),
        advice=cause.advice,
        commands=commands,
    )


def _quiet_bitsandbytes(system: System, trial: Trial) -> Iterator[Finding]:
    entry = trial.companions().get("bitsandbytes", {})
    gpu = any(one.get("kind") == "cuda" for one in trial.devices())
    if entry.get("gpu") is False and not entry.get("error") and gpu:
        yield Finding(
            code="NM411",
            severity="note",
            what=_("bitsandbytes has no library for this GPU."),
            meaning=_("QLoRA and 8-bit optimizers do not work; LoRA and full fine-tuning do."),
            commands=(_install(system, trial.python, "--upgrade", "bitsandbytes"),),
        )


def _foreign_libraries(system: System, trial: Trial) -> Iterator[Finding]:
    """A CUDA library of the machine was loaded although the environment brings the same one."""
    site = str(PurePosixPath(trial.text("file")).parent.parent) if trial.text("file") else ""
    if not site.startswith("/"):
        return
    searched = [place.rstrip("/") for place in system.environ.get("LD_LIBRARY_PATH", "").split(":") if place]
    for path in trial.items("libraries"):
        if not isinstance(path, str) or path.startswith(site + "/"):
            continue
        name, folder = PurePosixPath(path).name.partition(".so")[0], str(PurePosixPath(path).parent)
        own = system.glob(f"{site}/nvidia/*/lib/{name}.so*") or system.glob(f"{site}/torch/lib/{name}.so*")
        # the quick check has told of the folders in LD_LIBRARY_PATH
        if own and folder not in searched:
            yield Finding(
                code="NM409",
                severity="slows",
                what=_("{framework} has loaded {library} instead of the one that was installed with it.").format(
                    framework=_title(trial.name), library=path
                ),
                meaning=_("Another version than the one it was built with is loaded: the GPU may fail, or be slower."),
                advice=_("A file in /etc/ld.so.conf.d names that folder; without it the framework takes its own."),
            )


def _commands(system: System, trial: Trial, cause: Cause) -> tuple[Command, ...]:
    commands = list(cause.commands)
    if cause.uninstall:
        commands.append(command(system, trial.python, "-m", "pip", "uninstall", *cause.uninstall))
    if cause.install:
        commands.append(_install(system, trial.python, *cause.install))
    return tuple(commands)


def _install(system: System, python: str, *words: str) -> Command:
    """Install into the interpreter that was asked; a person does it, since an older version may be replaced."""
    return command(system, python, "-m", "pip", "install", *words)


def _device_name(trial: Trial) -> str:
    device = trial.text("device")
    if device == "cpu":
        return _("the processor")
    named = next(
        (str(one.get("name")) for one in trial.devices() if one.get("device") == device and one.get("name")), ""
    )
    return named or device or _("the GPU")


def _title(name: str) -> str:
    return {"torch": "PyTorch", "tensorflow": "TensorFlow"}.get(name, name)
