"""A byte-level BPE tokenizer in a GGUF file."""

from __future__ import annotations

import json
from typing import Any

import gguf
from gguf import TokenType

from .errors import UserError
from .text_model import end_of_turn

# llama.cpp knows the rules that cut a text into words by names: these are the patterns behind the names.
DIGITS_ONE_BY_ONE = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BY_CASE = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
RULES = {
    BY_CASE: "tekken",  # Mistral Nemo and later
    DIGITS_ONE_BY_ONE: "qwen2",  # Qwen, DeepSeek's distilled Qwens, and our own
    DIGITS_ONE_BY_ONE.replace(r"|\p{N}|", r"|\p{N}{1,3}|"): "llama-bpe",  # Llama 3
}
GPT2_RULE = "gpt-2"
GPT2_DIGITS_RULE = "smollm"  # GPT-2's, after each digit has been set apart
NFC = {"type": "NFC"}  # Qwen's: composes accents; llama.cpp goes without
OTHER_WAY = (
    "export it as safetensors, and convert that with llama.cpp's convert_hf_to_gguf.py (where that asks for "
    "a tokenizer.model, as it does for Gemma, copy the base's into the folder)"
)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, rows: int) -> None:
    """Add tokens, merges, special tokens and chat template.

    Args:
        writer: Of the GGUF file.
        tokenizer: Of transformers.
        rows: Rows of the embedding; where there are more than tokens, the rest is named as unused.

    Raises:
        UserError: For a tokenizer that is no byte-level BPE, or whose words are cut by another rule.
    """
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule_of(content))
    special = {token["id"]: bool(token["special"]) for token in content["added_tokens"]}
    texts = {token: text for text, token in tokenizer.get_vocab().items()}
    if max(texts) >= rows:
        raise UserError(f"The tokenizer has {max(texts) + 1:,} tokens, the model embeddings for {rows:,}.")
    kinds = {None: TokenType.NORMAL, True: TokenType.CONTROL, False: TokenType.USER_DEFINED}
    writer.add_token_list([texts.get(token, f"[PAD{token}]") for token in range(rows)])
    writer.add_token_types(
        [kinds[special.get(token)] if token in texts else TokenType.UNUSED for token in range(rows)]
    )
    merges = content["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    begins = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    writer.add_add_bos_token(begins)
    for token, add in (
        (tokenizer.bos_token_id, writer.add_bos_token_id),
        (tokenizer.eos_token_id, writer.add_eos_token_id),
        (end_of_turn(tokenizer), writer.add_eot_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
    ):
        if token is not None:
            add(token)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.get_chat_template())


def rule_of(content: dict[str, Any]) -> str:
    """The name under which llama.cpp knows how this tokenizer cuts a text into words. Raises UserError."""
    steps = content["pre_tokenizer"] or {}
    steps = steps.get("pretokenizers", [steps])
    kinds = [step.get("type") for step in steps]
    plain = content["normalizer"] in (None, NFC)
    if content["model"]["type"] != "BPE" or "ByteLevel" not in kinds or not plain:
        raise UserError(
            "GGUF is written for byte-level BPE tokenizers (Llama 3, Qwen, SmolLM, and those trained here), "
            f"and this model has another: {OTHER_WAY}."
        )
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return GPT2_RULE
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return GPT2_DIGITS_RULE
    pattern = next((step["pattern"].get("Regex", "") for step in steps if step.get("type") == "Split"), "")
    if kinds != ["Split", "ByteLevel"] or pattern not in RULES:
        raise UserError(
            "This model's tokenizer cuts texts into words by a rule whose name in llama.cpp is not known "
            f"here: {OTHER_WAY}."
        )
    return RULES[pattern]
