"""A model under construction: its parameters by name, how each is kept and trained, and the tape that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from scaffolder.estimate.autograd import Shape, Tensor, elements
from scaffolder.estimate.ledger import LOGITS
from scaffolder.estimate.tape import Mode, Tape, Weight

# Parts of a model; the keys of every list of parameters.
EMBEDDINGS: Final = "embeddings"
ATTENTION: Final = "attention"
MLP: Final = "mlp"
EXPERTS: Final = "experts"
CONVOLUTIONS: Final = "convolutions"
NORMS: Final = "norms"
HEAD: Final = "head"
ADAPTER: Final = "adapters"

PARTS: Final = (EMBEDDINGS, ATTENTION, MLP, EXPERTS, CONVOLUTIONS, NORMS, HEAD, ADAPTER)

Trained = Literal["all", "adapters", "none"]


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How the parameters are kept and which are trained.

    Attributes:
        width: Bytes of one of the model's own parameters.
        trained: All of them, low-rank adapters beside them (Hu et al., 2021), or none.
        rank: Of the adapters.
        adapted: Which matrices get one: all of the blocks', or those of the attention.
        adapter_width: Bytes of one of their parameters. peft keeps them in float32 beside a 16-bit model.
        packed: The blocks' matrices are kept in 4 bits (Dettmers et al., 2023).
    """

    width: int = 4
    trained: Trained = "all"
    rank: int = 16
    adapted: Literal["all", "attention"] = "all"
    adapter_width: int = 4
    packed: bool = False


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much goes through the model at once.

    Attributes:
        batch: Samples on one device.
        length: Tokens of a text, pixels of an image's side, or samples of a sound.
        target: Tokens that a model with a decoder writes, where that is another number.
    """

    batch: int = 1
    length: int = 1
    target: int = 0


class Parameter:
    """One tensor of the model.

    Attributes:
        part: One of `PARTS`.
        unit: The block it belongs to, as FSDP gathers it; empty outside the blocks.
    """

    __slots__ = ("name", "part", "unit", "weight")

    def __init__(self, name: str, part: str, unit: str, weight: Weight) -> None:
        self.name, self.part, self.unit, self.weight = name, part, unit, weight

    @property
    def count(self) -> int:
        return elements(self.weight.shape)


class Net:
    """What a family's forward pass is written with.

    Parameters are made when they are first named, and found again by their name after that: so running a model once,
    on one token, lists them all.
    """

    def __init__(self, keeping: Keeping | None = None, mode: Mode | None = None) -> None:
        self.keeping = keeping or Keeping()
        self.mode = mode or Mode()
        self.tape = Tape(self.mode)
        self.parameters: dict[str, Parameter] = {}
        self._prefix = ""
        self._unit = ""

    @contextmanager
    def scope(self, name: str, *, unit: bool = False) -> Iterator[None]:
        """Names made inside begin with `name`; with `unit`, they are one block."""
        prefix, block = self._prefix, self._unit
        self._prefix = f"{prefix}{name}."
        if unit:
            self._unit = self._prefix
        try:
            yield
        finally:
            self._prefix, self._unit = prefix, block

    def block(self, name: str, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """One of the repeated blocks: it may be checkpointed, and FSDP gathers it as a whole."""
        prefix = self._prefix

        def inside(x: Tensor) -> Tensor:
            outer, self._prefix = self._prefix, prefix  # it may run again after the scope has been left
            try:
                with self.scope(name, unit=True):
                    return function(x)
            finally:
                self._prefix = outer

        return self.tape.checkpoint(inside, x)

    @contextmanager
    def logits(self) -> Iterator[None]:
        """What is made inside counts as the model's output, not as its activations."""
        before = self.tape.ledger.kind
        self.tape.ledger.kind = LOGITS
        try:
            yield
        finally:
            self.tape.ledger.kind = before

    def weight(self, name: str, shape: Shape, part: str, *, packed: bool = False, absolute: bool = False) -> Weight:
        """A parameter of this name; `absolute` leaves out the scope (a matrix that is used in two places)."""
        full = name if absolute else self._prefix + name
        found = self.parameters.get(full)
        if found is None:
            keeping = self.keeping
            width = 2 if packed and keeping.packed else keeping.width
            trained = keeping.trained == "all"
            weight = Weight(shape, width, trained=trained, packed=packed and keeping.packed)
            found = self.parameters[full] = Parameter(full, part, self._unit, weight)
        return found.weight

    def frozen(self, name: str, shape: Shape, part: str) -> Weight:
        """A parameter that no method trains."""
        weight = self.weight(name, shape, part)
        weight.leaf = None
        return weight

    def linear(self, x: Tensor, name: str, outputs: int, part: str, *, bias: bool = True, adapt: bool = True) -> Tensor:
        """A dense layer, with an adapter beside it where the method has them."""
        inputs = x.shape[-1]
        block = part not in (HEAD, EMBEDDINGS)
        weight = self.weight(f"{name}.weight", (outputs, inputs), part, packed=block)
        offset = self.weight(f"{name}.bias", (outputs,), part) if bias else None
        result = self.tape.linear(x, weight, offset)
        if (
            self.keeping.trained == "adapters"
            and block
            and adapt
            and (self.keeping.adapted == "all" or part == ATTENTION)
        ):
            result = self._adapted(x, result, name, inputs, outputs)
        return result

    def _adapted(self, x: Tensor, result: Tensor, name: str, inputs: int, outputs: int) -> Tensor:
        """`result + B(A(x)) · scaling`, in the adapter's precision and back again (peft's `lora.Linear.forward`)."""
        tape, width = self.tape, result.width
        down = self._adapter(f"{name}.lora_A", (self.keeping.rank, inputs))
        up = self._adapter(f"{name}.lora_B", (outputs, self.keeping.rank))
        x = tape.cast(x, self.keeping.adapter_width)
        result = tape.add(result, tape.scale(tape.linear(tape.linear(x, down), up)))
        return tape.cast(result, width)

    def stack(self, name: str, shape: Shape, part: str, *, rank: int = 1, adapt: bool = True) -> Weight | Tensor:
        """Matrices of all experts, (experts, out, in) or one of (out, in), in a single parameter.

        With adapters, peft adds the product of theirs to the whole parameter before it is used (`ParamWrapper`): a
        second tensor of its size. `rank` multiplies the adapters' rank: 2 where one parameter holds two matrices.
        """
        weight = self.weight(name, shape, part)
        if not adapt or self.keeping.trained != "adapters" or self.keeping.adapted != "all":
            return weight
        count = shape[0] if len(shape) == 3 else 1
        inner = count * rank * self.keeping.rank
        down = self._adapter(f"{name}.lora_A", (inner, shape[-1]))
        up = self._adapter(f"{name}.lora_B", (shape[-2], inner))
        tape = self.tape
        merged = tape.new(shape, weight.width)
        return tape.record(merged, [tape.edge(down.tensor), tape.edge(up.tensor)], [], flops=0)

    def _adapter(self, name: str, shape: Shape) -> Weight:
        full = self._prefix + name
        found = self.parameters.get(full)
        if found is None:
            weight = Weight(shape, self.keeping.adapter_width, trained=True)
            found = self.parameters[full] = Parameter(full, ADAPTER, self._unit, weight)
        return found.weight

    def layer_norm(self, x: Tensor, name: str, *, bias: bool = True, part: str = NORMS) -> Tensor:
        shape = (x.shape[-1],)
        offset = self.weight(f"{name}.bias", shape, part) if bias else None
        return self.tape.layer_norm(x, self.weight(f"{name}.weight", shape, part), offset)

    def rms_norm(self, x: Tensor, name: str, *, scale_first: bool = False) -> Tensor:
        return self.tape.rms_norm(x, self.weight(f"{name}.weight", (x.shape[-1],), NORMS), scale_first=scale_first)

    def embedding(self, shape: Shape, name: str, count: int, width: int, *, absolute: bool = False) -> Tensor:
        """Look up rows; a batch of (batch, length) numbers becomes (batch, length, width)."""
        return self.tape.embedding(shape, self.weight(name, (count, width), EMBEDDINGS, absolute=absolute))

    def convolution(
        self, x: Tensor, name: str, outputs: int, kernel: Shape, size: Shape, *, groups: int = 1, bias: bool = True
    ) -> Tensor:
        """`size` is the output's; the kernel has as many lengths."""
        shape = (outputs, x.shape[1] // groups, *kernel)
        offset = self.weight(f"{name}.bias", (outputs,), CONVOLUTIONS) if bias else None
        return self.tape.convolution(x, self.weight(f"{name}.weight", shape, CONVOLUTIONS), offset, size)

    def batch_norm(self, x: Tensor, name: str) -> Tensor:
        shape = (x.shape[1],)
        weight, bias = self.weight(f"{name}.weight", shape, NORMS), self.weight(f"{name}.bias", shape, NORMS)
        return self.tape.batch_norm(x, weight, bias)
