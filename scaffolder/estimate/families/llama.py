"""Llama and the many families that differ from it by a norm, an offset or where the norms are."""

from __future__ import annotations

from dataclasses import replace

from scaffolder.estimate.blocks import Attention, Experts
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import Decoder


def attention(
    c: Configuration,
    *,
    head: int | None = None,
    kv_heads: int | None = None,
    bias: bool = False,
    out_bias: bool | None = None,
    rotary: float = 1.0,
    query_norm: str = "",
    norm: str = "rms",
) -> Attention:
    """The usual fields; `head` and `kv_heads` where the family has defaults of its own."""
    hidden = c.integer("hidden_size")
    heads = c.integer("num_attention_heads")
    shared = c.integer("num_key_value_heads", default=kv_heads or heads)
    c.divided(heads, shared, "num_attention_heads / num_key_value_heads")
    size = (
        c.integer("head_dim", default=head)
        if c.has("head_dim") or head
        else c.divided(hidden, heads, "hidden_size/num_attention_heads")
    )
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=shared,
        head=size,
        bias=bias,
        out_bias=bias if out_bias is None else out_bias,
        rotary=rotary,
        query_norm=query_norm,
        norm=norm,
        dropout=c.number("attention_dropout", default=0.0, most=1.0),
    )


def decoder(c: Configuration, a: Attention, *, tied: bool = False, act: str = "silu") -> Decoder:
    return Decoder(
        hidden=a.hidden,
        layers=c.layers("num_hidden_layers"),
        vocabulary=c.integer("vocab_size"),
        inner=c.integer("intermediate_size"),
        act=c.text("hidden_activation", "hidden_act", default=act),
        attention=a,
        tied=c.flag("tie_word_embeddings", default=tied),
    )


def llama(c: Configuration) -> Decoder:
    a = attention(c, bias=c.flag("attention_bias", default=False))
    return replace(decoder(c, a), mlp_bias=c.flag("mlp_bias", default=False))


def mistral(c: Configuration) -> Decoder:
    return windowed(c, decoder(c, attention(c, kv_heads=8)))


def mixtral(c: Configuration) -> Decoder:
    spec = mistral(c)
    mixture = Experts(
        count=c.integer("num_local_experts", "num_experts", default=8),
        active=c.integer("num_experts_per_tok", default=2),
        width=spec.inner,
        act=spec.act,
    )
    return replace(spec, mixture=lambda _layer: mixture)


def qwen2(c: Configuration) -> Decoder:
    spec = decoder(c, attention(c, bias=True, out_bias=False))
    return _qwen_window(c, spec)


def qwen3(c: Configuration) -> Decoder:
    a = attention(c, head=128, bias=c.flag("attention_bias", default=False), query_norm="head")
    return _qwen_window(c, decoder(c, a))


def qwen2_moe(c: Configuration) -> Decoder:
    spec = decoder(c, attention(c, bias=c.flag("qkv_bias", default=True), out_bias=False))
    return _qwen_mixture(c, spec, shared=c.integer("shared_expert_intermediate_size", default=5632, least=0))


def qwen3_moe(c: Configuration) -> Decoder:
    a = attention(c, kv_heads=4, bias=c.flag("attention_bias", default=False), query_norm="head")
    return _qwen_mixture(c, decoder(c, a), shared=0)


def _qwen_mixture(c: Configuration, spec: Decoder, *, shared: int) -> Decoder:
    mixture = Experts(
        count=c.integer("num_experts", "num_local_experts", default=0, least=0),
        active=c.integer("num_experts_per_tok", default=8),
        width=c.integer("moe_intermediate_size"),
        act=spec.act,
        shared=shared,
        shared_gate=bool(shared),
        adapted=not shared,
    )
    step = c.integer("decoder_sparse_step", default=1)
    plain = c.values.get("mlp_only_layers")
    dense = set(plain) if isinstance(plain, list) and all(isinstance(one, int) for one in plain) else set()

    def of(layer: int) -> Experts | None:
        return mixture if mixture.count and layer not in dense and (layer + 1) % step == 0 else None

    return replace(spec, mixture=of, mlp_adapted=bool(shared))


def _qwen_window(c: Configuration, spec: Decoder) -> Decoder:
    if not c.flag("use_sliding_window", default=False):
        return spec
    first = c.integer("max_window_layers", default=28, least=0)
    return windowed(c, spec, lambda layer: layer >= first)


def windowed(c: Configuration, spec: Decoder, which: object = None) -> Decoder:
    """A window on the text, in all layers or in some."""
    window = c.integer("sliding_window", default=0, least=0)
    return replace(spec, window=window, windowed=which if callable(which) else None)


