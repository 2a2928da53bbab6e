"""The tokenizer of a base model: loaded, given a chat template, checked against the model's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .chat_template import END_OF_TURN, ChatTemplate, chatml, read_template, suit
from .console import say
from .errors import UserError
from .quiet import one_line, quiet_transformers
from .tokenizer import tokens_before

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model", "tekken.json")


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer."""
    return any((folder / name).is_file() for name in TOKENIZER_FILES)


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in `folder`. Raises UserError where its files are missing or damaged."""
    from transformers import AutoTokenizer

    if not has_tokenizer(folder):
        raise UserError(
            f"{folder} has no tokenizer (tokenizer.json): copy it there from where the model comes from."
        )
    with quiet_transformers():
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # the readers of the formats raise what they like
            raise UserError(f"The tokenizer in {folder} cannot be loaded: {one_line(error)}") from error
    return tokenizer


def start_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that the tokenizer puts before a text, such as Llama's `<|begin_of_text|>`; often none."""
    plain, whole = (tokenizer("a", add_special_tokens=add)["input_ids"] for add in (False, True))
    return tokens_before(plain, whole)


def set_chat_template(
    tokenizer: PreTrainedTokenizerBase, name: str, file: str = "", thoughts: bool | None = None
) -> None:
    """Give the tokenizer of the model `name` the template in `file`; without one its own, or else ChatML.

    ChatML begins with the token that the tokenizer puts before a text, as the base has read all texts. No
    token is added for it, because the model has learned nothing about a new one. `<|im_start|>` may so be a
    few tokens of plain text; but what ends a turn has to be a single token, or an answer would not stop
    there: the end of the text, where the vocabulary has no `<|im_end|>`.

    `thoughts` says whether the answers to be learned hold any (`ChatTemplate.suited`); None: there are none
    to learn.

    Raises UserError for a file that cannot be read or is no template.
    """
    if file:
        tokenizer.chat_template = read_template(file).source
    elif not tokenizer.chat_template:
        end = END_OF_TURN if END_OF_TURN in tokenizer.get_vocab() else tokenizer.eos_token
        if not end:
            raise UserError(
                f"{name} has neither a chat template nor a token that ends a text: give a template "
                "(chats.chat_template)."
            )
        start = str(tokenizer.decode(start_tokens(tokenizer)))
        tokenizer.chat_template = chatml(start, str(end))
        say(f"{name} has no chat template: ChatML is used, with {end} at the end of a turn.")
    if thoughts is not None:
        own = ChatTemplate(tokenizer.get_chat_template(), tokenizer.special_tokens_map)
        suited = suit(own, thoughts, name)
        if suited.source != own.source:
            tokenizer.chat_template = suited.source


def fit_embeddings(model: Any, tokenizer: PreTrainedTokenizerBase, name: str, *, may_grow: bool) -> None:
    """Check that every token has an embedding; make new ones for tokens added to the tokenizer, if allowed.

    A special token may do without one, such as Gemma's for images, where the chat template does not write it:
    texts do not hold it, and one that does is refused (`check_tokens`).

    Raises UserError for a tokenizer of another model.
    """
    rows = model.get_input_embeddings().num_embeddings
    beyond = {text: token for text, token in tokenizer.get_vocab().items() if token >= rows}
    if not beyond:  # often there are more rows than tokens, to make a round number
        return
    tokens = max(beyond.values()) + 1
    if tokens - rows > len(tokenizer.get_added_vocab()):
        raise UserError(
            f"The tokenizer of {name} does not fit its model: it has {tokens:,} tokens, the model embeddings "
            f"for {rows:,} only; take the tokenizer that belongs to the model."
        )
    if all(is_spare(tokenizer, text, token) for text, token in beyond.items()):
        return
    if not may_grow:
        raise UserError(
            f"The tokenizer of {name} has {tokens - rows} added tokens that the model has no embeddings for: "
            "set method.name to full, which trains new ones, or take the tokenizer as it was."
        )
    model.resize_token_embeddings(tokens)
    say(f"The embeddings grew by {tokens - rows} rows, for tokens that were added to the tokenizer.")


def is_spare(tokenizer: Any, text: str, token: int) -> bool:
    """Whether neither usual texts nor chats hold this token: a special one, but none that begins or ends."""
    found = tokenizer.added_tokens_decoder.get(token)
    used = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    special = found is not None and found.special and token not in used
    return special and text not in (tokenizer.chat_template or "")


def check_tokens(tokens: Sequence[int], rows: int, tokenizer: Any, name: str) -> None:
    """Raise UserError for a token that the model `name` has no embedding for; it has `rows` of them."""
    if (token := max(tokens, default=0)) >= rows:
        raise UserError(
            f"A text holds {tokenizer.convert_ids_to_tokens(token)}, a token of the tokenizer of {name} that "
            "its model has no embedding for: take it out of the text."
        )
