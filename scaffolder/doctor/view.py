"""The doctor's report in the terminal: one line for what each check found, then what is wrong and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffolder.doctor.document import fitting_builds
from scaffolder.environment.builds.builds import LABELS
from scaffolder.environment.checks import CHECKS
from scaffolder.environment.facts import Finding, Report
from scaffolder.environment.panel import SIGNS, STYLES, facts
from scaffolder.messages import _, ngettext

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SEVERITIES = ("blocks", "slows", "note")


def show(console: Console, report: Report) -> None:
    """Print the whole report."""
    console.print(_areas(report))
    console.print()
    for severity, heading in _headings().items():
        found = [finding for finding in report.findings if finding.severity == severity]
        if found:
            console.print(heading, style=f"bold {STYLES[severity]}")
        for finding in found:
            _finding(console, finding)
    _builds(console, report)
    console.print(verdict(report), style="bold")
    if report.findings:
        example = report.findings[0].code
        console.print(_("More about one of them: newmodel doctor --explain {code}").format(code=example))


def _headings() -> dict[str, str]:
    return {
        "blocks": _("This keeps training from working"),
        "slows": _("This slows training or wastes what is there"),
        "note": _("Good to know"),
    }


def _finding(console: Console, finding: Finding) -> None:
    from rich.padding import Padding
    from rich.text import Text

    first = Text(f"{SIGNS[finding.severity]} {finding.code}  {finding.what}", style=STYLES[finding.severity])
    console.print(Padding(first, (0, 0, 0, 2)))
    for text in (finding.meaning, finding.advice):
        if text:
            console.print(Padding(Text(text), (0, 0, 0, 4)))
    for command in finding.commands:
        # however long, a command stays one line: it is there to be copied
        console.print(f"    $ {command.line}", style="cyan", soft_wrap=True)
    console.print()


def _builds(console: Console, report: Report) -> None:
    from rich.padding import Padding

    builds = fitting_builds(report)
    if not builds:
        return
    console.print(_("What fits this machine (newmodel init installs it into the project)"), style="bold")
    for build in builds:
        name = f"{LABELS[build.framework]} {build.version}".strip()
        title = name if build.gpu is None else _("{framework} for {gpu}").format(framework=name, gpu=build.gpu.name)
        console.print(Padding(title, (0, 0, 0, 2)))
        for text in (build.reason, build.upgrade):
            if text:
                console.print(Padding(text, (0, 0, 0, 4)))
        for command in build.uv if report.tools.uv else build.pip:
            console.print(f"    $ {command.line}", style="cyan", soft_wrap=True)
    console.print()


def _areas(report: Report) -> Table:
    """A line a check: its worst finding's sign, and the facts."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    texts = facts(report)
    for check in CHECKS:
        if check.name not in report.checks:
            continue
        worst = _worst([finding for finding in report.findings if finding.check == check.name])
        sign = Text(SIGNS[worst], style=STYLES[worst]) if worst else Text("✓", style="green")
        own = [text for name, _title, text in texts if name == check.name]
        table.add_row(sign, _(check.title), Text("; ".join(own) or _count(report, check.name)))
    return table


def _worst(findings: list[Finding]) -> str:
    return next((severity for severity in _SEVERITIES if any(one.severity == severity for one in findings)), "")


def _count(report: Report, name: str) -> str:
    count = sum(finding.check == name for finding in report.findings)
    if not count:
        return _("fine")
    return ngettext("{count} remark", "{count} remarks", count).format(count=count)


def verdict(report: Report) -> str:
    """One sentence about the whole."""
    blocks = sum(finding.severity == "blocks" for finding in report.findings)
    slows = sum(finding.severity == "slows" for finding in report.findings)
    if blocks:
        return ngettext(
            "{count} thing keeps training from working: mend it first.",
            "{count} things keep training from working: mend them first, from the top.",
            blocks,
        ).format(count=blocks)
    if slows:
        return ngettext(
            "Training works here; {count} thing slows it.", "Training works here; {count} things slow it.", slows
        ).format(count=slows)
    if report.findings:
        return _("Nothing that was looked at keeps training from working or slows it.")
    return _("Everything that was looked at is fine.")
