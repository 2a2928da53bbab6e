"""JetBrains' release service on this machine, in the real one's shape, and with the faults of a bad day."""

from __future__ import annotations

import hashlib
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PLATFORMS = {
    "linux": "tar.gz",
    "linuxARM64": "tar.gz",
    "mac": "dmg",
    "macM1": "dmg",
    "windows": "exe",
    "windowsARM64": "exe",
}


@dataclass
class Service:
    """What the server has, and how it behaves.

    Attributes:
        files: By path.
        faults: By path, what happens to the next requests, one each: a status, `cut` after so many bytes, …
        ranges: Whether it sends parts of files.
        tags: Whether it sends an ETag.
        requests: Path and headers of what was asked.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Any]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def add(self, version: str, content: bytes, *, platforms: dict[str, str] | None = None, **changes: Any) -> str:
        """A release with one file for each platform; the path of the one for Linux."""
        downloads = {}
        for platform, suffix in (platforms or PLATFORMS).items():
            arm = "-aarch64" if platform in ("linuxARM64", "macM1", "windowsARM64") else ""
            name = f"pycharm-{version}{arm}.{suffix}"
            path = f"/python/{name}"
            self.files[path] = content
            self.files[f"{path}.sha256"] = f"{hashlib.sha256(content).hexdigest()} *{name}\n".encode()
            downloads[platform] = {
                "link": self.url + path,
                "size": len(content),
                "checksumLink": f"{self.url}{path}.sha256",
            }
        release = {
            "date": "2026-04-01",
            "type": "release",
            "version": version,
            "majorVersion": ".".join(version.split(".")[:2]),
            "build": "261.22158.340",
            "notesLink": "https://youtrack.jetbrains.com/articles/PY-A-1",
            "licenseRequired": True,
            "downloads": downloads,
            "patches": {},
            **changes,
        }
        self.releases.insert(0, release)
        return f"/python/pycharm-{version}.tar.gz"

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _headers in self.requests)


@contextmanager
def serve(certificate: Path | None = None) -> Iterator[Service]:
    """A service until the end of the block.

    Args:
        certificate: A certificate for `localhost` with its key, in one file: the service is then encrypted.
    """
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            service.requests.append((address.path, dict(self.headers)))
            fault = (service.faults.get(address.path) or [None]).pop(0)
            if isinstance(fault, int):
                self.answer(fault, b"out of order", {"Retry-After": "3"} if fault == 503 else {})
            elif callable(fault):
                fault(self)
            elif address.path in service.redirects:
                self.answer(302, b"", {"Location": service.redirects[address.path]})
            elif address.path == "/products/releases":
                latest = "latest=true" in address.query
                self.answer(200, json.dumps({"PCP": service.releases[:1] if latest else service.releases}).encode())
            elif address.path in service.files:
                self.file(service.files[address.path])
            else:
                self.answer(404, b"nothing here")

        def file(self, content: bytes, cut: int | None = None) -> None:
            tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            headers = {"ETag": tag} if service.tags else {}
            wanted = self.headers.get("Range", "")
            same = self.headers.get("If-Range", tag) == tag
            start, status = 0, 200
            if service.ranges and wanted.startswith("bytes=") and same:
                start, status = int(wanted[6:].rstrip("-")), 206
                if start >= len(content):
                    self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(status, content[start:], headers, cut)

        def answer(
            self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_arguments: None  # a client that goes away is part of the tests
    service.url = f"http://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        service.url = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def cut_after(size: int, content: bytes) -> Callable[[Any], None]:
    """A fault: the connection breaks after so many bytes of the body."""
    return lambda handler: handler.file(content, cut=size)


def product(version: str = "2026.1", **changes: Any) -> dict[str, Any]:
    """`product-info.json` as JetBrains writes it for Linux."""
    return {
        "name": "PyCharm",
        "version": version,
        "buildNumber": "261.22158.340",
        "productCode": "PY",
        "envVarBaseName": "PYCHARM",
        "dataDirectoryName": f"PyCharm{'.'.join(version.split('.')[:2])}",
        "svgIconPath": "bin/pycharm.svg",
        "productVendor": "JetBrains",
        "launch": [
            {
                "os": "Linux",
                "arch": "amd64",
                "launcherPath": "bin/pycharm",
                "javaExecutablePath": "jbr/bin/java",
                "vmOptionsFilePath": "bin/pycharm64.vmoptions",
                "startupWmClass": "jetbrains-pycharm",
            }
        ],
        "bundledPlugins": ["PythonCore", "Git4Idea", "AngularJS", "org.jetbrains.plugins.vue", "hg4idea", "Docker"],
        **changes,
    }


def member(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, link: str = "") -> Any:
    """One member of an archive, and its content."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return info, content


def archive(*members: Any, version: str = "2026.1", padding: int = 0, **changes: Any) -> bytes:
    """A tar.gz of a tiny PyCharm, with more members at its end."""
    import random

    top = f"pycharm-{version}"
    usual = [
        member(f"{top}/", kind=tarfile.DIRTYPE, mode=0o755),
        member(f"{top}/product-info.json", json.dumps(product(version, **changes)).encode()),
        member(f"{top}/bin/pycharm", b"#!/bin/sh\nexit 0\n", mode=0o755),
        member(f"{top}/bin/pycharm64.vmoptions", b"-Xms256m\n-Xmx2048m\n"),
        member(f"{top}/bin/pycharm.svg", b"<svg/>"),
        member(f"{top}/bin/pycharm.sh", kind=tarfile.SYMTYPE, link="pycharm"),
        member(f"{top}/lib/app.jar", random.Random(0).randbytes(padding or 2000)),
    ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for info, content in [*usual, *members]:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
