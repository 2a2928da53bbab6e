"""GGUF files agree with the model when they are read as llama.cpp reads them, not only by transformers.

Run in a generated PyTorch project of the task `llm`, by its Python. A forward pass is written out here in NumPy, with
the names, the order of rows and the two kinds of rotary embedding (pairs side by side for Llama, halves for Qwen) that
llama.cpp has, and works on nothing but the file. Then transformers reads it too, and export.py is run for every format.
"""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

TEXT = "The river runs to the sea. 你好，世界 🙂 — it's 12345. " * 20
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"rope_parameters": LLAMA3_ROPE},
    "mistral": {"sliding_window": None},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"tie_word_embeddings": True, "head_dim": 32},
}
NEEDED = (
    "general.architecture", "general.name", "general.file_type", "{}.context_length", "{}.embedding_length",
    "{}.block_count", "{}.feed_forward_length", "{}.attention.head_count", "{}.attention.head_count_kv",
    "{}.attention.layer_norm_rms_epsilon", "{}.attention.key_length", "{}.rope.freq_base",
    "{}.rope.dimension_count", "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id", "tokenizer.chat_template",
)  # fmt: skip


def part(name: str) -> Any:
    """A module of the project in the working directory."""
    package = next(Path.cwd().glob("*/trainee.py")).parent.name
    return importlib.import_module(f"{package}.{name}")


def make_model(kind: str, folder: Path) -> Path:
    """A small random model whose norms and biases are not ones and zeros."""
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    part("tokenizer").train_tokenizer([TEXT], 320, folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": len(PreTrainedTokenizerFast.from_pretrained(folder)) + 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.2,
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**sizes, **KINDS[kind]}))
    for weight in model.parameters():
        if weight.ndim == 1:
            torch.nn.init.normal_(weight, 1.0, 0.3)
    model.save_pretrained(folder)
    return folder


def export(model: Path, output: Path, *options: str) -> None:
    """export.py, as a person starts it."""
    command = [sys.executable, "export.py", "--run", str(model), "--output", str(output), *options]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended


class LlamaCpp:
    """What llama.cpp computes from a GGUF file of float32 numbers."""

    def __init__(self, file: Path) -> None:
        reader = gguf.GGUFReader(file)
        self.fields = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors = {tensor.name: np.array(tensor.data, np.float64) for tensor in reader.tensors}
        self.kind = self.fields["general.architecture"]

    def field(self, name: str) -> Any:
        return self.fields[f"{self.kind}.{name}"]

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.tensors[f"{name}.weight"].T + self.tensors.get(f"{name}.bias", 0.0)

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        size = (x**2).mean(-1, keepdims=True) + self.field("attention.layer_norm_rms_epsilon")
        return x / np.sqrt(size) * self.tensors[f"{name}.weight"]

    def rotate(self, x: np.ndarray) -> np.ndarray:
        """x (T, heads, D): GGML_ROPE_TYPE_NORM turns neighbours, GGML_ROPE_TYPE_NEOX the two halves."""
        width = self.field("rope.dimension_count")
        waves = self.field("rope.freq_base") ** (-np.arange(0, width, 2) / width)
        waves = waves / self.tensors.get("rope_freqs.weight", 1.0)
        angles = (np.arange(len(x))[:, None] * waves)[:, None]  # (T, 1, D / 2)
        halves = self.kind != "llama"
        first, second = (x[..., : width // 2], x[..., width // 2 :]) if halves else (x[..., ::2], x[..., 1::2])
        turned = first * np.cos(angles) - second * np.sin(angles), first * np.sin(angles) + second * np.cos(angles)
        return np.concatenate(turned, -1) if halves else np.stack(turned, -1).reshape(x.shape)

    def logits(self, tokens: list[int]) -> np.ndarray:
        x = self.tensors["token_embd.weight"][tokens]
        heads, shared = self.field("attention.head_count"), self.field("attention.head_count_kv")
        width = self.field("attention.key_length")
        for block in (f"blk.{number}" for number in range(self.field("block_count"))):
            inner = self.norm(f"{block}.attn_norm", x)
            q = self.linear(f"{block}.attn_q", inner).reshape(len(x), heads, width)
            k = self.linear(f"{block}.attn_k", inner).reshape(len(x), shared, width)
            v = self.linear(f"{block}.attn_v", inner).reshape(len(x), shared, width)
            if f"{block}.attn_q_norm.weight" in self.tensors:
                q, k = self.norm(f"{block}.attn_q_norm", q), self.norm(f"{block}.attn_k_norm", k)
            q, k = self.rotate(q), self.rotate(k)
            k, v = (part.repeat(heads // shared, axis=1) for part in (k, v))
            scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(width)
            scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = np.einsum("hij,jhd->ihd", weights / weights.sum(-1, keepdims=True), v)
            x = x + self.linear(f"{block}.attn_output", mixed.reshape(len(x), -1))
            inner = self.norm(f"{block}.ffn_norm", x)
            gate = self.linear(f"{block}.ffn_gate", inner)
            x = x + self.linear(f"{block}.ffn_down", gate / (1 + np.exp(-gate)) * self.linear(f"{block}.ffn_up", inner))
        x = self.norm("output_norm", x)
        return self.linear("output" if "output.weight" in self.tensors else "token_embd", x)


def check_kind(kind: str, place: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = make_model(kind, place / kind)
    export(folder, place / f"{kind}-gguf", "--format", "gguf", "--dtype", "f32")
    tokens = torch.randint(0, 250, (1, 100), generator=torch.Generator().manual_seed(0))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    with torch.no_grad():
        expected = model(input_ids=tokens).logits[0].numpy()
    read = LlamaCpp(place / f"{kind}-gguf" / "model.gguf")
    missing = [name for name in NEEDED if name.format(read.kind) not in read.fields]
    assert not missing, missing
    found = read.logits(tokens[0].tolist())
    worst = np.abs(found - expected).max()
    print(f"{kind}: logits up to {np.abs(expected).max():.1f}, as llama.cpp computes them differ by {worst:.1e}")
    assert worst < 1e-3


def check_formats(place: Path) -> None:
    """Every format and dtype of a model made by this project is written, and says how to use it."""
    model = place / "qwen3"
    for number, (form, dtype) in enumerate(
        [("safetensors", "bf16"), ("safetensors", "f16"), ("gguf", "f16"), ("gguf", "q8_0"), ("ollama", "bf16")]
    ):
        output = place / f"out{number}"
        export(model, output, "--format", form, "--dtype", dtype)
        files = {file.name: file.stat().st_size for file in output.iterdir()}
        print(f"{form} {dtype}: {', '.join(f'{name} {size:,}' for name, size in sorted(files.items()))}")
    modelfile = (place / "out4" / "Modelfile").read_text(encoding="utf-8")
    assert modelfile.startswith("FROM ./model.gguf\nTEMPLATE"), modelfile
    assert 'PARAMETER stop "<|im_end|>"' in modelfile, modelfile


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        for kind in KINDS:
            check_kind(kind, Path(place))
        check_formats(Path(place))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
