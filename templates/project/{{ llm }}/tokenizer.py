"""A tokenizer of one's own: byte-level BPE, trained on the corpus.

Any text comes back exactly as it was: what the tokenizer has not seen becomes single bytes. It is saved
in the format of Hugging Face, so that `transformers.AutoTokenizer` reads it, with the same tokens.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from .chat_template import CHATML, ChatTemplate, chatml
from .console import say
from .errors import UserError
from .examples import Encoded

END, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = [END, START_OF_TURN, END_OF_TURN]

# Qwen's: English contractions, words with the space or sign before them, digits one by one, signs, line ends.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

MOST_CHARACTERS = 200_000_000  # to learn a tokenizer from: of a larger corpus every second, third … document


def train_tokenizer(texts: Sequence[str], vocabulary: int, folder: Path) -> None:
    """Train a tokenizer and write it into a folder.

    Args:
        texts: the training part of the corpus only: what comes from the test part would leak into it.
        vocabulary: number of tokens: 256 bytes, the special tokens, and merges. A small text gives fewer.
        folder: gets tokenizer.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja.

    Raises:
        UserError: the vocabulary cannot hold the bytes and the special tokens.
    """
    fewest = 256 + len(SPECIAL_TOKENS)
    if vocabulary < fewest:
        raise UserError(f"model.vocabulary is {vocabulary}: a byte-level tokenizer needs {fewest} or more.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    step = max(-(-sum(map(len, texts)) // MOST_CHARACTERS), 1)
    tokenizer.train_from_iterator(texts[::step], trainer)
    if tokenizer.get_vocab_size() < vocabulary:
        say(f"The corpus gives {tokenizer.get_vocab_size():,} tokens, not {vocabulary:,}: it is small.")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": END, "pad_token": END}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000,  # the model's own limit is in its config.json
        "additional_special_tokens": SPECIAL_TOKENS,
        **special,
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", special)
    (folder / "chat_template.jinja").write_text(CHATML, encoding="utf-8")


class TextTokenizer:
    """The tokenizer of a folder, without any framework: text to tokens, and chats to text.

    Attributes:
        vocabulary: number of tokens.
        start: the tokens that it puts before a text, such as Llama's `<|begin_of_text|>`; most have none.
        end: the token between two documents, also used for padding.
        end_of_turn: the token that ends a turn of a chat.
        render: the chat template: `render(messages, True)` is the text that the assistant goes on with.
    """

    def __init__(self, folder: str | Path) -> None:
        """Open a folder with tokenizer.json. Raises UserError."""
        self.folder = Path(folder)
        file = self.folder / "tokenizer.json"
        if not file.is_file():
            raise UserError(f"{folder} has no tokenizer.json: it is not the folder of a tokenizer.")
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises no narrower one
            raise UserError(f"{file} cannot be read: {error}.") from None
        self.vocabulary = self.tokenizer.get_vocab_size()
        settings = read_json(self.folder / "tokenizer_config.json")
        self.special_tokens = {
            name: text_of(settings[name]) for name in settings if is_special(name, settings)
        }
        self.end = self.find(END, self.special_tokens.get("eos_token", ""))
        plain, whole = (self.tokenizer.encode("a", add_special_tokens=add).ids for add in (False, True))
        self.start = tokens_before(plain, whole)
        source = own_template(self.folder, settings) or self.chatml()
        self.write_chats_with(ChatTemplate(source, self.special_tokens, f"the chat template of {folder}"))

    def find(self, *texts: str) -> int:
        """The first of these tokens that the vocabulary has. Raises UserError where it has none."""
        for text in texts:
            if text and (token := self.tokenizer.token_to_id(text)) is not None:
                return token
        raise UserError(f"{self.folder / 'tokenizer.json'} has no token {' or '.join(filter(None, texts))}.")

    def chatml(self) -> str:
        """ChatML whose turns end with one token: where `<|im_end|>` is none, with the end of the text.

        `<|im_start|>` may be a few tokens of plain text; but an answer stops at a single token.
        """
        known = self.tokenizer.token_to_id(END_OF_TURN) is not None
        return chatml(self.decode(self.start), END_OF_TURN if known else self.decode([self.end]))

    def write_chats_with(self, template: ChatTemplate) -> None:
        """Render conversations with this template, and let answers stop at what ends a turn in it."""
        self.render = template
        self.end_of_turn = self.after_answer(template)

    def after_answer(self, template: ChatTemplate) -> int:
        """The special token that ends an answer, or else begins the next question; or else the usual ones."""
        after = self.encode(template.after_answer()).tokens
        if after and after[0] in self.tokenizer.get_added_tokens_decoder():
            return after[0]
        return self.find(END_OF_TURN, self.special_tokens.get("eos_token", ""))

    def encode(self, text: str) -> Encoded:
        """Tokens of a text, and the characters that each stands for. Adds no special token by itself."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        return Encoded(encoding.ids, encoding.offsets)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of many texts, on all cores."""
        return [
            encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]

    def decode(self, tokens: Sequence[int] | np.ndarray, *, skip_special: bool = False) -> str:
        """The text of tokens: exactly that which was encoded, or without the special tokens."""
        return self.tokenizer.decode([int(token) for token in tokens], skip_special_tokens=skip_special)

    def token_bytes(self, tokens: Sequence[int] | np.ndarray) -> int:
        """How many bytes of text, in UTF-8, these tokens stand for; special tokens stand for none."""
        return int(self.bytes_of_token[np.asarray(tokens, dtype=np.int64)].sum())

    def special_texts(self) -> list[str]:
        """The special tokens' texts, such as `<|im_end|>`: whoever writes one, it becomes that token."""
        return [one.content for one in self.tokenizer.get_added_tokens_decoder().values() if one.special]

    @cached_property
    def bytes_of_token(self) -> np.ndarray:
        """Bytes of each token, shape (vocabulary,), int64; in byte-level BPE a token's letters are bytes."""
        sizes = np.zeros(self.vocabulary, dtype=np.int64)
        special = self.tokenizer.get_added_tokens_decoder()
        for text, token in self.tokenizer.get_vocab().items():
            sizes[token] = 0 if token in special else len(text)
        return sizes


