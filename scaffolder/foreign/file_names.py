"""Names of files that are not what they seem, or that some computer takes for something else."""

from __future__ import annotations

import re
import unicodedata

from scaffolder.messages import _
from scaffolder.names import WINDOWS_DEVICES

#: More names of Windows' devices than a project's folder would ever meet.
_DEVICES = WINDOWS_DEVICES | {"conin$", "conout$", "com¹", "com²", "com³", "lpt¹", "lpt²", "lpt³"}

#: Signs that look like a slash, or that compatible forms turn into one.
_SLASHES = frozenset("\u2044\u2215\u29f8\u29f9\uff0f\uff3c\u2216\ufe68\u29f5")

_TEMPLATED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

#: Letters of other scripts that are drawn as a Latin letter is.
_LOOK_ALIKES = str.maketrans(
    "аәеіїјӏорсԁԛԝһкмтухвнԍѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυАВЕЅІЈКМНОРСТУХԌԚԜɑɡıⅼ",
    "aaeiijlopcdqwhkmtyxbhgsABEZHIKMNOPTYXaivopuABESIJKMHOPCTYXGQWagil",
)


def problem(name: str) -> str:
    """What is wrong with one part of a path, as the end of a sentence; empty where nothing is.

    What Jinja will replace in a template's own file names is not looked at, except for hidden characters.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return _("its name is not UTF-8")
    for character in name:
        category = unicodedata.category(character)
        if category == "Cc" or category == "Cf" or category in ("Zl", "Zp", "Cs"):
            return _("its name holds the invisible character U+{code}").format(code=f"{ord(character):04X}")
    plain = _TEMPLATED.sub("", name)
    if is_git(plain):
        return _("git would take it for its own folder")
    if _SLASHES & set(plain) or {"/", "\\"} & set(unicodedata.normalize("NFKC", plain)):
        return _("its name holds something that is, or looks like, a slash")
    if unicodedata.normalize("NFKC", name).strip() in (".", ".."):
        return _("it leads out of its folder")
    if ":" in plain:
        return _("its name holds “:”, with which Windows names a hidden part of a file")
    wrong = sorted(set(plain) & set('<>"|?*'))
    if wrong:
        return _("its name holds {characters}, which no file on Windows can have").format(characters=" ".join(wrong))
    if plain.endswith((".", " ")) and plain == name:
        return _("its name ends with a dot or a space, which Windows leaves out")
    if plain.split(".")[0].rstrip(" ").casefold() in _DEVICES and plain == name:
        return _("Windows reserves its name for a device")
    mixed = _mixed_word(plain)
    if mixed:
        return _("“{word}” mixes Latin letters with others that look like them").format(word=mixed)
    return ""


def is_git(name: str) -> bool:
    """Whether some file system finds git's own folder under this name: capitals, invisible characters, short names."""
    plain = "".join(
        character for character in unicodedata.normalize("NFKC", name) if unicodedata.category(character) != "Cf"
    )
    plain = plain.translate(_LOOK_ALIKES).casefold().split(":")[0].rstrip(" .")
    return plain == ".git" or re.fullmatch(r"git~[0-9]+", plain) is not None


def same_for_some(name: str) -> str:
    """A form that two names share where a computer, or an eye, takes them for one."""
    return unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKES).casefold()


def _mixed_word(name: str) -> str:
    """The first run of letters that has Latin ones and look-alikes of Cyrillic or Greek."""
    words: list[str] = re.findall(r"[^\W\d_]+", name)
    for word in words:
        scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in word}
        if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}:
            return word
    return ""
