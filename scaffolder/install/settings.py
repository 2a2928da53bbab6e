"""What the person told pip about where packages come from, and the same in uv's words.

uv reads none of pip's settings: a person who set a mirror for pip alone would see uv hang on pypi.org. So
where uv has no setting of its own, pip's are handed on.
"""

from __future__ import annotations

import configparser
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scaffolder.install.toml import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UV_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
)
_UV_INDEX_KEYS = {"index", "index-url", "extra-index-url", "find-links", "no-index"}
_UV_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, kw_only=True)
class PackageSettings:
    """Where packages come from. An empty value means: not set."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    cert: str = ""  # a PEM file that replaces the built-in certificate authorities
    proxy: str = ""

    @property
    def names_an_index(self) -> bool:
        return bool(self.index_url or self.extra_index_urls or self.find_links or self.no_index)

    @property
    def holds_credentials(self) -> bool:
        urls = (self.index_url, *self.extra_index_urls, *self.find_links)
        return any("@" in urlsplit(url).netloc for url in urls)

    def index_environment(self) -> dict[str, str]:
        """The indexes as uv's environment variables."""
        variables = {
            "UV_DEFAULT_INDEX": self.index_url,
            "UV_INDEX": " ".join(self.extra_index_urls),
            # pip takes the best version of all indexes, uv by default stops at the first that knows the name
            "UV_INDEX_STRATEGY": "unsafe-best-match" if self.extra_index_urls else "",
            "UV_FIND_LINKS": ",".join(self.find_links),
            "UV_NO_INDEX": "1" if self.no_index else "",
            "UV_INSECURE_HOST": " ".join(self.trusted_hosts),
        }
        return {name: value for name, value in variables.items() if value}

    def connection_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Certificates and proxy as environment variables, where `environ` does not set them itself."""
        variables = {}
        if self.cert and not any(name in environ for name in _UV_CERTIFICATE_VARIABLES):
            variables["SSL_CERT_FILE"] = self.cert
        if self.proxy and not any(name in environ for name in _PROXY_VARIABLES):
            variables.update(HTTP_PROXY=self.proxy, HTTPS_PROXY=self.proxy)
        return variables

    def uv_toml(self) -> str:
        """The indexes as the text of a `uv.toml`."""
        lines = []
        if self.find_links:
            lines.append(f"find-links = {json.dumps(list(self.find_links), ensure_ascii=False)}")
        if self.no_index:
            lines.append("no-index = true")
        if self.extra_index_urls:
            lines.append('index-strategy = "unsafe-best-match"')
        if self.trusted_hosts:
            lines.append(f"allow-insecure-host = {json.dumps(list(self.trusted_hosts))}")
        for url in self.extra_index_urls:
            lines += ["", "[[index]]", f"url = {json.dumps(url)}"]
        if self.index_url:
            lines += ["", "[[index]]", f"url = {json.dumps(self.index_url)}", "default = true"]
        return "\n".join(lines).strip() + "\n"


def read_file(path: Path) -> str | None:
    """The text of a settings file; None where there is none, or none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def pip_settings(
    environ: Mapping[str, str],
    home: Path,
    *,
    read: Callable[[Path], str | None] = read_file,
    platform: str = sys.platform,
) -> PackageSettings:
    """Read pip's configuration files and `PIP_…` variables, in pip's own order (a later one wins).

    Args:
        read: How a file is read, for another machine than this one.
        platform: Of that machine, as `sys.platform`.
    """
    values: dict[str, str] = {}
    for path in _pip_files(environ, home, read, platform):
        values.update(_pip_values(read(path) or ""))
    for name, value in environ.items():
        if name.upper().startswith("PIP_") and value:
            values[name[4:].lower().replace("_", "-")] = value
    return PackageSettings(
        index_url=values.get("index-url", ""),
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(values.get("find-links", "").split()),
        no_index=values.get("no-index", "").lower() in {"1", "true", "yes", "on"},
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        cert=values.get("cert", ""),
        proxy=values.get("proxy", ""),
    )


def uv_names_an_index(
    environ: Mapping[str, str],
    home: Path,
    *,
    read: Callable[[Path], str | None] = read_file,
    platform: str = sys.platform,
) -> bool:
    """True if the person has told uv itself where packages come from."""
    if any(environ.get(name) for name in _UV_INDEX_VARIABLES):
        return True
    return any(_UV_INDEX_KEYS & set(_uv_values(read(path) or "")) for path in uv_files(environ, home, platform))


def uv_default_index(
    environ: Mapping[str, str],
    home: Path,
    *,
    read: Callable[[Path], str | None] = read_file,
    platform: str = sys.platform,
) -> str:
    """The address that uv takes for PyPI by the person's own settings; empty where that is PyPI itself."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if value := environ.get(name, ""):
            return value.partition("=")[2] if "=" in value.partition("://")[0] else value
    for path in reversed(uv_files(environ, home, platform)):  # the person's goes before the machine's
        content = _uv_values(read(path) or "")
        indexes = content.get("index")
        for index in indexes if isinstance(indexes, list) else []:
            if isinstance(index, dict) and index.get("default") is True:
                return str(index.get("url", ""))
        if isinstance(url := content.get("index-url"), str):
            return url
    return ""


def _pip_files(environ: Mapping[str, str], home: Path, read: Callable[[Path], str | None], platform: str) -> list[Path]:
    own = environ.get("PIP_CONFIG_FILE", "")
    if own in {"/dev/null", "nul", "NUL"}:
        return []
    if platform == "win32":
        machine = [Path(environ.get("PROGRAMDATA", r"C:\ProgramData")) / "pip/pip.ini"]
        person = [
            home / "pip/pip.ini",
            Path(environ.get("APPDATA", home / "AppData/Roaming")) / "pip/pip.ini",
        ]
        place = Path(sys.prefix) / "pip.ini"
    else:
        folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        machine = [Path(folder) / "pip/pip.conf" for folder in folders.split(":") if folder]
        machine.append(Path("/etc/pip.conf"))
        person = [home / ".pip/pip.conf"]
        person.append(Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf")
        if platform == "darwin":
            machine.insert(0, Path("/Library/Application Support/pip/pip.conf"))
            person.append(home / "Library/Application Support/pip/pip.conf")
        place = Path(sys.prefix) / "pip.conf"
    if own and read(Path(own)) is not None:
        person = []
    return [*machine, *person, place, *([Path(own)] if own else [])]


def _pip_values(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}  # a broken file pip itself reports, in its own words
    values = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for name, value in parser.items(section):
                values[name.replace("_", "-").removeprefix("--")] = value
    return values


def uv_files(environ: Mapping[str, str], home: Path, platform: str = sys.platform) -> list[Path]:
    """uv's settings files: the machine's, then the person's."""
    if environ.get("UV_NO_CONFIG"):
        return []
    if own := environ.get("UV_CONFIG_FILE"):
        return [Path(own)]
    if platform == "win32":
        machine = Path(environ.get("PROGRAMDATA", r"C:\ProgramData")) / "uv/uv.toml"
        person = Path(environ.get("APPDATA", home / "AppData/Roaming")) / "uv/uv.toml"
    else:
        machine = Path("/etc/uv/uv.toml")
        person = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "uv/uv.toml"
    return [machine, person]


def _uv_values(text: str) -> dict[str, Any]:
    try:
        return toml(text)
    except ValueError:
        return {}  # uv itself reports a broken file
