"""A machine from a folder: recorded outputs of real tools stand in for hardware that is not here."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from scaffolder.environment.system import CommandResult, Nvml, WebAnswer, decode

_ABSENT = object()


@dataclass(frozen=True)
class RecordedSystem:
    """A machine recorded in a folder: `system.json` with plain answers, and files with the raw output of tools.

    `system.json` holds what the properties and methods of `System` answer, all of it optional:

    - `platform`, `machine`, `release`, `executable`, `home`, `user`, `host`, `now` (ISO 8601), `cpu_count`,
      `environ`, `processes`, `nvml` (the fields of `Nvml`), `reachable` (a list of addresses)
    - `memory` and `swap`: `[total, free]` in bytes
    - `disk`: path to `[total, free]`; the longest path that is a beginning of the asked one counts. `disk_free` alone
      is a disk of that size with everything free.
    - `folder_sizes`: path to bytes
    - `unwritable`: paths below which nothing can be written
    - `which`: tool to path, or to several
    - `links`: path to where it leads
    - `web`: address to the fields of `WebAnswer`; an address without a path, `https://pypi.org`, stands for all of its
      server. Other addresses have an unknown name
    - `files`: path on that machine to a file in the folder, to null for one that merely exists, or to
      `{"content": "file" or null, "size": bytes, "directory": true}` with what of it matters
    - `commands`: a list of `{"arguments": […], "returncode": 0, "stdout": "file", "stderr": "file", "problem": ""}`,
      where arguments may end with `"*"` to stand for any more; the first that matches answers
    """

    folder: Path
    content: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        text = (self.folder / "system.json").read_text(encoding="utf-8")
        object.__setattr__(self, "content", json.loads(text))

    @property
    def platform(self) -> str:
        return str(self.content.get("platform", "linux"))

    @property
    def machine(self) -> str:
        return str(self.content.get("machine", "x86_64"))

    @property
    def release(self) -> str:
        return str(self.content.get("release", "Linux"))

    @property
    def executable(self) -> str:
        return str(self.content.get("executable", "/usr/bin/python3"))

    @property
    def environ(self) -> Mapping[str, str]:
        environ: Mapping[str, str] = self.content.get("environ", {})
        return environ

    @property
    def home(self) -> Path:
        return Path(self.content.get("home", "/home/person"))

    @property
    def user_name(self) -> str:
        return str(self.content.get("user", "person"))

    @property
    def host_name(self) -> str:
        return str(self.content.get("host", "machine"))

    def now(self) -> datetime:
        text = self.content.get("now")
        moment = datetime.fromisoformat(text) if text else datetime(2026, 11, 1, tzinfo=timezone.utc)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    def run(self, arguments: Sequence[str], *, timeout: float = 5.0) -> CommandResult:  # noqa: ARG002
        words = self._words(arguments)
        for command in self.content.get("commands", []):
            if _matches(self._words(command["arguments"]), words):
                return CommandResult(
                    returncode=command.get("returncode", 0),
                    stdout=self._output(command.get("stdout")),
                    stderr=self._output(command.get("stderr")),
                    problem=command.get("problem", ""),
                )
        return CommandResult(returncode=None, problem="missing")

    def which(self, name: str) -> str | None:
        return next(iter(self.which_all(name)), None)

    def which_all(self, name: str) -> list[str]:
        found = self.content.get("which", {}).get(name, [])
        return [found] if isinstance(found, str) else list(found)

    def read_text(self, path: str | Path) -> str | None:
        entry = self._files().get(self._key(path))
        name = entry.get("content") if isinstance(entry, dict) else entry
        return None if name is None else self._output(name)

    def exists(self, path: str | Path) -> bool:
        name = self._key(path)
        # a folder is there with any file in it
        return name in self._files() or any(one.startswith(f"{name}/") for one in self._files())

    def glob(self, pattern: str) -> list[str]:
        from fnmatch import fnmatchcase

        separator = "\\" if self.platform == "win32" else "/"
        wanted = self._key(pattern)
        # fnmatch's star crosses folders, glob's does not
        return sorted(
            path
            for path in self._files()
            if path.count(separator) == wanted.count(separator) and fnmatchcase(path, wanted)
        )

    def file_size(self, path: str | Path) -> int | None:
        entry = self._files().get(self._key(path), _ABSENT)
        if entry is _ABSENT:
            return None
        if isinstance(entry, dict) and "size" in entry:
            return int(entry["size"])
        name = entry.get("content") if isinstance(entry, dict) else entry
        return 0 if name is None else (self.folder / name).stat().st_size

    def tree(self, folder: str | Path, *, skip: Collection[str] = (), limit: int = 20_000) -> list[tuple[str, int]]:
        beginning = str(folder).replace("\\", "/").rstrip("/") + "/"
        found = []
        for path, entry in sorted(self._files().items()):
            name = path.replace("\\", "/")
            if not name.startswith(beginning) or (isinstance(entry, dict) and entry.get("directory")):
                continue
            name = name.removeprefix(beginning)
            if not set(name.split("/")[:-1]) & set(skip):
                found.append((name, self.file_size(path) or 0))
        return found[:limit]

    def folder_size(self, path: str | Path, *, seconds: float) -> int | None:  # noqa: ARG002
        size = self.content.get("folder_sizes", {}).get(str(path))
        return None if size is None else int(size)

    def writable(self, path: str | Path) -> bool:
        return not any(str(path).startswith(beginning) for beginning in self.content.get("unwritable", []))

    def real_path(self, path: str) -> str:
        return str(self.content.get("links", {}).get(path, path))

    def processes(self) -> list[str]:
        return list(self.content.get("processes", []))

    def memory(self) -> tuple[int, int] | None:
        memory = self.content.get("memory")
        return None if memory is None else (int(memory[0]), int(memory[1]))

    def swap(self) -> tuple[int, int] | None:
        swap = self.content.get("swap")
        return None if swap is None else (int(swap[0]), int(swap[1]))

    def disk(self, path: str | Path) -> tuple[int, int] | None:
        disks = self.content.get("disk", {})
        fitting = [beginning for beginning in disks if str(path).startswith(beginning)]
        if fitting:
            total, free = disks[max(fitting, key=len)]
            return int(total), int(free)
        free = self.content.get("disk_free")
        return None if free is None else (int(free), int(free))

    def cpu_count(self) -> int:
        return int(self.content.get("cpu_count", 1))

    def nvml(self) -> Nvml | None:
        answer = self.content.get("nvml")
        if answer is None:
            return None
        return Nvml(**{**answer, "devices": tuple(answer.get("devices", ()))})

    def reachable(self, url: str, *, timeout: float) -> bool:  # noqa: ARG002
        return url in self.content.get("reachable", [])

    def web(self, url: str, *, timeout: float, limit: int = 0) -> WebAnswer:  # noqa: ARG002
        answers = self.content.get("web", {})
        answer = answers.get(url, answers.get("/".join(url.split("/")[:3])))
        return WebAnswer(error="name") if answer is None else WebAnswer(**answer)

    def _key(self, path: str | Path) -> str:
        """A path to compare: on Windows both separators mean the same."""
        return str(path).replace("/", "\\") if self.platform == "win32" else str(path)

    def _words(self, arguments: Sequence[str]) -> list[str]:
        return [self._key(arguments[0]), *arguments[1:]] if arguments else []

    def _files(self) -> Mapping[str, Any]:
        files: Mapping[str, Any] = self.content.get("files", {})
        return {self._key(path): entry for path, entry in files.items()} if self.platform == "win32" else files

    def _output(self, name: str | None) -> str:
        return "" if name is None else decode((self.folder / name).read_bytes())


def _matches(pattern: Sequence[str], arguments: Sequence[str]) -> bool:
    if pattern and pattern[-1] == "*":
        return list(arguments[: len(pattern) - 1]) == list(pattern[:-1])
    return list(arguments) == list(pattern)
