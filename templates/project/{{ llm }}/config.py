"""Every setting of the stages, with its unit and its allowed range.

The values themselves stand in configs/*.yaml; any of them can be overridden on the command line
(`python finetune.py --method.rank 8`). A value out of range is refused with one sentence that names the
field.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Literal

from .data_files import file_names
from .method_config import ALL_WEIGHTS, MethodConfig
from .training_config import TrainingConfig

HUBS = ("huggingface", "modelscope")
Files = str | list[str]  # names of files, which may hold * and **
ChatFormat = Literal[
    "auto",
    "messages",
    "sharegpt",
    "alpaca",
    "prompt_completion",
    "preference",
    "unpaired_preference",
    "text",
]


def check(fine: bool, message: str) -> None:
    """Raise ValueError with `message` unless `fine`."""
    if not fine:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Which plain text to pretrain on."""

    files: list[str] = field(default_factory=lambda: ["data/corpus/*.txt"])
    """Text to learn from: .txt, .md, .jsonl, .parquet or .csv; names may hold * and **."""

    text_field: str = "text"
    """Field or column that holds the text, in .jsonl, .parquet and .csv."""

    separator: str = ""
    """What stands between two documents of a .txt file, on a line of its own; empty: the file is one."""

    validation: float = 0.05
    """Share of the text for choosing the best epoch, above 0 and below 1."""

    test: float = 0.05
    """Share of the text for the final figures, looked at by nothing before, above 0 and below 1."""

    seed: int = 0
    """Of the choice which passages are validation and test text."""

    def __post_init__(self) -> None:
        check(bool(self.files), "files is empty: name at least one text file")
        for name in ("validation", "test"):
            check(
                0 < getattr(self, name) < 1,
                f"{name} is {getattr(self, name)}: it must be above 0 and below 1",
            )
        check(
            self.validation + self.test < 1, "validation and corpus.test together leave no text to train on"
        )


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A decoder like Llama and Qwen, to be pretrained from nothing."""

    preset: Literal["custom", "1M", "5M", "25M", "100M", "350M", "0.6B", "1.7B"] = "custom"
    """Sizes that go well together, by the number of weights; `custom` takes those below."""

    vocabulary: int = 2048
    """Tokens of the byte-level BPE tokenizer trained on the corpus, 300 or more."""

    hidden_size: int = 128
    """Width of the residual stream; a multiple of `heads`."""

    layers: int = 4
    """Blocks of attention and feed-forward network."""

    heads: int = 4
    """Attention heads of the queries."""

    kv_heads: int = 2
    """Heads of keys and values, each shared by `heads` / `kv_heads` queries; divides `heads`."""

    intermediate_size: int = 384
    """Width inside the SwiGLU network."""

    context: int = 256
    """Longest sequence in tokens."""

    tied_embeddings: bool = True
    """Whether the output layer uses the embedding's weights: fewer weights, better for small models."""

    qk_norm: bool = True
    """Whether queries and keys are normalised, as in Qwen 3; without it the model is saved as a Llama."""

    rope_theta: float = 10_000.0
    """Base of the rotary embeddings' wavelengths; higher for longer contexts."""

    dropout: float = 0.0
    """Share of hidden values switched off while a new model is trained; helps where the text is read many
    times. Continued pretraining and fine-tuning have none."""

    def __post_init__(self) -> None:
        check(self.vocabulary >= 300, f"vocabulary is {self.vocabulary}: it must be 300 or more")
        for name in ("hidden_size", "layers", "heads", "kv_heads", "intermediate_size"):
            check(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}: it must be 1 or more")
        check(self.context >= 8, f"context is {self.context}: it must be 8 tokens or more")
        check(
            self.hidden_size % (2 * self.heads) == 0,
            f"hidden_size is {self.hidden_size}: it must be a multiple of twice model.heads ({self.heads})",
        )
        check(
            self.heads % self.kv_heads == 0,
            f"kv_heads is {self.kv_heads}: it must divide model.heads ({self.heads})",
        )
        check(0 <= self.dropout < 1, f"dropout is {self.dropout}: it must be 0 or more and below 1")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of train.py: pretraining on plain text, from nothing or from a base model."""

    base: str = ""
    """Model to go on with: a folder of runs/, a local folder, or a name on the hub; empty: a new one."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where a name of `base` is looked up; ModelScope is quick in China."""

    method: MethodConfig = ALL_WEIGHTS
    """Which weights of `base` learn; those of a new model all do."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    prompts: list[str] = field(default_factory=list)
    """Beginnings of texts that the trained model continues, for the report."""

    def __post_init__(self) -> None:
        check(
            bool(self.base) or self.method.name == "full",
            f"method.name is {self.method.name}, but base is empty, and all weights of a new model learn: "
            "name a base to go on with, or set method.name to full",
        )


@dataclass(frozen=True, kw_only=True)
class ChatDataConfig:
    """Which conversations to learn from."""

    file: Files = "data/chats.jsonl"
    """JSONL, JSON, Parquet or CSV: messages, ShareGPT, Alpaca, or prompt and completion; found by itself.
    Several: a list of names, which may hold * and **."""

    test_file: Files = ""
    """Conversations for the final figures, one file or several; empty: a share of `file`."""

    format: ChatFormat = "auto"
    """Of all files; `auto` looks at the first lines of each."""

    system: str = ""
    """System message for conversations that have none; empty: none."""

    validation: float = 0.05
    """Share of the conversations for choosing the best epoch, above 0 and below 1."""

    test: float = 0.05
    """Share of the conversations for the final figures; not used where `test_file` is given."""

    max_length: int = 1024
    """Longest conversation in tokens, 8 or more; never more than the model's context."""

    too_long: Literal["drop", "cut_end", "cut_start"] = "drop"
    """What becomes of longer ones: left out; the end cut off (an answer may stop in its middle); or the
    oldest turns left out, the system message kept."""

    chat_template: str = ""
    """File with a Jinja chat template; empty: the tokenizer's own, or ChatML where it has none. Where no
    answer holds thoughts (`<think>`), it comes to ask for answers without."""

    seed: int = 0
    """Of the choice which conversations are validation and test ones."""

    def __post_init__(self) -> None:
        check(bool(file_names(self.file).strip()), "file is empty: give the path of the conversations")
        for name in ("validation", "test"):
            check(
                0 < getattr(self, name) < 1,
                f"{name} is {getattr(self, name)}: it must be above 0 and below 1",
            )
        check(self.validation + self.test < 1, "validation and chats.test together leave nothing to train on")
        check(self.max_length >= 8, f"max_length is {self.max_length}: it must be 8 tokens or more")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """How the next token is chosen."""

    max_new_tokens: int = 256
    """Longest answer in tokens; 0: as long as the model's context leaves room for."""

    temperature: float = 0.7
    """0 always takes the likeliest token; higher is more varied."""

    top_p: float = 0.9
    """Choose among the likeliest tokens that together have this probability; above 0, at most 1."""

    top_k: int = 0
    """Choose among so many of the likeliest tokens; 0: among all."""

    min_p: float = 0.0
    """Leave out tokens less likely than this share of the likeliest one's probability; from 0 to 1."""

    presence_penalty: float = 0.0
    """Logits that a token loses once the answer has it, from -2 to 2; above 0 there are fewer loops."""

    frequency_penalty: float = 0.0
    """Logits that a token loses each time the answer has it, from -2 to 2; above 0 there are fewer loops."""

    seed: int | None = 0
    """Of the choice; the same seed gives the same text; null: another text each time."""

    def __post_init__(self) -> None:
        check(self.max_new_tokens >= 0, f"max_new_tokens is {self.max_new_tokens}: it must be 0 or more")
        check(self.temperature >= 0, f"temperature is {self.temperature}: it must be 0 or more")
        check(0 < self.top_p <= 1, f"top_p is {self.top_p}: it must be above 0 and at most 1")
        check(self.top_k >= 0, f"top_k is {self.top_k}: it must be 0 or more")
        check(0 <= self.min_p <= 1, f"min_p is {self.min_p}: it must be from 0 to 1")
        for name in ("presence_penalty", "frequency_penalty"):
            check(-2 <= getattr(self, name) <= 2, f"{name} is {getattr(self, name)}: it must be from -2 to 2")

    def longest(self, room: int) -> int:
        """Most tokens of an answer where the context has room for so many."""
        return min(self.max_new_tokens or room, room)

    def dice(self, number: int) -> random.Random:
        """Random numbers for the answer to a prompt: others for each prompt, the same in any batch."""
        return random.Random(None if self.seed is None else f"{self.seed}-{number}")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Settings of finetune.py: learn from conversations, loss on the assistant's turns only."""

    base: str = "latest"
    """Model to start from: `latest` (the newest run of train.py), a run, a folder, or a name on the hub."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where a name of `base` is looked up; ModelScope is quick in China."""

    chats: ChatDataConfig = field(default_factory=ChatDataConfig)
    method: MethodConfig = field(default_factory=MethodConfig)

    compare_full: bool = False
    """Whether to train all weights beside it, to compare; only for small models."""

    compare_epochs: int = 0
    """Epochs of that comparison; 0: as many as `training.epochs`."""

    compare_learning_rate: float = 1e-3
    """Peak learning rate of that comparison, above 0."""

    answers: int = 200
    """How many test conversations the model answers, to count how often it says just what is expected."""

    answer_tokens: int = 64
    """Longest of these answers in tokens, 1 or more."""

    prompts: list[str] = field(default_factory=list)
    """Questions answered before and after, side by side in the report; empty: a few of the test ones."""

    training: TrainingConfig = field(default_factory=TrainingConfig)

    check_data: bool = False
    """Only look at the conversations: format, lengths, mistakes with their lines, leaks; then end."""

    def __post_init__(self) -> None:
        check(self.answers >= 0, f"answers is {self.answers}: it must be 0 or more")
        check(self.answer_tokens >= 1, f"answer_tokens is {self.answer_tokens}: it must be 1 or more")
        check(self.compare_epochs >= 0, f"compare_epochs is {self.compare_epochs}: it must be 0 or more")
        check(
            self.compare_learning_rate > 0,
            f"compare_learning_rate is {self.compare_learning_rate}: it must be above 0",
        )


