"""YAML files read into configuration dataclasses, with one sentence for each mistake possible in them.

Scalars are kept as they were typed until jsonargparse gives them the type that the dataclass asks for: YAML
itself would read `no` as false, `1e-3` as text, and `2024` as a number where a column's name is meant.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from .errors import UserError
from .settings import (
    NOT_SET,
    Setting,
    allows_none,
    allows_text,
    choices_of,
    describe_type,
    is_container,
    sections_of,
    settings_of,
)

Config = TypeVar("Config")
PROJECT = Path(__file__).resolve().parents[1]
SPACED = "write `name: value`, with a space after the colon"
YAML_HINTS = {  # by a part of what the parser says
    "mapping values": f"{SPACED}, quotes around a value with one, and settings of a section indented alike",
    "expected ':'": SPACED,
    "end of stream": "the quotation mark that opens here is not closed",
    "escape": "write / or two backslashes in place of one, or single quotes in place of double ones",
    "cannot start any token": "put quotes around the value",
    "undefined alias": "put quotes around the value",
    "alphabetic": "put quotes around the value",
    "<block end>": "put quotes around the whole value, and indent settings of a section alike",
}


@dataclass(frozen=True)
class Given:
    """A value that somebody wrote, and where: `configs/train.yaml:12` or `command line`."""

    name: str
    value: Any
    where: str


def load_config(config_class: type[Config], path: Path) -> Config:
    """Read one file alone into `config_class`: the `config.yaml` of a run, say. Raises UserError."""
    return make_config(config_class, read_settings(path, settings_of(config_class)))


def make_config(config_class: type[Config], given: Iterable[Given]) -> Config:
    """Fill `config_class` from values, of which the later win. Raises UserError for one that is wrong."""
    settings, given = settings_of(config_class), list(given)
    values = {name: setting.default for name, setting in settings.items()}
    values |= {one.name: convert(one, settings[one.name]) for one in given}
    for name, value in values.items():
        if value is NOT_SET:
            kind = describe_type(settings[name].type)
            raise UserError(
                f"{name} has no value: set it in the configuration file or give --{name} ({kind})."
            )
    return build(config_class, values, {one.name: one.where for one in given})


def build(
    config_class: type[Config], values: Mapping[str, Any], where: Mapping[str, str], prefix: str = ""
) -> Config:
    """Make the dataclasses from the inside out; if one refuses a value, say where that was written."""
    sections, names = (
        sections_of(config_class),
        [field.name for field in dataclasses.fields(cast(Any, config_class))],
    )
    arguments = {
        name: build(sections[name], values, where, f"{prefix}{name}.")
        if name in sections
        else values[prefix + name]
        for name in names
    }
    try:
        return config_class(**arguments)
    except ValueError as error:
        words = re.findall(r"\w+", str(error))
        origins = [where[prefix + word] for word in words if prefix + word in where] or ["configuration"]
        start = prefix if words and words[0] in names else ""
        raise UserError(f"{origins[0]}: {start}{str(error).rstrip('.')}.") from None


def yaml_hint(path: Path, mark: yaml.Mark | None, problem: str) -> str:
    """What to do about a mistake; two characters that are hard to see are named where one of them is near."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    near = "".join(lines[max(mark.line - 1, 0) : mark.line + 1]) if mark else ""
    if "\t" in near:
        return "; indent with spaces, not with tabs"
    if "：" in near:
        return "; write a colon and a space instead of the wide （：）"
    return next((f"; {hint}" for words, hint in YAML_HINTS.items() if words in problem), "")


