"""Export: a model with its adapters merged, in the form that other programs read."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .base_models import load_model, load_tokenizer
from .bases import resolve_model, short_name
from .commands import command
from .console import say
from .errors import UserError
from .export_config import ExportConfig
from .methods import count_weights, save_model
from .model_folder import base_of, find_model, is_adapter, read_config
from .opened_model import only_pretrained, taught_system
from .runs import new_run, write_atomically
from .text_model import stop_tokens

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
BYTES = {"f32": 4, "f16": 2, "bf16": 2, "q8_0": 34 / 32}  # of a weight
GGUF_FILE = "model.gguf"


def export(config: ExportConfig) -> Path:
    """Write the model into a folder and say how to use it. Raises UserError."""
    source = resolve_model(config.run, "train", "finetune", "align")
    taught = taught_system(Path(source))
    config = replace(config, run=source, system=config.system or taught)
    folder = find_model(source)
    name = short_name(source).removeprefix("runs/")
    model = load_model(folder, dtype=stored_dtype(folder, config))
    tokenizer = load_tokenizer(folder)
    output = output_folder(config, folder)
    if is_adapter(folder):
        say(f"The adapters of {folder} are merged into {base_of(folder)}.")
    check_room(output, count_weights(model)[1] * BYTES[config.dtype])
    if taught and config.format != "ollama":
        say(f"Other programs must be given the system message that it was fine-tuned with: {taught}")
    if config.format == "safetensors":
        save_safetensors(model, tokenizer, output, DTYPES[config.dtype])
        say(f"Written to {output}. Serve it: python serve.py --run {output}  (or: vllm serve {output})")
        return output
    short = name.rpartition("/")[2]
    save_gguf(model, tokenizer, output / GGUF_FILE, config.dtype, short)
    size = (output / GGUF_FILE).stat().st_size / 2**20
    say(f"Written to {output / GGUF_FILE}: {size:,.1f} MiB, {config.dtype}.")
    if config.format == "ollama":
        chats = bool(tokenizer.chat_template) and not only_pretrained(folder)
        save_modelfile(model, tokenizer, output, config, chats)
        short = short.lower()
        say(f"Try it: ollama create {short} -f {output / 'Modelfile'}, then: ollama run {short}")
    else:
        say(f"Try it with llama.cpp: llama-cli -m {output / GGUF_FILE}")
    return output


def stored_dtype(folder: Path, config: ExportConfig) -> torch.dtype:
    """The number format to load in: float32 where that is asked for, else that of the base's own files."""
    if config.dtype == "f32":
        return torch.float32
    while is_adapter(folder):  # after preference tuning, of a model that has adapters itself
        folder = find_model(base_of(folder))
    settings = read_config(folder / "config.json")
    found = getattr(torch, str(settings.get("dtype") or settings.get("torch_dtype")), None)
    return found if isinstance(found, torch.dtype) else torch.float32


def output_folder(config: ExportConfig, source: Path) -> Path:
    """Where to write, a folder that exists. Raises UserError."""
    output = Path(config.output) if config.output else new_run("export", config).path("model")
    if output.exists() and output.resolve() == source.resolve():
        raise UserError(f"output is {output}, the folder of the model itself: give another.")
    if config.output and not config.overwrite and output.is_dir() and any(output.iterdir()):
        raise UserError(f"output: {output} holds files already: name another folder or add --overwrite true.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output} cannot be made: {error.strerror}.") from None
    return output


def check_room(folder: Path, size: float) -> None:
    """Raise UserError where the disk has no room for so many bytes: said before minutes of writing."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"The model takes {size / 2**30:,.1f} GiB, and {folder} has room for {free / 2**30:,.1f} GiB: "
            "make room there, or give another folder as output."
        )


def save_safetensors(model: Any, tokenizer: Any, folder: Path, dtype: torch.dtype) -> None:
    """Write model and tokenizer as Hugging Face's libraries do."""
    save_model(model.to(dtype), folder, "", stops=stop_tokens(model, tokenizer))
    tokenizer.save_pretrained(folder)


def save_gguf(model: Any, tokenizer: Any, file: Path, dtype: str, name: str) -> None:
    """Write a GGUF file. Raises UserError where the package is missing or the model is of another kind."""
    try:
        from .gguf_export import export_gguf
    except ModuleNotFoundError as error:
        if error.name != "gguf":
            raise
        raise UserError("The package gguf is missing: install it with `pip install gguf`.") from None
    export_gguf(model, tokenizer, file, dtype=dtype, name=name)


def save_modelfile(model: Any, tokenizer: Any, folder: Path, config: ExportConfig, chats: bool) -> None:
    """Write what Ollama needs beside the GGUF file."""
    from .ollama import modelfile

    text, remark = modelfile(
        tokenizer,
        file=GGUF_FILE,
        context=model.config.max_position_embeddings,
        stops=[tokenizer.convert_ids_to_tokens(token) for token in sorted(stop_tokens(model, tokenizer))],
        chats=chats,
        system=config.system,
        temperature=config.temperature,
    )
    write_atomically(folder / "Modelfile", text)
    if remark:
        say(remark)


export_command = command(export, ExportConfig, "export")
