"""PyCharm is installed from a service on this machine that answers as JetBrains' does, on good and bad days."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jetbrains_service import Service, archive, cut_after, member, serve
from made_machine import make

from scaffolder.environment.ide import pycharm as probe
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.system import CommandResult
from scaffolder.errors import NewmodelError
from scaffolder.pycharm import command, install_windows
from scaffolder.pycharm import install as installing
from scaffolder.pycharm.http import Client
from scaffolder.pycharm.install import Plan, Progress, Result, client_for, install, plan
from scaffolder.pycharm.releases import checksum, platform_key
from scaffolder.pycharm.unpack import unpack

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="installs a PyCharm for Linux")

GB = 10**9


@dataclass
class Computer(RealSystem):
    """This machine with a home of its own."""

    folder: Path
    platform: str = "linux"
    machine: str = "x86_64"
    variables: dict[str, str] = field(default_factory=dict)
    free: int = 100 * GB
    there: dict[str, str] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": f"{self.folder}/.local/bin:/usr/bin", "DISPLAY": ":0", **self.variables}

    def disk(self, path: str | Path) -> tuple[int, int]:
        return 500 * GB, self.free

    def which(self, name: str) -> str | None:
        return self.there.get(name)

    def processes(self) -> list[str]:
        return []

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        return CommandResult(returncode=None, problem="missing")


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home = tmp_path / "home"
    home.mkdir()
    return Computer(home)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def run(service: Service, computer: Computer, waits: list[float]) -> Callable[..., Result]:
    def run(**options: Any) -> Result:
        client = client_for(service.url, computer, sleep=waits.append)
        planned = plan(computer, client=client, service_url=service.url, **options)
        assert planned.existing is None
        return install(planned, computer, client=client)

    return run


def parts(computer: Computer) -> list[str]:
    """What lies in the cache."""
    folder = computer.home.parent / "cache" / "newmodel" / "pycharm"
    return sorted(path.name for path in folder.glob("*")) if folder.exists() else []


def nothing_was_installed(computer: Computer) -> bool:
    return not any(path.is_file() or "pycharm" in path.name for path in computer.home.rglob("*"))


def test_the_newest_is_installed_where_the_probe_finds_it(
    service: Service, computer: Computer, run: Callable[..., Result]
) -> None:
    service.add("2025.3.4", archive(version="2025.3.4"))
    service.add("2026.1.2", archive(version="2026.1.2"))
    (computer.home / ".local/bin").mkdir(parents=True)
    done = run()
    assert done.folder == computer.home / ".local/share/newmodel/pycharm-2026.1.2"
    assert os.access(done.launcher, os.X_OK)
    found = probe.probe(computer)[0]["pycharm"]
    assert [(one.version, one.launcher) for one in found] == [("2026.1.2", str(done.launcher))]
    assert sorted(path.name for path in done.folder.parent.iterdir()) == ["pycharm-2026.1.2"]  # no staging is left
    assert parts(computer) == []  # and no gigabyte in the cache
    assert (computer.home / ".local/bin/pycharm").resolve() == done.launcher
    assert (done.folder / "bin/pycharm.sh").resolve() == done.launcher
    desktop = (computer.home / ".local/share/applications/jetbrains-pycharm.desktop").read_text().splitlines()
    assert desktop[0] == "[Desktop Entry]"
    assert f'Exec="{done.launcher}" %f' in desktop
    assert f"Icon={done.folder}/bin/pycharm.svg" in desktop
    assert "StartupWMClass=jetbrains-pycharm" in desktop
    assert len(done.messages) == 2


def test_a_newer_one_takes_over_the_menu_entry_and_the_command(
    service: Service, computer: Computer, run: Callable[..., Result]
) -> None:
    service.add("2026.1", archive())
    first = run()
    service.add("2026.2", archive(version="2026.2"))
    second = run()
    assert first.folder.exists()
    assert second.folder.exists()
    assert (computer.home / ".local/bin/pycharm").resolve() == second.launcher
    assert str(second.launcher) in (computer.home / ".local/share/applications/jetbrains-pycharm.desktop").read_text()


def test_what_the_person_made_stays(service: Service, computer: Computer, run: Callable[..., Result]) -> None:
    service.add("2026.1", archive())
    entry = computer.home / ".local/share/applications/jetbrains-pycharm.desktop"
    link = computer.home / ".local/bin/pycharm"
    for path in (entry, link):
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    done = run()
    assert (entry.read_text(), link.read_text()) == ("mine", "mine")
    assert done.messages == [f"The menu entry {entry} is there already and was left as it is."]


def test_a_menu_entry_for_a_folder_with_any_name(
    service: Service, computer: Computer, run: Callable[..., Result], tmp_path: Path
) -> None:
    service.add("2026.1", archive())
    folder = tmp_path / 'my "$tools" 50% \\ 工具'
    run(folder=folder)
    entry = (computer.home / ".local/share/applications/jetbrains-pycharm.desktop").read_text().splitlines()
    line = next(line for line in entry if line.startswith("Exec=")).removeprefix("Exec=").removesuffix(" %f")
    # first the file's own escapes, then those of the quoted word, then the field codes
    word = line.replace("\\\\", "\\").strip('"').replace("%%", "%")
    for character in '"$`\\':
        word = word.replace("\\" + character, character)
    assert word == f"{folder}/bin/pycharm"


def test_a_named_version(service: Service, run: Callable[..., Result]) -> None:
    for version in ("2025.3.1", "2025.3.2", "2026.1"):
        service.add(version, archive(version=version))
    assert run(version="2025.3").folder.name == "pycharm-2025.3.2"
    assert run(version="2025.3.1").folder.name == "pycharm-2025.3.1"


def test_an_unknown_version_names_the_nearest_and_the_newest(service: Service, run: Callable[..., Result]) -> None:
    for version in ("2025.3.1", "2025.3.2", "2026.1"):
        service.add(version, archive(version=version))
    with pytest.raises(
        NewmodelError, match=r"There is no PyCharm 2025\.3\.9; nearest: 2025\.3\.\d, .*newest: 2026\.1, "
    ):
        run(version="2025.3.9")


def test_installed_already(service: Service, computer: Computer, run: Callable[..., Result]) -> None:
    service.add("2026.1", archive())
    done = run()
    client = client_for(service.url, computer)
    again = plan(computer, client=client, service_url=service.url)
    assert again.existing is not None
    assert installing.nothing_to_do(again) == f"PyCharm 2026.1 is installed already: {done.folder}"
    # an older one was asked for: that is another installation
    service.add("2025.2", archive(version="2025.2"))
    assert plan(computer, client=client, service_url=service.url, version="2025.2").existing is None


def test_a_folder_of_ones_own(service: Service, computer: Computer, run: Callable[..., Result], tmp_path: Path) -> None:
    service.add("2026.1", archive())
    assert run(folder=tmp_path / "my tools" / "py charm").launcher == tmp_path / "my tools/py charm/bin/pycharm"
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    with pytest.raises(NewmodelError, match="is there already and is not this PyCharm"):
        run(folder=taken)
    assert [path.name for path in taken.iterdir()] == ["thesis.txt"]


# ---- the way of the bytes


def test_it_goes_on_after_a_cut_without_loading_anything_twice(
    service: Service, run: Callable[..., Result], waits: list[float]
) -> None:
    content = archive(padding=900_000)
    path = service.add("2026.1", content)
    service.faults[path] = [cut_after(300_000, content), cut_after(200_000, content)]
    assert run().folder.exists()
    ranges = [headers.get("Range") for asked, headers in service.requests if asked == path]
    assert ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert waits == [1.0, 1.0]  # something arrived each time: the pause does not grow


def test_an_interrupted_download_is_kept_for_the_next_call(
    service: Service, computer: Computer, run: Callable[..., Result]
) -> None:
    content = archive(padding=900_000)
    path = service.add("2026.1", content)
    service.faults[path] = [cut_after(400_000, content), *[500] * 20]
    with pytest.raises(NewmodelError, match=r"What has arrived is kept in .*pycharm-2026.1.tar.gz.part"):
        run()
    assert nothing_was_installed(computer)
    service.faults.clear()
    planned = plan(computer, client=client_for(service.url, computer), service_url=service.url)
    assert planned.here == 400_000
    assert run().folder.exists()
    assert service.requests[-1][1]["Range"] == "bytes=400000-"
    assert service.requests[-1][1]["If-Range"].startswith('"')


def test_a_server_without_ranges_starts_again(service: Service, run: Callable[..., Result]) -> None:
    service.ranges = False
    content = archive(padding=500_000)
    path = service.add("2026.1", content)
    service.faults[path] = [cut_after(300_000, content)]
    assert run().folder.exists()
    assert service.count(path) == 2


def test_a_file_that_changed_meanwhile_starts_again(
    service: Service, run: Callable[..., Result], computer: Computer
) -> None:
    old, new = archive(padding=500_000), archive(padding=600_000)
    path = service.add("2026.1", old)
    service.faults[path] = [cut_after(300_000, old), *[500] * 20]
    with pytest.raises(NewmodelError):
        run()
    service.faults.clear()
    service.releases.clear()
    service.add("2026.1", new)
    assert run().folder.exists()
    # and where the server gives no name to the state of a file, the checksum finds it out
    service.tags = False
    service.add("2026.2", archive(version="2026.2", padding=700_000))
    target = computer.home.parent / "cache/newmodel/pycharm/pycharm-2026.2.tar.gz.part"
    target.write_bytes(b"x" * 1000)
    target.with_name(target.name + ".json").write_text(
        json.dumps({"url": f"{service.url}/python/pycharm-2026.2.tar.gz", "validator": ""})
    )
    assert run().folder.exists()


def test_a_part_that_is_whole_already(service: Service, run: Callable[..., Result], computer: Computer) -> None:
    content = archive()
    path = service.add("2026.1", content)
    part = computer.home.parent / "cache/newmodel/pycharm/pycharm-2026.1.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    part.with_name(part.name + ".json").write_text(json.dumps({"url": service.url + path, "validator": ""}))
    assert run().folder.exists()  # the server answers 416


def test_faults_of_the_server_pass(service: Service, run: Callable[..., Result], waits: list[float]) -> None:
    path = service.add("2026.1", archive())
    service.faults["/products/releases"] = [502, 500]
    service.faults[f"{path}.sha256"] = [500]
    service.faults[path] = [503, 500]
    assert run().folder.exists()
    assert waits == [1.0, 2.0, 1.0, 3.0, 2.0]  # 503 said how long


def test_a_server_that_stays_out_of_order(
    service: Service, run: Callable[..., Result], computer: Computer, waits: list[float]
) -> None:
    service.add("2026.1", archive())
    service.faults["/products/releases"] = [500] * 20
    with pytest.raises(NewmodelError, match=r"127\.0\.0\.1 does not answer \(it answered with status 500\)"):
        run()
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert nothing_was_installed(computer)


def test_a_server_that_falls_silent(service: Service, computer: Computer) -> None:
    import time

    content = archive(padding=400_000)
    path = service.add("2026.1", content)

    def silent(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:300_000])
        time.sleep(1)
        handler.close_connection = True

    service.faults[path] = [silent]
    client = Client(allow_plain=True, timeout=0.3, sleep=lambda _seconds: None)
    assert install(plan(computer, client=client, service_url=service.url), computer, client=client).folder.exists()
    ranges = [headers.get("Range") for asked, headers in service.requests if asked == path]
    assert ranges[0] is None
    assert str(ranges[1]).startswith("bytes=")


def test_a_file_that_is_not_there(service: Service, run: Callable[..., Result], waits: list[float]) -> None:
    path = service.add("2026.1", archive())
    del service.files[path]
    with pytest.raises(NewmodelError, match=r"pycharm-2026\.1\.tar\.gz answered with status 404"):
        run()
    assert waits == []


def test_a_wrong_checksum_deletes_the_file_and_installs_nothing(
    service: Service, run: Callable[..., Result], computer: Computer
) -> None:
    path = service.add("2026.1", archive())
    service.files[f"{path}.sha256"] = f"{'0' * 64} *pycharm-2026.1.tar.gz\n".encode()
    with pytest.raises(NewmodelError, match=r"pycharm-2026\.1\.tar\.gz is not what its checksum says"):
        run()
    assert nothing_was_installed(computer)
    assert parts(computer) == []


@pytest.mark.parametrize("text", ["", "no checksum today", "<html>502</html>", "0" * 63, f"{'0' * 64} *another.tar.gz"])
def test_without_a_checksum_nothing_is_loaded(service: Service, run: Callable[..., Result], text: str) -> None:
    path = service.add("2026.1", archive())
    service.files[f"{path}.sha256"] = text.encode()
    with pytest.raises(NewmodelError, match=r"checksum of .* could not be read, and nothing is installed without it"):
        run()
    assert service.count(path) == 0


def test_checksum_files() -> None:
    digest = hashlib.sha256(b"").hexdigest()
    assert checksum(f"{digest} *a.tar.gz\n", "a.tar.gz") == digest
    assert checksum(f"{digest.upper()}  a.tar.gz\r\n", "a.tar.gz") == digest
    assert checksum(digest, "a.tar.gz") == digest
    assert checksum(f"{'1' * 64} *b.tar.gz\n{digest} *a.tar.gz", "a.tar.gz") == digest


def test_a_longer_file_than_announced(service: Service, run: Callable[..., Result], computer: Computer) -> None:
    content = archive()
    path = service.add("2026.1", content)

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(b"x" * 1000)
        handler.close_connection = True

    service.faults[path] = [endless]
    with pytest.raises(NewmodelError, match="is longer than announced"):
        run()
    assert nothing_was_installed(computer)


def test_redirections_are_followed_but_not_out_of_encryption(service: Service, run: Callable[..., Result]) -> None:
    path = service.add("2026.1", archive())
    service.files["/cdn/file"] = service.files.pop(path)
    service.redirects[path] = "/cdn/file"
    assert run().folder.exists()
    service.add("2026.2", archive(version="2026.2"))
    service.redirects["/python/pycharm-2026.2.tar.gz"] = "http://192.0.2.1/pycharm"
    with pytest.raises(NewmodelError, match=r"http://192\.0\.2\.1/pycharm is not an https address"):
        run()


def test_a_service_must_be_encrypted(computer: Computer) -> None:
    for url in ("http://data.services.jetbrains.com", "ftp://127.0.0.1/x", "file:///etc", "", "https://"):
        with pytest.raises(NewmodelError, match="is not an https address"):
            client_for(url, computer)
    client_for("https://mirror.example.org/jetbrains", computer)
    with pytest.raises(NewmodelError):  # an encrypted service does not send one to a plain address, not even here
        client_for("https://mirror.example.org", computer).check("http://127.0.0.1/x")


def test_nobody_there(computer: Computer) -> None:
    client = Client(allow_plain=True, sleep=lambda _seconds: None)
    with pytest.raises(NewmodelError, match=r"does not answer \(the connection was refused\)"):
        plan(computer, client=client, service_url="http://127.0.0.1:9")


def test_a_certificate_file_that_is_none(tmp_path: Path) -> None:
    client = Client(environ={"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")})
    with pytest.raises(NewmodelError, match=r"REQUESTS_CA_BUNDLE names .*none.pem, which cannot be read"):
        client.text("https://127.0.0.1:9/")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's certificate that no machine trusts by itself, with its key."""
    import shutil
    import subprocess

    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("certificate")
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run(words, check=True, capture_output=True)
    whole = folder / "both.pem"
    whole.write_bytes((folder / "cert").read_bytes() + (folder / "key").read_bytes())
    return whole


