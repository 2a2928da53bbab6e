"""Install PyCharm: find the release, load it, prove it, unpack it beside its place, move it there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scaffolder.environment.facts import newest_first
from scaffolder.environment.ide import pycharm as probe
from scaffolder.errors import NewmodelError, os_error
from scaffolder.messages import _
from scaffolder.pycharm import install_linux, install_macos, install_windows, releases
from scaffolder.pycharm.download import download, part_of
from scaffolder.pycharm.http import Client
from scaffolder.pycharm.releases import Download, Release

if TYPE_CHECKING:
    from scaffolder.environment.facts import PyCharm
    from scaffolder.environment.system import System

#: An unpacked PyCharm is about three times as large as its archive.
UNPACKED_RATIO = 3
_USUAL_SIZE = 1_200_000_000
#: Left free on the disk, whatever happens.
_RESERVE = 500_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an installation will do.

    Attributes:
        release: What is installed.
        file: The file of it for this machine.
        target: Where PyCharm will be; on Windows the installer's own place if None was asked for.
        cache: Where the download is kept until it is unpacked.
        here: What of it has arrived already, in bytes.
        existing: An installation of this version, or of a newer one where none was named.
        others: Older installations, which stay.
        hints: Better ways, and what to know, a line each.
    """

    release: Release
    file: Download
    target: Path
    cache: Path
    here: int = 0
    existing: PyCharm | None = None
    others: tuple[PyCharm, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.file.size or _USUAL_SIZE


@dataclass(kw_only=True)
class Result:
    """What was installed.

    Attributes:
        folder: The installation.
        launcher: The program that starts PyCharm.
        messages: What else was made, a line each.
    """

    folder: Path
    launcher: Path
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Told how far a step is: `loaded` with bytes here and in all, `step` with a sentence."""

    loaded: Callable[[int, int | None], None] = lambda _here, _total: None
    step: Callable[[str], None] = lambda _text: None


def service_of(system: System) -> str:
    return system.environ.get(releases.SERVICE_VARIABLE) or releases.SERVICE


def client_for(service: str, system: System, *, sleep: Callable[[float], None] = time.sleep) -> Client:
    """Unencrypted answers are taken from a service on this very machine alone."""
    client = Client(allow_plain=service.startswith("http://"), environ=system.environ, sleep=sleep)
    client.check(service)
    return client


def plan(
    system: System,
    *,
    version: str | None = None,
    folder: Path | None = None,
    client: Client | None = None,
    service_url: str | None = None,
    cache: Path | None = None,
) -> Plan:
    """Ask what there is, and decide where it goes; nothing is written.

    Args:
        version: The newest if None.
        folder: The installation's own folder; the usual place if None.

    Raises:
        NewmodelError: If there is nothing to install here, the folder is taken, or the disk is too small.
    """
    service = service_url or service_of(system)
    client = client or client_for(service, system)
    key = releases.platform_key(system)
    if system.platform == "linux":
        install_linux.check(system)
    release = releases.find(client, service, version)
    file = release.download(key)
    cache = cache or _cache()
    installed = list(probe.probe(system)[0]["pycharm"])
    existing = next((one for one in installed if _covers(one, release, named=version is not None)), None)
    if folder is not None:
        folder = folder.expanduser().absolute()
        existing = next(
            (one for one in installed if one.folder == str(folder) and one.version == release.version), None
        )
    target = folder or _place(release, system)
    part = part_of(cache / file.name)
    there = next((path for path in (cache / file.name, part) if path.exists()), None)
    planned = Plan(
        release=release,
        file=file,
        target=target,
        cache=cache,
        here=there.stat().st_size if there else 0,
        existing=existing,
        others=tuple(one for one in installed if one is not existing),
        hints=tuple(_hints(release, system)),
    )
    if existing is None:
        _check_folder(target, system)
        _check_disk(planned, system)
    return planned


def install(
    planned: Plan,
    system: System,
    *,
    client: Client | None = None,
    service_url: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Do what `plan` said.

    Whatever fails, no half of an installation stays; what has been loaded stays for the next try.

    Raises:
        NewmodelError: If it cannot be done.
    """
    progress = progress or Progress()
    client = client or client_for(service_url or service_of(system), system)
    file = planned.file
    expected = releases.checksum(client.text(file.checksum_link, limit=64 * 1024), file.name)
    archive = planned.cache / file.name
    download(client, file.link, archive, sha256=expected, size=file.size, report=progress.loaded)
    progress.step(_("Unpacking …") if system.platform == "linux" else _("Installing …"))
    how = {"darwin": install_macos.install, "win32": install_windows.install}.get(
        system.platform, install_linux.install
    )
    try:
        launcher, messages = how(archive, planned.target, planned.release.version, system)
    except OSError as error:
        raise os_error(error, planned.target) from error
    archive.unlink(missing_ok=True)
    return Result(folder=planned.target, launcher=launcher, messages=messages)


def _cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("newmodel", appauthor=False) / "pycharm"


def _covers(installed: PyCharm, release: Release, *, named: bool) -> bool:
    if named:
        return installed.version == release.version
    return newest_first(installed.version) >= newest_first(release.version)


def _place(release: Release, system: System) -> Path:
    if system.platform == "darwin":
        return install_macos.place(release.version, system)
    if system.platform == "win32":
        return install_windows.place(release.version, system)
    return install_linux.place(release.version, system)


def _check_folder(target: Path, system: System) -> None:
    try:
        taken = target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir())))
    except OSError as error:
        raise os_error(error, target) from error
    if taken:
        raise NewmodelError(
            _("{path} is there already and is not this PyCharm; choose another place with --folder.").format(
                path=target
            )
        )
    if not system.writable(target):
        raise NewmodelError(_("You may not write to {path}; choose another place with --folder.").format(path=target))


