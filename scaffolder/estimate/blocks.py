"""What transformer blocks are put together from, as transformers writes them.

A local name here keeps a tensor alive as long as it does there.
"""

from __future__ import annotations

from dataclasses import dataclass

from scaffolder.estimate.autograd import Tensor, elements
from scaffolder.estimate.net import ATTENTION, EXPERTS, MLP, Net


@dataclass(frozen=True, kw_only=True)
class Attention:
    """The shape of an attention.

    Attributes:
        kv_heads: Heads of keys and values, shared by groups of query heads (Ainslie et al., 2023).
        bias, out_bias: Whether the three projections, and the last one, have offsets.
        rotary: Part of a head's numbers that is rotated by position, 0 without rotation (Su et al., 2021).
        fused: One matrix makes queries, keys and values; `copied` puts each in memory of its own.
        query_norm: `head` normalises each head's queries and keys, `full` all heads at once.
        causal: A token sees only those before it.
        eager: Scores are always written out.
        one_key_head: All queries share one head of keys without being told so: no fused kernel takes that.
        softcap: They are bounded by a tanh on the way, which no fused kernel does.
        learned_bias: A learned number for each pair of positions is added to the scores.
        heads_first: Queries come in memory of their own, head by head: the result must be put in order by a copy.
        mask: A mask is made and handed to the kernel: its keys and values are repeated for every query head.
        dropout: Of the attention's weights.
        upcast: Scores are normalised in float32 where they are written out.
    """

    hidden: int
    heads: int
    kv_heads: int
    head: int
    bias: bool = False
    out_bias: bool = False
    rotary: float = 0.0
    fused: str = ""
    query_norm: str = ""
    norm: str = "rms"
    causal: bool = True
    mask: bool = False
    eager: bool = False
    one_key_head: bool = False
    softcap: bool = False
    copied: bool = False
    learned_bias: bool = False
    heads_first: bool = False
    dropout: float = 0.0
    upcast: bool = True
    names: tuple[str, str, str, str] = ("q_proj", "k_proj", "v_proj", "o_proj")


def self_attention(net: Net, x: Tensor, a: Attention, position: Tensor | None = None) -> Tensor:
    """(batch, length, hidden) to the same: project, rotate, attend, project back."""
    batch, length, _ = x.shape
    width = a.heads * a.head
    shared = a.kv_heads * a.head
    if a.fused:
        whole = net.linear(x, a.fused, width + 2 * shared, ATTENTION, bias=a.bias)
        parts = [(batch, length, width), (batch, length, shared), (batch, length, shared)]
        query, key, value = net.tape.split(whole, list(parts))
        del whole
        if a.copied:
            query, key, value = net.tape.copy(query), net.tape.copy(key), net.tape.copy(value)
    else:
        query = net.linear(x, a.names[0], width, ATTENTION, bias=a.bias)
        key = net.linear(x, a.names[1], shared, ATTENTION, bias=a.bias)
        value = net.linear(x, a.names[2], shared, ATTENTION, bias=a.bias)
    if a.query_norm:
        query, key = _normalised(net, query, key, a)
    query = query.view(batch, a.heads, length, a.head)
    key = key.view(batch, a.kv_heads, length, a.head)
    value = value.view(batch, a.kv_heads, length, a.head)
    if a.rotary and position is not None:
        query, key = rotate(net, query, position, a.rotary), rotate(net, key, position, a.rotary)
    key, value = remember(net, key, value)
    mixed = attend(net, query, key, value, a)
    return net.linear(mixed.view(batch, length, width), a.names[3], a.hidden, ATTENTION, bias=a.out_bias)


def cross_attention(net: Net, x: Tensor, source: Tensor, a: Attention) -> Tensor:
    """Queries from one sequence, keys and values from another."""
    batch, length, _ = x.shape
    width = a.heads * a.head
    query = net.linear(x, a.names[0], width, ATTENTION, bias=a.bias).view(batch, a.heads, length, a.head)
    key = net.linear(source, a.names[1], width, ATTENTION, bias=a.bias).view(batch, a.heads, source.shape[1], a.head)
    value = net.linear(source, a.names[2], width, ATTENTION, bias=a.bias).view(*key.shape)
    key, value = remember(net, key, value)
    mixed = attend(net, query, key, value, a)
    return net.linear(mixed.view(batch, length, width), a.names[3], a.hidden, ATTENTION, bias=a.out_bias)


def _normalised(net: Net, query: Tensor, key: Tensor, a: Attention) -> tuple[Tensor, Tensor]:
    shapes = query.shape, key.shape
    if a.query_norm == "head":
        query, key = query.view(-1, a.head), key.view(-1, a.head)
    if a.norm == "layer":
        query, key = net.layer_norm(query, "q_norm", bias=False), net.layer_norm(key, "k_norm", bias=False)
    else:
        first = a.norm in ("wide", "gemma")
        query, key = net.rms_norm(query, "q_norm", scale_first=first), net.rms_norm(key, "k_norm", scale_first=first)
    return query.view(*shapes[0]), key.view(*shapes[1])