def test_a_certificate_must_be_trusted(computer: Computer, certificate: Path) -> None:
    with serve(certificate) as encrypted:
        encrypted.add("2026.1", archive())
        with pytest.raises(
            NewmodelError, match=r"does not trust the certificate of localhost \(.*set SSL_CERT_FILE to"
        ):
            plan(computer, client=client_for(encrypted.url, computer), service_url=encrypted.url)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            computer.variables = {name: str(certificate)}
            client = client_for(encrypted.url, computer)
            assert plan(computer, client=client, service_url=encrypted.url).release.version == "2026.1"
        assert install(
            plan(computer, client=client, service_url=encrypted.url), computer, client=client
        ).folder.exists()


def test_through_a_proxy(service: Service, computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    service.add("2026.1", archive())
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = Client(allow_plain=True, sleep=lambda _seconds: None)
    # the address itself answers nothing: the proxy does
    assert plan(computer, client=client, service_url="http://127.0.0.1:9").release.version == "2026.1"
    service.faults["/products/releases"] = [407]
    with pytest.raises(NewmodelError, match="The proxy wants a name and a password"):
        plan(computer, client=client, service_url="http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(NewmodelError, match=r"the proxy http://…@127\.0\.0\.1:9 cannot be reached"):
        plan(computer, client=client, service_url="http://127.0.0.1:9")


def test_two_at_once(service: Service, computer: Computer, run: Callable[..., Result]) -> None:
    import fcntl

    service.add("2026.1", archive())
    lock = computer.home.parent / "cache/newmodel/pycharm/pycharm-2026.1.tar.gz.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(NewmodelError, match="Another newmodel is loading"):
            run()
    assert run().folder.exists()


# ---- the service's answer


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>maintenance</html>",
        b"[]",
        b"{}",
        b'{"PCP": []}',
        b'{"PCP": null}',
        b'{"PCP": [{}]}',
        b'{"PCP": [{"version": 3, "downloads": {}}]}',
        b'{"PCP": [{"version": "../../x", "downloads": {}}]}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_makes_no_sense(service: Service, run: Callable[..., Result], answer: bytes) -> None:
    service.faults["/products/releases"] = [lambda handler: handler.answer(200, answer)]
    with pytest.raises(NewmodelError, match="gave an answer that newmodel does not understand"):
        run()


def test_a_platform_without_a_build(service: Service, run: Callable[..., Result], computer: Computer) -> None:
    service.add("2021.1", archive(), platforms={"linux": "tar.gz"})
    computer.machine = "aarch64"
    with pytest.raises(NewmodelError, match=r"JetBrains has no PyCharm 2021\.1 for Linux \(ARM\)\."):
        run()


@pytest.mark.parametrize("name", ["..", "", "a/../../x", ".hidden", "a b.tar.gz", "%2e%2e"])
def test_a_link_whose_file_has_no_proper_name_is_no_download(
    service: Service, run: Callable[..., Result], name: str
) -> None:
    service.add("2026.1", archive())
    service.releases[0]["downloads"]["linux"]["link"] = f"{service.url}/python/{name}?x=1"
    with pytest.raises(NewmodelError):
        run()


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"platform": "linux", "machine": "x86_64"}, "linux"),
        ({"platform": "linux", "machine": "aarch64"}, "linuxARM64"),
        ({"platform": "darwin", "machine": "arm64"}, "macM1"),
        ({"platform": "darwin", "machine": "x86_64"}, "mac"),
        ({"platform": "win32", "machine": "AMD64"}, "windows"),
        ({"platform": "win32", "machine": "ARM64"}, "windowsARM64"),
        (
            {"platform": "win32", "machine": "AMD64", "environ": {"PROCESSOR_IDENTIFIER": "ARMv8 (64-bit) Family 8"}},
            "windowsARM64",
        ),
        ({"platform": "win32", "machine": "x86", "environ": {"PROCESSOR_ARCHITEW6432": "AMD64"}}, "windows"),
    ],
)
def test_which_build(tmp_path: Path, content: dict[str, Any], key: str) -> None:
    assert platform_key(make(tmp_path, **content)) == key


