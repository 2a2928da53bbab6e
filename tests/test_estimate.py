"""Counts of `newmodel estimate` are those of transformers, and what it says about memory and time adds up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scaffolder.errors import NewmodelError
from scaffolder.estimate.advice import advise
from scaffolder.estimate.architecture import Architecture, architecture, parameters
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.families.registry import known
from scaffolder.estimate.fit import largest_batch, longest_context
from scaffolder.estimate.gpus import GIB, detected, named
from scaffolder.estimate.gpus import table as gpu_table
from scaffolder.estimate.ledger import ACTIVATIONS, CACHE, GRADIENTS, LOGITS, OPTIMIZER, WEIGHTS
from scaffolder.estimate.memory import PACKED, memory
from scaffolder.estimate.net import Keeping
from scaffolder.estimate.plan import Plan
from scaffolder.estimate.source import table
from scaffolder.estimate.speed import speed

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "framework_parameters.json").read_text(encoding="utf-8"))


def configurations() -> dict[str, dict[str, Any]]:
    """Every configuration that is here: the product's table and the tests' own, by hub id."""
    own = {path.stem.replace("--", "/"): path for path in (HERE / "estimate_configs").glob("*.json")}
    return {**table(), **{name: json.loads(path.read_text(encoding="utf-8")) for name, path in own.items()}}


def model(name: str, task: str = "", **changes: Any) -> Architecture:
    return architecture(Configuration({**configurations()[name], **changes}, name), task=task)


def smallest_of_each_family() -> list[str]:
    names: dict[str, str] = {}
    for name, values in sorted(configurations().items(), key=lambda item: -RECORDED["parameters"][item[0]]):
        names[values["model_type"]] = name
    return sorted(names.values())


LLAMA = "meta-llama/Llama-3.1-8B"
QLORA = Plan(method="qlora", precision="bf16-mixed", batch=1, length=4096, checkpointing=True)
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
TINY |= {"num_key_value_heads": 2, "vocab_size": 500}


class TestParameters:
    @pytest.mark.parametrize("name", sorted(configurations()))
    def test_as_many_as_transformers_makes(self, name: str) -> None:
        assert parameters(model(name)).total == RECORDED["parameters"][name]

    def test_every_family_is_among_them(self) -> None:
        kinds = {values["model_type"] for values in configurations().values()}
        assert set(known()) - kinds <= {"camembert", "gemma3_text"}
        assert len(kinds) >= 40

    def test_parts_add_up_and_are_where_they_belong(self) -> None:
        counted = parameters(model(LLAMA))
        assert sum(counted.parts.values()) == counted.total == counted.trained == counted.active
        assert counted.parts["embeddings"] == counted.parts["head"] == 128_256 * 4096
        assert counted.parts["mlp"] == 32 * 3 * 4096 * 14_336
        assert counted.parts["norms"] == 65 * 4096

    def test_a_tied_head_counts_once(self) -> None:
        assert parameters(model("meta-llama/Llama-3.2-1B")).parts["head"] == 0

    def test_active_experts(self) -> None:
        assert parameters(model("mistralai/Mixtral-8x7B-v0.1")).active == pytest.approx(12.9e9, rel=0.01)
        assert parameters(model("deepseek-ai/DeepSeek-V3")).active == pytest.approx(37.5e9, rel=0.02)
        assert parameters(model("Qwen/Qwen3-30B-A3B")).active == pytest.approx(3.3e9, rel=0.02)

    def test_adapters(self) -> None:
        counted = parameters(model(LLAMA), Keeping(width=2, trained="adapters", rank=8, adapted="attention"))
        # queries and the output are 4096 to 4096, keys and values 4096 to 1024
        assert counted.adapters == counted.trained == 32 * 8 * (2 * (4096 + 4096) + 2 * (4096 + 1024))
        assert counted.total == parameters(model(LLAMA)).total

    def test_adapters_beside_stacked_experts(self) -> None:
        """peft's `all-linear` gives each expert its own, with twice the rank where one matrix holds two."""
        changes = {**TINY, "num_local_experts": 8, "num_hidden_layers": 1}
        found = model("mistralai/Mixtral-8x7B-v0.1", **changes)
        counted = parameters(found, Keeping(trained="adapters", rank=4))
        attention = 4 * (2 * (64 + 64) + 2 * (64 + 32))
        experts = 8 * (8 * (64 + 256) + 4 * (128 + 64)) + 4 * (64 + 8)
        assert counted.adapters == attention + experts

    def test_another_head(self) -> None:
        whole = parameters(model("google-bert/bert-base-uncased", task="classify", num_labels=5))
        assert whole.parts["head"] == 768 * 768 + 768 + 5 * 768 + 5

    def test_count_of_experts_and_context_length_change_nothing_else(self) -> None:
        few = parameters(model("mistralai/Mixtral-8x7B-v0.1", num_local_experts=4))
        many = parameters(model("mistralai/Mixtral-8x7B-v0.1"))
        assert few.parts["experts"] * 2 == pytest.approx(many.parts["experts"], rel=1e-6)
        assert few.parts["attention"] == many.parts["attention"]


