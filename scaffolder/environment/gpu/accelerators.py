"""What can train besides the processor: NVIDIA, AMD, Apple, Intel, and why something that is here cannot."""

from __future__ import annotations

from typing import Any

from scaffolder.environment.facts import Accelerators, Finding, Gpu
from scaffolder.environment.gpu import (
    amd,
    apple,
    intel,
    jetson,
    nvidia,
    nvidia_findings,
    nvidia_unreachable,
    visibility,
)
from scaffolder.environment.gpu.chips import capability_of
from scaffolder.environment.gpu.pci import NVIDIA, Card, cards
from scaffolder.environment.gpu.virtual import container, jetson_release, wsl
from scaffolder.environment.gpu.virtual import jetson as jetson_model
from scaffolder.environment.system import System
from scaffolder.messages import _


def probe(system: System) -> tuple[dict[str, Any], list[Finding]]:
    """The accelerators, and what is wrong with them."""
    place = Accelerators(
        wsl=wsl(system),
        container=container(system),
        jetson=jetson_model(system),
        macos=apple.version(system),
        visible=system.environ.get(visibility.NAME),
    )
    found = nvidia.ask(system)
    if place.jetson and not found.gpus:
        found = jetson.ask(system, found, place.jetson)
    radeon = amd.ask(system)
    # the bus is looked at only where nothing else explains what is here
    bus = [] if found.gpus or radeon.gpus or system.platform == "darwin" else cards(system)
    arc = intel.ask(system, bus)
    facts = Accelerators(
        gpus=(*found.gpus, *radeon.gpus, *apple.ask(system), *arc),
        unusable=(*radeon.unusable, *_without_driver(bus, found)),
        driver=found.driver,
        cuda=found.cuda,
        source=found.source,
        visible=place.visible,
        wsl=place.wsl,
        container=place.container,
        jetson=place.jetson,
        jetson_release=jetson_release(system) if place.jetson else None,
        macos=place.macos,
        rocm=radeon.rocm,
    )
    findings = [
        *nvidia_unreachable.findings(system, found, bus, place),
        *nvidia_findings.findings(system, found, place),
        *visibility.findings(system, found.gpus),
        *amd.findings(system, radeon, bus, place.container),
        *_hidden_amd(system, radeon),
        *intel.findings(system, arc),
    ]
    # a Mac without Apple's chip can train nothing at all, which is said with the builds
    if not facts.gpus and not findings and system.platform != "darwin":
        findings.append(_none(place))
    return {"accelerators": facts}, findings


def _without_driver(bus: list[Card], found: nvidia.Nvidia) -> list[Gpu]:
    """NVIDIA's cards on the bus that no driver answers for."""
    if found.gpus:
        return []
    return [
        Gpu(kind="cuda", name=card.name or f"NVIDIA {card.device}", capability=capability_of(card.name))
        for card in bus
        if card.vendor == NVIDIA
    ]


def _hidden_amd(system: System, found: amd.Amd) -> list[Finding]:
    variable = amd.hidden_by(system) if found.gpus else None
    return [] if variable is None else [visibility.hidden(system, *variable)]


def _none(place: Accelerators) -> Finding:
    advice = ""
    if place.container:
        advice = _("If the host has one, the container has to be started with it: docker run --gpus all …")
    return Finding(
        code="NM201",
        severity="note",
        what=_("No GPU was found."),
        meaning=_("Training runs on the processor: fine for the samples here, slow for large models."),
        advice=advice,
    )
