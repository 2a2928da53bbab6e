"""A model as one GGUF file, as llama.cpp, Ollama, LM Studio and others read it.

The names and the order of rows are those of llama.cpp's own converter (convert_hf_to_gguf.py); the file is
written with its package `gguf`, one tensor at a time, so that it takes little more memory than the model.
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, LlamaFileType
from gguf.quants import quant_shape_to_byte_shape, quantize
from torch import Tensor
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from .errors import UserError
from .gguf_tokenizer import OTHER_WAY, add_tokenizer

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
TYPES = {
    "f32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "bf16": (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
}
STORED = {GGMLQuantizationType.F32: np.float32, GGMLQuantizationType.F16: np.float16}  # others as bytes
BLOCK = 32  # weights of a row that share a scale in q8_0


def export_gguf(model: Any, tokenizer: Any, file: Path, *, dtype: str, name: str) -> None:
    """Write a GGUF file.

    Args:
        model: A Llama, Mistral, Qwen 2 or Qwen 3 of transformers, without adapters.
        tokenizer: Its tokenizer, a byte-level BPE.
        file: Written under another name first, so that it is whole or not there.
        dtype: `f32`, `f16`, `bf16` or `q8_0` for matrices; vectors (norms, biases) are always float32.
        name: How programs call the model.

    Raises:
        UserError: For a model or tokenizer of another kind.
    """
    config = model.config
    architecture = find_architecture(config)
    unfinished = file.with_name(f".{file.name}-unfinished")
    writer = gguf.GGUFWriter(unfinished, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(name)
    writer.add_file_type(TYPES[dtype][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_sizes(writer, config)
    add_rope(writer, config)
    add_tokenizer(writer, tokenizer, config.vocab_size)
    try:
        for key, weight, kind in tensors(model, architecture, dtype):
            shape = tuple(weight.shape)
            shape = shape if kind in STORED else quant_shape_to_byte_shape(shape, kind)
            stored = np.dtype(STORED.get(kind, np.uint8))
            writer.add_tensor_info(key, shape, stored, math.prod(shape) * stored.itemsize, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for _, weight, kind in tensors(model, architecture, dtype):
            writer.write_tensor_data(quantize(weight.float().cpu().numpy(), kind))
        writer.close()
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def find_architecture(config: Any) -> gguf.MODEL_ARCH:
    """The architecture under which llama.cpp knows this model. Raises UserError."""
    architecture = ARCHITECTURES.get(config.model_type)
    if architecture is None:
        raise UserError(
            f"GGUF is written for models of the types {', '.join(ARCHITECTURES)}, and this one is a "
            f"{config.model_type}: {OTHER_WAY}."
        )
    window = getattr(config, "sliding_window", None)  # Qwen 2 has none where use_sliding_window is false
    if window and window < config.max_position_embeddings:
        raise UserError(
            f"This model uses sliding-window attention, which the GGUF written here cannot say: {OTHER_WAY}."
        )
    return architecture


def add_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    """Numbers of layers and heads, widths, context, ε of the norms."""
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(head_width(config))
    writer.add_value_length(head_width(config))


def add_rope(writer: gguf.GGUFWriter, config: Any) -> None:
    """Rotary embeddings: base of the wavelengths, and how they are stretched. Raises UserError."""
    rope = config.rope_parameters
    kind = rope.get("rope_type", "default")
    writer.add_rope_dimension_count(head_width(config))
    writer.add_rope_freq_base(rope["rope_theta"])
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
        original = rope.get("original_max_position_embeddings")
        if original:
            writer.add_rope_scaling_orig_ctx_len(original)
        if kind == "yarn":
            add_yarn(writer, config)
    elif kind not in ("default", "llama3"):  # that of Llama 3 is a tensor of factors
        raise UserError(
            f"This model stretches its rotary embeddings by {kind}, which the GGUF written here cannot say: "
            f"{OTHER_WAY}."
        )


def add_yarn(writer: gguf.GGUFWriter, config: Any) -> None:
    """What a model says of YaRN beside its factor; most leave it at the usual values, which llama.cpp takes.

    transformers scales cosines and sines by `attention_factor`, llama.cpp by 1 + ln(factor) / 10, the usual
    value of that, times what is written here.
    """
    rope = config.rope_parameters
    _, attention_factor = ROPE_INIT_FUNCTIONS["yarn"](config, torch.device("cpu"))
    usual = 1 + math.log(rope["factor"]) / 10
    if not math.isclose(attention_factor, usual, rel_tol=1e-6):
        writer.add_rope_scaling_attn_factors(attention_factor / usual)
    if rope.get("beta_fast"):
        writer.add_rope_scaling_yarn_beta_fast(rope["beta_fast"])
    if rope.get("beta_slow"):
        writer.add_rope_scaling_yarn_beta_slow(rope["beta_slow"])


def tensors(
    model: Any, architecture: gguf.MODEL_ARCH, dtype: str
) -> Iterator[tuple[str, Tensor, GGMLQuantizationType]]:
    """Yield name, values and number format of each tensor, always in the same order."""
    config = model.config
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue  # the embedding serves
        key = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if key is None:
            raise UserError(f"GGUF has no name for this model's {name}: export it as safetensors.")
        layer = name.split(".")[-2]
        if architecture == gguf.MODEL_ARCH.LLAMA and layer in heads:
            weight = interleave_halves(weight, heads[layer])
        yield key, weight, number_format(weight, dtype)
    factors = llama3_factors(config)
    if factors is not None:
        yield "rope_freqs.weight", factors, GGMLQuantizationType.F32


def number_format(weight: Tensor, dtype: str) -> GGMLQuantizationType:
    """Matrices get `dtype`, vectors float32; rows that cannot be cut into blocks are float16."""
    if weight.ndim < 2:
        return GGMLQuantizationType.F32
    if dtype == "q8_0" and weight.shape[-1] % BLOCK:
        return GGMLQuantizationType.F16
    return TYPES[dtype][0]


def interleave_halves(weight: Tensor, heads: int) -> Tensor:
    """Reorder the rows of each head: row i of the first half, row i of the second, row i + 1 of the first …

    transformers turns the pairs (i, i + D / 2) of a head of width D; llama.cpp's Llama turns (2 i, 2 i + 1).
    """
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.transpose(1, 2).reshape(weight.shape)


def llama3_factors(config: Any) -> Tensor | None:
    """By what each wavelength is stretched in Llama 3.1 and later, (D / 2,); None for other models.

    As in transformers' `_compute_llama3_parameters`: long waves by `factor`, short ones not, others in part.
    """
    rope = config.rope_parameters
    if rope.get("rope_type") != "llama3":
        return None
    pairs = torch.arange(0, head_width(config), 2, dtype=torch.float64) / head_width(config)
    waves = 2 * math.pi * rope["rope_theta"] ** pairs
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    share = (rope["original_max_position_embeddings"] / waves - low) / (high - low)
    share = share.clamp(0, 1)  # 0: stretched in full, 1: not at all
    return (1 / ((1 - share) / factor + share)).float()


def head_width(config: Any) -> int:
    """Width of an attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
