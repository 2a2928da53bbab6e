"""A recorded machine made in a test: texts stand beside the answers, not in files of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scaffolder.environment.facts import Finding
from scaffolder.environment.recorded_system import RecordedSystem


def make(
    folder: Path,
    *,
    texts: Mapping[str, str | bytes] | None = None,
    says: Mapping[tuple[str, ...], str | bytes | int] | None = None,
    there: Iterable[str] = (),
    **content: Any,
) -> RecordedSystem:
    """A machine.

    Args:
        folder: Where it is written to.
        texts: Path on that machine to the file's content.
        says: A command's words to what it prints, or to the number of an exit status without a word.
        there: Paths that merely exist.
        content: What else `system.json` holds.
    """
    files: dict[str, Any] = dict.fromkeys(there)
    files.update(content.pop("files", {}))
    for number, (path, text) in enumerate((texts or {}).items()):
        files[path] = _write(folder / f"text{number}", text)
    commands = list(content.pop("commands", []))
    for number, (words, answer) in enumerate((says or {}).items()):
        if isinstance(answer, int):
            commands.append({"arguments": list(words), "returncode": answer})
        else:
            commands.append({"arguments": list(words), "stdout": _write(folder / f"answer{number}", answer)})
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**content, "files": files, "commands": commands}
    (folder / "system.json").write_text(json.dumps(whole), encoding="utf-8")
    return RecordedSystem(folder)


def codes(findings: Iterable[Finding]) -> list[str]:
    """Their codes, in order."""
    return [finding.code for finding in findings]


def _write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path.name
