"""Train with transformers' Trainer or trl's SFTTrainer: `trainers.py trainer|sft|unsloth WORKLOAD VARIANT [memory]`.

Variants: `padded` (the examples of a step, filled up to the longest), `grouped` (sorted by length first), `packed` (one
row, positions that restart), each also with `+compile` and `+medium` (PyTorch's precision of float32 products).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from gate import Gate  # noqa: E402
from workload import Workload, held_out_loss  # noqa: E402


def main() -> None:
    system, workload, variant, measure = sys.argv[1], Workload(Path(sys.argv[2])), sys.argv[3], "memory" in sys.argv
    settings = workload.settings
    gate = Gate([] if measure else settings.ends)
    if system == "unsloth":
        import unsloth  # noqa: F401  # it wants to be the first, to change what the others do

    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
    from trl import SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    if "medium" in variant:
        torch.set_float32_matmul_precision("medium")
    steps = workload.grouped() if "grouped" in variant else workload.plan
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free="packed" in variant)
    whole = settings.task == "pretrain"

    def batch(rows: list[dict[str, int]]) -> dict[str, Any]:
        """The batch of a step, whose number is all that a row of the data set holds."""
        chosen = steps[rows[0]["step"]]
        inputs = collate(
            [{"input_ids": workload.tokens[i].tolist(), "labels": workload.labels(i).tolist()} for i in chosen]
        )
        inputs["labels"][:, 0] = -100
        if whole and inputs.pop("attention_mask", None) is not None:
            # Nothing is padded: without a mask attention takes its fastest way.
            inputs["position_ids"] = torch.arange(inputs["labels"].shape[1]).expand(len(chosen), -1)
        return dict(inputs)

    attention = "sdpa"
    if torch.cuda.is_available():
        from transformers.utils import is_flash_attn_2_available

        attention = "flash_attention_2" if is_flash_attn_2_available() else "sdpa"
    dtype = torch.bfloat16 if settings.bf16 else torch.float32
    if system == "unsloth":
        from unsloth import FastLanguageModel

        model, _ = FastLanguageModel.from_pretrained(str(workload.model), dtype=dtype, load_in_4bit=False)
        model = FastLanguageModel.get_peft_model(
            model, r=settings.rank, lora_alpha=settings.alpha, use_gradient_checkpointing=False
        )
    else:
        model = AutoModelForCausalLM.from_pretrained(workload.model, attn_implementation=attention, dtype=dtype)
    model.config.use_cache = False
    if settings.task == "lora" and system != "unsloth":
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        model = get_peft_model(model, lora)
    options: dict[str, Any] = {
        "per_device_train_batch_size": 1,
        "max_steps": 3 if measure else settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "adam_beta2": settings.beta2,
        "max_grad_norm": settings.clip_norm,
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "sequential",
        "torch_compile": "compile" in variant,
        "bf16": settings.bf16,
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    data = Dataset.from_dict({"step": list(range(settings.steps))})
    with tempfile.TemporaryDirectory() as scratch, gate.measuring(model.parameters(), measure):
        if system != "trainer":
            arguments = SFTConfig(
                output_dir=scratch, dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, **options
            )
            trainer: Any = SFTTrainer(
                model=model, args=arguments, train_dataset=data, data_collator=batch, processing_class=tokenizer()
            )
        else:
            trainer = Trainer(
                model=model,
                args=TrainingArguments(output_dir=scratch, **options),
                train_dataset=data,
                data_collator=batch,
            )
        trainer.train()
    if not measure:
        model.eval()
        device = next(model.parameters()).device
        gate.report(loss=held_out_loss(workload, lambda tokens: model(input_ids=tokens.to(device)).logits.cpu()))


def tokenizer() -> Any:
    """A tokenizer that SFTTrainer wants to have, though the examples are tokens already."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "eos_token": "<end>", "unk_token": "<unk>"}
    words = WordLevel({token: number for number, token in enumerate(special.values())}, unk_token="<unk>")  # noqa: S106
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(words), **special)


main()
