"""The commands: parse, call, print, exit code. What a command does is imported when it runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from scaffolder import messages
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.help_texts import consent_help, json_help, language_help
from scaffolder.messages import N_, _


def main(argv: list[str] | None = None) -> int:
    """Run `newmodel` and answer with its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _use_utf8()
    try:
        given = _choose_language(arguments)
        result = _app(given)(arguments, standalone_mode=False, prog_name="newmodel")
        return int(result or 0)
    except NewmodelError as error:
        _fail(str(error))
        return int(error.exit_code)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        _fail(_("Interrupted."))
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # the reader of our output has gone (`newmodel … | head`): Python must not complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        usage = _usage_error(error)
        if usage is not None:
            _fail(usage)
            return int(ExitCode.BAD_INPUT)
        _fail(_bug(error))
        return int(ExitCode.BUG)


class _TranslatedHelp:
    """What typer says by itself, through our seam."""

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = self.collect_usage_pieces(ctx)  # type: ignore[attr-defined]
        formatter.write_usage(ctx.command_path, " ".join(pieces), prefix=_("Usage: "))

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _("Show this message and exit.")
        return option


class _Command(_TranslatedHelp, typer.core.TyperCommand):
    pass


class _InitCommand(_Command):
    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """List the questions: read from copier.yml, and only for `init --help`."""
        from scaffolder.catalog import catalog

        formatter.write_paragraph()
        with formatter.section(_("Keys for --set and --answers")):
            formatter.write_dl(
                (question.name, ", ".join(choice.value for choice in question.choices) or question.title)
                for question in catalog().questions.values()
            )


class _Group(_TranslatedHelp, typer.core.TyperGroup):
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from scaffolder.answers import nearest, shown

            raise NewmodelError(
                _("There is no command “{name}”{nearest}").format(
                    name=shown(args[0]), nearest=nearest(args[0], self.list_commands(ctx))
                )
            )
        return super().resolve_command(ctx, args)


#: Headings that typer translates with the process's own catalog.
_HEADINGS = (N_("Arguments"), N_("Options"), N_("Commands"))


