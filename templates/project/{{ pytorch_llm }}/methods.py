"""Which weights learn: all, LoRA and its kin through peft, the last blocks, or all but the embeddings."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from .checkpoint import changing_state
from .config_file import nearest
from .console import say
from .errors import UserError
from .freezing import freeze, unfreeze
from .method_config import LORA_METHODS, MethodConfig
from .processes import FIRST_PROCESS
from .quiet import one_line, quiet_transformers
from .shares import is_sharded, whole_state

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel


GENERATION_CONFIG = "generation_config.json"
ROUTERS = re.compile("Router|Gating|MoE.*Gate")  # classes of what chooses experts
WORTH_SAYING = 0.05  # share of a model's blocks


def apply_method(model: PreTrainedModel, method: MethodConfig) -> Any:
    """Make `model` ready to learn with `method`.

    Gives the model itself, or a peft model around it whose adapters are float32 (also on a bfloat16 base).
    Raises UserError for layers that it does not have.
    """
    if method.name in LORA_METHODS:
        model = add_lora(model, method)
    elif method.name == "last_layers":
        train_last_layers(model, method.layers)
    elif method.name == "frozen_embeddings":
        unfreeze(model)
        freeze(model.get_input_embeddings())  # a head that is tied to them is the same weights
    else:
        unfreeze(model)
    if method.gradient_checkpointing:
        checkpoint_blocks(model)
    return model


def checkpoint_blocks(model: Any) -> None:
    """Let each block compute its activations again in the backward pass. Raises UserError where it cannot.

    The kind that is not reentrant needs no gradient at a block's input, so frozen blocks below the first that
    learns cost no backward pass (`enable_input_require_grads`, which the other kind needs, would make one).
    """
    try:
        model.activation_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise UserError(f"method.gradient_checkpointing: {error}") from None


def add_lora(model: PreTrainedModel, method: MethodConfig) -> Any:
    """Put LoRA matrices beside the linear layers that `method` names, unless there are some already.

    Also with qlora all others stay as they were loaded: `prepare_model_for_kbit_training` of peft would make
    embeddings and norms float32, gigabytes where a vocabulary is large.

    Raises UserError where peft refuses; says how much of the model `all-linear` leaves without an adapter.
    """
    from peft import get_peft_model

    if is_peft(model):
        return model
    config, layers = lora_config(model, method), linear_layers(model)
    try:
        with quiet_transformers():
            adapted = get_peft_model(model, config)
    except ValueError as error:
        raise refused(error, model, method, layers) from error
    leave_routers(adapted)
    if method.targets == ["all-linear"]:
        say_what_stays(adapted)
    return adapted


def refused(error: ValueError, model: PreTrainedModel, method: MethodConfig, layers: list[str]) -> UserError:
    """What to do where peft does not take a model as `method` wants it."""
    kind = model.config.model_type
    text = re.sub(r"^\[.*?\] ", "", one_line(error)).partition(". ")[0].rstrip(".")
    if "ParamWrapper" in text:
        what = f"method.dropout is {method.dropout:g}" if method.dropout else f"method.name is {method.name}"
        instead = "method.dropout to 0" if method.dropout else "method.name to lora"
        return UserError(
            f"{what}, which does not work with the experts of a {kind}: they are one tensor; set {instead}."
        )
    return UserError(
        f"No adapters can be put beside these layers of a {kind}: {text}; name others in method.targets (it "
        f"has {', '.join(layers)})."
    )


def leave_routers(model: nn.Module) -> None:
    """Let what chooses experts stay as it is: peft puts matrices beside that of Mixtral or Qwen unasked."""
    for layer in model.modules():
        if ROUTERS.search(type(getattr(layer, "base_layer", None)).__name__):
            for name, weight in layer.named_parameters():
                if "lora_" in name:
                    nn.init.zeros_(weight)
                    weight.requires_grad_(False)


def say_what_stays(model: Any) -> None:
    """Say which weights of the blocks have no adapter, where they are more than a few, as experts can be."""
    base = model.get_base_model()
    outer = (base.get_input_embeddings(), base.get_output_embeddings())
    ends = {id(layer.weight) for layer in outer if layer is not None}
    left: dict[str, int] = {}
    whole = 0
    for name, weight in base.named_parameters():
        if id(weight) in ends or ".lora_" in name:
            continue
        whole += numbers(weight)
        if ".base_layer." not in name:  # which adapted layers are named
            place = re.sub(r".*\.\d+\.", "", name)
            left[place] = left.get(place, 0) + numbers(weight)
    share = sum(left.values()) / max(whole, 1)
    if share > WORTH_SAYING:
        largest = sorted(left, key=lambda place: left[place], reverse=True)[:2]
        say(
            f"{share:.0%} of the weights in the blocks get no adapter and stay as they are, most of them in "
            f"{' and '.join(largest)}: all-linear means linear layers."
        )


def lean_adapters(model: nn.Module) -> AbstractContextManager[None]:
    """Within this block, autocast alone sets the number format of LoRA's inputs: only for training with it.

    peft would make each layer's input float32, the format of the adapters, and autocast 16 bits again: a copy
    that is kept for the backward pass beside the input itself, about a seventh of the memory. DoRA measures
    lengths of weights in the format of its input, which therefore stays float32.
    """
    if not is_peft(model) or any(config.use_dora for config in model.peft_config.values()):  # type: ignore[operator]
        return nullcontext()
    from peft.helpers import disable_input_dtype_casting

    return disable_input_dtype_casting(model)


def lora_config(model: PreTrainedModel, method: MethodConfig) -> LoraConfig:
    """The settings of peft that `method` stands for. Raises UserError for layers the model does not have.

    lora: Hu et al. 2021; rslora: Kalajdzievski 2023; dora: Liu et al. 2024; qlora: Dettmers et al. 2023.
    """
    from peft import LoraConfig

    targets: str | list[str] = "all-linear"
    if method.targets != ["all-linear"]:
        check_targets(model, method.targets)
        targets = method.targets
    routers = [name for name, layer in model.named_modules() if is_linear(layer) and routes(model, name)]
    return LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # type: ignore[arg-type]  # a scale; need not be whole
        lora_dropout=method.dropout,
        target_modules=targets,
        exclude_modules=routers or None,
        use_rslora=method.name == "rslora",
        use_dora=method.name == "dora",
        task_type="CAUSAL_LM",
    )


def linear_layers(model: nn.Module) -> list[str]:
    """Last parts of the names of the layers that LoRA can be put beside, in the order of the model.

    Not routers: which experts read a token stays as it is, and some give more than one tensor.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    names = [
        name.rpartition(".")[2]
        for name, layer in model.named_modules()
        if layer is not head and is_linear(layer) and not routes(model, name)
    ]
    return list(dict.fromkeys(names))


