"""`newmodel mirrors`: one switch for where packages and models come from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder import console
from scaffolder.environment.network.mirrors import (
    HUB,
    HUB_MIRROR,
    MIRRORS,
    MODELSCOPE,
    MODELSCOPE_PACKAGE,
    Mirror,
    mirror_of,
)
from scaffolder.environment.network.proxies import host_of, without_password
from scaffolder.errors import ExitCode, NewmodelError, os_error
from scaffolder.index_files import NotUnderstoodError, pip_text, uv_text
from scaffolder.install.settings import pip_settings, uv_default_index, uv_files
from scaffolder.messages import _
from scaffolder.project_packages import declare, index_build

if TYPE_CHECKING:
    from scaffolder.environment.system import System

HUBS = ("hf-mirror", "modelscope", "official")
_OFF = "off"
_BACKUP = ".before-newmodel"
_MODELSCOPE_REQUIREMENT = f"{MODELSCOPE_PACKAGE}>=1.20"


@dataclass(frozen=True)
class _File:
    """A person's settings of one tool, and how its index is changed in them."""

    tool: str
    path: Path
    edit: Callable[[str, str], str]

    @property
    def backup(self) -> Path:
        return self.path.with_name(self.path.name + _BACKUP)


def run_mirrors(
    *,
    use: str = "",
    hub: str = "",
    listing: bool = False,
    undo: bool = False,
    dry_run: bool = False,
    as_json: bool = False,
    project: Path | None = None,
    system: System | None = None,
) -> int:
    """Show, choose or give up a mirror.

    Args:
        use: A mirror's name, or `off` for PyPI itself.
        hub: One of `HUBS`; with `use` alone the hub's mirror is proposed too.
        listing: List the mirrors.
        undo: Bring back the settings as they were before the first change.
        dry_run: Show what would change, and write nothing.
        as_json: Print one JSON object on standard output.
        project: A project that gets the hub's package among its dependencies; the current folder if it is one.

    Returns:
        The exit code: `ExitCode.FINDING` where a file could not be brought back.

    Raises:
        NewmodelError: A name that is none, or a file that cannot be read or written.
    """
    from scaffolder.environment.real_system import RealSystem

    system = system or RealSystem()
    if undo and (use or hub):
        raise NewmodelError(_("--undo goes alone: it brings back what was before the first --use."))
    mirror = _mirror(use)
    if hub and hub not in HUBS:
        raise NewmodelError(_("There is no hub “{name}”; there are: {names}.").format(name=hub, names=", ".join(HUBS)))
    if undo:
        return _undo(system, dry_run=dry_run)
    if listing or not (use or hub):
        _show(system, as_json=as_json, everything=listing)
        return int(ExitCode.OK)
    if use:
        _change(system, mirror, dry_run=dry_run)
    _hub(system, hub or ("official" if mirror is None else "hf-mirror"), project, dry_run=dry_run)
    if mirror is not None:
        _pytorch(mirror, project)
    return int(ExitCode.OK)


def _mirror(name: str) -> Mirror | None:
    if not name or name == _OFF:
        return None
    for mirror in MIRRORS:
        if mirror.name == name:
            return mirror
    names = ", ".join([*(mirror.name for mirror in MIRRORS), _OFF])
    raise NewmodelError(_("There is no mirror “{name}”; there are: {names}.").format(name=name, names=names))


def _files(system: System) -> list[_File]:
    """pip's and uv's files of this person, where these tools look last and so believe most."""
    environ, home = system.environ, system.home
    own = environ.get("PIP_CONFIG_FILE", "")
    if own and own not in (os.devnull, "nul", "NUL"):
        pip = Path(own)
    elif system.platform == "win32":
        pip = Path(environ.get("APPDATA") or home / "AppData/Roaming") / "pip/pip.ini"
    else:
        pip = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
        mac = home / "Library/Application Support/pip"
        if system.platform == "darwin" and mac.is_dir():
            pip = mac / "pip.conf"
    uv = uv_files(environ, home, system.platform)
    return [_File("pip", pip, pip_text), *(_File("uv", path, uv_text) for path in uv[-1:])]


