"""The settings of the two commands that look after conversations: check_data.py and convert_data.py."""

from dataclasses import dataclass
from typing import Literal

from .config import ChatFormat, Files, check


@dataclass(frozen=True, kw_only=True)
class CheckDataConfig:
    """Settings of check_data.py: look at conversations before something is learned from them."""

    file: Files = ""
    """JSONL, JSON, Parquet or CSV, one file or several; empty: those of configs/finetune.yaml, with the test
    file."""

    format: ChatFormat = "auto"
    """Of all files; `auto` looks at the first lines of each."""

    max_length: int = 0
    """Longest conversation in tokens; 0: as in configs/finetune.yaml."""

    tokenizer: str = ""
    """Whose tokens are counted: a run, a model's folder, or a name on the hub; empty: the base of
    configs/finetune.yaml. Where it is not on this machine characters are counted."""

    shown: int = 3
    """Conversations printed as the model will see them, 0 or more."""

    def __post_init__(self) -> None:
        check(self.max_length >= 0, f"max_length is {self.max_length}: it must be 0 or more")
        check(self.shown >= 0, f"shown is {self.shown}: it must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class ConvertDataConfig:
    """Settings of convert_data.py: write conversations in another format, without what cannot be used."""

    input: Files = ""
    """JSONL, JSON, Parquet or CSV; several files become one; empty: those of configs/finetune.yaml."""

    format: ChatFormat = "auto"
    """Of all files; `auto` looks at the first lines of each."""

    output: str = ""
    """File to write, .jsonl, .json, .parquet or .csv; empty: a .jsonl file in a new folder of runs/."""

    to: Literal["messages", "sharegpt", "alpaca", "prompt_completion", "unpaired_preference"] = "messages"
    """Format of the output; `unpaired_preference` labels each answer of preference pairs good or bad."""

    system: str = ""
    """System message for conversations that have none; empty: none."""

    overwrite: bool = False
    """Whether the output may replace a file."""