@dataclass(frozen=True, kw_only=True)
class EvalTextConfig:
    """Plain text to measure a model on, in place of what its run held out."""

    files: list[str] = field(default_factory=list)
    """Text as in configs/train.yaml; names may hold * and **."""

    text_field: str = "text"
    """Field or column that holds the text, in .jsonl, .parquet and .csv."""

    separator: str = ""
    """What stands between two documents of a .txt file, on a line of its own; empty: the file is one."""


@dataclass(frozen=True, kw_only=True)
class EvalChatsConfig:
    """Conversations, or pairs of answers, to measure a model on, in place of what its run held out."""

    file: Files = ""
    """JSONL, JSON, Parquet or CSV, one file or several, as in configs/finetune.yaml or configs/align.yaml."""

    format: ChatFormat = "auto"
    """Of all files; `auto` looks at the first lines of each."""

    system: str = ""
    """System message for conversations that have none; empty: as the run had it."""

    max_length: int = 0
    """Longest conversation in tokens; 0: as the run had it."""

    def __post_init__(self) -> None:
        check(
            self.max_length == 0 or self.max_length >= 8,
            f"max_length is {self.max_length}: it must be 8 tokens or more, or 0",
        )


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Settings of eval.py."""

    run: str = "latest"
    """Run of train.py, finetune.py or align.py, a model's folder or name on the hub, or `latest`."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where a name of `run` is looked up; ModelScope is quick in China."""

    part: Literal["train", "validation", "test"] = "test"
    """Which part of the run's text, conversations or pairs to evaluate on; of a named file all counts."""

    chats: EvalChatsConfig = field(default_factory=EvalChatsConfig)
    pairs: EvalChatsConfig = field(default_factory=EvalChatsConfig)
    corpus: EvalTextConfig = field(default_factory=EvalTextConfig)

    batch_size: int = 16
    """Sequences per step, 1 or more."""

    answers: int = 200
    """How many conversations are answered to count exact ones, 0 or more."""

    answer_tokens: int = 0
    """Longest of these answers in tokens; 0: as in its fine-tuning, else as in configs/finetune.yaml."""

    harness: list[str] = field(default_factory=list)
    """Tasks of lm-evaluation-harness, such as hellaswag; needs the dependency group `harness`."""

    harness_include: str = ""
    """Folder with tasks of your own (YAML, as lm-evaluation-harness describes them), named in `harness`."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, f"batch_size is {self.batch_size}: it must be 1 or more")
        for name in ("answers", "answer_tokens"):
            check(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}: it must be 0 or more")
        named = [file_names(self.chats.file), file_names(self.pairs.file), *self.corpus.files[:1]]
        check(
            sum(map(bool, named)) <= 1,
            f"{' and '.join(filter(None, named))} are both given: evaluate on one of them at a time",
        )
        check(
            bool(self.harness) or not self.harness_include,
            f"harness_include is {self.harness_include}, but harness is empty: name the tasks there",
        )


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Settings of predict.py."""

    input: str = "data/prompts.jsonl"
    """File of prompts (JSONL with `prompt` or `messages`, CSV, or a line each in .txt)."""

    prompt: str = ""
    """A single prompt, instead of the file."""

    run: str = "latest"
    """Training or fine-tuning run, a model's folder or name on the hub, or `latest`."""

    output: str = ""
    """CSV file to write; empty: `predictions.csv` in a new folder of runs/."""

    system: str = ""
    """System message; empty: the one that the model was fine-tuned with, if any."""

    sampling: SamplingConfig = field(default_factory=SamplingConfig)


