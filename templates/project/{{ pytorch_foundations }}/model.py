"""The network of numpy_network.py once more, in PyTorch.

What is written out there is done here by PyTorch: `forward` is the same three lines, and there is no
`backward`, because PyTorch derives it from them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .checkpoint import load_weights, save_weights
from .config import ModelConfig
from .errors import UserError
from .evaluation import Loss
from .freezing import freeze
from .freezing import unfreeze as unfreeze_module
from .numpy_network import Array, Indices, Network, as_column, sigmoid
from .problems import Rows, Scaling
from .runs import write_json

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
DESCRIPTION = "network.json"
FRAMEWORK = "PyTorch"


class TwoLayers(nn.Module):
    """Scaling, hidden layer, output: from measured features (N, D) to logits (N, 1)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, hidden: int, activation: str) -> None:
        super().__init__()
        # Buffers are saved with the weights but not trained: so the model is never used with another scaling.
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, 1)
        self.activation = activation

    def forward(self, X: Tensor) -> Tensor:
        Z1 = self.first((X - self.mean) / self.deviation)  # (N, H)
        A1 = ACTIVATIONS[self.activation](Z1)  # (N, H)
        return self.second(A1)  # (N, 1)


def build_model(config: ModelConfig, scaling: Scaling) -> TwoLayers:
    """A network with new random weights for features that are scaled by `scaling`."""
    return _two_layers(scaling, config.hidden, config.activation)


def _two_layers(scaling: Scaling, hidden: int, activation: str) -> TwoLayers:
    model = TwoLayers(len(scaling.mean), hidden, activation)
    model.mean.copy_(torch.tensor(scaling.mean))
    model.deviation.copy_(torch.tensor(scaling.deviation))
    return model


def loss(config: ModelConfig) -> Loss:
    """The loss of logits (N, 1) and labels (N, 1). It applies the sigmoid itself, so the model does not."""
    if config.loss == "cross_entropy":
        return functional.binary_cross_entropy_with_logits
    return lambda logits, labels: functional.mse_loss(torch.sigmoid(logits), labels)


def to_predictions(logits: np.ndarray) -> Array:
    """From logits (N, 1) to the probability of class 1, (N,)."""
    return sigmoid(logits.astype(np.float64))[:, 0]


# --- The same weights, the same steps as in NumPy -----------------------------------------------------------


def to_numpy(model: TwoLayers) -> tuple[Network, Scaling]:
    """The weights as a NumPy network, and the scaling of the features that it takes."""
    first, second = model.first, model.second
    # nn.Linear keeps its weights as (outputs, inputs) and computes X Wᵀ + b.
    arrays = (first.weight.T, first.bias, second.weight.T, second.bias)
    W1, b1, W2, b2 = (_to_float64(array) for array in arrays)
    network = Network(W1, b1, W2, b2, model.activation)
    return network, Scaling(_to_float64(model.mean), _to_float64(model.deviation))


def from_numpy(network: Network, scaling: Scaling) -> TwoLayers:
    """A model with the weights of a NumPy network, rounded to float32."""
    model = _two_layers(scaling, len(network.b1), network.activation)
    with torch.no_grad():
        model.first.weight.copy_(torch.tensor(network.W1.T))
        model.first.bias.copy_(torch.tensor(network.b1))
        model.second.weight.copy_(torch.tensor(network.W2.T))
        model.second.bias.copy_(torch.tensor(network.b2))
    return model


def train_like_numpy(
    model: TwoLayers, rows: Rows, batches: Iterable[Indices], *, loss: Loss, learning_rate: float
) -> list[float]:
    """`train` of numpy_network.py in PyTorch: one step per batch; returns the loss before each step."""
    optimizer = torch.optim.SGD(model.parameters(), learning_rate)  # w ← w - η ∂L/∂w, nothing else
    X = torch.tensor(rows.X, dtype=torch.float32)
    Y = torch.tensor(as_column(rows.y), dtype=torch.float32)
    losses = []
    for batch in batches:
        value = loss(model(X[batch]), Y[batch])
        losses.append(value.item())
        optimizer.zero_grad()  # otherwise gradients add up
        value.backward()
        optimizer.step()
    return losses


def _to_float64(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy().copy()


# --- Fine-tuning, saving, loading ---------------------------------------------------------------------------


def freeze_backbone(model: TwoLayers) -> None:
    """Let only the second layer learn."""
    freeze(model.first)


def unfreeze(model: TwoLayers) -> None:
    """Let both layers learn."""
    unfreeze_module(model.first)


def save_model(model: TwoLayers, folder: Path) -> None:
    """Write weights and scaling as safetensors, and beside them what is needed to build the model again."""
    save_weights(model, folder)
    description = {
        "features": model.first.in_features,
        "hidden": model.first.out_features,
        "activation": model.activation,
    }
    write_json(folder / DESCRIPTION, description)


def load_model(folder: Path) -> TwoLayers:
    """Read what `save_model` wrote. Raises UserError."""
    file = folder / DESCRIPTION
    if not file.exists():
        raise UserError(f"{file} does not exist: this is not the model of a finished training.")
    model = TwoLayers(**json.loads(file.read_text(encoding="utf-8")))
    load_weights(model, folder)
    return model
