"""GPT-2 and the families of its time: layer norms with offsets, two matrices in the MLP, learned or other positions."""

from __future__ import annotations

from dataclasses import replace

from scaffolder.estimate.blocks import Attention
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import Decoder


def gpt2(c: Configuration) -> Decoder:
    hidden, heads = c.integer("n_embd", "hidden_size"), c.integer("n_head", "num_attention_heads")
    a = _attention(
        c, hidden, heads, fused="c_attn", out="c_proj", dropout=c.number("attn_pdrop", default=0.1, most=1.0)
    )
    a = replace(a, upcast=False)
    spec = _decoder(
        c, a, c.layers("n_layer", "num_hidden_layers"), c.integer("n_inner", default=4 * hidden), "gelu_new"
    )
    return replace(
        spec,
        positions=c.integer("n_positions", "max_position_embeddings", default=1024),
        tied=c.flag("tie_word_embeddings", default=True),
        dropout=c.number("resid_pdrop", default=0.1, most=1.0),
        mlp_names=("mlp.c_fc", "mlp.c_proj"),
    )


def gpt_neo(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_heads", "num_attention_heads")
    a = replace(_attention(c, hidden, heads, out="out_proj"), bias=False, out_bias=True, mask=True)
    layers = c.layers("num_layers", "num_hidden_layers")
    spec = _decoder(c, a, layers, c.integer("intermediate_size", default=4 * hidden), "gelu_new")
    return replace(
        spec,
        positions=c.integer("max_position_embeddings", default=2048),
        tied=c.flag("tie_word_embeddings", default=True),
        mlp_names=("mlp.c_fc", "mlp.c_proj"),
    )


def gptj(c: Configuration) -> Decoder:
    hidden, heads = c.integer("n_embd", "hidden_size"), c.integer("n_head", "num_attention_heads")
    a = _attention(c, hidden, heads, out="out_proj")
    part = min(1.0, c.integer("rotary_dim", default=64) / a.head)
    a = replace(a, bias=False, out_bias=False, rotary=part)
    layers = c.layers("n_layer", "num_hidden_layers")
    spec = _decoder(c, a, layers, c.integer("n_inner", default=4 * hidden), "gelu_new")
    return replace(
        spec,
        order="parallel",
        tied=c.flag("tie_word_embeddings", default=False),
        head_bias=True,
        mlp_names=("fc_in", "fc_out"),
    )


def gpt_neox(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    a = _attention(c, hidden, heads, fused="query_key_value", out="dense")
    bias = c.flag("attention_bias", default=True)
    part = c.number("rotary_pct", "partial_rotary_factor", default=0.25, most=1.0)
    a = replace(a, rotary=part, bias=bias, out_bias=bias)
    spec = _decoder(c, a, c.layers("num_hidden_layers"), c.integer("intermediate_size"), "gelu")
    parallel = c.flag("use_parallel_residual", default=True)
    return replace(
        spec,
        order="parallel" if parallel else "pre",
        parallel_norms=2,
        tied=c.flag("tie_word_embeddings", default=False),
        dropout=c.number("hidden_dropout", default=0.0, most=1.0),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
    )


def phi(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    shared = c.integer("num_key_value_heads", default=heads)
    c.divided(heads, shared, "num_attention_heads / num_key_value_heads")
    a = _attention(c, hidden, heads, out="dense", dropout=c.number("attention_dropout", default=0.0, most=1.0))
    a = replace(a, kv_heads=shared, rotary=c.number("partial_rotary_factor", default=0.5, most=1.0))
    spec = _decoder(c, a, c.layers("num_hidden_layers"), c.integer("intermediate_size", default=4 * hidden), "gelu_new")
    return replace(
        spec,
        order="parallel",
        tied=c.flag("tie_word_embeddings", default=False),
        head_bias=True,
        dropout=c.number("resid_pdrop", default=0.0, most=1.0),
    )


def opt(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    bias = c.flag("enable_bias", default=True)
    a = _attention(c, hidden, heads, out="out_proj", dropout=c.number("attention_dropout", default=0.0, most=1.0))
    a = replace(a, bias=bias, out_bias=bias)
    before = c.flag("do_layer_norm_before", default=True)
    width = c.integer("word_embed_proj_dim", default=hidden)
    spec = _decoder(c, a, c.layers("num_hidden_layers"), c.integer("ffn_dim", default=4 * hidden), "relu")
    return replace(
        spec,
        order="pre" if before else "post",
        final_norm=before and not c.flag("_remove_final_layer_norm", default=False),
        positions=c.integer("max_position_embeddings", default=2048) + 2,  # two are kept for padding
        embedding_width=width if width != hidden else 0,
        mlp_bias=bias,
        tied=c.flag("tie_word_embeddings", default=True),
        dropout=c.number("dropout", default=0.1, most=1.0),
    )


def bloom(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size", "n_embed"), c.integer("n_head", "num_attention_heads")
    a = _attention(c, hidden, heads, fused="query_key_value", out="dense")
    a = replace(a, eager=True, copied=True)  # positions are added to the scores, which are written out
    spec = _decoder(c, a, c.layers("n_layer", "num_hidden_layers"), 4 * hidden, "bloom_gelu")
    return replace(
        spec,
        embedding_norm=True,
        tied=c.flag("tie_word_embeddings", default=True),
        dropout=c.number("hidden_dropout", default=0.0, most=1.0),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
    )


def falcon(c: Configuration) -> Decoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads", "n_head")
    new = c.flag("new_decoder_architecture", default=False)
    bias = c.flag("bias", default=False)
    if new:
        shared = c.integer("num_kv_heads", "n_head_kv", default=heads)
    else:
        shared = 1 if c.flag("multi_query", default=True) else heads
    c.divided(heads, shared, "num_attention_heads / num_kv_heads")
    a = _attention(c, hidden, heads, fused="query_key_value", out="dense")
    alibi = c.flag("alibi", default=False)
    # one head of keys for all queries: no fused kernel takes that; several are repeated for every query head
    a = replace(a, kv_heads=shared, bias=bias, out_bias=bias, rotary=0.0 if alibi else 1.0)
    a = replace(a, one_key_head=shared == 1 and heads > 1, mask=shared > 1)
    inner = c.integer("ffn_hidden_size", default=4 * hidden)
    spec = _decoder(c, a, c.layers("num_hidden_layers", "n_layer"), inner, c.text("activation", default="gelu"))
    parallel = c.flag("parallel_attn", default=True) or new
    norms = c.integer("num_ln_in_parallel_attn", default=2 if new else 1, most=2)
    return replace(
        spec,
        order="parallel" if parallel else "pre",
        parallel_norms=norms if new else 1,
        mlp_bias=bias,
        tied=c.flag("tie_word_embeddings", default=True),
        dropout=c.number("hidden_dropout", default=0.0, most=1.0),
        mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
    )


def _attention(
    c: Configuration, hidden: int, heads: int, *, fused: str = "", out: str, dropout: float = 0.0
) -> Attention:
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head=c.divided(hidden, heads, "hidden_size/num_attention_heads"),
        bias=True,
        out_bias=True,
        fused=fused,
        dropout=dropout,
        names=("q_proj", "k_proj", "v_proj", out),
    )


def _decoder(c: Configuration, a: Attention, layers: int, inner: int, act: str) -> Decoder:
    return Decoder(
        hidden=a.hidden,
        layers=layers,
        vocabulary=c.integer("vocab_size"),
        inner=inner,
        act=c.text("activation_function", "hidden_act", default=act),
        attention=a,
        norm="layer",
        gated=False,
        mlp_bias=True,
    )


FAMILIES = {
    "gpt2": gpt2,
    "gpt_neo": gpt_neo,
    "gptj": gptj,
    "gpt_neox": gpt_neox,
    "phi": phi,
    "opt": opt,
    "bloom": bloom,
    "falcon": falcon,
}