def remember(net: Net, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Into the cache, where there is one: what attends reads it from there."""
    if not net.mode.cache:
        return key, value
    return net.tape.remember(key), net.tape.remember(value)


def rotate(net: Net, x: Tensor, position: Tensor, part: float) -> Tensor:
    """x · cos + rotated halves of x · sin, in the wider of the two precisions."""
    tape = net.tape
    wide = max(x.width, position.width)
    turned = tape.map(x, keep="nothing", width=wide)
    half = tape.new((elements(x.shape) // 2,), x.width)
    swapped = tape.record(tape.new(x.shape, x.width), [tape.edge(x)], [], scratch=elements(x.shape) * x.width * 2)
    del half
    output = tape.add(turned, tape.map(swapped, keep="nothing", width=wide))
    if part < 1:  # the rest of each head is put back beside what was turned
        del turned, swapped
        output = tape.copy(output)
    return output


def attend(net: Net, query: Tensor, key: Tensor, value: Tensor, a: Attention) -> Tensor:
    """Every query looks at the keys; (batch, heads, length, head) of each."""
    tape = net.tape
    batch, heads, length, _ = query.shape
    width = tape.mode.autocast or query.width
    eager = tape.mode.attention == "eager" or a.eager or a.softcap
    groups = heads // key.shape[1]
    kernel = not eager and _has_kernel(net, a, groups, width, alike=key.shape[3] == value.shape[3])
    if groups > 1 and (a.mask or not kernel or key.shape[3] != value.shape[3] or key.shape[3] > 256):
        key = tape.expand(key, groups, (batch, heads, key.shape[2], key.shape[3]))
        value = tape.expand(value, groups, (batch, heads, value.shape[2], value.shape[3]))
    bias = tape.new((1, heads, length, key.shape[2]), width) if a.learned_bias else None
    if kernel:
        if bias is not None:
            query = tape.record(query.view(*query.shape), [tape.edge(query, same=True)], [bias])
        mixed = tape.fused_attention(query, key, value, causal=a.causal and not a.mask)
        return tape.copy(mixed) if a.heads_first or 0 < a.rotary < 1 else mixed
    if eager:
        return _eager(net, query, key, value, a, width)
    return _composed(net, query, key, value, a, width)


def _has_kernel(net: Net, a: Attention, groups: int, width: int, *, alike: bool) -> bool:
    """Whether `scaled_dot_product_attention` finds a fused kernel; it is put together from products otherwise."""
    if a.one_key_head:
        return False
    if net.mode.device == "cpu":
        # its kernel has neither dropout nor a gradient for what is added to the scores, nor two sizes of heads
        return alike and not (net.mode.training and (a.dropout or a.learned_bias))
    # the GPU's kernel for float32 has no groups
    return width < 4 or groups == 1 or a.mask


def _eager(net: Net, query: Tensor, key: Tensor, value: Tensor, a: Attention, width: int) -> Tensor:
    """As the models write it out themselves."""
    tape = net.tape
    batch, heads, length, _ = query.shape
    if not a.heads_first:  # a product of batches of matrices puts them in order, head by head
        query = tape.copy(query)
        key, value = (one if heads > a.kv_heads else tape.copy(one) for one in (key, value))
    scores = tape.scale(tape.matmul(query, key, (batch, heads, length, key.shape[2])))
    if a.softcap:
        scores = tape.scale(tape.map(tape.scale(scores), keep="output"))
    if a.causal or a.mask or a.learned_bias:
        scores = tape.record(tape.new(scores.shape, scores.width), [tape.edge(scores, same=True)], [])
    scores = tape.cast(tape.softmax(scores, 4 if a.upcast else 0), width)
    scores = tape.dropout(scores, a.dropout)
    return tape.copy(tape.matmul(scores, value, (batch, heads, length, value.shape[3])))


def _composed(net: Net, query: Tensor, key: Tensor, value: Tensor, a: Attention, width: int) -> Tensor:
    """As PyTorch puts it together (`_scaled_dot_product_attention_math`): in float32, queries and keys scaled first."""
    tape = net.tape
    batch, heads, length, _ = query.shape
    query, key, value = (tape.cast(tape.cast(one, width), 4) for one in (query, key, value))
    query, key = tape.scale(query), tape.scale(key)
    if width == 4 and not a.heads_first and heads == a.kv_heads:
        value = tape.copy(value)  # a product of batches of matrices puts them in order, head by head
    scores = tape.matmul(query, key, (batch, heads, length, key.shape[2]), 4)
    if a.causal or a.mask or a.learned_bias:
        scores = tape.record(tape.new(scores.shape, scores.width), [tape.edge(scores, same=True)], [])
    scores = tape.dropout(tape.map(scores, keep="output"), a.dropout)
    mixed = tape.matmul(scores, value, (batch, heads, length, value.shape[3]), 4)
    return tape.copy(tape.cast(mixed, width))


def activate(net: Net, x: Tensor, name: str) -> Tensor:
    """One of transformers' activation functions; several are written out step by step and keep more."""
    tape = net.tape
    if name in ("gelu_new", "gelu_fast"):
        # 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))
        half = tape.scale(x)
        inner = tape.scale(tape.add(x, tape.scale(tape.map(x, keep="input"))))
        curve = tape.map(inner, keep="output")
        del inner
        return tape.mul(half, tape.scale(curve))
    if name == "quick_gelu":
        return tape.mul(x, tape.map(tape.scale(x), keep="output"))
    if name == "bloom_gelu":
        return tape.map(x, keep="input", scratch=4 * elements(x.shape) * x.width)
    if name == "relu2":
        return tape.map(tape.map(x, keep="output"), keep="input")
    if name in ("relu", "tanh", "sigmoid"):
        return tape.map(x, keep="output")
    return tape.map(x, keep="input")


def mlp(
    net: Net, x: Tensor, width: int, act: str, names: tuple[str, str], *, bias: bool, dropout: float = 0.0
) -> Tensor:
    """Out and back: two matrices with an activation between."""
    hidden = x.shape[-1]
    x = net.linear(x, names[0], width, MLP, bias=bias)
    x = activate(net, x, act)
    x = net.tape.dropout(x, dropout)
    return net.linear(x, names[1], hidden, MLP, bias=bias)


def gated_mlp(
    net: Net,
    x: Tensor,
    width: int,
    act: str,
    *,
    bias: bool = False,
    fused: bool = False,
    dropout: float = 0.0,
    adapt: bool = True,
) -> Tensor:
    """SwiGLU and its kin (Shazeer, 2020): down(act(gate(x)) · up(x))."""
    hidden = x.shape[-1]
    if fused:
        both = net.linear(x, "gate_up_proj", 2 * width, MLP, bias=bias, adapt=adapt)
        shape = (*x.shape[:-1], width)
        gate, up = net.tape.split(both, [shape, shape])
        product = net.tape.mul(activate(net, gate, act), up)
        del both
    else:
        gate = activate(net, net.linear(x, "gate_proj", width, MLP, bias=bias, adapt=adapt), act)
        product = net.tape.mul(gate, net.linear(x, "up_proj", width, MLP, bias=bias, adapt=adapt))
        del gate
    product = net.tape.dropout(product, dropout)
    return net.linear(product, "down_proj", hidden, MLP, bias=bias, adapt=adapt)


@dataclass(frozen=True, kw_only=True)
class Experts:
    """A mixture of experts (Shazeer et al., 2017).

    Attributes:
        count: How many there are, of which `active` work on a token.
        width: Of one expert's inner layer.
        shared: Inner width of the expert that every token passes, 0 without one; `shared_gate` weighs it.
        adapted: peft's `all-linear` puts adapters beside the stacked experts (and then leaves out ordinary MLPs).
        router_bias: Whether the router has an offset for each expert that is trained.
    """

    count: int
    active: int
    width: int
    act: str = "silu"
    shared: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    router_upcast: bool = False
    adapted: bool = True


def experts(net: Net, x: Tensor, e: Experts) -> Tensor:
    """Route every token, sort the pairs of token and expert, and multiply each group by its expert's matrices."""
    tape = net.tape
    batch, length, hidden = x.shape
    flat = x.view(batch * length, hidden)
    gate = net.stack("gate.weight", (e.count, hidden), EXPERTS, adapt=e.adapted)
    if e.router_bias:
        net.weight("gate.bias", (e.count,), EXPERTS)
    routed = tape.matmul(
        tape.cast(flat, 4) if e.router_upcast else flat,
        gate if isinstance(gate, Tensor) else gate.tensor,
        (flat.shape[0], e.count),
    )
    chosen = tape.map(tape.softmax(routed, 4), keep="nothing")
    del routed
    pairs = batch * length * e.active
    rows = tape.record(tape.new((pairs, hidden), flat.width), [tape.edge(flat)], [])
    up = net.stack("experts.gate_up_proj", (e.count, 2 * e.width, hidden), EXPERTS, rank=2, adapt=e.adapted)
    down = net.stack("experts.down_proj", (e.count, hidden, e.width), EXPERTS, adapt=e.adapted)
    both = tape.grouped(rows, up)
    del rows
    opened, value = tape.split(both, [(pairs, e.width), (pairs, e.width)])
    del both
    product = tape.mul(activate(net, opened, e.act), value)
    del opened, value
    result = tape.grouped(product, down)
    del product
    weights = Tensor((pairs, 1), result.width, chosen.storage, chosen.node)
    weighed = tape.mul(result, weights)
    del result
    output = tape.record(tape.new((batch * length, hidden), weighed.width), [tape.edge(weighed)], [])
    output = tape.cast(output, x.width)
    del weighed
    if e.shared:
        with net.scope("shared_expert"):
            beside = gated_mlp(net, flat, e.shared, e.act, adapt=not e.adapted)
        if e.shared_gate:
            share = tape.map(net.linear(flat, "shared_expert_gate", 1, MLP, bias=False), keep="output")
            beside = tape.mul(beside, share)
        output = tape.add(output, beside)
    return output.view(batch, length, hidden)
