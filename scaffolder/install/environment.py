"""Make a project's `.venv` and install what its pyproject.toml names."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scaffolder import console
from scaffolder.errors import Interrupted, NewmodelError, os_error
from scaffolder.install.indexes import answers
from scaffolder.install.process import InstallError, LiveLine, Progress, Step, StepFailed, run
from scaffolder.install.project_file import dependencies, give_up_framework_index, indexed_requirements
from scaffolder.install.settings import PackageSettings, pip_settings, uv_names_an_index
from scaffolder.messages import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNFINISHED = "newmodel-unfinished"  # lies in .venv from its first moment to the end of the installation
_LOGS_KEPT = 20
_PYPI = "https://pypi.org/simple/"
# Settings for another environment than the project's, or that make pip wait for an answer.
_NOT_FOR_INSTALLERS = (
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "__PYVENV_LAUNCHER__",
    "PIP_TARGET",
    "PIP_PREFIX",
)
_FOR_INSTALLERS = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "UV_PROJECT_ENVIRONMENT": ".venv",
    "NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
}


def environment_python(project: Path) -> Path:
    """Where the Python of the project's `.venv` is, or would be."""
    return project / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_unfinished(project: Path) -> bool:
    """True if an installation in `.venv` was begun and has not come to its end."""
    return (project / ".venv" / _UNFINISHED).exists()


