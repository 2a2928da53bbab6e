"""What the answers of servers mean for installing packages and loading models."""

from __future__ import annotations

from collections.abc import Sequence

from scaffolder.environment.facts import Command, Finding, Network, Report, Server, command, quoted
from scaffolder.environment.network.certificate import interceptor, is_public
from scaffolder.environment.network.mirrors import HUB, HUB_MIRROR, MODELSCOPE, PYPI, PYTORCH, mirror_of
from scaffolder.environment.network.proxies import host_of, without_password
from scaffolder.environment.system import System
from scaffolder.messages import _

#: Seconds for a page of an index beyond which an installation is no pleasure.
SLOW = 2.0

#: Seconds that a clock may be wrong; signatures of downloads are valid for some minutes.
CLOCK_TOLERANCE = 300.0
_DAY = 86_400.0


def judge(report: Report) -> list[Finding]:
    """Everything that follows from who answered."""
    network = report.network
    if not network.asked:
        return []
    findings = [*_clock(report, network), *_certificates(report, network), *_proxy(report, network)]
    known = {finding.code for finding in findings}
    if network.offline:
        return findings if known & {"NM704", "NM705", "NM706"} else [*findings, _offline(network)]
    return [*findings, *_packages(report, network, known), *_hub(report, network)]


def unequal_settings(system: System, pip: str, uv: str, *, uv_knows: bool) -> list[Finding]:
    """Where pip was told of another index and uv was not: uv reads none of pip's settings."""
    if not pip or uv_knows or uv.rstrip("/") == pip.rstrip("/"):
        return []
    mirror = mirror_of(pip)
    return [
        Finding(
            code="NM707",
            severity="note",
            what=_("pip takes packages from {index}, and uv does not know of it.").format(index=without_password(pip)),
            meaning=_("newmodel tells uv when it installs, but `uv sync` and `uv add` by hand ask pypi.org."),
            commands=(command(system, "newmodel", "mirrors", "--use", mirror.name, safe=True),)
            if mirror
            else (_set(system.platform, "UV_DEFAULT_INDEX", without_password(pip)),),
        )
    ]


def _set(platform: str, name: str, value: str) -> Command:
    """An environment variable, to stay on Windows and for this shell elsewhere."""
    if platform == "win32":
        return Command(line=f'setx {name} "{value}"')
    return Command(line=f"export {name}={quoted([value], platform)}")


def _of(network: Network, role: str) -> list[Server]:
    return [server for server in network.servers if server.role == role]


def _fastest(network: Network) -> Server | None:
    found = [one for one in _of(network, "mirror") if one.reachable and one.name != "official"]
    return min(found, key=lambda one: one.seconds or 0.0, default=None)


def _clock(report: Report, network: Network) -> list[Finding]:
    wrong = network.clock_error
    dated = any("expired" in server.error or "not yet valid" in server.error for server in network.servers)
    if wrong is None and not (dated and network.offline):
        return []
    if wrong is not None and abs(wrong) <= CLOCK_TOLERANCE:
        return []
    what = (
        _("This machine's clock seems to be wrong: servers' certificates are not valid on its date.")
        if wrong is None
        else _("This machine's clock is {time} ahead.").format(time=_span(wrong))
        if wrong > 0
        else _("This machine's clock is {time} behind.").format(time=_span(-wrong))
    )
    commands = {
        "linux": ("sudo", "timedatectl", "set-ntp", "true"),
        "darwin": ("sudo", "sntp", "-sS", "time.apple.com"),
        "win32": ("w32tm", "/resync"),
    }
    return [
        Finding(
            code="NM706",
            severity="blocks" if wrong is None or abs(wrong) > _DAY else "slows",
            what=what,
            meaning=_(
                "Servers' certificates and signed downloads have dates: they are refused, and newer files look older."
            ),
            advice=_("Let it be set from the network. Inside the Linux subsystem: wsl --shutdown, in Windows."),
            commands=(command(report, *commands.get(report.platform, commands["linux"])),),
        )
    ]


def _span(seconds: float) -> str:
    if seconds >= 2 * _DAY:
        return _("{count} days").format(count=round(seconds / _DAY))
    if seconds >= 7200:
        return _("{count} hours").format(count=round(seconds / 3600))
    return _("{count} minutes").format(count=round(seconds / 60))


