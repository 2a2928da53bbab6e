"""Tokens per second and memory of training a language model, beside the peers: `python benchmarks/llm.py`.

A rendered PyTorch project (its own `Trainee.fit`, as people run it) against transformers' Trainer, trl's SFTTrainer and
litgpt's loops, for pretraining, full fine-tuning and LoRA: the same initial weights, examples in the same steps, AdamW,
precision and threads. Tokens are real ones; padding does not count. Each system runs in a process of its own, and they
take turns: first each system's settings (sorted by length and padded, packed, compiled) in four short runs each, of
which the fastest go on; then five runs each. The ratio is that of the medians. At the end all must have about the same
loss on examples that none has seen. Peak memory comes from short runs of their own: bytes of all tensors on a processor
(of compiled settings: uncompiled, which the counter can see), `max_memory_allocated` on a GPU.

`--python` is the interpreter of an environment with the packages of a project, datasets and trl, `--litgpt` of one with
litgpt (made in .cache/environments/ where not given); NEWMODEL_TEST_ENV_LLM and NEWMODEL_TEST_ENV_LITGPT say the same.
Run it with an interpreter that has newmodel. On a GPU it goes on with what only a GPU can: LoRA on a model of the shape
of Llama 3.1 8B, the share of the chip's peak in pretraining, and the memory of QLoRA on a 32B shape.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks" / "llm_speed"
sys.path[:0] = [str(ROOT), str(HERE)]

from settings import Settings  # noqa: E402

#: 14.7 million weights, as a small Qwen 3: heads of 64, a vocabulary of 16,384, embeddings not tied.
MODEL = {
    "model_type": "qwen3",
    "vocab_size": 16_384,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TASKS: dict[str, dict[str, Any]] = {
    "pretrain": {"learning_rate": 5e-4, "clip_norm": 1.0, "beta2": 0.95, "capacity": 512, "rows": 4},
    "full": {"learning_rate": 2e-4, "clip_norm": 0.0, "beta2": 0.999, "capacity": 1024, "rows": 2},
    "lora": {"learning_rate": 1e-3, "clip_norm": 0.0, "beta2": 0.999, "capacity": 1024, "rows": 2},
}
#: `medium` is what ours has of itself for products of this size: PyTorch's float32 matmul precision, on this processor
#: oneDNN's products instead of MKL's, without rounding. Compiled settings of the peers have it, and run without it too.
PADDED = ("padded+medium", "padded+compile", "padded+compile+medium")
GROUPED = ("grouped", "grouped+medium", "packed+medium")
VARIANTS = {
    ("ours", "pretrain"): ("packed", "packed+compile"),
    ("ours", "tune"): ("packed",),
    ("trainer", "pretrain"): PADDED,
    ("sft", "pretrain"): PADDED,
    ("litgpt", "pretrain"): PADDED,
    ("trainer", "tune"): GROUPED,
    ("sft", "tune"): GROUPED,
    ("litgpt", "tune"): ("grouped", "grouped+medium"),
}
LLAMA_8B = {
    "model_type": "llama",
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rope_theta": 500_000.0,
    "tie_word_embeddings": False,
}
LITGPT = """[project]
name = "environment"
version = "0"
requires-python = ">=3.10"
dependencies = ["litgpt==0.5.13", "torch==2.13.0", "torchmetrics==1.9.0"]
"""
CLOSE = 0.02  # of the losses of two systems that saw the same tokens


@dataclass
class Workload:
    """What `prepare.py` made."""

    settings: Settings
    tokens: list[int]
    """Of each step."""

    targets: list[int]
    """How many of them are learned."""


@dataclass
class Worker:
    """A system with its settings, training in a process of its own."""

    name: str
    variant: str
    command: list[str]
    process: subprocess.Popen[str] | None = None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def start(self, log: Path) -> dict[str, Any]:
        with log.open("a") as errors:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.log = log
        return self.read()

    def read(self) -> dict[str, Any]:
        """The next report."""
        assert self.process
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise SystemExit(f"{self.name} ({self.variant}) failed: {' '.join(self.command)}\n{tail}")
        report: dict[str, Any] = json.loads(line)
        return report

    def go(self) -> None:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def run(self) -> None:
        """Let it take the next segment, and keep the time."""
        self.go()
        report = self.read()
        self.seconds.append(report["seconds"])
        self.processor.append(report["processor"])

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, help="of an environment with transformers, peft, trl, datasets")
    parser.add_argument("--litgpt", type=Path, help="of an environment with litgpt")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled settings out: quicker")
    parser.add_argument("--quick", action="store_true", help="a tiny model and a single round: is all in order?")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.no_compile = 1, True
        MODEL.update(vocab_size=1000, hidden_size=64, intermediate_size=96, num_hidden_layers=2, head_dim=16)
    python = arguments.python or environment("llm")
    litgpt = arguments.litgpt or environment("litgpt")
    os.environ.update(OMP_NUM_THREADS=str(arguments.threads), TOKENIZERS_PARALLELISM="false")
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        project = render(folder / "project")
        describe(python, litgpt, arguments.threads)
        for task in arguments.tasks:
            settings = Settings(task=task, threads=arguments.threads, rounds=arguments.rounds, **TASKS[task])
            workload = prepare(python, project, folder / task, settings, MODEL)
            workers = make_workers(python, litgpt, project, folder / task, task, compiled=not arguments.no_compile)
            results.append(compare(workload, workers, folder / f"{task}.log"))
        if has(python, "import torch; assert torch.cuda.is_available()"):
            results += on_gpu(python, litgpt, project, folder, arguments)
        else:
            print(
                "\nNot run, as there is no GPU: the share of the chip's peak in pretraining, LoRA on a shape of "
                "8B weights beside SFTTrainer and Unsloth, the memory of QLoRA on a shape of 32B."
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def on_gpu(
    python: Path, litgpt: Path, project: Path, folder: Path, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """LoRA on an 8B shape beside SFTTrainer (and Unsloth where it is installed); MFU; QLoRA's memory."""
    settings = Settings(
        task="lora", threads=arguments.threads, rounds=arguments.rounds, bf16=True, **{**TASKS["lora"], "rows": 8}
    )
    place = folder / "lora_8b"
    workload = prepare(python, project, place, settings, LLAMA_8B)
    workers = make_workers(python, litgpt, project, place, "lora", compiled=False)
    del workers["litgpt"], workers["trainer"]
    if has(python, "import unsloth"):
        script = str(HERE / "trainers.py")
        workers["unsloth"] = [
            Worker("unsloth", variant, [str(python), script, "unsloth", str(place), variant])
            for variant in ("grouped", "packed")
        ]
    results = [compare(workload, workers, folder / "lora_8b.log")]
    lines = subprocess.run([python, HERE / "gpu.py", project, folder], check=True, stdout=subprocess.PIPE, text=True)
    for line in lines.stdout.splitlines():
        if line.startswith("{"):
            results.append(json.loads(line))
            print(results[-1])
    return results


