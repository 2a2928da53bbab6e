"""Weights and training state on disk, as safetensors files: plain numbers, nothing that could run.

    checkpoints/best/model.safetensors       weights of the best epoch so far
    checkpoints/last/training.safetensors    weights, optimizer and progress: all that going on needs

Of a model with frozen parts they hold what training changes: the weights that learn, and the buffers.

Each file is written under another name and then renamed, which replaces its predecessor in one move: whenever
the process is killed, there is one whole file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .errors import UserError
from .processes import FIRST_PROCESS
from .run_selection import check_same_rows
from .shares import share_of, whole, whole_state

History = list[dict[str, Any]]
"""One dictionary per validation, so per finished epoch, or every `eval_steps` steps: epoch, step, train_loss,
validation_loss, gradient_norm (mean over the steps, before clipping), learning_rate, seconds."""

WEIGHTS_FILE = "model.safetensors"
STATE_FILE = "training.safetensors"


@dataclass(kw_only=True)
class Progress:
    """How far training is.

    Attributes:
        epochs_before: Epochs of earlier trainings in the same run, such as those with a frozen backbone.
        step: Optimizer steps done, over all epochs.
        loss_sum: Sum of the losses of the rows seen since the last validation.
        norm_sum: Sum of the norms of the gradients since then, before clipping.
        overflows: Steps since then that were not taken, as the gradient overflowed in float16.
        seconds: Time spent on training since then.
        best: Best value of the monitored column so far; None before the first validation.
        best_epoch: The epoch in its row; 0 before the first validation.
        history: A row per validation of this training.
    """

    epochs_before: int = 0
    step: int = 0
    loss_sum: float = 0.0
    norm_sum: float = 0.0
    overflows: float = 0.0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: float = 0
    history: History = field(default_factory=list)

    @property
    def validated_step(self) -> int:
        """Optimizer steps done at the last validation."""
        return self.history[-1]["step"] if self.history else 0

    @property
    def validations_since_best(self) -> int:
        """How many rows of the history came after the best one."""
        return sum(row["epoch"] > self.best_epoch for row in self.history)


def save_weights(model: nn.Module, folder: Path) -> None:
    """Write the weights and buffers of `model` to `folder`/model.safetensors."""
    _write(folder / WEIGHTS_FILE, _independent(model.state_dict()), {})


def save_changes(model: nn.Module, folder: Path) -> None:
    """Write what training changes in `model`, so no frozen weights, to `folder`/model.safetensors.

    Processes that share the model all have to call it; the first one writes.
    """
    tensors = _independent(changing_state(model))
    if FIRST_PROCESS:
        _write(folder / WEIGHTS_FILE, tensors, {})


def changing_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights that are not frozen, and the buffers; of a model without frozen weights all that it has.

    What is frozen lies where the model was loaded from, and may be many times as large, or in 4 bits.
    """
    state = model.state_dict()
    weights = dict(model.named_parameters(remove_duplicate=False))
    if all(weight.requires_grad for weight in weights.values()):
        return state
    buffers = {name for name, _ in model.named_buffers(remove_duplicate=False)}
    return {
        name: value
        for name, value in state.items()
        if name in buffers or (name in weights and weights[name].requires_grad)
    }


