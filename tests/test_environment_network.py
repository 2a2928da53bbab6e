"""What servers answer, and what that means: through the seam, and with real servers on this machine."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_machine import codes, make

from scaffolder.environment import report
from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.network.certificate import interceptor, is_public, issuer_of
from scaffolder.environment.network.indexes import PYTORCH
from scaffolder.environment.network.mirrors import MIRRORS, mirror_of
from scaffolder.environment.network.proxies import proxy, without_password
from scaffolder.environment.network.web import ask
from scaffolder.environment.panel import facts

NOW = "2026-11-24T10:00:00+00:00"
DATE = "Tue, 24 Nov 2026 10:00:00 GMT"
FINE = {"status": 200, "seconds": 0.2, "date": DATE, "issuer": "Let's Encrypt"}
SERVERS = [
    "https://pypi.org",
    "https://download.pytorch.org",
    "https://huggingface.co",
    "https://www.modelscope.cn",
    "https://hf-mirror.com",
    *("/".join(mirror.packages.split("/")[:3]) for mirror in MIRRORS),
]


def look(tmp_path: Path, web: dict[str, Any] | None = None, **answers: Any) -> Report:
    """The network's part of the report; every server is fine except as `web` says."""
    content: dict[str, Any] = {"now": NOW, "reachable": [PYTORCH], **answers}
    system = make(tmp_path, web={**dict.fromkeys(SERVERS, FINE), **(web or {})}, **content)
    return report.inspect(system, checks=["indexes", "network"])


def only(found: Report, code: str) -> Finding:
    (finding,) = [one for one in found.findings if one.code == code]
    return finding


def nothing(error: str, **fields: Any) -> dict[str, Any]:
    return {server: {"error": error, **fields} for server in SERVERS}


