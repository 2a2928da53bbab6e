"""Render a project in memory and check it, before anything is written.

copier renders; what it would write is kept instead. So the preview shows the real files, a mistake is found while
nothing has been touched, and the files are then written once.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml
from copier._main import Worker
from copier._settings import SettingsModel
from copier._template import Template
from copier.errors import CopierError
from jinja2.exceptions import TemplateError

from scaffolder import overlay_file
from scaffolder.answers import Answer
from scaffolder.errors import NewmodelError, os_error
from scaffolder.foreign.safety import check_names
from scaffolder.messages import _
from scaffolder.project import ANSWERS_FILE
from scaffolder.template_source import TEMPLATE_URL, current_version, templates_folder

if TYPE_CHECKING:
    from packaging.version import Version

# what a template that was not rendered, or only in part, leaves behind; GitHub's own ${{ … }} is none of it
_LEFTOVER = re.compile(r"(?<!\$)\{\{[^{}]*\}\}|\{%[-+ ].*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class RenderedFile:
    """One file of a project.

    Attributes:
        mode: Permission bits.
        from_template: Whether Jinja rendered it; the others are copies.
        has_raw: Whether parts of its template are marked to be left as they are. Tests may hold chat templates so.
    """

    content: bytes
    mode: int
    from_template: bool
    has_raw: bool = False


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """A whole project, in memory.

    Attributes:
        files: By path below the project's folder, sorted.
        answers: Every answer, those included that took their default.
        overlays: What was laid over the templates.
    """

    files: Mapping[PurePosixPath, RenderedFile]
    answers: Mapping[str, Any]
    overlays: tuple[Mapping[str, str], ...] = ()


class BrokenTemplateError(Exception):
    """The templates render to something that is no valid project: a mistake of ours, not the person's."""


@dataclass(frozen=True)
class Source:
    """A folder of templates, and the version that a project made from it records.

    Attributes:
        overlays: What was laid over the templates, see `scaffolder.overlay`; a project records it.
    """

    folder: Path
    version: str
    overlays: tuple[Mapping[str, str], ...] = ()


class PlainTemplate(Template):
    """A plain folder of templates, recorded under the public address and the version of its release."""

    source: Source

    @cached_property
    def local_abspath(self) -> Path:
        return self.source.folder.resolve()

    @cached_property
    def vcs(self) -> None:
        return None

    @cached_property
    def commit(self) -> str:
        return self.source.version

    @cached_property
    def version(self) -> Version | None:
        return None