def _certificates(report: Report, network: Network) -> list[Finding]:
    """Connections that something on the way opens and signs anew."""
    refused = [server for server in network.servers if server.error.startswith("certificate")]
    issuer = next((server.issuer for server in network.servers if interceptor(server.issuer)), "")
    if not issuer:
        # only of these three is it known for certain that a public authority signs them
        public = {host_of(url) for url in (PYPI, PYTORCH, HUB)}
        issuer = next(
            (
                server.issuer
                for server in network.servers
                if host_of(server.url) in public and server.issuer and not is_public(server.issuer)
            ),
            "",
        )
    if not issuer and (not refused or any("expired" in one.error or "not yet valid" in one.error for one in refused)):
        return []
    product = interceptor(issuer)
    return [
        Finding(
            code="NM705",
            # pip may know the certificate although Python does not
            severity="blocks"
            if any(server.role == "packages" for server in refused) and not network.certificates
            else "note",
            what=_("{name} opens encrypted connections on the way.").format(name=product or f"“{issuer}”")
            if issuer
            else _("Servers show a certificate that this machine does not trust ({host}).").format(
                host=host_of(refused[0].url)
            ),
            meaning=_(
                "It is usual in companies and with some virus scanners. Python, pip and uv refuse servers until they "
                "know its certificate (CERTIFICATE_VERIFY_FAILED)."
            )
            if refused
            else _("It is trusted here, but programs with a list of their own, such as uv and git, may still refuse."),
            advice=_trust_advice(report.platform) if refused else "",
            commands=_trust(report) if refused else _trust(report)[-1:],
        )
    ]


def _trust_advice(platform: str) -> str:
    if platform == "win32":
        return _(
            "Its certificate is in Windows' own store: these let uv, git and the packages of a project use it. Then "
            "open a new terminal."
        )
    return _(
        "Ask the company's help desk for its root certificate (a .crt or .pem file, here company.crt), make it known "
        "to the system, and name the system's list to Python, pip and uv. Never switch the check off."
    )


def _trust(report: Report) -> tuple[Command, ...]:
    if report.platform == "win32":
        return (
            Command(line='setx UV_SYSTEM_CERTS "true"'),
            command(report, "git", "config", "--global", "http.sslBackend", "schannel", safe=True),
            command(report, "python", "-m", "pip", "install", "pip-system-certs"),
        )
    if report.platform == "darwin":
        keychain = "/Library/Keychains/System.keychain"
        return (
            command(report, "sudo", "security", "add-trusted-cert", "-d", "-k", keychain, "company.crt"),
            Command(line="export UV_SYSTEM_CERTS=true"),
            Command(line='export SSL_CERT_FILE="$PWD/company.crt" REQUESTS_CA_BUNDLE="$PWD/company.crt"'),
        )
    store = "/etc/ssl/certs/ca-certificates.crt"
    return (
        command(report, "sudo", "cp", "company.crt", "/usr/local/share/ca-certificates/"),
        command(report, "sudo", "update-ca-certificates"),
        Command(line=f"export SSL_CERT_FILE={store} REQUESTS_CA_BUNDLE={store} PIP_CERT={store}"),
    )


def _proxy(report: Report, network: Network) -> list[Finding]:
    failed = [server for server in network.servers if server.error == "proxy"]
    socks = network.proxy.lower().startswith("socks")
    if not failed and not socks:
        return []
    if socks and not failed:
        return [
            Finding(
                code="NM704",
                severity="slows",
                what=_("{source} names a SOCKS proxy ({proxy}).").format(
                    source=network.proxy_source, proxy=network.proxy
                ),
                meaning=_(
                    "pip and the model hub's package cannot use it without another package, and end with an error."
                ),
                advice=_("Most such programs have an HTTP port as well, often the same one: name that."),
                commands=(_set(report.platform, "HTTPS_PROXY", f"http://{network.proxy.partition('://')[2]}"),),
            )
        ]
    name = network.proxy_source
    variable = name.upper().endswith("_PROXY")
    return [
        Finding(
            code="NM704",
            severity="slows",
            what=_("The proxy that is set does not answer ({proxy}, by {source}).").format(
                proxy=network.proxy or "?", source=name or _("the system's settings")
            ),
            meaning=_("Nothing can be downloaded: packages and models come through it."),
            advice=_(
                "Start the program that provides it, correct its address (nearly always http://, for https pages "
                "too), or do without:"
            )
            if variable
            else _("Start the program that provides it, or correct it in the system's network settings."),
            commands=_unset(report.platform, name) if variable else (),
        )
    ]


