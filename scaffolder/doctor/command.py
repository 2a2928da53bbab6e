"""What `newmodel doctor` looks at, shows, asks and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scaffolder import console
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.facts import Report
from scaffolder.environment.real_system import RealSystem
from scaffolder.environment.report import inspect
from scaffolder.environment.system import System
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _
from scaffolder.version import version

#: Any of these says that a folder is a project.
_MARKS = (".copier-answers.yml", "pyproject.toml", ".idea", "requirements.txt", "setup.py")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line.

    Attributes:
        project: The project's folder; None is the current folder, if it is one.
        only: Names of checks; every one that fits if empty.
        network: Also ask package indexes and model hubs.
        quick: Import no framework.
        train: Train a tiny model.
        fix: Mend what is safe to mend.
        yes: Do not ask for consent.
        share: Leave out what is private.
    """

    project: Path | None = None
    only: Sequence[str] = ()
    network: bool = False
    quick: bool = False
    train: bool = False
    fix: bool = False
    yes: bool = False
    as_json: bool = False
    share: bool = False


def run_doctor(options: Options, system: System | None = None) -> ExitCode:
    """Look at the machine and the project; `ExitCode.FINDING` if something blocks training.

    Raises:
        NewmodelError: If the project or a check does not exist, or there is nobody to ask.
    """
    if options.fix and not options.yes and (options.as_json or not console.interactive()):
        raise NewmodelError(_("There is no terminal to ask in: --fix needs --yes."))
    system = system or RealSystem()
    folder, checks = _scope(options)
    report = _look(system, folder, checks, options)
    if options.fix:
        report = _fix(system, folder, checks, options, report)
    _show(system, report, options)
    return ExitCode.FINDING if any(one.severity == "blocks" for one in report.findings) else ExitCode.OK


def list_checks() -> None:
    """Print the name of every check and what it looks at."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    needs = {
        "": "",
        "project": _("with a project"),
        "time": _("takes seconds; not with --quick"),
        "network": _("with --network"),
    }
    for check in CHECKS:
        table.add_row(check.name, _(check.title), needs[check.need])
    console.out().print(table)


def _scope(options: Options) -> tuple[Path, list[str]]:
    """The folder to look at, and the names of the checks."""
    folder = Path.cwd() if options.project is None else options.project.absolute()
    if not folder.is_dir():
        raise NewmodelError(
            _("There is no folder {path}; give a project's folder, or none for the machine alone.").format(path=folder)
        )
    known = [check.name for check in CHECKS]
    if options.only:
        for name in options.only:
            if name not in known:
                from scaffolder.answers import nearest, shown

                raise NewmodelError(
                    _("There is no check “{name}”{nearest} “newmodel doctor --list” names them all.").format(
                        name=shown(name), nearest=nearest(name, known)
                    )
                )
        return folder, list(options.only)
    left_out = {"network"} if not options.network else set()
    if options.quick:
        left_out.add("time")
    if options.project is None and not any((folder / mark).exists() for mark in _MARKS):
        left_out.add("project")
    return folder, [check.name for check in CHECKS if check.need not in left_out]


def _look(system: System, folder: Path, checks: Sequence[str], options: Options) -> Report:
    if console.err().is_terminal and not options.as_json:
        with console.err().status(_("Looking at this machine …")):
            report = inspect(system, folder=folder, checks=checks)
    else:
        report = inspect(system, folder=folder, checks=checks)
    if options.only:
        # the checks whose facts these need were made, too, and nobody asked what they found
        asked = tuple(name for name in report.checks if name in options.only)
        report = replace(report, checks=asked, findings=tuple(one for one in report.findings if one.check in asked))
    return _train(system, report) if options.train else report


def _train(system: System, report: Report) -> Report:
    from scaffolder.doctor.training import prove

    proofs, findings = prove(system, report)
    for proof in proofs:
        text = _("{framework} trained a tiny model on {device} in {seconds:.1f} s: loss {before:.3f} → {after:.4f}")
        console.say(text.format(**asdict(proof)), style="green")
    # an installation that cannot train stands first
    return replace(report, findings=(*findings, *report.findings))


def _fix(system: System, folder: Path, checks: Sequence[str], options: Options, report: Report) -> Report:
    from scaffolder.doctor import fix
    from scaffolder.questions import consent

    planned = fix.repairs(report.findings)
    if not planned:
        console.say(_("There is nothing here that newmodel can mend by itself."))
        return report
    fix.show(planned)
    if not options.yes and not consent(_("Run these commands?")):
        console.say(_("Nothing was changed."))
        return report
    fix.run(planned, folder)
    return _look(system, folder, checks, options)


def _show(system: System, report: Report, options: Options) -> None:
    if options.share:
        from scaffolder.doctor.share import Redaction

        report = Redaction(system, report).apply(report)
    if options.as_json:
        from scaffolder.doctor.document import document

        console.print_json(document(report, version()).as_json())
        return
    from scaffolder.doctor.view import show

    if options.share:
        console.out().print(f"newmodel {version()} · {report.platform} · {report.machine}\n")
    show(console.out(), report)
