"""Models that look at images: transformers over patches, and convolutions."""

from __future__ import annotations

from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.blocks import Attention, activate, attend, mlp
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.encoder import Encoder, run_encoder
from scaffolder.estimate.net import ATTENTION, EMBEDDINGS, HEAD, MLP, Net, Size


def square(c: Configuration, name: str, default: int) -> int:
    """A length of an image's side; a list of two equal ones is accepted."""
    value = c.values.get(name)
    if isinstance(value, list) and len(value) == 2:
        return Configuration(
            {**c.values, name: max(value, key=lambda one: one if isinstance(one, int) else 0)}, c.name
        ).integer(name, most=65_536)
    return c.integer(name, default=default, most=65_536)


def encoder(
    c: Configuration, dropout: str = "hidden_dropout_prob", attention: str = "attention_probs_dropout_prob"
) -> Encoder:
    hidden, heads = c.integer("hidden_size"), c.integer("num_attention_heads")
    c.divided(hidden, heads, "hidden_size / num_attention_heads")
    inner = c.integer("intermediate_size", default=hidden * c.integer("mlp_ratio", default=4))
    return Encoder(
        hidden=hidden,
        layers=c.layers("num_hidden_layers"),
        heads=heads,
        inner=inner,
        act=c.text("hidden_act", default="gelu"),
        first=True,
        dropout=c.number(dropout, default=0.0, most=1.0),
        attention_dropout=c.number(attention, default=0.0, most=1.0),
        bias=c.flag("qkv_bias", default=True),
    )


def pixels(net: Net, c: Configuration, size: Size, side: int) -> Tensor:
    """The images themselves: (batch, channels, side, side), held by whoever made the batch."""
    width = net.keeping.width if not net.mode.autocast else 4
    return Tensor((size.batch, c.integer("num_channels", default=3), side, side), width, None)


