"""Every family by its `model_type`, and which head a configuration asks for."""

from __future__ import annotations

from difflib import get_close_matches

from scaffolder.errors import NewmodelError
from scaffolder.estimate.architecture import Architecture, Reads
from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.configuration import Configuration, shown
from scaffolder.estimate.decoder import run_decoder
from scaffolder.estimate.families import bert, deepseek, gpt, llama, multimodal, seq2seq, sound, vision
from scaffolder.estimate.net import Net, Size
from scaffolder.messages import _

DECODERS = {**llama.FAMILIES, **gpt.FAMILIES, **deepseek.FAMILIES}
READERS = {**bert.FAMILIES}
WRITERS = {name: run for name, run in seq2seq.FAMILIES.items() if name != "whisper"}
VIEWERS = {**vision.FAMILIES}
LISTENERS = {**sound.FAMILIES, "whisper": seq2seq.FAMILIES["whisper"]}
MIXED = {**multimodal.FAMILIES}

SAMPLE_RATE = 16_000


def find(c: Configuration, task: str = "") -> Architecture:
    """The architecture of a configuration.

    Raises:
        NewmodelError: If the family is not known.
    """
    kind = c.model_type
    if kind in DECODERS:
        return Architecture(
            configuration=c,
            run=_decoder,
            head=_head(c, task, "causal"),
            reads="text",
            context=c.integer("max_position_embeddings", "n_positions", default=2048),
            writes=True,
            positions=DECODERS[kind](c).positions - (2 if kind == "opt" else 0),
        )
    if kind in READERS:
        # the RoBERTas keep two rows for padding
        positions = c.integer("max_position_embeddings", default=512, least=3)
        positions -= 2 if kind in ("roberta", "xlm-roberta", "camembert") else 0
        return Architecture(
            configuration=c,
            run=READERS[kind],
            head=_head(c, task, "masked"),
            reads="text",
            context=positions,
            positions=positions,
        )
    if kind in WRITERS:
        return Architecture(
            configuration=c,
            run=WRITERS[kind],
            head=_head(c, task, "sequence"),
            reads="text",
            context=c.integer("max_position_embeddings", "n_positions", default=512),
            writes=True,
            positions=0 if kind == "t5" else c.integer("max_position_embeddings", default=1024),
        )
    if kind in VIEWERS:
        image = c.part("vision_config") if kind == "clip" else c
        return Architecture(
            configuration=c,
            run=VIEWERS[kind],
            head=_head(c, task, "none" if kind == "clip" else "classes"),
            reads="image",
            context=vision.square(image, "image_size", 224),
            fixed=kind in ("vit", "deit", "clip"),
        )
    if kind in LISTENERS:
        return Architecture(
            configuration=c,
            run=LISTENERS[kind],
            head=_head(c, task, "sequence" if kind == "whisper" else "ctc"),
            reads="sound",
            context=30 * SAMPLE_RATE if kind == "whisper" else 10 * SAMPLE_RATE,
            fixed=kind == "whisper",
            writes=kind == "whisper",
        )
    if kind in MIXED:
        text = c.part("text_config")
        return Architecture(
            configuration=c,
            run=MIXED[kind],
            head="causal",
            reads="text",
            context=text.integer("max_position_embeddings", default=131_072),
            writes=True,
        )
    raise _unknown(c)


def known() -> list[str]:
    """The names of all families."""
    return sorted({*DECODERS, *READERS, *WRITERS, *VIEWERS, *LISTENERS, *MIXED})


def _decoder(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    return run_decoder(net, DECODERS[c.model_type](c), size, head)


#: The end of a class's name in transformers, and the head that it has.
_ENDINGS = (
    ("ForCausalLM", "causal"),
    ("LMHeadModel", "causal"),
    ("ForMaskedLM", "masked"),
    ("ForPreTraining", "masked"),
    ("Classification", "classes"),
    ("ForImageClassificationWithTeacher", "classes"),
    ("ForCTC", "ctc"),
    ("ForConditionalGeneration", "sequence"),
    ("MTModel", "sequence"),
    ("Model", "none"),
)


def _head(c: Configuration, task: str, usual: str) -> str:
    """What is on top: as the person says, or as the configuration's class, or as the family usually has it."""
    wanted = {"base": "none", "classify": "classes"}.get(task, task)
    if not wanted:
        names = c.values.get("architectures")
        name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
        wanted = next((head for ending, head in _ENDINGS if name.endswith(ending)), usual)
    return f"classes:{c.labels()}" if wanted == "classes" else wanted


def _unknown(c: Configuration) -> NewmodelError:
    near = get_close_matches(c.model_type, known(), n=1)
    hint = _(" Did you mean {name}?").format(name=near[0]) if near else ""
    return NewmodelError(
        _("newmodel does not know the architecture “{kind}”.{hint} It knows: {names}.").format(
            kind=shown(c.model_type), hint=hint, names=", ".join(known())
        )
    )


__all__ = ["Reads", "find", "known"]
