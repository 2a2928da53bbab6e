"""What neither a fetched template nor a rendered project may hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from scaffolder.answers import shown
from scaffolder.errors import NewmodelError, os_error
from scaffolder.foreign import file_names, idea_safety
from scaffolder.foreign.limits import check_size
from scaffolder.messages import _

#: More than any project has; a path below it must still fit below a person's own folders.
_MAX_DEPTH = 40
_MAX_PATH = 400


def check_tree(folder: Path, *, source: bool = False, trusted: bool = False) -> None:
    """Refuse a tree that reaches out of its folder, or that is not what it seems.

    Args:
        source: It is a template: what its `.idea/` holds is judged once it is rendered.
        trusted: It may hold what the person let a template's code make: git's folder, an environment, programs that
            PyCharm is to run. Names are judged all the same.

    Raises:
        NewmodelError: With the first thing that must not be there, in one sentence.
    """
    root = Path(os.path.realpath(folder))
    total = 0
    for number, (relative, status) in enumerate(_walk(root), start=1):
        name = _refused_name(relative, trusted=trusted)
        if name:
            raise _refusal(relative, name)
        if stat.S_ISLNK(status.st_mode):
            if not trusted and link_leads_out(root, relative):
                raise _refusal(relative, _("it is a link that leads out of the folder"))
        elif stat.S_ISREG(status.st_mode):
            total += status.st_size
            if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                raise _refusal(relative, _("it would run with the rights of another user"))
            if not source and not trusted and idea_safety.is_project_file(relative):
                reason = idea_safety.problem(root / relative)
                if reason:
                    raise _refusal(relative, reason)
        elif not stat.S_ISDIR(status.st_mode):
            raise _refusal(relative, _("it is neither a file nor a folder"))
        if not trusted:
            check_size(relative, status.st_size if stat.S_ISREG(status.st_mode) else 0, total=total, number=number)


def check_names(names: Iterator[tuple[str, ...]]) -> None:
    """Refuse names that must not be, before anything is written under them.

    Raises:
        NewmodelError: With the first of them.
    """
    for parts in names:
        reason = _refused_name(Path(*parts), trusted=False)
        if reason:
            raise _refusal(Path(*parts), reason)


def link_leads_out(root: Path, link: Path) -> bool:
    """Whether the link at `link` below `root` is absolute, broken in a circle, or ends outside."""
    target = os.readlink(root / link)  # noqa: PTH115 - Path would clean it up
    if os.path.isabs(target) or "\\" in target or ":" in target:  # noqa: PTH117
        return True
    # both by its words and by what is there: neither may lead out, now or on another computer
    by_words = os.path.normpath(root / link.parent / target)
    try:
        really = os.path.realpath(root / link, strict=True)
    except FileNotFoundError:  # its target may be made later
        really = os.path.realpath(root / link)
    except OSError:  # a circle
        return True
    if any(not Path(place).is_relative_to(root) for place in (by_words, really)):
        return True
    return any(file_names.is_git(part) for part in Path(really).relative_to(root).parts)


def _walk(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below `root`, links not followed; two names in one folder must differ for every computer."""
    waiting = [Path()]
    while waiting:
        folder = waiting.pop()
        try:
            names = sorted(os.listdir(root / folder))  # noqa: PTH208 - the names only
        except OSError as error:
            raise os_error(error, root / folder) from error
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(file_names.same_for_some(name), name)
            if other != name:
                raise _refusal(
                    folder / name, _("“{other}” beside it is the same name for some computers").format(other=other)
                )
            path = folder / name
            if len(path.parts) > _MAX_DEPTH or len(str(path)) > _MAX_PATH:
                raise _refusal(path, _("its path is too long"))
            status = (root / path).lstat()
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                waiting.append(path)


def _refused_name(path: Path, *, trusted: bool) -> str:
    name = path.name
    if trusted and any(part == ".git" for part in path.parts):
        return ""
    return file_names.problem(name)


def _refusal(path: Path, reason: str) -> NewmodelError:
    return NewmodelError(
        _("{path} is refused: {reason}; nothing was written.").format(path=shown(str(path), 200), reason=reason)
    )
