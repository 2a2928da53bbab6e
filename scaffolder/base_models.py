"""Which model a language model project starts from, how it is trained, and whether that fits this machine.

The models are those of `templates/macros/base_models.jinja`; what they need is computed as `newmodel estimate` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scaffolder.answers import shown, typed_path
from scaffolder.environment.facts import Report
from scaffolder.errors import NewmodelError
from scaffolder.messages import _

if TYPE_CHECKING:
    from scaffolder.estimate.advice import Advice
    from scaffolder.estimate.architecture import Architecture
    from scaffolder.estimate.plan import Method, Precision

#: Questions whose defaults come from here.
QUESTIONS: Final = (
    "base_model",
    "hub",
    "method",
    "llm_batch_size",
    "llm_accumulation",
    "llm_checkpointing",
    "llm_max_length",
)
#: What the largest of these that fits is suggested of, where a person brings conversations.
SUGGESTED: Final = ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b")
#: Tokens of a conversation, the first that fits: long ones are rare, and cost memory.
LENGTHS: Final = (2048, 1024, 512)
#: Two of the methods differ from LoRA by a few vectors: they need what it needs.
LIKE: Final[dict[str, Method]] = {
    "full": "full",
    "lora": "lora",
    "dora": "lora",
    "rslora": "lora",
    "qlora": "qlora",
}
NAMES: Final = {"lora": "LoRA", "qlora": "QLoRA", "dora": "DoRA", "rslora": "rsLoRA"}


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """One of the models that `newmodel init` offers; the fields are described where they stand."""

    label: str
    huggingface: str
    modelscope: str
    keras: str
    licence: str
    gated: bool
    shape: str
    kaggle: str = ""
    untied: bool = False


@lru_cache(maxsize=1)
def base_models() -> dict[str, BaseModel]:
    """The models by the answer `base_model`."""
    from scaffolder.catalog import catalog

    return {key: BaseModel(**values) for key, values in catalog().base_models.items()}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a model is to be trained.

    Attributes:
        name: Of the GPU; empty for the processor.
        memory: Bytes that training may use.
    """

    name: str
    memory: int
    precision: Precision


def place(report: Report, answers: Mapping[str, Any]) -> Place | None:
    """The GPU, or the processor, that the answers choose; None where its memory is not known."""
    from scaffolder.estimate.gpus import detected

    accelerator, precision = str(answers.get("accelerator", "")), str(answers.get("precision", ""))
    kinds: dict[str, Precision] = {"bfloat16": "bf16-mixed", "float16": "fp16-mixed"}
    if accelerator in ("", "cpu"):
        gpu = None if accelerator else next(iter(report.accelerators.gpus), None)
    else:
        gpu = report.gpu(accelerator)
        if gpu is None:
            return None
    if gpu is None:
        memory = report.hardware.memory_available or report.hardware.memory_total
        return Place(name="", memory=memory, precision=kinds.get(precision, "float32")) if memory else None
    size = gpu.total
    if size is None and gpu.kind == "mps" and report.hardware.memory_total:
        size = report.hardware.memory_total * 3 // 4  # what macOS lets the GPU have of the shared memory
    device = detected(gpu.name, size, gpu.capability)
    if device is None:
        return None
    usual: Precision = "bf16-mixed" if device.has_bf16 else "fp16-mixed"
    return Place(name=gpu.name, memory=device.memory, precision=kinds.get(precision, "float32") if precision else usual)


def shape(answers: Mapping[str, Any]) -> Architecture | None:
    """The layers of the base model that the answers name; None where they are not known without the network."""
    from scaffolder.estimate.architecture import architecture
    from scaffolder.estimate.configuration import Configuration
    from scaffolder.estimate.source import find, table

    key = str(answers.get("base_model", "own"))
    if key in base_models():
        name = base_models()[key].shape
        values = dict(table()[name])
        if answers.get("framework") == "tensorflow" and base_models()[key].untied:
            values["tie_word_embeddings"] = False
        return architecture(Configuration(values, name))
    name = str(answers.get("base_model_name", ""))
    if key != "other" or not name:
        return None
    try:
        if name in table():
            return architecture(Configuration(table()[name], name))
        if (Path(name).expanduser() / "config.json").is_file():
            return architecture(find(name).configuration)
    except (NewmodelError, OSError, ValueError):  # it is not for us to judge: the project opens it, or says why not
        pass
    return None


