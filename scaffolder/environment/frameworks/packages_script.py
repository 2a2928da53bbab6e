"""What is installed here? Runs in the project's interpreter, on Python 3.8 or newer; nothing is imported to find out.

python packages_script.py

The last line of standard output is one JSON object; framework_probe.py says what is in it.
"""

# Importing pathlib would cost as much as the rest.
# ruff: noqa: PTH100, PTH111, PTH112, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import json
import os
import platform
import re
import sys
from typing import Any

HEADERS = ("name", "version", "requires-dist")


def packages(folders: list[str]) -> list[dict[str, Any]]:
    """One mapping for each installed distribution, duplicates included, in the order in which Python looks."""
    found: list[dict[str, Any]] = []
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        found += [package(folder, name) for name in names if name.endswith((".dist-info", ".egg-info"))]
    return found


def package(folder: str, name: str) -> dict[str, Any]:
    """What a folder of metadata says."""
    place = os.path.join(folder, name)
    if name.endswith(".dist-info"):
        text = read(os.path.join(place, "METADATA"))
    else:
        text = read(os.path.join(place, "PKG-INFO")) or read(place)
    values = headers(text)
    # pip renames what it could not delete to a name that begins with a tilde
    broken = name.startswith("~") or not values["name"]
    return {
        "name": name.split("-")[0] if broken else values["name"][0],
        "broken": broken,
        "version": (values["version"] or [""])[0],
        "folder": folder,
        "requires": values["requires-dist"],
        "installer": (read(os.path.join(place, "INSTALLER")) or "").strip(),
        "url": address(read(os.path.join(place, "direct_url.json"))),
    }


def headers(text: str | None) -> dict[str, list[str]]:
    """The headers of a METADATA file that matter; its long description is passed over."""
    values: dict[str, list[str]] = {name: [] for name in HEADERS}
    last = None
    for line in (text or "").splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            if last:
                values[last][-1] += " " + line.strip()
            continue
        name, _, value = line.partition(":")
        last = name.lower() if name.lower() in values else None
        if last:
            values[last].append(value.strip())
    return values


def address(text: str | None) -> str:
    """Where a package came from, if not from an index."""
    try:
        return str(json.loads(text or "")["url"])
    except (KeyError, TypeError, ValueError):
        return ""


def read(path: str) -> str | None:
    """The text of a file; None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def first_text(folders: list[str], name: str) -> str:
    """The text of a file in the first folder that has it."""
    for folder in folders:
        text = read(os.path.join(folder, *name.split("/")))
        if text is not None:
            return text
    return ""


def torch_build(folders: list[str]) -> dict[str, str] | None:
    """What torch/version.py says that it was built for."""
    text = first_text(folders, "torch/version.py")
    pattern = r"^(cuda|hip|xpu)\s*(?::[^=\n]*)?=\s*['\"]([^'\"]+)['\"]"
    return dict(re.findall(pattern, text, re.MULTILINE)) if text else None


def tensorflow_build(folders: list[str]) -> dict[str, Any] | None:
    """The constants of tensorflow/python/platform/build_info.py."""
    import ast

    text = first_text(folders, "tensorflow/python/platform/build_info.py")
    found = re.search(r"OrderedDict\((\[.*\])\)", text)
    try:
        return dict(ast.literal_eval(found.group(1))) if found else None
    except (SyntaxError, ValueError):
        return None


def keras_backend() -> str:
    """Which backend Keras would take: the variable first, then the person's configuration file."""
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        return str(json.loads(read(os.path.join(home, "keras.json")) or "")["backend"])
    except (KeyError, TypeError, ValueError):
        return "tensorflow"


def marker_environment() -> dict[str, str]:
    """The values that markers in requirements are compared with (PyPA: dependency specifiers)."""
    version = platform.python_version()
    implementation = sys.implementation
    return {
        "implementation_name": implementation.name,
        "implementation_version": ".".join(map(str, implementation.version[:3])),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": version,
        "platform_python_implementation": platform.python_implementation(),
        "python_version": "{}.{}".format(*sys.version_info[:2]),
        "sys_platform": sys.platform,
    }


def main() -> None:
    import site

    here = os.path.dirname(os.path.abspath(__file__))
    folders = [path for path in dict.fromkeys(map(os.path.abspath, sys.path)) if path != here and os.path.isdir(path)]
    answer = {
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "environment": marker_environment(),
        "packages": packages(folders),
        "user_site": site.getusersitepackages() if site.ENABLE_USER_SITE else "",
        "torch": torch_build(folders),
        "tensorflow": tensorflow_build(folders),
        "keras_backend": keras_backend(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
