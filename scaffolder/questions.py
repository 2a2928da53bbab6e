"""From the environment report to answers: defaults, choices that cannot work here, and the conversation.

The questions, their order and their checks are copier.yml's, and copier's own classes interpret them; what is added
here is what copier cannot know: the machine, the person's table, and the language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffolder import base_models, messages, own_data
from scaffolder.answers import Answer, incomplete, missing, typed_path
from scaffolder.catalog import Catalog, Question
from scaffolder.environment.builds.choices import (
    build_name,
    build_problems,
    framework_problem,
    framework_remark,
    gpu_problem,
    precision,
)
from scaffolder.environment.facts import Report
from scaffolder.errors import Interrupted, NewmodelError
from scaffolder.messages import _
from scaffolder.names import PackageName, check_package, package_name
from scaffolder.own_data import OwnChats, OwnTable

if TYPE_CHECKING:
    from scaffolder.generate import Source

#: Asked only with certain other answers.
_WITH_OTHERS = ("data_file", "target_column", "copyright_holder", "base_model_name")

#: A menu with more lines than this is no help: such a column is typed, with completion.
_LONGEST_MENU = 25


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a choice cannot work.

    Attributes:
        text: In a few words.
        absent: True where something is missing on this machine alone, so that a person who asks for the choice by name
            gets it, with a warning: the project may be meant for another machine.
    """

    text: str
    absent: bool = False


@dataclass(kw_only=True)
class Answers:
    """The outcome of the conversation.

    Attributes:
        values: By the question's name; what copier.yml's conditions leave out is not among them.
        package: Where the package's name comes from.
        own: The person's own table or conversations, if any.
        training: For a language model: what is trained, how, and whether it fits.
        notes: What else the preview should say.
    """

    values: dict[str, Answer] = field(default_factory=dict)
    package: PackageName = field(default_factory=lambda: PackageName(""))
    own: OwnTable | OwnChats | None = None
    training: str = ""
    notes: list[str] = field(default_factory=list)


def unavailable(report: Report, catalog: Catalog, framework: str | None = None) -> dict[str, Reason]:
    """What cannot work here: from `question.choice` to the reason.

    Args:
        framework: The one that was chosen, if it has been: it decides what the accelerators can do.
    """
    reasons: dict[str, Reason] = {}
    if framework is not None:
        for name in [choice.value for choice in catalog.questions["task"].choices]:
            text = _python_problem(report, catalog, framework, name)
            if text:
                reasons[f"task.{name}"] = Reason(text=text)
    for name in [choice.value for choice in catalog.questions["framework"].choices]:
        reason = _framework_reason(report, catalog, name)
        if reason is not None:
            reasons[f"framework.{name}"] = reason
    if report.platform == "darwin":
        reasons["accelerator.cuda"] = Reason(text=_("there is no NVIDIA driver for macOS"))
        reasons["accelerator.rocm"] = Reason(text=_("there is no AMD driver for macOS"))
        reasons["accelerator.xpu"] = Reason(text=_("PyTorch's build for Intel GPUs is for Linux and Windows"))
    else:
        reasons["accelerator.mps"] = Reason(text=_("only on a Mac"))
    if report.platform == "win32":
        reasons["accelerator.rocm"] = Reason(text=_("PyTorch's ROCm builds are for Linux"))
        if framework == "tensorflow":
            reasons["accelerator.cuda"] = Reason(
                text=_("TensorFlow sees no GPU on Windows: choose PyTorch, or work inside WSL2")
            )
    for kind, text in (
        ("cuda", _("no NVIDIA GPU was found")),
        ("rocm", _("no AMD GPU was found")),
        ("mps", _("no Apple GPU was found")),
        ("xpu", _("no Intel GPU was found")),
    ):
        if report.gpu(kind) is None:
            reasons.setdefault(f"accelerator.{kind}", Reason(text=text, absent=True))
        elif framework is not None:
            problem = gpu_problem(report, framework, kind)
            if problem:
                reasons.setdefault(f"accelerator.{kind}", Reason(text=problem, absent=True))
    for build, text in build_problems(report).items():
        reasons[f"framework_build.{build}"] = Reason(text=text, absent=True)
    gpu = report.gpu("cuda")
    if gpu is not None and gpu.capability is not None and gpu.capability < (8, 0):
        reasons["precision.bfloat16"] = Reason(
            text=_("{gpu} computes bfloat16 only slowly").format(gpu=gpu.name), absent=True
        )
    if report.tools.uv is None:
        reasons["package_manager.uv"] = Reason(text=_("uv is not installed"), absent=True)
    return reasons


