"""Models that listen to the wave itself: wav2vec 2.0 and HuBERT."""

from __future__ import annotations

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import activate
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.encoder import Encoder, run_encoder
from scaffolder.estimate.net import CONVOLUTIONS, EMBEDDINGS, HEAD, NORMS, Net, Size


def wav2vec2(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Convolutions turn the wave into 50 frames a second, which a transformer reads."""
    tape = net.tape
    widths = c.integers("conv_dim", default=[512] * 7, most=100_000)
    kernels = c.integers("conv_kernel", default=[10, 3, 3, 3, 3, 2, 2], most=10_000)
    strides = c.integers("conv_stride", default=[5, 2, 2, 2, 2, 2, 2], most=10_000)
    layered = c.text("feat_extract_norm", default="group") == "layer"
    bias = c.flag("conv_bias", default=False)
    act = c.text("feat_extract_activation", default="gelu")
    length = size.length
    x = Tensor((size.batch, 1, length), 4, None)
    for index, (width, kernel, stride) in enumerate(zip(widths, kernels, strides, strict=False)):
        length = max((length - kernel) // stride + 1, 1)
        with net.scope(f"conv.{index}"):
            x = net.convolution(x, "conv", width, (kernel,), (length,), bias=bias)
            if layered:
                x = net.layer_norm(tape.copy(x, (size.batch, length, width)), "norm").view(size.batch, width, length)
            elif index == 0:
                weight, offset = net.weight("norm.weight", (width,), NORMS), net.weight("norm.bias", (width,), NORMS)
                x = tape.batch_norm(x, weight, offset)  # a group norm keeps the same
            x = activate(net, x, act)
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    c.divided(hidden, heads, "hidden_size / num_attention_heads")
    x = x.view(size.batch, length, widths[-1])
    if c.flag("feat_proj_layer_norm", default=True):
        x = net.layer_norm(tape.copy(x), "projection_norm")
    x = net.linear(x, "projection", hidden, EMBEDDINGS)
    x = tape.dropout(x, c.number("feat_proj_dropout", default=0.0, most=1.0))
    if c.number("mask_time_prob", default=0.05) > 0 or c.number("mask_feature_prob", default=0.0) > 0:
        net.weight("masked_spec_embed", (hidden,), EMBEDDINGS)
    x = _placed(net, c, x, hidden)
    dropout = c.number("hidden_dropout", default=0.1, most=1.0)
    stable = c.flag("do_stable_layer_norm", default=False)
    if not stable:
        x = net.layer_norm(x, "encoder_norm")
    x = run_encoder(
        net,
        tape.dropout(x, dropout),
        Encoder(
            hidden=hidden,
            layers=c.layers("num_hidden_layers"),
            heads=heads,
            inner=c.integer("intermediate_size"),
            act=c.text("hidden_act", default="gelu"),
            first=stable,
            dropout=dropout,
            inner_dropout=c.number("activation_dropout", default=0.1, most=1.0),
            attention_dropout=c.number("attention_dropout", default=0.1, most=1.0),
        ),
    )
    if stable:
        x = net.layer_norm(x, "encoder_norm")
    if head == "ctc":
        with net.logits():
            return tape.small_loss(net.linear(x, "lm_head", c.integer("vocab_size", default=32), HEAD))
    if head.startswith("classes:"):
        narrow = net.linear(x, "projector", c.integer("classifier_proj_size", default=256), HEAD)
        return tape.small_loss(net.linear(narrow, "classifier", int(head.split(":")[1]), HEAD))
    return x


def _placed(net: Net, c: Configuration, x: Tensor, hidden: int) -> Tensor:
    """A wide convolution tells each frame where it is; its weight is kept as a direction and a length."""
    batch, length, _ = x.shape
    kernel = c.integer("num_conv_pos_embeddings", default=128, most=100_000)
    groups = c.integer("num_conv_pos_embedding_groups", default=16)
    c.divided(hidden, groups, "hidden_size / num_conv_pos_embedding_groups")
    net.weight("positions.length", (1, 1, kernel), CONVOLUTIONS)
    frames = net.tape.copy(x, (batch, hidden, length))
    # the weight is made from the two for each pass, and kept for the way back
    made = net.tape.new((hidden, hidden // groups, kernel), 4) if net.mode.training else None
    frames = net.tape.record(frames.view(*frames.shape), [net.tape.edge(frames, same=True)], [made])
    turned = net.convolution(frames, "positions", hidden, (kernel,), (length,), groups=groups)
    turned = activate(net, turned, c.text("feat_extract_activation", default="gelu"))
    return net.tape.add(x, turned.view(batch, length, hidden))


FAMILIES = {"wav2vec2": wav2vec2, "hubert": wav2vec2}