def _app(language_given: bool) -> typer.Typer:
    # made late: the texts of --help are in the language that was chosen just before
    vars(typer.core)["_"] = messages.translate
    app = typer.Typer(
        name="newmodel",
        cls=_Group,
        help=_("From nothing to a PyCharm project that trains, fine-tunes and gets measurably better."),
        rich_markup_mode=None,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[bool, typer.Option("--version", help=_("Show the version and exit."))] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> None:
        if version:
            from scaffolder.version import version as current_version

            sys.stdout.write(f"newmodel {current_version()}\n")
            raise typer.Exit

    @app.command(
        cls=_InitCommand,
        help=_("Look at this machine, ask what to make, and make a project that is ready for PyCharm."),
        short_help=_("Make a project that is ready for PyCharm."),
    )
    def init(
        path: Annotated[
            str | None, typer.Argument(metavar="PATH", help=_("The project's folder; . is this one, if it is empty."))
        ] = None,
        defaults: Annotated[
            bool, typer.Option("--defaults", help=_("Ask nothing: take the default of what is not given."))
        ] = False,
        settings: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help=_("Answer one question; may be repeated.")),
        ] = None,
        answers: Annotated[
            Path | None, typer.Option("--answers", metavar="FILE", help=_("A YAML or JSON file with answers."))
        ] = None,
        data: Annotated[
            str | None,
            typer.Option(
                "--data", metavar="FILE", help=_("Your own table (CSV, TSV, Parquet) or conversations (JSONL).")
            ),
        ] = None,
        target_column: Annotated[
            str | None,
            typer.Option("--target-column", metavar="NAME", help=_("The column of your table to predict.")),
        ] = None,
        template: Annotated[
            str | None,
            typer.Option(
                "--template",
                metavar="SOURCE",
                help=_(
                    "Somebody else's template (cookiecutter or copier): a git URL, gh:owner/name, folder, zip, wheel."
                ),
            ),
        ] = None,
        to: Annotated[
            str | None, typer.Option("--to", metavar="VERSION", help=_("This tag, branch or commit of that template."))
        ] = None,
        directory: Annotated[
            str | None,
            typer.Option("--directory", metavar="FOLDER", help=_("The template's folder in its repository.")),
        ] = None,
        trust: Annotated[
            bool, typer.Option("--trust", help=_("Let that template run the code that it brings along."))
        ] = False,
        overlay: Annotated[
            list[str] | None,
            typer.Option(
                "--overlay", metavar="SOURCE", help=_("A house style laid over the templates: a git URL or a folder.")
            ),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help=_("Show the files and the decisions, and write nothing."))
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        own = {"--data": data, "--target-column": target_column, "--overlay": overlay}
        foreign = {"--to": to, "--directory": directory, "--trust": trust}
        _check_options(template is not None, own=own, foreign=foreign)
        if template is not None:
            from scaffolder.foreign.command import Options as ForeignOptions
            from scaffolder.foreign.command import run_foreign

            return run_foreign(
                ForeignOptions(
                    template=template,
                    path=path,
                    to=to,
                    directory=directory,
                    settings=settings or (),
                    answers_file=answers,
                    trust=trust,
                    defaults=defaults,
                    yes=yes,
                    dry_run=dry_run,
                    as_json=as_json,
                )
            )
        from scaffolder.init import Options, run_init

        return run_init(
            Options(
                path=path,
                settings=settings or (),
                answers_file=answers,
                data=data,
                target_column=target_column,
                overlays=overlay or (),
                defaults=defaults,
                yes=yes,
                dry_run=dry_run,
                as_json=as_json,
                language_given=language_given,
            )
        )

    @app.command(
        cls=_Command,
        help=_("Bring a project to the newest template version; your own edits stay."),
        short_help=_("Bring a project to the newest templates."),
    )
    def update(
        project: Annotated[Path, typer.Argument(metavar="PROJECT", help=_("The project's folder."))] = Path(),
        check: Annotated[
            bool, typer.Option("--check", help=_("Only say whether there is an update; exit code 1 if so."))
        ] = False,
        diff: Annotated[bool, typer.Option("--diff", help=_("Show what would change, and write nothing."))] = False,
        to: Annotated[
            str | None, typer.Option("--to", metavar="VERSION", help=_("A released version instead of the newest."))
        ] = None,
        settings: Annotated[
            list[str] | None,
            typer.Option(
                "--set", metavar="KEY=VALUE", help=_("Change an answer, or answer a new question; may be repeated.")
            ),
        ] = None,
        conflict: Annotated[
            str,
            typer.Option(
                "--conflict", metavar="STYLE", help=_("Where both changed a line: inline (markers in the file) or rej.")
            ),
        ] = "inline",
        resolve: Annotated[
            str,
            typer.Option(
                "--resolve",
                metavar="HOW",
                help=_("Settle the conflicts that are left: ask (one by one), mine or theirs."),
            ),
        ] = "",
        undo: Annotated[
            bool, typer.Option("--undo", help=_("Put everything back as it was before the last update."))
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.updating.command import Options, run_update

        return run_update(
            Options(
                project=project,
                check=check,
                diff=diff,
                to=to,
                settings=settings or (),
                conflict=conflict,
                resolve=resolve,
                undo=undo,
                yes=yes,
                as_json=as_json,
            )
        )

    @app.command(
        cls=_Command,
        help=_("Say what is wrong with this machine or a project, and how to mend it."),
        short_help=_("Say what is wrong, and how to mend it."),
    )
    def doctor(
        project: Annotated[
            Path | None,
            typer.Argument(metavar="PROJECT", help=_("A project's folder, to be looked at as well.")),
        ] = None,
        explain: Annotated[
            str | None, typer.Option("--explain", metavar="CODE", help=_("Explain a finding, such as NM204."))
        ] = None,
        list_: Annotated[bool, typer.Option("--list", help=_("List the checks."))] = False,
        only: Annotated[
            list[str] | None,
            typer.Option("--only", metavar="NAME", help=_("Make only this check; may be repeated.")),
        ] = None,
        network: Annotated[
            bool, typer.Option("--network", help=_("Also ask package indexes and model hubs whether they answer."))
        ] = False,
        quick: Annotated[bool, typer.Option("--quick", help=_("Import no framework: done in a second."))] = False,
        train: Annotated[
            bool, typer.Option("--train", help=_("Prove the installation: train a tiny model on the device."))
        ] = False,
        fix: Annotated[
            bool, typer.Option("--fix", help=_("Mend what needs no administrator, after showing and asking."))
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help=consent_help())] = False,
        share: Annotated[
            bool, typer.Option("--share", help=_("Leave out names, paths and serial numbers: for a bug report."))
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        if explain is not None:
            from scaffolder.doctor.explain import show

            show(explain)
            return 0
        from scaffolder.doctor import command

        if list_:
            command.list_checks()
            return 0
        return command.run_doctor(
            command.Options(
                project=project,
                only=only or (),
                network=network,
                quick=quick,
                train=train,
                fix=fix,
                yes=yes,
                share=share,
                as_json=as_json,
            )
        )

    @app.command(
        cls=_Command,
        help=_("Say what a model needs: parameters, memory, time, and what fits your GPU."),
        short_help=_("Parameters, memory and time of a model."),
    )
    def estimate(
        model: Annotated[
            str, typer.Argument(metavar="MODEL", help=_("A hub id such as Qwen/Qwen3-8B, a folder, or a config.json."))
        ],
        method: Annotated[
            str, typer.Option("--method", metavar="METHOD", help="full|lora|qlora|pretrain|inference")
        ] = "",
        precision: Annotated[
            str, typer.Option("--precision", metavar="NAME", help="float32|bf16-mixed|bf16|fp16-mixed|fp16")
        ] = "",
        context: Annotated[
            int | None,
            typer.Option("--context", metavar="N", help=_("Tokens, pixels of an image's side, or seconds of sound.")),
        ] = None,
        target: Annotated[
            int | None, typer.Option("--target", metavar="N", help=_("Tokens that are written, if not as many."))
        ] = None,
        batch: Annotated[
            int | None, typer.Option("--batch", metavar="N", help=_("Samples on one GPU at once."))
        ] = None,
        gpu: Annotated[
            str, typer.Option("--gpu", metavar="NAME", help=_("A GPU such as “RTX 4090”, instead of this machine's."))
        ] = "",
        gpus: Annotated[
            int | None, typer.Option("--gpus", metavar="N", help=_("Share the model between so many (FSDP)."))
        ] = None,
        rank: Annotated[int, typer.Option("--rank", metavar="N", help=_("Rank of the adapters."))] = 16,
        adapt: Annotated[
            str, typer.Option("--adapt", metavar="WHICH", help=_("Matrices with adapters: all, or attention."))
        ] = "all",
        checkpointing: Annotated[
            bool | None,
            typer.Option("--checkpointing/--no-checkpointing", help=_("Compute activations twice to save memory.")),
        ] = None,
        attention: Annotated[str, typer.Option("--attention", metavar="KIND", help="sdpa|eager")] = "sdpa",
        loss: Annotated[
            str,
            typer.Option(
                "--loss", metavar="KIND", help=_("whole: all logits at once. pieces: those of some tokens at a time.")
            ),
        ] = "pieces",
        optimizer: Annotated[
            str,
            typer.Option("--optimizer", metavar="NAME", help="adamw|adamw-8bit|sgd|sgd-momentum|lion|adafactor"),
        ] = "adamw",
        accumulation: Annotated[
            int | None, typer.Option("--accumulation", metavar="N", help=_("Passes for one step of the optimizer."))
        ] = None,
        task: Annotated[
            str,
            typer.Option("--task", metavar="NAME", help=_("Another head: base (none), causal, masked, or classify.")),
        ] = "",
        tokens: Annotated[
            float | None, typer.Option("--tokens", metavar="N", help=_("State time and energy for so many tokens."))
        ] = None,
        samples: Annotated[
            float | None,
            typer.Option("--samples", metavar="N", help=_("… for so many samples: texts, images, seconds of sound.")),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.estimate.command import Options, run_estimate

        return run_estimate(
            Options(
                model=model,
                method=method,
                precision=precision,
                context=context,
                target=target,
                batch=batch,
                gpu=gpu,
                gpus=gpus,
                rank=rank,
                adapt=adapt,
                checkpointing=checkpointing,
                attention=attention,
                loss=loss,
                optimizer=optimizer,
                accumulation=accumulation,
                task=task,
                tokens=tokens,
                samples=samples,
                as_json=as_json,
            )
        )

    @app.command(
        cls=_Command,
        help=_("Choose where packages and models come from, where the usual servers are slow or blocked."),
        short_help=_("Choose servers for packages and models."),
    )
    def mirrors(
        project: Annotated[
            Path | None, typer.Argument(metavar="PROJECT", help=_("The project that gets ModelScope's package."))
        ] = None,
        use: Annotated[
            str, typer.Option("--use", metavar="NAME", help=_("Take packages from this mirror; off is PyPI itself."))
        ] = "",
        hub: Annotated[
            str, typer.Option("--hub", metavar="NAME", help=_("Where models come from: {names}.").format(names=_HUBS))
        ] = "",
        list_: Annotated[bool, typer.Option("--list", help=_("List the mirrors."))] = False,
        undo: Annotated[
            bool, typer.Option("--undo", help=_("Bring back pip's and uv's settings as they were."))
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help=_("Show what would change, and write nothing."))
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help=json_help())] = False,
        lang: Annotated[str, typer.Option("--lang", metavar="LANGUAGE", help=language_help())] = "",  # noqa: ARG001
    ) -> int:
        from scaffolder.mirrors import run_mirrors

        return run_mirrors(
            use=use, hub=hub, listing=list_, undo=undo, dry_run=dry_run, as_json=as_json, project=project
        )

    from scaffolder.ecosystem_app import add_commands, templates_app
    from scaffolder.pycharm.app import pycharm_app

    add_commands(app, _Command)
    app.add_typer(templates_app(_Group, _Command), name="templates")
    app.add_typer(pycharm_app(_Group, _Command), name="pycharm")
    return app


def _check_options(template: bool, *, own: dict[str, Any], foreign: dict[str, Any]) -> None:
    """Refuse what `init` would pass over: options for newmodel's templates with somebody else's, and the other way."""
    wrong = next((name for name, value in (own if template else foreign).items() if value), None)
    if wrong is None:
        return
    if template:
        raise NewmodelError(
            _("{first} and {second} do not go together: give one of them.").format(first="--template", second=wrong)
        )
    raise NewmodelError(_("{option} is about somebody else's template: give --template, too.").format(option=wrong))


#: As `scaffolder.mirrors.HUBS`, which --help must not import.
_HUBS = "hf-mirror, modelscope, official"


def _choose_language(arguments: list[str]) -> bool:
    """Set the language before any text is made; whether a flag chose it."""
    messages.set_language(messages.detect_language())
    for index, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang" or argument.startswith("--lang="):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            name = argument.partition("=")[2] or following
            found = name if name in messages.LANGUAGES else messages.match_language(name)
            if found is None:
                raise NewmodelError(
                    _("There is no language “{name}”; there are: {names}.").format(
                        name=name, names=", ".join(messages.LANGUAGES)
                    )
                )
            messages.set_language(found)
            return True
    return False


def _use_utf8() -> None:
    """Chinese text and box lines need UTF-8, whatever code page a Windows console or a C locale says."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # a path may hold bytes that are no UTF-8: shown escaped rather than failing
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _fail(message: str) -> None:
    # not through rich: this must work when the terminal, or rich, is what failed
    red, plain = ("\x1b[1;31m", "\x1b[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    sys.stderr.write(f"{red}{message}{plain}\n")


def _usage_error(error: Exception) -> str | None:
    """A mistake in the command line, in one sentence; None if `error` is none.

    By their names: typer brings these classes along since 0.20, and took click's before.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ClickException" not in kinds and "TyperException" not in kinds:
        return None
    details: Any = error
    if "NoArgsIsHelpError" in kinds:
        return str(error)
    if "NoSuchOption" in kinds or "NoSuchCommand" in kinds:
        name = getattr(error, "option_name", None) or getattr(error, "command_name", "")
        near = ", ".join(sorted(getattr(error, "possibilities", None) or []))
        hint = _(" Did you mean {names}?").format(names=near) if near else ""
        return _("There is no {name}.{hint} “newmodel --help” lists what there is.").format(name=name, hint=hint)
    return _("{reason} “newmodel --help” explains the options.").format(
        reason=details.format_message().rstrip(".") + "."
    )


def _bug(error: Exception) -> str:
    """Save the trace where it can be found, and say so."""
    import time
    import traceback

    trace = "".join(traceback.format_exception(error))
    try:
        from platformdirs import user_log_path

        folder = user_log_path("newmodel", appauthor=False, ensure_exists=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        path.write_text(f"newmodel {' '.join(sys.argv[1:])}\n{sys.version}\n\n{trace}", encoding="utf-8")
    except OSError:
        sys.stderr.write(trace)
        return _("This is a mistake in newmodel: {kind}.").format(kind=type(error).__name__)
    return _("This is a mistake in newmodel: {kind}. The details are in {path}; please report it.").format(
        kind=type(error).__name__, path=path
    )


if __name__ == "__main__":
    raise SystemExit(main())