def _change(system: System, mirror: Mirror | None, *, dry_run: bool) -> None:
    url = mirror.packages if mirror else ""
    files = _files(system)
    texts = [_read(file.path) for file in files]
    changed = [_edited(file, text or "", url) for file, text in zip(files, texts, strict=True)]
    for file, old, new in zip(files, texts, changed, strict=True):
        if new == (old or ""):
            console.say(_("{path} says so already.").format(path=file.path))
        elif dry_run:
            _show_change(file.path, old or "", new)
        else:
            _keep(file, old)
            _write(file.path, new)
            console.say(
                _("{tool} takes packages from {url} ({path}).").format(
                    tool=file.tool, url=url or "https://pypi.org/simple", path=file.path
                )
            )
    _overruled(system)
    if not dry_run:
        console.say(_("Back to how it was: {command}").format(command="newmodel mirrors --undo"))


def _edited(file: _File, text: str, url: str) -> str:
    try:
        return file.edit(text, url)
    except NotUnderstoodError as error:
        raise NewmodelError(
            _("{path} is written in a way that newmodel cannot change; set the index {url} there by hand.").format(
                path=file.path, url=url or "https://pypi.org/simple"
            )
        ) from error


def _overruled(system: System) -> None:
    """Say which variables go before the files that were just written."""
    names = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    for name in [name for name in names if system.environ.get(name)]:
        console.warn(
            _("The environment variable {name} goes before this; remove it where you set it.").format(name=name)
        )


def _hub(system: System, hub: str, project: Path | None, *, dry_run: bool) -> None:
    if hub == "modelscope":
        _declare(project, dry_run=dry_run)
        console.say(
            _("Models from ModelScope ({address}): download one, and name its folder as the model.").format(
                address=MODELSCOPE
            )
        )
        console.say("  modelscope download --model Qwen/Qwen3-0.6B --local_dir models/Qwen3-0.6B")
        return
    if hub == "official" and not system.environ.get("HF_ENDPOINT"):
        return
    windows = system.platform == "win32"
    console.say(
        _("Models come through the hub's mirror where this variable is set; for every terminal from now on:")
        if hub == "hf-mirror"
        else _("Models come from {hub} again when the variable is gone:").format(hub=HUB)
    )
    if hub == "official":
        console.say("  reg delete HKCU\\Environment /v HF_ENDPOINT /f" if windows else "  unset HF_ENDPOINT")
        return
    if windows:
        console.say(f'  setx HF_ENDPOINT "{HUB_MIRROR}"')
    else:
        shell = ".zshrc" if system.environ.get("SHELL", "").endswith("zsh") else ".bashrc"
        console.say(f"  echo 'export HF_ENDPOINT={HUB_MIRROR}' >> ~/{shell} && export HF_ENDPOINT={HUB_MIRROR}")
    if system.environ.get("HF_TOKEN"):
        console.warn(_("Your token (HF_TOKEN) would go to {host}, too.").format(host=host_of(HUB_MIRROR)))
    console.say(
        _("In PyCharm: Run › Edit Configurations › Environment variables: {variable}").format(
            variable=f"HF_ENDPOINT={HUB_MIRROR}"
        )
    )


def _declare(project: Path | None, *, dry_run: bool) -> None:
    """Enter ModelScope's package among the dependencies of a project, where there is one."""
    path = (project or Path.cwd()) / "pyproject.toml"
    text = _read(path)
    if text is None:
        if project is not None:
            raise NewmodelError(_("There is no project in {path}: it has no pyproject.toml.").format(path=project))
        console.say(_("In a project of yours: {command}").format(command=f"uv add '{_MODELSCOPE_REQUIREMENT}'"))
        return
    try:
        changed = declare(text, _MODELSCOPE_REQUIREMENT)
    except NotUnderstoodError as error:
        raise NewmodelError(
            _("{path} is written in a way that newmodel cannot change; add {requirement} by hand.").format(
                path=path, requirement=_MODELSCOPE_REQUIREMENT
            )
        ) from error
    if changed == text:
        console.say(_("{path} says so already.").format(path=path))
    elif dry_run:
        _show_change(path, text, changed)
    else:
        _write(path, changed)
        console.say(
            _("{requirement} is among the dependencies now ({path}); install it with: {command}").format(
                requirement=_MODELSCOPE_REQUIREMENT, path=path, command="uv sync"
            )
        )


def _pytorch(mirror: Mirror, project: Path | None) -> None:
    """PyTorch's own builds are not on PyPI: where the mirror keeps them, and how a project takes them from there."""
    if not mirror.pytorch:
        return
    build = index_build(_read((project or Path.cwd()) / "pyproject.toml") or "") or "cpu"
    address = f"{mirror.pytorch}/{build}"
    console.say(_("PyTorch's builds have a mirror there too; once for an installation:"))
    if mirror.pytorch_kind == "index":
        console.say(f"  uv sync --index pytorch={address}")
        console.say(f"  python -m pip install torch --index-url {address}")
    else:
        console.say(f"  python -m pip install torch --find-links {address}")