class TestMemory:
    def test_activations_are_those_of_korthikanti(self) -> None:
        """Reducing Activation Recomputation in Large Transformer Models (2022), equation 2: sbh · (34 + 5as / h) bytes.

        For 16-bit training with dropout and written-out attention; statistics of the norms are not in the equation.
        """
        name, batch, length, hidden, heads = "openai-community/gpt2", 4, 1024, 768, 12
        plan = Plan(method="full", precision="bf16", batch=batch, length=length, attention="eager")

        def kept(layers: int) -> int:
            found = model(name, n_layer=layers, activation_function="gelu")
            return memory(found, plan).parts[ACTIVATIONS]

        each = (kept(8) - kept(4)) / 4
        equation = length * batch * hidden * (34 + 5 * heads * length / hidden)
        assert each == pytest.approx(equation, rel=0.001)

    def test_fused_attention_grows_in_a_line_and_written_out_in_a_square(self) -> None:
        found = model(LLAMA, **TINY)

        def activations(length: int, attention: Any) -> int:
            plan = Plan(method="full", precision="bf16", length=length, attention=attention)
            return memory(found, plan).parts[ACTIVATIONS]

        assert activations(4096, "sdpa") == pytest.approx(2 * activations(2048, "sdpa"), rel=0.01)
        assert activations(4096, "eager") > 3.5 * activations(2048, "eager")

    @pytest.mark.parametrize("precision", ["float32", "bf16-mixed", "bf16", "fp16-mixed"])
    def test_weights_gradients_and_state(self, precision: Any) -> None:
        found = model(LLAMA, **TINY)
        count = parameters(found).total
        width = 2 if precision == "bf16" else 4
        used = memory(found, Plan(method="full", precision=precision, batch=1, length=1))
        assert used.parts[WEIGHTS] == count * width
        assert used.parts[OPTIMIZER] == 2 * count * width
        assert used.parts[GRADIENTS] == count * width

    def test_checkpointing_trades_memory_for_time(self) -> None:
        found = model("Qwen/Qwen3-0.6B")
        plain = memory(found, Plan(method="full", length=2048))
        saving = memory(found, replace(Plan(method="full", length=2048), checkpointing=True))
        assert saving.parts[ACTIVATIONS] < plain.parts[ACTIVATIONS] / 5
        assert 1.2 * plain.flops < saving.flops < 1.4 * plain.flops

    def test_logits_are_counted_in_float32_with_their_gradients(self) -> None:
        used = memory(
            model(LLAMA, **{**TINY, "vocab_size": 100_000}), Plan(method="full", precision="bf16", length=512)
        )
        # the kept log-softmax and the gradients of the two steps
        assert used.parts[LOGITS] == pytest.approx(3 * 512 * 100_000 * 4, rel=0.01)

    def test_a_loss_in_pieces_never_has_all_logits(self) -> None:
        whole, pieces = (
            [memory(model("Qwen/Qwen3-8B"), replace(plan, loss=loss)) for plan in (QLORA, replace(QLORA, batch=4))]
            for loss in ("whole", "pieces")
        )
        assert whole[1].parts[LOGITS] == pytest.approx(4 * whole[0].parts[LOGITS], rel=1e-4)
        assert whole[1].parts[LOGITS] > 20 * GIB
        assert max(used.parts[LOGITS] for used in pieces) < 2 * GIB
        assert pieces[0].flops == pytest.approx(whole[0].flops, rel=1e-6)

    def test_lora_and_qlora(self) -> None:
        found = model(LLAMA)
        lora = memory(found, Plan(method="lora", length=128))
        qlora = memory(found, Plan(method="qlora", length=128))
        counted = parameters(found)
        packed = counted.parts["attention"] + counted.parts["mlp"]
        assert lora.parts[WEIGHTS] == 2 * counted.total
        assert qlora.parts[WEIGHTS] == pytest.approx(packed * PACKED + 2 * (counted.total - packed), rel=1e-6)
        assert lora.parts[OPTIMIZER] == qlora.parts[OPTIMIZER] < 0.1 * lora.parts[WEIGHTS]

    def test_cache_of_keys_and_values(self) -> None:
        used = memory(model(LLAMA), Plan(method="inference", precision="bf16", batch=3, length=1000))
        assert used.parts[CACHE] == 32 * 2 * 3 * 1000 * 8 * 128 * 2

    def test_the_cache_of_latent_attention_is_small(self) -> None:
        used = memory(model("deepseek-ai/DeepSeek-V3"), Plan(method="inference", precision="bf16", length=1000))
        assert used.parts[CACHE] == 61 * 1000 * (512 + 64) * 2

    def test_optimizers(self) -> None:
        found = model("Qwen/Qwen3-0.6B")
        sizes = {
            name: memory(found, Plan(method="full", optimizer=name, length=8)).parts[OPTIMIZER]
            for name in ("adamw", "lion", "adamw-8bit", "adafactor", "sgd")
        }
        assert sizes["adamw"] == 2 * sizes["lion"]
        embedding = 151_936 * 1024  # in 32 bits with either; tied, so there is no other
        inner = sizes["adamw"] - 8 * embedding
        assert inner == pytest.approx(8 / 2.03 * (sizes["adamw-8bit"] - 8 * embedding), rel=0.01)
        assert sizes["adafactor"] < 0.01 * sizes["adamw"]
        assert sizes["sgd"] == 0

    def test_fsdp_shares_what_stands(self) -> None:
        found = model(LLAMA)
        alone = memory(found, Plan(method="full", length=512, checkpointing=True))
        eight = memory(found, Plan(method="full", length=512, checkpointing=True, gpus=8))
        assert eight.parts[WEIGHTS] == pytest.approx(alone.parts[WEIGHTS] / 8, rel=0.01)
        assert eight.parts[OPTIMIZER] == pytest.approx(alone.parts[OPTIMIZER] / 8, rel=0.01)
        assert 0 < eight.parts["gathered"] < alone.parts[WEIGHTS] / 4
        assert eight.peak < alone.peak / 4

    @pytest.mark.parametrize("name", smallest_of_each_family())
    def test_every_family_can_be_trained_and_more_samples_take_more(self, name: str) -> None:
        found = model(name)
        length = found.context if found.reads != "text" else 64
        one = memory(found, Plan(method="full", length=length, target=16, checkpointing=True))
        four = memory(found, Plan(method="full", length=length, target=16, batch=4, checkpointing=True))
        assert 0 < one.peak <= four.peak
        assert four.flops == pytest.approx(4 * one.flops, rel=0.01)

    def test_nothing_is_left_alive(self) -> None:
        """Storages that outlive their step would be counted again in the next."""
        from scaffolder.estimate.net import Net, Size

        found, plan = model("Qwen/Qwen3-0.6B"), Plan(method="full", precision="float32", length=32)
        net = Net(plan.keeping, plan.mode)
        net.tape.backward(found.forward(net, Size(length=32)))
        assert net.tape.ledger.by_kind[GRADIENTS] == 4 * parameters(found).total
        assert net.tape.ledger.live == net.tape.ledger.by_kind[GRADIENTS]