def patches(net: Net, c: Configuration, size: Size, hidden: int, side: int, patch: int, *, bias: bool = True) -> Tensor:
    count = max(side // patch, 1)
    x = net.convolution(pixels(net, c, size, side), "patches", hidden, (patch, patch), (count, count), bias=bias)
    return x.view(size.batch, count * count, hidden)


def vit(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """ViT, DeiT (a second token, taught by another model) and DINOv2."""
    kind, tape = c.model_type, net.tape
    e = encoder(c)
    if kind == "dinov2":
        from dataclasses import replace

        e = replace(e, scaled=True)
        net.weight("mask_token", (1, 1, e.hidden), EMBEDDINGS)
    own, patch = square(c, "image_size", 224), square(c, "patch_size", 16)
    tokens = 2 if kind == "deit" else 1
    x = patches(net, c, size, e.hidden, size.length or own, patch)
    first = [net.weight(f"token_{index}", (1, 1, e.hidden), EMBEDDINGS).tensor for index in range(tokens)]
    positions = net.weight("positions", (1, (own // patch) ** 2 + tokens, e.hidden), EMBEDDINGS)
    x = tape.cat([*first, x], (size.batch, x.shape[1] + tokens, e.hidden))
    x = tape.dropout(tape.add(x, positions.tensor), e.dropout)
    x = net.layer_norm(run_encoder(net, x, e), "norm")
    if not head.startswith("classes:"):
        if kind in ("vit", "deit"):
            net.linear(tape.new((size.batch, e.hidden), x.width), "pooler", e.hidden, HEAD)
        return x
    classes = int(head.split(":")[1])
    top = tape.record(tape.new((size.batch, e.hidden), x.width), [tape.edge(x)], [])
    if kind == "dinov2":
        top = tape.cat([top, top], (size.batch, 2 * e.hidden))
    if _taught(c):
        net.linear(top, "distillation_classifier", classes, HEAD)
    return tape.small_loss(net.linear(top, "classifier", classes, HEAD))


def _taught(c: Configuration) -> bool:
    names = c.values.get("architectures")
    return isinstance(names, list) and bool(names) and str(names[0]).endswith("WithTeacher")


def swin(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Attention inside windows, which move by half a window in every second block (Liu et al., 2021)."""
    tape = net.tape
    width, window = c.integer("embed_dim"), c.integer("window_size", default=7, most=4096)
    depths, heads = c.integers("depths", most=1000), c.integers("num_heads", most=100_000)
    ratio = c.number("mlp_ratio", default=4.0, least=0.01, most=1000)
    side = (size.length or square(c, "image_size", 224)) // square(c, "patch_size", 4)
    side = max(side, 1)
    x = patches(net, c, size, width, side * square(c, "patch_size", 4), square(c, "patch_size", 4))
    x = net.layer_norm(x, "embeddings_norm")
    act = c.text("hidden_act", default="gelu")
    for stage, (depth, count) in enumerate(zip(depths, heads, strict=False)):
        c.divided(width, count, "embed_dim / num_heads")
        for layer in range(depth):
            with net.scope(f"stages.{stage}.{layer}", unit=True):
                x = _swin_layer(net, c, x, side, window, count, int(ratio * width), act, shifted=bool(layer % 2))
        if stage + 1 < len(depths):
            side = (side + 1) // 2
            with net.scope(f"stages.{stage}.merge"):
                x = tape.copy(x, (size.batch, side * side, 4 * width))
                x = net.linear(net.layer_norm(x, "norm"), "reduction", 2 * width, MLP, bias=False)
            width *= 2
    x = net.layer_norm(x, "norm")
    return _image_head(net, x, size, width, head)


def _swin_layer(
    net: Net, c: Configuration, x: Tensor, side: int, window: int, heads: int, inner: int, act: str, *, shifted: bool
) -> Tensor:
    tape = net.tape
    batch, length, width = x.shape
    window = min(window, side)
    whole = -(-side // window) * window
    count = batch * (whole // window) ** 2
    residual = x
    x = net.layer_norm(x, "norm_1")
    if shifted:
        x = tape.copy(x)
    x = tape.copy(x, (count, window * window, width))
    head = width // heads
    shape = (count, heads, window * window, head)
    bias = c.flag("qkv_bias", default=True)
    query = net.linear(x, "query", width, ATTENTION, bias=bias).view(*shape)
    key = net.linear(x, "key", width, ATTENTION, bias=bias).view(*shape)
    value = net.linear(x, "value", width, ATTENTION, bias=bias).view(*shape)
    net.weight("relative_positions", ((2 * window - 1) ** 2, heads), ATTENTION)
    a = Attention(hidden=width, heads=heads, kv_heads=heads, head=head, causal=False, learned_bias=True)
    mixed = attend(net, query, key, value, a)
    x = net.linear(mixed.view(count, window * window, width), "output", width, ATTENTION)
    x = tape.copy(x, (batch, length, width))
    if shifted:
        x = tape.copy(x)
    x = tape.add(residual, x)
    residual = x
    x = mlp(net, net.layer_norm(x, "norm_2"), inner, act, ("fc1", "fc2"), bias=True)
    return tape.add(x, residual)


def convnext(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Depthwise convolutions and pointwise matrices (Liu et al., 2022)."""
    tape = net.tape
    widths, depths = c.integers("hidden_sizes", most=100_000), c.integers("depths", most=1000)
    patch = square(c, "patch_size", 4)
    side = max((size.length or square(c, "image_size", 224)) // patch, 1)
    x = net.convolution(pixels(net, c, size, side * patch), "patches", widths[0], (patch, patch), (side, side))
    x = _channel_norm(net, x, "embeddings_norm")
    scaled = c.number("layer_scale_init_value", default=1e-6) > 0
    act = c.text("hidden_act", default="gelu")
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=False)):
        if stage:
            side = max(side // 2, 1)
            with net.scope(f"stages.{stage}.down"):
                x = net.convolution(_channel_norm(net, x, "norm"), "conv", width, (2, 2), (side, side))
        for layer in range(depth):
            with net.scope(f"stages.{stage}.{layer}", unit=True):
                x = _convnext_layer(net, x, act, scaled=scaled)
    top = tape.record(tape.new((size.batch, widths[-1]), x.width), [tape.edge(x)], [])
    return _classified(net, net.layer_norm(top, "norm"), head)


def _convnext_layer(net: Net, x: Tensor, act: str, *, scaled: bool) -> Tensor:
    batch, width, high, wide = x.shape
    residual = x
    x = net.convolution(x, "depthwise", width, (7, 7), (high, wide), groups=width)
    x = net.layer_norm(x.view(batch, high, wide, width), "norm")
    x = activate(net, net.linear(x, "pointwise_1", 4 * width, MLP), act)
    x = net.linear(x, "pointwise_2", width, MLP)
    if scaled:
        x = net.tape.mul(x, net.weight("scale", (width,), MLP).tensor)
    return net.tape.add(residual, x.view(batch, width, high, wide))


def _channel_norm(net: Net, x: Tensor, name: str) -> Tensor:
    batch, width, high, wide = x.shape
    # the channels are last for the norm alone: it works on a copy
    return net.layer_norm(net.tape.copy(x, (batch, high, wide, width)), name).view(batch, width, high, wide)


def resnet(net: Net, c: Configuration, size: Size, head: str) -> Tensor:
    """Residual networks (He et al., 2015): blocks of two or three convolutions, each with a batch norm."""
    tape = net.tape
    widths, depths = c.integers("hidden_sizes", most=100_000), c.integers("depths", most=1000)
    deep = c.text("layer_type", default="bottleneck") == "bottleneck"
    act = c.text("hidden_act", default="relu")
    side = size.length or 224
    side = max(-(-side // 2), 1)
    first = c.integer("embedding_size", default=64)
    x = _conv_norm(net, pixels(net, c, size, size.length or 224), "stem", first, 7, side, act)
    side = max(-(-side // 2), 1)
    indices = tape.new((size.batch, first, side, side), 8)
    x = tape.record(tape.new((size.batch, first, side, side), x.width), [tape.edge(x)], [x, indices])
    del indices
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=False)):
        for layer in range(depth):
            halves = layer == 0 and (stage > 0 or c.flag("downsample_in_first_stage", default=False))
            before, side = side, max(-(-side // 2), 1) if halves else side
            with net.scope(f"stages.{stage}.{layer}", unit=True):
                x = _resnet_layer(net, x, width, side, before, act, deep=deep, halves=halves)
    top = tape.record(tape.new((size.batch, widths[-1]), x.width), [tape.edge(x)], [])
    return _classified(net, top, head)


def _resnet_layer(
    net: Net, x: Tensor, width: int, side: int, before: int, act: str, *, deep: bool, halves: bool
) -> Tensor:
    tape = net.tape
    residual = x
    if deep:
        narrow = max(width // 4, 1)
        y = _conv_norm(net, x, "conv_1", narrow, 1, before, act)
        y = _conv_norm(net, y, "conv_2", narrow, 3, side, act)
        y = _conv_norm(net, y, "conv_3", width, 1, side, "")
    else:
        y = _conv_norm(net, x, "conv_1", width, 3, side, act)
        y = _conv_norm(net, y, "conv_2", width, 3, side, "")
    if residual.shape[1] != width or halves:
        residual = _conv_norm(net, residual, "shortcut", width, 1, side, "")
    # += adds in place: no third tensor
    total = Tensor(y.shape, y.width, y.storage)
    total = tape.record(total, [tape.edge(y, same=True), tape.edge(residual, same=True)], [])
    del y
    return activate(net, total, act)


def _conv_norm(net: Net, x: Tensor, name: str, width: int, kernel: int, side: int, act: str) -> Tensor:
    x = net.convolution(x, f"{name}.conv", width, (kernel, kernel), (side, side), bias=False)
    x = net.batch_norm(x, f"{name}.norm")
    return activate(net, x, act) if act else x


def _image_head(net: Net, x: Tensor, size: Size, width: int, head: str) -> Tensor:
    if head == "none":
        return x
    return _classified(net, net.tape.record(net.tape.new((size.batch, width), x.width), [net.tape.edge(x)], []), head)


def _classified(net: Net, x: Tensor, head: str) -> Tensor:
    if not head.startswith("classes:"):
        return x
    return net.tape.small_loss(net.linear(x, "classifier", int(head.split(":")[1]), HEAD))


def clip(net: Net, c: Configuration, size: Size, head: str) -> Tensor:  # noqa: ARG001
    """Two towers, for texts and for images, whose outputs meet in one space (Radford et al., 2021)."""
    tape = net.tape
    text, vision = c.part("text_config"), c.part("vision_config")
    shared = c.integer("projection_dim", default=512)
    with net.scope("text"):
        e = encoder(text, "none", "attention_dropout")
        length = text.integer("max_position_embeddings", default=77)
        x = net.embedding((size.batch, length), "tokens", text.integer("vocab_size", default=49_408), e.hidden)
        x = tape.add(x, net.embedding((1, length), "positions", length, e.hidden))
        x = net.layer_norm(run_encoder(net, x, e, "layers"), "norm")
        top = tape.record(tape.new((size.batch, e.hidden), x.width), [tape.edge(x)], [])
        words = net.linear(top, "projection", shared, HEAD, bias=False)
    with net.scope("vision"):
        e = encoder(vision, "none", "attention_dropout")
        own, patch = square(vision, "image_size", 224), square(vision, "patch_size", 32)
        x = patches(net, vision, size, e.hidden, own, patch, bias=False)
        token = net.weight("class_token", (e.hidden,), EMBEDDINGS).tensor
        x = tape.cat([token, x], (size.batch, x.shape[1] + 1, e.hidden))
        x = tape.add(x, net.embedding((1, x.shape[1]), "positions", (own // patch) ** 2 + 1, e.hidden))
        x = net.layer_norm(x, "pre_norm")
        x = run_encoder(net, x, e, "layers")
        top = tape.record(tape.new((size.batch, e.hidden), x.width), [tape.edge(x)], [])
        seen = net.linear(net.layer_norm(top, "post_norm"), "projection", shared, HEAD, bias=False)
    net.weight("logit_scale", (), HEAD)
    return tape.small_loss(tape.matmul(words, seen, (size.batch, size.batch)))


FAMILIES = {
    "vit": vit,
    "deit": vit,
    "dinov2": vit,
    "swin": swin,
    "convnext": convnext,
    "resnet": resnet,
    "clip": clip,
}
