"""Base models: transformers models with their tokenizers, loaded for a way of training."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from .base_tokenizer import fit_embeddings, has_tokenizer, read_tokenizer, set_chat_template
from .console import say
from .device import check_bitsandbytes, uses_gpu
from .errors import UserError
from .method_config import LORA_METHODS, MethodConfig
from .methods import is_peft
from .model_folder import (
    CONFIG,
    base_of,
    find_model,
    is_adapter,
    learned_in_4_bits,
    local_folder,
    read_config,
    split_name,
)
from .quiet import one_line, quiet_transformers
from .training_config import TrainingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


class Base(NamedTuple):
    """A model to start from."""

    model: Any
    """A transformers model; weights that will learn are float32."""

    tokenizer: PreTrainedTokenizerBase
    """With a chat template; `tokenizer.save_pretrained(folder)` writes it beside a model."""

    source: str
    """Where adapters find it again: a folder (relative to the project's, if inside it), or a hub's name."""


def load_base(
    name: str | Path,
    method: MethodConfig,
    training: TrainingConfig,
    *,
    hub: str = "huggingface",
    chat_template: str = "",
    thoughts: bool | None = None,
) -> Base:
    """Load a base in the number format that `method` and `training` need.

    Weights that learn are float32. On a GPU, a base that LoRA leaves as it is has the format of
    `training.precision`, so that it takes half the memory; with qlora it has 4 bits. On a CPU all is float32.
    An adapter becomes part of its base, and new adapters learn on top; with qlora it goes on learning itself.

    Args:
        name: A run, a local folder, or a name on the hub.
        method: Which weights will learn.
        training: Device and number format.
        hub: `huggingface` or `modelscope`.
        chat_template: File with a Jinja template that replaces the tokenizer's own.
        thoughts: Whether the answers to be learned hold any; None: there are none to learn.

    Raises:
        UserError: Where the model cannot be had, read or used.
    """
    folder = find_model(name, hub=hub)
    gpu = uses_gpu(training)
    if training.precision == "float16" and not bears_float16(folder, hub):
        raise UserError(
            f"{name} is a Gemma, whose activations are too large for float16: set training.precision to "
            "bfloat16, or to float32 on a GPU that cannot compute so."
        )
    quantize = method.name == "qlora"
    model = load_model(
        folder,
        dtype=DTYPES[training.precision] if gpu and method.name in LORA_METHODS else torch.float32,
        device=own_gpu() if gpu and not method.fsdp else None,  # whole, it need not fit there
        quantize=quantize,
        hub=hub,
    )
    tokenizer = load_tokenizer(folder, hub=hub)
    set_chat_template(tokenizer, str(name), chat_template, thoughts)
    fit_embeddings(model, tokenizer, str(name), may_grow=method.name == "full")
    if is_peft(model):
        rank = next(iter(model.peft_config.values())).r
        say(f"In 4 bits no adapter can become part of its base: that of {folder}, of rank {rank}, learns on.")
        return Base(model, tokenizer, base_of(folder))
    return Base(model, tokenizer, source_of(name, folder, hub))


def source_of(name: str | Path, folder: Path, hub: str) -> str:
    """How an adapter notes its base: the name on the hub, or a folder, relative to the project if inside it.

    A name on ModelScope has its hub before it, or whoever reads the adapter would look elsewhere.
    """
    hub, name = split_name(name, hub)
    if local_folder(name) is None:
        return str(name) if hub == "huggingface" else f"{hub}:{name}"
    folder, project = folder.resolve(), Path.cwd()
    return folder.relative_to(project).as_posix() if folder.is_relative_to(project) else str(folder)


def own_gpu() -> torch.device | None:
    """The GPU of this process, None where there is none."""
    device = torch.accelerator.current_accelerator()
    return torch.device(device.type, int(os.environ.get("LOCAL_RANK", "0"))) if device else None


def quickest_format(folder: Path, hub: str) -> torch.dtype:
    """The number format in which the model in `folder` is used here: on a CPU float32, on a GPU bfloat16.

    NVIDIA's before Ampere (T4, V100) compute bfloat16 slowly: float16 there, if the model bears it.
    """
    if own_gpu() is None:
        return torch.float32
    slow = torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.float16 if slow and bears_float16(folder, hub) else torch.bfloat16


def bears_float16(folder: Path, hub: str) -> bool:
    """Whether a model's activations stay below 65,504: Gemma's, from its second version on, do not."""
    while is_adapter(folder):
        folder = base_folder(folder, hub)
    kind = str(read_config(folder / CONFIG).get("model_type", ""))
    return kind == "gemma" or not kind.startswith("gemma")


def load_in_use(folder: Path, *, hub: str = "huggingface") -> Any:
    """Load the model in `folder` to be used, with weights as it learned: what needed 4 bits keeps them."""
    quantize = is_adapter(folder) and learned_in_4_bits(folder)
    if quantize:
        try:
            check_4_bits()
        except UserError:
            say(f"{folder} learned beside weights of 4 bits; here, without a GPU for them, they have more.")
            quantize = False
    dtype = quickest_format(folder, hub)
    return load_model(folder, dtype=dtype, device=own_gpu(), quantize=quantize, hub=hub).eval()


def load_model(
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    quantize: bool = False,
    hub: str = "huggingface",
) -> Any:
    """Load the model in `folder`, which `find_model` gave.

    An adapter becomes part of its base's weights; where these have 4 bits, it stays beside them.

    Args:
        folder: Of a model or an adapter.
        dtype: Number format of the weights.
        device: Where to put them; None: main memory.
        quantize: Keep the weights in 4 bits (NF4, for QLoRA), computing in `dtype`; an adapter stays beside
            them, as it has learned.
        hub: Where the base of an adapter is looked up, if it is no folder.

    Raises:
        UserError: Where it cannot be read, or needs code or a device that is not there.
    """
    if is_adapter(folder):
        below = base_folder(folder, hub)
        if quantize and is_adapter(below):
            raise UserError(
                f"{folder} is an adapter on another, {below}, and qlora cannot go on with both in 4 bits: "
                "merge them first (python export.py), or set method.name to lora."
            )
        base = load_model(below, dtype=dtype, device=device, quantize=quantize, hub=hub)
        model = load_adapter(base, folder)
        return model if quantize else model.merge_and_unload(safe_merge=True)
    check_architecture(folder)
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "output_loading_info": True}
    options["ignore_mismatched_sizes"] = True  # they are reported, and refused below
    options |= text_only(folder)
    if quantize:
        check_4_bits()
        options["quantization_config"] = four_bits(dtype)
    if device is not None:
        options["device_map"] = {"": device}
    loaded: Any
    with quiet_transformers():
        try:
            loaded = AutoModelForCausalLM.from_pretrained(folder, **options)
        except torch.OutOfMemoryError:
            raise
        except (ImportError, OSError, ValueError, RuntimeError, KeyError) as error:
            raise UserError(f"{folder} cannot be loaded: {one_line(error)}") from error
    model, report = loaded
    check_complete(folder, report)
    if "key_mapping" in options:
        model._weight_conversions = None  # or its weights would be saved under the names before the mapping
    return model


def text_only(folder: Path) -> dict[str, Any]:
    """Settings that load the language model alone of one that also reads images, such as Gemma 3; else none.

    What it would do with images is of no use here: it takes memory, and LoRA would be put beside it.
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as KINDS

    config = read_config(folder / CONFIG)
    text = text_kind(config)
    if text not in KINDS or KINDS[text] == KINDS.get(config["model_type"]):
        return {}
    return {
        "config": AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config(decoder=True),
        # As transformers has written them before version 4.52, since then, and in memory.
        "key_mapping": {
            r"^language_model\.lm_head\.": "lm_head.",
            r"^(?:model\.)?language_model\.(?:model\.)?": "model.",
        },
    }


def text_kind(config: Mapping[str, Any]) -> str:
    """The `model_type` of the language model within one that reads more than text; empty where it is all."""
    text = config.get("text_config")
    return str(text.get("model_type", "")) if isinstance(text, dict) else ""


def check_complete(folder: Path, report: dict[str, Any]) -> None:
    """Raise UserError where weights were missing or of another shape: transformers makes up random ones."""
    for weight, found, expected in sorted(report["mismatched_keys"]):
        raise UserError(
            f"{folder}: {weight} has the shape {tuple(found)}, but {CONFIG} says {tuple(expected)}: "
            "they are of different models; load the model again."
        )
    missing = sorted(report["missing_keys"])
    if missing:
        more = f" and {len(missing) - 1} more weights" if len(missing) > 1 else ""
        raise UserError(f"{folder} is not whole: it lacks {missing[0]}{more}; load the model again.")


def check_architecture(folder: Path) -> None:
    """Raise UserError for what is no decoder, or needs code of its own."""
    from transformers import CONFIG_MAPPING, __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = read_config(folder / CONFIG)
    kind = config.get("model_type", "")
    if kind not in CONFIG_MAPPING and "auto_map" in config:
        raise UserError(
            f"{folder} needs code of its own (trust_remote_code), which is never run here: take a model "
            "whose architecture is part of transformers."
        )
    if kind not in CONFIG_MAPPING:
        raise UserError(
            f"{folder / CONFIG} names a kind of model ({kind or 'none'}) that transformers {__version__} "
            "does not know; a newer one may (`pip install -U transformers`)."
        )
    kinds = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if (kind not in kinds and text_kind(config) not in kinds) or config.get("is_encoder_decoder"):
        raise UserError(f"{folder} is a {kind}, which does not write text word by word: take a decoder.")


def base_folder(adapter: Path, hub: str) -> Path:
    """The folder of an adapter's base. Raises UserError where it is gone."""
    base = base_of(adapter)
    try:
        return find_model(base, hub=hub)
    except UserError as error:
        raise UserError(f"{adapter} is an adapter for {base}, which cannot be loaded: {error}") from error


def load_adapter(model: Any, folder: Path) -> Any:
    """Put the adapter in `folder` on its base; it can learn on. Raises UserError for one of another base."""
    from peft import PeftModel

    with quiet_transformers():
        warnings.filterwarnings("error", "Found missing adapter keys")  # peft would go on with new ones
        try:
            return PeftModel.from_pretrained(model, str(folder), is_trainable=True)
        except (RuntimeError, ValueError, KeyError, UserWarning) as error:
            lines = [line.strip(" .") for line in str(error).splitlines() if line.strip()]
            detail = next((line for line in lines if "size mismatch" in line), one_line(error, 160))
            raise UserError(
                f"{folder} is an adapter for {base_of(folder)}, and does not fit {model.name_or_path}: "
                f"{detail}."
            ) from error


def check_4_bits() -> None:
    """Raise UserError where this machine cannot keep weights in 4 bits."""
    check_bitsandbytes(True, "method.name is qlora", "lora")


def four_bits(dtype: torch.dtype) -> Any:
    """Settings of QLoRA's base: NF4 with double quantisation (Dettmers et al. 2023)."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def load_tokenizer(folder: Path, *, hub: str = "huggingface") -> PreTrainedTokenizerBase:
    """Load the tokenizer of the model in `folder`; an adapter without one has that of its base."""
    if is_adapter(folder) and not has_tokenizer(folder):
        return load_tokenizer(base_folder(folder, hub), hub=hub)
    return read_tokenizer(folder)
