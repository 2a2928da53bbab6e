"""DeepSeek: multi-head latent attention, and experts beside ones that every token passes (DeepSeek-AI, 2024)."""

from __future__ import annotations

from dataclasses import replace

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import Attention, Experts, attend, remember, rotate
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import Decoder
from scaffolder.estimate.net import ATTENTION, Net


def deepseek(c: Configuration) -> Decoder:
    """Versions 2 and 3; keys and values go through a narrow layer, which is all that the cache keeps."""
    third = c.values.get("model_type") == "deepseek_v3"
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    plain, turned = c.integer("qk_nope_head_dim", default=128), c.integer("qk_rope_head_dim", default=64)
    value = c.integer("v_head_dim", default=128)
    latent = c.integer("kv_lora_rank", default=512)
    # a null says that queries have no narrow layer; only a missing field means the family's default
    narrow = (
        0 if "q_lora_rank" in c.values and c.values["q_lora_rank"] is None else c.integer("q_lora_rank", default=1536)
    )
    bias = c.flag("attention_bias", default=False)
    a = Attention(hidden=hidden, heads=heads, kv_heads=heads, head=plain + turned, rotary=turned / (plain + turned))

    def mixer(net: Net, x: Tensor, position: Tensor | None, _layer: int) -> Tensor:
        tape = net.tape
        batch, length, _ = x.shape
        width = heads * (plain + turned)
        if narrow:
            query = net.rms_norm(net.linear(x, "q_a_proj", narrow, ATTENTION, bias=bias), "q_a_norm")
            query = net.linear(query, "q_b_proj", width, ATTENTION, bias=False)
        else:
            query = net.linear(x, "q_proj", width, ATTENTION, bias=False)
        parts = [(batch, heads, length, plain), (batch, heads, length, turned)]
        query_plain, query_turned = tape.split(query, list(parts))
        del query
        both = net.linear(x, "kv_a_proj_with_mqa", latent + turned, ATTENTION, bias=bias)
        inner, shared = tape.split(both, [(batch, length, latent), (batch, 1, length, turned)])
        del both
        inner = net.rms_norm(inner, "kv_a_norm")
        if position is not None:
            query_turned, shared = rotate(net, query_turned, position, 1.0), rotate(net, shared, position, 1.0)
        inner, shared = remember(net, inner, shared)
        query = tape.cat([query_plain, query_turned], (batch, heads, length, plain + turned))
        opened = net.linear(inner, "kv_b_proj", heads * (plain + value), ATTENTION, bias=False)
        key_plain, values = tape.split(opened, [(batch, heads, length, plain), (batch, heads, length, value)])
        del opened
        key = tape.cat([key_plain, shared], (batch, heads, length, plain + turned))
        mixed = attend(net, query, key, values, a)
        return net.linear(mixed.view(batch, length, heads * value), "o_proj", hidden, ATTENTION, bias=bias)

    inner_width = c.integer("moe_intermediate_size", default=2048 if third else 1407)
    mixture = Experts(
        count=c.integer("n_routed_experts", "num_local_experts", default=256 if third else 64),
        active=c.integer("num_experts_per_tok", default=8 if third else 6),
        width=inner_width,
        act=c.text("hidden_act", default="silu"),
        shared=inner_width * c.integer("n_shared_experts", default=1 if third else 2, least=0),
        router_upcast=True,
    )
    dense = c.integer("first_k_dense_replace", default=3 if third else 0, least=0)
    spec = Decoder(
        hidden=hidden,
        layers=c.layers("num_hidden_layers"),
        vocabulary=c.integer("vocab_size"),
        inner=c.integer("intermediate_size"),
        act=mixture.act,
        attention=a,
        tied=c.flag("tie_word_embeddings", default=False),
        mixer=mixer,
        mlp_adapted=False,
    )
    return replace(spec, mixture=lambda layer: None if layer < dense else mixture)


FAMILIES = {"deepseek_v2": deepseek, "deepseek_v3": deepseek}
