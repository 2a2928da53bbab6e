"""Settings of export.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Settings of export.py: the model for other programs, adapters merged into their base."""

    run: str = "latest"
    """Training or fine-tuning run, a model's folder or name on the hub, or `latest`."""

    format: Literal["safetensors", "gguf", "ollama"] = "safetensors"
    """`safetensors`: a folder for transformers, vLLM and the like. `gguf`: one file for llama.cpp, LM Studio
    and the like. `ollama`: that file with a Modelfile."""

    output: str = ""
    """Folder to write into; empty: a new one in runs/."""

    overwrite: bool = False
    """Whether to write into a folder that holds files, and over those of the same name."""

    dtype: Literal["f32", "f16", "bf16", "q8_0"] = "bf16"
    """Number format of the weights; q8_0 (8 bits, blocks of 32 share a scale) only for gguf and ollama."""

    system: str = ""
    """System message for Ollama; empty: that of the fine-tuning, or the chat template's own, if any."""

    temperature: float = 0.7
    """Temperature for Ollama, 0 or more; 0 always takes the likeliest token."""

    def __post_init__(self) -> None:
        """Raise ValueError, naming the field, for a value that cannot work."""
        if self.dtype == "q8_0" and self.format == "safetensors":
            raise ValueError("dtype is q8_0, which safetensors does not have: take bf16, or format gguf")
        if self.temperature < 0:
            raise ValueError(f"temperature is {self.temperature}: it must be 0 or more")
