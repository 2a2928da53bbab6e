"""The command line of `adopt`, `add`, `remove` and `templates`; what a command does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scaffolder.help_texts import consent_help, json_help, language_help
from scaffolder.messages import _


def add_commands(app: typer.Typer, command: Any) -> None:
    """Add `adopt`, `add` and `remove`, made late so that their help is in the person's language.

    Args:
        command: The class of the whole command line's commands.
    """

    @app.command(
        cls=command,
        help=_("Make a project that exists ready for PyCharm: roots, exclusions, interpreter, run configurations."),
        short_help=_("Make an existing project ready for PyCharm."),
    )
    def adopt(
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_("The project's folder."))] = Path(),
        dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only show what would be written."))] = False,
        undo: Annotated[bool, typer.Option("--undo", help=_("Take the last adoption back."))] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.adopt.command import run_adopt

        return run_adopt(project, dry_run=dry_run, undo=undo, yes=yes, as_json=as_json)

    @app.command(
        cls=command,
        help=_("Add something to a project, as if it had been chosen at the start."),
        short_help=_("Add Docker, CI, a tracker … to a project."),
    )
    def add(
        thing: Annotated[str | None, typer.Argument(metavar="THING", help=_("What to add; --list names all."))] = None,
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_("The project's folder."))] = Path(),
        list_: Annotated[bool, typer.Option("--list", help=_("List what there is, and what the project has."))] = False,
        diff: Annotated[bool, typer.Option("--diff", help=_("Show what would change, and write nothing."))] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.extend import run_add

        return run_add(thing, project, listing=list_, diff=diff, yes=yes, as_json=as_json)

    @app.command(
        cls=command,
        help=_("Take something out of a project again; what you changed in it is not lost."),
        short_help=_("Take such a thing out again."),
    )
    def remove(
        thing: Annotated[str, typer.Argument(metavar="THING", help=_("What to take out."))],
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_("The project's folder."))] = Path(),
        diff: Annotated[bool, typer.Option("--diff", help=_("Show what would change, and write nothing."))] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.extend import run_remove

        return run_remove(thing, project, diff=diff, yes=yes, as_json=as_json)


def templates_app(group: Any, command: Any) -> typer.Typer:
    """`newmodel templates`: the person's favourite templates by a name of their own."""
    app = typer.Typer(
        cls=group,
        help=_("Your favourite templates: a name for an address, for “newmodel init --template NAME”."),
        short_help=_("Names for your favourite templates."),
        rich_markup_mode=None,
        no_args_is_help=True,
    )

    @app.command("list", cls=command, help=_("List them."))
    def list_(
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.foreign.favourites import run_list

        return run_list(as_json=as_json)

    @app.command(cls=command, help=_("Give an address a name."))
    def add(
        name: Annotated[str, typer.Argument(metavar="NAME", help=_("The name that you want to use."))],
        source: Annotated[
            str, typer.Argument(metavar="SOURCE", help=_("A git URL, gh:owner/name, folder, zip or wheel."))
        ],
        to: Annotated[
            str | None, typer.Option("--to", metavar="VERSION", help=_("Always this tag, branch or commit."))
        ] = None,
        directory: Annotated[
            str | None,
            typer.Option("--directory", metavar="FOLDER", help=_("The template's folder in its repository.")),
        ] = None,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.foreign.favourites import run_add

        return run_add(name, source, to=to, directory=directory)

    @app.command(cls=command, help=_("Forget a name."))
    def remove(
        name: Annotated[str, typer.Argument(metavar="NAME", help=_("The name."))],
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.foreign.favourites import run_remove

        return run_remove(name)

    return app
