"""Every method of training works on the architectures that people use, not on Llama's alone.

Run in a generated PyTorch project of the task `llm`, by its Python. For small random models of several families: just
the weights that a method names learn, all others stay the same to the bit after three steps, what is saved loads again
with the same logits, and merged adapters give those of the unmerged ones to 1e-5.
"""

import importlib
import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

METHODS = ("full", "lora", "dora", "rslora", "last_layers", "frozen_embeddings")
SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 8},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {},
    "gemma2": {"tie_word_embeddings": True},
    "gemma3_text": {"tie_word_embeddings": True},
    "phi3": {},
    "olmo2": {},
    "granite": {},
    "gpt_neox": {},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
}
TOKENS = torch.arange(3, 40)[None]  # (1, T)


def part(name: str) -> Any:
    """A module of the project in the working directory."""
    package = next(Path.cwd().glob("*/trainee.py")).parent.name
    return importlib.import_module(f"{package}.{name}")


def make_model(family: str, folder: Path) -> Path:
    """Write a small random model of a family."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **{**SMALL, **FAMILIES[family]})
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    return folder


def expected(name: str, method: str, model: Any) -> bool:
    """Whether a weight of the model should learn."""
    if method == "full":
        return True
    embeddings = {id(weight) for weight in model.get_input_embeddings().parameters()}
    embedding = id(model.get_parameter(name)) in embeddings
    if method == "frozen_embeddings":
        return not embedding
    last = any(f".{blocks}.2." in name for blocks in ("layers", "h"))
    final = any(end in name for end in ("model.norm.", "ln_f.", "final_layer_norm."))
    head = name.startswith(("lm_head", "embed_out")) and not embedding
    return last or final or head


def check(family: str, method: str, folder: Path) -> None:
    """One family, one method."""
    methods, base_models = part("methods"), part("base_models")
    base = folder / family
    settings = part("method_config").MethodConfig(name=method, rank=4, alpha=8.0, layers=1)
    original = {name: weight.clone() for name, weight in base_models.load_model(base).named_parameters()}
    model = methods.apply_method(base_models.load_model(base), settings)
    torch.manual_seed(1)
    adapters = methods.is_peft(model)
    learning = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if adapters:
        assert learning and all("lora_" in name for name in learning), learning
        assert not any("lm_head" in name or "embed" in name for name in learning), learning
    else:
        wanted = {name for name in original if expected(name, method, model)}
        assert learning == wanted, learning ^ wanted
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=0.02)
    for _ in range(3):
        model(input_ids=TOKENS, labels=TOKENS).loss.backward()
        assert all(weight.grad is None for weight in model.parameters() if not weight.requires_grad)
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        now = {
            name.replace("base_model.model.", "").replace(".base_layer", ""): weight
            for name, weight in model.named_parameters()
            if "lora_" not in name
        }
        changed = {name for name, weight in original.items() if not torch.equal(now[name], weight)}
        assert changed == (set() if adapters else learning), changed ^ learning
        logits = model(TOKENS).logits
        saved = folder / f"{family}-{method}"
        methods.save_model(model, saved, str(base))
        again = base_models.load_model(part("model_folder").find_model(saved)).eval()
        torch.testing.assert_close(again(TOKENS).logits, logits, rtol=0, atol=1e-5)
        merged = methods.merge(model)
        torch.testing.assert_close(merged(TOKENS).logits, logits, rtol=0, atol=1e-5)


def failure(family: str, method: str, folder: Path) -> dict[str, str]:
    """What is wrong with one family and one method; empty where nothing is."""
    try:
        check(family, method, folder)
    except Exception as error:
        return {f"{family} {method}": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    return {}


def main() -> int:
    sys.path.insert(0, str(Path.cwd()))
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    failures: dict[str, str] = {}
    try:
        with part("quiet").quiet_transformers():
            for family in FAMILIES:
                make_model(family, folder / family)
                for method in METHODS:
                    failures |= failure(family, method, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"families": list(FAMILIES), "methods": METHODS, "failures": failures}, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
