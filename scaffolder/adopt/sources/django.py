"""Django's `manage.py`."""

from __future__ import annotations

from collections.abc import Iterator

from scaffolder.adopt.configuration import Configuration
from scaffolder.adopt.project_view import View
from scaffolder.adopt.roots import django_programs
from scaffolder.adopt.scan import parent


def find(view: View) -> Iterator[Configuration]:
    """The development server and the tests."""
    programs = django_programs(view.tree)
    for path in programs:
        where = f" ({parent(path)})" if len(programs) > 1 else ""
        for command in ("runserver", "test"):
            yield Configuration(
                name=f"Django: {command}{where}",
                kind="script",
                target=path,
                parameters=command,
                folder=parent(path),
                source=path,
                group="web",
            )