def test_under_rosetta_the_chip_counts(tmp_path: Path) -> None:
    says = {("sysctl", "-n", "sysctl.proc_translated"): "1\n"}
    assert platform_key(make(tmp_path, says=says, platform="darwin", machine="x86_64")) == "macM1"


@pytest.mark.parametrize("machine", ["i686", "armv7l", "riscv64", ""])
def test_a_machine_without_pycharm(tmp_path: Path, machine: str) -> None:
    with pytest.raises(NewmodelError, match="JetBrains makes no PyCharm for this machine"):
        platform_key(make(tmp_path, machine=machine))


# ---- what is in the archive

TOP = "pycharm-2026.1"
HOSTILE = {
    "absolute": [member("/tmp/newmodel-escape", b"x")],
    "up": [member(f"{TOP}/../escape", b"x")],
    "up deep": [member(f"{TOP}/bin/../../../escape", b"x")],
    "another top": [member("other/file", b"x")],
    "top alone": [member("file", b"x")],
    "backslash": [member(f"{TOP}/..\\..\\escape", b"x")],
    "drive": [member("C:/escape", b"x")],
    "link out": [member(f"{TOP}/bin/out", kind=tarfile.SYMTYPE, link="../../../escape")],
    "absolute link": [member(f"{TOP}/bin/out", kind=tarfile.SYMTYPE, link="/etc")],
    "through a link": [
        member(f"{TOP}/a", kind=tarfile.SYMTYPE, link="bin"),
        member(f"{TOP}/a/file", b"x"),
    ],
    "over a link": [
        member(f"{TOP}/a", kind=tarfile.SYMTYPE, link="bin/pycharm"),
        member(f"{TOP}/a", b"x"),
    ],
    "link by link": [
        member(f"{TOP}/lib/up", kind=tarfile.SYMTYPE, link=".."),
        member(f"{TOP}/lib/out", kind=tarfile.SYMTYPE, link="up/../x"),
        member(f"{TOP}/lib/more", kind=tarfile.SYMTYPE, link="up/../../escape"),
    ],
    "hard link out": [member(f"{TOP}/hard", kind=tarfile.LNKTYPE, link="/etc/passwd")],
    "hard link up": [member(f"{TOP}/hard", kind=tarfile.LNKTYPE, link=f"{TOP}/../../etc/passwd")],
    "hard link to a link": [
        member(f"{TOP}/s", kind=tarfile.SYMTYPE, link="bin/pycharm"),
        member(f"{TOP}/hard", kind=tarfile.LNKTYPE, link=f"{TOP}/s"),
    ],
    "device": [member(f"{TOP}/dev", kind=tarfile.CHRTYPE)],
    "block device": [member(f"{TOP}/dev", kind=tarfile.BLKTYPE)],
    "pipe": [member(f"{TOP}/pipe", kind=tarfile.FIFOTYPE)],
    "twice": [member(f"{TOP}/bin/pycharm", b"other")],
    "file as folder": [member(f"{TOP}/bin", b"x")],
    "top as link": [member(TOP, kind=tarfile.SYMTYPE, link="/tmp")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives(
    service: Service, run: Callable[..., Result], computer: Computer, members: list[Any], tmp_path: Path
) -> None:
    service.add("2026.1", archive(*members))
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    with pytest.raises(NewmodelError, match="which could write outside of PyCharm's own folder; it was not unpacked"):
        run()
    assert nothing_was_installed(computer)
    assert not Path("/tmp/newmodel-escape").exists()
    after = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    assert {path.name for path in after - before} <= {".local", "share", "newmodel"}


names = st.lists(
    st.sampled_from(["..", ".", "", "/", "a", "b", TOP, "bin", "pycharm", "é", "C:", "x" * 50]), min_size=1, max_size=4
).map("/".join)


@given(
    members=st.lists(
        st.tuples(
            names | names.map(lambda name: f"{TOP}/{name}"),
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]),
            names | names.map(lambda name: f"{TOP}/{name}"),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=70, deadline=None)
def test_no_archive_writes_outside_its_folder(members: list[tuple[str, bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        around = Path(place)
        (around / "a").mkdir()
        (around / "archive.tar.gz").write_bytes(
            archive(*[member(name, b"evil", kind=kind, link=link) for name, kind, link in members])
        )
        before = sorted(around.rglob("*"))
        inside = around / "deep" / "er" / "pycharm"
        refused = False
        try:
            unpack(around / "archive.tar.gz", inside)
        except NewmodelError:
            refused = True
        outside = [path for path in around.rglob("*") if inside not in (path, *path.parents)]
        assert sorted(outside) == sorted([*before, around / "deep", around / "deep/er"])
        # what is refused is deleted by the caller
        for path in [] if refused else inside.rglob("*"):
            assert inside.resolve() in (path.resolve(), *path.resolve().parents)


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(archive(member(f"{TOP}/a", kind=tarfile.SYMTYPE, link="a")))
    with pytest.raises(NewmodelError, match="could write outside"):
        unpack(path, tmp_path / "pycharm")


def test_special_permission_bits_are_dropped(service: Service, run: Callable[..., Result]) -> None:
    service.add(
        "2026.1", archive(member(f"{TOP}/jbr/lib/chrome-sandbox", b"x", mode=0o4755), member(f"{TOP}/w", mode=0o666))
    )
    folder = run().folder
    assert stat.S_IMODE((folder / "jbr/lib/chrome-sandbox").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "w").stat().st_mode) == 0o644


def test_links_inside_are_kept(service: Service, run: Callable[..., Result]) -> None:
    service.add(
        "2026.1",
        archive(
            member(f"{TOP}/jbr/legal/a/LICENSE", kind=tarfile.SYMTYPE, link="../b/LICENSE"),
            member(f"{TOP}/jbr/legal/b/LICENSE", b"text"),
            member(f"{TOP}/copy", kind=tarfile.LNKTYPE, link=f"{TOP}/jbr/legal/b/LICENSE"),
        ),
    )
    folder = run().folder
    assert (folder / "jbr/legal/a/LICENSE").read_text() == "text"
    assert (folder / "copy").read_text() == "text"


@pytest.mark.parametrize("damage", ["no archive", "truncated", "not gzip", "empty", "another program", "other version"])
def test_archives_that_are_no_pycharm(
    service: Service, run: Callable[..., Result], computer: Computer, damage: str
) -> None:
    whole = archive(padding=100_000)
    content = {
        "no archive": b"<html>please log in</html>",
        "truncated": whole[:-20_000],
        "not gzip": bytes(5000),
        "empty": b"",
        "another program": archive(productCode="IU"),
        "other version": whole,
    }[damage]
    service.add("2026.2" if damage == "other version" else "2026.1", content)
    with pytest.raises(NewmodelError):
        run()
    assert nothing_was_installed(computer)


def test_an_archive_that_unpacks_to_far_too_much(
    service: Service, run: Callable[..., Result], computer: Computer
) -> None:
    service.add("2026.1", archive(*[member(f"{TOP}/{number}", bytes(8_000_000)) for number in range(4)]))
    with pytest.raises(NewmodelError, match="far more than a PyCharm"):
        run()
    assert nothing_was_installed(computer)


# ---- the disk


def test_too_little_disk_is_said_before_anything_is_loaded(
    service: Service, computer: Computer, run: Callable[..., Result]
) -> None:
    path = service.add("2026.1", archive())
    service.releases[0]["downloads"]["linux"]["size"] = 1_200_000_000
    computer.free = 4 * GB
    with pytest.raises(NewmodelError, match=r"PyCharm needs 5\.3 GB of disk space at .*, and 4\.0 GB are free"):
        run()
    assert service.count(path) == 0


def test_a_disk_that_fills_while_unpacking(
    service: Service, computer: Computer, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add("2026.1", archive())

    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("scaffolder.pycharm.unpack.shutil.copyfileobj", full)
        with pytest.raises(NewmodelError, match=r"The disk that holds .* is full"):
            run()
    assert nothing_was_installed(computer)
    assert parts(computer) == ["pycharm-2026.1.tar.gz"]  # loaded and proved: not loaded again
    asked = len(service.requests)
    assert run().folder.exists()
    assert [path for path, _headers in service.requests[asked:]] == [
        "/products/releases",
        "/python/pycharm-2026.1.tar.gz.sha256",
    ]


def test_a_disk_that_fills_while_loading(
    service: Service, computer: Computer, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = service.add("2026.1", archive())

    def full(*_arguments: Any) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("scaffolder.pycharm.download._remember", full)
    with pytest.raises(NewmodelError, match=r"The disk that holds .* is full"):
        run()
    assert service.count(path) == 1
    assert nothing_was_installed(computer)


def test_a_killed_installation_is_cleared_away(
    service: Service, computer: Computer, run: Callable[..., Result]
) -> None:
    left = computer.home / ".local/share/newmodel/.pycharm-2026.1.unpacking-abc"
    (left / "pycharm/bin").mkdir(parents=True)
    service.add("2026.1", archive())
    run()
    assert not left.exists()


# ---- macOS and Windows


@dataclass
class Mac(Computer):
    """hdiutil, ditto and codesign as they answer."""

    platform: str = "darwin"
    calls: list[list[str]] = field(default_factory=list)
    fails: str = ""
    holds: str = "PyCharm.app"

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:
        words = list(arguments)
        self.calls.append(words)
        if words[0] == self.fails:
            return CommandResult(returncode=1, stderr=f"{words[0]}: no\n")
        if words[:2] == ["hdiutil", "attach"]:
            inside = Path(words[words.index("-mountpoint") + 1]) / self.holds
            (inside / "Contents/MacOS").mkdir(parents=True)
            (inside / "Contents/MacOS/pycharm").touch()
        if words[0] == "ditto":
            import shutil

            shutil.copytree(words[1], words[2])
        return CommandResult(returncode=0)


def test_macos(service: Service, computer: Computer) -> None:
    service.add("2026.1", b"a disk image")
    mac = Mac(computer.home)
    client = client_for(service.url, mac)
    planned = plan(mac, client=client, service_url=service.url)
    assert planned.file.name == "pycharm-2026.1.dmg"
    done = install(planned, mac, client=client)
    assert done.launcher == computer.home / "Applications/PyCharm.app/Contents/MacOS/pycharm"
    assert done.launcher.exists()
    tools = [call[0] for call in mac.calls if call[0] != "sysctl"]
    assert tools == ["hdiutil", "ditto", "hdiutil", "codesign"]
    assert [path.name for path in (computer.home / "Applications").iterdir()] == ["PyCharm.app"]


@pytest.mark.parametrize("tool", ["hdiutil", "ditto", "codesign"])
def test_macos_leaves_nothing_where_a_tool_fails(service: Service, computer: Computer, tool: str) -> None:
    service.add("2026.1", b"a disk image")
    mac = Mac(computer.home, fails=tool)
    client = client_for(service.url, mac)
    planned = plan(mac, client=client, service_url=service.url)
    with pytest.raises(NewmodelError, match=f"{tool} failed, and PyCharm was not installed: {tool}: no"):
        install(planned, mac, client=client)
    assert list((computer.home / "Applications").iterdir()) == []
    if tool != "hdiutil":
        assert any(call[:2] == ["hdiutil", "detach"] for call in mac.calls)


def test_windows_runs_jetbrains_own_installer(tmp_path: Path) -> None:
    words = install_windows.arguments(
        Path("C:/Users/Ann O'Neil/cache/pycharm-2026.1.exe"), Path("C:/c/silent.config"), Path("C:/my tools/PyCharm")
    )
    assert words[:4] == ["powershell", "-NoProfile", "-NonInteractive", "-Command"]
    assert words[4] == (
        r"exit (Start-Process -Wait -PassThru -FilePath 'C:\Users\Ann O''Neil\cache\pycharm-2026.1.exe' "
        r"""-ArgumentList '/S "/CONFIG=C:\c\silent.config" /D=C:\my tools\PyCharm').ExitCode"""
    )
    archive_file = tmp_path / "pycharm.exe"
    machine = make(tmp_path / "machine", platform="win32")
    with pytest.raises(
        NewmodelError, match=r"did not install PyCharm \(exit code None\); start it by hand: .*pycharm.exe"
    ):
        install_windows.install(archive_file, tmp_path / "target", "2026.1", machine)


# ---- better ways


def test_better_ways_are_offered(service: Service, computer: Computer) -> None:
    service.add("2024.3", archive(version="2024.3"))
    computer.there["snap"] = "/usr/bin/snap"
    (computer.home / ".local/share/JetBrains/Toolbox/bin").mkdir(parents=True)
    computer.variables = {"DISPLAY": ""}
    hints = plan(computer, client=client_for(service.url, computer), service_url=service.url).hints
    assert any("JetBrains Toolbox is here" in line for line in hints)
    assert any("sudo snap install pycharm --classic" in line for line in hints)
    assert any("2024.3 needs a licence" in line for line in hints)
    assert any("no graphical display" in line for line in hints)


def test_alpine_cannot(tmp_path: Path) -> None:
    from scaffolder.pycharm.install_linux import check

    with pytest.raises(NewmodelError, match="has musl"):
        check(make(tmp_path, there=["/lib/ld-musl-x86_64.so.1"]))


# ---- the command


@pytest.fixture
def here(service: Service, computer: Computer) -> Callable[..., int]:
    return lambda **options: int(command.run_install(system=computer, service_url=service.url, **options))


def test_dry_run_writes_nothing(
    service: Service, computer: Computer, here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = service.add("2026.1", archive())
    assert here(dry_run=True) == 0
    said = capsys.readouterr().err
    assert "PyCharm 2026.1 (2026-04-01)" in said
    assert f"{computer.home}/.local/share/newmodel/pycharm-2026.1" in said
    assert service.count(path) == 0
    assert nothing_was_installed(computer)


def test_without_a_terminal_yes_must_be_said(
    service: Service, computer: Computer, here: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    service.add("2026.1", archive())
    with pytest.raises(NewmodelError, match="add --yes"):
        here()
    assert here(yes=True) == 0
    said = capsys.readouterr().err
    assert f"PyCharm 2026.1 is installed: {computer.home}/.local/share/newmodel/pycharm-2026.1" in said
    assert "Start it: " in said
    assert here(yes=True) == 0
    assert "PyCharm 2026.1 is installed already" in capsys.readouterr().err


def test_ctrl_c_says_that_the_part_is_kept(
    service: Service, computer: Computer, here: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = archive(padding=900_000)
    service.add("2026.1", content)

    def interrupted(_planned: Plan, _system: Any, *, progress: Progress, **_more: Any) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(installing, "install", interrupted)
    with pytest.raises(NewmodelError, match="the same command goes on from there") as raised:
        here(yes=True)
    assert raised.value.exit_code == 130


def test_the_variable_names_another_service(
    service: Service, computer: Computer, capsys: pytest.CaptureFixture[str]
) -> None:
    service.add("2026.1", archive())
    computer.variables["NEWMODEL_JETBRAINS_SERVICE"] = service.url
    assert command.run_install(system=computer, dry_run=True) == 0
    assert service.url in capsys.readouterr().err
