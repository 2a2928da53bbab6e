"""The same generator as a cookiecutter template: `templates/cookiecutter/`.

`python -m scaffolder.cookiecutter_front` writes its cookiecutter.json from copier.yml, so that the questions are
written once; its hook calls `fill`, which renders as `newmodel init` does. The questions about this machine and this
day (git, installing, PyCharm) are left out: who calls cookiecutter, a person or a program, expects files and nothing
else from it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import messages
from scaffolder.catalog import Catalog, Question
from scaffolder.errors import ExitCode, NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.answers import Answer
    from scaffolder.own_data import OwnChats, OwnTable

#: A choice of its own where the default follows from other answers, which cookiecutter's lists cannot say. A text is
#: empty there.
DEFAULT = "default"
#: A folder cannot have these in its name; what is wrong with the project's name is then said by the hook.
_FORBIDDEN = '/\\:*?"<>|'
_ONLY_A_NAME = re.compile(r"\{\{ (\w+) \}\}")


def cookiecutter_json(catalog: Catalog) -> str:
    """The text of cookiecutter.json: copier.yml's questions in their order, with their texts, choices and defaults."""
    content: dict[str, Any] = {}
    prompts: dict[str, Any] = {}
    for name, question in catalog.questions.items():
        if question.secret:
            continue
        default = catalog.raw[name].get("default", "")
        computed = isinstance(default, str) and "{" in default
        if question.choices:
            values = [choice.value for choice in question.choices]
            labels = {choice.value: choice.label for choice in question.choices}
        elif question.kind == "bool" and computed:
            values, labels = ["yes", "no"], {}
        else:
            content[name] = _text_default(default, content) if computed else default
            prompts[name] = question.help
            continue
        first = DEFAULT if computed else str(default)
        content[name] = [first, *(value for value in values if value != first)]
        if computed:
            labels = {DEFAULT: "What fits the other answers", **labels}
        prompts[name] = {"__prompt__": question.help, **labels}
    replaced = "".join(f" | replace({character!r}, '_')" for character in _FORBIDDEN)
    content["__folder"] = f"{{{{ cookiecutter.project_name{replaced} }}}}"
    content["__prompts__"] = prompts
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _text_default(default: str, before: Mapping[str, Any]) -> str:
    """A default that names nothing but texts asked before it, in cookiecutter's words; else empty, for `fill`."""
    names = _ONLY_A_NAME.findall(default)
    if "{" in _ONLY_A_NAME.sub("", default) or any(not isinstance(before.get(name), str) for name in names):
        return ""
    return _ONLY_A_NAME.sub(r"{{ cookiecutter.\1 }}", default)


def fill(folder: Path, context: Mapping[str, Any]) -> int:
    """Put the project into the folder that cookiecutter made.

    Args:
        context: What cookiecutter knows: the answers, and names that begin with `_`.

    Returns:
        The hook's exit code; what is wrong has been said in one sentence.
    """
    messages.set_language(messages.detect_language())
    try:
        _fill(folder, context)
    except NewmodelError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    return 0


def _fill(folder: Path, context: Mapping[str, Any]) -> None:
    from scaffolder import own_data
    from scaffolder.generate import BrokenTemplateError, own_source, render, write
    from scaffolder.names import check_package
    from scaffolder.questions import Interview
    from scaffolder.staging import staging

    source = own_source()
    catalog = Catalog(source.folder)
    given = _given(context, catalog)
    values = Interview(catalog, None, given, ask=False, folder_name=folder.name, source=source).run().values
    check_package(str(values["package"]), catalog)
    own = _own_data(values, folder)
    if own is not None:
        values["data_file"] = own.answer
    base = folder.parent / str(values.get("base_model_name") or "/")
    if values.get("base_model_name") and base.is_dir():
        values["base_model_name"] = base.resolve().as_posix()
    try:
        rendering = render(values, folder, source)
    except BrokenTemplateError as error:
        raise NewmodelError(_("This is a mistake in newmodel's templates: {reason}.").format(reason=error)) from error
    (folder / ".gitkeep").unlink(missing_ok=True)
    with staging(folder) as stage:
        write(rendering, stage.project)
        if own is not None:
            own_data.put_into(stage.project, own)
        stage.commit()


def _given(context: Mapping[str, Any], catalog: Catalog) -> dict[str, Answer]:
    """The answers that are no defaults.

    Raises:
        NewmodelError: If one answers no question of ours, or with what it does not take.
    """
    from scaffolder.answers import check

    given = {}
    for name, value in context.items():
        question = catalog.questions.get(name)
        if not name.startswith("_") and not (question is not None and _is_default(question, value)):
            given[name] = check(name, value, catalog)
    return given


def _is_default(question: Question, value: object) -> bool:
    is_text = question.kind == "str" and not question.choices
    # an empty name is a mistake, not a wish
    return value == "" and question.name != "project_name" if is_text else value == DEFAULT


def _own_data(values: Mapping[str, Answer], folder: Path) -> OwnTable | OwnChats | None:
    """The person's own data; a relative path begins where cookiecutter makes the project."""
    from scaffolder import own_data

    if not values.get("data_file"):
        return None
    path = folder.parent / Path(str(values["data_file"])).expanduser()
    own = own_data.look_at(str(path), str(values["task"]), str(values.get("target_column", "")))
    if isinstance(own, own_data.OwnTable):
        own_data.check_target(str(values["target_column"]), own.columns)
    return own


def main() -> None:
    """Write cookiecutter.json."""
    from scaffolder.template_source import templates_folder

    folder = templates_folder()
    (folder / "cookiecutter" / "cookiecutter.json").write_bytes(cookiecutter_json(Catalog(folder)).encode())


if __name__ == "__main__":
    main()
