"""Losses and gradients against transformers: many architectures, adapters on the output layer; two processes.

Run in a generated PyTorch project of the task `llm` that is called `demo`, by its Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from demo.examples import Example
from demo.language_model import LanguageModel
from demo.packed_data import PackedData
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM

torch.set_num_threads(1)
VOCABULARY = 96
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
#: How each architecture computes logits differs: capped, scaled, with a bias, over layers that remember.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 8},
    "qwen2": {},
    "qwen3": {"tie_word_embeddings": True},
    "gemma2": {"final_logit_softcapping": 2.0, "attn_logit_softcapping": 5.0, "sliding_window": 8},
    "gemma3_text": {"sliding_window": 8, "final_logit_softcapping": None},
    "phi": {},
    "phi3": {"pad_token_id": 0},
    "granite": {"logits_scaling": 3.0, "embedding_multiplier": 2.0},
    "cohere": {"logit_scale": 0.3},
    "olmo2": {},
    "smollm3": {},
    "stablelm": {},
    "gpt_neox": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
}


def examples(lengths: Sequence[int] = (30, 5, 2, 17, 40)) -> list[Example]:
    random = np.random.default_rng(0)
    made = []
    for length in lengths:
        targets = random.random(length) < 0.5
        targets[0], targets[-1] = False, True
        made.append(Example(random.integers(3, VOCABULARY, length).astype(np.int32), targets))
    return made


def small(kind: str) -> nn.Module:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, **ARCHITECTURES[kind]})
    for name in ("attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "hidden_dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.0)
    model: nn.Module = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model


def judged(model: nn.Module) -> tuple[Tensor, Tensor]:
    losses = []
    for document in examples():
        tokens = torch.from_numpy(document.tokens.astype(np.int64))
        logits = model(input_ids=tokens[None], use_cache=False).logits[0, :-1]
        each = nn.functional.cross_entropy(logits, tokens[1:], reduction="none")
        losses.append(each[torch.from_numpy(document.targets[1:])])
    return with_gradients(model, torch.cat(losses).mean())


def learned(model: nn.Module) -> tuple[Tensor, Tensor]:
    data = PackedData(examples(), 94)
    inputs, _ = data.take(range(len(data)))
    return with_gradients(model, LanguageModel(model)(inputs).mean())


def with_gradients(model: nn.Module, loss: Tensor) -> tuple[Tensor, Tensor]:
    model.zero_grad()
    loss.backward()
    found = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    return loss.detach(), torch.cat(found).clone()


def assert_same(model: nn.Module) -> None:
    theirs = judged(model)
    ours = learned(model)
    assert abs(ours[0] - theirs[0]) <= 1e-5 * theirs[0]
    assert (ours[1] - theirs[1]).norm() <= 1e-5 * theirs[1].norm()


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_losses_and_gradients(kind: str) -> None:
    assert_same(small(kind))


@pytest.mark.parametrize("options", [{"target_modules": ["lm_head", "q_proj"]}, {"modules_to_save": ["lm_head"]}])
@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_adapters_on_the_output_layer(kind: str, options: dict[str, Any]) -> None:
    from peft import LoraConfig, get_peft_model

    target = {"target_modules": ["v_proj"], **options}
    model = get_peft_model(small(kind), LoraConfig(r=4, task_type="CAUSAL_LM", init_lora_weights=False, **target))
    assert_same(model)


TRAINING = """
import os, sys
from pathlib import Path

import torch
from tiny_base import make_base
from tiny_trainee import tiny, train

from demo.method_config import MethodConfig
from demo.trainee import open_trainee
from demo.training_config import TrainingConfig

folder = Path(sys.argv[1]) / os.environ.get("RANK", "alone")
folder.mkdir(parents=True)
for optimizer in ("adamw", "muon"):
    train(tiny(), folder / optimizer, accumulation_steps=2, optimizer=optimizer)
base = Path(sys.argv[1]) / "base"
if not base.exists():  # made by the process that trains alone
    make_base(base)
torch.manual_seed(0)
lora = open_trainee(base, MethodConfig(rank=4), TrainingConfig(device="cpu"))
train(lora, folder / "lora", accumulation_steps=2)
"""


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    script = tmp_path / "train_both.py"
    script.write_text(TRAINING, encoding="utf-8")
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for start in ([], several):
        command = [sys.executable, *start, str(script), str(tmp_path)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert ended.returncode == 0, ended.stderr[-4000:]
    for name in ("adamw", "muon", "lora"):
        file = f"{name}/checkpoints/best/model.safetensors"
        one, two = load_file(tmp_path / "alone" / file), load_file(tmp_path / "0" / file)
        assert one.keys() == two.keys()
        # AdamW makes steps as long for gradients of nearly nothing, so differences in rounding grow.
        ours, theirs = (torch.cat([weights[key].flatten() for key in one]) for weights in (one, two))
        assert (ours - theirs).norm() < 5e-3 * ours.norm(), name


if __name__ == "__main__":
    # The settings of the project that it runs in, not of the folder that this file lies in.
    sys.exit(pytest.main([__file__, "-q", "--noconftest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]))
