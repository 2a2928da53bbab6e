"""Which base model and method a language model project gets on which machine, and what is said about it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import copier
import jinja2
import pytest

from scaffolder.base_models import (
    advice,
    base_models,
    check_name,
    gib,
    in_china,
    place,
    refused,
    remark,
    shape,
    suggestion,
    summary,
)
from scaffolder.catalog import catalog
from scaffolder.environment.facts import Accelerators, Gpu, Network, Report, Server
from scaffolder.environment.network.mirrors import MIRRORS
from scaffolder.estimate.source import find, table
from tests.conftest import GIB, Result

Newmodel = Callable[..., Result]
REPOSITORY = Path(__file__).resolve().parent.parent
ONLY_FILES = ("--set", "install_now=no", "--set", "use_git=no")
CHATS = [
    {"messages": [{"role": "user", "content": f"Question {n}"}, {"role": "assistant", "content": f"Answer {n}"}]}
    for n in range(30)
]
ANSWERS = {"framework": "pytorch", "data": "own", "accelerator": "cuda", "precision": "bfloat16", "language": "en"}


def with_gpu(machine: Report, memory: int) -> Report:
    gpu = Gpu(kind="cuda", name="NVIDIA GeForce RTX 4090", total=memory * GIB, capability=(8, 9))
    return dataclasses.replace(machine, accelerators=Accelerators(gpus=(gpu,), driver="580.65.06"))


def write_chats(path: Path, *more: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in [*CHATS, *more]), encoding="utf-8")
    return path


# --- the table --------------------------------------------------------------------------------------------------------


def test_copier_offers_the_models_of_the_table() -> None:
    offered = [choice.value for choice in catalog().questions["base_model"].choices]
    assert offered == ["own", *base_models(), "other"]
    labels = {choice.value: choice.label for choice in catalog().questions["base_model"].choices}
    assert all(labels[key] == base.label for key, base in base_models().items())


def test_tensorflow_has_those_that_kerashub_has_a_preset_of() -> None:
    choices = catalog().raw["base_model"]["choices"].values()
    refused_ones = {choice["value"] for choice in choices if isinstance(choice, dict)}
    assert refused_ones == {key for key, base in base_models().items() if not base.keras}


def test_each_has_its_layers_and_its_names() -> None:
    for base in base_models().values():
        assert base.shape in table()
        assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name) for name in (base.huggingface, base.modelscope))
        assert base.licence
    # `newmodel estimate` knows it under the name of its instruction-tuned brother, without a network
    assert find("meta-llama/Llama-3.2-1B-Instruct", {}).configuration.name == "meta-llama/Llama-3.2-1B"


@pytest.mark.parametrize(("model", "parameters"), [("llama-3.2-1b", 1_498_482_688), ("llama-3.2-3b", 3_606_752_256)])
def test_presets_with_output_weights_of_their_own(model: str, parameters: int) -> None:
    from scaffolder.estimate.architecture import parameters as count

    keras, hub = (shape({"base_model": model, "framework": name}) for name in ("tensorflow", "pytorch"))
    assert keras is not None
    assert hub is not None
    assert count(keras).total == parameters  # as keras-hub 0.32.0 says of the preset
    assert count(hub).total < parameters


def test_what_is_said_about_licences() -> None:
    def said(model: str, **more: str) -> str:
        return remark({**ANSWERS, "base_model": model, **more})

    for model in ("llama-3.2-1b", "gemma-3-1b", "mistral-7b"):
        address = f"https://huggingface.co/{base_models()[model].huggingface}"
        assert f"if {address} asks for it, accept its licence" in said(model)
        assert said(model, hub="modelscope") == ""
    for model in ("llama-3.1-8b", "gemma-3-27b"):
        on_kaggle = said(model, framework="tensorflow")
        assert f"if https://www.kaggle.com/models/{base_models()[model].kaggle} asks for it" in on_kaggle
        assert "KAGGLE_USERNAME and KAGGLE_KEY" in on_kaggle
        assert "hf auth login" not in on_kaggle
    for framework in ("pytorch", "tensorflow"):
        assert said("qwen3-8b", framework=framework) == ""
        assert said("own", framework=framework) == ""
    assert said("mistral-7b", framework="tensorflow") == ""


# --- the machine decides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "model", "method"),
    [(8, "qwen3-1.7b", "lora"), (12, "qwen3-4b", "lora"), (24, "qwen3-8b", "lora"), (80, "qwen3-8b", "lora")],
)
def test_the_largest_that_fits_is_suggested(machine: Report, memory: int, model: str, method: str) -> None:
    report = with_gpu(machine, memory)
    assert suggestion("base_model", report, ANSWERS) == model
    assert suggestion("method", report, {**ANSWERS, "base_model": model}) == method


def test_without_a_gpu_the_smallest_and_lora(machine: Report) -> None:
    answers = {**ANSWERS, "accelerator": "cpu", "precision": "float32"}
    assert suggestion("base_model", machine, answers) is None  # copier.yml's own: the smallest
    assert suggestion("method", machine, {**answers, "base_model": "qwen3-0.6b"}) == "lora"
    assert suggestion("method", machine, {**answers, "base_model": "own"}) is None


def test_batches_and_length_are_those_of_the_estimate(machine: Report) -> None:
    from scaffolder.estimate.command import Options, estimate

    report = with_gpu(machine, 24)
    for model, method in (("qwen3-8b", "lora"), ("qwen3-0.6b", "full"), ("mistral-small-24b", "qlora")):
        answers = {**ANSWERS, "base_model": model, "method": method}
        assert suggestion("method", report, answers) == method
        result = estimate(Options(model=base_models()[model].huggingface, gpu="RTX 4090", method=method))
        assert suggestion("llm_batch_size", report, answers) == str(result.plan.batch)
        assert suggestion("llm_accumulation", report, answers) == str(result.plan.accumulation)
        assert suggestion("llm_checkpointing", report, answers) == result.plan.checkpointing
        assert suggestion("llm_max_length", report, answers) == str(result.plan.length)


def test_shorter_conversations_where_only_these_fit(machine: Report) -> None:
    report, answers = with_gpu(machine, 12), {**ANSWERS, "base_model": "qwen3-4b", "framework": "tensorflow"}
    found = advice(report, answers, "lora")
    assert found is not None
    assert found.fits
    assert suggestion("llm_max_length", report, {**answers, "method": "lora"}) == str(found.plan.length) == "1024"


def test_32_billion_weights_learn_on_24_gib(machine: Report) -> None:
    report, answers = with_gpu(machine, 24), {**ANSWERS, "base_model": "qwen3-32b"}
    assert suggestion("method", report, answers) == "qlora"
    assert suggestion("llm_max_length", report, {**answers, "method": "qlora"}) == "2048"


def test_a_gemma_does_not_learn_in_float16(machine: Report, tmp_path: Path) -> None:
    """Its activations are too large for that: where a GPU has no bfloat16, float32 is reckoned with and set."""
    report, gemma = with_gpu(machine, 16), {**ANSWERS, "base_model": "gemma-3-4b", "precision": "float16"}
    half, single = advice(report, {**gemma, "precision": "bfloat16"}, "lora"), advice(report, gemma, "lora")
    assert half is not None
    assert single is not None
    assert half.fits
    assert not single.fits
    for model, expected in (("gemma-3-4b", "float32 # a Gemma cannot learn in float16"), ("qwen3-4b", "float16")):
        data = {"project_name": "demo", "framework": "pytorch", "task": "llm", "base_model": model}
        data |= {"accelerator": "cuda", "precision": "float16"}
        copier.run_copy(
            str(REPOSITORY / "templates"),
            tmp_path / model,
            data=data,
            defaults=True,
            quiet=True,
            vcs_ref="HEAD",
        )
        for stage in ("finetune", "align"):
            settings = (tmp_path / model / "configs" / f"{stage}.yaml").read_text(encoding="utf-8")
            assert f"  precision: {expected}\n" in settings


def test_methods_that_do_not_fit_are_refused_unless_none_does(machine: Report) -> None:
    report = with_gpu(machine, 24)
    assert set(refused(report, {**ANSWERS, "base_model": "qwen3-8b"})) == {"full"}
    assert set(refused(report, {**ANSWERS, "base_model": "qwen3-32b"})) == {"full", "lora", "dora", "rslora"}
    assert refused(with_gpu(machine, 6), {**ANSWERS, "base_model": "qwen3-32b"}) == {}
    assert refused(report, {**ANSWERS, "base_model": "other", "base_model_name": "me/mine"}) == {}


def test_the_line_of_the_preview(machine: Report) -> None:
    report = with_gpu(machine, 24)
    answers = {**ANSWERS, "base_model": "qwen3-8b", "method": "lora"}
    found, where = advice(report, answers, "lora"), place(report, answers)
    assert found is not None
    assert where is not None
    assert summary(report, answers) == (
        f"Qwen3 8B, LoRA, {found.batch} × {found.accumulation} conversations of up to 2,048 tokens in a step: "
        f"{gib(found.memory.needed)} GiB of 24.0 GiB (NVIDIA GeForce RTX 4090)"
    )
    assert "does not fit" in summary(with_gpu(machine, 6), {**answers, "base_model": "qwen3-32b", "method": "qlora"})
    unknown = {**answers, "base_model": "other", "base_model_name": "me/mine"}
    assert summary(report, unknown) == "me/mine, LoRA; what it needs: newmodel estimate me/mine"
    assert "any machine will do" in summary(report, {**answers, "base_model": "own"})


def test_modelscope_where_it_is_nearer(machine: Report) -> None:
    assert not in_china(machine, ANSWERS)
    assert in_china(machine, {**ANSWERS, "language": "zh_CN"})
    mirror = Server(role="packages", url=MIRRORS[0].packages + "/", reachable=True)
    assert in_china(dataclasses.replace(machine, network=Network(servers=(mirror,))), ANSWERS)
    cut_off = (Server(role="hub", url="https://huggingface.co"), Server(role="modelscope", url="", reachable=True))
    assert in_china(dataclasses.replace(machine, network=Network(servers=cut_off)), ANSWERS)


@pytest.mark.full
@pytest.mark.parametrize(
    ("page", "framework"),
    [
        ("docs/llm.md", "pytorch"),
        ("templates/readme/llm_models.en.md.jinja", "pytorch"),
        ("templates/readme/llm_models.en.md.jinja", "tensorflow"),
    ],
)
def test_the_table_of_what_fits(machine: Report, page: str, framework: str) -> None:
    """The largest Qwen3 of each cell fits, and the next one does not."""
    text = jinja2.Template((REPOSITORY / page).read_text(encoding="utf-8")).render(framework=framework)
    sizes = [key for key in base_models() if key.startswith("qwen3")]
    rows = re.findall(r"^\| (\d+) GiB \|(.*)\|$", text, re.MULTILINE)
    methods = ("full", "lora", "qlora") if framework == "pytorch" else ("full", "lora")
    assert len(rows) == 6
    for memory, row in rows:
        report = with_gpu(machine, int(memory))
        for method, cell in zip(methods, row.split("|"), strict=True):
            fitting = []
            for size in sizes:
                found = advice(report, {**ANSWERS, "framework": framework, "base_model": size}, method)
                assert found is not None
                if found.fits and found.plan.length == 2048:
                    fitting.append(base_models()[size].label)
            assert re.findall(r"Qwen3 [\d.]+B", cell) == fitting[-1:], (memory, method, fitting)


# --- init -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_project_for_ones_own_conversations(newmodel: Newmodel, tmp_path: Path, framework: str) -> None:
    file = write_chats(tmp_path / "chats.jsonl")
    result = newmodel("init", "demo", "--data", file, "--defaults", *ONLY_FILES, "--set", f"framework={framework}")
    assert result.code == 0, result.err
    assert "chats.jsonl holds conversations, so task is llm" in result.err
    assert "chats.jsonl: 30 conversations (messages as OpenAI has them)" in result.err
    assert "Qwen3 0.6B, LoRA" in result.err
    assert "“Check data”, “Fine-tune”, “Evaluate”, “Serve”" in result.err
    assert (tmp_path / "demo" / "data" / "chats.jsonl").read_bytes() == file.read_bytes()
    settings = (tmp_path / "demo" / "configs" / "finetune.yaml").read_text(encoding="utf-8")
    assert 'file: "data/chats.jsonl"' in settings
    assert {"pytorch": "Qwen/Qwen3-0.6B", "tensorflow": "qwen3_0.6b_en"}[framework] in settings


def test_records_that_cannot_be_used_are_said_and_are_no_obstacle(newmodel: Newmodel, tmp_path: Path) -> None:
    write_chats(tmp_path / "chats.jsonl", {"messages": [{"role": "usr", "content": "Hello"}]})
    result = newmodel("init", "demo", "--data", "chats.jsonl", "--defaults", "--dry-run")
    assert result.code == 0, result.err
    assert "30 conversations" in result.err + result.out
    assert "1 record cannot be used: line 31 turn 1 has the role 'usr'" in result.err + result.out


def test_a_table_stays_a_table_unless_its_columns_are_those_of_conversations(tmp_path: Path) -> None:
    from scaffolder.own_data import task_of

    for header, task in (
        ("age,income,bought", "tabular"),
        ("prompt,completion", "llm"),
        ('"instruction","input","output"', "llm"),
        ("指令,输入,输出", "llm"),
        ("question,answer", "tabular"),
    ):
        (tmp_path / "file.csv").write_text(f"{header}\n1,2,3\n", encoding="utf-8")
        assert task_of(str(tmp_path / "file.csv")) == task, header
    assert task_of("gone.jsonl") == "llm"
    assert task_of("gone.csv") == task_of("table.parquet") == "tabular"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "chats.jsonl does not exist."),
        ("", "chats.jsonl is empty."),
        ('{"text": "Once upon a time"}\n', "plain text"),
        ('{"a": 1}\n', "the format is not recognised: it has the fields a"),
        ('{"messages": [{"role": "user", "content": "Hello"}]}\n', "no conversation with an answer of the assistant"),
        ('{"messages": []}\n', "is an empty conversation"),
        ("{nothing}\n", "is not valid JSON"),
    ],
)
def test_files_without_conversations(newmodel: Newmodel, tmp_path: Path, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "chats.jsonl").write_text(content, encoding="utf-8")
    result = newmodel("init", "demo", "--data", "chats.jsonl", "--defaults")
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("framework=tensorflow", "method=qlora"), "method: Keras cannot train on weights of 4 bits"),
        (("framework=tensorflow", "method=dora"), "method: KerasHub has plain LoRA alone"),
        (("framework=tensorflow", "base_model=mistral-small-24b"), "base_model: KerasHub has no preset of it"),
        (("method=qlora",), "method: it needs an NVIDIA GPU"),
        (("base_model=other",), "Give a name such as Qwen/Qwen3-8B, or the path of a folder."),
        (("base_model=qwen3-9b",), "did you mean"),
        (("base_model=own", "hub=modelscope"), "hub means nothing with the other answers"),
        (("llm_batch_size=0",), "Give a number of 1 or more."),
        (("task=tabular", "method=lora"), "method means nothing with the other answers: it needs task=llm."),
    ],
)
def test_answers_that_do_not_go_together(newmodel: Newmodel, settings: tuple[str, ...], sentence: str) -> None:
    words = [word for setting in ("task=llm", *settings) for word in ("--set", setting)]
    result = newmodel("init", "demo", "--defaults", "--dry-run", *words)
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ["/gone/model", "./model", "~/model", "../model", "models\\mine", "D:/model", "a/b/c"])
def test_a_base_model_in_a_folder_that_is_not_there(newmodel: Newmodel, tmp_path: Path, name: str) -> None:
    settings = ("task=llm", "base_model=other", f"base_model_name={name}")
    result = newmodel("init", "demo", "--defaults", *[word for setting in settings for word in ("--set", setting)])
    assert result.code == 2
    assert f"There is no folder {name}: give the folder of a model, or a name on the hub" in result.err
    assert not (tmp_path / "demo").exists()


def test_names_on_hubs_are_no_paths() -> None:
    for name in ("me/mine", "gpt2", "modelscope:me/mine", "kaggle://keras/qwen-3/keras/qwen3_0.6b_en"):
        check_name(name)


def test_paths_as_they_are_pasted(newmodel: Newmodel, tmp_path: Path) -> None:
    file = write_chats(tmp_path / "my chats.jsonl")
    base = tmp_path / "my base"
    base.mkdir()
    settings = ("task=llm", "base_model=other", f"base_model_name='{base}'", f"data_file={file.as_uri()}")
    words = [word for setting in settings for word in ("--set", setting)]
    result = newmodel("init", f'"{tmp_path / "demo"}"', "--defaults", *ONLY_FILES, *words)
    assert result.code == 0, result.err
    written = (tmp_path / "demo" / "configs" / "finetune.yaml").read_text(encoding="utf-8")
    assert f'base: "{base.as_posix()}"' in written
    assert 'file: "data/my chats.jsonl"' in written
    assert newmodel("init", "more", "--data", f'"{file}"', "--defaults", "--dry-run").code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chats.jsonl", '{"prompt": "a", "completion": "b"}\n'),
        ("story.txt", "Once upon a time\n"),
        ("faq.csv", "问题,答案\n一加一,二\n"),
    ],
)
def test_conversations_given_as_a_table(newmodel: Newmodel, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    result = newmodel("init", "demo", "--data", name, "--set", "task=tabular", "--defaults")
    assert result.code == 2
    assert "conversations" in result.err and "say --set task=llm." in result.err


def test_no_python_that_is_new_enough(newmodel: Newmodel, machine: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from scaffolder.environment import report

    only = dataclasses.replace(machine.interpreters[0], version=(3, 10, 13))
    monkeypatch.setattr(report, "inspect", lambda *_, **__: dataclasses.replace(machine, interpreters=(only,)))
    result = newmodel("init", "demo", "--defaults", "--dry-run", "--set", "task=llm")
    assert result.code == 2
    assert "task cannot be llm here: it needs Python 3.11 to 3.14; here is 3.10.13." in result.err
