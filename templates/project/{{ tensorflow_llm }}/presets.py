"""KerasHub presets: opened by whatever name, of a model of one's own or of others, and written."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from .config_file import nearest
from .errors import UserError
from .hub_errors import hub_errors
from .preset_tokenizer import TOKENIZER, find_tokenizer
from .run_selection import MODEL
from .runs import RUNS, write_json
from .tokenizer import TextTokenizer

if TYPE_CHECKING:
    from keras_hub.models import CausalLM

CONFIG = "config.json"
ADAPTER = "adapter.json"
ADAPTER_WEIGHTS = "adapter.lora.h5"
SCHEMES = {"huggingface": "hf", "modelscope": "modelscope"}
COMPARED = 1000  # rows of the embedding that tell one base from another


@dataclass(frozen=True)
class Opened:
    """A model that was opened.

    Attributes:
        model: KerasHub's model, in which any adapter is merged with the weights.
        tokenizer: The tokenizer that belongs to it.
        context: Longest sequence that it was trained for, in tokens.
        source: Where it comes from: a folder, or a handle such as `hf://Qwen/Qwen3-0.6B`.
    """

    model: CausalLM
    tokenizer: TextTokenizer
    context: int
    source: str


def open_preset(name: str | Path, *, hub: str = "huggingface") -> Opened:
    """Open a preset or an adapter on its base.

    Args:
        name: A folder (KerasHub's presets, and Hugging Face's format of the architectures that KerasHub
            converts), the name of a run, a preset of KerasHub (`qwen3_0.6b_en`), a handle (`kaggle://…`,
            `hf://…`, `modelscope://…`), or `OWNER/NAME` on the hub.
        hub: Where a name is looked up.

    Raises:
        UserError: When there is none, it cannot be fetched or read, or has no tokenizer that can be used.
    """
    source = find_source(name, hub)
    if (Path(source) / ADAPTER).is_file():
        return open_adapter(Path(source), hub)
    from keras_hub.models import CausalLM

    with hub_errors(source):
        if source.startswith("hf://"):  # KerasHub says "no config.json", whatever the hub has said
            from huggingface_hub import hf_hub_download

            hf_hub_download(source.removeprefix("hf://"), CONFIG)
    tokenizer = find_tokenizer(source)  # before gigabytes of weights are fetched
    with hub_errors(source):
        model = CausalLM.from_preset(source)
    reads_text = getattr(model.backbone, "text_only_model", True)
    if not reads_text or not hasattr(model.backbone, "token_embedding"):
        raise UserError(
            f"{source} is a {type(model).__name__}, which reads more than text: take a model for text."
        )
    if tokenizer.vocabulary > model.backbone.vocabulary_size:
        raise UserError(
            f"The tokenizer of {source} does not fit its model: it has {tokenizer.vocabulary:,} tokens, the "
            f"model embeddings for {model.backbone.vocabulary_size:,} only; take the one that belongs to it."
        )
    return Opened(model, tokenizer, context_of(model, source), source)


def find_source(name: str | Path, hub: str) -> str:
    """The folder or the handle that `name` means. Raises UserError."""
    text = str(name)
    if "://" in text:
        return text
    for path in (Path(text).expanduser(), RUNS / text):
        folder = path / MODEL if (path / "config.yaml").is_file() else path
        if (folder / CONFIG).is_file() or (folder / ADAPTER).is_file():
            return folder.as_posix()
        if path.is_dir():
            raise UserError(
                f"{path} holds no model ({CONFIG} is missing): give the folder of a preset or a run."
            )
    from keras_hub.models import CausalLM

    if text in CausalLM.presets:
        return str(CausalLM.presets[text]["kaggle_handle"])
    local = text.startswith((".", "/", "~", f"{RUNS}/")) or "\\" in text or text[1:2] == ":"  # D:/models
    if text.count("/") == 1 and not local:
        return f"{SCHEMES[hub]}://{text}"
    known = [*CausalLM.presets, *(run.name for run in RUNS.glob("*"))]
    raise UserError(
        f"There is no folder, run or KerasHub preset {text}{nearest(text, known)}: give one of these, "
        "or a handle such as hf://Qwen/Qwen3-0.6B or kaggle://keras/qwen-3/keras/qwen3_0.6b_en."
    )


def context_of(model: CausalLM, source: str) -> int:
    """Longest sequence in tokens: from Hugging Face's config, or the preprocessor of a KerasHub preset."""
    config = Path(source) / CONFIG
    if config.is_file():
        known = json.loads(config.read_text(encoding="utf-8")).get("max_position_embeddings")
        if known:
            return int(known)
    return int(getattr(model.preprocessor, "sequence_length", None) or 1024)