def is_linear(layer: nn.Module) -> bool:
    """Whether LoRA can be put beside this layer."""
    return isinstance(layer, nn.Linear) or type(layer).__name__ in ("Conv1D", "Linear4bit")


def routes(model: nn.Module, name: str) -> bool:
    """Whether the layer `name` is a router, or part of one."""
    parts = name.split(".")
    path = (model.get_submodule(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return any(ROUTERS.search(type(module).__name__) for module in path)


def check_targets(model: nn.Module, targets: list[str]) -> None:
    """Raise UserError for a target that is no layer of the model."""
    known = linear_layers(model)
    for target in targets:
        if target.rpartition(".")[2] not in known:
            near = nearest(target, known)
            raise UserError(
                f"method.targets: the model has no layer {target}{near}; it has {', '.join(known)}, "
                "and all-linear means all of them."
            )


def train_last_layers(model: PreTrainedModel, layers: int) -> None:
    """Let the last blocks, the norm after them and an untied output layer learn, and nothing else."""
    blocks = find_blocks(model)
    if layers > len(blocks):
        raise UserError(
            f"method.layers is {layers}, but the model has only {len(blocks)} blocks: set it lower."
        )
    freeze(model)
    for block in blocks[len(blocks) - layers :]:
        unfreeze(block)
    decoder = model.get_decoder()
    for name, part in decoder.named_children():
        if re.search("norm|ln_f", name):
            unfreeze(part)
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and head.weight is not embeddings.weight:
        unfreeze(head)


def find_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The decoder's blocks, in order. Raises UserError where it has no list of them."""
    lists = [part for part in model.get_decoder().children() if isinstance(part, nn.ModuleList)]
    if not lists:
        raise UserError(
            f"{type(model).__name__} has no list of blocks: choose another method than last_layers."
        )
    return max(lists, key=len)


def count_weights(model: nn.Module) -> tuple[int, int]:
    """Numbers of weights that learn, and of all; those in 4 bits count as what they stand for."""
    learning = total = 0
    for weight in model.parameters():
        total += numbers(weight)
        learning += numbers(weight) if weight.requires_grad else 0
    return learning, total


def numbers(weight: nn.Parameter) -> int:
    """How many numbers a tensor of weights holds: bitsandbytes keeps two of 4 bits in a byte."""
    return weight.numel() * (2 if type(weight).__name__ == "Params4bit" else 1)


def is_peft(model: nn.Module) -> bool:
    """Whether the model has adapters that are not merged."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def merge(model: Any) -> PreTrainedModel:
    """The model with its adapters added into its weights; a model without adapters as it is.

    The adapters are gone afterwards. Raises UserError for a base in 4 bits, which would lose too much.
    """
    if not is_peft(model):
        return model
    if getattr(model, "is_loaded_in_4bit", False):
        raise UserError(
            "A model in 4 bits cannot take its adapter in: save the adapter, and merge it from there."
        )
    return model.merge_and_unload(safe_merge=True)


def save_model(model: Any, folder: Path, source: str, *, stops: Collection[int] = ()) -> None:
    """Write the model in Hugging Face's format, or its adapter alone, which notes `source` as its base.

    `stops` are the tokens that end an answer (`text_model.stop_tokens`): the base may not name the one that
    the model was taught to end a turn with, and other programs stop only where generation_config.json says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {}
    if is_peft(model):
        for config in model.peft_config.values():
            config.base_model_name_or_path = source
        # Not trl's copy to compare with, nor the embeddings, which no method trains beside adapters.
        options = {"selected_adapters": ["default"], "save_embedding_layers": False}
    if is_sharded(model):
        weights = changing_state(model) if is_peft(model) else model.state_dict(keep_vars=True)
        options["state_dict"] = whole_state(weights)
        options["is_main_process"] = FIRST_PROCESS
    with quiet_transformers():
        model.save_pretrained(folder, **options)
    if stops:
        settings = copy(model.generation_config)
        settings.eos_token_id = sorted(stops)
        # `save_pretrained` would refuse changed settings for what is wrong in those that the base came with.
        settings.to_json_file(folder / GENERATION_CONFIG, keys_to_pop=["compile_config"])
