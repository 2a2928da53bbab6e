"""BERT and its kin: texts that are read as a whole."""

from __future__ import annotations

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import activate
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.encoder import Encoder, run_encoder
from scaffolder.estimate.net import EMBEDDINGS, HEAD, Net, Size


def bert(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """BERT, RoBERTa, XLM-RoBERTa, CamemBERT and ELECTRA."""
    kind = c.model_type
    hidden = c.integer("hidden_size")
    narrow = c.integer("embedding_size", default=hidden) if kind == "electra" else hidden
    dropout = c.number("hidden_dropout_prob", default=0.1, most=1.0)
    positions = c.integer("max_position_embeddings", default=512)
    types = c.integer("type_vocab_size", default=2, least=0)
    x = _embedded(net, c, size, narrow, positions, types, dropout)
    if narrow != hidden:
        x = net.linear(x, "embeddings_project", hidden, EMBEDDINGS)
    heads = c.integer("num_attention_heads")
    c.divided(hidden, heads, "hidden_size / num_attention_heads")
    x = run_encoder(
        net,
        x,
        Encoder(
            hidden=hidden,
            layers=c.layers("num_hidden_layers"),
            heads=heads,
            inner=c.integer("intermediate_size"),
            act=c.text("hidden_act", default="gelu"),
            first=False,
            dropout=dropout,
            attention_dropout=c.number("attention_probs_dropout_prob", default=0.1, most=1.0),
        ),
    )
    pooled = kind == "bert" and not head.startswith("masked")
    if head == "masked":
        return _masked(net, x, c, narrow if kind == "electra" else hidden, "gelu" if kind != "bert" else "")
    if head.startswith("classes:"):
        first = net.tape.new((size.batch, hidden), x.width)
        if x.node is not None:
            net.tape.record(first, [net.tape.edge(x)], [])
        dense = net.linear(first, "pooler", hidden, HEAD)
        dense = net.tape.dropout(net.tape.map(dense, keep="output"), dropout)
        return net.tape.small_loss(net.linear(dense, "classifier", int(head.split(":")[1]), HEAD))
    if pooled or kind in ("roberta", "xlm-roberta", "camembert"):
        net.linear(net.tape.new((size.batch, hidden), x.width), "pooler", hidden, HEAD)
    return x


def distilbert(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    hidden, heads = c.integer("dim", "hidden_size"), c.integer("n_heads", "num_attention_heads")
    c.divided(hidden, heads, "dim / n_heads")
    dropout = c.number("dropout", default=0.1, most=1.0)
    positions = c.integer("max_position_embeddings", default=512)
    x = _embedded(net, c, size, hidden, positions, 0, dropout)
    x = run_encoder(
        net,
        x,
        Encoder(
            hidden=hidden,
            layers=c.layers("n_layers", "num_hidden_layers"),
            heads=heads,
            inner=c.integer("hidden_dim", default=4 * hidden),
            act=c.text("activation", default="gelu"),
            first=False,
            dropout=0.0,
            mlp_dropout=dropout,
            attention_dropout=c.number("attention_dropout", default=0.1, most=1.0),
        ),
    )
    if head == "masked":
        return _masked(net, x, c, hidden, "")
    if head.startswith("classes:"):
        first = net.tape.record(net.tape.new((size.batch, hidden), x.width), [net.tape.edge(x)], [])
        dense = net.tape.map(net.linear(first, "pre_classifier", hidden, HEAD), keep="output")
        return net.tape.small_loss(net.linear(dense, "classifier", int(head.split(":")[1]), HEAD))
    return x


def _embedded(net: Net, c: Configuration, size: Size, width: int, positions: int, types: int, dropout: float) -> Tensor:
    shape = (size.batch, size.length)
    x = net.embedding(shape, "word_embeddings", c.integer("vocab_size"), width)
    if types:
        x = net.tape.add(x, net.embedding(shape, "token_type_embeddings", types, width))
    x = net.tape.add(x, net.embedding((1, size.length), "position_embeddings", positions, width))
    return net.tape.dropout(net.layer_norm(x, "embeddings_norm"), dropout)


def _masked(net: Net, x: Tensor, c: Configuration, width: int, act: str) -> Tensor:
    """A dense layer, a norm, and the token table once more with an offset."""
    vocabulary = c.integer("vocab_size")
    x = net.linear(x, "transform", width, HEAD)
    x = activate(net, x, act or c.text("hidden_act", "activation", default="gelu"))
    x = net.layer_norm(x, "transform_norm", part=HEAD)
    tied = c.flag("tie_word_embeddings", default=True)
    with net.logits():
        weight = net.weight("word_embeddings" if tied else "decoder", (vocabulary, width), HEAD, absolute=tied)
        if not tied and c.model_type != "distilbert":
            net.weight("predictions_bias", (vocabulary,), HEAD)  # then the head's offset is there twice
        logits = net.tape.linear(x, weight, net.weight("decoder_bias", (vocabulary,), HEAD))
        return net.tape.cross_entropy(logits) if net.mode.training else logits


FAMILIES = {
    "bert": bert,
    "roberta": bert,
    "xlm-roberta": bert,
    "camembert": bert,
    "electra": bert,
    "distilbert": distilbert,
}