def save_preset(opened: Opened, folder: Path) -> None:
    """Write model and tokenizer so that `keras_hub.models.CausalLM.from_preset(folder)` reads them.

    Adapters are merged. The tokenizer is in a folder of its own, because Hugging Face and KerasHub give files
    of different content the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened.model.save_to_preset(str(folder))
    save_tokenizer(opened.tokenizer, folder)


def merge(opened: Opened) -> Opened:
    """The same model with its adapter added to the weights; as it is where it has none.

    Keras adds them up when it writes a file.
    """
    if not getattr(opened.model.backbone, "_lora_enabled_layers", None):
        return opened
    from keras_hub.models import CausalLM

    with tempfile.TemporaryDirectory() as folder:
        opened.model.save_to_preset(folder)
        return replace(opened, model=CausalLM.from_preset(folder))


def save_adapter(opened: Opened, folder: Path, rank: int, layers: list[str]) -> None:
    """Write the matrices of LoRA alone, and which base they are for: opening them opens the base, too."""
    folder.mkdir(parents=True, exist_ok=True)
    opened.model.backbone.save_lora_weights(str(folder / ADAPTER_WEIGHTS))
    facts = {
        "base": opened.source,
        "base_fingerprint": fingerprint(opened.model),
        "rank": rank,
        "layers": layers,
    }
    write_json(folder / ADAPTER, facts)
    save_tokenizer(opened.tokenizer, folder)


def save_tokenizer(tokenizer: TextTokenizer, folder: Path) -> None:
    """Write the tokenizer in Hugging Face's format, with the chat template in use."""
    place = folder / TOKENIZER
    place.mkdir(exist_ok=True)
    write_json(place / "tokenizer_config.json", tokenizer.special_tokens)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (tokenizer.folder / name).is_file() and tokenizer.folder.resolve() != place.resolve():
            shutil.copy(tokenizer.folder / name, place / name)
    tokenizer.tokenizer.save(str(place / "tokenizer.json"))
    (place / "chat_template.jinja").write_text(tokenizer.render.source, encoding="utf-8")


def open_adapter(folder: Path, hub: str) -> Opened:
    """An adapter on its base, with the adapter's tokenizer and chat template. Raises UserError."""
    facts: dict[str, Any] = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    try:
        base = merge(open_preset(facts["base"], hub=hub))
    except UserError as error:
        raise UserError(f"{folder} is an adapter, and its base cannot be opened: {error}") from error
    if fingerprint(base.model) != facts["base_fingerprint"]:
        raise UserError(
            f"The adapter in {folder} was trained on another base than what is now in {facts['base']}: put "
            "that one back, or fine-tune anew."
        )
    enable_lora(base.model, facts["rank"], facts["layers"])
    try:
        base.model.backbone.load_lora_weights(str(folder / ADAPTER_WEIGHTS))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{folder / ADAPTER_WEIGHTS} is missing or damaged ({error}): fine-tune anew."
        ) from error
    return Opened(base.model, TextTokenizer(folder / TOKENIZER), base.context, folder.as_posix())


def lora_layers(model: CausalLM) -> list[str]:
    """Names of the dense layers of attention and feed-forward network, which LoRA is added to."""
    dense = (keras.layers.Dense, keras.layers.EinsumDense)
    return sorted({layer.name for layer in model.backbone._flatten_layers() if isinstance(layer, dense)})


def enable_lora(model: CausalLM, rank: int, layers: list[str]) -> None:
    """Freeze `model` and add LoRA's matrices to the layers of these names: Keras' own way."""
    model.backbone.enable_lora(rank, target_layer_names=layers)


def fingerprint(model: CausalLM) -> str:
    """A short name for a base: the same for the same weights, as far as the first embeddings tell."""
    backbone = model.backbone
    embeddings = np.asarray(backbone.token_embedding.embeddings, np.float32)[:COMPARED]
    sizes = f"{type(backbone).__name__} {embeddings.shape} {len(backbone.transformer_layers)}"
    return hashlib.sha256(sizes.encode() + embeddings.tobytes()).hexdigest()[:16]
