"""A package index of our own on 127.0.0.1, with small fake packages: what installers do, without a network."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.server
import importlib.metadata
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

# PEP 660 in its smallest form, under the name that generated projects ask for.
_BACKEND = """
import base64, hashlib, os, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "editable_project-0.1.0-py3-none-any.whl"
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    with open("pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    stem = project["name"].replace("-", "_") + "-" + project["version"]
    requires = "".join(f"Requires-Dist: {text}\\n" for text in project["dependencies"])
    files = {
        f"{stem}.pth": os.getcwd(),
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\\nName: {project['name']}\\n"
        f"Version: {project['version']}\\n{requires}",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{path},,\\n" for path in files) + f"{stem}.dist-info/RECORD,,\\n"
    with zipfile.ZipFile(os.path.join(wheel_directory, f"{stem}-py3-none-any.whl"), "w") as wheel:
        for path, text in {**files, f"{stem}.dist-info/RECORD": record}.items():
            wheel.writestr(path, text)
    return f"{stem}-py3-none-any.whl"

build_wheel = build_editable
"""


def add_package(index: Path, name: str, version: str, files: dict[str, str] | None = None) -> None:
    """Put a wheel into an index folder; its one module says its version."""
    module = name.replace("-", "_")
    content = files or {f"{module}/__init__.py": f'__version__ = "{version}"\n'}
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if name == "jsonargparse":
        metadata += "Provides-Extra: signatures\n"
    content = {
        **content,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    _write_wheel(index, name, version, {path: text.encode() for path, text in content.items()}, info)


def add_build_backend(index: Path) -> None:
    """Put a stand-in for hatchling there that makes editable installations, and nothing else."""
    add_package(index, "hatchling", "1.27.0", {"hatchling/__init__.py": "", "hatchling/build.py": _BACKEND})


def add_installed(index: Path, name: str) -> None:
    """Put a package there as it is installed beside this test: the real one."""
    package = importlib.metadata.distribution(name)
    content = {}
    for path in package.files or []:
        if ".." not in path.parts and not path.name.endswith(".pyc") and path.name not in ("RECORD", "INSTALLER"):
            content[str(path)] = path.locate().read_bytes()
    _write_wheel(index, name, package.version, content, f"{name}-{package.version}.dist-info")


def _write_wheel(index: Path, name: str, version: str, content: dict[str, bytes], info: str) -> None:
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b'=').decode()},{len(raw)}\n"
        for path, raw in content.items()
    )
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", "w") as wheel:
        for path, raw in content.items():
            wheel.writestr(path, raw)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the base class
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve `folder`, whose listings are simple indexes, and give its address."""
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def serve_nothing() -> Iterator[str]:
    """An address where connections are accepted and never answered."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