class TestTime:
    def test_operations_are_six_for_each_parameter_and_token(self) -> None:
        """Kaplan et al. (2020): 6ND; the embeddings' rows are looked up, and attention adds a little."""
        found = model(LLAMA)
        counted = parameters(found)
        used = memory(found, Plan(method="full", length=512))
        assert used.flops / 512 == pytest.approx(6 * (counted.total - counted.parts["embeddings"]), rel=0.02)

    def test_adapters_save_a_third(self) -> None:
        found = model(LLAMA)
        full, lora = (memory(found, Plan(method=method, length=512)).flops for method in ("full", "lora"))
        assert lora == pytest.approx(full * 2 / 3, rel=0.03)

    def test_a_range_of_time_and_energy(self) -> None:
        found, plan, gpu = model(LLAMA), Plan(method="lora", length=512), named("H100")
        result = speed(found, plan, memory(found, plan), gpu, 1e6)
        assert result.seconds is not None and result.energy is not None
        assert result.seconds.low < result.seconds.high
        assert result.seconds.low == pytest.approx(1e6 * result.flops_per_unit / (989e12 * 0.5))
        assert result.energy.low < 0.7 * result.seconds.low / 3600 < result.energy.high

    def test_writing_is_bound_by_reading_the_weights(self) -> None:
        found, plan = model(LLAMA), Plan(method="inference", precision="bf16", length=512)
        result = speed(found, plan, memory(found, plan), named("RTX 4090"), 1e6)
        assert result.written is not None
        assert 25 < result.written.low < result.written.high < 62  # 1,008 GB/s over 16 GB


