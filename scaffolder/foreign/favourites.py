"""`newmodel templates`: the person's own names for addresses of templates."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from scaffolder import console
from scaffolder.answers import nearest, shown
from scaffolder.errors import ExitCode, NewmodelError, os_error
from scaffolder.foreign import address
from scaffolder.messages import _
from scaffolder.pycharm import text_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True, kw_only=True)
class Favourite:
    """An address with a name.

    Attributes:
        to: The version that is always used; None for the newest.
        directory: The template's folder in its repository; None for the root.
    """

    source: str
    to: str | None = None
    directory: str | None = None


def path() -> Path:
    """The file that they are in."""
    from platformdirs import user_config_path

    return user_config_path("newmodel", appauthor=False) / "templates.json"


def load() -> dict[str, Favourite]:
    """The person's favourites by name.

    Raises:
        NewmodelError: If the file is damaged.
    """
    file = path()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(name): Favourite(
                source=_text(entry["source"]),
                to=_text_or_none(entry, "to"),
                directory=_text_or_none(entry, "directory"),
            )
            for name, entry in content.items()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise NewmodelError(_("{path} cannot be read: {reason}.").format(path=file, reason=error.strerror)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NewmodelError(
            _("The list of your templates, {path}, is damaged; mend it, or delete it to begin a new one.").format(
                path=file
            )
        ) from None


def find(name: str) -> Favourite | None:
    """The favourite of this name, if there is one; the file is only read for what can be a name."""
    return load().get(name) if _NAME.fullmatch(name) else None


def names_near(typed: str) -> str:
    """A hint for the end of an error's sentence: favourites whose names are like what was typed."""
    try:
        near = difflib.get_close_matches(typed, load(), n=2)
    except NewmodelError:
        return ""
    names = _(" or ").join(f"“{name}”" for name in near)
    return _("; did you mean {names}?").format(names=names).rstrip("?") if near else ""


def run_list(*, as_json: bool = False) -> ExitCode:
    """Show them.

    Raises:
        NewmodelError: If the file is damaged.
    """
    favourites = load()
    if as_json:
        console.print_json(
            {
                name: {"source": one.source, "to": one.to, "directory": one.directory}
                for name, one in sorted(favourites.items())
            }
        )
        return ExitCode.OK
    if not favourites:
        console.say(_("There are none yet: newmodel templates add NAME SOURCE"))
        return ExitCode.OK
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, one in sorted(favourites.items()):
        details = [f"--to {one.to}" if one.to else "", f"--directory {one.directory}" if one.directory else ""]
        table.add_row(Text(name, style="bold"), Text(one.source), Text(" ".join(filter(None, details))))
    console.out().print(table)
    return ExitCode.OK


def run_add(name: str, source: str, *, to: str | None = None, directory: str | None = None) -> ExitCode:
    """Give an address a name.

    Raises:
        NewmodelError: If it is no name or no address, or the name is taken.
    """
    if not _NAME.fullmatch(name):
        raise NewmodelError(
            _("“{name}” cannot be a name: use letters, digits, dots, dashes and underscores.").format(name=shown(name))
        )
    favourites = load()
    if name in favourites:
        raise NewmodelError(
            _("“{name}” is {source} already; forget it first: newmodel templates remove {name}").format(
                name=name, source=favourites[name].source
            )
        )
    read = address.read(source)
    if read.public != read.text:
        raise NewmodelError(
            _(
                "The address holds a password, which would be stored for all to read; leave it out, and let git's "
                "credential helper keep it."
            )
        )
    if to is not None and (not to.strip() or to.startswith("-")):
        raise NewmodelError(_("“{version}” is no version: a tag, branch or commit.").format(version=shown(to)))
    # short addresses stay short; a folder must be found from anywhere
    kept = read.text if read.way in (address.Way.FOLDER, address.Way.ARCHIVE) else source.strip()
    _save({**favourites, name: Favourite(source=kept, to=to, directory=directory)})
    console.say(_("✓ {name}: newmodel init --template {name}").format(name=name), style="green")
    return ExitCode.OK


def run_remove(name: str) -> ExitCode:
    """Forget a name.

    Raises:
        NewmodelError: If there is none like it.
    """
    favourites = load()
    if name not in favourites:
        near = nearest(name, favourites) if favourites else "."
        raise NewmodelError(_("There is no template “{name}”{nearest}").format(name=shown(name), nearest=near))
    _save({key: one for key, one in favourites.items() if key != name})
    console.say(_("✓ Forgotten: {name}").format(name=name), style="green")
    return ExitCode.OK


def _save(favourites: dict[str, Favourite]) -> None:
    """Write them so that the file is whole at any moment."""
    file = path()
    content = {
        name: {key: value for key, value in vars(one).items() if value is not None}
        for name, one in sorted(favourites.items())
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text_file.write(file, (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())
    except OSError as error:
        raise os_error(error, file) from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _text_or_none(entry: dict[str, object], key: str) -> str | None:
    return None if entry.get(key) is None else _text(entry[key])
