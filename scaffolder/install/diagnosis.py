"""From the output of a failed installer to what went wrong and how to mend it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from scaffolder.messages import _

_NETWORK = re.compile(
    r"temporary failure in name resolution|name or service not known|nodename nor servname|getaddrinfo failed"
    r"|dns error|failed to lookup address|network is unreachable|connection refused|no route to host"
    r"|NewConnectionError|NameResolutionError|ConnectTimeoutError|connection timed out|operation timed out"
    r"|Read timed out|Connection aborted|RemoteDisconnected|Connection broken|IncompleteRead"
    r"|error sending request|tcp connect error|Failed to fetch|client error \(Connect\)"
    r"|ProxyError|Cannot connect to proxy",
    re.IGNORECASE,
)
_CERTIFICATE = re.compile(r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer", re.IGNORECASE)
_DISK = re.compile(
    r"No space left on device|Errno 28\b|os error 28\b|not enough space|Disk quota exceeded", re.IGNORECASE
)
_PERMISSION = re.compile(r"Permission denied|Errno 13\b|os error 13\b|Access is denied", re.IGNORECASE)
_NO_ENSUREPIP = re.compile(r"ensurepip is not\s+available|No module named (venv|ensurepip)", re.IGNORECASE)
_NO_WHEEL = re.compile(
    r"No matching distribution found for (?P<pip>\S+)|there (?:is|are) no versions? of (?P<uv>\S+)"
    r"|because (?P<absent>\S+) was not found in the package registry",
    re.IGNORECASE,
)
_WRONG_PYTHON = re.compile(
    r"requires a different Python|incompatible with the project's Python requirement", re.IGNORECASE
)
_HASH = re.compile(r"THESE PACKAGES DO NOT MATCH THE HASHES|Hash mismatch", re.IGNORECASE)


@dataclass(frozen=True)
class Diagnosis:
    """Why an installation failed, in one clause, and what the person can do about it, in one sentence."""

    why: str
    fix: str
    network: bool = False


def diagnose(output: str, returncode: int) -> Diagnosis:
    """Read the last output of pip, uv or venv. What is more specific is asked first."""
    if _DISK.search(output):
        return Diagnosis(_("the disk is full"), _("Free some space (PyTorch with CUDA needs about 8 GB)."))
    if _NO_ENSUREPIP.search(output):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        return Diagnosis(
            _("this Python cannot make virtual environments"),
            _("On Debian and Ubuntu: sudo apt install {package}").format(package=package),
        )
    if _CERTIFICATE.search(output):
        return Diagnosis(
            _("the package index's certificate is not trusted here"),
            _("Behind a company proxy, name its certificate file: pip config set global.cert FILE"),
        )
    if _HASH.search(output):
        return Diagnosis(
            _("a download arrived damaged"), _("Try again; if it stays so, empty the cache: pip cache purge")
        )
    if _NETWORK.search(output):
        return Diagnosis(
            _("the package index cannot be reached"),
            _("Check the network, or set a mirror that is near: pip config set global.index-url URL"),
            network=True,
        )
    if _WRONG_PYTHON.search(output):
        return Diagnosis(
            _("this Python version does not fit the project"),
            _("Use a Python that `requires-python` in pyproject.toml allows."),
        )
    if "(from versions: none)" in output and (found := _NO_WHEEL.search(output)):
        # pip says the same of an index that it cannot reach and that it may not ask again
        return Diagnosis(
            _("the package index offers no {package} at all, or cannot be reached").format(package=found["pip"]),
            _("Check the network and the index: pip config list"),
            network=True,
        )
    if found := _NO_WHEEL.search(output):
        name = found["pip"] or found["uv"] or found["absent"]
        return Diagnosis(
            _("the package index has no {package} for this Python and platform").format(package=name.strip("`,")),
            _("Use another Python version, or an index that has it."),
        )
    if _PERMISSION.search(output):
        return Diagnosis(_("permission was denied"), _("Make the project's folder writable for you."))
    if returncode in (-9, 137):
        return Diagnosis(
            _("the system ended the installer, as it does when memory runs out"),
            _("Close other programs and go on."),
        )
    return Diagnosis(_last_error(output), _("The log has the details."))


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in reversed(lines):
        if re.match(r"ERROR|error|Error|×|Caused by", line):
            return re.sub(r"^(ERROR|error|Error)\s*:\s*|^×\s*", "", line).rstrip(".")
    return lines[-1].rstrip(".") if lines else _("the installer ended without a word")