def gemma(c: Configuration) -> Decoder:
    a = attention(c, head=256, bias=c.flag("attention_bias", default=False))
    return replace(decoder(c, a, tied=True, act="gelu_pytorch_tanh"), norm="gemma")


def gemma2(c: Configuration) -> Decoder:
    spec = gemma(c)
    capped = c.number("attn_logit_softcapping", default=50.0) > 0
    spec = replace(spec, order="sandwich", attention=replace(spec.attention, softcap=capped))
    return windowed(c, spec, lambda layer: layer % 2 == 0)


def gemma3_text(c: Configuration) -> Decoder:
    values = {"num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 262_208, **c.values}
    c = Configuration({**values, "hidden_activation": values.get("hidden_activation", "gelu_pytorch_tanh")}, c.name)
    a = attention(
        c, head=256, kv_heads=4, bias=c.flag("attention_bias", default=False), query_norm="head", norm="gemma"
    )
    spec = replace(decoder(c, a, tied=True, act="gelu_pytorch_tanh"), norm="gemma", order="sandwich")
    pattern = c.integer("sliding_window_pattern", default=6)
    kinds = c.texts("layer_types", length=spec.layers)
    return windowed(
        c, spec, lambda layer: (kinds[layer] == "sliding_attention") if kinds else bool((layer + 1) % pattern)
    )


def phi3(c: Configuration) -> Decoder:
    a = replace(attention(c), fused="qkv_proj", heads_first=True)
    spec = replace(decoder(c, a), fused_gate=True, dropout=c.number("resid_pdrop", default=0.0, most=1.0))
    return windowed(c, spec)


def smollm3(c: Configuration) -> Decoder:
    a = attention(c, kv_heads=4, bias=c.flag("attention_bias", default=False))
    return replace(decoder(c, a, tied=True), mlp_bias=c.flag("mlp_bias", default=False))


def olmo(c: Configuration) -> Decoder:
    return replace(decoder(c, attention(c, bias=c.flag("attention_bias", default=False))), norm="plain")


def olmo2(c: Configuration) -> Decoder:
    a = attention(c, bias=c.flag("attention_bias", default=False), query_norm="full", norm="wide")
    return replace(decoder(c, a), norm="wide", order="post")


def granite(c: Configuration) -> Decoder:
    a = attention(c, bias=c.flag("attention_bias", default=False))
    return replace(decoder(c, a), mlp_bias=c.flag("mlp_bias", default=False))


def starcoder2(c: Configuration) -> Decoder:
    bias = c.flag("use_bias", default=True)
    values = {"attention_dropout": c.number("attention_dropout", default=0.0, most=1.0), **c.values}
    a = attention(Configuration(values, c.name), kv_heads=2, bias=bias)
    spec = decoder(c, a, tied=True, act="gelu_pytorch_tanh")
    spec = replace(
        spec,
        norm="layer",
        gated=False,
        mlp_bias=bias,
        mlp_names=("c_fc", "c_proj"),
        dropout=c.number("residual_dropout", default=0.0, most=1.0),
    )
    return windowed(c, spec)


def glm(c: Configuration) -> Decoder:
    """GLM-4 of 2024 (`glm`)."""
    rotary = c.number("partial_rotary_factor", default=0.5, most=1.0)
    a = attention(c, head=128, kv_heads=2, bias=c.flag("attention_bias", default=True), out_bias=False, rotary=rotary)
    return replace(decoder(c, a), fused_gate=True)


def glm4(c: Configuration) -> Decoder:
    """GLM-4 of 2025 (`glm4`): norms on both sides of each branch."""
    return replace(glm(c), order="sandwich")


def stablelm(c: Configuration) -> Decoder:
    rotary = c.number("partial_rotary_factor", default=0.25, most=1.0)
    a = attention(c, bias=c.flag("use_qkv_bias", default=False), out_bias=False, rotary=rotary)
    spec = replace(decoder(c, a), norm="layer", dropout=c.number("hidden_dropout", default=0.0, most=1.0))
    return replace(spec, order="parallel") if c.flag("use_parallel_residual", default=False) else spec


def cohere(c: Configuration) -> Decoder:
    a = attention(c, bias=c.flag("attention_bias", default=False))
    return replace(decoder(c, a, tied=True), norm="layer_no_bias", order="parallel")


FAMILIES = {
    "llama": llama,
    "mistral": mistral,
    "mixtral": mixtral,
    "qwen2": qwen2,
    "qwen2_moe": qwen2_moe,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3_text,
    "phi3": phi3,
    "smollm3": smollm3,
    "olmo": olmo,
    "olmo2": olmo2,
    "granite": granite,
    "starcoder2": starcoder2,
    "glm": glm,
    "glm4": glm4,
    "stablelm": stablelm,
    "cohere": cohere,
}