def _unset(platform: str, name: str) -> tuple[Command, ...]:
    if platform == "win32":
        return (Command(line=f"Remove-Item Env:{name}"),)
    return (Command(line=f"unset {name}"),)


def _offline(network: Network) -> Finding:
    return Finding(
        code="NM708",
        severity="note",
        what=_("No server answered: this machine is offline, or something blocks the way."),
        meaning=_("Training works without a network; packages and pretrained models must be here already."),
        advice=_(
            "The system's proxy is set by a script ({script}), which Python cannot read: set HTTPS_PROXY to the "
            "proxy that it names."
        ).format(script=network.proxy_script)
        if network.proxy_script
        else _("In a company, ask for its proxy and set HTTPS_PROXY to it."),
    )


def _packages(report: Report, network: Network, known: set[str]) -> list[Finding]:
    own = _of(network, "packages")
    mirror = _fastest(network)
    use = (command(report, "newmodel", "mirrors", "--use", mirror.name),) if mirror else ()
    silent = [server for server in own if not server.reachable and not server.error.startswith("certificate")]
    if silent and "NM704" not in known:
        official = any(server.name == "official" and server.reachable for server in network.servers)
        return [
            Finding(
                code="NM709",
                severity="blocks",
                what=_("The package index {host} does not answer.").format(host=host_of(silent[0].url)),
                meaning=_("No package can be installed from it."),
                advice=_("pypi.org itself answers: go back to it with newmodel mirrors --use off, or take a mirror:")
                if official
                else _("The mirror {name} answers in {seconds} s:").format(name=mirror.name, seconds=mirror.seconds)
                if mirror
                else _("Check the network, or ask for the index that your company uses."),
                commands=use,
            )
        ]
    slow = [server for server in own if server.reachable and (server.seconds or 0.0) > SLOW]
    if slow and mirror and (mirror.seconds or 0.0) < SLOW / 2:
        return [
            Finding(
                code="NM703",
                severity="note",
                what=_(
                    "The package index {host} is slow: {seconds} s for a page; the mirror {name} took {fast} s."
                ).format(host=host_of(slow[0].url), seconds=slow[0].seconds, name=mirror.name, fast=mirror.seconds),
                meaning=_("A framework is 1 to 3 GB: that may take an hour from there."),
                commands=use,
            )
        ]
    if slow:
        return [
            Finding(
                code="NM703",
                severity="note",
                what=_("The package index {host} is slow: {seconds} s for a page.").format(
                    host=host_of(slow[0].url), seconds=slow[0].seconds
                ),
                meaning=_("A framework is 1 to 3 GB: that may take an hour from there."),
            )
        ]
    return []


def _hub(report: Report, network: Network) -> list[Finding]:
    silent = [server for server in _of(network, "hub") if not server.reachable]
    if not silent or silent[0].error.startswith(("certificate", "proxy")):
        return []
    mirror = _reachable(_of(network, "hub mirror"))
    modelscope = _reachable(_of(network, "modelscope"))
    commands: tuple[Command, ...] = ()
    if mirror and host_of(silent[0].url) != host_of(HUB_MIRROR):
        commands = (_set(report.platform, "HF_ENDPOINT", HUB_MIRROR),)
    elif modelscope:
        commands = (command(report, "python", "-m", "pip", "install", "modelscope"),)
    return [
        Finding(
            code="NM702",
            severity="note",
            what=_("The model hub {host} does not answer.").format(host=host_of(silent[0].url)),
            meaning=_("Pretrained models cannot be downloaded from there. The samples train without it."),
            advice=_(
                "Its mirror answers. In PyCharm, the variable goes into the run configuration's environment variables."
            )
            if mirror and commands
            else _(
                "ModelScope answers ({address}) and has many of the same models: download one with "
                "“modelscope download --model NAME --local_dir FOLDER” and name the folder as the model."
            ).format(address=MODELSCOPE)
            if modelscope
            else _("Download models elsewhere and name their folder as the model."),
            commands=commands,
        )
    ]


def _reachable(servers: Sequence[Server]) -> bool:
    return any(server.reachable for server in servers)