def read_settings(path: Path, settings: Mapping[str, Setting]) -> Iterator[Given]:
    """Read a YAML file into settings, each with its line number. Raises UserError."""
    shown = path.relative_to(PROJECT).as_posix() if path.is_relative_to(PROJECT) else str(path)
    if path.is_dir():
        raise UserError(f"{shown} is a folder; give the YAML file in it.")
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        near = nearest(path.name, [file.name for file in path.parent.glob("*.y*ml")])
        raise UserError(f"The configuration file {shown} does not exist{near}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown} is not UTF-8 text; save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{shown} cannot be read: {error.strerror}.") from None
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", None) or error)
        mark = getattr(error, "context_mark" if "end of stream" in problem else "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        hint = yaml_hint(path, mark, problem)
        raise UserError(f"{shown}{line} is not valid YAML: {problem}{hint}.") from None
    if root is None:
        return
    if isinstance(root, yaml.ScalarNode):
        raise UserError(f"{shown}:{root.start_mark.line + 1} is no setting; {SPACED}.")
    if not isinstance(root, yaml.MappingNode):
        raise UserError(
            f"{shown} holds a list or plain text; write sections such as `training:`, settings below them."
        )
    yield from flatten(root, "", settings, shown)


def flatten(
    node: yaml.MappingNode, prefix: str, settings: Mapping[str, Setting], file: str
) -> Iterator[Given]:
    """Turn sections and what is below them into dotted names with values."""
    seen: set[str] = set()
    for key, value in node.value:
        name, where = prefix + str(key.value), f"{file}:{key.start_mark.line + 1}"
        if name in seen:
            raise UserError(f"{where}: {name} stands there twice; remove one of them.")
        seen.add(name)
        if name in settings:
            yield Given(name, as_typed(value), where)
        elif not any(known.startswith(f"{name}.") for known in settings):
            raise UserError(f"{where}: {unknown(name, settings)}")
        elif isinstance(value, yaml.MappingNode):
            yield from flatten(value, f"{name}.", settings, file)
        elif as_typed(value) is not None:
            hint = f"; {SPACED}" if ":" in str(as_typed(value)) else ""
            raise UserError(f"{where}: {name} is a section; write its settings below it, indented{hint}.")


def as_typed(node: yaml.Node | None) -> Any:
    """Return a YAML node as lists, dictionaries and the words as they were typed; None for null."""
    if isinstance(node, yaml.SequenceNode):
        return [as_typed(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): as_typed(value) for key, value in node.value}
    return None if node is None or node.tag == "tag:yaml.org,2002:null" else node.value


def convert(given: Given, setting: Setting) -> Any:
    """Return the value in the type that the setting has. Raises UserError."""
    value = given.value
    try:
        if isinstance(value, str) and is_container(setting.type):
            value = value if allows_text(setting.type) and not value.startswith("[") else listed(value)
        if value is None and not allows_none(setting.type):
            raise ValueError("empty")
        parser = ArgumentParser(exit_on_error=False)
        parser.add_argument("--value", type=setting.type)
        return parser.parse_object({"value": value}).value
    except (ArgumentError, ValueError, TypeError, yaml.YAMLError):
        shown = "empty" if given.value in (None, "") else repr(given.value)
        near = nearest(str(given.value), map(str, choices_of(setting.type)))
        raise UserError(
            f"{given.where}: {given.name} is {shown}; it must be {describe_type(setting.type)}{near}."
        ) from None


def listed(text: str) -> Any:
    """A list or mapping as the command line has it: `[64, 32]`, `64,32`, or a single item."""
    try:
        value = as_typed(yaml.compose(text, Loader=yaml.SafeLoader))
        if isinstance(value, str):
            value = as_typed(yaml.compose(f"[{text}]", Loader=yaml.SafeLoader))
        return value
    except yaml.YAMLError:
        if text.startswith(("[", "{")):
            raise
        return [item.strip() for item in text.split(",")]  # * and *.txt, which have a meaning in YAML


def unknown(name: str, settings: Iterable[str], dashes: str = "") -> str:
    """Say that there is no such setting, and which is nearest: as a whole, or by its last part."""
    known = list(settings)
    if parts := [setting for setting in known if setting.startswith(f"{name}.")]:
        some = ", ".join(f"{dashes}{part}" for part in parts[:3])
        return f"{dashes}{name} is a group of settings: name one of them, such as {some}."
    found = closest(name, [*known, *{setting.rpartition(".")[0] for setting in known}])
    if not found:
        by_last_part = {setting.rpartition(".")[2]: setting for setting in known}
        found = by_last_part.get(closest(name.rpartition(".")[2], by_last_part), "")
    hint = f" (nearest: {dashes}{found})" if found else " (--help lists all)" if dashes else ""
    return f"there is no setting {dashes}{name}{hint}."


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (nearest: NAME)` for the known name that looks most like this one, or nothing."""
    found = closest(name, known)
    return f" (nearest: {found})" if found else ""


def closest(name: str, known: Iterable[str]) -> str:
    """Return the known name that looks most like this one; empty where none does."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")


def to_yaml(config: Any) -> str:
    """Write a configuration as YAML that `load_config` reads back."""
    return str(yaml.safe_dump(plain(dataclasses.asdict(config)), sort_keys=False, allow_unicode=True))


def plain(value: Any) -> Any:
    """Turn tuples into lists, which is what YAML has."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
