"""What fits what: `compatibility.toml` as it is asked for, and what is generated from it.

`python -m scaffolder.environment.builds.compatibility` rewrites templates/macros/versions.jinja and the table in
docs/compatibility.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Version = tuple[int, ...]

#: Generated from the table.
_VERSIONS = Path("templates/macros/versions.jinja")
_PAGE = Path("docs/compatibility.md")
_BEGIN, _END = "<!-- generated: builds -->", "<!-- end -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One build of a framework; the fields are explained at the top of `compatibility.toml`."""

    framework: str
    name: str
    accelerator: str
    systems: tuple[str, ...]
    machines: tuple[str, ...]
    source: str
    verified: str
    index: str = ""
    extra: str = ""
    driver: Mapping[str, str] = field(default_factory=dict)
    chips: tuple[str, ...] = ()
    ptx: str = ""
    highest: str = ""
    targets: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    glibc: str = ""
    macos: str = ""
    avx: bool = False
    offered: bool = True
    assumed: str = ""

    def runs_on(self, platform: str, machine: str) -> bool:
        return platform in self.systems and machine_name(machine) in self.machines

    def needs_driver(self, platform: str) -> str:
        """The lowest driver that works, empty where none is needed."""
        return self.driver.get(platform, "")

    def has_code_for(self, capability: tuple[int, int] | None) -> bool:
        """Whether an NVIDIA chip of this compute capability can run it; an unknown one counts as able.

        Compiled code runs on chips of the same first number with the same second or a higher one; PTX is compiled by
        the driver for its own chip and newer ones.
        (https://docs.nvidia.com/cuda/cuda-c-programming-guide/#binary-compatibility)
        """
        if capability is None or not self.chips:
            return True
        if self.highest and capability > pair(self.highest):
            return False
        compiled = any(pair(chip)[0] == capability[0] and pair(chip) <= capability for chip in self.chips)
        return compiled or (bool(self.ptx) and capability >= pair(self.ptx))


@dataclass(frozen=True, kw_only=True)
class Table:
    """The whole file.

    Attributes:
        pins: Version that a generated project pins, by package.
        python: Lowest Python, and the first that is too new, by framework, or by `framework-task`.
        builds: The preferred ones first.
        pypi: What PyPI has of the pinned versions.
        earlier: Release (`2.8`) and build of frameworks that may be installed, with the chips they have code for.
        cuda: CUDA version and the first driver with it, by operating system, newest first.
        last_drivers: Compute capability and the newest driver branch for the chips below it.
    """

    pins: Mapping[str, str]
    python: Mapping[str, tuple[str, str]]
    builds: tuple[Row, ...]
    pypi: tuple[Mapping[str, Any], ...]
    earlier: tuple[tuple[str, Row], ...]
    cuda: tuple[tuple[str, Mapping[str, str]], ...]
    last_drivers: tuple[tuple[str, str], ...]

    def rows(self, framework: str, platform: str, machine: str) -> list[Row]:
        """The builds of a framework that are offered for this operating system and architecture."""
        return [
            row for row in self.builds if row.offered and row.framework == framework and row.runs_on(platform, machine)
        ]

    def row_of(self, framework: str, version: str, name: str, platform: str, machine: str) -> Row | None:
        """The build of that name of an installed version, this one's or an earlier one's; None where it is unknown."""
        if version.partition("+")[0] == self.version(framework):
            fitting = (row for row in self.builds if row.framework == framework and row.name == name)
        else:
            release = ".".join(map(str, pair(version)))
            fitting = (row for of, row in self.earlier if (of, row.framework, row.name) == (release, framework, name))
        return next((row for row in fitting if row.runs_on(platform, machine)), None)

    def version(self, framework: str) -> str:
        return self.pins[package(framework)]

    def python_range(self, framework: str) -> tuple[tuple[int, int], tuple[int, int]]:
        oldest, too_new = self.python[framework]
        return pair(oldest), pair(too_new)


@lru_cache(maxsize=1)
def table() -> Table:
    """`compatibility.toml`, read once."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return Table(
        pins=content["pins"],
        python={name: (entry["range"][0], entry["range"][1]) for name, entry in content["python"].items()},
        builds=tuple(_row(entry) for entry in content["build"]),
        pypi=tuple(content["pypi"]),
        earlier=tuple(pair_of_row for entry in content["earlier"] for pair_of_row in _earlier(entry)),
        cuda=tuple((entry["version"], entry["driver"]) for entry in content["cuda"]),
        last_drivers=tuple((entry["below"], entry["branch"]) for entry in content["last_driver"]),
    )


def _row(entry: Mapping[str, Any]) -> Row:
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Row(**fields)


def _earlier(entry: Mapping[str, Any]) -> list[tuple[str, Row]]:
    rest = {name: value for name, value in entry.items() if name not in ("versions", "names")}
    place = {"accelerator": "cuda", "systems": ["linux", "win32"], "machines": ["x86_64"]}
    return [
        (version, _row({**place, **rest, "name": name})) for version in entry["versions"] for name in entry["names"]
    ]


def package(framework: str) -> str:
    """The framework's package on PyPI."""
    return {"pytorch": "torch"}.get(framework, framework)


