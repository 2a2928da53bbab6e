"""Files of PyCharm that other people's tools write as well: read with their encoding, written back byte for byte."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

#: PyCharm's own files are a few kilobytes; a file above this is no longer one of them.
LARGEST = 32 * 1024 * 1024

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A file's text, and how to turn the text into the same bytes again.

    Attributes:
        text: With the newlines that the file has, without a byte order mark.
        encoding: As Python calls it.
        mark: The byte order mark, empty without one.
    """

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def encode(self, text: str) -> bytes:
        """Another text for the same file; what the encoding lacks becomes an XML character reference."""
        return self.mark + text.encode(self.encoding, errors="xmlcharrefreplace")


def read(path: Path) -> TextFile | None:
    """A text file, or None where it is missing, locked, too large, or its text cannot be read without loss."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        return decode(path.read_bytes())
    except (OSError, ValueError):
        return None


def decode(content: bytes) -> TextFile | None:
    """The text of `content`: by its byte order mark, by its XML declaration, otherwise UTF-8."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _exact(content, encoding, mark)
    declared = re.match(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""", content)
    name = declared[1].decode("ascii") if declared else "utf-8"
    return _exact(content, name, b"")


def _exact(content: bytes, encoding: str, mark: bytes) -> TextFile | None:
    try:
        text = content[len(mark) :].decode(encoding)
        if text.encode(encoding) != content[len(mark) :]:
            return None
    except (UnicodeError, LookupError):
        return None
    return TextFile(text=text, encoding=encoding, mark=mark)


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path below a folder is, through a link, a file elsewhere: somebody else's project may say so."""
    return folder.resolve() not in path.resolve().parents


def write(path: Path, content: bytes) -> None:
    """Write in one step, so that an interruption leaves the old file or the new one; a link stays a link.

    Raises:
        OSError: If the folder or the file may not be written, or the disk is full. The old file is then unchanged.
    """
    target = path.resolve() if path.is_symlink() else path
    mode = None
    if target.exists():
        mode = stat.S_IMODE(target.stat().st_mode)
        effective = os.access in os.supports_effective_ids
        if not os.access(target, os.W_OK, effective_ids=effective):  # a rename would get past the file's protection
            raise PermissionError(13, os.strerror(13), str(target))
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644 if mode is None else mode)
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
