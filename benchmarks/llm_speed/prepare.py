"""Make the workloads: `prepare.py PROJECT FOLDER SETTINGS.json`, in an environment of the project.

Conversations: 1 to 4 pairs of turns, 16 to 512 tokens with a median near 130, about 55 % of them the assistant's,
which alone are learned. Pretraining: blocks of 512 tokens of documents. Tokens are drawn as words are (Zipf), and
each depends on the one before, so that there is something to learn.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

project, folder, description = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
sys.path[:0] = [str(project), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from bench.batches import Plan  # noqa: E402
from bench.examples import Example, text_blocks  # noqa: E402
from bench.packed_data import PackedData  # noqa: E402
from settings import Settings  # noqa: E402
from workload import write  # noqa: E402

HELD_OUT = 24


def words(random: np.random.Generator, count: int, vocabulary: int) -> np.ndarray:
    """`count` tokens: half of them follow from the one before."""
    drawn = np.minimum(random.zipf(1.3, count), vocabulary - 4) + 3
    for place in np.flatnonzero(random.random(count) < 0.5):
        if place:
            drawn[place] = (drawn[place - 1] * 31 + 7) % (vocabulary - 4) + 3
    return drawn.astype(np.int32)


def conversation(random: np.random.Generator, vocabulary: int) -> Example:
    length = int(np.clip(random.lognormal(np.log(130), 0.8), 16, 512))
    tokens = words(random, length, vocabulary)
    targets = np.zeros(length, dtype=bool)
    turns = 2 * random.integers(1, 5)
    bounds = np.sort(random.choice(np.arange(2, length - 1), turns - 1, replace=False))
    bounds = [0, *bounds.tolist(), length]
    for number in range(1, turns, 2):  # the assistant's
        targets[bounds[number] : bounds[number + 1]] = True
    return Example(tokens, targets)


def main() -> None:
    settings, shape = Settings(**description["settings"]), description["model"]
    random = np.random.default_rng(0)
    needed = settings.steps * settings.rows
    if settings.task == "pretrain":
        document = [words(random, settings.capacity * (needed + HELD_OUT) + 1, shape["vocab_size"]).tolist()]
        examples = text_blocks(document, settings.capacity, end=0)[: needed + HELD_OUT]
    else:
        examples, size = [], 0
        while size < settings.capacity * (needed + 2):
            examples.append(conversation(random, shape["vocab_size"]))
            size += len(examples[-1].tokens)
        examples += [conversation(random, shape["vocab_size"]) for _ in range(HELD_OUT)]
    held_out = list(range(len(examples) - HELD_OUT, len(examples)))
    data = PackedData(examples[:-HELD_OUT], settings.capacity)
    plan = Plan(rows=len(data), batch_size=settings.rows, seed=0)
    steps = [[i for row in batch.rows for i in data.rows[row]] for batch in plan.batches(0, settings.steps)]
    write(folder, settings, examples, steps, held_out)

    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    dtype = torch.bfloat16 if settings.bf16 else torch.float32
    config = AutoConfig.for_model(**shape)
    AutoModelForCausalLM.from_config(config, dtype=dtype).save_pretrained(folder / "model")


main()