def _framework_reason(report: Report, catalog: Catalog, name: str) -> Reason | None:
    """Why a framework has no packages for this machine."""
    label = next(choice.label for choice in catalog.questions["framework"].choices if choice.value == name)
    if report.platform == "darwin" and report.machine == "x86_64" and report.gpu("mps") is None:
        return Reason(text=_("{framework} has no packages for Intel Macs any more").format(framework=label))
    problem = framework_problem(report, name)
    if problem:
        return Reason(text=problem, absent=True)
    text = _python_problem(report, catalog, name)
    return Reason(text=text) if text else None


def _python_problem(report: Report, catalog: Catalog, framework: str, task: str = "") -> str:
    """Why no Python here will do for a framework, or for a task with it; empty where one does."""
    oldest, too_new = catalog.python_range(framework, task)
    if not report.interpreters or report.python_for(oldest, too_new) is not None:
        return ""
    if report.intel_python_alone:
        return _("every Python here is one for Intel chips")
    if report.arm_python_alone:
        return _("every Python here is one for ARM; Windows' packages are for x64")
    values = {
        "oldest": f"{oldest[0]}.{oldest[1]}",
        "newest": f"{too_new[0]}.{too_new[1] - 1}",
        "found": ", ".join(one.text for one in report.interpreters[:3]),
    }
    if task:
        return _("it needs Python {oldest} to {newest}; here is {found}").format(**values)
    label = next(choice.label for choice in catalog.questions["framework"].choices if choice.value == framework)
    return _("{framework} has packages for Python {oldest} to {newest}; here is {found}").format(
        framework=label, **values
    )


def suggestion(name: str, report: Report, reasons: Mapping[str, Reason], answers: Mapping[str, Any]) -> Answer | None:
    """The default that the machine suggests for a question; None where copier.yml's own is as good."""
    if name == "language":
        return messages.language()
    if name == "framework":
        return "tensorflow" if "framework.pytorch" in reasons and "framework.tensorflow" not in reasons else None
    if name == "accelerator":
        return next((gpu.kind for gpu in report.accelerators.gpus if f"accelerator.{gpu.kind}" not in reasons), None)
    if name == "precision" and answers.get("accelerator") == "cuda":
        capability = next((gpu.capability for gpu in report.accelerators.gpus if gpu.kind == "cuda"), None)
        # tensor cores: bfloat16 since compute capability 8.0, float16 since 7.0
        if capability is not None and capability >= (8, 0):
            return "bfloat16"
        if capability is not None and capability >= (7, 0):
            return "float16"
    if name == "precision":
        return precision(report, str(answers.get("accelerator")))
    if name == "framework_build":
        return build_name(report, str(answers.get("accelerator")))
    if name == "package_manager":
        return "uv" if report.tools.uv is not None else "pip"
    if name == "framework_index":
        return "default" if report.indexes.pytorch is False else "framework"
    if name == "copyright_holder":
        return report.tools.git_user
    if name == "use_git":
        return report.tools.git is not None
    return None


