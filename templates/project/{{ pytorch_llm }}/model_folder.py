"""The folder in which a model lies (of a run, given by path, fetched from a hub), and whether it is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from .config_file import nearest
from .errors import UserError
from .hub_errors import PAGES, hub_errors, offline
from .run_selection import MODEL
from .runs import RUNS

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
LFS_POINTER = b"version https://git-lfs"
INDEX = "model.safetensors.index.json"
WANTED = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]
UNWANTED = ["original/*", "consolidated*"]
"""What is fetched from a hub: no pickled weights, and no second copy of them in another format."""


def find_model(name: str | Path, *, hub: str = "huggingface") -> Path:
    """The folder that holds the model: `config.json`, or `adapter_config.json` where it is an adapter.

    Args:
        name: A run (folder or name in runs/), a local folder, or a name on the hub such as Qwen/Qwen3-0.6B.
        hub: `huggingface` or `modelscope`.

    Raises:
        UserError: Where there is no such model, or it cannot be fetched, or the folder is not whole.
    """
    hub, name = split_name(name, hub)
    folder = local_folder(name) or download(str(name), hub)
    check_folder(folder)
    return folder


def split_name(name: str | Path, hub: str = "huggingface") -> tuple[str, str | Path]:
    """The hub and the name on it; `modelscope:Qwen/Qwen3-0.6B` names its hub itself, as adapters note it."""
    known, colon, rest = str(name).partition(":")
    return (known, rest) if colon and known in PAGES else (hub, name)


def local_folder(name: str | Path) -> Path | None:
    """The folder of a local model; None where the name can only be one on a hub. Raises UserError."""
    path = Path(name).expanduser()
    if not path.exists() and (RUNS / path).exists():
        path = RUNS / path
    if path.is_dir():
        if not (path / "config.yaml").is_file():
            return path
        if (path / MODEL).is_dir():
            return path / MODEL
        raise UserError(f"{path} holds no trained model: that run was stopped, or is of another kind.")
    if path.exists():
        raise UserError(f"{name} is a file: give the folder of the model, which holds {CONFIG}.")
    text = str(name)
    drive = text[1:2] == ":"  # D:/models
    if text.startswith((".", "/", "~", f"{RUNS}/")) or "\\" in text or text.count("/") > 1 or drive:
        raise UserError(f"The folder {name} does not exist{near(text)}.")
    return None


def near(name: str) -> str:
    """` (nearest: FOLDER)` for the run or local folder whose name looks most like this one, or nothing."""
    folders = [
        *(RUNS.glob("*") if RUNS.is_dir() else []),
        *(one for one in Path().glob("*/") if (one / CONFIG).exists()),
    ]
    return nearest(Path(name).name, [folder.name for folder in folders])


def download(name: str, hub: str) -> Path:
    """Fetch a model into the hub's own cache, or find it there. Raises UserError."""
    options: dict[str, Any] = {"allow_patterns": WANTED, "ignore_patterns": UNWANTED}
    options["local_files_only"] = offline()
    if hub == "modelscope":
        try:
            from modelscope import snapshot_download as from_modelscope
        except ImportError:
            raise UserError(
                f"{name} comes from modelscope, whose package is missing: `pip install modelscope`."
            ) from None
        with hub_errors(name, hub, near(name)):
            return Path(from_modelscope(name, **options))
    from huggingface_hub import snapshot_download

    with hub_errors(name, hub, near(name)):
        return Path(snapshot_download(name, **options))


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter (LoRA and the like) and no model of its own."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / CONFIG).is_file()


def base_of(folder: Path) -> str:
    """The name of the base that an adapter was trained on. Raises UserError."""
    base = read_config(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise UserError(
            f"{folder / ADAPTER_CONFIG} does not say which base it is for (base_model_name_or_path)."
        )
    return str(base)


def learned_in_4_bits(adapter: Path) -> bool:
    """Whether the adapter of a run learned beside weights of 4 bits (qlora)."""
    file = adapter.parent / "config.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    method = settings.get("method") if isinstance(settings, dict) else None
    return isinstance(method, dict) and method.get("name") == "qlora"


def check_folder(folder: Path) -> None:
    """Raise UserError where files are missing or damaged. Reads only the headers of weights."""
    if is_adapter(folder):
        check_weights(folder, [ADAPTER_WEIGHTS])
        return
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no model: {CONFIG} is missing; give the folder that holds it.")
    read_config(folder / CONFIG)
    if (folder / INDEX).is_file():
        check_weights(folder, sorted(set(read_config(folder / INDEX).get("weight_map", {}).values())))
    elif (folder / WEIGHTS).is_file() or not any(folder.glob("*.bin")):
        check_weights(folder, [WEIGHTS])
    else:
        raise UserError(
            f"{folder} holds pickled weights only (.bin), which could run code when read: take a copy of the "
            "model that has .safetensors files."
        )


def check_weights(folder: Path, names: list[str]) -> None:
    """Raise UserError where one of these files is missing, or shorter than it says."""
    from safetensors import SafetensorError, safe_open

    for name in names:
        file = folder / name
        if not file.is_file():
            raise UserError(
                f"{folder} is not whole: {name} is missing; delete the folder and load the model again."
            )
        with file.open("rb") as opened:
            pointer = opened.read(len(LFS_POINTER)) == LFS_POINTER
        if pointer:
            raise UserError(f"{file} only points to the weights: run `git lfs install`, then `git lfs pull`.")
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"{file} is damaged or only half downloaded ({error}): delete it and load the model again."
            ) from None


def read_config(file: Path) -> dict[str, Any]:
    """Read a JSON file of a model. Raises UserError where it is damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is damaged ({error}): delete it and load the model again.") from None
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged (it holds no settings): delete it and load the model again.")
    return content