def folder_of(name: str) -> Path | None:
    """The folder of a base model that a person named; None where there is none, and a hub is meant."""
    text = typed_path(name)
    try:
        path = Path(text).expanduser()
        return path.resolve() if text and path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def check_name(name: str) -> None:
    """Refuse a path that leads to no folder: no hub has a model of that name.

    Raises:
        NewmodelError: With what can be given.
    """
    text = typed_path(name)
    looks_local = text.startswith((".", "/", "~")) or "\\" in text or text.count("/") > 1 or text[1:2] == ":"
    if looks_local and "://" not in text and folder_of(text) is None:
        raise NewmodelError(
            _("There is no folder {path}: give the folder of a model, or a name on the hub such as {name}.").format(
                path=shown(text, 200), name="Qwen/Qwen3-8B"
            )
        )


def advice(report: Report, answers: Mapping[str, Any], method: str = "") -> Advice | None:
    """What fits, as `newmodel estimate` advises; None where the model or the memory is not known.

    Args:
        method: Only this one; otherwise the most thorough that fits.
    """
    where, found = place(report, answers), shape(answers)
    if where is None or found is None:
        return None
    return _advice(_Hashed(found), where, method, str(answers.get("framework", "pytorch")))


class _Hashed:
    """An architecture as an argument of a cached function: models are told apart by their name."""

    def __init__(self, found: Architecture) -> None:
        self.found = found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and other.found.name == self.found.name

    def __hash__(self) -> int:
        return hash(self.found.name)


@lru_cache(maxsize=64)
def _advice(model: _Hashed, where: Place, method: str, framework: str) -> Advice:
    """For one GPU: a run configuration uses one."""
    from scaffolder.estimate.advice import advise, usual_length

    adapted = bool(where.name) and framework == "pytorch"  # 4 bits need a GPU, and a library that Keras has not
    overflows = model.found.family.startswith("gemma") and where.precision == "fp16-mixed"  # its activations are large
    methods: list[Method | None] = [LIKE[method]] if method else [None] if adapted else ["full", "lora"]
    best: Advice | None = None
    for length in LENGTHS:
        for one in methods:
            best = advise(
                model.found,
                where.memory,
                length=min(length, usual_length(model.found)),
                method=one,
                precision="float32" if overflows else where.precision,
                loss="pieces" if framework == "pytorch" else "whole",
                eight_bit=False,
            )
            if best.fits:
                return best
    assert best is not None
    return best


def suggestion(name: str, report: Report, answers: Mapping[str, Any]) -> str | bool | None:
    """The default that the machine suggests for a question; None where copier.yml's own is as good."""
    if name == "base_model":
        return _suggested_model(report, answers)
    if name == "hub":
        return "modelscope" if in_china(report, answers) else None
    if answers.get("base_model") == "own":
        return None
    if name == "method":
        where, best = place(report, answers), advice(report, answers)
        if where is None or not where.name or best is None or not best.fits:
            return "lora"
        return best.method if best.method != "qlora" or answers.get("accelerator") == "cuda" else "lora"
    chosen = advice(report, answers, str(answers.get("method", "lora")))
    if chosen is None:
        return None
    if name == "llm_checkpointing":
        return chosen.checkpointing
    return str(
        {
            "llm_batch_size": chosen.batch,
            "llm_accumulation": chosen.accumulation,
            "llm_max_length": chosen.plan.length,
        }[name]
    )


def _suggested_model(report: Report, answers: Mapping[str, Any]) -> str | None:
    if answers.get("data") != "own":
        return None
    where = place(report, answers)
    if where is None or not where.name:
        return None
    for key in reversed(SUGGESTED):
        one = advice(report, {**answers, "base_model": key}, "lora")
        if one is not None and one.fits and one.plan.length == LENGTHS[0]:
            return key
    return None


