"""Which tensors a training step keeps alive: PyTorch's automatic differentiation, on shapes alone.

Nothing is computed. An operation makes an output of the right size and, where a gradient will flow through it, a node
that holds what its derivative needs, as `tools/autograd/derivatives.yaml` of PyTorch lists it. `backward` visits the
nodes as PyTorch's engine does (the newest first), makes the gradients, and lets go of what each node held. So the
largest number of bytes that were alive at once is that of the real step, as far as it is made of tensors.

Memory is let go by Python's reference counting, here as there: a model's forward pass written with the same local
names keeps the same tensors alive.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from scaffolder.estimate.ledger import GRADIENTS, Ledger, Storage

Shape = tuple[int, ...]


def elements(shape: Shape) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


class Tensor:
    """A shape, the bytes of one element, and where it is kept.

    Attributes:
        storage: None for what the ledger counts elsewhere: a weight, or an input that the caller holds.
        node: What made it, where a gradient flows through it.
    """

    __slots__ = ("node", "shape", "storage", "width")

    def __init__(self, shape: Shape, width: int, storage: Storage | None, node: Node | None = None) -> None:
        self.shape, self.width, self.storage, self.node = shape, width, storage, node

    def view(self, *shape: int) -> Tensor:
        """The same memory in another shape; one length may be -1."""
        if -1 in shape:
            known = -elements(shape)
            shape = tuple(elements(self.shape) // max(known, 1) if length == -1 else length for length in shape)
        return Tensor(shape, self.width, self.storage, self.node)

    def detach(self) -> Tensor:
        return Tensor(self.shape, self.width, self.storage)


class Edge:
    """Where a node's gradient goes.

    Attributes:
        same: The gradient that came is passed on as it is, in the same memory (an addition, a change of shape).
        full: Elements of the gradient before it is summed over lengths that were broadcast; 0 if none were.
    """

    __slots__ = ("full", "node", "same", "size")

    def __init__(self, node: Node, size: int, same: bool = False, full: int = 0) -> None:
        self.node, self.size, self.same, self.full = node, size, same, full


class Node:
    """One operation's derivative.

    Attributes:
        saved: What it keeps alive until it has run.
        scratch: Bytes that it needs besides while it runs.
        flops: Its floating-point operations.
        outputs: How many of the operation's outputs send a gradient; they are gathered into one.
        replay: Run instead, with the gradient that came: a checkpoint's second forward pass.
    """

    __slots__ = ("edges", "flops", "gathered", "gradient", "kind", "number", "replay", "saved", "scratch")

    def __init__(self, number: int, edges: list[Edge], kind: str) -> None:
        self.number, self.edges, self.kind = number, edges, kind
        self.saved: list[Storage | None] = []
        self.scratch = 0
        self.flops = 0
        self.gathered = 0
        self.gradient: list[Storage] = []
        self.replay: Callable[[Storage], Storage | None] | None = None


class Leaf(Node):
    """Where a gradient ends up: a parameter that is trained, or a checkpoint's input."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(-1, [], "")


class Engine:
    """Runs nodes backwards.

    Attributes:
        flops: Floating-point operations of what ran so far.
        shards: GPUs that keep a part of each gradient (FSDP): it is cut as soon as it is there.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.flops = 0
        self.shards = 1

    def backward(self, node: Node, gradient: Storage) -> None:
        """From `node`, whose output has this gradient, to the leaves."""
        node.gradient = [gradient]
        del gradient
        waiting = [(-node.number, node)]
        known = {id(node)}
        outer = self.ledger.kind
        while waiting:
            _number, node = heapq.heappop(waiting)
            self.ledger.kind = node.kind
            for edge, sent in self._run(node):
                self._arrive(edge.node, sent)
                del sent
                if edge.node.number >= 0 and id(edge.node) not in known:
                    known.add(id(edge.node))
                    heapq.heappush(waiting, (-edge.node.number, edge.node))
            node.edges = []
        self.ledger.kind = outer

    def _run(self, node: Node) -> list[tuple[Edge, Storage]]:
        came = node.gradient
        node.gradient = []
        if node.gathered:
            came = [Storage(self.ledger, node.gathered)]
        gradient = came[0]
        del came
        self.flops += node.flops
        if node.replay is not None:
            sent = node.replay(gradient)
            node.replay = None
            node.saved = []
            return [(node.edges[0], sent)] if node.edges and sent is not None else []
        scratch = Storage(self.ledger, node.scratch) if node.scratch else None
        outgoing = []
        for edge in node.edges:
            if edge.same:
                outgoing.append((edge, gradient))
            else:
                full = Storage(self.ledger, edge.full) if edge.full else None
                kind = GRADIENTS if edge.node.kind == GRADIENTS else ""
                outgoing.append((edge, Storage(self.ledger, edge.size, kind)))
                del full
        del scratch
        node.saved = []
        return outgoing

    def _arrive(self, node: Node, gradient: Storage) -> None:
        if node.gathered:
            node.gradient.append(gradient)  # parts of one tensor: put together when all are there
        elif not node.gradient:
            if node.kind == GRADIENTS and isinstance(node, Leaf):
                if self.shards > 1:
                    gradient = Storage(self.ledger, -(-gradient.size // self.shards))
                gradient.become(GRADIENTS)
            node.gradient = [gradient]
        # otherwise it is added to the one that is there already, and its own memory is let go
