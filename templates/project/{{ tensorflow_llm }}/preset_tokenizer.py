"""The tokenizer of a preset, as the one kind that this project uses: tokens, and where they stand in the
text.

KerasHub's byte-pair tokenizers are not used for text. They do not say where a token stands, which the loss on
the assistant's turns needs, and version 0.32 does not divide a text into words before it merges bytes (its
pattern is taken literally), so that a merge may reach across words: some texts get other tokens than the
model was trained with.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from .errors import UserError
from .hub_errors import hub_errors
from .sentence_pieces import from_sentence_pieces
from .tokenizer import WORDS, TextTokenizer, is_usable, write_json

TOKENIZER = "tokenizer"  # folder within a preset that this project has written
FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
THREE_DIGITS = ("Llama3", "SmolLM3", "GptOss")  # Qwen's pattern, but up to three digits together
MARK = re.compile(r"<\|\w+\|>")  # what special tokens of byte-pair vocabularies look like

# KerasHub's presets have no chat templates. These write what the families' instruction-tuned models were
# taught; Gemma and Mistral have no system message, which goes before the first question.
LLAMA_3 = """\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' -}}
    {{- message['content'] | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}
"""
SYSTEM_FIRST = """\
{{- bos_token -}}
{%- set system = messages[0]['content'] | trim + '\\n\\n' if messages[0]['role'] == 'system' else '' -%}
{%- set turns = messages[1:] if system else messages -%}
{%- for message in turns -%}
    {%- set text = (system if loop.first else '') + message['content'] | trim -%}
"""
GEMMA = (
    SYSTEM_FIRST
    + """\
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{- '<start_of_turn>' + role + '\\n' + text + '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<start_of_turn>model\\n' -}}
{%- endif -%}
"""
)
MISTRAL = (
    SYSTEM_FIRST
    + """\
    {%- if message['role'] == 'assistant' -%}
        {{- ' ' + text + eos_token -}}
    {%- else -%}
        {{- '[INST] ' + text + '[/INST]' -}}
    {%- endif -%}
{%- endfor -%}
"""
)
FAMILIES = {  # by the beginning of the tokenizer's class: the template, and the tokens that it needs
    "Llama3": (LLAMA_3, ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    "Gemma": (GEMMA, ("<start_of_turn>", "<end_of_turn>")),
    "Mistral": (MISTRAL, ("[INST]", "[/INST]")),
}


def find_tokenizer(source: str) -> TextTokenizer:
    """The tokenizer of the preset in a folder or behind a handle; its weights are not fetched for that.

    Raises UserError.
    """
    folder = Path(source)
    for place in (folder / TOKENIZER, folder):
        if is_usable(place / FILES[0]):
            return TextTokenizer(place)
    if source.startswith("hf://") and (fetched := from_hugging_face(source)):
        return TextTokenizer(fetched)
    return from_keras_hub(source)


def from_hugging_face(handle: str) -> Path | None:
    """The folder of the hub's cache with the tokenizer's files of a handle; None where it has none."""
    from huggingface_hub import snapshot_download

    with hub_errors(handle):
        folder = Path(snapshot_download(handle.removeprefix("hf://"), allow_patterns=list(FILES)))
    return folder if is_usable(folder / FILES[0]) else None


def from_keras_hub(source: str) -> TextTokenizer:
    """A tokenizer with the vocabulary of KerasHub's. Raises UserError for a kind that is not known here."""
    from keras_hub.tokenizers import Tokenizer as KerasTokenizer

    with hub_errors(source):
        theirs: Any = KerasTokenizer.from_preset(source)
    if getattr(theirs, "merges", None):
        tokenizer = from_merges(theirs)
    elif getattr(theirs, "proto", None):
        marks = [mark for _, needed in FAMILIES.values() for mark in needed]
        tokenizer = from_sentence_pieces(theirs.proto, marks, source)
    else:
        raise UserError(
            f"The {type(theirs).__name__} of {source} is of a kind that cannot be used here: take the model "
            "in Hugging Face's format, hf://OWNER/NAME, with a tokenizer.json."
        )
    start = getattr(theirs, "start_token", None)
    if start and start != theirs.end_token:  # the model has read one before every text
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, theirs.start_token_id)]
        )
    special = {"bos_token": start, "eos_token": theirs.end_token}
    template = template_for(type(theirs).__name__, source, tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILES[0]
        tokenizer.save(str(file))
        write_json(Path(folder) / FILES[1], {name: text for name, text in special.items() if text})
        if template:
            (Path(folder) / FILES[2]).write_text(template, encoding="utf-8")
        return TextTokenizer(folder)


def template_for(kind: str, source: str, tokenizer: Tokenizer) -> str:
    """The chat template for a preset: its family's, where it is an instruction-tuned one; else empty.

    A base model has never seen the marks of its family's chats: `TextTokenizer` gives it ChatML, whose turns
    end with the end of the text, which it knows.
    """
    if "instruct" in source.lower():
        for family, (template, needed) in FAMILIES.items():
            if kind.startswith(family) and set(needed) <= set(tokenizer.get_vocab()):
                return template
    return ""


def from_merges(theirs: Any) -> Tokenizer:
    """A byte-pair tokenizer with the vocabulary and merges of KerasHub's."""
    merges = [tuple(merge.split(" ")) for merge in theirs.merges if not merge.startswith("#version")]
    tokenizer = Tokenizer(models.BPE(vocab=dict(theirs.vocabulary), merges=merges))
    marks = [text for text in theirs.vocabulary if MARK.fullmatch(text)]
    special = dict.fromkeys([*theirs.unsplittable_tokens, *marks])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
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
    return tokenizer