class Interview:
    """One conversation: walks through copier.yml's questions in order."""

    def __init__(
        self,
        catalog: Catalog,
        report: Report | None,
        given: Mapping[str, Answer],
        *,
        ask: bool,
        folder_name: str | None = None,
        follow_language: bool = True,
        source: Source | None = None,
    ) -> None:
        """
        Args:
            report: What the machine has. None for a project that exists already: its answers stand, wherever it is
                looked at, and only the questions that are new to it are open.
            given: Answers that need no question.
            ask: Whether to ask for the others; otherwise they get their defaults.
            folder_name: Name of the project's folder, the default for the project's name.
            follow_language: Whether the terminal continues in the language that the person chooses.
            source: The templates whose questions these are; those of new projects if None.
        """
        from copier._user_data import AnswersMap

        from scaffolder.generate import worker

        self._catalog = catalog
        self._report = report
        self._given = given
        self._ask = ask
        self._folder_name = folder_name
        self._follow_language = follow_language
        self._worker = worker({}, Path(folder_name or "project"), source)
        self._worker.answers = self._map = AnswersMap()
        self._result = Answers()

    def run(self) -> Answers:
        """Every answer.

        Raises:
            NewmodelError: If a given answer cannot be taken, or one is needed and there is no default.
            Interrupted: If the person pressed Ctrl-C.
        """
        for name, details in self._worker.template.questions_data.items():
            question = self._catalog.questions.get(name)
            if question is None:  # computed; `unavailable` is ours
                self._map.user[name] = self._reasons_text() if name == "unavailable" else ""
                continue
            self._map.user["unavailable"] = self._reasons_text()
            copier_question = self._copier_question(name, details)
            if not copier_question.get_when():
                self._not_asked(question)
                self._map.user.setdefault(name, "")
                continue
            answer = self._answer(question, copier_question)
            if name == "base_model_name":
                answer = typed_path(str(answer))
            self._map.user[name] = answer
            self._result.values[name] = answer
            if name == "framework" and (remark := self._remark(str(answer))):
                self._result.notes.append(remark)
            if name == "method":
                self._describe_training()
            if name == "language" and self._ask and self._follow_language and name not in self._given:
                messages.set_language(str(answer))
        return self._result

    def _copier_question(self, name: str, details: Mapping[str, Any]) -> Any:
        from copier._user_data import Question as CopierQuestion

        return CopierQuestion(
            answers=self._map,
            context=self._worker._render_context(),
            jinja_env=self._worker.jinja_env,
            settings=self._worker.settings,
            var_name=name,
            **translated(details),
        )

    def _reasons(self) -> dict[str, Reason]:
        if self._report is None:
            return {}
        framework = self._result.values.get("framework")
        reasons = unavailable(self._report, self._catalog, None if framework is None else str(framework))
        if "base_model" in self._result.values:
            for method, text in base_models.refused(self._report, self._result.values).items():
                reasons[f"method.{method}"] = Reason(text=text, absent=True)
        return reasons

    def _reasons_text(self) -> dict[str, str]:
        return {key: reason.text for key, reason in self._reasons().items()}

    def _answer(self, question: Question, copier_question: Any) -> Answer:
        name = question.name
        if name in self._given:
            return self._take(question, copier_question)
        default = self._default(question, copier_question)
        # what is about a machine and a day was settled when the project was made
        settled = self._report is None and question.secret
        if not (self._ask and question.asked) or settled:
            return self._validated(question, copier_question, default)
        table = self._result.own
        if name == "target_column" and isinstance(table, OwnTable) and table.columns:
            return self._target(table)
        return self._prompt(question, copier_question, default)

    def _take(self, question: Question, copier_question: Any) -> Answer:
        """An answer that was given by name."""
        name, value = question.name, self._given[question.name]
        reason = self._reasons().get(f"{name}.{value}")
        if reason is not None and not reason.absent:
            raise NewmodelError(
                _("{key} cannot be {value} here: {reason}.").format(key=name, value=value, reason=reason.text)
            )
        if reason is not None:
            self._result.notes.append(
                _("{key} is {value} as you said, although: {reason}.").format(key=name, value=value, reason=reason.text)
            )
            self._map.user["unavailable"] = {
                key: text for key, text in self._reasons_text().items() if key != f"{name}.{value}"
            }
            copier_question.context["unavailable"] = self._map.user["unavailable"]
        return self._validated(question, copier_question, value)

    def _default(self, question: Question, copier_question: Any) -> Answer:
        name = question.name
        suggested: Answer | None
        if name in self._catalog.settled:
            suggested = None
        elif name == "project_name":
            suggested = self._folder_name
        elif name == "package":
            self._result.package = package_name(str(self._result.values["project_name"]), self._catalog)
            suggested = self._result.package.name
        elif name == "target_column" and isinstance(self._result.own, OwnTable):
            suggested = self._result.own.suggested_target
        elif self._report is None:
            suggested = None
        elif name in base_models.QUESTIONS:
            suggested = base_models.suggestion(name, self._report, self._result.values)
        elif name == "framework_index" and "framework_build" in self._given:
            suggested = "framework"
        else:
            suggested = suggestion(name, self._report, self._reasons(), self._result.values)
        if suggested is None:
            suggested = copier_question.render_value(copier_question.default)
            if question.kind == "bool":
                suggested = bool(copier_question.cast_answer(suggested))
        if question.choices:
            enabled = [str(choice.value) for choice in copier_question._formatted_choices if not choice.disabled]
            if suggested not in enabled and enabled:
                suggested = enabled[0]
        return suggested

    def _validated(self, question: Question, copier_question: Any, value: Answer) -> Answer:
        from scaffolder.generate import refusal

        self._check_by_us(question.name, value)
        try:
            answer: Answer = copier_question.parse_answer(value)
            copier_question.validate_answer(answer)
        except ValueError as error:
            text = refusal(error)
            if question.name not in self._given:
                text = _("{reason} Give it with --set {key}=….").format(reason=text, key=question.name)
            raise NewmodelError(text) from error
        self._note(question.name, answer)
        return answer

    def _check_by_us(self, name: str, value: Answer) -> None:
        """What copier.yml cannot check: other files and the machine."""
        if self._report is None:
            return
        if name == "package":
            check_package(str(value), self._catalog)
        elif name == "data_file" and str(value).strip():
            self._look_at(str(value))
        elif name == "base_model_name":
            base_models.check_name(str(value))
        elif name == "target_column" and isinstance(self._result.own, OwnTable) and str(value):
            own_data.check_target(str(value), self._result.own.columns)

    def _note(self, name: str, answer: Answer) -> None:
        """Remember what later questions and the preview need."""
        if self._report is None:
            return
        if name == "data_file":
            self._result.own = self._look_at(str(answer))
        elif name == "package" and name in self._given:
            self._result.package = PackageName(str(answer))

    def _look_at(self, path: str) -> OwnTable | OwnChats:
        return own_data.look_at(path, str(self._result.values["task"]), str(self._given.get("target_column", "")))

    def _describe_training(self) -> None:
        """What a language model project will train, for the preview."""
        if self._report is None:
            return
        values = self._result.values
        self._result.training = base_models.summary(self._report, values)
        if remark := base_models.remark(values):
            self._result.notes.append(remark)

    def _not_asked(self, question: Question) -> None:
        if self._report is None or question.name not in self._given:
            return
        needs = {
            "data": _("task=tabular or task=llm"),
            "data_file": _("task=tabular or task=llm, and data=own"),
            "target_column": _("task=tabular and data=own"),
            "base_model": "task=llm",
            "base_model_name": _("task=llm and base_model=other"),
            "hub": _("task=llm and a base_model from the hub"),
            "method": "task=llm",
        }
        if question.name in needs:
            raise NewmodelError(
                _("{key} means nothing with the other answers: it needs {needs}.").format(
                    key=question.name, needs=needs[question.name]
                )
            )
        if question.name == "framework_build":
            raise NewmodelError(
                _(
                    "{key} means nothing with the other answers: it needs framework=pytorch and "
                    "framework_index=framework."
                ).format(key=question.name)
            )

    def _remark(self, framework: str) -> str:
        """What a person should know of a framework on this machine before choosing it."""
        return "" if self._report is None else framework_remark(self._report, framework)

    # --- the terminal -----------------------------------------------------------------------------------------------

    def _prompt(self, question: Question, copier_question: Any, default: Answer) -> Answer:
        self._map.init[question.name] = default  # where copier looks for a default first
        # copier checks the default, too, and an empty one may be there only to be replaced
        check, copier_question.validator = copier_question.validator, ""
        structure = copier_question.get_questionary_structure()
        copier_question.validator = check
        del self._map.init[question.name]
        structure["message"] = self._title(question)  # copier's own adds a line break
        for choice in structure.get("choices", []):
            if choice.disabled:
                choice.disabled = _(choice.disabled)
        if question.name == "framework":
            for choice in structure["choices"]:
                remark = self._remark(str(choice.value))
                if remark and not choice.disabled:
                    choice.title = f"{choice.title}  ({remark})"
        if structure["type"] == "select":
            structure["instruction"] = _("(arrow keys, then Enter)")
        elif structure["type"] != "confirm":
            structure["validate"] = self._validator(question, copier_question)
        if question.secret and structure["type"] == "password":
            structure["type"] = "text"
        answer: Answer = _ask(structure, default)
        self._note(question.name, answer)
        return answer

    def _title(self, question: Question) -> str:
        """The question; for a file of one's own, which kinds its task reads."""
        if question.name != "data_file":
            return question.title
        if self._result.values["task"] == "llm":
            return _("Where is the file with the conversations (JSONL, JSON, Parquet or CSV)?")
        return _("Where is the file with the table (CSV, TSV or Parquet)?")

    def _validator(self, question: Question, copier_question: Any) -> Callable[[str], bool | str]:
        from scaffolder.generate import refusal

        def validate(text: str) -> bool | str:
            try:
                self._check_by_us(question.name, text)
                copier_question.validate_answer(copier_question.parse_answer(text))
            except NewmodelError as error:
                return str(error)
            except ValueError as error:
                return refusal(error).removeprefix(f"{question.name}: ")
            return True

        return validate

    def _target(self, table: OwnTable) -> str:
        """The column to predict is chosen from those that the table has."""
        question = self._catalog.questions["target_column"]
        structure: dict[str, Any] = {"name": question.name, "message": question.title, "qmark": "?"}
        if len(table.columns) <= _LONGEST_MENU:
            structure |= {
                "type": "select",
                "choices": list(table.columns),
                "default": table.suggested_target or None,
                "instruction": _("(arrow keys, then Enter)"),
            }
        else:
            structure |= {
                "type": "autocomplete",
                "choices": list(table.columns),
                "default": table.suggested_target,
                "validate": lambda text: text in table.columns or _("The table has no such column."),
            }
        answer = str(_ask(structure, table.suggested_target))
        self._result.own = own_data.look_at(str(table.path), "tabular", answer)
        return answer


