"""`newmodel estimate` as a person meets it: what it prints, where a configuration comes from, and bad input."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffolder.environment.facts import Accelerators, Gpu, Report
from scaffolder.errors import NewmodelError
from scaffolder.estimate import source
from scaffolder.estimate.architecture import architecture, parameters
from scaffolder.estimate.command import Options, estimate
from scaffolder.estimate.configuration import Configuration
from scaffolder.estimate.memory import memory
from scaffolder.estimate.plan import Plan

LLAMA = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
LLAMA |= {"num_attention_heads": 4, "vocab_size": 500, "architectures": ["LlamaForCausalLM"]}

NewModel = Callable[..., Result]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No cache of the person's, no hub, no settings for one."""
    for name in (
        "HF_ENDPOINT",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_TOKEN",
        "XDG_CACHE_HOME",
        "HF_HUB_OFFLINE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(source, "download", lambda *_: (None, b"", "no network in tests"))


def written(folder: Path, values: Any) -> Path:
    file = folder / "config.json"
    file.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return file


class TestOutput:
    def test_a_known_model_needs_no_network(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "Qwen/Qwen3-8B", "--method", "lora", "--context", "4096", "--batch", "8")
        assert done.code == 0, done.err
        assert "Qwen/Qwen3-8B: 8,190,735,360 parameters" in done.out
        assert "LoRA, rank 16, bf16-mixed, batch 8 × 4,096 tokens" in done.out
        assert "logits and loss" in done.out
        assert done.err == ""

    def test_a_model_that_also_reads_images(self, newmodel: NewModel) -> None:
        """As the projects load it: the same as its language model, adapters and memory included."""
        done = newmodel("estimate", "google/gemma-3-4b-pt", "--method", "lora", "--json")
        found = json.loads(done.out)
        assert found["parameters"]["total"] == 3_880_263_168
        # 34 blocks of width 2,560: 8 heads of 256, 4 of keys and values, an MLP of 10,240
        block = 2 * (2560 + 8 * 256) + 2 * (2560 + 4 * 256) + 3 * (2560 + 10_240)
        assert found["parameters"]["adapters"] == 34 * 16 * block
        assert "This is the language model alone: what reads images is not loaded by the projects." in found["notes"]

    def test_a_named_gpu(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "Qwen/Qwen3-8B", "--gpu", "RTX 4090", "--context", "2048")
        assert done.code == 0, done.err
        assert "It fits RTX 4090." in done.out
        assert "The most that fits: batch" in done.out
        assert "kWh" in done.out

    def test_an_optimizer_of_8_bits_is_named_as_the_project_does(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "meta-llama/Llama-3.2-1B", "--gpu", "RTX 4090", "--method", "full")
        assert done.code == 0, done.err
        assert "--training.optimizer adamw_8bit" in done.out

    def test_a_model_that_does_not_fit_names_the_largest_that_does(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "meta-llama/Llama-3.1-70B", "--gpu", "RTX 3060", "--context", "512")
        assert done.code == 0
        assert "It does not fit RTX 3060." in done.out
        assert "The largest of the known models that fits this way is" in done.out
        assert "kWh" not in done.out

    def test_json_and_nothing_else(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "gpt2", "--gpu", "T4", "--json")
        document = json.loads(done.out)
        assert document["parameters"]["total"] == 124_439_808
        assert document["model"] == "openai-community/gpt2"
        assert document["gpu"]["fits"] is True
        assert document["plan"]["precision"] == "fp16-mixed"  # the chip has no bf16
        assert document["memory"]["peak"] == sum(document["memory"]["parts"].values())
        assert document["speed"]["seconds"]["low"] < document["speed"]["seconds"]["high"]
        assert done.err == ""

    def test_the_gpu_of_this_machine(
        self, newmodel: NewModel, machine: Report, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from scaffolder.environment import report

        gpu = Gpu(kind="cuda", name="NVIDIA GeForce RTX 3090", total=24 * 2**30, capability=(8, 6))
        monkeypatch.setattr(
            report, "inspect", lambda *_, **__: replace(machine, accelerators=Accelerators(gpus=(gpu, gpu)))
        )
        document = json.loads(newmodel("estimate", "Qwen/Qwen3-0.6B", "--json").out)
        assert document["gpu"]["name"] == "NVIDIA GeForce RTX 3090"
        assert document["gpu"]["count"] == document["plan"]["gpus"] == 2

    def test_without_a_gpu_the_smallest_that_fits_are_named(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "Qwen/Qwen3-0.6B", "--method", "lora")
        assert "It fits GPUs with" in done.out

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("google/vit-base-patch16-224", "--batch", "16"), "16 × 224 × 224 pixels"),
            (("openai/whisper-small",), "30 s of sound"),
            (("facebook/wav2vec2-base-960h", "--context", "5"), "5 s of sound"),
            (("google-bert/bert-base-uncased", "--task", "classify"), "512 tokens"),
            (("microsoft/resnet-50", "--context", "160"), "160 × 160 pixels"),
        ],
    )
    def test_images_texts_and_sounds(self, newmodel: NewModel, arguments: tuple[str, ...], words: str) -> None:
        done = newmodel("estimate", *arguments, "--gpu", "RTX 4090")
        assert done.code == 0, done.err
        assert words in done.out

    def test_fsdp(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "meta-llama/Llama-3.1-8B", "--gpu", "A100 80GB", "--gpus", "8", "--method", "full")
        assert "FSDP over 8 GPUs" in done.out
        assert "It fits 8 × A100 80GB." in done.out

    def test_no_framework_is_imported(self, newmodel: NewModel) -> None:
        import subprocess
        import sys

        code = (
            "import sys; from scaffolder.cli import main; main(['estimate', 'gpt2', '--gpu', 'T4', '--json']); "
            "assert not {'torch', 'transformers', 'numpy', 'copier'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


class TestSource:
    def test_a_file_and_a_folder(self, newmodel: NewModel, tmp_path: Path) -> None:
        file = written(tmp_path, LLAMA)
        for path in (file, tmp_path):
            done = newmodel("estimate", path, "--json")
            assert json.loads(done.out)["source"] == str(file)

    def test_the_hubs_cache_on_this_machine(self, newmodel: NewModel, tmp_path: Path) -> None:
        folder = tmp_path / "hf" / "hub" / "models--somebody--own"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc", encoding="utf-8")
        (folder / "snapshots" / "abc").mkdir(parents=True)
        written(folder / "snapshots" / "abc", LLAMA)
        document = json.loads(newmodel("estimate", "somebody/own", "--json").out)
        assert document["source"].endswith("config.json")
        assert document["parameters"]["parts"]["embeddings"] == 500 * 64

    def test_a_folder_without_a_model_that_is_called_like_one(self, newmodel: NewModel) -> None:
        Path("gpt2").mkdir()
        assert newmodel("estimate", "gpt2").code == 0
        done = newmodel("estimate", "./gpt2")
        assert done.code == 2
        assert "There is no config.json in" in done.err

    def test_offline_is_one_sentence(self, newmodel: NewModel) -> None:
        done = newmodel("estimate", "Qwen/Qwen3-9B")
        assert done.code == 2
        assert done.out == ""
        assert "Qwen/Qwen3-9B is not on this machine and the hub could not be asked (no network in tests)" in done.err
        assert "Did you mean Qwen/Qwen3-8B" in done.err
        assert len(done.err.splitlines()) == 1

    def test_hf_hub_offline_is_obeyed(self, newmodel: NewModel, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr(source, "download", lambda *_: pytest.fail("the hub was asked"))
        assert "HF_HUB_OFFLINE" in newmodel("estimate", "somebody/own").err

    def test_no_path_and_no_id(self, newmodel: NewModel) -> None:
        for name in ("./nowhere", "a/b/c", "model.json", " ", "x\0y", "../.."):
            done = newmodel("estimate", name)
            assert done.code == 2, name
            assert len(done.err.splitlines()) == 1, done.err


class _Hub(BaseHTTPRequestHandler):
    """A hub: `good`, `private`, `wrong` (no JSON); everything else is not there."""

    seen: list[tuple[str, str]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        answers = {
            "/me/good/resolve/main/config.json": (200, json.dumps(LLAMA).encode()),
            "/me/private/resolve/main/config.json": (401, b"no"),
            "/me/wrong/resolve/main/config.json": (200, b"<html>"),
            "/me/broken/resolve/main/config.json": (503, b"later"),
        }
        status, content = answers.get(self.path, (404, b"not here"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class TestHub:
    @pytest.fixture(autouse=True)
    def hub(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.undo()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        _Hub.seen.clear()
        yield str(server.server_port)
        server.shutdown()
        server.server_close()

    def test_a_model_on_the_hub(self) -> None:
        found = source.find("me/good")
        assert found.configuration.values == LLAMA
        assert found.place.endswith("/me/good/resolve/main/config.json")

    def test_a_token_goes_to_the_hub_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "secret")
        source.find("me/good")
        assert _Hub.seen == [("/me/good/resolve/main/config.json", "Bearer secret")]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("me/private", "its conditions must be accepted"),
            ("me/nothing", "There is no model me/nothing with a config.json"),
            ("me/wrong", "is not JSON"),
            ("me/broken", "HTTP 503"),
        ],
    )
    def test_what_the_hub_does_not_give(self, name: str, words: str) -> None:
        with pytest.raises(NewmodelError, match=words):
            source.find(name)


class TestBadInput:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ("{", "is not JSON"),
            ("[1, 2]", "holds no JSON object"),
            ("\ufeff" + json.dumps({}), "has no “model_type”"),
            ({**LLAMA, "model_type": "lama"}, "does not know the architecture “lama”. Did you mean llama?"),
            ({**LLAMA, "model_type": 5}, "has no “model_type”"),
            ({key: value for key, value in LLAMA.items() if key != "hidden_size"}, "lacks “hidden_size”"),
            ({**LLAMA, "hidden_size": -4}, "has -4 as “hidden_size”"),
            ({**LLAMA, "hidden_size": "many"}, "has 'many' as “hidden_size”"),
            ({**LLAMA, "hidden_size": True}, "has True as “hidden_size”"),
            ({**LLAMA, "hidden_size": 10**30}, "expected is a whole number from 1 to 268,435,456"),
            ({**LLAMA, "num_hidden_layers": 10**6}, "as “num_hidden_layers”"),
            ({**LLAMA, "num_attention_heads": 7}, "does not work"),
            ({**LLAMA, "vocab_size": None}, "lacks “vocab_size”"),
            ({**LLAMA, "tie_word_embeddings": "yes"}, "expected is true or false"),
        ],
    )
    def test_configurations(self, newmodel: NewModel, tmp_path: Path, values: Any, words: str) -> None:
        done = newmodel("estimate", written(tmp_path, values))
        assert done.code == 2
        assert words in done.err
        assert done.out == ""
        assert len(done.err.splitlines()) == 1

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--batch", "0"), "--batch must be from 1 to"),
            (("--batch", "-3"), "--batch must be from 1 to"),
            (("--context", "0"), "--context must be from 1 to"),
            (("--gpus", "0"), "--gpus must be from 1 to"),
            (("--rank", "0"), "--rank must be from 1 to"),
            (("--tokens", "nan"), "--tokens must be from 1 to"),
            (("--method", "lorra"), "--method takes no “lorra”; there are: full, lora"),
            (("--precision", "int3"), "--precision takes no “int3”"),
            (("--optimizer", "adam"), "--optimizer takes no “adam”"),
            (("--gpu", "RTX 4191"), "does not know a GPU “RTX 4191”"),
            (("--context", "2000"), "knows positions for 1,024 tokens at most, not 2,000"),
            (("--batch", "many"), "--help"),
        ],
    )
    def test_options(self, newmodel: NewModel, arguments: tuple[str, ...], words: str) -> None:
        done = newmodel("estimate", "gpt2", *arguments)
        assert done.code == 2
        assert words in done.err
        assert done.out == ""

    def test_images_and_sounds_of_an_impossible_size(self, newmodel: NewModel) -> None:
        assert (
            "takes images of 224 × 224 pixels"
            in newmodel("estimate", "google/vit-base-patch16-224", "--context", "300").err
        )
        assert "reads 30 seconds at a time" in newmodel("estimate", "openai/whisper-small", "--context", "60").err

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_value_of_any_field_is_a_crash(self, data: st.DataObject) -> None:
        models = source.table()
        name = data.draw(st.sampled_from(sorted(models)))
        values = dict(models[name])
        nonsense = st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-5, 300),
            st.integers(),
            st.floats(),
            st.text(max_size=5),
            st.lists(st.integers(-2, 100), max_size=3),
            st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        )
        for field in data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=3)):
            values[field] = data.draw(nonsense)
        try:
            found = architecture(Configuration(values, name))
            assert parameters(found).total > 0
            if parameters(found).total < 1e9:
                memory(found, Plan(length=found.context if found.reads != "text" else 8, batch=1))
        except NewmodelError as error:
            assert "\n" not in str(error)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(content=st.binary(max_size=40))
    def test_no_content_of_a_file_is_a_crash(self, tmp_path: Path, content: bytes) -> None:
        file = tmp_path / "config.json"
        file.write_bytes(content)
        with pytest.raises(NewmodelError):
            estimate(Options(model=str(file), gpu="T4"))
