"""Settings in the INI format, as pytest and tox read them."""

from __future__ import annotations

import configparser
from collections.abc import Mapping


def read(text: str) -> Mapping[str, Mapping[str, str]]:
    """Each section's settings; none where the text is no such file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {section: {key: value or "" for key, value in parser[section].items()} for section in parser.sections()}