def machine_name(machine: str) -> str:
    """One name for an architecture that operating systems call differently."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())


def numbers(version: str) -> Version:
    """A version as numbers to compare: 580.65.06 is (580, 65, 6). What is no number ends it."""
    parts: list[int] = []
    for part in version.strip().split("."):
        if not (part.isascii() and part.isdigit()) or len(part) > 9:
            break
        parts.append(int(part))
    return tuple(parts)


def pair(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    first, second = (*numbers(version), 0, 0)[:2]
    return first, second


def at_least(version: str, lowest: str) -> bool:
    """Whether a version is not below another; an unknown one counts as new enough."""
    return not numbers(version) or numbers(version) >= numbers(lowest)


def cuda_of_driver(driver: str, platform: str) -> tuple[int, int] | None:
    """The highest CUDA version of an NVIDIA driver, by NVIDIA's table; None for an unknown or ancient one."""
    system = "win32" if platform == "win32" else "linux"
    if not numbers(driver):
        return None
    return next((pair(cuda) for cuda, first in table().cuda if at_least(driver, first[system])), None)


def last_driver(capability: tuple[int, int] | None) -> str:
    """The newest driver branch that still sees a chip; empty for one that every driver sees."""
    if capability is None:
        return ""
    return next((branch for below, branch in table().last_drivers if capability < pair(below)), "")


# --- generated from it ------------------------------------------------------------------------------------------------


def versions_macro() -> str:
    """The content of templates/macros/versions.jinja."""
    known = table()
    lines = [
        "{#- Made from environment/compatibility.toml by python -m scaffolder.environment.builds.compatibility. -#}",
        "{#- The one table of tested versions. `newmodel update` moves a project to newer ones. -#}",
        *(f"{{%- set {name.replace('-', '_')} = '{version}' -%}}" for name, version in known.pins.items()),
        "{#- Python versions for which the framework (and Keras) has wheels: lowest, and first that is too new; by",
        "    framework-task where the task's other packages have fewer. -#}",
        "{%- set python = " + "{" + ", ".join(f"'{name}': {value!r}" for name, value in known.python.items()) + "} -%}",
        "{#- PyTorch's own package indexes, by build. -#}",
        "{%- set pytorch_index = {",
        *(f"  '{name}': '{index}'," for name, index in indexes("pytorch").items()),
        "} -%}",
    ]
    return "\n".join(lines) + "\n"


def indexes(framework: str) -> dict[str, str]:
    """A framework's own package indexes by the build's name."""
    return {row.name: row.index for row in table().builds if row.framework == framework and row.offered and row.index}


def default_builds(framework: str) -> dict[str, str]:
    """The preferred build of each accelerator."""
    found: dict[str, str] = {}
    for row in table().builds:
        if row.framework == framework and row.offered:
            found.setdefault(row.accelerator, row.name)
    return found


def page_table() -> str:
    """The builds as a Markdown table."""
    lines = [
        "| framework | build | for | system | Python | needs | chips | verified |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in table().builds:
        oldest, too_new = table().python[row.framework]
        newest = f"{pair(too_new)[0]}.{pair(too_new)[1] - 1}"
        cells = [
            f"{row.framework} {table().version(row.framework)}",
            f"`{row.name}`" + ("" if row.offered else " (experimental, not offered)"),
            _ACCELERATORS[row.accelerator],
            f"{', '.join(_SYSTEMS[system] for system in row.systems)}; {', '.join(row.machines)}",
            f"{oldest} – {newest}",
            _needs(row),
            _chips(row),
            f"{row.verified}: {row.source}" + (f". Assumed: {row.assumed}." if row.assumed else ""),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


_SYSTEMS = {"linux": "Linux", "win32": "Windows", "darwin": "macOS"}
_ACCELERATORS = {
    "cuda": "NVIDIA (CUDA)",
    "rocm": "AMD (ROCm)",
    "xpu": "Intel (XPU)",
    "mps": "Apple (MPS)",
    "cpu": "processor",
}


def _needs(row: Row) -> str:
    parts = [f"driver {version} ({_SYSTEMS[system]})" for system, version in row.driver.items()]
    parts += [f"glibc {row.glibc}"] if row.glibc else []
    parts += [f"macOS {row.macos}"] if row.macos else []
    parts += ["AVX"] if row.avx else []
    return ", ".join(parts) or "–"


def _chips(row: Row) -> str:
    if row.targets:
        return ", ".join(row.targets)
    if not row.chips:
        return "–"
    return (
        ", ".join(row.chips)
        + (f", PTX {row.ptx}" if row.ptx else "")
        + (f", up to {row.highest}" if row.highest else "")
    )


def page(text: str) -> str:
    """docs/compatibility.md with its table made anew."""
    before, _mark, rest = text.partition(_BEGIN)
    _old, _mark, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{page_table()}\n\n{_END}{after}"


def write(repository: Path) -> Sequence[Path]:
    """Rewrite what is generated; returns the files that changed."""
    changed = []
    for path, content in (
        (repository / _VERSIONS, versions_macro()),
        (repository / _PAGE, page((repository / _PAGE).read_text(encoding="utf-8"))),
    ):
        if path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for changed_file in write(Path(__file__).resolve().parents[3]):
        print(f"rewritten: {changed_file}")
