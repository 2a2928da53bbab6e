"""Rendering one version of the templates into a folder, by copier.

The templates are a plain folder on this disk, but the answers record the public URL and the version: that is what an
update starts from, and it names no path of this machine.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder.errors import Interrupted, NewmodelError
from scaffolder.messages import _
from scaffolder.template_source import TEMPLATE_URL

if TYPE_CHECKING:
    from copier._main import Worker


def render(
    templates: Path,
    version: str,
    target: Path,
    *,
    answers: Mapping[str, Any],
    user_defaults: Mapping[str, Any] | None = None,
    ask: bool = False,
) -> dict[str, Any]:
    """Render `templates` into `target`, which must not exist or be empty.

    Args:
        templates: Folder with `copier.yml`.
        version: The version that the answers record, a tag such as `v1.2.0`.
        target: Where the project is written.
        answers: Given answers; those that name no question are passed over.
        user_defaults: Defaults that go before those of copier.yml.
        ask: Whether questions without an answer are asked in the terminal; otherwise they get their defaults.

    Returns:
        Every answer, the computed ones included.

    Raises:
        NewmodelError: If an answer is refused, or the templates cannot be rendered.
        Interrupted: If the person pressed Ctrl-C at a question.
    """
    from copier.errors import CopierAnswersInterrupt, CopierError

    with worker(templates, version, target, answers, user_defaults or {}, ask) as copier:
        try:
            copier.run_copy()
        except (CopierAnswersInterrupt, KeyboardInterrupt):
            raise Interrupted from None
        except (CopierError, ValueError) as error:
            raise NewmodelError(str(error).strip().splitlines()[0]) from error
        return dict(copier.answers.combined)


def worker(
    templates: Path,
    version: str,
    target: Path,
    answers: Mapping[str, Any],
    user_defaults: Mapping[str, Any],
    ask: bool,
) -> Worker:
    """A copier worker for a plain folder that records TEMPLATE_URL and `version` and asks in the person's language."""
    # copier deprecates these names outside its own modules and offers nothing else to preset a template with.
    from copier._main import Worker
    from copier._template import Template

    class FolderTemplate(Template):
        """Templates in a folder, presented as a version of a published repository."""

        vcs = None
        commit = version
        commit_hash = None
        local_abspath = templates.resolve()

        @cached_property
        def questions_data(self) -> dict[str, Any]:
            return translated(super().questions_data)

    class FolderWorker(Worker):
        @cached_property
        def template(self) -> Template:
            return FolderTemplate(url=TEMPLATE_URL)

    return FolderWorker(
        src_path=TEMPLATE_URL,
        dst_path=target,
        data=dict(answers),
        user_defaults=dict(user_defaults),
        defaults=not ask,
        quiet=True,
        overwrite=True,
        cleanup_on_error=False,
        skip_tasks=True,
    )


def translated(questions: dict[str, Any]) -> dict[str, Any]:
    """The questions of copier.yml with help, choices and validators in the person's language."""
    result = copy.deepcopy(questions)
    for details in result.values():
        for key in ("help", "validator", "placeholder"):
            if details.get(key):
                details[key] = _(details[key])
        if isinstance(details.get("choices"), dict):
            details["choices"] = {_(label): choice for label, choice in details["choices"].items()}
    return result
