"""The operations that models are made of, on shapes: each makes its output and says what its derivative keeps.

What is kept follows PyTorch's `tools/autograd/derivatives.yaml` and the kernels' own `*_backward` signatures; which
operations run in a lower precision under autocast follows PyTorch's “Automatic Mixed Precision” reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from scaffolder.estimate.autograd import Edge, Engine, Leaf, Node, Shape, Tensor, elements
from scaffolder.estimate.ledger import CACHE, COPIES, GRADIENTS, Ledger, Storage

Device = Literal["cuda", "cpu"]

#: Whose logits a generated project has at one time (`chunked_loss.py`).
TOKENS_AT_ONCE = {"cuda": 1024, "cpu": 256}


@dataclass(frozen=True, kw_only=True)
class Mode:
    """How the operations run.

    Attributes:
        device: `cuda` or `cpu`: their kernels keep different things.
        autocast: Bytes of the lower precision under autocast, 0 without it.
        attention: `sdpa` (the fused kernel) or `eager` (the scores are written out).
        training: Whether gradients are wanted and dropout drops.
        loss: `whole` (the logits of all tokens at once) or `pieces` (of some tokens at a time).
        checkpointing: Whether each block keeps its input alone and runs again on the way back.
        cache: Whether keys and values are kept for the next tokens.
    """

    device: Device = "cuda"
    autocast: int = 0
    attention: Literal["sdpa", "eager"] = "sdpa"
    loss: Literal["whole", "pieces"] = "whole"
    training: bool = True
    checkpointing: bool = False
    cache: bool = False


class Weight:
    """A parameter: its shape, its bytes per element, and where its gradient goes if it is trained.

    Attributes:
        packed: Whether it is kept in 4 bits and unpacked to `width` for each use.
    """

    __slots__ = ("leaf", "packed", "shape", "width")

    def __init__(self, shape: Shape, width: int, *, trained: bool, packed: bool = False) -> None:
        self.shape, self.width, self.packed = shape, width, packed
        self.leaf: Leaf | None = None
        if trained:
            self.leaf = Leaf()
            self.leaf.kind = GRADIENTS

    @property
    def tensor(self) -> Tensor:
        return Tensor(self.shape, self.width, None, self.leaf)


class Tape:
    """Runs operations and remembers what the way back needs.

    Attributes:
        flops: Floating-point operations of what ran forwards so far, two for a multiplication with an addition.
    """

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.ledger = Ledger()
        self.engine = Engine(self.ledger)
        self.flops = 0
        self.recording = mode.training
        self.caches: list[Storage] = []
        self._copies: dict[int, Storage] = {}
        self._count = 0

    # ---- making tensors and nodes ----

    def new(self, shape: Shape, width: int, kind: str = "") -> Tensor:
        return Tensor(shape, width, Storage(self.ledger, elements(shape) * width, kind))

    def record(
        self, output: Tensor, edges: list[Edge | None], saved: list[Tensor | None], *, scratch: int = 0, flops: int = 0
    ) -> Tensor:
        """Give `output` a node, if a gradient flows to any edge."""
        needed = [edge for edge in edges if edge is not None]
        if self.recording and needed:
            self._count += 1
            node = Node(self._count, needed, self.ledger.kind)
            node.saved = [tensor.storage for tensor in saved if tensor is not None]
            node.scratch, node.flops = scratch, flops
            output.node = node
        return output

    @staticmethod
    def edge(tensor: Tensor, *, same: bool = False, full: int = 0) -> Edge | None:
        """The way back to `tensor`, if a gradient flows there."""
        if tensor.node is None:
            return None
        return Edge(tensor.node, elements(tensor.shape) * tensor.width, same, full)

    # ---- elementwise ----

    def map(
        self, x: Tensor, *, keep: Literal["input", "output", "nothing"], width: int = 0, scratch: int = 0
    ) -> Tensor:
        """A function of each element. `keep` says what its derivative needs; `scratch` is bytes while it runs."""
        temporary = Storage(self.ledger, scratch) if scratch else None
        output = self.new(x.shape, width or x.width)
        del temporary
        saved = {"input": [x], "output": [output], "nothing": []}[keep]
        return self.record(output, [self.edge(x)], list(saved), scratch=scratch)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """a + b of one shape, or b broadcast to a's."""
        output = self.new(a.shape, max(a.width, b.width))
        return self.record(output, [self._sum_edge(a, output), self._sum_edge(b, output)], [])

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """a · b, where b may be broadcast: each is kept for the other's gradient."""
        output = self.new(a.shape, max(a.width, b.width))
        edges = []
        for one in (a, b):
            edge = self.edge(one)
            if edge is not None and elements(one.shape) != elements(output.shape):
                edge.full = elements(output.shape) * output.width
            edges.append(edge)
        return self.record(output, edges, [b if a.node else None, a if b.node else None])

    def scale(self, x: Tensor) -> Tensor:
        """Times a number."""
        return self.map(x, keep="nothing")

    def _sum_edge(self, one: Tensor, output: Tensor) -> Edge | None:
        alike = elements(one.shape) == elements(output.shape) and one.width == output.width
        return self.edge(one, same=alike)

    def cast(self, x: Tensor, width: int) -> Tensor:
        """In another precision; the same tensor if it is in that precision already."""
        if x.width == width:
            return x
        return self.record(self.new(x.shape, width), [self.edge(x)], [])

    def copy(self, x: Tensor, shape: Shape = ()) -> Tensor:
        """In memory of its own (`contiguous`, `reshape` of what cannot be viewed), perhaps in another shape."""
        return self.record(self.new(shape or x.shape, x.width), [self.edge(x)], [])

    def dropout(self, x: Tensor, rate: float) -> Tensor:
        """Keeps a mask: a byte an element on a GPU, a number of the same precision on a processor."""
        if not self.mode.training or rate <= 0:
            return x
        mask = self.new(x.shape, 1 if self.mode.device == "cuda" else x.width)
        return self.record(self.new(x.shape, x.width), [self.edge(x)], [mask])

    def softmax(self, x: Tensor, width: int = 0) -> Tensor:
        wide = 4 if self.mode.autocast and self.mode.device == "cuda" else width or x.width
        return self.map(x, keep="output", width=wide)

    def cat(self, parts: list[Tensor], shape: Shape) -> Tensor:
        """Side by side, in new memory; the way back sends each part a view."""
        return self.record(self.new(shape, parts[0].width), [self.edge(part, same=True) for part in parts], [])

    def split(self, x: Tensor, shapes: list[Shape]) -> list[Tensor]:
        """Views of parts; on the way back their gradients are put together in new memory."""
        gate = Tensor(x.shape, x.width, x.storage)
        gate = self.record(gate, [self.edge(x, same=True)], [])
        if gate.node is not None:
            gate.node.gathered = elements(x.shape) * x.width
        return [Tensor(shape, x.width, x.storage, gate.node) for shape in shapes]

    def expand(self, x: Tensor, times: int, shape: Shape) -> Tensor:
        """Repeated in new memory (keys and values for groups of query heads)."""
        if times == 1:
            return x
        output = self.new(shape, x.width)
        return self.record(output, [self.edge(x)], [])

    # ---- normalisation ----

    def layer_norm(self, x: Tensor, weight: Weight | None, bias: Weight | None) -> Tensor:
        """`native_layer_norm` keeps its input, and a mean and a deviation for each row."""
        wide = 4 if self.mode.autocast and self.mode.device == "cuda" else x.width
        x = self.cast(x, wide)
        statistics = self.new((*x.shape[:-1], 2), 4)
        output = self.new(x.shape, max(wide, weight.width if weight and self.mode.autocast else 0))
        edges = [self.edge(x), *(self.edge(one.tensor) for one in (weight, bias) if one)]
        return self.record(output, edges, [x, statistics])

    def rms_norm(self, x: Tensor, weight: Weight, *, scale_first: bool = False) -> Tensor:
        """Root-mean-square normalisation as transformers writes it out: in float32, step by step.

        Args:
            scale_first: The weight is multiplied in float32, before the result is cast back (Gemma).
        """
        width = x.width
        x = self.cast(x, 4)
        squares = self.map(x, keep="input")
        mean = self.record(self.new((*x.shape[:-1], 1), 4), [self.edge(squares)], [])
        del squares
        inverse = self.map(self.map(mean, keep="nothing"), keep="output")
        x = self.mul(x, inverse)
        if scale_first:
            return self.cast(self.mul(x, weight.tensor), width)
        return self.mul(self.cast(x, width), weight.tensor)

    def batch_norm(self, x: Tensor, weight: Weight, bias: Weight) -> Tensor:
        statistics = self.new((2, x.shape[1]), 4)
        edges = [self.edge(x), self.edge(weight.tensor), self.edge(bias.tensor)]
        return self.record(self.new(x.shape, x.width), edges, [x, statistics])

    # ---- products ----

    def linear(self, x: Tensor, weight: Weight, bias: Weight | None = None) -> Tensor:
        """x · Wᵀ + b: keeps x if W is trained. A weight in 4 bits is unpacked for each use, and let go again."""
        width = self._compute_width(x.width, weight.width)
        flops = 2 * elements(x.shape[:-1]) * elements(weight.shape)
        x = self.cast(x, width)
        unpacked = Storage(self.ledger, elements(weight.shape) * width) if weight.packed else None
        cast = self._cast_weight(weight, width)
        output = self.new((*x.shape[:-1], weight.shape[0]), width)
        del unpacked
        self.flops += flops
        edges = [self.edge(x), *(self._weight_edge(one, width) for one in (weight, bias) if one)]
        saved = [x if weight.leaf else None, cast if x.node else None]
        scratch = elements(weight.shape) * width if weight.packed else 0
        back = flops * ((x.node is not None) + (weight.leaf is not None))
        return self.record(output, edges, saved, scratch=scratch, flops=back)

    def convolution(
        self, x: Tensor, weight: Weight, bias: Weight | None, size: Shape, *, transposed: bool = False
    ) -> Tensor:
        """A convolution over one or two dimensions; `size` is the output's. `weight` is (out, in / groups, kernel…)."""
        width = self._compute_width(x.width, weight.width)
        x = self.cast(x, width)
        cast = self._cast_weight(weight, width)
        output = self.new((x.shape[0], weight.shape[0], *size), width)
        where = x.shape if transposed else output.shape
        flops = 2 * where[0] * elements(where[2:]) * elements(weight.shape)
        self.flops += flops
        edges = [self.edge(x), *(self._weight_edge(one, width) for one in (weight, bias) if one)]
        back = flops * ((x.node is not None) + (weight.leaf is not None))
        return self.record(output, edges, [x, cast], flops=back)

    def grouped(self, x: Tensor, weight: Weight | Tensor) -> Tensor:
        """Each row times the matrix of its own expert; `weight` is (experts, out, in).

        `grouped_mm` is none of the operations that autocast knows: it runs in the weight's own precision.
        """
        x = self.cast(x, weight.width)
        output = self.new((x.shape[0], weight.shape[1]), weight.width)
        flops = 2 * x.shape[0] * weight.shape[1] * weight.shape[2]
        self.flops += flops
        matrix = weight if isinstance(weight, Tensor) else weight.tensor
        edges = [self.edge(x), self.edge(matrix)]
        back = flops * sum(edge is not None for edge in edges)
        return self.record(output, edges, [x if matrix.node else None, matrix if x.node else None], flops=back)

    def matmul(self, a: Tensor, b: Tensor, shape: Shape, width: int = 0) -> Tensor:
        """A product of two tensors; each is kept for the other's gradient.

        Args:
            shape: Of the output.
            width: Bytes of a number to compute with, instead of the usual ones.
        """
        width = width or self.mode.autocast or max(a.width, b.width)
        a, b = self.cast(a, width), self.cast(b, width)
        flops = 2 * elements(shape) * a.shape[-1]
        self.flops += flops
        saved = [b if a.node else None, a if b.node else None]
        back = flops * ((a.node is not None) + (b.node is not None))
        return self.record(self.new(shape, width), [self.edge(a), self.edge(b)], saved, flops=back)

    def embedding(self, shape: Shape, weight: Weight) -> Tensor:
        """Rows of a table; its gradient is as large as the table."""
        output = self.new((*shape, weight.shape[1]), weight.width)
        return self.record(output, [self._weight_edge(weight, weight.width)], [])

    # ---- attention ----

    def fused_attention(self, query: Tensor, key: Tensor, value: Tensor, *, causal: bool) -> Tensor:
        """`scaled_dot_product_attention` by a fused kernel (Dao et al., 2022): no scores are kept.

        All are (batch, heads, length, head size). It keeps its three inputs, its output and a float32 for each row:
        (batch, heads, length). On the way back the GPU's kernel sums dQ in float32, and makes dK and dV for every
        query head before it sums those of a group (`flash_api.cpp`: `dq_accum`, `dk_expanded`, `dv_expanded`).
        """
        width = self.mode.autocast or query.width
        query, key, value = self.cast(query, width), self.cast(key, width), self.cast(value, width)
        batch, heads, length, size = query.shape
        output = self.new((batch, heads, length, value.shape[-1]), width)
        rows = self.new((batch, heads, length), 4)
        pairs = length * key.shape[2]
        flops = 2 * batch * heads * pairs * (size + value.shape[-1]) // (2 if causal else 1)
        self.flops += flops
        scratch = 0
        if self.mode.device == "cuda":
            scratch = elements(query.shape) * 4
            if key.shape[1] != heads:
                scratch += batch * heads * key.shape[2] * (size + value.shape[-1]) * width
        edges = [self.edge(query), self.edge(key), self.edge(value)]
        # the way back computes the scores once more: five products instead of two
        back = flops * 5 // 2
        return self.record(output, edges, [query, key, value, output, rows], scratch=scratch, flops=back)

    # ---- loss ----

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """In float32: `log_softmax` keeps its output; the way back makes the gradient of each of the two steps."""
        logits = self.cast(logits, 4)
        probabilities = self.map(logits, keep="output")
        return self.record(self.new((1,), 4), [self.edge(probabilities)], [])

    def loss_in_pieces(self, x: Tensor, weight: Weight) -> Tensor:
        """Logits and cross-entropy as a generated project computes them (`chunked_loss.py`): some tokens at a time.

        Each piece becomes losses and gradients at once, so that the way forward makes the gradients of the hidden
        states and of the matrix, and the way back only hands them on.
        """
        vocabulary, hidden = weight.shape
        places = elements(x.shape[:-1])
        rows = min(places, TOKENS_AT_ONCE[self.mode.device])
        width = self._compute_width(x.width, weight.width)
        cast = self.new(weight.shape, width, COPIES) if width != weight.width else None
        pieces = Storage(self.ledger, 2 * rows * vocabulary * 4)  # in float32: logits, and their gradients
        towards_x = self.new(x.shape, x.width) if x.node else None
        towards_weight = self.new(weight.shape, 4, GRADIENTS) if weight.leaf else None
        narrow = rows * vocabulary * width + (elements(weight.shape) * width if weight.leaf else 0)
        temporary = Storage(self.ledger, narrow) if width != 4 else None
        del pieces, temporary, cast
        products = 1 + (x.node is not None) + (weight.leaf is not None)
        self.flops += 2 * places * vocabulary * hidden * products
        # A gradient in float32 is handed on as it is; its bytes are counted when it arrives.
        saved = [x, towards_x, towards_weight if weight.width != 4 else None]
        return self.record(self.new((1,), 4), [self.edge(x), self._weight_edge(weight, weight.width)], saved)

    def small_loss(self, x: Tensor) -> Tensor:
        """Any loss of one number whose own memory does not count."""
        return self.record(self.new((1,), 4), [self.edge(x)], [])

    # ---- the way back ----

    def checkpoint(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Run a block without keeping more than its input, and once more on the way back (Chen et al., 2016)."""
        if not (self.mode.checkpointing and self.recording):
            return function(x)
        self.recording = False
        output = function(x.detach())
        self.recording = True
        output = Tensor(output.shape, output.width, output.storage)
        start = Leaf()
        start.kind = self.ledger.kind
        held = x.detach()

        def replay(gradient: Storage) -> Storage | None:
            self._leave_autocast()
            again = function(Tensor(held.shape, held.width, held.storage, start if x_flows else None))
            node = again.node
            del again
            self._leave_autocast()
            if node is not None:
                self.engine.backward(node, gradient)
            sent = start.gradient[0] if start.gradient else None
            start.gradient = []
            return sent

        x_flows = x.node is not None
        edge = self.edge(x)
        self._count += 1
        node = Node(self._count, [edge] if edge else [], self.ledger.kind)
        node.saved = [x.storage]
        node.replay = replay
        output.node = node
        return output

    def backward(self, loss: Tensor) -> None:
        self._leave_autocast()
        node = loss.node
        if node is not None:
            self.engine.backward(node, Storage(self.ledger, 4))

    def remember(self, x: Tensor) -> Tensor:
        """A copy of keys or values that stays, for the tokens to come."""
        kept = self.new(x.shape, x.width, CACHE)
        if kept.storage is not None:
            self.caches.append(kept.storage)
        return kept

    def _leave_autocast(self) -> None:
        self._copies.clear()

    # ---- precision of weights ----

    def _compute_width(self, x: int, weight: int) -> int:
        return self.mode.autocast or max(x, weight)

    def _cast_weight(self, weight: Weight, width: int) -> Tensor | None:
        """Autocast's copy of a weight, made once for each time through the model if the weight is trained."""
        if weight.width == width or weight.packed:
            return None
        if weight.leaf is None:
            return self.new(weight.shape, width, COPIES)
        storage = self._copies.get(id(weight))
        if storage is None:
            storage = self._copies[id(weight)] = Storage(self.ledger, elements(weight.shape) * width, COPIES)
        return Tensor(weight.shape, width, storage)

    @staticmethod
    def _weight_edge(weight: Weight, width: int) -> Edge | None:
        if weight.leaf is None:
            return None
        size = elements(weight.shape)
        return Edge(weight.leaf, size * weight.width, False, size * width if width != weight.width else 0)