class TestFit:
    def test_the_largest_batch_fits_and_the_next_does_not(self) -> None:
        found, plan, room = model("Qwen/Qwen3-0.6B"), Plan(method="full", length=512), 24 * GIB
        best = largest_batch(found, plan, room)
        assert memory(found, replace(plan, batch=best)).needed <= room
        assert memory(found, replace(plan, batch=best + 1)).needed > room

    def test_the_longest_context_fits_and_a_longer_does_not(self) -> None:
        found, plan, room = model("Qwen/Qwen3-0.6B"), Plan(method="full"), 24 * GIB
        best = longest_context(found, plan, room)
        assert best % 64 == 0
        assert memory(found, replace(plan, length=best)).needed <= room
        assert memory(found, replace(plan, length=best + 64)).needed > room

    def test_nothing_fits(self) -> None:
        assert largest_batch(model(LLAMA), Plan(method="full", length=512), 8 * GIB) == 0
        assert longest_context(model(LLAMA), Plan(method="full"), 8 * GIB) == 0

    @pytest.mark.parametrize(
        ("name", "room", "method"),
        [("openai-community/gpt2", 8, "full"), (LLAMA, 24, "lora"), (LLAMA, 12, "qlora"), (LLAMA, 192, "full")],
    )
    def test_the_most_thorough_method_that_fits(self, name: str, room: int, method: str) -> None:
        advice = advise(model(name), room * GIB, length=512)
        assert advice.fits
        assert advice.method == method
        assert advice.memory.needed <= room * GIB
        assert advice.batch * advice.accumulation >= 32
        assert advice.reason.endswith(f"{room}.0 GiB.")

    def test_advice_for_an_old_chip_is_float16(self) -> None:
        assert advise(model("openai-community/gpt2"), 16 * GIB, bf16=False).precision == "fp16-mixed"

    def test_advice_says_when_nothing_fits(self) -> None:
        advice = advise(model("meta-llama/Llama-3.1-70B"), 8 * GIB)
        assert not advice.fits
        assert "Even the smallest way" in advice.reason


class TestGpus:
    @pytest.mark.parametrize(
        ("said", "name"),
        [
            ("RTX 4090", "RTX 4090"),
            ("4090", "RTX 4090"),
            ("NVIDIA GeForce RTX 4090", "RTX 4090"),
            ("rtx4090", "RTX 4090"),
            ("rtx 4070 ti super", "RTX 4070 Ti SUPER"),
            ("RTX 4060Ti 16 GB", "RTX 4060 Ti 16GB"),
            ("NVIDIA A100-SXM4-40GB", "A100 40GB"),
            ("A100", "A100 80GB"),
            ("NVIDIA H100 80GB HBM3", "H100 80GB"),
            ("NVIDIA H100 PCIe", "H100 PCIe"),
            ("Tesla T4", "Tesla T4"),
            ("t4", "Tesla T4"),
            ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada Generation"),
            ("AMD Radeon RX 7900 XTX", "Radeon RX 7900 XTX"),
            ("NVIDIA GeForce RTX 3060 Laptop GPU", "RTX 3060 Laptop GPU"),
            ("Apple M4 Max", "Apple M4 Max"),
        ],
    )
    def test_names(self, said: str, name: str) -> None:
        assert named(said).name == name

    def test_every_entry_is_found_by_its_own_name(self) -> None:
        for device in gpu_table():
            assert named(device.name) == device

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(NewmodelError, match=r"GPU “RTX 4190”\. Did you mean .*RTX 4"):
            named("RTX 4190")

    def test_a_detected_one_has_its_own_memory(self) -> None:
        device = detected("NVIDIA A100-SXM4-40GB", 42_949_672_960, (8, 0))
        assert device is not None and device.memory == 42_949_672_960 and device.tflops == 312.0
        unknown = detected("NVIDIA Something New", 10 * GIB, (13, 0))
        assert unknown is not None and unknown.tflops is None and unknown.has_bf16
        assert detected("Something", None, None) is None