def _undo(system: System, *, dry_run: bool) -> int:
    code = ExitCode.OK
    kept = [file for file in _files(system) if file.backup.exists()]
    if not kept:
        console.say(_("There is nothing to bring back: newmodel has not changed these settings."))
    for file in kept:
        before, now = _read(file.backup) or "", _read(file.path) or ""
        if not _is_ours(file, before, now):
            console.warn(
                _("{path} was changed since; the settings from before are in {backup}.").format(
                    path=file.path, backup=file.backup
                )
            )
            code = ExitCode.FINDING
        elif dry_run:
            _show_change(file.path, now, before)
        else:
            try:
                # nothing was kept of a file that did not exist
                file.backup.replace(file.path.resolve()) if before else file.path.unlink(missing_ok=True)
                file.backup.unlink(missing_ok=True)
            except OSError as error:
                raise os_error(error, file.path) from error
            console.say(_("{path} is as it was.").format(path=file.path))
    return int(code)


def _is_ours(file: _File, before: str, now: str) -> bool:
    """Whether the file is what newmodel made of the kept one, and no more."""
    try:
        return any(file.edit(before, url) == now for url in ("", *(mirror.packages for mirror in MIRRORS)))
    except NotUnderstoodError:
        return False


def _keep(file: _File, text: str | None) -> None:
    """Keep the file as it was before newmodel's first change, or since the person's last."""
    if file.backup.exists() and _is_ours(file, _read(file.backup) or "", text or ""):
        return
    _write(file.backup, text or "")


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise NewmodelError(_("{path} is not UTF-8 text; change it by hand.").format(path=path)) from error
    except OSError as error:
        raise NewmodelError(
            _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror or type(error).__name__)
        ) from error


def _write(path: Path, text: str) -> None:
    """In one step, through a link to where the file really is, its permissions kept."""
    try:
        real = path.resolve()
        real.parent.mkdir(parents=True, exist_ok=True)
        temporary = real.with_name(f"{real.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(text.encode("utf-8"))
            if real.exists():
                temporary.chmod(real.stat().st_mode & 0o777)
            temporary.replace(real)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise os_error(error, path) from error


def _show_change(path: Path, old: str, new: str) -> None:
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), str(path), str(path), lineterm="")
    for line in lines:
        # whoever pipes this somewhere must not pass a password on
        console.out().print(_without_passwords(line), soft_wrap=True)


def _without_passwords(line: str) -> str:
    return " ".join(without_password(word) if "://" in word else word for word in line.split(" "))


def _show(system: System, *, as_json: bool, everything: bool) -> None:
    pip = pip_settings(system.environ, system.home, platform=system.platform).index_url
    uv = uv_default_index(system.environ, system.home, platform=system.platform)
    hub = system.environ.get("HF_ENDPOINT") or HUB
    if as_json:
        content = {
            "pip": without_password(pip),
            "uv": without_password(uv),
            "hub": without_password(hub),
            "mirrors": [vars(mirror) for mirror in MIRRORS],
            "hubs": {"official": HUB, "hf-mirror": HUB_MIRROR, "modelscope": MODELSCOPE},
        }
        console.print_json(content)
        return
    from rich.table import Table

    def named(url: str) -> str:
        mirror = mirror_of(url)
        shown = without_password(url) or "https://pypi.org/simple"
        return f"{shown} ({mirror.name})" if mirror else shown

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("pip", named(pip))
    table.add_row("uv", named(uv))
    table.add_row(_("model hub"), without_password(hub))
    console.out().print(table)
    if everything:
        console.out().print()
        _list()
    console.say(_("Choose one: {command}").format(command="newmodel mirrors --use NAME"))
    if not everything:
        console.say(_("All of them: {command}").format(command="newmodel mirrors --list"))


def _list() -> None:
    """A line for each address, however long: they are there to be copied."""
    for mirror in MIRRORS:
        console.out().print(f"{mirror.name:10}{mirror.title}", soft_wrap=True)
        console.out().print(f"{'':10}{mirror.packages}", soft_wrap=True)
        if mirror.pytorch:
            console.out().print(f"{'':10}{mirror.pytorch} (PyTorch)", soft_wrap=True)