class ProjectWorker(Worker):
    """copier's worker, which keeps the files instead of writing them."""

    source: Source
    #: The overlay whose files are being rendered (-1 is the templates), and whether they are added to others.
    _number: int = -1
    _append: bool = False

    @cached_property
    def template(self) -> Template:
        template = PlainTemplate(url=TEMPLATE_URL)
        template.source = self.source
        return template

    @cached_property
    def rendered(self) -> dict[PurePosixPath, RenderedFile]:
        return {}

    @cached_property
    def _source(self) -> list[Path]:
        return []

    @cached_property
    def _layer(self) -> dict[PurePosixPath, int]:
        """Which overlay a file is of; -1 is the templates."""
        return {}

    def _answers_to_remember(self) -> Mapping[str, Any]:
        answers = super()._answers_to_remember()
        if not self.source.overlays:
            return answers
        return {"_overlays": [dict(overlay) for overlay in self.source.overlays], **answers}

    def _render_template(self) -> None:
        """The templates' files, then those of each overlay, which take the place of earlier ones."""
        super()._render_template()
        for number, overlay in enumerate(self.source.overlays):
            folder = self.template.local_abspath / overlay_file.LAYERS / f"{number:03d}"
            self._number = number
            try:
                for kind in ("project", "append"):
                    if (folder / kind).is_dir():
                        self._append = kind == "append"
                        self.__dict__["template_copy_root"] = folder / kind
                        self._source[:] = []
                        super()._render_template()
                self._put_headers(overlay_file.headers(folder))
            except (TemplateError, CopierError, ArithmeticError, TypeError, UnicodeError) as error:
                name = (
                    self._source[0].relative_to(overlay_file.LAYERS, f"{number:03d}") if self._source else folder.name
                )
                reason = " ".join(str(error).split())
                raise overlay_file.wrong(
                    overlay["source"], _("{file}: {reason}").format(file=Path(name).as_posix(), reason=reason)
                ) from error

    def _put_headers(self, headers: Mapping[str, str]) -> None:
        for pattern, template in headers.items():
            header = self._render_string(template).rstrip("\n").encode() + b"\n"
            for path, file in self.rendered.items():
                if path.match(pattern) and path.name != ANSWERS_FILE:
                    # what must be the first line stays it: the program, or the kind of file
                    first = b"".join(re.findall(rb"\A(?:#!.*\n|<\?xml.*\n)", file.content))
                    content = first + header + file.content[len(first) :]
                    self.rendered[path] = replace(file, content=content)

    def _render_string(self, string: str, extra_context: dict[str, Any] | None = None) -> str:
        # most parts of paths are plain, and compiling them is most of what rendering paths costs
        return super()._render_string(string, extra_context) if "{" in string else string

    def _render_file(self, src_relpath: Path, dst_relpath: Path, extra_context: dict[str, Any] | None = None) -> None:
        self._source[:] = [src_relpath]
        super()._render_file(src_relpath, dst_relpath, extra_context=extra_context)

    def _render_allowed(
        self,
        dst_relpath: Path,
        is_dir: bool = False,
        is_symlink: bool = False,
        expected_contents: bytes | Path = b"",
        expected_mode: int | None = None,
    ) -> bool:
        """Keep what is about to be written, and say that it must not be."""
        if is_dir:
            return False
        if is_symlink or isinstance(expected_contents, Path):
            raise BrokenTemplateError(f"{dst_relpath} is a link; Windows has none")
        path = PurePosixPath(dst_relpath.as_posix())
        if self._number >= 0 and not self._may_overlay(path):
            return False
        if self._append:
            before = self.rendered[path]
            self.rendered[path] = replace(before, content=before.content + expected_contents)
            return False
        if self._layer.get(path) == self._number:
            raise BrokenTemplateError(f"two templates give the same file {path}")
        self._layer[path] = self._number
        from_template = self._source[0].name.endswith(self.template.templates_suffix)
        self.rendered[path] = RenderedFile(
            content=expected_contents,
            mode=0o755 if (expected_mode or 0) & 0o100 else 0o644,
            from_template=from_template,
            has_raw=from_template and b"{% raw %}" in (self.template.local_abspath / self._source[0]).read_bytes(),
        )
        return False

    def _may_overlay(self, path: PurePosixPath) -> bool:
        """Whether an overlay's file is wanted.

        Raises:
            NewmodelError: If no overlay may write it.
        """
        source = self.source.overlays[self._number]["source"]
        if path == PurePosixPath(ANSWERS_FILE):
            raise overlay_file.wrong(source, _("{file} is newmodel's own.").format(file=path))
        try:
            check_names(path.parts[: end + 1] for end in range(len(path.parts)))
        except NewmodelError as error:
            raise overlay_file.wrong(source, str(error)) from None
        if self._append:
            # a file that these answers leave out needs no addition
            return path in self.rendered
        if self._layer.get(path) == self._number:
            raise overlay_file.wrong(source, _("two of its files become {file}.").format(file=path))
        return True


def own_source() -> Source:
    """The templates that new projects are made from."""
    return Source(templates_folder(), current_version())


def worker(data: Mapping[str, Any], target: Path, source: Source | None = None) -> ProjectWorker:
    """A worker for the project `target` that asks nothing. The person's own copier settings have no say."""
    result = ProjectWorker(
        src_path=TEMPLATE_URL,
        dst_path=target,
        data=dict(data),
        settings=SettingsModel(),
        defaults=True,
        overwrite=True,
        quiet=True,
        skip_tasks=True,
    )
    result.source = source or own_source()
    return result