def has(python: Path, code: str) -> bool:
    """Whether `code` runs there."""
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def environment(name: str) -> Path:
    """The Python of an environment with the peers, from a variable or made once."""
    from tests.environments import environment_python_of, framework_environment, kept_environment

    if own := os.environ.get(f"NEWMODEL_TEST_ENV_{name.upper()}"):
        return environment_python_of(Path(own))
    if name == "llm":
        python = framework_environment("pytorch")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "trl==1.16.0", "datasets==5.2.0"], check=True)
        return python
    return kept_environment(name, LITGPT)


def render(project: Path) -> Path:
    """Render the project that people get, as package `bench`."""
    import copier

    answers = {"framework": "pytorch", "task": "llm", "project_name": "bench", "accelerator": "cpu"}
    copier.run_copy(str(ROOT / "templates"), project, data=answers, defaults=True, quiet=True, vcs_ref="HEAD")
    return project


def prepare(python: Path, project: Path, folder: Path, settings: Settings, model: dict[str, Any]) -> Workload:
    description = folder.with_suffix(".json")
    description.write_text(json.dumps({"settings": vars(settings), "model": model}), encoding="utf-8")
    command = [python, HERE / "prepare.py", project, folder, description]
    subprocess.run(command, check=True, capture_output=True)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    return Workload(settings, plan["tokens"], plan["targets"])


def make_workers(
    python: Path, litgpt: Path, project: Path, folder: Path, task: str, *, compiled: bool
) -> dict[str, list[Worker]]:
    """Every system with each of its settings."""
    kind = task if task == "pretrain" else "tune"
    workers = {}
    for name in ("ours", "trainer", "sft", "litgpt"):
        command = {
            "ours": [python, HERE / "ours.py", project],
            "litgpt": [litgpt, HERE / "litgpt_loops.py", name],
        }.get(name, [python, HERE / "trainers.py", name])
        workers[name] = [
            Worker(name, variant, [*map(str, command), str(folder), variant])
            for variant in VARIANTS[name, kind]
            if compiled or "compile" not in variant
        ]
    return workers


