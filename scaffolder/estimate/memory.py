"""How much memory a plan takes at its worst moment, by what it is for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from scaffolder.estimate.architecture import Architecture
from scaffolder.estimate.autograd import elements
from scaffolder.estimate.ledger import ACTIVATIONS, ADAPTERS, GATHERED, GRADIENTS, KINDS, LOGITS, OPTIMIZER, WEIGHTS
from scaffolder.estimate.net import ADAPTER, EMBEDDINGS, Net, Parameter, Size
from scaffolder.estimate.plan import Plan, state_width

#: What CUDA itself, its loaded kernels and cuBLAS's workspace take before a model is there: it differs by chip, driver
#: and version, from 0.3 to 0.8 GiB. Not counted by `torch.cuda.max_memory_allocated`.
CONTEXT: Final = 600 * 2**20

#: Bytes of a weight in 4 bits: half a byte, one byte of scale for each 64 of them, and a float32 for each 256 of those
#: (NF4 with double quantisation; Dettmers et al., 2023, section 3).
PACKED: Final = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one GPU.

    Attributes:
        parts: At the worst moment, by the kinds of `ledger.KINDS`.
        flops: Floating-point operations of one pass over one batch, on one GPU.
        moment: `forward`, `backward` or `update`: when the worst moment is.
        context: What the driver and the libraries take besides.
    """

    parts: dict[str, int]
    flops: int
    moment: str = ""
    context: int = CONTEXT

    @property
    def peak(self) -> int:
        """What PyTorch allocates at most; `torch.cuda.max_memory_allocated` measures it."""
        return sum(self.parts.values())

    @property
    def needed(self) -> int:
        """What a GPU must have: the peak, the context, and what is lost between pieces that come and go."""
        coming = sum(self.parts[kind] for kind in (ACTIVATIONS, LOGITS, GRADIENTS, GATHERED))
        return self.peak + coming // 20 + self.context


@lru_cache(maxsize=512)
def memory(found: Architecture, plan: Plan) -> Memory:
    """Run the plan once on shapes, and look for the moment when the most is alive."""
    net = Net(plan.keeping, plan.mode)
    size = Size(batch=plan.batch, length=plan.length, target=plan.target)
    ledger = net.tape.ledger
    net.tape.engine.shards = plan.gpus
    standing = standing_bytes(found, plan)
    for kind, amount in standing.items():
        ledger.add(kind, amount)
    ledger.add(ACTIVATIONS, _inputs(found, size))
    ledger.restart()
    moment, best = "forward", 0
    result = found.forward(net, size)
    best = ledger.peak
    if plan.trains:
        net.tape.backward(result)
        moment = "backward" if ledger.peak > best else moment
        del result
        parts, best = ledger.at_peak, ledger.peak
        # at the step the activations are gone, but every gradient is there
        ledger.restart()
        if ledger.peak >= best:
            moment, parts = "update", ledger.at_peak
    else:
        parts = ledger.at_peak
    return Memory(
        parts={kind: parts[kind] for kind in KINDS},
        flops=net.tape.flops + net.tape.engine.flops,
        moment=moment,
    )


def standing_bytes(found: Architecture, plan: Plan) -> dict[str, int]:
    """What is there all the time: weights, the optimizer's state, and what FSDP has gathered."""
    own = replace(plan, gpus=1)
    parameters = listed(found, own)
    weights = sum(weight_bytes(one, own) for one in parameters if one.part != ADAPTER)
    adapters = sum(weight_bytes(one, own) for one in parameters if one.part == ADAPTER)
    state = sum(
        state_width(plan.optimizer, one.weight.width, one.weight.shape, embedding=one.part == EMBEDDINGS) * one.count
        for one in parameters
        if one.weight.leaf is not None
    )
    gradients = 0
    if plan.accumulation > 1:
        gradients = sum(one.count * one.weight.width for one in parameters if one.weight.leaf is not None)
    shares = {WEIGHTS: weights, ADAPTERS: adapters, OPTIMIZER: int(state) if plan.trains else 0, GRADIENTS: gradients}
    result = {kind: -(-amount // plan.gpus) for kind, amount in shares.items()}
    if plan.gpus > 1:
        result[GATHERED] = _gathered(parameters, own)
    return result


def _gathered(parameters: list[Parameter], plan: Plan) -> int:
    """What FSDP puts together again: what is outside the blocks, one block at work and the next one on its way.

    The blocks' gradients are whole as well until they have been summed over the GPUs and cut.
    """
    units: dict[str, int] = {}
    trained: dict[str, int] = {}
    for one in parameters:
        size = one.count * (plan.compute_width if not one.weight.packed else 1)
        units[one.unit] = units.get(one.unit, 0) + size
        if one.weight.leaf is not None:
            trained[one.unit] = trained.get(one.unit, 0) + size
    outside = units.pop("", 0)
    trained.pop("", None)
    largest = max(units.values(), default=0)
    return outside + 2 * largest + max(trained.values(), default=0)


def weight_bytes(one: Parameter, plan: Plan) -> int:
    """Of one parameter, as it is kept."""
    if one.weight.packed:
        return int(one.count * PACKED)
    return one.count * one.weight.width if plan.gpus == 1 else one.count * plan.kept_width


def listed(found: Architecture, plan: Plan) -> list[Parameter]:
    """Every parameter, with the method's adapters."""
    from scaffolder.estimate.architecture import built

    return list(built(found, plan.keeping).parameters.values())


def _inputs(found: Architecture, size: Size) -> int:
    """The batch itself: numbers of tokens and of labels (8 bytes each), images or sounds (4 bytes a number)."""
    if found.reads == "text":
        return size.batch * (size.length + (size.target or size.length)) * 8
    if found.reads == "image":
        channels = found.configuration.integer("num_channels", default=3)
        return size.batch * (elements((channels, size.length, size.length)) * 4 + 8)
    if found.fixed:
        return 0  # its family counts them: they have a shape of their own
    return size.batch * size.length * 4
