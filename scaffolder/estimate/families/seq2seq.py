"""Models that read one text (or sound) and write another: T5, BART and its kin, Whisper."""

from __future__ import annotations

from dataclasses import dataclass

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import Attention, activate, attend, cross_attention, gated_mlp, mlp, self_attention
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.decoder import language_head
from scaffolder.estimate.encoder import Encoder, run_encoder
from scaffolder.estimate.net import ATTENTION, EMBEDDINGS, HEAD, Net, Size


@dataclass(frozen=True, kw_only=True)
class Writer:
    """The blocks of a decoder that also attends to what was read (`first`: norms before, not after)."""

    hidden: int
    layers: int
    heads: int
    inner: int
    act: str
    first: bool
    dropout: float
    attention_dropout: float
    inner_dropout: float
    key_bias: bool = True


def run_writer(net: Net, x: Tensor, source: Tensor, w: Writer) -> Tensor:
    for layer in range(w.layers):
        x = net.block(f"decoder.{layer}", lambda x: _writer_layer(net, x, source, w), x)
    return x


def _writer_layer(net: Net, x: Tensor, source: Tensor, w: Writer) -> Tensor:
    tape = net.tape
    for name, other in (("self", None), ("cross", source)):
        residual = x
        if w.first:
            x = net.layer_norm(x, f"{name}_norm")
        with net.scope(name):
            x = tape.dropout(_writer_attention(net, x, other, w), w.dropout)
        x = tape.add(residual, x)
        if not w.first:
            x = net.layer_norm(x, f"{name}_norm")
    residual = x
    if w.first:
        x = net.layer_norm(x, "mlp_norm")
    x = mlp(net, x, w.inner, w.act, ("fc1", "fc2"), bias=True, dropout=w.inner_dropout)
    x = tape.add(residual, tape.dropout(x, w.dropout))
    return x if w.first else net.layer_norm(x, "mlp_norm")


def _writer_attention(net: Net, x: Tensor, other: Tensor | None, w: Writer) -> Tensor:
    batch, length, _ = x.shape
    read = x if other is None else other
    head = w.hidden // w.heads
    query = net.linear(x, "q_proj", w.hidden, ATTENTION).view(batch, w.heads, length, head)
    key = net.linear(read, "k_proj", w.hidden, ATTENTION, bias=w.key_bias).view(batch, w.heads, read.shape[1], head)
    value = net.linear(read, "v_proj", w.hidden, ATTENTION).view(*key.shape)
    if net.mode.cache:
        key, value = net.tape.remember(key), net.tape.remember(value)
    a = Attention(
        hidden=w.hidden,
        heads=w.heads,
        kv_heads=w.heads,
        head=head,
        causal=other is None,
        dropout=w.attention_dropout,
        upcast=False,
        heads_first=not w.key_bias,
    )
    mixed = attend(net, query, key, value, a)
    return net.linear(mixed.view(batch, length, w.hidden), "out_proj", w.hidden, ATTENTION)


