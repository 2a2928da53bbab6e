"""The settings of a configuration: what the dataclasses in `config.py` say, as dotted names."""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import docstring_parser

NOT_SET = dataclasses.MISSING


@dataclass(frozen=True)
class Setting:
    """One value that a person can set, such as `training.epochs`."""

    name: str
    type: Any
    default: Any  # NOT_SET where there is none
    description: str


def sections_of(config_class: type) -> dict[str, type]:
    """Map each field of `config_class` that is itself a dataclass to that class."""
    hints = get_type_hints(config_class)
    return {
        f.name: hints[f.name]
        for f in dataclasses.fields(config_class)
        if dataclasses.is_dataclass(hints[f.name])
    }


def settings_of(config_class: type, *, default: Any = NOT_SET, prefix: str = "") -> dict[str, Setting]:
    """List the settings of a configuration dataclass, nested ones as `section.field`.

    `default` is an instance whose values are the defaults where a parent dataclass gives one.
    """
    hints, descriptions, sections = (
        get_type_hints(config_class),
        describe_fields(config_class),
        sections_of(config_class),
    )
    found: dict[str, Setting] = {}
    for field in dataclasses.fields(config_class):
        name, value = prefix + field.name, default_of(field, default)
        if field.name in sections:
            found |= settings_of(sections[field.name], default=value, prefix=f"{name}.")
        else:
            found[name] = Setting(name, hints[field.name], value, descriptions.get(field.name, ""))
    return found


def default_of(field: dataclasses.Field[Any], instance: Any = NOT_SET) -> Any:
    """Return the default of a field: from `instance` where there is one, else from the class."""
    if instance is not NOT_SET:
        return getattr(instance, field.name)
    factory = field.default_factory
    return factory() if callable(factory) else field.default


def describe_fields(config_class: type) -> dict[str, str]:
    """Read the text below each field (or under `Args:`), inherited fields included, as one line each."""
    texts: dict[str, str] = {}
    for cls in reversed(config_class.__mro__):
        if dataclasses.is_dataclass(cls):
            for param in docstring_parser.parse_from_object(cls).params:
                texts[param.arg_name] = " ".join((param.description or "").split())
    return {name: text for name, text in texts.items() if text}


def is_union(hint: Any) -> bool:
    """Whether a type is `X | Y` or `Optional[X]`."""
    return get_origin(hint) in (Union, types.UnionType)


def allows_none(hint: Any) -> bool:
    """Whether a type has None among its values."""
    return hint is type(None) or (is_union(hint) and any(allows_none(part) for part in get_args(hint)))


def is_container(hint: Any) -> bool:
    """Whether a value of this type is written as a list or a mapping."""
    return get_origin(hint) in (list, tuple, dict) or (
        is_union(hint) and any(map(is_container, get_args(hint)))
    )


def allows_text(hint: Any) -> bool:
    """Whether a value of this type may be any text."""
    return hint is str or (is_union(hint) and any(map(allows_text, get_args(hint))))


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Return the values of a `Literal`, also inside a union or a list; empty where there is none."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(choice for part in get_args(hint) for choice in choices_of(part))


def describe_type(hint: Any) -> str:
    """Say in words what a value of this type looks like."""
    simple = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        type(None): "null",
    }
    if hint in simple:
        return simple[hint]
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "one of " + ", ".join(str(one) if str(one).isidentifier() else repr(one) for one in parts)
    if is_union(hint):
        return " or ".join(describe_type(part) for part in parts)
    if origin is dict:
        return f"a mapping of names, each to {describe_type(parts[1])}"
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"a list of {len(parts)}: " + ", then ".join(describe_type(part) for part in parts)
    if origin in (list, tuple):
        return f"a list, each item {describe_type(parts[0])}"
    return getattr(hint, "__name__", str(hint))
