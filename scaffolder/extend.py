"""`newmodel add` and `newmodel remove`: something in a project as if it had been chosen, or not, at the start.

A thing is an answer or two (`things.yml`), so adding one is an update in which answers change and the template version
stays: the same files come out as from a project made with these answers, and later updates know nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import console
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _
from scaffolder.things import Offered, Thing

if TYPE_CHECKING:
    from scaffolder.answers import Answer
    from scaffolder.project import Project
    from scaffolder.template_source import Release


def run_add(
    thing: str | None,
    project: Path,
    *,
    listing: bool = False,
    diff: bool = False,
    yes: bool = False,
    as_json: bool = False,
) -> ExitCode:
    """Add a thing to the project in a folder.

    Args:
        thing: Its name in `things.yml`.
        project: The folder.
        listing: Only list what there is; then `thing` may be the folder.
        diff: Only show what would change.
        yes: Do not ask for consent.
        as_json: Print one JSON object on standard output, and ask nothing.

    Raises:
        NewmodelError: If it cannot be done; the project is then unchanged.
    """
    if listing:
        return _list(Path(thing) if thing is not None and project == Path() else project, as_json=as_json)
    if thing is None:
        raise NewmodelError(_("Say what to add; “newmodel add --list” names what there is."))
    state = _State(project)
    offered, wanted = state.find(thing)
    if offered.has(wanted):
        return _nothing_to_do(state, _("{project} has {thing} already."), wanted, as_json=as_json)
    obstacle = offered.obstacle(wanted)
    if obstacle:
        raise NewmodelError(
            _("{thing} cannot be added to {project}: {reason}.").format(
                thing=wanted.name, project=state.project.folder, reason=obstacle
            )
        )
    release = state.release_of(offered)
    if not as_json:
        for needed in offered.missing(wanted):
            console.say(_("{thing} needs {needed}, which is added as well.").format(thing=thing, needed=needed.name))
        if release.tag != state.own.tag:
            console.say(
                _("{thing} came with the template version {new}, so the project is updated to it as well.").format(
                    thing=thing, new=release.tag
                )
            )
    return _set(state, release, offered.settings(wanted), diff=diff, yes=yes, as_json=as_json)


def run_remove(
    thing: str, project: Path, *, diff: bool = False, yes: bool = False, as_json: bool = False
) -> ExitCode:  # fmt: skip
    """Take a thing out of the project in a folder: its questions get their defaults again.

    Args:
        thing: Its name in `things.yml`.
        project: The folder.
        diff: Only show what would change.
        yes: Do not ask for consent.
        as_json: Print one JSON object on standard output, and ask nothing.

    Raises:
        NewmodelError: If it cannot be done, or would lose or leave behind what the person wrote; the project is then
            unchanged.
    """
    state = _State(project)
    offered, wanted = state.find(thing)
    if state.release_of(offered).tag != state.own.tag or not offered.has(wanted):
        return _nothing_to_do(state, _("{project} has no {thing}."), wanted, as_json=as_json)
    defaults = offered.defaults(wanted)
    if defaults == wanted.answers:
        others = [name for name, other in offered.things.items() if other.answers.keys() == wanted.answers.keys()]
        raise NewmodelError(
            _("{thing} is what a project has where nothing else is chosen; add another instead: {others}.").format(
                thing=thing, others=", ".join(name for name in others if name != thing)
            )
        )
    needed_by = offered.in_need_of(defaults)
    if needed_by:
        raise NewmodelError(
            _("{others} cannot do without {thing}: remove {others} first.").format(
                others=", ".join(needed_by), thing=thing
            )
        )
    _refuse_loss(state, wanted, defaults)
    return _set(state, state.own, defaults, diff=diff, yes=yes, as_json=as_json)


class _State:
    """A project, and what its own template version and the newest one offer to it."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            NewmodelError: If newmodel did not make it, or cannot update it.
        """
        from scaffolder.template_source import releases
        from scaffolder.updating.update import available, opened, own_release

        self.project: Project = opened(folder, console.warn)
        newer = available(self.project, releases())
        self.own: Release = own_release(self.project, releases())
        self._offers: list[tuple[Release, Offered]] = [(self.own, self._offered(self.own))]
        if newer is not None and newer[1].tag != self.own.tag:
            self._offers.append((newer[1], self._offered(newer[1])))

    def find(self, name: str) -> tuple[Offered, Thing]:
        """A thing, as the project's own version has it, or else the newest.

        Raises:
            NewmodelError: If no version has it; the nearest names are given.
        """
        from scaffolder.answers import nearest, shown

        things = self.things()
        if name not in things:
            raise NewmodelError(
                _("There is no “{thing}” to add or remove{nearest}").format(
                    thing=shown(name), nearest=nearest(name, things)
                )
            )
        return things[name]

    def things(self) -> dict[str, tuple[Offered, Thing]]:
        """Every thing by its name, in the order of the newest version."""
        newest = {
            name: (offered, thing) for _release, offered in self._offers[1:] for name, thing in offered.things.items()
        }
        own = self._offers[0][1]
        return {**newest, **{name: (own, thing) for name, thing in own.things.items()}}

    def release_of(self, offered: Offered) -> Release:
        """The template version that offers it."""
        return next(release for release, one in self._offers if one is offered)

    def _offered(self, release: Release) -> Offered:
        from scaffolder.template_source import releases
        from scaffolder.updating import migrations
        from scaffolder.updating.update import source_of

        source = source_of(self.project, releases(), release)
        moves = migrations.between(source.folder, self.own.version, release.version)
        return Offered(migrations.rename_answers(moves, self.project.answers), source)


def _list(folder: Path, *, as_json: bool) -> ExitCode:
    """Every thing, what it is, and whether the project has it or could."""
    state = _State(folder)
    rows = []
    for name, (offered, thing) in state.things().items():
        there = offered.has(thing)
        rows.append(
            {
                "thing": name,
                "what": _(thing.help),
                "there": there,
                "obstacle": "" if there else offered.obstacle(thing),
                "version": state.release_of(offered).tag,
            }
        )
    if as_json:
        console.print_json({"version": state.own.tag, "things": rows})
        return ExitCode.OK
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (_("thing"), _("what it is"), _("in the project")):
        table.add_column(title)
    for row in rows:
        status, style = _status(row, state.own.tag)
        table.add_row(str(row["thing"]), str(row["what"]), Text(status, style=style))
    console.out().print(table)
    return ExitCode.OK


def _status(row: Mapping[str, Any], own: str) -> tuple[str, str]:
    if row["there"]:
        return _("yes"), "green"
    if row["obstacle"]:
        return _("no; {reason}").format(reason=row["obstacle"]), "dim"
    if row["version"] != own:
        return _("no; comes with the template version {version}").format(version=row["version"]), ""
    return _("no"), ""


def _nothing_to_do(state: _State, text: str, thing: Thing, *, as_json: bool) -> ExitCode:
    if as_json:
        console.print_json({"from": state.own.tag, "to": state.own.tag, "changes": [], "conflicts": []})
    else:
        console.say(text.format(project=state.project.folder, thing=thing.name))
    return ExitCode.OK


def _refuse_loss(state: _State, thing: Thing, settings: Mapping[str, Answer]) -> None:
    """
    Raises:
        NewmodelError: If a file that the person edited would conflict or be left behind without its purpose.
    """
    from scaffolder.merging.three_way import Outcome
    from scaffolder.template_source import releases
    from scaffolder.updating.update import prepare

    with prepare(state.project, releases(), (state.own, state.own), settings=settings) as update:
        edited = [
            change.path for change in update.changes if change.outcome in (Outcome.STAYS, Outcome.CONFLICT)
        ]  # fmt: skip
    if edited:
        raise NewmodelError(
            _(
                "{thing} is not taken out, because you edited {files}: put back what the template had there, or delete "
                "the file, commit that, and try again."
            ).format(thing=thing.name, files=", ".join(edited))
        )


def _set(
    state: _State, release: Release, settings: Mapping[str, Answer], *, diff: bool, yes: bool, as_json: bool
) -> ExitCode:
    from scaffolder.updating.command import Options, run_update

    words = [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()]
    folder = state.project.folder
    return run_update(
        Options(project=folder, to=release.tag, settings=words, diff=diff, yes=yes, as_json=as_json)
    )  # fmt: skip