def bart(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """BART, mBART, Marian: one token table for both sides and the head."""
    kind = c.model_type
    hidden, vocabulary = c.integer("d_model"), c.integer("vocab_size")
    dropout = c.number("dropout", default=0.1, most=1.0)
    # BART and mBART keep two rows for padding; Marian's are waves that are computed once
    positions = c.integer("max_position_embeddings", default=1024) + (0 if kind == "marian" else 2)
    target = size.target or size.length

    def embedded(side: str, length: int) -> Tensor:
        x = net.embedding((size.batch, length), "shared", vocabulary, hidden, absolute=True)
        with net.scope(side):
            x = net.tape.add(x, net.embedding((1, length), "positions", positions, hidden))
            if kind != "marian":
                x = net.layer_norm(x, "embeddings_norm")
        return net.tape.dropout(x, dropout)

    first = kind == "mbart"
    source = run_encoder(net, embedded("encoder", size.length), _encoder(c, hidden, dropout, first=first))
    if first:
        source = net.layer_norm(source, "encoder_norm")
    x = run_writer(net, embedded("decoder", target), source, _writer(c, hidden, dropout, first=first))
    if first:
        x = net.layer_norm(x, "decoder_norm")
    return x if head == "none" else language_head(net, x, vocabulary, tied="shared")


def _encoder(c: Configuration, hidden: int, dropout: float, *, first: bool, key_bias: bool = True) -> Encoder:
    heads = c.integer("encoder_attention_heads")
    c.divided(hidden, heads, "d_model / encoder_attention_heads")
    return Encoder(
        hidden=hidden,
        layers=c.layers("encoder_layers"),
        heads=heads,
        inner=c.integer("encoder_ffn_dim"),
        act=c.text("activation_function", default="gelu"),
        first=first,
        dropout=dropout,
        inner_dropout=c.number("activation_dropout", default=0.0, most=1.0),
        attention_dropout=c.number("attention_dropout", default=0.0, most=1.0),
        key_bias=key_bias,
        heads_first=not key_bias,  # Whisper puts them in order at once
    )


def _writer(c: Configuration, hidden: int, dropout: float, *, first: bool, key_bias: bool = True) -> Writer:
    heads = c.integer("decoder_attention_heads")
    c.divided(hidden, heads, "d_model / decoder_attention_heads")
    return Writer(
        hidden=hidden,
        layers=c.layers("decoder_layers"),
        heads=heads,
        inner=c.integer("decoder_ffn_dim"),
        act=c.text("activation_function", default="gelu"),
        first=first,
        dropout=dropout,
        attention_dropout=c.number("attention_dropout", default=0.0, most=1.0),
        inner_dropout=c.number("activation_dropout", default=0.0, most=1.0),
        key_bias=key_bias,
    )


def whisper(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Two convolutions over 30 seconds of mel frames, an encoder, and a decoder that writes the text."""
    hidden, vocabulary = c.integer("d_model"), c.integer("vocab_size")
    bins, frames = c.integer("num_mel_bins", default=80), c.integer("max_source_positions", default=1500)
    positions = c.integer("max_target_positions", default=448)
    dropout = c.number("dropout", default=0.0, most=1.0)
    sound = net.tape.new((size.batch, bins, 2 * frames), 4)
    x = activate(net, net.convolution(sound, "conv1", hidden, (3,), (2 * frames,)), "gelu")
    x = activate(net, net.convolution(x, "conv2", hidden, (3,), (frames,)), "gelu")
    x = x.view(size.batch, frames, hidden)
    # the encoder's positions are waves that are never trained
    table = net.frozen("encoder_positions", (frames, hidden), EMBEDDINGS)
    x = net.tape.dropout(net.tape.add(x, table.tensor), dropout)
    source = run_encoder(net, x, _encoder(c, hidden, dropout, first=True, key_bias=False))
    source = net.layer_norm(source, "encoder_norm")
    if head.startswith("classes:"):
        narrow = net.linear(source, "projector", c.integer("classifier_proj_size", default=256), HEAD)
        return net.tape.small_loss(net.linear(narrow, "classifier", int(head.split(":")[1]), HEAD))
    length = min(size.target or positions, positions)
    x = net.embedding((size.batch, length), "tokens", vocabulary, hidden)
    x = net.tape.add(x, net.embedding((length,), "decoder_positions", positions, hidden))
    x = run_writer(net, net.tape.dropout(x, dropout), source, _writer(c, hidden, dropout, first=True, key_bias=False))
    x = net.layer_norm(x, "decoder_norm")
    return x if head == "none" else language_head(net, x, vocabulary, tied="tokens")


def t5(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Relative positions are added to the scores: the first layer of each side makes them for all."""
    hidden, vocabulary = c.integer("d_model"), c.integer("vocab_size")
    dropout = c.number("dropout_rate", default=0.1, most=1.0)
    layers = c.layers("num_layers", default=6)
    written = c.layers("num_decoder_layers", default=layers)
    tape = net.tape

    def side(name: str, length: int, count: int, source: Tensor | None) -> Tensor:
        x = net.embedding((size.batch, length), "shared", vocabulary, hidden, absolute=True)
        x = tape.dropout(x, dropout)
        heads = c.integer("num_heads")
        buckets = c.integer("relative_attention_num_buckets", default=32)
        with net.scope(f"{name}.0.self"):
            bias = net.embedding((length, length), "relative_attention_bias", buckets, heads)
        for layer in range(count):
            x = net.block(f"{name}.{layer}", lambda x: _t5_layer(net, c, x, source, bias, dropout), x)
        return tape.dropout(net.rms_norm(x, f"{name}_norm"), dropout)

    source = side("encoder", size.length, layers, None)
    x = side("decoder", size.target or size.length, written, source)
    return x if head == "none" else language_head(net, x, vocabulary, tied="shared")


def _t5_layer(net: Net, c: Configuration, x: Tensor, source: Tensor | None, bias: Tensor, dropout: float) -> Tensor:
    tape = net.tape
    hidden, heads, head = c.integer("d_model"), c.integer("num_heads"), c.integer("d_kv", default=64)
    names = ("q", "k", "v", "o")
    a = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head=head,
        causal=False,
        learned_bias=True,
        dropout=dropout,
        names=names,
    )
    with net.scope("self"):
        mixed = self_attention(net, net.rms_norm(x, "norm"), a, None)
    del bias
    x = tape.add(x, tape.dropout(mixed, dropout))
    if source is not None:
        with net.scope("cross"):
            mixed = cross_attention(net, net.rms_norm(x, "norm"), source, a)
        x = tape.add(x, tape.dropout(mixed, dropout))
    inner, form = c.integer("d_ff"), c.text("feed_forward_proj", default="relu")
    fed = net.rms_norm(x, "mlp_norm")
    if form.startswith("gated-"):
        act = form.removeprefix("gated-")
        fed = gated_mlp(net, fed, inner, "gelu_new" if act == "gelu" else act, dropout=dropout)
    else:
        fed = mlp(net, fed, inner, form, ("wi", "wo"), bias=False, dropout=dropout)
    return tape.add(x, tape.dropout(fed, dropout))


FAMILIES = {"bart": bart, "mbart": bart, "marian": bart, "t5": t5, "whisper": whisper}
