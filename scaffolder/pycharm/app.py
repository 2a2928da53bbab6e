"""The command line of `newmodel pycharm`; what a command does is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scaffolder.help_texts import consent_help, language_help
from scaffolder.messages import _


def pycharm_app(group: Any, command: Any) -> typer.Typer:
    """The sub-commands, made late so that their help is in the person's language.

    Args:
        group, command: Classes of the whole command line.
    """
    app = typer.Typer(
        cls=group,
        help=_("PyCharm: is it here, install it, make it fast, open a project with its interpreter."),
        short_help=_("Find, install, tune and open PyCharm."),
        rich_markup_mode=None,
        no_args_is_help=True,
    )

    @app.command(cls=command, help=_("Say which PyCharms are here, and whether one is ready for a project."))
    def status(
        project: Annotated[Path | None, typer.Argument(metavar="PROJECT", help=_PROJECT_HELP())] = None,
        as_json: Annotated[bool, typer.Option("--json", help=_("Print one JSON object on standard output."))] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.pycharm.command import run_status

        return run_status(project, as_json=as_json)

    @app.command(cls=command, help=_("Install PyCharm from JetBrains, without administrator rights."))
    def install(
        version: Annotated[
            str | None, typer.Option("--version", metavar="VERSION", help=_("This version instead of the newest."))
        ] = None,
        folder: Annotated[
            Path | None, typer.Option("--folder", metavar="FOLDER", help=_("The folder that PyCharm will be in."))
        ] = None,
        dry_run: Annotated[bool, typer.Option("--dry-run", help=_("Only say what would be done."))] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.pycharm.command import run_install

        return run_install(version=version, folder=folder, dry_run=dry_run, yes=yes)

    @app.command(cls=command, help=_("Give PyCharm the memory it needs, and spare it what it need not read."))
    def tune(
        project: Annotated[
            Path | None, typer.Argument(metavar="PROJECT", help=_("A project whose large folders are left out."))
        ] = None,
        heap: Annotated[
            int | None,
            typer.Option(
                "--heap", metavar="MB", min=512, max=65536, help=_("PyCharm's memory, if not what suits the machine.")
            ),
        ] = None,
        without_plugins: Annotated[
            bool, typer.Option("--without-plugins", help=_("Also switch off plugins that training does not need."))
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help=_("Show what would change, and write nothing."))
        ] = False,
        undo: Annotated[
            bool, typer.Option("--undo", help=_("Put back what newmodel changed in PyCharm's files."))
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.pycharm.command import run_tune

        return run_tune(project, megabytes=heap, without_plugins=without_plugins, dry_run=dry_run, undo=undo, yes=yes)

    @app.command(name="open", cls=command, help=_("Open a project in PyCharm with its own interpreter."))
    def open_(
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_PROJECT_HELP())] = Path(),
        version: Annotated[
            str | None,
            typer.Option("--version", metavar="VERSION", help=_("With this version instead of the newest one here.")),
        ] = None,
        file: Annotated[
            Path | None, typer.Option("--file", metavar="FILE", help=_("A file of the project to show."))
        ] = None,
        line: Annotated[
            int | None, typer.Option("--line", metavar="LINE", min=1, help=_("The line of that file to go to."))
        ] = None,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.pycharm.command import run_open

        return run_open(project, version=version, file=file, line=line)

    @app.command(cls=command, help=_("Make PyCharm use a project's own interpreter."))
    def interpreter(
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_PROJECT_HELP())] = Path(),
        undo: Annotated[bool, typer.Option("--undo", help=_("Take that back."))] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help=_("Only say what PyCharm uses now, or what would be put back."))
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.pycharm.command import run_interpreter

        return run_interpreter(project, undo=undo, dry_run=dry_run, yes=yes)

    return app


# functions of the module: an annotation is looked up here, and only when the language is known
def _PROJECT_HELP() -> str:  # noqa: N802
    return _("A project's folder.")
