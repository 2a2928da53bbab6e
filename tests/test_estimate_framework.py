"""`newmodel estimate` beside transformers itself: the same parameters, and the memory of real training steps."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from environments import framework_environment
from test_estimate import RECORDED, configurations

from scaffolder.estimate.architecture import architecture, parameters
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.memory import memory
from scaffolder.estimate.plan import Plan

pytestmark = pytest.mark.full

HERE = Path(__file__).parent
BENCHMARK = HERE.parent / "benchmarks" / "estimate.py"

#: Small fields, so that each count is of other numbers than those of the public sizes.
SMALLER = {
    "llama": {"hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 3, "attention_bias": True},
    "qwen2_moe": {"num_hidden_layers": 4, "decoder_sparse_step": 2, "num_experts": 5, "hidden_size": 64},
    "qwen3_moe": {"num_hidden_layers": 4, "mlp_only_layers": [1], "num_experts": 5, "hidden_size": 64},
    "deepseek_v3": {"num_hidden_layers": 5, "first_k_dense_replace": 2, "q_lora_rank": None, "n_shared_experts": 3},
    "gpt_neox": {"use_parallel_residual": False, "attention_bias": False, "num_hidden_layers": 3},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 8, "num_attention_heads": 64, "hidden_size": 4096},
    "opt": {"enable_bias": False, "num_hidden_layers": 2},
    "t5": {"feed_forward_proj": "gated-gelu", "num_decoder_layers": 2},
    "vit": {"qkv_bias": False, "image_size": 64, "patch_size": 8},
    "swin": {"depths": [1, 2], "num_heads": [2, 4], "embed_dim": 24},
    "convnext": {"depths": [1, 1], "hidden_sizes": [16, 24], "num_stages": 2, "layer_scale_init_value": 0.0},
    "resnet": {"downsample_in_first_stage": True, "depths": [2, 1], "hidden_sizes": [64, 128]},
    "wav2vec2": {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True},
    "bert": {"type_vocab_size": 3, "tie_word_embeddings": False, "hidden_size": 96},
}


@pytest.fixture(scope="module")
def python() -> Path:
    return framework_environment("pytorch")  # its language models need transformers and peft


def counted(python: Path, models: dict[str, dict[str, object]]) -> dict[str, object]:
    done = subprocess.run(
        [python, HERE / "framework_parameters.py"],
        input=json.dumps(models),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    document: dict[str, object] = json.loads(done.stdout)["parameters"]
    return document


def test_the_recorded_counts_are_those_of_the_framework(python: Path) -> None:
    assert counted(python, configurations()) == RECORDED["parameters"]


def test_changed_fields_change_both_counts_alike(python: Path) -> None:
    first = {}
    for values in configurations().values():
        first.setdefault(values["model_type"], values)
    models = {kind: {**first[kind], **changes} for kind, changes in SMALLER.items()}
    ours = {kind: parameters(architecture(Configuration(values, kind))).total for kind, values in models.items()}
    assert ours == counted(python, models)


def test_memory_is_within_a_tenth_of_what_is_measured(python: Path, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    environ = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run(
        [python, BENCHMARK, "--device", "cpu", "--only", "float32", "--json", file],
        env=environ,
        check=True,
        capture_output=True,
    )
    cases = json.loads(file.read_text(encoding="utf-8"))["cases"]
    assert len(cases) >= 10
    for case in cases:
        assert case["newmodel"] == pytest.approx(case["measured"], rel=0.1), case["case"]


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_a_loss_in_pieces_takes_what_that_of_a_generated_project_takes(python: Path, mixed: bool, tied: bool) -> None:
    values: dict[str, Any] = {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "vocab_size": 8000,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        "tie_word_embeddings": tied,
    }
    case = {"configuration": values, "batch": 4, "length": 512, "mixed": mixed}
    done = subprocess.run(
        [python, HERE / "framework_loss.py"], input=json.dumps(case), capture_output=True, text=True, check=True
    )
    plan = Plan(
        method="full",
        precision="bf16-mixed" if mixed else "float32",
        batch=4,
        length=512,
        checkpointing=mixed,
        loss="pieces",
        device="cpu",
    )
    assert memory(architecture(Configuration(values, "qwen3")), plan).peak == pytest.approx(int(done.stdout), rel=0.02)