@dataclass(frozen=True, kw_only=True)
class ChatConfig:
    """Settings of chat.py: talk to a model in the terminal."""

    run: str = "latest"
    """Training or fine-tuning run, a model's folder or name on the hub, or `latest`."""

    system: str = ""
    """System message; empty: the one that the model was fine-tuned with, if any."""

    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(max_new_tokens=0, seed=None))


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Settings of serve.py: a local server that speaks OpenAI's protocol."""

    run: str = "latest"
    """Training or fine-tuning run, a model's folder or name on the hub, or `latest`."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""

    port: int = 8000
    """Port, 0 to 65535; 0 takes a free one."""

    name: str = ""
    """What clients must call the model; empty: any name will do, and it is listed by the run's name."""

    api_key: str = ""
    """Key that clients must send, as `Authorization: Bearer KEY`; empty: none is asked for."""

    allow_origins: list[str] = field(default_factory=list)
    """Web pages that may use the server from a browser, such as https://chat.example.com; `*`: any page."""

    system: str = ""
    """System message of a chat that has none; empty: the one that the model was fine-tuned with, if any."""

    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(max_new_tokens=0, seed=None))
    """What holds where a request says nothing."""

    def __post_init__(self) -> None:
        check(0 <= self.port <= 65535, f"port is {self.port}: it must be from 0 to 65535")
        for origin in self.allow_origins:
            check(
                re.fullmatch(r"\*|\w+://[^/]+", origin) is not None,
                f"allow_origins has {origin!r}: it must be like https://chat.example.com, with no path, or *",
            )