def ask_folder(default: str, check: Callable[[str], None]) -> str:
    """Where the project is to be made.

    Args:
        check: Raises NewmodelError where a folder cannot be used.
    """

    def validate(text: str) -> bool | str:
        try:
            check(text)
        except NewmodelError as error:
            return str(error)
        return True

    return str(
        _ask(
            {
                "type": "text",
                "name": "folder",
                "message": _("In which folder? (it is made if it is not there)"),
                "qmark": "?",
                "default": default,
                "validate": validate,
            },
            default,
        )
    )


def consent(message: str, *, default: bool = True) -> bool:
    """Ask a yes-or-no question."""
    return bool(_ask({"type": "confirm", "name": "consent", "message": message, "qmark": "?"}, default))


def translated(details: Mapping[str, Any]) -> dict[str, Any]:
    """A question of copier.yml in the person's language."""
    result = dict(details)
    result["qmark"] = "?"
    text = result.get("help")
    if text:
        result["help"] = _(text)
    if isinstance(result.get("choices"), dict):
        result["choices"] = {_(str(label)): value for label, value in result["choices"].items()}
    return result


def check_complete(catalog: Catalog, given: Mapping[str, Answer]) -> None:
    """Without a terminal, say what is missing instead of waiting for it.

    Raises:
        NewmodelError: If a question that a terminal would ask has no answer.
    """
    names = [question.name for question in missing(catalog, given)]
    # these have no meaning with the sample, and with one's own data its own checks ask for them; a copyright needs a
    # licence, and has a default that is right for anyone; a language model's are computed
    names = [name for name in names if name not in (*_WITH_OTHERS, *base_models.QUESTIONS)]
    if names:
        raise incomplete(names)