def frozen_fingerprint(model: nn.Module) -> str:
    """Tells frozen weights from others, by some numbers of each; empty where none is frozen."""
    digest = blake2b(digest_size=16)
    frozen = [(name, weight) for name, weight in model.named_parameters() if not weight.requires_grad]
    for name, weight in frozen:
        numbers = whole(weight).detach().flatten()
        some = numbers[:: max(len(numbers) // 64, 1)].cpu().contiguous()
        digest.update(f"{name} {tuple(weight.shape)}".encode() + some.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest() if frozen else ""


def load_weights(model: nn.Module, folder: Path) -> None:
    """Give `model` the weights in `folder`/model.safetensors; frozen ones may be missing there.

    Raises UserError when they do not fit.
    """
    file = folder / WEIGHTS_FILE
    tensors, _ = _read(file, model.state_dict().get)
    _fill(model, tensors, file)


def save_state(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    *,
    scaler: Mapping[str, Any],
    order: Mapping[str, int],
) -> None:
    """Write all that going on needs, but for frozen weights, to `folder`/training.safetensors.

    `scaler` is the state of the loss scaling of float16; `order` holds what decides which rows a step sees.
    Processes that share the model all have to call it; the first one writes.
    """
    tensors = {f"model.{name}": tensor for name, tensor in changing_state(model).items()}
    numbers: dict[str, float] = {}
    for weight, values in optimizer.state_dict()["state"].items():
        for name, value in flat(values):
            if isinstance(value, Tensor):
                tensors[f"optimizer.{weight}.{name}"] = value
            else:
                numbers[f"{weight}.{name}"] = value
    state = {
        "optimizer": numbers,
        "progress": asdict(progress),
        "scaler": dict(scaler),
        "order": dict(order),
        "frozen": frozen_fingerprint(model),
    }
    tensors = _independent(tensors)
    if FIRST_PROCESS:
        _write(folder / STATE_FILE, tensors, {"state": json.dumps(state)})


def load_state(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, order: Mapping[str, int]
) -> tuple[Progress, dict[str, Any]]:
    """Give `model` and `optimizer` the saved state; return the progress and the state of the loss scaling.

    Learning rate, weight decay and the like stay those of the present configuration. Raises UserError when
    the saved steps saw other rows than the same steps would see now.
    """
    file = folder / STATE_FILE
    present = model.state_dict()
    learning = [weight for group in optimizer.param_groups for weight in group["params"]]

    def like(key: str) -> Tensor | None:
        kind, name = key.split(".", 1)
        return present.get(name) if kind == "model" else learning[int(name.split(".")[0])]

    tensors, metadata = _read(file, like)
    state = json.loads(metadata["state"])
    check_same_rows(file, state["order"], order)
    if state.get("frozen", "") not in ("", frozen_fingerprint(model)):
        raise UserError(
            f"{file} comes from a training that began with other frozen weights: go on from the same model, "
            "or begin a new run without --training.resume."
        )
    weights: dict[str, Tensor] = {}
    optimizer_state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        kind, name = key.split(".", 1)
        if kind == "model":
            weights[name] = value
        else:
            weight, name = name.split(".", 1)
            optimizer_state.setdefault(int(weight), {})[name] = value
    for key, number in state.get("optimizer", {}).items():
        weight, name = key.split(".", 1)
        optimizer_state.setdefault(int(weight), {})[name] = number
    _fill(model, weights, file)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": optimizer_state})
    return Progress(**state["progress"]), state["scaler"]


def flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What an optimizer knows of a weight; bitsandbytes puts some of it into a dictionary within."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value)
        else:
            yield name, value


def _independent(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in main memory, tied weights as copies: safetensors takes no two that share memory."""
    seen: set[int] = set()
    result = {}
    for name, tensor in whole_state(tensors).items():
        storage = tensor.untyped_storage().data_ptr()
        shared = storage in seen
        seen.add(storage)
        tensor = tensor.contiguous()
        result[name] = tensor.clone() if shared else tensor
    return result


def _write(file: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.unfinished")
    save_file(tensors, unfinished, metadata={"format": "pt", **metadata})
    unfinished.replace(file)


def _read(file: Path, like: Callable[[str], Tensor | None]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What the file holds; this process's share of it where `like`, by name, gives a tensor of shares."""
    if not file.exists():
        raise UserError(f"{file} does not exist: this run has no such checkpoint yet.")
    try:
        with safe_open(file, framework="pt") as opened:
            # Copies: the tensors would keep the file open, and Windows cannot replace an open file.
            tensors = {
                name: share_of(opened.get_tensor(name), like(name)).clone()
                for name in opened.keys()  # noqa: SIM118
            }
            return tensors, opened.metadata()
    except SafetensorError as error:
        raise UserError(f"{file} is damaged ({error}): take the checkpoint of another run.") from None


def _fill(model: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    try:
        result = model.load_state_dict(tensors, strict=False)
        missing = [name for name in result.missing_keys if name in changing_state(model)]
        if missing or result.unexpected_keys:
            names = missing or result.unexpected_keys
            raise RuntimeError(f"{'it lacks' if missing else 'it also has'} {', '.join(names[:3])}")
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{file} holds the weights of a model of another shape: {detail}") from None