def tokens_before(plain: list[int], whole: list[int]) -> list[int]:
    """What stands before the tokens of a text, `plain`, in those with special tokens, `whole`."""
    places = range(len(whole) - len(plain) + 1)
    return next((whole[:place] for place in places if whole[place : place + len(plain)] == plain), [])


def is_usable(file: Path) -> bool:
    """Whether a `tokenizer.json` is Hugging Face's; KerasHub gives its own tokenizer's settings that name."""
    if not file.is_file():
        return False
    try:
        return "model" in json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{file} is damaged: copy it there again.") from None


def vocabulary_and_merges(folder: str | Path) -> tuple[dict[str, int], list[str]]:
    """The two parts of a BPE tokenizer, as KerasHub's BytePairTokenizer takes them: `vocab` and `merges`."""
    content = read_json(Path(folder) / "tokenizer.json")
    added = {token["content"]: token["id"] for token in content["added_tokens"]}
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in content["model"]["merges"]]
    return {**content["model"]["vocab"], **added}, merges


def own_template(folder: Path, settings: dict) -> str:
    """The chat template in a tokenizer's folder: a file of its own, or in older ones a setting; or empty."""
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template") or ""
    if isinstance(template, list):  # several, by name
        template = {one["name"]: one["template"] for one in template}.get("default", "")
    return str(template)


def is_special(name: str, settings: dict) -> bool:
    """Whether a field of tokenizer_config.json names a special token, such as `eos_token`."""
    return name.endswith("_token") and isinstance(settings[name], str | dict)


def text_of(token: str | dict) -> str:
    """A special token's text; older files hold it with its properties."""
    return token if isinstance(token, str) else token["content"]


def read_json(path: Path) -> dict:
    """Read a JSON file; empty where it does not exist. Raises UserError."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise UserError(f"{path} is damaged: {error}.") from None


def write_json(path: Path, content: dict) -> None:
    """Write JSON that people can read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