def _check_disk(planned: Plan, system: System) -> None:
    """Room for what is still to be loaded, and for what it unpacks to; the two may be on two disks."""
    load = max(0, planned.size - planned.here)
    unpacked = planned.size * UNPACKED_RATIO
    disks = [(planned.cache, load), (planned.target, unpacked)]
    answers = [system.disk(path) for path, _need in disks]
    if answers[0] is not None and answers[0] == answers[1]:  # one disk, as far as its numbers tell
        disks, answers = [(planned.target, load + unpacked)], answers[1:]
    for (path, need), answer in zip(disks, answers, strict=True):
        if answer is not None and answer[1] < need + _RESERVE:
            raise NewmodelError(
                _("PyCharm needs {need} of disk space at {path}, and {free} are free.").format(
                    need=size_text(need + _RESERVE), path=path, free=size_text(answer[1])
                )
            )


def size_text(size: int) -> str:
    """Bytes for a person: 1.2 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _hints(release: Release, system: System) -> list[str]:
    """Better ways than ours where they are there: they keep PyCharm up to date."""
    lines = []
    if _toolbox(system):
        lines.append(
            _("JetBrains Toolbox is here: it installs PyCharm and keeps it up to date. Better install it there.")
        )
    if system.platform == "linux" and system.which("snap"):
        lines.append(
            _("It is also there as a snap, which updates itself: {command}").format(
                command="sudo snap install pycharm --classic"
            )
        )
    if system.platform == "darwin" and system.which("brew"):
        lines.append(
            _("Homebrew has it as well, and updates it: {command}").format(command="brew install --cask pycharm")
        )
    if system.platform == "win32" and system.which("winget"):
        lines.append(
            _("JetBrains Toolbox would keep it up to date: {command}").format(
                command="winget install --exact --id JetBrains.Toolbox"
            )
        )
    if newest_first(release.version)[:2] < (2025, 1):
        lines.append(
            _("PyCharm {version} needs a licence after 30 days; from 2025.1 on PyCharm is free without one.").format(
                version=release.version
            )
        )
    if system.platform == "linux":
        lines += install_linux.hints(system)
    return lines


def _toolbox(system: System) -> bool:
    places = {
        "darwin": ["/Applications/JetBrains Toolbox.app"],
        "win32": [f"{system.environ.get('LOCALAPPDATA', '')}/JetBrains/Toolbox/bin"],
    }.get(system.platform, [f"{system.home}/.local/share/JetBrains/Toolbox/bin"])
    return any(system.exists(place) for place in places)


def nothing_to_do(planned: Plan) -> str:
    """The sentence for a PyCharm that is there."""
    assert planned.existing is not None
    return _("PyCharm {version} is installed already: {path}").format(
        version=planned.existing.version, path=planned.existing.folder
    )
