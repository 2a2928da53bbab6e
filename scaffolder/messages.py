"""The one seam that every text for a person goes through.

`_("The file {path} is empty.").format(path=path)`: the text in the code is English and the key of the catalogs in
`locales/`. Texts are translated when they are made, so call `set_language` before anything is shown.
"""

from __future__ import annotations

import gettext as _gettext
import os
import sys
from collections.abc import Mapping
from pathlib import Path

LOCALES = Path(__file__).parent / "locales"
DOMAIN = "newmodel"
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}

_translations: _gettext.NullTranslations = _gettext.NullTranslations()
_language = "en"


def translate(text: str) -> str:
    """`text` in the person's language."""
    # gettext answers the empty text with the catalog's header
    return _translations.gettext(text) if text else text


_ = translate


def ngettext(singular: str, plural: str, count: int) -> str:
    """The form of a text that agrees with `count`."""
    return _translations.ngettext(singular, plural, count)


def N_(text: str) -> str:  # noqa: N802 - gettext's customary name
    """Mark a text for extraction where it can only be translated later."""
    return text


def language() -> str:
    """The language in use: a key of `LANGUAGES`."""
    return _language


def set_language(name: str) -> None:
    """Use `name`, a key of `LANGUAGES`, from now on.

    Raises:
        KeyError: If there is no such language.
    """
    global _translations, _language
    if name not in LANGUAGES:
        raise KeyError(name)
    if name == "en":
        _translations = _gettext.NullTranslations()
    else:
        _translations = _gettext.translation(DOMAIN, LOCALES, languages=[name], fallback=True)
    _language = name


def detect_language(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> str:
    """The language of the person's locale, English where there is none of ours.

    POSIX's order: `LC_ALL`, `LC_MESSAGES`, `LANG`; `LANGUAGE` goes before them unless the locale is C.
    """
    environ = os.environ if environ is None else environ
    locale_name = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    if locale_name.split(".")[0] in ("C", "POSIX"):
        return "en"
    names = [name for name in environ.get("LANGUAGE", "").split(":") if name] or [locale_name]
    if not locale_name and platform == "win32":
        names = [_windows_language()]
    for name in names:
        found = match_language(name)
        if found is not None:
            return found
    return "en"


def match_language(name: str) -> str | None:
    """The language of ours that a locale's name means (`zh_CN.UTF-8`, `zh-Hans`, `en_GB`), or None."""
    parts = name.split(".")[0].split("@")[0].replace("-", "_").lower().split("_")
    if parts[0] == "en":
        return "en"
    # readers of traditional characters are better served by English than by a wrong script
    if parts[0] == "zh" and not {"tw", "hk", "mo", "hant"} & set(parts):
        return "zh_CN"
    return None


def _windows_language() -> str:
    if sys.platform == "win32":
        import ctypes

        primary_language = ctypes.windll.kernel32.GetUserDefaultUILanguage() & 0x3FF
        return "zh_CN" if primary_language == 0x04 else "en"  # LANG_CHINESE of winnt.h
    return ""
