"""The tokenizer of a preset, as the one kind that this project uses: tokens, and where they stand in the
text.

KerasHub's byte-pair tokenizers are not used for text. They do not say where a token stands, which the loss on
the assistant's turns needs, and version 0.32 does not divide a text into words before it merges bytes (its
pattern is taken literally), so that a merge may reach across words: some texts get other tokens than the
model was trained with.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from .errors import UserError
from .hub_errors import hub_errors
from .tokenizer import WORDS, TextTokenizer, write_json

if TYPE_CHECKING:
    from keras_hub.models import CausalLM

TOKENIZER = "tokenizer"  # folder within a preset that this project has written
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
THREE_DIGITS = ("Llama3", "SmolLM3", "GptOss")  # Qwen's pattern, but up to three digits together


def find_tokenizer(source: str, model: CausalLM) -> TextTokenizer:
    """The tokenizer of the preset in a folder or behind a handle. Raises UserError."""
    folder = Path(source)
    for place in (folder / TOKENIZER, folder):
        if is_usable(place / FILES[0]):
            return TextTokenizer(place)
    if source.startswith("hf://") and (fetched := from_hugging_face(source)):
        return TextTokenizer(fetched)
    return from_keras_hub(source, model)


def is_usable(file: Path) -> bool:
    """Whether a `tokenizer.json` is Hugging Face's; KerasHub gives its own tokenizer's settings that name."""
    if not file.is_file():
        return False
    try:
        return "model" in json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{file} is damaged: copy it there again.") from None


def from_hugging_face(handle: str) -> Path | None:
    """The folder of the hub's cache with the tokenizer's files of a handle; None where it has none."""
    from huggingface_hub import snapshot_download

    with hub_errors(handle):
        folder = Path(snapshot_download(handle.removeprefix("hf://"), allow_patterns=list(FILES)))
    return folder if is_usable(folder / FILES[0]) else None


def from_keras_hub(source: str, model: CausalLM) -> TextTokenizer:
    """A tokenizer with the vocabulary and merges of KerasHub's. Raises UserError for another kind."""
    theirs: Any = getattr(model.preprocessor, "tokenizer", None)
    if not getattr(theirs, "merges", None):
        raise UserError(
            f"{source} has no byte-pair tokenizer that can be used here (Gemma and Llama 2 have "
            "SentencePiece's): take it in Hugging Face's format, hf://OWNER/NAME, with a tokenizer.json."
        )
    merges = [tuple(merge.split(" ")) for merge in theirs.merges if not merge.startswith("#version")]
    tokenizer = Tokenizer(models.BPE(vocab=dict(theirs.vocabulary), merges=merges))
    special = [AddedToken(text, special=True, normalized=False) for text in theirs.unsplittable_tokens]
    tokenizer.add_special_tokens(special)
    start = getattr(theirs, "start_token", None)
    if start and start != theirs.end_token:  # such as Llama 3's, which has read one before every text
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, theirs.start_token_id)]
        )
    kind = type(theirs).__name__
    if kind.startswith(("Qwen", *THREE_DIGITS)):
        pattern = WORDS.replace(r"|\p{N}|", r"|\p{N}{1,3}|") if kind.startswith(THREE_DIGITS) else WORDS
        words: list[Any] = [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    else:  # as GPT-2
        words = [pre_tokenizers.ByteLevel(add_prefix_space=bool(theirs.add_prefix_space))]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
    tokenizer.decoder = decoders.ByteLevel()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILES[0]
        tokenizer.save(str(file))
        write_json(Path(folder) / FILES[1], {"eos_token": theirs.end_token})
        return TextTokenizer(folder)
