"""Train as a generated project does: `ours.py PROJECT WORKLOAD VARIANT [memory]`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [sys.argv[1], str(HERE), str(HERE.parent)]

from gate import Gate  # noqa: E402
from workload import Workload  # noqa: E402


def main() -> None:
    workload, measure = Workload(Path(sys.argv[2])), "memory" in sys.argv
    settings = workload.settings
    gate = Gate([] if measure else settings.ends)
    import torch
    from bench.base_models import Base
    from bench.decoder import Decoder, DecoderConfig
    from bench.examples import Example
    from bench.method_config import MethodConfig
    from bench.runs import Run
    from bench.trainee import OpenedTrainee, Trainee
    from bench.training_config import TrainingConfig

    torch.set_num_threads(settings.threads)
    torch.manual_seed(0)
    examples = [Example(tokens, targets) for tokens, targets in zip(workload.tokens, workload.targets, strict=True)]
    held_out = [examples[index] for index in workload.held_out]
    trainee: Trainee
    if settings.task == "pretrain":
        from safetensors.torch import load_file

        config = json.loads((workload.model / "config.json").read_text(encoding="utf-8"))
        decoder = Decoder(DecoderConfig.from_json(config))
        decoder.load_state_dict(load_file(workload.model / "model.safetensors"))
        trainee = Trainee(decoder, settings.capacity, betas=(0.9, settings.beta2), savings=[])
    else:
        from transformers import AutoModelForCausalLM

        dtype = torch.bfloat16 if settings.bf16 else torch.float32
        base = Base(AutoModelForCausalLM.from_pretrained(workload.model, dtype=dtype), None, "")  # type: ignore[arg-type]
        method = MethodConfig(name=settings.task, rank=settings.rank, alpha=settings.alpha)  # type: ignore[arg-type]
        trainee = OpenedTrainee(base, method)
    training = TrainingConfig(
        epochs=100_000,  # the rate falls along a cosine: so it stays where it is
        max_steps=3 if measure else settings.steps,
        batch_size=settings.rows,
        learning_rate=settings.learning_rate,
        weight_decay=0.0,
        warmup_fraction=0.0,
        clip_norm=settings.clip_norm,
        precision="bfloat16" if settings.bf16 else "float32",
        patience=0,
        compile="compile" in sys.argv[3],
    )
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(Path(scratch), "train")
        with gate.measuring(trainee.learner.parameters(), measure):
            trainee.fit(examples[: -len(held_out)], held_out, training, run, capacity=settings.capacity)
        if not measure:
            gate.report(loss=float(run.history()[-1]["validation_loss"]))


main()