def compare(workload: Workload, workers: dict[str, list[Worker]], log: Path) -> dict[str, Any]:
    """Measure one task, print its table, and return the figures."""
    settings = workload.settings
    targets, tokens = sum(workload.targets), sum(workload.tokens)
    print(
        f"\n{settings.task}: {tokens / settings.steps:.0f} tokens a step, {100 * targets / tokens:.0f} % of them "
        f"targets; AdamW (fused), rate {settings.learning_rate}, clipping {settings.clip_norm or 'off'}"
        + (f", rank {settings.rank} on all linear layers" if settings.task == "lora" else "")
    )
    chosen = [choose(candidates, workload, log) for candidates in workers.values()]
    try:
        for _ in range(settings.rounds):
            for worker in chosen:
                worker.run()
        losses = {}
        for worker in chosen:
            worker.go()
            losses[worker.name] = worker.read()["loss"]
    finally:
        for worker in chosen:
            worker.stop()
    peaks = {worker.name: peak_memory(worker, log) for worker in chosen}
    spread = max(losses.values()) / min(losses.values()) - 1
    assert spread < CLOSE, f"the losses after the same tokens differ by {spread:.1%}: {losses}"
    return table(workload, chosen, losses, peaks)


def choose(candidates: list[Worker], workload: Workload, log: Path) -> Worker:
    """Warm every candidate up, let them take turns in short runs, and keep the fastest."""
    settings = workload.settings
    warm = [worker.start(log)["seconds"] for worker in candidates]
    for _ in range(settings.trials):
        for worker in candidates:
            worker.run()
    speeds = []
    for worker, seconds in zip(candidates, warm, strict=True):
        speeds.append(statistics.median(rates(workload, worker.seconds, settings.warmup, settings.pilot)))
        worker.seconds.clear()
        worker.processor.clear()
        print(
            f"  {worker.name:8}{worker.variant:16} trials {speeds[-1]:6.0f} tokens/s "
            f"(the first {settings.warmup} steps with all preparation: {seconds:.0f} s)"
        )
    best = candidates[speeds.index(max(speeds))]
    for worker in candidates:
        if worker is not best:
            worker.stop()
    return best


def rates(workload: Workload, seconds: list[float], first: int, length: int) -> list[float]:
    """Tokens per second of runs of `length` steps each, of which the first begins at the step `first`."""
    starts = range(first, first + length * len(seconds), length)
    return [sum(workload.tokens[start : start + length]) / time for start, time in zip(starts, seconds, strict=True)]


def peak_memory(worker: Worker, log: Path) -> int:
    """The peak of a short run, in bytes."""
    variant = worker.variant.replace("+compile", "")
    command = [variant if part == worker.variant else part for part in worker.command]
    measured = Worker(worker.name, variant, [*command, "memory"])
    try:
        return int(measured.start(log)["peak"])
    finally:
        measured.stop()


def table(workload: Workload, chosen: list[Worker], losses: dict[str, float], peaks: dict[str, int]) -> dict[str, Any]:
    """Print and return medians and ratios."""
    settings = workload.settings
    first, length = settings.first_timed, settings.segment
    speeds = {worker.name: statistics.median(rates(workload, worker.seconds, first, length)) for worker in chosen}
    processor = {worker.name: statistics.median(rates(workload, worker.processor, first, length)) for worker in chosen}
    print(f"  {'':8}{'settings':16}{'tokens/s':>9}{'ours is':>9}{'by processor':>14}{'peak':>10}{'held-out loss':>15}")
    for worker in chosen:
        name = worker.name
        print(
            f"  {name:8}{worker.variant:16}{speeds[name]:9.0f}{speeds['ours'] / speeds[name]:9.2f}"
            f"{processor['ours'] / processor[name]:14.2f}{peaks[name] / 2**20:6.0f} MiB{losses[name]:15.5f}"
        )
    peers = [worker.name for worker in chosen if worker.name != "ours"]
    best = max(peers, key=lambda name: speeds[name])
    result = {
        "task": settings.task,
        "rates": speeds,
        "processor": processor,
        "peaks": peaks,
        "losses": losses,
        "variants": {worker.name: worker.variant for worker in chosen},
        "ratio": speeds["ours"] / speeds[best],
        "memory": peaks["ours"] / peaks[best],
    }
    print(f"  ours is {result['ratio']:.2f} times the best peer ({best}), with {result['memory']:.2f} of its memory")
    return result


def describe(python: Path, litgpt: Path, threads: int) -> None:
    """Print versions and machine."""
    for interpreter, packages in (
        (python, ("torch", "transformers", "peft", "trl", "accelerate")),
        (litgpt, ("torch", "litgpt", "lightning")),
    ):
        code = f"from importlib.metadata import version as v; print([f'{{p}} {{v(p)}}' for p in {packages!r}])"
        print(subprocess.run([interpreter, "-c", code], check=True, capture_output=True, text=True).stdout.strip())
    weights = "float32; the same initial weights, examples and order for all"
    print(f"{threads} threads, {weights}; {MODEL['num_hidden_layers']} layers of {MODEL['hidden_size']}, {MODEL=}")


if __name__ == "__main__":
    main()
