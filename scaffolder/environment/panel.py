"""The environment report as one panel: what is there, and what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffolder.environment.facts import Disk, Finding, Gpu, Machine, Network, Report
from scaffolder.environment.hardware.machine import GIB, size
from scaffolder.environment.network.proxies import host_of
from scaffolder.messages import _, ngettext

if TYPE_CHECKING:
    from rich.panel import Panel
    from rich.text import Text

STYLES = {"blocks": "bold red", "slows": "yellow", "note": "cyan"}
SIGNS = {"blocks": "✗", "slows": "!", "note": "•"}


def panel(report: Report) -> Panel:
    """For a terminal: facts first, then the findings."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in rows(report):
        table.add_row(title, Text(text))
    lines = [finding_text(finding) for finding in report.findings]
    parts = [table, Text(""), *lines] if lines else [table]
    return Panel(Group(*parts), title=_("This machine"), title_align="left", border_style="blue", padding=(0, 1))


def finding_text(finding: Finding) -> Text:
    """A finding as people read it: its code, what is so, what it means, and what to do, a command a line."""
    from rich.text import Text

    line = Text(f"{SIGNS[finding.severity]} {finding.code}  {finding.what}", style=STYLES[finding.severity])
    if not finding.what.endswith("。"):  # Chinese has no space between sentences
        line.append(" ")
    line.append(finding.meaning, style="default")
    if finding.advice:
        line.append(f"\n  → {finding.advice}", style="default")
    for command in finding.commands:
        line.append(f"\n  $ {command.line}", style="bold")
    return line


def rows(report: Report) -> list[tuple[str, str]]:
    """Title and text of each line."""
    return [(title, text) for _check, title, text in facts(report)]


def facts(report: Report) -> list[tuple[str, str, str]]:
    """What is so: the check that found it, a title, and a text."""
    return [
        ("machine", _("system"), f"{report.release}, {report.machine}"),
        ("python", _("Python"), ", ".join(dict.fromkeys(one.text for one in report.interpreters)) or _("none found")),
        ("accelerators", _("accelerator"), _accelerators(report)),
        *([("accelerators", _("driver"), _driver(report))] if report.accelerators.driver else []),
        ("machine", _("processor"), _processor(report.hardware)),
        ("machine", _("memory"), _memory(report.hardware)),
        ("disk", _("disk"), _disk(report.hardware)),
        *([("disk", _("downloaded"), caches)] if (caches := _caches(report.disk)) else []),
        ("frameworks", _("frameworks"), _frameworks(report)),
        ("pycharm", "PyCharm", _pycharm(report)),
        ("tools", "git", report.tools.git or _("not installed")),
        ("tools", "uv", report.tools.uv or _("not installed; pip is used instead")),
        *([("network", _("network"), _network(report.network))] if report.network.asked else []),
    ]


def _processor(hardware: Machine) -> str:
    cores = ngettext("{count} core", "{count} cores", hardware.cores).format(count=hardware.cores)
    return f"{hardware.cpu_name}, {cores}" if hardware.cpu_name else cores


def _network(network: Network) -> str:
    """Each server with its time, side by side."""
    silent = _("no answer")
    parts = [_("through {proxy}").format(proxy=network.proxy)] if network.proxy else []
    for server in network.servers:
        time = _("{seconds} s").format(seconds=server.seconds) if server.reachable else silent
        parts.append(f"{host_of(server.url)} {time}")
    return ", ".join(parts)


def _memory(hardware: Machine) -> str:
    if hardware.memory_total is None:
        return _("unknown")
    text = size(hardware.memory_total)
    if hardware.memory_available is not None:
        text = _("{total}, {free} free").format(total=text, free=size(hardware.memory_available))
    return _("{memory} (this container's limit)").format(memory=text) if hardware.memory_limited else text


def _disk(hardware: Machine) -> str:
    return _("unknown") if hardware.disk_free is None else _("{size} free").format(size=size(hardware.disk_free))


def _caches(disk: Disk) -> str:
    """Sizes of the caches that are worth a word, the largest first."""
    sizes = {place.purpose: place.size for place in disk.places if place.size and place.size >= GIB // 10}
    return ", ".join(f"{name} {size(sizes[name])}" for name in sorted(sizes, key=lambda name: -sizes[name]))


def _accelerators(report: Report) -> str:
    return "; ".join(_gpu(gpu) for gpu in report.accelerators.gpus) or _("none: training runs on the processor")


def _gpu(gpu: Gpu) -> str:
    details = []
    if gpu.total:
        details.append(size(gpu.total))
    if gpu.free is not None:
        details.append(_("{size} free").format(size=size(gpu.free)))
    if gpu.capability:
        details.append(_("compute capability {number}").format(number=".".join(map(str, gpu.capability))))
    return f"{gpu.name} ({', '.join(details)})" if details else gpu.name


def _driver(report: Report) -> str:
    cuda = report.accelerators.cuda
    driver = f"NVIDIA {report.accelerators.driver}"
    return (
        driver
        if cuda is None
        else _("{driver}, for CUDA up to {version}").format(driver=driver, version=".".join(map(str, cuda)))
    )


def _frameworks(report: Report) -> str:
    found = report.frameworks
    if not found.versions:
        return _("none yet: each project gets its own")
    names = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    return _("{names} in {python}").format(names=names, python=found.python)


def _pycharm(report: Report) -> str:
    if not report.pycharm:
        return _("not found")
    first = report.pycharm[0]
    text = f"{first.edition} {first.version}".strip()
    if first.heap is not None:
        text = _("{name}, {size} MB heap").format(name=text, size=first.heap)
    return _("{name}, running").format(name=text) if report.pycharm_running else text
