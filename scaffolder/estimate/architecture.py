"""From a configuration to a model on shapes: which family it is of, what it reads, and how many parameters it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from scaffolder.errors import NewmodelError
from scaffolder.estimate.autograd import Tensor
from scaffolder.estimate.configuration import Configuration, shown
from scaffolder.estimate.net import PARTS, Keeping, Net, Size
from scaffolder.estimate.tape import Mode
from scaffolder.messages import _

Reads = Literal["text", "image", "sound"]
Run = Callable[[Net, Configuration, Size, str], Tensor]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A model whose forward pass is known.

    Attributes:
        head: What is on top: `causal`, `masked`, `classes:N`, `ctc`, `sequence` (writes a text from one) or `none`.
        reads: What a sample is: tokens of a text, an image, or a sound.
        context: The usual length: the most tokens it knows positions for (0 where there is no such limit), pixels of
            an image's side, or samples of a sound at 16 kHz.
        positions: Tokens that it has learned positions for, 0 where any number will do.
        writes: Whether it writes text, one token after another.
        fixed: Whether another length is impossible, as for a model of images with learned positions.
    """

    configuration: Configuration
    run: Run
    head: str
    reads: Reads
    context: int = 0
    fixed: bool = False
    writes: bool = False
    positions: int = 0

    @property
    def name(self) -> str:
        return self.configuration.name

    @property
    def family(self) -> str:
        return self.configuration.model_type

    def forward(self, net: Net, size: Size) -> Tensor:
        """Run once on shapes."""
        return self.run(net, self.configuration, size, self.head)


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """How many numbers a model is made of.

    Attributes:
        parts: By part, in the order of `net.PARTS`; adapters are not among the model's own.
        trained: Those that change in training.
        adapters: Those that a method adds.
        active: Those that work on one token: fewer where there are experts.
    """

    parts: dict[str, int]
    trained: int
    adapters: int
    active: int

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def architecture(configuration: Configuration, *, task: str = "") -> Architecture:
    """The model that `configuration` describes.

    Args:
        task: Another head than the configuration's own: `base` for none, `masked`, `causal`, or `classify`.

    Raises:
        NewmodelError: If its family is not known, or a field is missing or wrong.
    """
    from scaffolder.estimate.families.registry import find

    found = find(configuration, task)
    try:
        parameters(found)
    except RecursionError:  # a configuration may nest
        raise unusable(configuration) from None
    return found


def unusable(configuration: Configuration) -> NewmodelError:
    return NewmodelError(
        _("The configuration of {name} does not describe a model.").format(name=shown(configuration.name))
    )


@lru_cache(maxsize=64)
def built(found: Architecture, keeping: Keeping) -> Net:
    """The model, run once at its smallest so that every parameter is listed."""
    net = Net(keeping, Mode(training=False))
    found.forward(net, smallest(found))
    return net


def smallest(found: Architecture) -> Size:
    """The least that the model can be run on, to list its parameters."""
    if found.reads == "text":
        return Size(batch=1, length=1, target=1)
    return Size(batch=1, length=found.context, target=1)


def parameters(found: Architecture, keeping: Keeping | None = None) -> Parameters:
    """Count them, by adding up the shapes of every tensor that the forward pass names."""
    keeping = keeping or Keeping()
    parts = dict.fromkeys(PARTS, 0)
    trained = adapters = idle = 0
    for one in built(found, keeping).parameters.values():
        if one.part == "adapters":
            adapters += one.count
        else:
            parts[one.part] += one.count
        if one.weight.leaf is not None:
            trained += one.count
        if one.part == "experts" and len(one.weight.shape) == 3:
            idle += one.count - one.count * active_experts(found) // one.weight.shape[0]
    del parts["adapters"]
    total = sum(parts.values())
    return Parameters(parts=parts, trained=trained, adapters=adapters, active=total - idle)


def active_experts(found: Architecture) -> int:
    c = found.configuration
    inside = c.part("text_config") if isinstance(c.values.get("text_config"), dict) else c
    return inside.integer("num_experts_per_tok", default=8 if inside.values.get("model_type") != "mixtral" else 2)
