"""The report without what is private: for a bug report.

Removed are the user's and the machine's name, paths, serial numbers, addresses, and the names of servers that are not
public ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from scaffolder.environment.facts import Report
from scaffolder.environment.system import System

#: Servers whose names say nothing about a person or a company.
PUBLIC_SERVERS = (
    "pypi.org",
    "files.pythonhosted.org",
    "pytorch.org",
    "huggingface.co",
    "hf-mirror.com",
    "modelscope.cn",
    "tuna.tsinghua.edu.cn",
    "aliyun.com",
    "ustc.edu.cn",
    "tencent.com",
    "nvidia.com",
    "python.org",
    "jetbrains.com",
    "github.com",
    "tensorflow.org",
    "docs.astral.sh",
)

_Value = TypeVar("_Value")

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>，。；]+", re.IGNORECASE)
_PATTERNS = (
    (re.compile(r"\b(GPU|MIG)-[0-9a-f]{4,}[-0-9a-f/]*", re.IGNORECASE), r"\1-<serial>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<serial>"),
    (re.compile(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", re.IGNORECASE), "<address>"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "<address>"),
    (re.compile(r"(?<![\d.])(?!127\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), "<address>"),
)
_WINDOWS_PATH = re.compile(r"\b[A-Za-z]:[\\/](?:[^\\/:*?\"'<>|\r\n,;]+[\\/])*([^\\/:*?\"'<>|\r\n\s,;]*)")
_UNIX_PATH = re.compile(r"(?<![\w.~<>/-])/(?:[^/\s:\"'“”,;()]+/)+([^/\s:\"'“”,;()]*)")


class Redaction:
    """Takes what is private out of texts.

    Args:
        system: Whose names are private.
        report: Whose paths are; those with spaces could not be told from the text around them otherwise.
    """

    def __init__(self, system: System, report: Report) -> None:
        self._paths = sorted(_paths(system, report), key=len, reverse=True)
        names = {system.user_name: "<user>", system.host_name: "<host>", report.tools.git_user or "": "<user>"}
        self._names = [
            # a whole word: the person “art” must not change “start”
            (re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE), mark)
            for name, mark in names.items()
            if len(name) > 1 and name.lower() not in ("root", "user", "localhost", "python")
        ]

    def text(self, text: str) -> str:
        """The same text without what is private."""
        text = _URL.sub(lambda match: _server(match.group(0)), text)
        for path in self._paths:
            text = text.replace(path, _short(path))
        text = _WINDOWS_PATH.sub(lambda match: f"<path>\\{match.group(1)}", text)
        text = _UNIX_PATH.sub(lambda match: f"<path>/{match.group(1)}", text)
        for pattern, mark in (*_PATTERNS, *self._names):
            text = pattern.sub(mark, text)
        return text

    def apply(self, value: _Value) -> _Value:
        """The same report, or any part of it, without what is private in its texts."""
        result: Any = value
        if isinstance(value, str):
            result = self.text(value)
        elif is_dataclass(value) and not isinstance(value, type):
            result = replace(value, **{one.name: self.apply(getattr(value, one.name)) for one in fields(value)})
        elif isinstance(value, dict):
            result = {self.text(str(key)): self.apply(one) for key, one in value.items()}
        elif isinstance(value, tuple):
            result = tuple(self.apply(one) for one in value)
        return cast("_Value", result)


def _paths(system: System, report: Report) -> set[str]:
    """Every path that the report holds as a whole."""
    known: Iterable[str] = (
        str(system.home),
        report.folder,
        report.executable,
        report.frameworks.python,
        *(one.path for one in report.interpreters),
        *(path for one in report.pycharm for path in (one.folder, one.launcher, one.configuration)),
    )
    # a command such as `python3` is none
    return {path for path in known if ("/" in path or "\\" in path) and len(path) > 1}


def _short(path: str) -> str:
    last = re.split(r"[\\/]", path.rstrip("\\/"))[-1]
    # the last part of a folder may be a person's or a project's name: only programs keep it
    return f"<path>/{last}" if re.fullmatch(r"python[\d.]*w?(\.exe)?|pycharm\w*(\.sh|\.exe)?", last) else "<path>"


def _server(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "<server>"
    public = any(host == name or host.endswith(f".{name}") for name in PUBLIC_SERVERS)
    # no name, password or query, even where the server is public
    return f"{parts.scheme}://{host}{parts.path}" if public else f"{parts.scheme}://<server>"
