"""Predicted against measured peak memory: `python benchmarks/estimate.py` (on a GPU where there is one).

Makes real models of transformers at a reduced size, runs two real training steps (or generates text) and takes the
peak of the second: `torch.cuda.max_memory_allocated` on a GPU, the bytes of all tensors that are alive on a processor
(`tensor_memory.py`). Beside `newmodel estimate` stand what `accelerate estimate-memory` says, where it covers the case,
and the formula of Unsloth Studio's VRAM_ESTIMATION.md (2026), without the fixed 1.4 GB for CUDA. Needs torch,
transformers, peft and accelerate. With `--json FILE` the figures are written there as well.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from scaffolder.estimate.architecture import Architecture, architecture, parameters  # noqa: E402
from scaffolder.estimate.configuration import Configuration  # noqa: E402
from scaffolder.estimate.memory import memory  # noqa: E402
from scaffolder.estimate.plan import Plan  # noqa: E402
from scaffolder.estimate.source import table  # noqa: E402

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run: a public model made smaller by `changes`, and how it is run."""

    name: str
    model: str
    changes: Mapping[str, Any]
    plan: Plan

    @property
    def values(self) -> dict[str, Any]:
        return {**table()[self.model], **self.changes}


SMALL = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6, "vocab_size": 2000}
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 2}
LLAMA = {**SMALL, **HEADS}
QWEN3 = {**LLAMA, "head_dim": 64}
WHISPER = {"d_model": 192, "encoder_ffn_dim": 768, "decoder_ffn_dim": 768, "encoder_attention_heads": 4}
WHISPER |= {"decoder_attention_heads": 4, "vocab_size": 2000, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
WHISPER |= {"decoder_start_token_id": 1, "suppress_tokens": [], "begin_suppress_tokens": []}
LATENT = {"num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 64, "q_lora_rank": 96}
LATENT |= {"qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "n_routed_experts": 8, "n_group": 2}
LATENT |= {"topk_group": 1, "num_experts_per_tok": 2, "moe_intermediate_size": 128, "first_k_dense_replace": 1}

CASES = (
    Case(
        name="Llama 3, full, float32",
        model="meta-llama/Llama-3.1-8B",
        changes=LLAMA,
        plan=Plan(method="full", precision="float32", batch=4, length=256),
    ),
    Case(
        name="Llama 3, full, bf16-mixed, checkpointing",
        model="meta-llama/Llama-3.1-8B",
        changes=LLAMA,
        plan=Plan(method="full", precision="bf16-mixed", batch=2, length=512, checkpointing=True),
    ),
    Case(
        name="Llama 3, full, bf16, eager attention",
        model="meta-llama/Llama-3.1-8B",
        changes=LLAMA,
        plan=Plan(method="full", precision="bf16", batch=2, length=256, attention="eager"),
    ),
    Case(
        name="Qwen 3, LoRA, bf16-mixed",
        model="Qwen/Qwen3-8B",
        changes=QWEN3,
        plan=Plan(method="lora", precision="bf16-mixed", batch=2, length=256),
    ),
    Case(
        name="Qwen 2.5, LoRA, bf16, checkpointing",
        model="Qwen/Qwen2.5-7B",
        changes=LLAMA,
        plan=Plan(method="lora", precision="bf16", batch=2, length=512, checkpointing=True),
    ),
    Case(
        name="Gemma 3, full, float32, window",
        model="google/gemma-3-270m",
        changes={**SMALL, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 64, "sliding_window": 128},
        plan=Plan(method="full", precision="float32", batch=4, length=256),
    ),
    Case(
        name="Mixtral, full, float32",
        model="mistralai/Mixtral-8x7B-v0.1",
        changes={**LLAMA, "num_hidden_layers": 3, "intermediate_size": 512},
        plan=Plan(method="full", precision="float32", batch=4, length=256),
    ),
    Case(
        name="DeepSeek 3, full, float32",
        model="deepseek-ai/DeepSeek-V3",
        changes={**SMALL, **LATENT, "num_hidden_layers": 4},
        plan=Plan(method="full", precision="float32", batch=4, length=256),
    ),
    Case(
        name="GPT-2, full, bf16-mixed, dropout",
        model="openai-community/gpt2",
        changes={"n_embd": 256, "n_layer": 6, "n_head": 8, "vocab_size": 2000},
        plan=Plan(method="full", precision="bf16-mixed", batch=2, length=256),
    ),
    Case(
        name="Phi 2, full, float32",
        model="microsoft/phi-2",
        changes={**SMALL, "num_attention_heads": 8, "num_key_value_heads": 8},
        plan=Plan(method="full", precision="float32", batch=4, length=256),
    ),
    Case(
        name="BERT, masked, float32, dropout",
        model="google-bert/bert-base-uncased",
        changes={**SMALL, "num_attention_heads": 8},
        plan=Plan(method="full", precision="float32", batch=8, length=128),
    ),
    Case(
        name="T5, full, float32, dropout",
        model="google-t5/t5-small",
        changes={"d_model": 256, "d_ff": 1024, "d_kv": 32, "vocab_size": 4000, "decoder_start_token_id": 0}
        | {"pad_token_id": 0},
        plan=Plan(method="full", precision="float32", batch=4, length=192, target=96),
    ),
    Case(
        name="ViT, full, bf16-mixed",
        model="google/vit-base-patch16-224",
        changes={"hidden_size": 256, "intermediate_size": 1024, "num_attention_heads": 8},
        plan=Plan(method="full", precision="bf16-mixed", batch=2, length=224),
    ),
    Case(
        name="Swin, full, float32",
        model="microsoft/swin-tiny-patch4-window7-224",
        changes={"embed_dim": 48},
        plan=Plan(method="full", precision="float32", batch=4, length=224),
    ),
    Case(
        name="ResNet-50, full, float32",
        model="microsoft/resnet-50",
        changes={},
        plan=Plan(method="full", precision="float32", batch=2, length=224),
    ),
    Case(
        name="Whisper, full, float32",
        model="openai/whisper-tiny",
        changes=WHISPER,
        plan=Plan(method="full", precision="float32", batch=2, length=480_000, target=96),
    ),
    Case(
        name="wav2vec 2.0, full, float32, dropout",
        model="facebook/wav2vec2-base-960h",
        changes={"hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 6, "num_hidden_layers": 6}
        | {"conv_dim": [256] * 7, "layerdrop": 0.0, "apply_spec_augment": False},
        plan=Plan(method="full", precision="float32", batch=2, length=48_000),
    ),
    Case(
        name="Llama 3, inference, bf16",
        model="meta-llama/Llama-3.1-8B",
        changes=LLAMA,
        plan=Plan(method="inference", precision="bf16", batch=4, length=512),
    ),
)


def measure(case: Case, device: str) -> int:
    """Bytes at the peak of the second step."""
    import torch
    from tensor_memory import TensorMemory

    torch.manual_seed(0)
    found = architecture(Configuration(case.values, case.name))
    model = _model(case, device)
    batch = {name: one.to(device) for name, one in _batch(found, case.plan, model.config).items()}
    held = [*model.parameters(), *model.buffers(), *batch.values()]
    if device == "cuda":
        torch.cuda.empty_cache()
        return _run(
            case.plan, model, batch, device, torch.cuda.reset_peak_memory_stats, torch.cuda.max_memory_allocated
        )
    with TensorMemory(held) as counted:
        return _run(case.plan, model, batch, device, counted.restart, lambda: counted.peak)


def _run(plan: Plan, model: Any, batch: dict[str, Any], device: str, restart: Any, peak: Any) -> int:
    import torch

    if not plan.trains:
        batch.pop("labels")
        restart()
        with torch.no_grad():
            model.generate(**batch, max_new_tokens=2, min_new_tokens=2, do_sample=False)
        return int(peak())
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], fused=True)
    for _step in range(2):
        restart()
        with torch.autocast(device, torch.bfloat16, enabled=plan.precision.endswith("-mixed")):
            loss = model(**batch).loss
        loss.backward()
        del loss
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return int(peak())


def _model(case: Case, device: str) -> Any:
    import torch
    import transformers

    plan, values = case.plan, case.values
    kind = values.pop("model_type")
    config = transformers.AutoConfig.for_model(kind, **values)
    model_class = getattr(transformers, case.values["architectures"][0])
    if getattr(model_class, "_supports_sdpa", False) or plan.attention == "eager":
        config._attn_implementation = plan.attention
    model = model_class(config)
    if plan.kept_width == 2:
        model = model.to(torch.bfloat16)
    model.config.use_cache = not plan.trains
    if plan.method == "lora":
        import peft

        model = peft.get_peft_model(model, peft.LoraConfig(r=plan.rank, target_modules="all-linear"))
    if plan.checkpointing:
        model.gradient_checkpointing_enable()
        if plan.method == "lora":
            model.enable_input_require_grads()
    return model.train(plan.trains).to(device)


def _batch(found: Architecture, plan: Plan, config: Any) -> dict[str, Any]:
    import torch

    def tokens(length: int) -> Any:
        return torch.randint(5, config.vocab_size, (plan.batch, length))

    exact = torch.bfloat16 if plan.kept_width == 2 else torch.float32
    if found.reads == "text":
        read = tokens(plan.length)
        return {"input_ids": read, "labels": tokens(plan.target) if plan.target else read.clone()}
    if found.reads == "image":
        images = torch.randn(plan.batch, 3, plan.length, plan.length, dtype=exact)
        return {"pixel_values": images, "labels": torch.zeros(plan.batch, dtype=torch.long)}
    if found.family == "whisper":
        return {"input_features": torch.randn(plan.batch, config.num_mel_bins, 3000), "labels": tokens(plan.target)}
    return {"input_values": torch.randn(plan.batch, plan.length), "labels": torch.randint(1, 30, (plan.batch, 20))}


def accelerate_says(case: Case) -> int | None:
    """`accelerate estimate-memory`: four times the weights for training with Adam; it knows no activations, no LoRA."""
    if case.plan.method == "lora":
        return None
    import torch
    import transformers
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    values = case.values
    config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    with torch.device("meta"):
        model = getattr(transformers, case.values["architectures"][0])(config)
    model.tie_weights()
    size = calculate_maximum_sizes(model)[0]
    if not case.plan.trains:
        return int(size * case.plan.kept_width / 4)
    kind = "float32" if case.plan.precision == "float32" else "bfloat16"
    # the command shows the largest of these as “Training using Adam”
    return int(max(estimate_training_usage(size, kind).values()))


def unsloth_says(case: Case) -> int | None:
    """The formula of Unsloth Studio's documentation, for the decoders that it is for; without its 1.4 GB for CUDA."""
    c, plan = case.values, case.plan
    if not plan.trains or c["model_type"] not in ("llama", "qwen2", "qwen3", "gemma3_text", "mixtral"):
        return None
    hidden, layers, inner, words = (
        c[name] for name in ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size")
    )
    experts = c.get("num_local_experts", 1)
    shared = hidden // c["num_attention_heads"] * c["num_key_value_heads"]
    attention, mlp = (2 * hidden + 2 * shared) * hidden, 3 * hidden * inner * experts
    router = experts * hidden if experts > 1 else 0
    tied = c.get("tie_word_embeddings", c["model_type"] == "gemma3_text")
    weights = 2 * ((attention + mlp + router + 2 * hidden) * layers + words * hidden * (1 if tied else 2))
    wide = (3 * hidden + inner) + (2 * hidden + shared) * 2 + (hidden + inner) * 3 - hidden
    adapters = plan.rank * wide * layers
    trained = adapters if plan.method == "lora" else weights // 2
    block = plan.length * plan.batch * (hidden + 2 * shared + 2 + 2 * inner) * 2 * 1.25
    alive = (1.0 if plan.method == "lora" else 2.0) if plan.checkpointing else layers
    activations = block * alive
    if plan.attention == "eager":
        scores = plan.batch * c["num_attention_heads"] * plan.length**2 * 2 * 12.0 * alive
        activations = max(activations, scores)
    optimizer = 6 * trained
    floor = 0.15 * weights
    if plan.method == "lora":
        floor = min(floor, max(activations, optimizer))
    gradients = max(2 * trained, floor)
    return int(weights + (2 * adapters if plan.method == "lora" else 0) + optimizer + gradients + activations)


def main() -> None:
    import torch
    import transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", default="", help="part of the names of the cases to run")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    rows = []
    print(f"{'peak in MiB':44}{'measured':>9}{'newmodel':>16}{'accelerate':>17}{'Unsloth':>17}", flush=True)
    for case in CASES:
        if given.only.lower() not in case.name.lower():
            continue
        found = architecture(Configuration(case.values, case.name))
        measured = measure(case, given.device)
        said = {
            "newmodel": memory(found, replace(case.plan, device=given.device)).peak,
            "accelerate": accelerate_says(case),
            "unsloth": unsloth_says(case),
        }
        rows.append({"case": case.name, "parameters": parameters(found).total, "measured": measured, **said})
        print(
            f"{case.name:44}{measured / MIB:9.1f}" + "".join(_cell(one, measured) for one in said.values()), flush=True
        )
    worst = max(abs(row["newmodel"] / row["measured"] - 1) for row in rows)
    print(f"\n{len(rows)} cases, the largest error of newmodel is {100 * worst:.1f} %")
    if given.json:
        device = torch.cuda.get_device_name() if given.device == "cuda" else "processor"
        names = ("torch", "transformers", "peft", "accelerate")
        versions = {name: version(name).split("+")[0] for name in names}
        document = {"date": datetime.date.today().isoformat(), "device": device, "versions": versions, "cases": rows}
        given.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _cell(said: int | None, measured: int) -> str:
    if said is None:
        return f"{'—':>17}"
    return f"{said / MIB:9.1f} {100 * (said / measured - 1):+5.1f} %"


if __name__ == "__main__":
    main()
