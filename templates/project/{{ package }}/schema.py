"""`configs/schema.json`, made from the dataclasses: PyCharm completes and checks the YAML files with it.

After a change in `config.py` or `training_config.py`, from the project's folder:

    python -m PACKAGE.schema      (the name of this folder for PACKAGE)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from .config_file import PROJECT, plain
from .runs import write_atomically
from .settings import NOT_SET, is_union, sections_of, settings_of
from .stage_configs import STAGES

SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


def write_schema(
    config_classes: Sequence[type] = tuple(STAGES.values()), path: Path = PROJECT / "configs" / "schema.json"
) -> None:
    """Write the schema of these classes to `path`."""
    write_atomically(path, json.dumps(make_schema(config_classes), indent=2, ensure_ascii=False) + "\n")


def make_schema(config_classes: Sequence[type]) -> dict[str, Any]:
    """Return one JSON schema (draft 7, which PyCharm knows) that accepts the files of all stages.

    Nothing is required, because files are layered; names that no stage knows are refused.
    """
    schema: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Configuration"}
    merged = new_section("")
    for config_class in config_classes:
        merge(merged, section_schema(config_class))
    return schema | merged


def section_schema(config_class: type) -> dict[str, Any]:
    """Return the schema of one dataclass, sections within it included."""
    section = new_section((config_class.__doc__ or "").split("\n")[0])
    sections = sections_of(config_class)
    for name, inner in sections.items():
        section["properties"][name] = section_schema(inner)
    for name, setting in settings_of(config_class).items():
        if "." not in name:
            value = type_schema(setting.type)
            if setting.description:
                value["description"] = setting.description
            if setting.default is not NOT_SET:
                value["default"] = plain(setting.default)
            section["properties"][name] = value
    return section


def new_section(description: str) -> dict[str, Any]:
    """Return the schema of an object to which properties are yet to be added."""
    text = {"description": description} if description else {}
    return {
        "type": ["object", "null"] if description else "object",
        **text,
        "properties": {},
        "additionalProperties": False,
    }


def merge(section: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the properties of `other`; of a name that both have, the first description stays."""
    for name, value in other["properties"].items():
        known = section["properties"].setdefault(name, value)
        if "properties" in known and "properties" in value:
            merge(known, value)
        elif {**known, "description": ""} != {**value, "description": ""}:
            section["properties"][name] = either(known, value)


def either(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that suits one of two stages; without the default, as they may differ."""
    options = [
        {key: part for key, part in one.items() if key not in ("description", "default")}
        for one in (first, second)
    ]
    text = {"description": first["description"]} if "description" in first else {}
    return {**(options[0] if options[0] == options[1] else {"anyOf": options}), **text}


def type_schema(hint: Any) -> dict[str, Any]:
    """Return the schema of a value of this type."""
    if hint in SCALARS:
        return {"type": SCALARS[hint]}
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if is_union(hint):
        return {"anyOf": [type_schema(part) for part in parts]}
    if origin is dict:
        return {"type": "object", "additionalProperties": type_schema(parts[1])}
    if origin is tuple and parts[-1] is not Ellipsis:
        items = [type_schema(part) for part in parts]
        return {"type": "array", "items": items, "minItems": len(parts), "maxItems": len(parts)}
    if origin in (list, tuple):
        return {"type": "array", "items": type_schema(parts[0])}
    raise TypeError(f"{hint} cannot be written in a YAML configuration")


if __name__ == "__main__":
    write_schema()
