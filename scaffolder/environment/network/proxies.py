"""The proxy that programs here are told to use, by their environment or by the system's settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from scaffolder.environment.system import System

_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
_INTERNET = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"


@dataclass(frozen=True)
class Proxy:
    """How the internet is reached.

    Attributes:
        url: The proxy, without a password; empty without one.
        source: The environment variable's name, `system` or `pip`.
        script: Address of an automatic configuration, which browsers follow and Python does not; empty without one.
    """

    url: str = ""
    source: str = ""
    script: str = ""

    @property
    def socks(self) -> bool:
        return self.url.lower().startswith("socks")


def proxy(system: System, pip: str = "") -> Proxy:
    """The proxy for https addresses. `pip` is the one in pip's own settings."""
    url, script = _of_the_system(system)
    for name in _VARIABLES:
        if value := system.environ.get(name, "").strip():
            return Proxy(without_password(value), name, script)
    if url:
        return Proxy(without_password(url), "system", script)
    return Proxy(without_password(pip), "pip" if pip else "", script)


def without_password(url: str) -> str:
    """An address fit to be shown: user and password are left out."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"[^/@]*@", "", url)
    if "@" not in parts.netloc:
        return re.sub(r"^[^/@]*@", "", url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def host_of(url: str) -> str:
    """The server in an address; the address itself where there is none in it."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _of_the_system(system: System) -> tuple[str, str]:
    """Proxy and automatic configuration as set for browsers, which Python reads too on Windows and macOS."""
    if system.platform == "win32":
        return _of_windows(system)
    if system.platform == "darwin":
        return _of_macos(system)
    return "", ""


def _of_windows(system: System) -> tuple[str, str]:
    answer = system.run(["reg", "query", _INTERNET], timeout=2.0).stdout
    values = dict(re.findall(r"^\s+(\w+)\s+REG_\w+\s+(\S.*?)\s*$", answer, re.MULTILINE))
    server = values.get("ProxyServer", "") if values.get("ProxyEnable") == "0x1" else ""
    if "=" in server:  # one for each scheme: http=a:80;https=b:81
        schemes = dict(part.split("=", 1) for part in server.split(";") if "=" in part)
        server = schemes.get("https") or schemes.get("http") or ""
    return _with_scheme(server), values.get("AutoConfigURL", "")


def _of_macos(system: System) -> tuple[str, str]:
    answer = system.run(["scutil", "--proxy"], timeout=2.0).stdout
    values = dict(re.findall(r"^\s*(\w+) : (.*?)\s*$", answer, re.MULTILINE))
    server = ""
    for scheme in ("HTTPS", "HTTP"):
        if values.get(f"{scheme}Enable") == "1" and values.get(f"{scheme}Proxy"):
            server = server or f"{values[f'{scheme}Proxy']}:{values.get(f'{scheme}Port', '80')}"
    if not server and values.get("SOCKSEnable") == "1" and values.get("SOCKSProxy"):
        server = f"socks5://{values['SOCKSProxy']}:{values.get('SOCKSPort', '1080')}"
    script = values.get("ProxyAutoConfigURLString", "") if values.get("ProxyAutoConfigEnable") == "1" else ""
    return _with_scheme(server), script


def _with_scheme(server: str) -> str:
    return server if not server or "://" in server else f"http://{server}"
