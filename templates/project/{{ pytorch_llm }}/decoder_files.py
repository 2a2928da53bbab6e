"""Our decoder in Hugging Face's format on disk, and as a model of transformers in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .decoder import Decoder, DecoderConfig
from .errors import UserError
from .runs import write_json
from .shares import whole_state

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
TIED = "lm_head.weight"  # some save it although it is the embedding


class Ends(NamedTuple):
    """Special tokens of a tokenizer that the files of a model name."""

    text: int
    """Ends a text; also fills up."""

    turn: int
    """Ends a turn of a chat."""

    def of_model(self) -> dict[str, Any]:
        """As config.json has them."""
        return {"eos_token_id": self.text, "pad_token_id": self.text}

    def of_generation(self) -> dict[str, Any]:
        """As generation_config.json has them: writing stops at either."""
        return {"eos_token_id": sorted({self.text, self.turn}), "pad_token_id": self.text}


def save_decoder(decoder: Decoder, folder: Path, ends: Ends) -> None:
    """Write config.json, generation_config.json and model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = whole_state(decoder.state_dict(keep_vars=True))
    dtype = str(decoder.output_weight.dtype).removeprefix("torch.")
    write_json(folder / CONFIG_FILE, {**decoder.config.to_json(), "dtype": dtype, **ends.of_model()})
    write_json(folder / "generation_config.json", ends.of_generation())
    if not weights:
        return  # they are shared, and the first process writes them
    unfinished = folder / f"{WEIGHTS_FILE}.unfinished"
    tensors = {name: weight.contiguous() for name, weight in weights.items()}
    save_file(tensors, unfinished, metadata={"format": "pt"})
    unfinished.replace(folder / WEIGHTS_FILE)


def load_decoder(folder: Path, *, dropout: float = 0.0) -> Decoder:
    """Read a Llama or Qwen 3, whoever saved it. Raises UserError."""
    if not (folder / CONFIG_FILE).is_file():
        raise UserError(f"{folder} has no {CONFIG_FILE}: it is not the folder of a model.")
    config = DecoderConfig.from_json(json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")))
    files = [WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        index = json.loads((folder / INDEX_FILE).read_text(encoding="utf-8"))
        files = sorted(set(index["weight_map"].values()))
    tensors: dict[str, Tensor] = {}
    for name in files:
        if not (folder / name).is_file():
            raise UserError(f"{folder} has no {name}: the model is not there as a whole.")
        tensors.update(load_file(folder / name))
    decoder = Decoder(config, dropout=dropout)
    if config.tie_word_embeddings:
        tensors.pop(TIED, None)
    try:
        decoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"The weights in {folder} do not fit its {CONFIG_FILE}: {error}") from None
    return decoder


def to_transformers(
    decoder: Decoder, ends: Ends, *, shard: Callable[[PreTrainedModel], None] | None = None
) -> PreTrainedModel:
    """The same model in transformers' code, over the very same weights: what one learns, the other knows.

    A decoder that is shared between processes becomes a model that `shard` has shared alike, over copies.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

    content = decoder.config.to_json()
    config = AutoConfig.for_model(content.pop("model_type"), **content, **ends.of_model())
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    weights = decoder.state_dict(keep_vars=True)
    if shard:
        shard(model)
        weights = {name: weight.detach().clone() for name, weight in weights.items()}
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    # The wavelengths of the rotary embedding are no weights: on the meta device they have no values yet.
    model.model.rotary_emb = type(model.model.rotary_emb)(config).to(decoder.output_weight.device)
    model.generation_config = GenerationConfig(**ends.of_generation())
    return model.eval()
