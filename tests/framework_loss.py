"""The most memory of a training step with a generated project's `chunked_loss.py`: bytes, on standard output.

Standard input is a JSON object: `configuration` of a Qwen 3, `batch`, `length`, `mixed` (bf16 autocast).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / "benchmarks"), str(HERE.parent / "templates" / "project" / "{{ pytorch_llm }}")]

import torch  # noqa: E402
from chunked_loss import chunked_cross_entropy  # noqa: E402
from tensor_memory import TensorMemory  # noqa: E402
from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: E402

case = json.load(sys.stdin)
model = Qwen3ForCausalLM(Qwen3Config(**case["configuration"])).train()
if case["mixed"]:
    model.gradient_checkpointing_enable({"use_reentrant": False})
optimizer = torch.optim.AdamW(model.parameters(), fused=True)
tokens = torch.randint(0, model.config.vocab_size, (case["batch"], case["length"]))


def step() -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=case["mixed"]):
        hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state.flatten(0, 1)
        losses = chunked_cross_entropy(hidden, model.lm_head.weight, tokens.flatten())
    (losses.sum() / len(losses)).backward()
    del hidden, losses
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


step()
state = [value for each in optimizer.state.values() for value in each.values()]
with TensorMemory([*model.parameters(), *model.buffers(), *state, tokens]) as memory:
    step()
print(memory.peak)
