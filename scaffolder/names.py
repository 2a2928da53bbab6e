"""From a project's name to the name under which Python imports it."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from scaffolder.catalog import Catalog
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

#: Names that Windows reserves for devices, whatever their ending: no file or folder may have them.
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))}
)

MAX_PACKAGE_LENGTH = 40


@dataclass(frozen=True)
class PackageName:
    """A package's name and, where it is not simply the project's name, why.

    Attributes:
        reason: One sentence for the preview, empty where there is nothing to explain.
    """

    name: str
    reason: str = ""


def package_name(project_name: str, catalog: Catalog) -> PackageName:
    """A valid package name that is as near as possible to the project's name and shadows nothing."""
    from anyascii import anyascii

    plain = re.sub(r"[^a-z0-9]+", "_", anyascii(project_name).lower()).strip("_")
    plain = re.sub(r"^[0-9_]+", "", plain)[:MAX_PACKAGE_LENGTH].rstrip("_")
    if not plain:
        return PackageName(
            "my_model", _("“{name}” has no letters that a package name can have.").format(name=project_name)
        )
    reason = why_taken(plain, catalog)
    if not reason:
        return PackageName(plain)
    return PackageName(f"{plain}_model" if not plain.endswith("_model") else f"{plain}_1", reason)


def check_package(name: str, catalog: Catalog) -> None:
    """Refuse a package name that was given and cannot work.

    Raises:
        NewmodelError: If Python could not import it, or it would hide another module.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > 80:
        raise NewmodelError(
            _("package: “{name}” is no package name; use a-z, 0-9 and _, beginning with a letter.").format(
                name=name[:80]
            )
        )
    reason = why_taken(name, catalog)
    if reason:
        raise NewmodelError(
            _("package: {reason} Choose another, for example {other}.").format(
                reason=reason, other=package_name(name, catalog).name
            )
        )


def why_taken(name: str, catalog: Catalog) -> str:
    """Why a package must not have this name, in one sentence; empty where it may."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return _("“{name}” is a word of the Python language.").format(name=name)
    if name in WINDOWS_DEVICES:
        return _("“{name}” is the name of a device on Windows.").format(name=name)
    if name in sys.stdlib_module_names:
        return _("“{name}” is a module of Python's standard library.").format(name=name)
    if name in catalog.project_modules:
        return _("“{name}” is a file or folder of the project itself.").format(name=name)
    if name in _dependencies() or name in {module.lower() for module in catalog.imported_modules}:
        return _("“{name}” is a package that the project uses.").format(name=name)
    return ""


@lru_cache(maxsize=1)
def _dependencies() -> frozenset[str]:
    text = Path(__file__).with_name("import_names.txt").read_text(encoding="utf-8")
    # compared in lower case: on Windows and macOS `pil` is the folder `PIL`
    return frozenset(line.strip().lower() for line in text.splitlines() if line and not line.startswith("#"))


def check_folder_name(name: str) -> None:
    """Refuse a folder's name that some operating system cannot hold: the project is meant to be shared.

    Raises:
        NewmodelError: With what is wrong about it.
    """
    if name.split(".")[0].rstrip(" ").lower() in WINDOWS_DEVICES:
        raise NewmodelError(
            _("A folder cannot be called “{name}”: Windows reserves that name for a device.").format(name=name)
        )
    if name.endswith((".", " ")):
        raise NewmodelError(_("A folder's name cannot end with a dot or a space: “{name}”.").format(name=name))
    wrong = sorted({character for character in name if character in '<>:"|?*\\/' or ord(character) < 32})
    if wrong:
        raise NewmodelError(
            _("A folder's name cannot contain {characters}: “{name}”.").format(
                characters=" ".join(repr(character)[1:-1] for character in wrong), name=name
            )
        )
