"""Transformers that read: texts, patches of images, frames of sound."""

from __future__ import annotations

from dataclasses import dataclass

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import Attention, activate, attend
from scaffolder.estimate.net import ATTENTION, MLP, Net


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """The blocks of one encoder.

    Attributes:
        first: The norms come before attention and MLP (ViT), not after (BERT).
        key_bias: Whether the keys' projection has an offset (Whisper's has none).
        inner_dropout: After the MLP's activation.
        mlp_dropout: After the MLP, where it is not that after the attention.
        heads_first: As in `blocks.Attention`.
        scaled: Each branch is weighed by a learned number for every channel (DINOv2).
    """

    hidden: int
    layers: int
    heads: int
    inner: int
    act: str
    first: bool
    dropout: float = 0.0
    inner_dropout: float = 0.0
    attention_dropout: float = 0.0
    mlp_dropout: float | None = None
    bias: bool = True
    key_bias: bool = True
    scaled: bool = False
    heads_first: bool = False


def run_encoder(net: Net, x: Tensor, e: Encoder, name: str = "encoder") -> Tensor:
    for layer in range(e.layers):
        x = net.block(f"{name}.{layer}", lambda x: encoder_layer(net, x, e), x)
    return x


def encoder_layer(net: Net, x: Tensor, e: Encoder) -> Tensor:
    tape = net.tape
    residual = x
    if e.first:
        x = net.layer_norm(x, "norm_1")
    x = tape.dropout(_attention(net, x, e), e.dropout)
    x = _weighed(net, x, e, "scale_1")
    x = tape.add(x, residual)
    if not e.first:
        x = net.layer_norm(x, "norm_1")
    residual = x
    if e.first:
        x = net.layer_norm(x, "norm_2")
    x = _mlp(net, x, e)
    x = _weighed(net, x, e, "scale_2")
    x = tape.add(x, residual)
    return x if e.first else net.layer_norm(x, "norm_2")


def _attention(net: Net, x: Tensor, e: Encoder) -> Tensor:
    batch, length, _ = x.shape
    head = e.hidden // e.heads
    shape = (batch, e.heads, length, head)
    query = net.linear(x, "query", e.hidden, ATTENTION, bias=e.bias).view(*shape)
    key = net.linear(x, "key", e.hidden, ATTENTION, bias=e.bias and e.key_bias).view(*shape)
    value = net.linear(x, "value", e.hidden, ATTENTION, bias=e.bias).view(*shape)
    a = Attention(
        hidden=e.hidden,
        heads=e.heads,
        kv_heads=e.heads,
        head=head,
        causal=False,
        dropout=e.attention_dropout,
        upcast=False,
        heads_first=e.heads_first,
    )
    mixed = attend(net, query, key, value, a)
    return net.linear(mixed.view(batch, length, e.hidden), "output", e.hidden, ATTENTION)


def _mlp(net: Net, x: Tensor, e: Encoder) -> Tensor:
    tape = net.tape
    inner = activate(net, net.linear(x, "fc1", e.inner, MLP), e.act)
    inner = tape.dropout(inner, e.inner_dropout)
    rate = e.dropout if e.mlp_dropout is None else e.mlp_dropout
    return tape.dropout(net.linear(inner, "fc2", e.hidden, MLP), rate)


def _weighed(net: Net, x: Tensor, e: Encoder, name: str) -> Tensor:
    return net.tape.mul(x, net.weight(name, (e.hidden,), MLP).tensor) if e.scaled else x
