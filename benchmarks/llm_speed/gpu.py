"""What only a GPU can show: `gpu.py PROJECT FOLDER`, in an environment of the project. Prints a line of JSON for each.

Pretraining: the share of the chip's dense bfloat16 peak that the model's own work takes (MFU). A token costs, forwards
and backwards, 6 floating-point operations for each weight that is multiplied with (all but an embedding whose rows are
only looked up), and 6 · layers · heads · head width · context for causal attention (half of PaLM's 12, Chowdhery et
al. 2022, as half of the scores are masked). Nothing is added for what is computed twice.

QLoRA: the peak of two steps on a random model of the shape of Qwen2.5 32B in 4 bits, whose layers are made one by one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import numpy as np
import torch
from bench.base_models import Base
from bench.config import ModelConfig
from bench.decoder import Decoder
from bench.decoder_presets import sized
from bench.examples import Example
from bench.method_config import MethodConfig
from bench.runs import Run
from bench.trainee import OpenedTrainee, Trainee, decoder_config
from bench.training_config import TrainingConfig
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

#: Dense bfloat16 operations per second, from the makers' data sheets.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12, "A10": 125e12}
QWEN_32B = {
    "vocab_size": 152_064,
    "hidden_size": 5120,
    "intermediate_size": 27_648,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
WARMUP = 5


def random_blocks(count: int, context: int, vocabulary: int) -> list[Example]:
    random = np.random.default_rng(0)
    wanted = np.arange(context + 1) > 0
    return [Example(random.integers(0, vocabulary, context + 1).astype(np.int32), wanted) for _ in range(count)]


def step_times(trainee: Trainee, examples: list[Example], config: TrainingConfig, folder: Path) -> list[float]:
    """Seconds of each optimizer step but the first few."""
    ends: list[float] = []

    def note(*_: Any) -> None:
        torch.cuda.synchronize()
        ends.append(time.perf_counter())

    hook = register_optimizer_step_post_hook(note)
    trainee.fit(examples, examples[:1], config, Run(folder, "train"))
    hook.remove()
    return np.diff(ends)[WARMUP:].tolist()


def pretraining(folder: Path, preset: str, context: int = 4096, rows: int = 4) -> dict[str, Any]:
    config = decoder_config(sized(ModelConfig(preset=preset)), 65_536)  # type: ignore[arg-type]
    decoder = Decoder(config)
    trainee = Trainee(decoder, context, betas=(0.9, 0.95), savings=[])
    training = TrainingConfig(epochs=1, batch_size=rows, precision="bfloat16", device="gpu", compile=True)
    torch.cuda.reset_peak_memory_stats()
    times = step_times(trainee, random_blocks(20 * rows, context, config.vocab_size), training, folder / preset)
    multiplied = trainee.parameters - (0 if config.tie_word_embeddings else decoder.model.embed_tokens.weight.numel())
    attention = config.num_hidden_layers * config.num_attention_heads * config.head_dim * context
    rate = rows * context / float(np.median(times))
    chip = torch.cuda.get_device_name()
    peak = next((peak for name, peak in PEAKS.items() if name in chip), None)
    return {
        "what": f"pretraining {preset}",
        "chip": chip,
        "tokens per second": rate,
        "mfu": rate * 6 * (multiplied + attention) / peak if peak else None,
        "peak": torch.cuda.max_memory_allocated(),
    }


def in_four_bits(config: Any) -> Any:
    """A random model whose linear layers are in 4 bits (NF4, double quantisation), as QLoRA loads them."""
    from bitsandbytes.nn import Linear4bit, Params4bit
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, nn.Linear) and name != "lm_head":
            small = Linear4bit(layer.in_features, layer.out_features, layer.bias is not None, torch.bfloat16)
            weight = torch.randn(layer.out_features, layer.in_features, dtype=torch.bfloat16) * 0.02
            small.weight = Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4").cuda()
            if layer.bias is not None:
                small.bias = nn.Parameter(torch.zeros_like(layer.bias, device="cuda"), requires_grad=False)
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, small)
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if weight.is_meta:
                setattr(module, name, nn.Parameter(torch.ones_like(weight, device="cuda") * 0.02, requires_grad=False))
    rotary = model.model.rotary_emb
    model.model.rotary_emb = type(rotary)(config).cuda()
    model.is_loaded_in_4bit = True
    return model


def qlora(folder: Path, context: int = 2048) -> dict[str, Any]:
    from transformers import AutoConfig

    model = in_four_bits(AutoConfig.for_model("qwen2", **QWEN_32B))
    base = Base(model, None, "")  # type: ignore[arg-type]
    trainee = OpenedTrainee(base, MethodConfig(name="qlora", gradient_checkpointing=True))
    training = TrainingConfig(epochs=1, batch_size=1, precision="bfloat16", device="gpu")
    torch.cuda.reset_peak_memory_stats()
    times = step_times(trainee, random_blocks(WARMUP + 3, context, QWEN_32B["vocab_size"]), training, folder / "qlora")
    return {
        "what": f"QLoRA, shape of Qwen2.5 32B, 1 row of {context} tokens, rank 16",
        "chip": torch.cuda.get_device_name(),
        "tokens per second": context / float(np.median(times)),
        "peak": torch.cuda.max_memory_allocated(),
    }


def main() -> None:
    folder = Path(sys.argv[2])
    for measure in (
        lambda: pretraining(folder, "0.6B"),
        lambda: pretraining(folder, "1.7B", rows=2),
        lambda: qlora(folder),
    ):
        print(json.dumps(measure()), flush=True)
        torch.cuda.empty_cache()


main()