def create_environment(
    project: Path,
    *,
    package_manager: str,
    python: str | Path | None = None,
    progress: Progress | None = None,
    dependencies_only: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Path:
    """Make `.venv` in `project` and install the project's packages; an unfinished one is finished.

    Args:
        package_manager: `uv` or `pip`.
        python: The interpreter to start from; None means this one (pip) or the one that uv finds (uv).
        progress: Is told what is happening; None means a live line on the terminal.
        dependencies_only: Leave out the project itself.
        environ: The environment variables to work with; None means this process's.

    Returns:
        The path of the environment's Python.

    Raises:
        InstallError: The installation failed; the project is kept, the text says how to go on.
        Interrupted: Ctrl-C, likewise.
    """
    project = project.absolute()
    variables = {name: value for name, value in (environ or os.environ).items() if name not in _NOT_FOR_INSTALLERS}
    variables.update(_FOR_INSTALLERS)
    settings = pip_settings(variables, Path.home())
    _take_over(project)
    if package_manager == "uv" and not dependencies_only and _uv_needs_to_be_told(settings, variables):
        _write_uv_toml(project, settings)

    with _log() as log, contextlib.ExitStack() as display:
        tell = progress or display.enter_context(LiveLine())
        given_up = _give_up_silent_index(project, settings, variables)
        while True:
            steps = _steps(project, package_manager, python, settings, variables, dependencies_only)
            try:
                while steps:
                    run(steps[0], project, log, tell, variables)
                    del steps[0]
                break
            except StepFailed as failure:
                if not given_up and _is_about_index(failure, project) and _give_up_index(project):
                    given_up = True
                    continue
                raise _install_error(project, failure, steps, log) from failure
            except (Interrupted, KeyboardInterrupt):  # the latter while no step runs, or one is being started
                raise Interrupted(_interrupted_text(project, steps)) from None
    (project / ".venv" / _UNFINISHED).unlink(missing_ok=True)
    return environment_python(project)


def go_on_commands(project: Path, *, package_manager: str, python: str | Path | None = None) -> list[str]:
    """What a person types to install the project's packages without newmodel, line by line."""
    project = project.absolute()
    settings = pip_settings(os.environ, Path.home())
    return _typed(project, _steps(project, package_manager, python, settings, os.environ, False))


# --- the commands -------------------------------------------------------------------------------------------


def _steps(
    project: Path,
    package_manager: str,
    python: str | Path | None,
    settings: PackageSettings,
    environ: Mapping[str, str],
    dependencies_only: bool,
) -> list[Step]:
    if package_manager == "uv":
        return _uv_steps(project, python, settings, environ, dependencies_only)
    return _pip_steps(project, python or sys.executable, settings, dependencies_only)


def _uv_steps(
    project: Path,
    python: str | Path | None,
    settings: PackageSettings,
    environ: Mapping[str, str],
    dependencies_only: bool,
) -> list[Step]:
    uv = find_uv(environ)
    variables = settings.connection_environment(environ)
    if _uv_needs_to_be_told(settings, environ) and not (project / "uv.toml").exists():
        variables |= settings.index_environment()
    steps = []
    if not _works(environment_python(project)):
        command = [uv, "venv", "--allow-existing", *(["--python", str(python)] if python else []), ".venv"]
        steps.append(Step(_("Creating the virtual environment"), tuple(command), variables))
    command = [uv, "sync", *(["--no-install-project"] if dependencies_only else [])]
    return [*steps, Step(_("Installing the packages"), tuple(command), variables)]


def _pip_steps(project: Path, python: str | Path, settings: PackageSettings, dependencies_only: bool) -> list[Step]:
    pip = (str(environment_python(project)), "-m", "pip", "install")
    steps = []
    if not _works(environment_python(project)):
        steps.append(Step(_("Creating the virtual environment"), (str(python), "-m", "venv", ".venv")))
    # Dependency groups came with 25.1, and a fresh environment holds the pip of its Python's release.
    steps.append(Step(_("Updating pip"), (*pip, "--upgrade", "pip>=25.1")))
    raw = ("--progress-bar", "raw")
    if not settings.no_index:
        steps += [
            Step(
                _("Installing the framework"),
                (*pip, *raw, "--index-url", source.index_url, *source.requirements),
            )
            for source in indexed_requirements(project)
        ]
    what = dependencies(project) if dependencies_only else ["--editable", ".", "--group", "dev"]
    return [*steps, Step(_("Installing the packages"), (*pip, *raw, *what))]


def find_uv(environ: Mapping[str, str] | None = None) -> str:
    """The uv to use: the one that started us, the one on PATH, or the one beside our Python."""
    environ = os.environ if environ is None else environ
    beside = shutil.which("uv", path=str(Path(sys.executable).parent))
    found = environ.get("UV") or shutil.which("uv", path=environ.get("PATH")) or beside
    if not found:
        raise NewmodelError(_("uv is not installed here; choose pip, or install uv: pip install uv"))
    return found


def _uv_needs_to_be_told(settings: PackageSettings, environ: Mapping[str, str]) -> bool:
    return settings.names_an_index and not uv_names_an_index(environ, Path.home())


def _write_uv_toml(project: Path, settings: PackageSettings) -> None:
    """Let every later `uv run` and `uv sync` here see what pip is told, too. Passwords stay where they are."""
    path = project / "uv.toml"
    if path.exists() or settings.holds_credentials:
        return
    header = "# Made by newmodel from pip's settings, which uv does not read. For this machine only.\n"
    path.write_text(header + settings.uv_toml(), encoding="utf-8")


# --- the framework's own index ------------------------------------------------------------------------------


def _give_up_silent_index(project: Path, settings: PackageSettings, environ: Mapping[str, str]) -> bool:
    """Give up an index that does not answer, unless nothing does: then the network is away, and may come back."""
    sources = [] if settings.no_index else indexed_requirements(project)
    if all(answers(source.index_url, settings) for source in sources):
        return False
    own = settings.find_links or uv_names_an_index(environ, Path.home())
    return bool(own or answers(settings.index_url or _PYPI, settings)) and _give_up_index(project)


def _is_about_index(failure: StepFailed, project: Path) -> bool:
    """Whether it was the framework's own index that could not be reached."""
    texts = (failure.output, *failure.step.command)
    urls = [source.index_url for source in indexed_requirements(project)]
    return failure.diagnosis.network and any(url in text for url in urls for text in texts)


#: Builds in place of which PyPI has one that does not work: for AMD's and Intel's GPUs, for older cards and drivers.
_ONLY_THERE = ("/rocm", "/xpu", "/cu126")


def _give_up_index(project: Path) -> bool:
    """Turn to the configured index, if the project named another one and the build there would work."""
    sources = indexed_requirements(project)
    if not sources or any(build in source.index_url for build in _ONLY_THERE for source in sources):
        return False  # failing is kinder than a wrong build
    give_up_framework_index(project)
    console.warn(
        _(
            "PyTorch's own package index {url} does not answer, so PyTorch comes from the index that this "
            "machine is configured for. It may be a build for another accelerator, and larger."
        ).format(url=sources[0].index_url)
    )
    return True


# --- states of .venv ----------------------------------------------------------------------------------------


def _take_over(project: Path) -> None:
    """Make sure that `.venv` is ours to fill: absent, empty, ours and unfinished, or one that works."""
    folder = project / ".venv"
    if folder.is_symlink() or folder.exists():
        if folder.is_dir() and (_works(environment_python(project)) or not any(folder.iterdir())):
            pass
        elif is_unfinished(project):
            shutil.rmtree(folder)
        else:
            raise NewmodelError(
                _("{path} is there but is no working virtual environment; rename or delete it.").format(path=folder)
            )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise os_error(error, folder) from error
    _mark_unfinished(project)


def _mark_unfinished(project: Path) -> None:
    marker = project / ".venv" / _UNFINISHED
    with contextlib.suppress(OSError):
        marker.write_text("newmodel has not finished installing packages here.\n", encoding="utf-8")


def _works(python: Path) -> bool:
    if not python.exists():
        return False
    try:
        done = subprocess.run([python, "-c", "pass"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


# --- what a person reads ------------------------------------------------------------------------------------


def _typed(project: Path, steps: list[Step]) -> list[str]:
    lines = [f'cd "{project}"' if " " in str(project) else f"cd {project}"]
    for step in steps:
        lines += [line for line in step.typed(project) if line not in lines]
    return lines


def _install_error(project: Path, failure: StepFailed, steps: list[Step], log: IO[str]) -> InstallError:
    paragraphs = [
        _("{what} failed: {why}. The project itself is complete.").format(
            what=failure.step.title, why=failure.diagnosis.why
        ),
        failure.diagnosis.fix,
        _("Then go on with:"),
        *(f"  {line}" for line in _typed(project, steps)),
        _("Full log: {path}").format(path=log.name),
    ]
    return InstallError("\n".join(paragraphs), diagnosis=failure.diagnosis)


def _interrupted_text(project: Path, steps: list[Step]) -> str:
    lines = [_("Interrupted while installing; the project itself is complete. Go on with:")]
    return "\n".join([*lines, *(f"  {line}" for line in _typed(project, steps))])


@contextlib.contextmanager
def _log() -> Iterator[IO[str]]:
    """A new log file; the oldest ones are deleted."""
    from platformdirs import user_log_path

    folder = user_log_path("newmodel", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.glob("install-*.log"))[: -_LOGS_KEPT + 1]:
            old.unlink(missing_ok=True)
        log = (folder / f"install-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log").open("w", encoding="utf-8")
    except OSError:
        # an installation is worth more than its log
        log = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    with log:
        yield log
