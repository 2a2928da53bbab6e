"""Language models that write: one forward pass with the variations that the families have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import Attention, Experts, experts, gated_mlp, mlp, self_attention
from scaffolder.estimate.net import EMBEDDINGS, HEAD, Net, Size

Mixer = Callable[[Net, Tensor, Tensor | None, int], Tensor]


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """What makes one family differ from the next.

    Attributes:
        norm: `rms`, `wide` (its weight multiplies in float32), `gemma` (that, and the embeddings are scaled), `layer`,
            `layer_no_bias`, or `plain` (no parameters).
        order: Where the norms are: `pre`, `post` (on what a branch gives back), `sandwich` (both), or `parallel`
            (attention and MLP side by side).
        parallel_norms: Of the `parallel` order: one norm for both branches, or one for each.
        mlp_bias, gated, fused_gate: Of the MLP.
        mlp_adapted: Adapters are put beside ordinary MLPs.
        positions: Rows of a table of learned positions, 0 without one.
        embedding_norm: A norm right after the embeddings (BLOOM).
        embedding_width: Of the token table where it is narrower or wider than the blocks, and projected (OPT).
        mixture: The experts of layer i, None where it has an ordinary MLP.
        mixer: Another kind of attention (multi-head latent attention).
        dropout: On what each branch gives back, and on the embeddings.
        window: For each layer, whether it sees a window of the text alone; the kernel then gets a mask.
    """

    hidden: int
    layers: int
    vocabulary: int
    inner: int
    act: str
    attention: Attention
    norm: Literal["rms", "wide", "gemma", "layer", "layer_no_bias", "plain"] = "rms"
    order: Literal["pre", "post", "sandwich", "parallel"] = "pre"
    parallel_norms: int = 1
    gated: bool = True
    fused_gate: bool = False
    mlp_bias: bool = False
    mlp_adapted: bool = True
    positions: int = 0
    embedding_norm: bool = False
    embedding_width: int = 0
    final_norm: bool = True
    tied: bool = False
    head_bias: bool = False
    dropout: float = 0.0
    mixture: Callable[[int], Experts | None] | None = None
    mixer: Mixer | None = None
    window: int = 0
    windowed: Callable[[int], bool] | None = None
    mlp_names: tuple[str, str] = ("fc1", "fc2")


def norm(net: Net, x: Tensor, name: str, kind: str) -> Tensor:
    if kind == "layer":
        return net.layer_norm(x, name)
    if kind == "layer_no_bias":
        return net.layer_norm(x, name, bias=False)
    if kind == "plain":
        return net.tape.layer_norm(x, None, None)
    return net.rms_norm(x, name, scale_first=kind in ("wide", "gemma"))


def run_decoder(net: Net, spec: Decoder, size: Size, head: str) -> Tensor:
    """Tokens to a loss (`causal`), to scores of classes (`classes:N`) or to the last hidden states (`none`)."""
    tape = net.tape
    batch, length = size.batch, size.length
    x = net.embedding((batch, length), "embed_tokens", spec.vocabulary, spec.embedding_width or spec.hidden)
    if spec.norm == "gemma":
        x = tape.scale(x)
    if spec.embedding_width:
        x = net.linear(x, "project_in", spec.hidden, EMBEDDINGS, bias=False)
    if spec.positions:
        x = tape.add(x, net.embedding((1, length), "positions", spec.positions, spec.hidden))
        x = tape.dropout(x, spec.dropout)
    if spec.embedding_norm:
        x = norm(net, x, "embedding_norm", spec.norm)
    embedded = x  # the model's function holds them to its end
    position = None
    if spec.attention.rotary:
        position = tape.new((2, length, int(spec.attention.head * spec.attention.rotary)), x.width)
    for layer in range(spec.layers):
        x = net.block(f"layers.{layer}", partial(_layer, net, spec, position, layer, length), x)
    del embedded
    if spec.final_norm:
        x = norm(net, x, "norm", spec.norm)
    if spec.embedding_width:
        x = net.linear(x, "project_out", spec.embedding_width, EMBEDDINGS, bias=False)
    return finish(net, x, spec, head)


def finish(net: Net, x: Tensor, spec: Decoder, head: str) -> Tensor:
    if head.startswith("classes:"):
        return net.tape.small_loss(net.linear(x, "score", int(head.split(":")[1]), HEAD, bias=False))
    if head == "none":
        return x
    tied = "embed_tokens" if spec.tied else ""
    return language_head(net, x, spec.vocabulary, tied=tied, bias=spec.head_bias, loss=net.mode.loss)


def language_head(
    net: Net, x: Tensor, vocabulary: int, *, tied: str, bias: bool = False, loss: str = "whole"
) -> Tensor:
    """Scores for every token of the vocabulary, and the loss. Without training: of the last token alone."""
    tape = net.tape
    if not net.mode.training:
        x = tape.new((x.shape[0], 1, x.shape[2]), x.width)
    with net.logits():
        shape = (vocabulary, x.shape[-1])
        weight = net.weight(tied or "lm_head.weight", shape, HEAD, absolute=bool(tied))
        if net.mode.training and loss == "pieces" and not bias:
            return tape.loss_in_pieces(x, weight)
        logits = tape.linear(x, weight, net.weight("lm_head.bias", (vocabulary,), HEAD) if bias else None)
        return tape.cross_entropy(logits) if net.mode.training else logits


def _layer(net: Net, spec: Decoder, position: Tensor | None, layer: int, length: int, x: Tensor) -> Tensor:
    if spec.order == "parallel":
        return _parallel_layer(net, spec, x, position, layer, length)
    tape = net.tape
    before, after = spec.order in ("pre", "sandwich"), spec.order in ("post", "sandwich")
    residual = x
    if before:
        x = norm(net, x, "input_norm", spec.norm)
    x = _attention(net, spec, x, position, layer, length)
    if after:
        x = norm(net, x, "post_attention_norm", spec.norm)
    x = tape.dropout(x, spec.dropout)
    x = tape.add(residual, x)
    residual = x
    if before:
        x = norm(net, x, "pre_mlp_norm", spec.norm)
    x = _mlp(net, spec, x, layer)
    if after:
        x = norm(net, x, "post_mlp_norm", spec.norm)
    x = tape.dropout(x, spec.dropout)
    return tape.add(residual, x)


def _parallel_layer(net: Net, spec: Decoder, x: Tensor, position: Tensor | None, layer: int, length: int) -> Tensor:
    tape = net.tape
    residual = x
    x = norm(net, residual, "input_norm", spec.norm)
    mixed = tape.dropout(_attention(net, spec, x, position, layer, length), spec.dropout)
    if spec.parallel_norms == 2:
        x = norm(net, residual, "mlp_norm", spec.norm)
    fed = tape.dropout(_mlp(net, spec, x, layer), spec.dropout)
    return tape.add(tape.add(residual, mixed), fed)


def _attention(net: Net, spec: Decoder, x: Tensor, position: Tensor | None, layer: int, length: int) -> Tensor:
    if spec.mixer is not None:
        return spec.mixer(net, x, position, layer)
    attention = spec.attention
    if spec.window and length >= spec.window and (spec.windowed is None or spec.windowed(layer)):
        attention = replace(attention, mask=True)
    return self_attention(net, x, attention, position)


def _mlp(net: Net, spec: Decoder, x: Tensor, layer: int) -> Tensor:
    mixture = spec.mixture(layer) if spec.mixture else None
    if mixture is not None:
        return experts(net, x, mixture)
    if spec.gated:
        return gated_mlp(
            net, x, spec.inner, spec.act, bias=spec.mlp_bias, fused=spec.fused_gate, adapt=spec.mlp_adapted
        )
    return mlp(net, x, spec.inner, spec.act, spec.mlp_names, bias=spec.mlp_bias)
