"""LoRA through the project's own loop has the losses of trl's SFTTrainer: within 1e-3 in each of 50 steps.

Run in a generated PyTorch project of the task `llm`, by its Python: both start from the same adapter and see the
same conversations in the same order, with the loss on the assistant's turns only, gradients accumulated over two
batches of ragged lengths, AdamW, the same learning rates and clipping. trl finds the assistant's turns by the tags of
its template, the project by itself.
"""

import importlib
import json
import logging
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

STEPS, BATCH, ACCUMULATION, RATE = 50, 4, 2, 0.01
TAGGED = """{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}
{%- else -%}
{{- message['content'] + '<|im_end|>' -}}
{%- endif -%}
{{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""


def part(name: str) -> Any:
    """A module of the project in the working directory."""
    package = next(Path.cwd().glob("*/trainee.py")).parent.name
    return importlib.import_module(f"{package}.{name}")


def conversations(count: int, words: list[str]) -> list[list[dict[str, str]]]:
    """Chats of two turns each, of ragged lengths, but none shorter than half of the longest: no two share a pack."""
    generator = np.random.default_rng(0)

    def text(length: int) -> str:
        return " ".join(generator.choice(words, length))

    return [
        [
            {"role": "user", "content": text(int(generator.integers(6, 9)))},
            {"role": "assistant", "content": text(int(generator.integers(3, 7)))},
            {"role": "user", "content": text(int(generator.integers(6, 9)))},
            {"role": "assistant", "content": text(int(generator.integers(3, 7)))},
        ]
        for _ in range(count)
    ]


def settings(**changes: Any) -> Any:
    """How the project trains."""
    values = {"epochs": 2, "batch_size": BATCH, "accumulation_steps": ACCUMULATION, "learning_rate": RATE}
    fixed = {"weight_decay": 0.0, "warmup_fraction": 0.1, "device": "cpu", "patience": 0}
    return part("training_config").TrainingConfig(**{**values, **fixed, **changes})


def encoded(trainee: Any, chats: list[Any]) -> list[Any]:
    """The conversations as tokens, with the assistant's to be learned."""
    text, encode = trainee.text_model(), part("examples").encode_conversation
    found = (encode(chat, text.render, text.encode, max_length=512, too_long="drop") for chat in chats)
    return [example for examples in found for example in examples]


def pretrain(folder: Path, base: Path, chats: list[Any]) -> Path:
    """Teach the random base a little: LoRA on random weights hardly learns, and so would compare little."""
    method, training = part("method_config").MethodConfig(name="full"), settings(epochs=4)
    trainee = part("trainee").open_trainee(base, method, training)
    examples = encoded(trainee, chats)
    trainee.fit(examples, examples[:4], training, part("runs").Run(folder / "first", "train"))
    trainee.save(folder / "pretrained")
    return folder / "pretrained"


def ours(folder: Path, base: Path, chats: list[Any]) -> tuple[list[float], list[int], list[Any]]:
    """Losses of each step in the project's loop, the order of the conversations, and the examples."""
    training = settings(max_steps=STEPS)
    method = part("method_config").MethodConfig(name="lora", rank=8, alpha=16.0)
    torch.manual_seed(0)
    trainee = part("trainee").open_trainee(base, method, training)
    trainee.save(folder / "adapter")
    examples = encoded(trainee, chats)
    data = part("packed_data").PackedData(examples)
    assert all(len(row) == 1 for row in data.rows), "a pack holds several conversations"
    plan = part("batches").Plan(rows=len(data), batch_size=BATCH, accumulation_steps=ACCUMULATION, weights=data.weights)
    order = [int(data.rows[row][0]) for step in range(STEPS) for row in plan.rows_of_step(step)]
    sums: list[tuple[float, int]] = []

    def note(module: Any, inputs: Any, losses: torch.Tensor) -> None:
        if module.training:
            sums.append((losses.detach().double().sum().item(), len(losses)))

    trainee.learner.register_forward_hook(note)
    run = part("runs").Run(folder / "run", "finetune")
    trainee.fit(examples, examples[:4], training, run)
    steps = np.array(sums).reshape(STEPS, ACCUMULATION, 2).sum(1)
    return list(steps[:, 0] / steps[:, 1]), order, examples


def theirs(folder: Path, base: Path, chats: list[Any], examples: list[Any], order: list[int]) -> list[float]:
    """Losses of each step in trl's SFTTrainer."""
    import datasets
    from huggingface_hub import constants
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    constants.HF_HUB_DISABLE_TELEMETRY = True
    datasets.disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = TAGGED
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder / "adapter", is_trainable=True
    )
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, betas=(0.9, 0.999), weight_decay=0.0)
    steps = 2 * -(-len(chats) // (BATCH * ACCUMULATION))
    share = part("schedule").warmup_cosine
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: share(step, steps=steps, warmup=round(0.1 * steps))
    )
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            max_steps=STEPS,
            per_device_train_batch_size=BATCH,
            gradient_accumulation_steps=ACCUMULATION,
            max_grad_norm=1.0,
            assistant_only_loss=True,
            packing=False,
            max_length=512,
            train_sampling_strategy="sequential",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=datasets.Dataset.from_list([{"messages": chats[place]} for place in order]),
        processing_class=tokenizer,
        optimizers=(optimizer, schedule),
    )
    for row, place in zip(trainer.train_dataset, order, strict=True):
        tokens = examples[place].tokens
        assert row["input_ids"] == list(tokens), "the two see other tokens"
        learned = np.array(row["labels"]) != -100
        assert (learned == examples[place].targets).all(), "the two learn other tokens"
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> int:
    sys.path[:0] = [str(Path.cwd()), str(Path.cwd() / "tests")]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())
    try:
        base = importlib.import_module("tiny_base").make_base(folder / "base")
        chats = conversations(25 * BATCH * ACCUMULATION, ["over", "lazy", "dog", "fox"])
        base = pretrain(folder, base, conversations(80, ["quick", "brown", "jumps", "barks"]))
        own, order, examples = ours(folder, base, chats)
        peer = theirs(folder, base, chats, examples, order)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    apart = np.abs(np.array(own) - np.array(peer))
    print(
        json.dumps(
            {
                "steps": len(own),
                "first": [own[0], peer[0]],
                "last": [own[-1], peer[-1]],
                "largest_difference": float(apart.max()),
            }
        )
    )
    assert len(own) == len(peer) == STEPS
    assert own[-1] < own[0] - 0.3, "nothing was learned, so nothing was compared"
    assert apart.max() < 1e-3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
