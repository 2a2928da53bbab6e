"""The report for programs: one JSON object, and the schema that promises its shape."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scaffolder.environment.builds.builds import LABELS, Build, fitting_build
from scaffolder.environment.facts import Finding, Report

#: Goes up when a field changes its meaning or goes away; a new field changes nothing.
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Document:
    """What `newmodel doctor --json` prints.

    Attributes:
        format: Version of this shape.
        newmodel: Version of the program.
        blocked: Whether something blocks training; the exit code is then 1.
        findings: What is not as it could be, the worst first.
        builds: Which build of each framework fits this machine, and how it is installed.
        machine: What is so, as far as it was looked at.
    """

    format: int
    newmodel: str
    blocked: bool
    findings: tuple[Finding, ...]
    builds: tuple[Build, ...]
    machine: Report

    def as_json(self) -> dict[str, Any]:
        """Plain values; the findings stand once, beside the facts."""
        content = asdict(self)
        content["machine"].pop("findings")
        return content


def document(report: Report, version: str) -> Document:
    """The report as a document."""
    return Document(
        format=FORMAT,
        newmodel=version,
        blocked=any(finding.severity == "blocks" for finding in report.findings),
        findings=report.findings,
        builds=fitting_builds(report),
        machine=report,
    )


def fitting_builds(report: Report) -> tuple[Build, ...]:
    """The build of each framework that has one for this machine; none where that was not asked."""
    if "builds" not in report.checks:
        return ()
    found = (fitting_build(report, framework) for framework in LABELS)
    return tuple(build for build in found if build is not None)


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of `Document.as_json`, made from the dataclasses."""
    from pydantic import TypeAdapter

    content = TypeAdapter(Document).json_schema(mode="serialization")
    content["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    content["title"] = "newmodel doctor --json"
    machine = content["$defs"]["Report"]
    machine["properties"].pop("findings")
    for definition in (content, *content["$defs"].values()):
        # every field is always printed; a program may rely on it
        definition["required"] = list(definition.get("properties", ()))
        definition["additionalProperties"] = False
    return content
