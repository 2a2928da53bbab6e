"""Causal attention over documents that lie one after another in one row: no padding, and none sees another.

`cu_seq_lens` says where they begin: (0, length of the first, of the first two, …, T), as int32. On a GPU, in
half precision, PyTorch's variable-length FlashAttention reads it. Elsewhere attention is called for each
document: ten times faster than a single call with a mask of (T, T).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .block_attention import block_attention, suits_blocks

PACKED = "packed"  # our name among the attention functions of transformers

#: `model_type` of transformers' models whose attention is nothing but causal, perhaps with a window: no cap
#: on the scores, no sinks, no bias. Each is proven in the tests.
PLAIN_MODELS = (
    "gemma3_text",
    "granite",
    "llama",
    "mistral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
)


def packed_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_lens: Tensor,
    *,
    scale: float,
    window: int | None = None,
    longest: int | None = None,
) -> Tensor:
    """Attend causally within each document of one row; return (1, Hq, T, D).

    Args:
        query: (1, Hq, T, D).
        key: (1, Hkv, T, D); Hkv divides Hq, and each key head serves Hq / Hkv query heads in turn.
        value: (1, Hkv, T, D).
        cu_seq_lens: Where documents begin, and T: (documents + 1,), int32, on the device of `query`.
        scale: The scores are multiplied by it.
        window: A token sees so many tokens, itself among them; None: all before it.
        longest: Tokens of the longest document; without it, the processor waits for the GPU to say.
    """
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if _has_flash_attention(query):
        from torch.nn.attention.varlen import varlen_attn

        longest = longest or int(cu_seq_lens.diff().max())
        flat = varlen_attn(
            query[0].transpose(0, 1),  # (T, Hq, D)
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            cu_seq_lens,
            cu_seq_lens,
            longest,
            longest,
            scale=scale,
            window_size=(-1 if window is None else window - 1, 0),
            enable_gqa=query.shape[1] != key.shape[1],
        )
        assert isinstance(flat, Tensor)  # (T, Hq, D)
        return flat.transpose(0, 1)[None]
    return _each_alone(query, key, value, cu_seq_lens, scale=scale, window=window)


@torch.compiler.disable  # or it compiles anew for each number of documents
def _each_alone(
    query: Tensor, key: Tensor, value: Tensor, cu_seq_lens: Tensor, *, scale: float, window: int | None
) -> Tensor:
    """The attention of each document in a call of its own."""
    lengths = cu_seq_lens.diff().tolist()
    documents = zip(*(tensor.split(lengths, dim=2) for tensor in (query, key, value)), strict=True)
    attended = [causal_attention(*document, scale=scale, window=window) for document in documents]
    # Joined as (1, T, Hq, D), which is how they lie in memory and how the model reads them.
    return torch.cat([part.transpose(1, 2) for part in attended], dim=1).transpose(1, 2)


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int | None = None
) -> Tensor:
    """Attend to what comes before, in sequences of equal length: (B, H, T, D) → (B, Hq, T, D)."""
    length = query.shape[2]
    if window is not None and window >= length:
        window = None
    if window is None and suits_blocks(query):
        return block_attention(query, key, value, scale=scale)
    mask = None
    if window is not None:
        distance = torch.arange(length, device=query.device)
        distance = distance[:, None] - distance  # of a key (column) before a query (row)
        mask = (distance >= 0) & (distance < window)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _has_flash_attention(query: Tensor) -> bool:
    """Whether variable-length FlashAttention takes this: half precision, heads up to 256, Ampere or later."""
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] <= 256
        and query.shape[-1] % 8 == 0
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
    )


def use_packed_attention(model: nn.Module) -> bool:
    """Let a transformers model attend with `packed_attention` where it is given `cu_seq_lens`.

    It is then called with rows of packed documents as `model(input_ids, position_ids=…, cu_seq_lens=…,
    use_cache=False)`, perhaps with `longest`. All other uses, such as `generate`, stay as they were.

    Returns:
        Whether it does. False, with nothing changed, for an architecture whose attention is not plain.
    """
    config: Any = model.config
    if config.model_type not in PLAIN_MODELS:
        return False
    if getattr(config, "attention_dropout", 0) or getattr(config, "use_bidirectional_attention", False):
        return False
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PACKED, transformers_attention)
    AttentionMaskInterface.register(PACKED, transformers_mask)
    model.set_attn_implementation(PACKED)  # type: ignore[operator]
    return True


def rotates_alike_up_to(settings: Any) -> int | None:
    """Longest document up to which rotary embeddings are the same for all; None: they always are.

    Phi 3.5's (longrope) stretch the wavelengths of all that is read together as soon as one part of it is
    longer than what the model was first trained on.
    """
    rope = getattr(settings, "rope_parameters", None) or {}
    for one in (rope, *(part for part in rope.values() if isinstance(part, dict))):  # or by kind of layer
        if one.get("rope_type") in ("longrope", "dynamic"):
            return int(one.get("original_max_position_embeddings") or settings.max_position_embeddings)
    return None


def transformers_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    sliding_window: int | None = None,
    cu_seq_lens: Tensor | None = None,
    longest: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls for each layer, with the arguments that its own functions take."""
    if cu_seq_lens is not None:
        attended = packed_attention(
            query, key, value, cu_seq_lens, scale=scaling, window=sliding_window, longest=longest
        )
    elif attention_mask is None and query.shape[2] == key.shape[2]:
        attended = causal_attention(query, key, value, scale=scaling, window=sliding_window)
    else:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **others)
    return attended.transpose(1, 2), None


def transformers_mask(
    *, q_length: int, kv_length: int, attention_mask: Tensor | None = None, **others: Any
) -> Tensor | None:
    """The mask of transformers' own attention, but none for whole sequences without padding."""
    from transformers.masking_utils import sdpa_mask

    if attention_mask is None and q_length == kv_length:
        return None
    mask: Tensor | None = sdpa_mask(
        q_length=q_length, kv_length=kv_length, attention_mask=attention_mask, **others
    )
    return mask