def test_a_good_network_is_no_finding(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert found.findings == ()
    assert found.network.clock_error == 0.0 and not found.network.offline
    assert [server.role for server in found.network.servers[:4]] == ["packages", "pytorch", "hub", "modelscope"]
    assert all(server.reachable for server in found.network.servers)


def test_offline_is_said_once(tmp_path: Path) -> None:
    found = look(tmp_path, nothing("name"), reachable=[])
    assert codes(found.findings) == ["NM708"]
    assert found.network.offline


def test_the_pytorch_index_alone(tmp_path: Path) -> None:
    assert codes(look(tmp_path, reachable=[]).findings) == ["NM701"]


def test_an_index_that_does_not_answer_blocks_and_the_fastest_mirror_is_named(tmp_path: Path) -> None:
    web = {"https://pypi.org": {"error": "timeout"}, "https://mirrors.aliyun.com": {**FINE, "seconds": 0.05}}
    finding = only(look(tmp_path, web), "NM709")
    assert finding.severity == "blocks"
    assert finding.what == "The package index pypi.org does not answer."
    assert finding.commands[0].line == "newmodel mirrors --use aliyun"


def test_an_own_index_that_does_not_answer_while_pypi_does(tmp_path: Path) -> None:
    texts = {"/home/person/.config/pip/pip.conf": "[global]\nindex-url = https://li:secret@nexus.firm/simple\n"}
    found = look(tmp_path, texts=texts)
    finding = only(found, "NM709")
    assert "nexus.firm" in finding.what and "--use off" in finding.advice
    assert "secret" not in str(found.as_json())


def test_a_slow_index_and_a_fast_mirror(tmp_path: Path) -> None:
    finding = only(look(tmp_path, {"https://pypi.org": {**FINE, "seconds": 2.8}}), "NM703")
    assert finding.commands[0].line.startswith("newmodel mirrors --use ")
    slow = {server: {**FINE, "seconds": 2.9} for server in SERVERS}
    assert only(look(tmp_path, slow), "NM703").commands == ()


def test_a_hub_out_of_reach_has_a_mirror_or_modelscope(tmp_path: Path) -> None:
    finding = only(look(tmp_path, {"https://huggingface.co": {"error": "timeout"}}), "NM702")
    assert finding.commands[0].line == "export HF_ENDPOINT=https://hf-mirror.com"
    gone = {"https://huggingface.co": {"error": "timeout"}, "https://hf-mirror.com": {"error": "timeout"}}
    finding = only(look(tmp_path, gone), "NM702")
    assert finding.commands[0].line == "python -m pip install modelscope"
    windows = only(look(tmp_path, {"https://huggingface.co": {"error": "refused"}}, platform="win32"), "NM702")
    assert windows.commands[0].line == 'setx HF_ENDPOINT "https://hf-mirror.com"'


def test_an_endpoint_of_ones_own_is_the_one_that_is_asked(tmp_path: Path) -> None:
    found = look(tmp_path, environ={"HF_ENDPOINT": "https://hub.firm/"})
    assert "hub.firm" in only(found, "NM702").what


@pytest.mark.parametrize(
    ("date", "severity", "words"),
    [
        ("Tue, 24 Nov 2026 09:58:00 GMT", None, ""),
        ("Tue, 24 Nov 2026 09:50:00 GMT", "slows", "10 minutes ahead"),
        ("Tue, 24 Nov 2026 15:00:00 GMT", "slows", "5 hours behind"),
        ("Thu, 24 Nov 2033 10:00:00 GMT", "blocks", "2557 days behind"),
        ("yesterday", None, ""),
    ],
)
def test_the_clock(tmp_path: Path, date: str, severity: str | None, words: str) -> None:
    found = look(tmp_path, {server: {**FINE, "date": date} for server in SERVERS})
    assert [one.severity for one in found.findings if one.code == "NM706"] == ([severity] if severity else [])
    if words:
        assert words in only(found, "NM706").what


def test_a_clock_so_wrong_that_no_certificate_is_valid(tmp_path: Path) -> None:
    found = look(tmp_path, nothing("certificate", detail="certificate is not yet valid"), reachable=[])
    assert codes(found.findings) == ["NM706"]
    assert found.findings[0].severity == "blocks"


def test_a_company_that_opens_connections(tmp_path: Path) -> None:
    refused = nothing("certificate", issuer="Zscaler Inc.", detail="unable to get local issuer certificate")
    finding = only(look(tmp_path, refused, reachable=[]), "NM705")
    assert finding.severity == "blocks" and finding.what.startswith("Zscaler opens")
    assert any("update-ca-certificates" in line.line for line in finding.commands)
    trusted = only(look(tmp_path, {"https://pypi.org": {**FINE, "issuer": "ACME Corp Proxy CA"}}), "NM705")
    assert trusted.severity == "note" and "ACME Corp Proxy CA" in trusted.what
    assert len(trusted.commands) == 1
    windows = only(look(tmp_path, refused, platform="win32", reachable=[]), "NM705")
    assert windows.commands[0].line == 'setx UV_SYSTEM_CERTS "true"'


def test_an_own_servers_private_certificate_is_no_interception(tmp_path: Path) -> None:
    environ = {"PIP_INDEX_URL": "https://nexus.firm/simple", "UV_DEFAULT_INDEX": "https://nexus.firm/simple"}
    found = look(tmp_path, {"https://nexus.firm": {**FINE, "issuer": "Firm CA"}}, environ=environ)
    assert found.findings == ()


def test_a_proxy_that_does_not_answer(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://li:secret@127.0.0.1:7890"}
    found = look(tmp_path, nothing("proxy"), environ=environ, reachable=[])
    finding = only(found, "NM704")
    assert "127.0.0.1:7890" in finding.what and "secret" not in str(found.as_json())
    assert finding.commands[0].line == "unset HTTPS_PROXY"
    assert codes(found.findings) == ["NM704"]


def test_a_socks_proxy(tmp_path: Path) -> None:
    finding = only(look(tmp_path, environ={"all_proxy": "socks5://127.0.0.1:7890"}), "NM704")
    assert finding.commands[0].line == "export HTTPS_PROXY=http://127.0.0.1:7890"


def test_a_mirror_that_uv_knows_nothing_of(tmp_path: Path) -> None:
    texts = {"/home/person/.pip/pip.conf": "[global]\nindex-url = https://pypi.tuna.tsinghua.edu.cn/simple\n"}
    found = look(tmp_path, texts=texts, which={"uv": "/usr/bin/uv"})
    assert only(found, "NM707").commands[0].line == "newmodel mirrors --use tsinghua"
    assert "NM707" not in codes(look(tmp_path, texts=texts).findings), "no uv here"
    texts["/home/person/.config/uv/uv.toml"] = (
        '[[index]]\nurl = "https://mirrors.aliyun.com/pypi/simple"\ndefault = true\n'
    )
    assert "NM707" not in codes(look(tmp_path, texts=texts, which={"uv": "/usr/bin/uv"}).findings)


def test_the_systems_proxies(tmp_path: Path) -> None:
    key = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"
    listing = (
        f"\r\n{key}\r\n    ProxyEnable    REG_DWORD    0x1\r\n    ProxyServer    REG_SZ    "
        "http=10.0.0.1:80;https=10.0.0.2:8080\r\n    AutoConfigURL    REG_SZ    http://wpad/proxy.pac\r\n"
    )
    found = proxy(make(tmp_path, platform="win32", says={("reg", "query", key): listing}))
    assert (found.url, found.source, found.script) == ("http://10.0.0.2:8080", "system", "http://wpad/proxy.pac")
    mac = (
        "<dictionary> {\n  ExceptionsList : <array> {\n    0 : *.local\n  }\n  HTTPSEnable : 1\n  HTTPSPort : 6152\n"
        "  HTTPSProxy : 127.0.0.1\n  ProxyAutoConfigEnable : 0\n}\n"
    )
    assert proxy(make(tmp_path, platform="darwin", says={("scutil", "--proxy"): mac})).url == "http://127.0.0.1:6152"
    own = make(tmp_path, environ={"https_proxy": "proxy.firm:3128"})
    assert (proxy(own).url, proxy(own).source) == ("proxy.firm:3128", "https_proxy")
    assert proxy(make(tmp_path), "http://pip.firm").source == "pip"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://li:secret@proxy:80", "http://proxy:80"),
        ("li:secret@proxy:80", "proxy:80"),
        ("http://[broken:secret@x", "http://x"),
        ("https://pypi.org/simple", "https://pypi.org/simple"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_mirrors_are_known_by_their_servers() -> None:
    assert [mirror_of(mirror.packages) for mirror in MIRRORS] == list(MIRRORS)
    assert mirror_of("https://mirrors.tuna.tsinghua.edu.cn/pypi/web/simple/") == MIRRORS[0]
    assert mirror_of("https://pypi.org/simple") is None and mirror_of("http://[") is None


def test_issuers() -> None:
    public = ["Let's Encrypt", "GlobalSign nv-sa", "Amazon", "Google Trust Services", "DigiCert Inc", "Sectigo Limited"]
    assert all(is_public(name) and not interceptor(name) for name in public)
    assert interceptor("Zscaler Inc.") == "Zscaler" and interceptor("Sangfor Technologies") == "Sangfor"
    assert not is_public("ACME Corp")


# --- real servers -----------------------------------------------------------------------------------------------------


class Page(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"page")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    running = []

    def start(handler: type[BaseHTTPRequestHandler] = Page, context: ssl.SSLContext | None = None) -> str:
        server = HTTPServer(("127.0.0.1", 0), handler)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"{'https' if context else 'http'}://localhost:{server.server_port}/"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")


@pytest.mark.usefixtures("direct")
def test_a_real_answer(serve: Callable[..., str]) -> None:
    answer = ask(serve(), timeout=5.0, limit=100)
    assert (answer.status, answer.size, answer.error) == (200, 4, "")
    assert answer.date.endswith("GMT")

    class Missing(Page):
        status = 404

    assert ask(serve(Missing), timeout=5.0).status == 404


@pytest.mark.usefixtures("direct")
def test_a_real_certificate_that_is_not_trusted_names_its_issuer(tmp_path: Path, serve: Callable[..., str]) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("makes a certificate with openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/O=Zscaler Inc./CN=localhost"]
    subprocess.run([openssl, *words, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    answer = ask(serve(context=context), timeout=5.0)
    assert (answer.error, answer.issuer) == ("certificate", "Zscaler Inc.")
    assert "self" in answer.detail
    encoded = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert issuer_of(encoded) == "Zscaler Inc."
    for length in range(0, len(encoded), 7):
        assert issuer_of(encoded[:length]) == "", "a certificate that was cut off"


@pytest.mark.parametrize("url", ["http://[", "ftp//nothing", "", "https://\0/", "http://localhost:port/"])
def test_an_address_that_is_none(url: str) -> None:
    answer = ask(url, timeout=2.0)
    assert answer.status is None and answer.error not in ("", "timeout")


def test_a_real_proxy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    assert ask("https://pypi.org/simple/", timeout=5.0).error == "proxy"


@pytest.mark.usefixtures("direct")
def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    import socket
    import time

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        answer = ask(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.5)
        assert answer.error == "timeout" and time.monotonic() - began < 5.0


# --- bad input --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=120),
    st.one_of(st.text(max_size=40), st.just("http://["), st.just("socks5://"), st.just("@")),
    st.one_of(st.none(), st.integers(0, 999)),
    st.sampled_from(["linux", "darwin", "win32"]),
)
def test_garbage_is_no_crash(tmp_path: Path, raw: bytes, words: str, status: int | None, platform: str) -> None:
    answer = {"status": status, "date": words, "issuer": words, "error": words}
    texts = {f"/home/person/{name}": raw for name in (".config/pip/pip.conf", ".config/uv/uv.toml", "pip/pip.ini")}
    found = look(
        tmp_path,
        dict.fromkeys(SERVERS, answer),
        platform=platform,
        texts=texts,
        says={("reg", "*"): raw, ("scutil", "*"): raw},
        which={"uv": "/bin/uv"},
        environ={
            "HTTPS_PROXY": words.replace("\0", ""),
            "HF_ENDPOINT": words,
            "UV_INDEX_URL": words,
            "PIP_PROXY": words,
        },
    )
    assert "NM001" not in codes(found.findings), found.findings


@given(st.binary(max_size=300))
def test_any_bytes_for_a_certificate(raw: bytes) -> None:
    assert isinstance(issuer_of(raw), str)
    assert isinstance(issuer_of(b"\x30\x82\x01\x00" + raw), str)


# --- as people see it -------------------------------------------------------------------------------------------------


def test_every_server_is_shown_with_its_time(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.firm:3128"}
    found = look(tmp_path, {"https://huggingface.co": {"error": "timeout"}}, environ=environ)
    (text,) = [text for check, _title, text in facts(found) if check == "network"]
    assert text.startswith("through http://proxy.firm:3128, pypi.org 0.2 s, download.pytorch.org 0.2 s, ")
    assert "huggingface.co no answer" in text