def _wrapped_toolbar() -> Any:
    """prompt_toolkit's line with what is wrong with an answer, on as many lines as it needs."""
    from prompt_toolkit.layout.containers import Window
    from prompt_toolkit.widgets.toolbars import ValidationToolbar

    toolbar = ValidationToolbar()
    toolbar.container.content = Window(toolbar.control, wrap_lines=True, dont_extend_height=True)
    return toolbar


def _ask(structure: dict[str, Any], default: Answer) -> Answer:
    import questionary
    from questionary.prompts import confirm

    # questionary has no option for what it shows after a yes-or-no question, nor prompt_toolkit one for long refusals
    vars(confirm).update(YES=_("yes"), NO=_("no"))
    prompt = import_module("prompt_toolkit.shortcuts.prompt")  # an import would find the function
    vars(prompt).update(ValidationToolbar=_wrapped_toolbar)
    structure.setdefault("default", default)
    if structure["type"] == "confirm":
        structure.setdefault("instruction", _("(Y/n) ") if structure["default"] else _("(y/N) "))
    try:
        answers = questionary.unsafe_prompt([structure], answers={})
    except KeyboardInterrupt:
        raise Interrupted from None
    except EOFError:
        raise NewmodelError(_("The terminal was closed; nothing was written.")) from None
    answer: Answer = answers[structure["name"]]
    return answer
