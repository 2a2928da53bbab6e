"""Train with litgpt's own loops: `litgpt_loops.py litgpt WORKLOAD VARIANT [memory]`.

Its `pretrain.fit`, `finetune.full.fit` and `finetune.lora.fit` are called as its commands call them, on its GPT with
the weights of the workload's model. Variants: `padded`, `grouped` (as in trainers.py), each also with `+medium`, and
with `+compile`, which its pretraining always uses.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from gate import Gate  # noqa: E402
from workload import Workload, held_out_loss  # noqa: E402


class Loader:
    """The batches of the steps, in order, with what litgpt asks of a data loader."""

    def __init__(self, workload: Workload, steps: list[list[int]], device: Any) -> None:
        import torch

        self.workload, self.steps, self.device = workload, steps, device
        self.dataset = [{"input_ids": torch.from_numpy(tokens)} for tokens in workload.tokens]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Any]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        def padded(arrays: list[Any], fill: int) -> Any:
            rows = [torch.from_numpy(array.astype("int64")) for array in arrays]
            return pad_sequence(rows, batch_first=True, padding_value=fill).to(self.device)

        for chosen in self.steps:
            tokens = padded([self.workload.tokens[index] for index in chosen], 0)
            if self.workload.settings.task == "pretrain":
                yield tokens  # (B, T + 1): its loop makes inputs and targets
                continue
            counts = torch.tensor([len(self.workload.tokens[index]) for index in chosen])
            labels = padded([self.workload.labels(index) for index in chosen], -100)
            names = {"raw": counts, "raw_plus_prompt_template": counts}
            yield {"input_ids": tokens, "labels": labels, "token_counts": names}


def main() -> None:
    workload, variant, measure = Workload(Path(sys.argv[2])), sys.argv[3], "memory" in sys.argv
    settings = workload.settings
    gate = Gate([] if measure else settings.ends)
    import torch
    from lightning import Fabric
    from litgpt.args import EvalArgs, TrainArgs

    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    if "medium" in variant:
        torch.set_float32_matmul_precision("medium")
    precision = "bf16-mixed" if settings.bf16 else "32-true"
    fabric = Fabric(devices=1, accelerator="auto", precision=precision)
    shape, weights = model_of(workload)
    if settings.task == "lora":
        from litgpt.lora import GPT, Config, mark_only_lora_as_trainable

        targets = ("query", "key", "value", "projection", "mlp")
        options = {f"lora_{name}": True for name in targets}
        model: Any = GPT(Config(**shape, lora_r=settings.rank, lora_alpha=int(settings.alpha), **options))
        mark_only_lora_as_trainable(model)
    else:
        from litgpt.model import GPT, Config

        model = GPT(Config(**shape))
    model.load_state_dict(weights, strict=settings.task != "lora")
    if settings.task == "pretrain":
        model.max_seq_length = settings.capacity
    plain = model
    model = fabric.setup(torch.compile(model) if "compile" in variant else model)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = fabric.setup_optimizers(
        torch.optim.AdamW(
            learning, lr=settings.learning_rate, betas=(0.9, settings.beta2), weight_decay=0.0, fused=True
        )
    )
    steps = 3 if measure else settings.steps
    train = TrainArgs(
        global_batch_size=settings.rows,
        micro_batch_size=settings.rows,  # with more or fewer rows in a batch nothing is accumulated either
        max_steps=None if settings.task == "pretrain" else steps,
        max_tokens=steps * settings.rows * settings.capacity if settings.task == "pretrain" else None,
        epochs=None if settings.task == "pretrain" else 1_000_000,
        lr_warmup_steps=0,
        min_lr=settings.learning_rate,
        max_norm=settings.clip_norm or None,
        log_interval=1_000_000,
        save_interval=None,
    )
    loader = Loader(workload, workload.grouped() if "grouped" in variant else workload.plan, fabric.device)
    held_out = Loader(workload, [workload.held_out[:2]], fabric.device)
    common: dict[str, Any] = {
        "fabric": fabric,
        "devices": 1,
        "train_dataloader": loader,
        "val_dataloader": held_out,
        "train": train,
        "eval": EvalArgs(interval=1_000_000, max_iters=1, initial_validation=False, final_validation=False),
    }
    state = {"model": model, "optimizer": optimizer, "iter_num": 0, "step_count": 0}
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _step: 1.0)
    with tempfile.TemporaryDirectory() as scratch, gate.measuring(model.parameters(), measure):
        if settings.task == "pretrain":
            from litgpt import pretrain

            pretrain.fit(state=state, out_dir=Path(scratch), tokenizer_dir=None, **common)
        else:
            from litgpt.finetune import full, lora

            module = full if settings.task == "full" else lora
            module.Tokenizer = lambda _folder: None  # the examples are tokens already
            common |= {"checkpoint_dir": Path(scratch), "out_dir": Path(scratch), "data": None}
            if settings.task == "full":
                full.fit(state={**state, "scheduler": constant}, resume=False, **common)
            else:
                lora.fit(model=model, optimizer=optimizer, scheduler=constant, **common)
    if not measure:
        plain.eval()
        plain.max_seq_length = plain.config.block_size
        gate.report(loss=held_out_loss(workload, lambda tokens: plain(tokens.to(fabric.device)).cpu()))


def model_of(workload: Workload) -> tuple[dict[str, Any], dict[str, Any]]:
    """litgpt's configuration of the workload's model, and its weights under litgpt's names."""
    from collections import defaultdict

    from litgpt.model import Config
    from litgpt.scripts.convert_hf_checkpoint import copy_weights_qwen_3
    from safetensors.torch import load_file

    theirs = json.loads((workload.model / "config.json").read_text(encoding="utf-8"))
    shape = {
        "name": "workload",
        "block_size": theirs["max_position_embeddings"],
        "vocab_size": theirs["vocab_size"],
        "padded_vocab_size": theirs["vocab_size"],
        "n_layer": theirs["num_hidden_layers"],
        "n_head": theirs["num_attention_heads"],
        "n_query_groups": theirs["num_key_value_heads"],
        "head_size": theirs["head_dim"],
        "n_embd": theirs["hidden_size"],
        "intermediate_size": theirs["intermediate_size"],
        "rotary_percentage": 1.0,
        "rope_base": int(theirs["rope_parameters"]["rope_theta"]),
        "parallel_residual": False,
        "bias": False,
        "norm_class_name": "RMSNorm",
        "norm_eps": theirs["rms_norm_eps"],
        "norm_qk": True,
        "mlp_class_name": "LLaMAMLP",
    }
    weights: dict[str, Any] = {}
    copy_weights_qwen_3(Config(**shape), defaultdict(dict), weights, load_file(workload.model / "model.safetensors"))
    return shape, weights


main()