def in_china(report: Report, answers: Mapping[str, Any]) -> bool:
    """Whether ModelScope is probably nearer than Hugging Face: by the language, pip's mirror, or what answered."""
    from scaffolder.environment.network.mirrors import MIRRORS

    servers = report.network.servers
    mirrored = any(
        server.role == "packages" and server.url.rstrip("/") == mirror.packages
        for server in servers
        for mirror in MIRRORS
    )
    reachable = {server.role: server.reachable for server in servers}
    cut_off = reachable.get("hub") is False and reachable.get("modelscope") is True
    return answers.get("language") == "zh_CN" or mirrored or cut_off


def refused(report: Report, answers: Mapping[str, Any]) -> dict[str, str]:
    """Methods that need more memory than this machine has: from the method to the reason.

    None where no method fits: then the preview says so, and the project may be meant for another machine.
    """
    where = place(report, answers)
    if where is None:
        return {}
    adapted = bool(where.name) and answers.get("framework") == "pytorch"
    found, fitting = {}, False
    for method in ("full", "lora", "qlora") if adapted else ("full", "lora"):
        one = advice(report, answers, method)
        if one is None:
            return {}
        fitting = fitting or one.fits
        if not one.fits:
            found[method] = _("it needs {need} GiB, and there are {have}").format(
                need=gib(one.memory.needed), have=gib(where.memory)
            )
    if "lora" in found:
        found |= {"dora": found["lora"], "rslora": found["lora"]}
    return found if fitting else {}


def summary(report: Report, answers: Mapping[str, Any]) -> str:
    """One line: what is trained, how, and whether it fits."""
    key, method = str(answers.get("base_model", "own")), str(answers.get("method", "lora"))
    named = _("all weights") if method == "full" else NAMES[method]
    if key == "own":
        return _("a small model is pretrained here, then fine-tuned ({method}); any machine will do").format(
            method=named
        )
    label = base_models()[key].label if key in base_models() else str(answers.get("base_model_name", ""))
    what = f"{label}, {named}"
    one, where = advice(report, answers, method), place(report, answers)
    if one is None or where is None:
        return _("{what}; what it needs: newmodel estimate {model}").format(what=what, model=_name(answers))
    size = _("{batch} × {passes} conversations of up to {length} tokens in a step").format(
        batch=one.batch, passes=one.accumulation, length=f"{one.plan.length:,}"
    )
    device = where.name or _("the memory of this machine")
    text = (
        _("{what}, {size}: {need} GiB of {have} GiB ({device})")
        if one.fits
        else _("{what}: does not fit, it needs {need} GiB and there are {have} GiB ({device})")
    )
    return text.format(what=what, size=size, need=gib(one.memory.needed), have=gib(where.memory), device=device)


def remark(answers: Mapping[str, Any]) -> str:
    """What a person should know of the base model's licence; empty where there is nothing."""
    base = base_models().get(str(answers.get("base_model")))
    if base is None:
        return ""
    if answers.get("framework") == "tensorflow":
        return base.kaggle and _(
            "{model}: if https://www.kaggle.com/models/{name} asks for it, accept its licence ({licence}) there, and "
            "log in with the token of your account (KAGGLE_USERNAME and KAGGLE_KEY, or kagglehub.login())."
        ).format(model=base.label, licence=base.licence, name=base.kaggle)
    if not base.gated or answers.get("hub") == "modelscope":
        return ""
    return _(
        "{model}: if https://huggingface.co/{name} asks for it, accept its licence ({licence}) there and log in once "
        "with hf auth login, or choose hub=modelscope."
    ).format(model=base.label, licence=base.licence, name=base.huggingface)


def _name(answers: Mapping[str, Any]) -> str:
    base = base_models().get(str(answers.get("base_model")))
    return base.huggingface if base else str(answers.get("base_model_name", ""))


def gib(size: int) -> str:
    return f"{size / 2**30:.1f}"