def render(answers: Mapping[str, Answer], target: Path, source: Source | None = None) -> Rendering:
    """Render the project that `answers` describe.

    Args:
        answers: To the questions of copier.yml; the others take their defaults.
        target: The folder that it is for; nothing is written there.
        source: The templates; those that new projects are made from if None.

    Raises:
        NewmodelError: If copier.yml refuses an answer.
        BrokenTemplateError: If the templates are wrong.
    """
    with worker(answers, target, source) as working:
        try:
            working.run_copy()
        except TemplateError as error:
            raise BrokenTemplateError(str(error)) from error
        except ValueError as error:
            raise NewmodelError(refusal(error)) from error
        combined = working.answers.combined
        names = [name for name in working.template.questions_data if name not in working.answers.hidden]
        rendering = Rendering(
            files=dict(sorted(working.rendered.items())),
            answers={name: combined[name] for name in names},
            overlays=working.source.overlays,
        )
    try:
        check(rendering, target)
    except BrokenTemplateError as error:
        if not working.source.overlays:
            raise
        sources = ", ".join(overlay["source"] for overlay in working.source.overlays)
        raise overlay_file.wrong(sources, _("with it {reason}.").format(reason=error)) from error
    return rendering


def refusal(error: ValueError) -> str:
    """copier's words about an answer that it refused, as one sentence of ours."""
    match = re.fullmatch(r"(?:Validation error for question|Invalid choice for) '(\w+)': (.*)", str(error), re.DOTALL)
    if match is None:
        return str(error)
    return _("{key}: {reason}").format(key=match.group(1), reason=_(match.group(2).strip()))


def check(rendering: Rendering, target: Path) -> None:
    """Make sure that every file is whole: syntax, no trace of the template, no path of this machine.

    Raises:
        BrokenTemplateError: With the first file that is not.
    """
    own_paths = [str(templates_folder()), str(target)]
    home = str(Path.home())
    if home not in ("/", "/root"):  # too short to mean anything in a text
        own_paths.append(home)
    answers = " ".join(str(value) for value in rendering.answers.values())
    # what a person answers may look like a template or be a path, however a file has quoted it: that is theirs
    tell_leftovers = re.search(r"\{[{%#]", answers) is None
    own_paths = [own for own in own_paths if own not in answers]
    for path, file in rendering.files.items():
        try:
            _parse(path, file.content)
        except (SyntaxError, ValueError, yaml.YAMLError) as error:
            raise BrokenTemplateError(f"{path} is not valid: {error}") from error
        if not file.from_template:
            continue
        text = file.content.decode("utf-8")
        leftover = (
            _LEFTOVER.search(text) if tell_leftovers and not (file.has_raw and path.parts[0] == "tests") else None
        )
        if leftover:
            raise BrokenTemplateError(f"{path} still holds {leftover.group(0)!r} of its template")
        for own in own_paths:
            if own in text:
                raise BrokenTemplateError(f"{path} names a folder of this machine: {own}")


def write(rendering: Rendering, folder: Path) -> None:
    """Write the files into `folder`, which is there and empty.

    Raises:
        NewmodelError: If the operating system refuses.
    """
    made: set[Path] = set()
    for path, file in rendering.files.items():
        target = folder / path
        try:
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            target.write_bytes(file.content)
            if file.mode != 0o644 and sys.platform != "win32":
                target.chmod(file.mode)
        except OSError as error:
            raise os_error(error, target) from error


def _parse(path: PurePosixPath, content: bytes) -> None:
    if path.suffix == ".py":
        compile(content, str(path), "exec", dont_inherit=True)
    elif path.suffix in (".xml", ".iml"):
        from xml.etree import ElementTree

        ElementTree.fromstring(content)  # noqa: S314 - our own text
    elif path.suffix in (".yaml", ".yml"):
        # a file for Kubernetes holds several documents
        list(yaml.load_all(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    elif path.suffix == ".json":
        json.loads(content)
    elif path.suffix == ".toml":
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        tomllib.loads(content.decode("utf-8"))
